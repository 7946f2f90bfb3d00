package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
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
	a := &Estimate{Policy: "a", Value: .6, SE: .1, DF: 20, Influence: []float64{1, -2, 1}, replicates: []float64{.5, .7,
		.9}}
	b := &Estimate{Policy: "b", Value: .5, SE: .1, DF: 30, Influence: []float64{1, -2, 1}, replicates: []float64{.4, .6,
		.8}}
	a.Basis.Replicates, b.Basis.Replicates = 3, 3
	d := newTestDifference(a, b)
	if !near(d.Difference, .1, 1e-12) || d.SE > 1e-12 || d.P > 1e-6 || d.DF != 20 {
		t.Errorf("%+v", d)
	}
	// By hand: influences differ by (3, -6, 3), SE √54/3 = 2.449; the replicates'
	// differences 0, .2, .1 have sd .1; the larger counts.
	b.Influence, b.replicates = []float64{-2, 4, -2}, []float64{.5, .5, .8}
	if d = newTestDifference(a, b); !near(d.SE, math.Sqrt(54)/3, 1e-12) || d.Lower != -1 || d.Upper != 1 {
		t.Errorf("%+v", d)
	}
	b.Influence = a.Influence
	if d = newTestDifference(a, b); !near(d.SE, .1, 1e-12) {
		t.Errorf("%+v", d)
	}
	same := newTestDifference(a, a)
	if same.P != 1 || same.Difference != 0 {
		t.Errorf("a policy and itself: %+v", same)
	}
}

// Bands of k policies whose errors are independent widen by z((1 + .95^(1/k))/2)
// over 1.96, which for five is 2.569 over 1.960; bands of policies that err
// together do not widen.
func TestBands(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const replicates = 20000
	for _, tt := range []struct {
		independent bool
		want, slack float64
	}{{true, 2.569 / 1.96, .02}, {false, 1, .02}} {
		r := &Result{}
		var answered []*Estimate
		for i := range 5 {
			e := Estimate{Policy: string(rune('a' + i)), Estimator: DR, Value: .5, SE: .01 * float64(i+1), DF: 10,
				replicates: make([]float64, replicates)}
			for b := range e.replicates {
				if !tt.independent && i > 0 {
					e.replicates[b] = .5 + (answered[0].replicates[b]-.5)*float64(i+1)
					continue
				}
				e.replicates[b] = .5 + e.SE*rng.NormFloat64()
			}
			e.interval()
			r.Policies = append(r.Policies, PolicyResult{Policy: e.Policy, Estimates: []Estimate{e},
				Answer: Answer{Estimator: DR}})
			answered = append(answered, &e)
		}
		r.bands(answered)
		for i, e := range answered {
			a := r.Policies[i].Answer
			if got := (a.BandUpper - a.BandLower) / (e.Upper - e.Lower); math.Abs(got-tt.want) > tt.slack {
				t.Errorf("independent %v: band %v times the interval, want %v", tt.independent, got, tt.want)
			}
		}
	}
	r := &Result{Policies: []PolicyResult{{Policy: "a"}}}
	if r.bands(nil); !math.IsNaN(r.Policies[0].Answer.BandLower) {
		t.Error("without an answer there is no band")
	}
}

// Rows and draws of one prompt share what the prompt is like, and count as one
// cluster: over 100 runs with strong prompt effects, three rows and two draws a
// prompt, the mean standard error is the estimates' spread, within three standard
// errors of that spread, 20%. Taking rows for independent would be 30% too small or more.
func TestErrorsAreClustered(t *testing.T) {
	if testing.Short() {
		t.Skip("arithmetic, whose goroutines other tests watch for races")
	}
	const runs = 100
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
			s.Rows[j].Label = dataset.Known(min(max(s.Rows[j].Label.OrNaN()+effect[id], 0), 1))
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
	slow, cheap := evaluate(t, s, Config{Replicates: 400, Anytime: 500}),
		evaluate(t, s, Config{Replicates: 400, Anytime: 500, Method: InfluenceFunction})
	for i := range slow.Policies {
		for j := range slow.Policies[i].Estimates {
			a, b := &slow.Policies[i].Estimates[j], &cheap.Policies[i].Estimates[j]
			if a.Refused() {
				continue
			}
			if a.Value != b.Value || math.Abs(a.SE/b.SE-1) > .15 {
				t.Errorf("%s of %s: %v (SE %v) by bootstrap, %v (SE %v) by influence", a.Estimator, a.Policy, a.Value, a.SE,
					b.Value, b.SE)
			}
			if a.Estimator == DR && (a.Method != Bootstrap || b.Method != InfluenceFunction) {
				t.Errorf("methods %q and %q", a.Method, b.Method)
			}
		}
	}
	if diff := cmp.Diff(slow.Comparisons, cheap.Comparisons, cmpopts.IgnoreUnexported(Comparison{}),
		cmpopts.EquateApprox(.2, .01)); diff != "" {
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

func newTestDifference(a, b *Estimate) (d Comparison) {
	d.fill(a, b)
	return d
}
