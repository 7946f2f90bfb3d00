package offpolicy

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func hasRule(refusals []Refusal, rule Rule) bool {
	return slices.ContainsFunc(refusals, func(r Refusal) bool { return r.Rule == rule })
}

// lengthy is a world in which worse responses are longer, with a policy that is the
// logging policy scored again.
func lengthy(seed uint64, n int) Samples {
	s := world{prompts: n, labels: n / 2, draws: 1, probes: 25}.samples(seed)
	rng := rand.New(rand.NewPCG(seed, 7))
	s.Scored = sampled("p0", "near", "far", "same")
	for i := range s.Rows {
		r := &s.Rows[i]
		r.Length = dataset.Known(math.Exp(5 - 1.5*r.Score.OrNaN() + .2*rng.NormFloat64()))
		logs := map[string]dataset.Float{"same": r.LogProbs["p0"]}
		for name, v := range r.LogProbs {
			logs[name] = v
		}
		r.LogProbs = logs
	}
	return s
}

// loseLongest takes a policy's log-probs from the given share of rows, the longest.
func loseLongest(s Samples, policy string, share float64) {
	lengths := make([]float64, len(s.Rows))
	for i := range lengths {
		lengths[i] = s.Rows[i].Length.OrNaN()
	}
	limit := Quantiles(lengths, 1-share)[0]
	for i := range s.Rows {
		if lengths[i] > limit {
			s.Rows[i].LogProbs[policy] = dataset.Float{}
		}
	}
}

// A policy that is the logging policy differs from it by nothing, though its log-probs
// are missing on the long, worse responses. Left out, they make a difference of 3
// standard errors.
func TestMissingForAReason(t *testing.T) {
	s := lengthy(1, 400)
	loseLongest(s, "same", .1)
	r := evaluate(t, s, Config{Replicates: 60, Clones: []string{"same"}})
	p := r.Policy("same")
	if p.Weights.Modelled != 40 || p.Weights.Missing != 0 || p.Estimate(DR).Basis.Modelled != 40 ||
		p.Clone.Status != StatusPass {
		t.Errorf("weights %+v, basis %+v, clone %+v", p.Weights, p.Estimate(DR).Basis, p.Clone)
	}
	if i := slices.IndexFunc(p.gaps, func(g missingness) bool { return g.Kind == gapOfLogProbs }); i < 0 ||
		p.gaps[i].pattern() == nil {
		t.Errorf("the gap has no pattern: %+v", p.gaps)
	}
	for _, c := range r.Comparisons {
		if c.AA && (c.P < .05 || math.Abs(c.Difference) > .005 || c.Prompts != 400 || c.Modelled != 40) {
			t.Errorf("A/A: %+v", c)
		}
	}
	var left, all float64
	for _, row := range s.Rows {
		all += row.Score.OrNaN() / 400
		if row.LogProbs["same"].Valid() {
			left += row.Score.OrNaN() / 360
		}
	}
	if left-all < .03 {
		t.Errorf("the rows that are left score %v more: the case is another", left-all)
	}

	s = lengthy(1, 400)
	loseLongest(s, "same", .3)
	r = evaluate(t, s, Config{Replicates: 60, Clones: []string{"same"}})
	p = r.Policy("same")
	e := p.Estimate(DR)
	truth := r.Policy("p0").Estimate(DR).Value
	if !hasRule(e.Refusals, RuleMissing) || !(e.WorstLower < truth && truth < e.WorstUpper) ||
		e.WorstUpper-e.WorstLower < .3 {
		t.Errorf("30%% missing: %v, between %v and %v", e.Refusals, e.WorstLower, e.WorstUpper)
	}
	if p.Clone.Status != StatusHold {
		t.Errorf("the clone passes although nothing can be said of its difference: %+v", p.Clone)
	}
	if slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return c.AA && !c.Refused() }) {
		t.Error("the A/A difference is given")
	}

	// Without lengths a pattern cannot be corrected.
	s = lengthy(1, 400)
	loseLongest(s, "same", .1)
	for i := range s.Rows {
		s.Rows[i].Length = dataset.Float{}
	}
	r = evaluate(t, s, Config{Replicates: 60})
	if e := r.Policy("same").Estimate(DR); !hasRule(e.Refusals, RuleMissing) {
		t.Errorf("a pattern and no lengths: %v", e.Refusals)
	}
}

