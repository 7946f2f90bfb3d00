package check

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Responses that gave way to others are neither owed a label nor the cause of what is
// missing.
func TestReplacedLabelsAreNotOwed(t *testing.T) {
	r := healthy.New(100, 1)
	for i, class := range []string{"refused", "refused", "unparsable"} {
		r.Labels[i].Label, r.Labels[i].Error = dataset.Float{}, &dataset.RecordError{Class: class, Message: "m"}
	}
	r.LabelsReplaced = []dataset.Key{r.Labels[0].Key(), r.Labels[1].Key()}
	f := record.Finding{}
	checkOracleRange(alone(r), &f)
	for _, want := range []string{"1 label of 98 missing: " + r.Labels[2].Key().String(), "The first unparsable: m",
		"2 responses could not be labeled and gave way"} {
		if !strings.Contains(f.Summary, want) {
			t.Errorf("%q, want %q", f.Summary, want)
		}
	}
}
