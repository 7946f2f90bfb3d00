package check

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Certification that could not be carried out says why, and does not accuse the
// endpoint's log-probs.
func TestCertificationStopped(t *testing.T) {
	for class, want := range map[string]record.Status{"auth": record.Fail, "rate_limited": record.Fail,
		"budget": record.Hold} {
		r := healthy.New(100, 1)
		r.Certificates = nil
		r.Stop = &record.Stop{Stage: record.StageCertify, Class: class, Message: "m"}
		in := alone(r)
		f := record.Finding{Remedy: probeRemedy("")}
		checkCertified(in, &f)
		if f.Status != want || !strings.Contains(f.Summary, class) || !strings.Contains(f.Remedy, "run.errors") {
			t.Errorf("%s: %+v", class, f)
		}
	}
}