// Labels, or probes, on the upper half of the scores are refused by every estimator that
// rests on them, and by no other.
func TestChosenLabels(t *testing.T) {
	half := func(v dataset.Float) bool { return v.OrNaN() > .5 }
	s := world{prompts: 200, labels: 200, draws: 1, probes: 200}.samples(3)
	count := 0
	for i := range s.Rows {
		if r := &s.Rows[i]; !half(r.Score) || count >= 50 {
			r.Label = dataset.Float{}
		} else {
			count++
		}
	}
	random := rand.New(rand.NewPCG(3, 3)).Perm(200)[:30]
	for i := range s.Draws["near"] {
		if !slices.Contains(random, i) {
			s.Draws["near"][i].Label = dataset.Float{}
		}
	}
	chosen := 0
	for i := range s.Draws["far"] {
		if d := &s.Draws["far"][i]; d.Score.OrNaN() < 1e-4 || chosen >= 30 {
			d.Label = dataset.Float{}
		} else {
			chosen++
		}
	}
	r := evaluate(t, s, Config{Replicates: 40})
	for _, policy := range []string{"p0", "near"} {
		for _, e := range []Estimator{DR, LabeledSNIPS} {
			if x := r.Policy(policy).Estimate(e); !hasRule(x.Refusals, RuleDesign) || !hasRule(x.Refusals, RuleSupport) ||
				!(x.WorstLower < .5 && x.WorstUpper > .6) {
				t.Errorf("%s of %s: %v, between %v and %v", e, policy, x.Refusals, x.WorstLower, x.WorstUpper)
			}
		}
	}
	if x := r.Policy("near").Estimate(Direct); x.Refused() {
		t.Errorf("direct has a random draw of its own labels: %v", x.Refusals)
	}
	if x := r.Policy("far").Estimate(Direct); chosen == 30 && !hasRule(x.Refusals, RuleSupport) &&
		!hasRule(x.Refusals, RuleDesign) {
		t.Errorf("direct with chosen labels: %v", x.Refusals)
	}
}

// Prompts that a target did not answer for a reason refuse direct, and leave dr to the
// logs.
func TestMissingDraws(t *testing.T) {
	s := world{prompts: 300, labels: 150, draws: 1, probes: 60}.samples(5)
	score := map[string]float64{}
	for _, r := range s.Rows {
		score[r.PromptID] = r.Score.OrNaN()
	}
	s.Draws["near"] = slices.DeleteFunc(s.Draws["near"], func(d Draw) bool { return score[d.PromptID] < .15 })
	r := evaluate(t, s, Config{Replicates: 40})
	if e := r.Policy("near").Estimate(Direct); !hasRule(e.Refusals, RuleMissing) {
		t.Errorf("direct: %v", e.Refusals)
	}
	if e := r.Policy("near").Estimate(DR); e.Refused() || e.Basis.Draws != 0 || e.Basis.Lambda[0] != 0 {
		t.Errorf("dr: %+v, %v", e.Basis, e.Refusals)
	}
}

// Responses without a score have labels, and f is then the mean of such labels: with all
// bad responses unscored the values stay right.
func TestUnscored(t *testing.T) {
	s := world{prompts: 800, labels: 400, draws: 1, probes: 100}.samples(6)
	lose := func(v dataset.Float) dataset.Float {
		if v.OrNaN() < .15 {
			return dataset.Float{}
		}
		return v
	}
	whole := evaluate(t, s, Config{Replicates: 60})
	s.Rows = slices.Clone(s.Rows)
	for i := range s.Rows {
		s.Rows[i].Score = lose(s.Rows[i].Score)
	}
	for _, draws := range s.Draws {
		for i := range draws {
			draws[i].Score = lose(draws[i].Score)
		}
	}
	r := evaluate(t, s, Config{Replicates: 60})
	for policy, estimators := range map[string][]Estimator{"p0": {DR}, "near": {DR, Direct}, "far": {Direct}} {
		for _, e := range estimators {
			a, b := whole.Policy(policy).Estimate(e), r.Policy(policy).Estimate(e)
			if b.Refused() || math.Abs(a.Value-b.Value) > 2*b.SE || b.SE > 1.5*a.SE+.01 {
				t.Errorf("%s of %s: %v (SE %v), with every score %v (SE %v): %v", e, policy, b.Value, b.SE, a.Value, a.SE,
					b.Refusals)
			}
		}
	}
	// By hand: the prediction of a fold is the mean of the unscored labels outside it
	// with one label of the mean of all.
	fr, w := r.frame, newWorker(r.frame)
	w.ones(fr)
	for i := range fr.invP {
		if !math.IsNaN(fr.score[i]) {
			continue
		}
		var all, sum, n, blank float64
		for j := range fr.invP {
			if fr.invP[j] > 0 && fr.fold[fr.prompt[j]] != fr.fold[fr.prompt[i]] {
				all++
				sum += fr.label[j]
				if math.IsNaN(fr.score[j]) {
					n++
					blank += fr.label[j]
				}
			}
		}
		if want := (blank + sum/all) / (n + 1); !near(w.f[i], want, 1e-12) {
			t.Fatalf("row %d without a score is predicted %v, want %v", i, w.f[i], want)
		}
	}
}

