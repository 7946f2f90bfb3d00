package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSequence(t *testing.T) {
	s := Sequence{Narrowest: 1000, Level: .05}
	// x = log(1 + x) + 2 log 20 has the solution 8.2120: log 9.2120 = 2.2205, 2 log 20 = 5.9915.
	if x := s.x(1000); math.Abs(x-8.2120) > 1e-4 {
		t.Errorf("x at the narrowest %v", x)
	}
	for _, c := range []struct {
		t    int
		want float64 // √((x+1)/x (log(x+1) + 5.99146)), x = 8.2120 t/1000, by hand
	}{{1000, math.Sqrt(9.2120)}, {100, 3.8232}, {10000, 3.2463}} {
		if got := s.Errors(c.t); math.Abs(got-c.want) > 2e-4 {
			t.Errorf("after %d prompts %v standard errors, want %v", c.t, got, c.want)
		}
	}
	// None that is narrowest elsewhere is as narrow there.
	for _, n := range []int{500, 900, 1100, 2000} {
		if other := (Sequence{Narrowest: n, Level: .05}).Errors(1000); other <= s.Errors(1000) {
			t.Errorf("narrowest at %d prompts: %v standard errors at 1,000", n, other)
		}
	}
	// p is the level at which the interval ends at 0, for any other level too.
	for _, n := range []int{50, 1000, 30000} {
		if p := s.P(s.Errors(n), n); !near(p, .05, 1e-9) {
			t.Errorf("p at the interval's end after %d prompts: %v", n, p)
		}
	}
	if s.P(0, 100) != 1 || s.P(nan, 100) != 1 || s.P(inf, 100) != 0 || !math.IsInf(s.Errors(0), 1) || s.P(9, 0) != 1 {
		t.Error("no evidence is p 1, all of it 0, and no prompts reach everywhere")
	}
	mustPanic(t, "level", func() { Sequence{Narrowest: 10, Level: 1}.Errors(5) })
	mustPanic(t, "narrowest", func() { Sequence{Level: .05}.P(1, 5) })
}

// A sum of normals crosses the sequence at some of 2,000 looks in at most 5% of runs, and
// that of one look in many more.
func TestSequenceIsCrossedSeldom(t *testing.T) {
	s := Sequence{Narrowest: 500, Level: .05}
	rng := rand.New(rand.NewPCG(3, 14))
	errors := make([]float64, 2001)
	for n := 1; n <= 2000; n++ {
		errors[n] = s.Errors(n)
	}
	const runs = 1000
	crossed, once := 0, 0
	for range runs {
		sum, any, fixed := 0.0, false, false
		for n := 1; n <= 2000; n++ {
			sum += rng.NormFloat64()
			z := math.Abs(sum) / math.Sqrt(float64(n))
			any, fixed = any || z > errors[n], fixed || z > 1.96
		}
		if any {
			crossed++
		}
		if fixed {
			once++
		}
	}
	if share := float64(crossed) / runs; share > .05+2*math.Sqrt(.05*.95/runs) || share < .005 {
		t.Errorf("crossed in %.1f%% of runs, want at most 5 and not never", 100*share)
	}
	if once < runs/3 {
		t.Errorf("±1.96 is crossed in %d of %d runs only", once, runs)
	}
}

