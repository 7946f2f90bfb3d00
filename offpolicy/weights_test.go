package offpolicy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if r := recover(); r == nil {
			t.Errorf("%s: want a panic", what)
		} else if s := fmt.Sprint(r); len(s) < 10 || s[:10] != "offpolicy:" {
			t.Errorf("%s: panic %q does not name the package", what, s)
		}
	}()
	f()
}

func TestNewWeights(t *testing.T) {
	ln := math.Log
	tests := []struct {
		name                                    string
		log                                     []float64
		n, missing, overflow                    int
		ess, share, mean, se, logMean, diverges float64
		reason                                  string
	}{
		{"none", nil, 0, 0, 0, 0, nan, nan, nan, nan, nan, "n = 0: no row says anything, and no figure is made up"},
		{"all missing", []float64{nan, nan}, 0, 2, 0, 0, nan, nan, nan, nan, nan, "missing rows are no rows"},
		{"one row", []float64{ln(2)}, 1, 0, 0, 1, 1, 2, nan, ln(2), -ln(2), "one row has no standard error"},
		{"all ones", []float64{0, 0, 0, 0}, 4, 0, 0, 4, .25, 1, 0, 0, 0, "a perfect clone is exact"},
		{"all zero", []float64{-inf, -inf}, 2, 0, 0, 0, nan, 0, 0, -inf, inf,
			"no row carries weight: ESS 0, share undefined"},
		{"some zero", []float64{0, -inf, 0, -inf}, 4, 0, 0, 2, .5, .5, math.Sqrt(1. / 3 / 4), -ln(2), ln(2),
			"zero weights count in n; the logging policy says 0 and 2 half of the time: -log(1) - log(1/2)"},
		{"with missing", []float64{ln(1), nan, ln(3)}, 2, 1, 0, 1.6, .75, 2, 1, ln(2), -ln(3) / 2,
			"by hand: (1+3)²/(1+9), 3/4, 2, √2/√2"},
		{"overflow", []float64{800, 800, 0}, 3, 0, 2, 2, .5, inf, inf, 800 + ln(2./3), -1600. / 3,
			"weights beyond float64: shares stay exact"},
		{"mean in range", append([]float64{710}, slices.Repeat([]float64{-700}, 99)...), 100, 0, 1, 1, 1,
			math.Exp(710 - ln(100)), math.Exp(710 - ln(100)),
			710 - ln(100), -(710. - 700*99) / 100, "the largest weight overflows, its hundredth does not"},
		{"tiny", []float64{-800, -800}, 2, 0, 0, 2, .5, 0, 0, -800, 800, "raw weights underflow, relative ones do not"},
	}
	for _, tt := range tests {
		w, err := WeightsFromLogRatios(tt.log)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := []float64{float64(w.N), float64(w.Missing), float64(w.Overflow), w.ESS, w.MaxShare, w.Mean, w.MeanSE,
			w.LogMean, w.Divergence}
		want := []float64{float64(tt.n), float64(tt.missing), float64(tt.overflow), tt.ess, tt.share, tt.mean, tt.se,
			tt.logMean, tt.diverges}
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 1e-12)); diff != "" {
			t.Errorf("%s: %s: n, missing, overflow, ess, share, mean, se, log mean, divergence (-want +got):\n%s", tt.name,
				tt.reason, diff)
		}
	}
	_, err := WeightsFromLogRatios([]float64{0, inf})
	var bad *RowError
	if !errors.As(err, &bad) || bad.Row != 1 {
		t.Errorf("an infinite weight: error %v, want a RowError of row 1", err)
	}
}

func TestWeightsRaw(t *testing.T) {
	w, err := WeightsFromLogRatios([]float64{0, nan, 800, -inf, 801})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{1, nan, inf, 0, inf}, w.Raw(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("raw weights are neither clipped nor filled in (-want +got):\n%s", diff)
	}
}

// The reference computes ESS, mean and largest share of eight weight vectors
// with NumPy, to 1e-12.
func TestWeightsGolden(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name    string
			Weights []float64
			NumPy   struct {
				Mean     float64
				ESS      float64
				MaxShare float64 `json:"max_share"`
				CVPop    float64 `json:"cv_pop"`
			}
		}
	}
	readShared(t, "goldens/03_weight_diagnostics.json", &golden)
	if len(golden.Cases) != 8 {
		t.Fatalf("%d cases, want 8", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		l := make([]float64, len(c.Weights))
		for i, w := range c.Weights {
			l[i] = math.Log(w)
		}
		w, err := WeightsFromLogRatios(l)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		n := float64(len(l))
		se := c.NumPy.CVPop * c.NumPy.Mean / math.Sqrt(n-1) // population sd to SE of the mean
		for _, v := range []struct {
			what      string
			got, want float64
		}{{"ESS", w.ESS, c.NumPy.ESS}, {"mean", w.Mean, c.NumPy.Mean}, {"largest share", w.MaxShare, c.NumPy.MaxShare},
			{"SE", w.MeanSE, se}} {
			if !near(v.got, v.want, 1e-12) {
				t.Errorf("%s: %s %v, reference %v", c.Name, v.what, v.got, v.want)
			}
		}
	}
}