// A difference rests on the prompts that both sides rest on: it is that of an evaluation
// of these prompts alone.
func TestCommonPrompts(t *testing.T) {
	s := world{prompts: 300, labels: 300, draws: 1, probes: 120}.samples(8)
	s.Draws["far"] = s.Draws["far"][:200]
	r := evaluate(t, s, Config{Replicates: 40})
	kept := map[string]bool{}
	for _, d := range s.Draws["far"] {
		kept[d.PromptID] = true
	}
	part := s
	part.Rows = slices.DeleteFunc(slices.Clone(s.Rows), func(r Row) bool { return !kept[r.PromptID] })
	part.Draws = map[string][]Draw{"far": s.Draws["far"]}
	for _, d := range s.Draws["near"] {
		if kept[d.PromptID] {
			part.Draws["near"] = append(part.Draws["near"], d)
		}
	}
	q := evaluate(t, part, Config{Replicates: 40})
	for _, c := range r.Comparisons {
		switch {
		case c.A != "far" && c.B != "far":
			if c.Prompts != 300 || c.LeftOut != 0 {
				t.Errorf("%s - %s on %d prompts", c.A, c.B, c.Prompts)
			}
			continue
		case c.Prompts != 200 || c.LeftOut != 100 || c.Refused():
			t.Errorf("%s - %s on %d prompts, %d left out: %v", c.A, c.B, c.Prompts, c.LeftOut, c.Refusals)
		}
		for _, d := range q.Comparisons {
			if d.A == c.A && d.B == c.B && (math.Abs(d.Difference-c.Difference) > .01 || math.Abs(d.SE/c.SE-1) > .1) {
				t.Errorf("%s - %s: %v (SE %v), of these prompts alone %v (SE %v)", c.A, c.B, c.Difference, c.SE, d.Difference,
					d.SE)
			}
		}
	}
}

// Labels in proportion to the weight count for as many as they are; a design whose p are
// known of the labeled alone is refused.
func TestDesignedLabels(t *testing.T) {
	s := world{prompts: 400, draws: 1}.samples(9)
	rng := rand.New(rand.NewPCG(9, 1))
	for i := range s.Rows {
		r := &s.Rows[i]
		w := math.Exp(r.LogProbs["near"].OrNaN() - r.LogProbs["p0"].OrNaN())
		r.InclusionProb = dataset.Known(.3 * w)
		if rng.Float64() < .3*w {
			r.Label = dataset.Known(min(max(.25+.5*r.Score.OrNaN()+.08*rng.NormFloat64(), 0), 1))
		}
	}
	r := evaluate(t, s, Config{Replicates: 40})
	e := r.Policy("near").Estimate(LabeledSNIPS)
	if e.Refused() || e.Basis.ESSLabels < .98*float64(e.Basis.Labels) ||
		e.Basis.ESSLabels > float64(e.Basis.Labels)*1.02 {
		t.Errorf("%d labels in proportion to w count for %v: %v", e.Basis.Labels, e.Basis.ESSLabels, e.Refusals)
	}
	for i := range s.Rows {
		if !s.Rows[i].Label.Valid() {
			s.Rows[i].InclusionProb = dataset.Float{}
		}
	}
	if e := evaluate(t, s, Config{Replicates: 40}).Policy("near").Estimate(LabeledSNIPS); !hasRule(e.Refusals,
		RuleDesign) {
		t.Errorf("the p of unlabeled responses are unknown: %v", e.Refusals)
	}
}

// Gates count prompts: a prompt's rows, however many, are one.
func TestGatesCountPrompts(t *testing.T) {
	w, err := WeightsFromLogRatios(make([]float64, 80))
	if err != nil {
		t.Fatal(err)
	}
	if !w.Usable() || w.Prompts != 80 {
		t.Fatalf("80 rows of weight 1: %v", w.Refusals())
	}
	prompt := make([]int32, 80)
	for i := range prompt {
		prompt[i] = int32(i / 16)
	}
	w.cluster(prompt)
	if w.Prompts != 5 || !near(w.PromptESS, 5, 1e-12) || !near(w.PromptShare, .2, 1e-12) ||
		!hasRule(w.Refusals(), RuleESS) || w.ESS != 80 {
		t.Errorf("5 prompts of 16 rows: %+v, %v", w, w.Refusals())
	}
	// The e-value takes a prompt's mean weight once: twice the rows are not twice the
	// evidence.
	l := []float64{.5, .9, -.2, .7, 1.1}
	once, _ := WeightsFromLogRatios(l)
	twice, _ := WeightsFromLogRatios([]float64{.5, .5, .9, .9, -.2, -.2, .7, .7, 1.1, 1.1})
	twice.cluster([]int32{0, 0, 1, 1, 2, 2, 3, 3, 4, 4})
	if !near(once.LogEValue, twice.LogEValue, 1e-12) || !near(once.MeanSE, twice.MeanSE, 1e-12) ||
		!near(once.Mean, twice.Mean, 1e-12) {
		t.Errorf("once %+v, twice %+v", once, twice)
	}
}