// What Evaluate marks as good for any time is wider than what is for one look, agrees with
// its p, and is absent without Anytime.
func TestAnytime(t *testing.T) {
	s := world{prompts: 300, labels: 150, draws: 1, probes: 60}.samples(5)
	plain := evaluate(t, s, Config{Replicates: 50})
	r := evaluate(t, s, Config{Replicates: 50, Anytime: 300})
	for i := range r.Policies {
		for j := range r.Policies[i].Estimates {
			e, p := &r.Policies[i].Estimates[j], &plain.Policies[i].Estimates[j]
			if !math.IsNaN(p.AnytimeLower) || e.Lower != p.Lower && !math.IsNaN(e.Lower) {
				t.Errorf("%s by %s: without Anytime %v", e.Policy, e.Estimator, p.AnytimeLower)
			}
			if e.Refused() || !e.Claims {
				if !math.IsNaN(e.AnytimeUpper) {
					t.Errorf("%s by %s claims nothing, and has %v at any time", e.Policy, e.Estimator, e.AnytimeUpper)
				}
				continue
			}
			ratio := (e.AnytimeUpper - e.AnytimeLower) / (e.Upper - e.Lower)
			if e.AnytimeLower > e.Lower || e.AnytimeUpper < e.Upper || ratio < 1.45 || ratio > 1.75 {
				t.Errorf("%s by %s: [%v, %v] at any time, [%v, %v] once", e.Policy, e.Estimator, e.AnytimeLower, e.AnytimeUpper,
					e.Lower, e.Upper)
			}
		}
	}
	for i := range r.Comparisons {
		d := &r.Comparisons[i]
		if out := d.AnytimeLower > 0 || d.AnytimeUpper < 0; out != (d.AnytimeP < .05) || d.AnytimeP < d.P ||
			d.AnytimeHolm < d.AnytimeP || !math.IsNaN(plain.Comparisons[i].AnytimeP) {
			t.Errorf("%s - %s: [%v, %v], p %v and %v, once %v", d.A, d.B, d.AnytimeLower, d.AnytimeUpper, d.AnytimeP,
				d.AnytimeHolm, d.P)
		}
	}
	if doc := r.Document(); doc.Anytime != 300 || doc.Policies["near"].Answer.Anytime == nil ||
		plain.Document().Policies["near"].Answer.Anytime != nil {
		t.Error("the document does not mark what may be looked at at any time")
	}
	if _, err := Evaluate(s, Config{Anytime: -1}); err == nil {
		t.Error("Anytime -1 is taken")
	}
	mustPanic(t, "without Anytime", func() { plain.Decided(.1) })
}

func TestDecided(t *testing.T) {
	usable, far := weightsOf(t, make([]float64, 400)), weightsOf(t, []float64{-50, -60})
	few := weightsOf(t, make([]float64, 8))
	answered := func(name string, lo, hi float64) PolicyResult {
		return PolicyResult{Policy: name, Weights: usable, Answer: Answer{Estimator: DR},
			Estimates: []Estimate{{Estimator: DR, AnytimeLower: lo, AnytimeUpper: hi}}}
	}
	pair := func(holm, lo, hi float64) Comparison {
		return Comparison{A: "a", B: "p0", AnytimeHolm: holm, AnytimeLower: lo, AnytimeUpper: hi}
	}
	for _, c := range []struct {
		name        string
		policies    []PolicyResult
		comparisons []Comparison
		width       float64
		stop        bool
	}{
		{"decided", []PolicyResult{answered("p0", 0, 1)}, []Comparison{pair(.04, .1, .5)}, 0, true},
		{"open", []PolicyResult{answered("p0", 0, 1)}, []Comparison{pair(.06, -.1, .5)}, 0, false},
		{"narrow", []PolicyResult{answered("p0", 0, 1)}, []Comparison{pair(.5, -.04, .05)}, .05, true},
		{"a clone decides nothing", []PolicyResult{answered("p0", 0, 1)},
			[]Comparison{{A: "c", B: "p0", AA: true, AnytimeHolm: 1, AnytimeLower: -1, AnytimeUpper: 1}}, 0, false},
		{"one value, wide", []PolicyResult{answered("p0", .2, .5)}, nil, .05, false},
		{"one value, narrow", []PolicyResult{answered("p0", .2, .29)}, nil, .05, true},
		{"not answered yet", []PolicyResult{answered("p0", 0, 1), {Policy: "a", Weights: usable}},
			[]Comparison{pair(.01, .1, .5)}, 0, false},
		{"without weights it never will be", []PolicyResult{answered("p0", 0, 1), {Policy: "a", Weights: far}},
			[]Comparison{pair(.01, .1, .5)}, 0, true},
		{"few prompts may become more", []PolicyResult{answered("p0", 0, 1), {Policy: "a", Weights: few}},
			[]Comparison{pair(.01, .1, .5)}, 0, false},
		{"refused", []PolicyResult{answered("p0", 0, 1)},
			[]Comparison{{A: "a", B: "p0", Refusals: []Refusal{{}}, AnytimeHolm: nan}}, .5, false},
	} {
		r := &Result{Policies: c.policies, Comparisons: c.comparisons, config: Config{Anytime: 100}}
		if stop, why := r.Decided(c.width); stop != c.stop || why == "" {
			t.Errorf("%s: %v, %q", c.name, stop, why)
		}
	}
}
