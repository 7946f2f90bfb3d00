package teacherforce

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

func TestStatistics(t *testing.T) {
	row := func(id, policy, hash string, v float64, tokens int) dataset.LogProb {
		return dataset.LogProb{PromptID: id, Policy: policy, PolicyHash: hash, LogProb: dataset.Known(v), Tokens: tokens,
			Method:       MethodTokenIDs,
			Distribution: dataset.SamplingDistribution,
			Methods: map[string]dataset.MethodResult{
				MethodTokenIDs: {LogProb: dataset.Known(v), Status: "ok"}, MethodContinuation: {Status: "failed", Reason: "seam"},
			}}
	}
	failed := row("q3", "pi", "h2", math.NaN(), 0)
	failed.Error, failed.Method, failed.Flags = &dataset.RecordError{Class: string(ReasonMissing)}, "",
		[]string{string(FlagNull)}
	failed.Methods = map[string]dataset.MethodResult{MethodTokenIDs: {Status: "failed", Reason: string(ReasonMissing)}}
	rawRow := row("q2", "pi_cold", "h3", -9, 40)
	rawRow.Distribution = dataset.RawDistribution
	lost := func(id, policy, hash string) dataset.LogProb { // with the tokens that it would have had
		r := row(id, policy, hash, math.NaN(), 7)
		r.Error, r.Method, r.Methods = &dataset.RecordError{Class: string(ReasonMissing)}, "", nil
		return r
	}
	rows := slices.Values([]dataset.LogProb{
		row("q1", "p0", "h1", -10, 10), row("q2", "p0", "h1", -20, 40), row("q3", "p0", "h1", -3, 5),
		row("q1", "clone", "h1", -10.5, 10), row("q2", "clone", "h1", -20, 40),
		row("q1", "pi", "h2", -14, 10), row("q2", "pi", "h2", -26, 40), failed,
		rawRow,
	})
	nan := math.NaN()
	ids := func(attempts, answered int, reasons map[Reason]int) map[string]MethodStatistics {
		return map[string]MethodStatistics{
			MethodTokenIDs:     {attempts, answered, answered, reasons},
			MethodContinuation: {answered, 0, 0, map[Reason]int{ReasonSeam: answered}},
		}
	}
	none := map[string]int{}
	// p0 and clone: 0.5 nats over 10 tokens and 0 over 40. pi: (4 + 6) nats over 50
	// tokens; residuals 4 - 2 and 6 - 8, so SE = sqrt((4 + 4)·2)/50.
	noise := Repeatability{2, math.Sqrt(0.05 * 0.05 / 2), 0.05}
	want := []PolicyStatistics{
		{"p0", 3, 3, none, none, noise, nan, nan, nan},
		{"clone", 2, 2, none, none, noise, 0.5 / 50, math.Sqrt((0.4*0.4+0.4*0.4)*2) / 50,
			math.Exp(0.01 * 25)},
		{"pi", 3, 2, map[string]int{string(ReasonMissing): 1}, map[string]int{string(FlagNull): 1},
			Repeatability{0, nan, nan}, 0.2, math.Sqrt((2*2+2*2)*2) / 50,
			math.Exp(0.2 * 25)},
		{"pi_cold", 1, 1, none, none, Repeatability{0, nan, nan}, nan, nan, nan},
	}
	near := cmp.Comparer(func(a, b float64) bool {
		return a == b || math.IsNaN(a) && math.IsNaN(b) ||
			math.Abs(a-b) < 1e-12
	})
	if d := cmp.Diff(want, Statistics(rows, "p0"), near); d != "" {
		t.Errorf("statistics (-want +got):\n%s", d)
	}
	byPrompt := slices.SortedStableFunc(rows,
		func(a, b dataset.LogProb) int { return strings.Compare(a.PromptID, b.PromptID) })
	if d := cmp.Diff(want, Statistics(slices.Values(byPrompt), "p0"), near); d != "" {
		t.Errorf("statistics of records by prompt (-want +got):\n%s", d)
	}
	// What has no value is compared with nothing.
	got := Statistics(slices.Values([]dataset.LogProb{lost("q1", "p0", "h1"), row("q1", "clone", "h1", -2, 7),
		row("q1", "pi", "h2", -3, 7), row("q2", "p0", "h1", -1, 5), lost("q2", "clone", "h1"),
		row("q2", "pi", "h2", -2, 5)}), "p0")
	for _, s := range got {
		if s.Repeatability.N != 0 || s.Policy == "pi" && s.KLPerToken != 0.2 ||
			s.Policy != "pi" && !math.IsNaN(s.KLPerToken) {
			t.Errorf("%s is compared with what is missing: %+v", s.Policy, s)
		}
	}
	methods := map[string]map[string]MethodStatistics{"p0": ids(3, 3, map[Reason]int{}),
		"clone": ids(2, 2, map[Reason]int{}), "pi": ids(3, 2, map[Reason]int{ReasonMissing: 1}),
		"pi_cold": ids(1, 1, map[Reason]int{})}
	if d := cmp.Diff(methods, CountMethods(rows)); d != "" {
		t.Errorf("methods (-want +got):\n%s", d)
	}
	bare := CountMethods(slices.Values([]dataset.LogProb{{Policy: "p0"}}))
	if m, ok := bare["p0"]; !ok || len(m) != 0 {
		t.Errorf("methods of a record without any: %v", bare)
	}
	if got := Statistics(slices.Values([]dataset.LogProb(nil)), "p0"); len(got) != 0 {
		t.Errorf("statistics of nothing: %+v", got)
	}
}
