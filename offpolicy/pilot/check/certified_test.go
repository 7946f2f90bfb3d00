package check

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
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

// A probe that fails says by how much; the models that failed it alike share a sentence, and
// it says the worst of their figures.
func TestCertificationSaysByHowMuch(t *testing.T) {
	r := healthy.New(100, 1)
	in := alone(r)
	for i := range in.Records.Certificates {
		c := &in.Records.Certificates[i]
		c.OK = false
		c.Probes = append(c.Probes, teacherforce.Probe{Name: teacherforce.ProbeRepeatability,
			Value: dataset.Known(0.00062 / float64(i+1)), // the first is the worst
			Limit: dataset.Known(2.5e-6), Detail: "noise of a token's log-prob"})
	}
	f := record.Finding{}
	checkCertified(in, &f)
	if want := "where at most 2.5e-06 is allowed: noise of a token's log-prob"; f.Status != record.Fail ||
		strings.Count(f.Summary, want) != 1 || !strings.Contains(f.Summary, ", 0.00062 ") {
		t.Errorf("%s: %q, want %q once", f.Status, f.Summary, want)
	}
}
