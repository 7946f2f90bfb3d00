package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The reference's diagnostics of eight weight vectors, of scores and of
// surprisals, to 1e-12. Hellinger's affinity is compared with NumPy's one-line
// definition: the reference adds 10⁻⁵ for every weight of 0.
func TestDiagnosticsGolden(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name    string
			Weights []float64
			NumPy   struct {
				Root float64 `json:"bhattacharyya_mean_sqrt_of_mean1"`
			}
			CJE struct {
				Top1 float64 `json:"top1pct_mass"`
				Top5 float64 `json:"top5pct_mass"`
				Hill maybe
			}
		}
		JudgeSpace []struct {
			Name     string
			Logged   []float64 `json:"s_logged"`
			Weights  []float64
			Target   []float64 `json:"s_target"`
			Affinity float64
		} `json:"judge_space"`
		TTC []struct {
			Base, Target []float64
			Tokens       []float64 `json:"token_counts"`
			PerToken     float64   `json:"ttc_per_token"`
			Total        float64   `json:"ttc_total"`
		}
	}
	readShared(t, "goldens/03_weight_diagnostics.json", &golden)
	if len(golden.Cases) != 8 || len(golden.JudgeSpace) != 4 || len(golden.TTC) != 3 {
		t.Fatalf("%d, %d and %d cases, want 8, 4 and 3", len(golden.Cases), len(golden.JudgeSpace), len(golden.TTC))
	}
	check := func(name, what string, got, want float64) {
		t.Helper()
		if !near(got, want, 1e-12) {
			t.Errorf("%s: %s %v, reference %v", name, what, got, want)
		}
	}
	for _, c := range golden.Cases {
		l := make([]float64, len(c.Weights))
		for i, w := range c.Weights {
			l[i] = math.Log(w)
		}
		check(c.Name, "top 1%", TopShare(l, .01), c.CJE.Top1)
		check(c.Name, "top 5%", TopShare(l, .05), c.CJE.Top5)
		check(c.Name, "Hill", Hill(l), float64(c.CJE.Hill))
		check(c.Name, "Hellinger", Hellinger(l), c.NumPy.Root)
	}
	for _, c := range golden.JudgeSpace {
		check(c.Name, "judge-space affinity", JudgeSpaceAffinity(c.Logged, c.Weights, c.Target), c.Affinity)
	}
	for _, c := range golden.TTC {
		l, one := make([]float64, len(c.Base)), make([]float64, len(c.Base))
		for i := range l {
			l[i], one[i] = c.Target[i]-c.Base[i], 1
		}
		check("ttc", "per token", TTC(c.Target, c.Tokens, l), c.PerToken)
		check("ttc", "total", TTC(c.Target, one, l), c.Total)
	}
}

func TestDiagnosticsUndefined(t *testing.T) {
	all := map[string]func([]float64) float64{
		"top share": func(l []float64) float64 { return TopShare(l, .01) }, "Hill": Hill, "ParetoK": ParetoK,
		"Hellinger": Hellinger,
		"TTC":       func(l []float64) float64 { return TTC(l, l, l) },
	}
	for name, f := range all {
		for _, l := range [][]float64{nil, {nan}, {-inf, -inf}} {
			if got := f(l); !math.IsNaN(got) {
				t.Errorf("%s of %v is %v, want NaN: nothing carries weight", name, l, got)
			}
		}
	}
	if got := JudgeSpaceAffinity(nil, nil, nil); !math.IsNaN(got) {
		t.Errorf("affinity of no scores is %v", got)
	}
	mustPanic(t, "share", func() { TopShare(nil, 0) })
	mustPanic(t, "lengths", func() { TTC([]float64{1}, nil, nil) })
	mustPanic(t, "lengths", func() { JudgeSpaceAffinity([]float64{1}, nil, nil) })
}

// Weights that are Pareto with shape k have k for their tail, within three
// standard errors of the estimate, (1+k)/√tail.
func TestParetoK(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	const n = 20000
	l := make([]float64, n)
	for _, k := range []float64{.3, .7, 1.5} {
		for i := range l {
			l[i] = -k * math.Log(rng.Float64()) // P(w > x) = x^(-1/k)
		}
		se := (1 + k) / math.Sqrt(3*math.Sqrt(n))
		if got := ParetoK(l); math.Abs(got-k) > 3*se {
			t.Errorf("k of a Pareto tail of shape %v is %v, want within %v", k, got, 3*se)
		}
		if got := 1 / Hill(l); math.Abs(got-k) > 3*k/math.Sqrt(.05*n) {
			t.Errorf("1/Hill of shape %v is %v", k, got)
		}
	}
	if got := ParetoK(make([]float64, 1000)); !math.IsNaN(got) {
		t.Errorf("equal weights have no tail, got %v", got)
	}
}
