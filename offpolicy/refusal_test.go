package offpolicy

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// rules returns the rules that refuse weights with these log-ratios.
func rules(t *testing.T, l []float64) []Rule {
	t.Helper()
	w, err := WeightsFromLogRatios(l)
	if err != nil {
		t.Fatal(err)
	}
	out := []Rule{}
	for _, r := range w.Refusals() {
		if r.Message == "" || !strings.HasPrefix(r.String(), string(r.Rule)+": ") || math.IsNaN(r.Value) ||
			math.IsNaN(r.Threshold) {
			t.Errorf("incomplete refusal %+v", r)
		}
		out = append(out, r.Rule)
	}
	if w.Usable() != (len(out) == 0) {
		t.Error("Usable must say what Refusals says")
	}
	return out
}

// repeat returns a rows of la and b rows of lb.
func repeat(a int, la float64, b int, lb float64) []float64 {
	return append(slices.Repeat([]float64{la}, a), slices.Repeat([]float64{lb}, b)...)
}

func TestRefusals(t *testing.T) {
	ln := math.Log
	tests := []struct {
		name   string
		log    []float64
		want   []Rule
		reason string
	}{
		{"clone", repeat(100, 0, 0, 0), nil, "weights of 1 are usable"},
		{"thirty", repeat(30, 0, 0, 0), nil, "ESS of exactly 30 is enough"},
		{"twenty-nine", repeat(29, 0, 0, 0), []Rule{RuleESS}, "one row less is not"},
		{"none", nil, []Rule{RuleESS}, "nothing supports nothing"},
		{"all missing", []float64{nan}, []Rule{RuleESS}, "nor do missing rows"},
		{"one row", []float64{0}, []Rule{RuleESS, RuleMaxShare, RuleDivergence}, "one row cannot carry an estimate"},
		{"all zero", repeat(100, -inf, 0, 0), []Rule{RuleESS, RuleDivergence, RuleMass},
			"the logs say nothing of this target"},
		{"a tenth", repeat(900, 0, 1, ln(99.9)), nil, "99.9 of 999.9: a share just below 10% is allowed"},
		{"a heavy row", repeat(900, ln(.99), 1, ln(110)), []Rule{RuleMaxShare}, "11% is too much"},
		{"a part outside its support", repeat(400, ln(2), 400, -inf), nil,
			"the target never says half of what was logged, and the other half twice as often"},
		{"nearly all outside its support", repeat(20, ln(40), 780, -inf), []Rule{RuleESS},
			"20 rows say everything: ESS 20, whatever the others are"},
		{"mass unseen", repeat(800, 0, 200, -1000), []Rule{RuleDivergence, RuleMass}, "a fifth of the target never appears"},
		{"divergent", repeat(50, ln(19.6), 950, ln(1./400)), []Rule{RuleDivergence},
			"5.5 nats against ln(1000/10) = 4.6, although the mean is .98 and the ESS 50"},
		{"too good", repeat(100, ln(1.5), 0, 0), []Rule{RuleMeanOne}, "E[w] <= 1, so a mean of 1.5 convicts the log-probs"},
		{"overflow", repeat(100, 800, 100, 0), []Rule{RuleMeanOne}, "judged without overflow"},
	}
	for _, tt := range tests {
		if got := rules(t, tt.log); !slices.Equal(got, tt.want) {
			t.Errorf("%s: refused by %v, want %v: %s", tt.name, got, tt.want, tt.reason)
		}
	}
}

// Good overlap must pass and hopeless overlap must not, at every size: the
// simulation behind the thresholds refused 0.000 of the former and at least
// .998 of the latter.
func TestRefusalsSimulated(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{100, 500, 1000} {
		for range 200 {
			good, bad := make([]float64, n), make([]float64, n)
			for i := range n {
				// w = .4 + 1.2 S, S uniform: the design of the coverage study.
				good[i] = math.Log(.4 + 1.2*rng.Float64())
				// Log-normal with sd 5 and mean 1.
				bad[i] = 5*rng.NormFloat64() - 12.5
			}
			if got := rules(t, good); len(got) > 0 {
				t.Errorf("n=%d: good overlap refused by %v", n, got)
			}
			if got := rules(t, bad); len(got) == 0 {
				t.Errorf("n=%d: log-normal weights with sd 5 were not refused", n)
			}
		}
	}
}

func TestWhatWeightsCannotShow(t *testing.T) {
	for _, test := range []struct {
		unseen, open float64
		want         []Rule
		reason       string
	}{
		{0, 0, nil, "weights of 1 are usable"},
		{.05, 0, nil, "what is excluded biases by 5% at most"},
		{.06, 0, []Rule{RuleUnseen}, "more may decide"},
		{0, .2, nil, "what is open is part of the interval"},
		{.5, .21, []Rule{RuleOpen}, "of weights that are not known nothing else can be said"},
	} {
		w, err := WeightsFromLogRatios(make([]float64, 100))
		if err != nil {
			t.Fatal(err)
		}
		w.Unseen, w.Open = test.unseen, test.open
		var got []Rule
		for _, r := range w.Refusals() {
			got = append(got, r.Rule)
			if r.Remedy == "" {
				t.Errorf("%s: no remedy", r.Rule)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("unseen %v, open %v: %v, want %v (%s)", test.unseen, test.open, got, test.want, test.reason)
		}
	}
}
