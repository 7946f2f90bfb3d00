package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestHolm(t *testing.T) {
	cs := []Comparison{{P: .04}, {P: .01}, {P: .03}, {P: .9}}
	holm(cs)
	// Sorted .01 .03 .04 .9 times 4 3 2 1: .04, .09, .09 (not .08), .9.
	want := []float64{.09, .04, .09, .9}
	for i, c := range cs {
		if !near(c.Holm, want[i], 1e-12) {
			t.Errorf("P %v is adjusted to %v, want %v", c.P, c.Holm, want[i])
		}
	}
}

// A comparison is paired: two policies with the same influences differ exactly,
// however wide their own intervals are.
func TestDifferenceIsPaired(t *testing.T) {
	a := &Estimate{Policy: "a", Value: .6, SE: .1, DF: 20, Influence: []float64{1, -2, 1}, replicates: []float64{.5, .7, .9}}
	b := &Estimate{Policy: "b", Value: .5, SE: .1, DF: 30, Influence: []float64{1, -2, 1}, replicates: []float64{.4, .6, .8}}
	d := difference(a, b)
	if !near(d.Difference, .1, 1e-12) || d.SE > 1e-12 || d.P > 1e-6 || d.DF != 20 {
		t.Errorf("%+v", d)
	}
	// By hand: influences differ by (3, -6, 3), SE √54/3 = 2.449; the replicates'
	// differences 0, .2, .1 have sd .1; the larger counts.
	b.Influence, b.replicates = []float64{-2, 4, -2}, []float64{.5, .5, .8}
	if d = difference(a, b); !near(d.SE, math.Sqrt(54)/3, 1e-12) || d.Lower != -1 || d.Upper != 1 {
		t.Errorf("%+v", d)
	}
	b.Influence = a.Influence
	if d = difference(a, b); !near(d.SE, .1, 1e-12) {
		t.Errorf("%+v", d)
	}
	same := difference(a, a)
	if same.P != 1 || same.Difference != 0 {
		t.Errorf("a policy and itself: %+v", same)
	}
}

