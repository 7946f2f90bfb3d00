package report

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/reweigh/reweigh/offpolicy"
)

// eValue writes an e-value given by its natural logarithm: what lies beyond a
// million or below a thousandth as a power of ten.
func eValue(log float64) string {
	switch {
	case math.IsNaN(log):
		return absent
	case math.IsInf(log, 0):
		return number3(math.Exp(log))
	case math.Abs(log) < 6*math.Ln10:
		return number3(math.Exp(log))
	}
	return fmt.Sprintf("10^%.1f", log/math.Ln10)
}

// EvaluationText writes e for a terminal of width columns, by the rules of
// [Text].
func EvaluationText(w io.Writer, e *offpolicy.Document, width int) error {
	v := newEvaluationView(e)
	if width <= 0 {
		width = 100
	}
	t := &terminal{width: max(width, 40)}
	t.wrap("", "", v.Headline+" "+v.Meaning)
	for _, s := range v.Reasons {
		t.wrap("  - ", "    ", s)
	}
	for _, n := range v.Notes {
		t.wrap("  ! ", "    ", n)
	}
	t.heading("Answers")
	t.table(v.Answers, "No policy.")
	// What was refused stands below, with the reasons.
	numbers := v.Estimates
	numbers.Rows = slices.DeleteFunc(slices.Clone(numbers.Rows), func(r []string) bool { return r[2] == "refused" })
	t.heading("Estimates")
	t.table(numbers, "Every estimate is refused.")
	if v.Reference != "" {
		t.wrap("  ", "  ", v.Reference)
	}
	if len(v.Refusals) > 0 {
		t.heading("Refused")
		for _, r := range v.Refusals {
			t.wrap("  "+r.Name+"  ", "    ", r.Value)
		}
	}
	t.heading("Weights")
	t.table(v.Weights, "No policy.")
	if len(v.Comparisons.Rows) > 0 {
		t.heading("Differences")
		t.table(v.Comparisons, "")
	}
	if v.Calibration != "" {
		t.heading("Calibration")
		t.wrap("  ", "  ", v.Calibration)
	}
	if len(v.Advice) > 0 {
		t.heading("What would tell more")
		for _, a := range v.Advice {
			t.wrap("  "+a.Name+": ", "    ", a.Value)
		}
	}
	_, err := w.Write(t.b.Bytes())
	return err
}