// logEValueNaive is the formula as it is written.
func logEValueNaive(w []float64) float64 {
	var sum float64
	for _, bet := range evalueBets {
		p := 1.0
		for _, v := range w {
			p *= 1 + bet*(v-1)
		}
		sum += p
	}
	return math.Log(sum / float64(len(evalueBets)))
}

func TestLogEValue(t *testing.T) {
	w := []float64{1.2, .4, 3, 0, 1, 2.5, .7}
	l := make([]float64, len(w))
	for i := range w {
		l[i] = math.Log(w[i])
	}
	if got, want := logEValue(l), logEValueNaive(w); !near(got, want, 1e-12) {
		t.Errorf("log e-value %v, by the formula %v", got, want)
	}
	if got := logEValue(append([]float64{nan}, l...)); got != logEValue(l) {
		t.Errorf("a missing row changed the e-value to %v", got)
	}
	tests := []struct {
		name   string
		log    []float64
		want   float64
		reason string
	}{
		{"none", nil, 0, "no evidence is an e-value of 1"},
		{"ones", make([]float64, 1000), 0, "weights of 1 win and lose nothing"},
		{"zeros", slices.Repeat([]float64{-inf}, 2000), 2000*math.Log(.99) - math.Log(7),
			"all stakes are lost, the smallest least"},
		{"huge", []float64{1000, 1000}, 2000 + math.Log((.01*.01+.02*.02+.05*.05+.1*.1+.2*.2+.4*.4+.7*.7)/7), "no overflow"},
		{"long", slices.Repeat([]float64{math.Log(2)}, 10000), 10000*math.Log(1.7) - math.Log(7),
			"products beyond float64, the largest stake wins"},
	}
	for _, tt := range tests {
		if got := logEValue(tt.log); !near(got, tt.want, 1e-9) {
			t.Errorf("%s: %v, want %v: %s", tt.name, got, tt.want, tt.reason)
		}
	}
}

// On the 400 real rows the e-value was found, independently of this code, to be
// 10^6.9 for the clone and 10^5.7 for the parallel prompt.
func TestLogEValueArena(t *testing.T) {
	f, err := os.Open(shareddata.File(t, "data/arena/logged.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ratios := map[string][]float64{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var row struct {
			Base   *float64            `json:"base_policy_logprob"`
			Target map[string]*float64 `json:"target_policy_logprobs"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		for name, v := range row.Target {
			if v != nil && row.Base != nil {
				ratios[name] = append(ratios[name], *v-*row.Base)
			}
		}
	}
	for name, want := range map[string]float64{"clone": 6.9, "parallel_universe_prompt": 5.7} {
		if got := logEValue(ratios[name]) / math.Ln10; math.Abs(got-want) > .05 {
			t.Errorf("%s: e-value 10^%.2f over %d rows, want 10^%.1f", name, got, len(ratios[name]), want)
		}
		w, err := WeightsFromLogRatios(ratios[name])
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(w.Refusals(), func(r Refusal) bool { return r.Rule == RuleMeanOne }) {
			t.Errorf("%s: log-probs that noisy must be refused by %s; got %v", name, RuleMeanOne, w.Refusals())
		}
	}
	if r := CloneCheck(weightsOf(t, ratios["clone"]), ones(len(ratios["clone"])), dataset.Float{}); r.Status != "fail" {
		t.Errorf("the real clone must fail: %+v", r)
	}
	w, err := WeightsFromLogRatios(ratios["unhelpful"])
	if err != nil {
		t.Fatal(err)
	}
	rules := map[Rule]bool{}
	for _, r := range w.Refusals() {
		rules[r.Rule] = true
	}
	if !rules[RuleDivergence] || !rules[RuleMass] || rules[RuleMeanOne] {
		t.Errorf("the unhelpful policy lies outside the logs: want divergence and mass, not mean_one, got %v", w.Refusals())
	}
}