// Over many runs, all of several policies' bands hold together: three policies
// that differ in seed alone, 300 runs, within four standard errors of .95.
func TestBandsHoldTogether(t *testing.T) {
	const runs = 300
	all, single := 0, 0
	for i := range runs {
		s := world{prompts: 120, labels: 120, draws: 1}.samples(uint64(1000 + i))
		s.Draws["near2"] = s.Draws["near"]
		for j := range s.Rows {
			// Another target of the same value: its weights read 1 - S.
			s.Rows[j].Targets = map[string]float64{"near": s.Rows[j].Targets["near"], "near2": -100 + math.Log(1.6-1.2*s.Rows[j].Score)}
		}
		delete(s.Draws, "far")
		s.Draws["near2"] = nil
		r, err := Evaluate(s, Config{Estimators: []Estimator{LabeledSNIPS}, Replicates: 200, Seed: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		ok, each := true, true
		for policy, truth := range map[string]float64{"p0": .5, "near": .55, "near2": .45} {
			p := r.Policy(policy)
			ok = ok && p.Answer.BandLower <= truth && truth <= p.Answer.BandUpper
			e := p.Estimate(LabeledSNIPS)
			each = each && e.Lower <= truth && truth <= e.Upper
		}
		if ok {
			all++
		}
		if each {
			single++
		}
	}
	se := math.Sqrt(.95 * .05 / runs)
	if share := float64(all) / runs; share < .95-4*se {
		t.Errorf("all bands hold in %v of runs", share)
	}
	if single >= all {
		t.Errorf("separate intervals hold together in %d of %d runs, bands in %d", single, runs, all)
	}
}

// Rows and draws of one prompt share what the prompt is like, and count as one
// cluster: over 200 runs with strong prompt effects, three rows and two draws a
// prompt, the mean standard error is the estimates' spread, within four standard
// errors of that spread, 20%. Taking rows for independent would be 30% too small or more.
func TestErrorsAreClustered(t *testing.T) {
	const runs = 200
	type sums struct{ se, value, square float64 }
	var dr, labeled sums
	for i := range runs {
		s := world{prompts: 100, rows: 3, labels: 300, draws: 2}.samples(uint64(5000 + i))
		rng := rand.New(rand.NewPCG(uint64(i), 77))
		effect := map[string]float64{}
		for j := range s.Rows {
			id := s.Rows[j].PromptID
			if _, ok := effect[id]; !ok {
				effect[id] = .6 * (rng.Float64() - .5)
			}
			s.Rows[j].Label = min(max(s.Rows[j].Label+effect[id], 0), 1)
		}
		r, err := Evaluate(s, Config{Estimators: []Estimator{DR, LabeledSNIPS}, Replicates: 50, Seed: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		for e, x := range map[Estimator]*sums{DR: &dr, LabeledSNIPS: &labeled} {
			est := r.Policy("near").Estimate(e)
			x.se += est.SE / runs
			x.value += est.Value / runs
			x.square += est.Value * est.Value / runs
		}
	}
	for name, x := range map[string]sums{"dr": dr, "labeled_snips": labeled} {
		spread := math.Sqrt(x.square - x.value*x.value)
		if ratio := x.se / spread; ratio < .8 || ratio > 1.25 {
			t.Errorf("%s: standard error over spread %v", name, ratio)
		}
		if math.Abs(x.value-.55) > 4*spread/math.Sqrt(runs) {
			t.Errorf("%s: %v on average, the truth is .55", name, x.value)
		}
	}
}

// The cheap form says nearly what the bootstrap says, and compares as well.
func TestMethodsAgree(t *testing.T) {
	s := world{prompts: 500, labels: 250, draws: 1, probes: 40}.samples(11)
	slow, cheap := evaluate(t, s, Config{Replicates: 400}), evaluate(t, s, Config{Replicates: 400, Method: InfluenceFunction})
	for i := range slow.Policies {
		for j := range slow.Policies[i].Estimates {
			a, b := &slow.Policies[i].Estimates[j], &cheap.Policies[i].Estimates[j]
			if a.Refused() {
				continue
			}
			if a.Value != b.Value || math.Abs(a.SE/b.SE-1) > .15 {
				t.Errorf("%s of %s: %v (SE %v) by bootstrap, %v (SE %v) by influence", a.Estimator, a.Policy, a.Value, a.SE, b.Value, b.SE)
			}
			if a.Estimator == DR && (a.Method != Bootstrap || b.Method != InfluenceFunction) {
				t.Errorf("methods %q and %q", a.Method, b.Method)
			}
		}
	}
	if diff := cmp.Diff(slow.Comparisons, cheap.Comparisons, cmpopts.EquateApprox(.2, .01)); diff != "" {
		t.Errorf("comparisons (-bootstrap +influence):\n%s", diff)
	}
}

// A segment's value is that of its prompts, with an error and refusals of its
// own: Welsh has too few rows.
func TestSegments(t *testing.T) {
	s := world{prompts: 600, labels: 300, draws: 1}.samples(12)
	r := evaluate(t, s, Config{Replicates: 100, Segments: []string{"language"}})
	p := r.Policy("near")
	if len(p.Segments) != 3 {
		t.Fatalf("%d segments", len(p.Segments))
	}
	total := 0
	for _, g := range p.Segments {
		total += g.Prompts
		if g.Name == "Welsh" {
			if !g.Estimate.Refused() {
				t.Errorf("%d prompts in Welsh are answered: %v", g.Prompts, g.Estimate.numbers())
			}
			continue
		}
		// The whole's error times √(whole/part), within a third: the parts differ
		// by chance.
		whole := p.Estimate(DR)
		ratio := g.Estimate.SE / whole.SE / math.Sqrt(600/float64(g.Prompts))
		if g.Estimate.Refused() || math.Abs(g.Estimate.Value-.55) > 3.5*g.Estimate.SE || ratio < .67 || ratio > 1.5 {
			t.Errorf("%s: %v, error ratio %v", g.Name, g.Estimate.numbers(), ratio)
		}
		if g.Estimate.Basis.Missing != 0 {
			t.Errorf("%s: rows of other segments are counted as missing", g.Name)
		}
	}
	if total != 600 {
		t.Errorf("%d prompts in all segments", total)
	}
	// The only segment there is says what the whole says.
	for i := range s.Rows {
		s.Rows[i].Segments = map[string]string{"language": "all"}
	}
	r = evaluate(t, s, Config{Replicates: 50, Segments: []string{"language"}})
	p = r.Policy("near")
	if a, b := p.Segments[0].Estimate, p.Estimate(DR); !near(a.Value, b.Value, 1e-12) || !near(a.SE, b.SE, 1e-12) {
		t.Errorf("one segment: %v, whole: %v", a.numbers(), b.numbers())
	}
}
