package offpolicy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// What is left out of a row or a draw is not known, and counts as nothing: these
// samples are written as a caller writes them who has never heard of NaN.
func TestWhatIsLeftOutIsMissing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	label := func(score float64) dataset.Float {
		return dataset.Known(min(1, max(0, .55+.3*score+.05*rng.NormFloat64())))
	}
	s := Samples{Logging: "p0", Judge: "j", Scored: sampled("p0", "t"), Draws: map[string][]Draw{}}
	var logged, own float64
	for i := range 400 {
		id, score := fmt.Sprintf("q%03d", i), rng.Float64()
		row := Row{
			PromptID: id, Score: dataset.Known(score), InclusionProb: dataset.Known(.25),
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(-9), "t": dataset.Known(-9)},
		}
		if i%4 == 0 {
			row.Label = label(score)
			logged += row.Label.OrNaN() / 100
		}
		s.Rows = append(s.Rows, row)
		d := Draw{PromptID: id, Score: dataset.Known(score)}
		if i%10 == 0 {
			d.Label = label(score)
			own += d.Label.OrNaN() / 40
		}
		s.Draws["t"] = append(s.Draws["t"], d)
	}
	r := evaluate(t, s, Config{Replicates: 100})
	if e := r.Policy("t").Estimate(Direct); e.Refused() || math.Abs(e.Value-own) > .03 || e.Basis.Probes != 40 {
		t.Errorf("direct %v from %d labels, want about %.3f from 40", e.Value, e.Basis.Probes, own)
	}
	if e := r.Policy("t").Estimate(DR); e.Refused() || math.Abs(e.Value-logged) > .03 || e.Basis.Labels != 100 {
		t.Errorf("dr %v from %d labels, want about %.3f from 100", e.Value, e.Basis.Labels, logged)
	}

	empty := Samples{Logging: "p0", Judge: "j", Draws: map[string][]Draw{"t": nil}}
	for i := range 50 {
		empty.Rows = append(empty.Rows, Row{PromptID: fmt.Sprint(i)})
		empty.Draws["t"] = append(empty.Draws["t"], Draw{PromptID: fmt.Sprint(i)})
	}
	r = evaluate(t, empty, Config{Replicates: 10})
	for _, p := range r.Policies {
		for _, e := range p.Estimates {
			if !e.Refused() || e.Basis.Labels != 0 || e.Basis.Probes != 0 || e.Basis.Draws != 0 {
				t.Errorf("%s of %s rests on nothing and says %+v", e.Estimator, p.Policy, e)
			}
		}
	}
	if len(r.frame.labeled) != 0 || r.Policy("t").Weights.N != 0 || r.Policy("t").Weights.Missing != 50 {
		t.Errorf("%d labels, %d weights", r.frame.labeled, r.Policy("t").Weights.N)
	}
}

// A log-prob of which nobody says what it is of is an error that names the field; a
// raw one gives no weight, by whatever estimator.
func TestWhatLogProbsAreOf(t *testing.T) {
	base := world{prompts: 120, labels: 120, draws: 1, probes: 30}.samples(4)
	of := func(policy string, d dataset.Distribution) Samples {
		s := base
		s.Scored = sampled("p0", "near", "far")
		s.Scored[policy] = dataset.Scored{Hash: "h", Distribution: d}
		return s
	}
	for _, d := range []dataset.Distribution{"", "tempered"} {
		_, err := Evaluate(of("near", d), Config{Replicates: 10})
		if err == nil || !strings.Contains(err.Error(), "near") || !strings.Contains(err.Error(), "Distribution") {
			t.Errorf("%q: error %v, want one that names the policy and the field", d, err)
		}
	}
	for policy, targets := range map[string][]string{"near": {"near"}, "p0": {"near", "far"}} {
		r := evaluate(t, of(policy, dataset.RawDistribution), Config{Replicates: 10})
		for _, name := range targets {
			p := r.Policy(name)
			for _, e := range []Estimator{DR, LabeledSNIPS, SNIPS, IPS, ClippedIPS} {
				if est := p.Estimate(e); len(est.Refusals) == 0 || est.Refusals[0].Rule != RuleRaw || !math.IsNaN(est.Value) {
					t.Errorf("raw log-probs of %s: %s of %s is %v, %v", policy, e, name, est.Value, est.Refusals)
				}
			}
			if p.Weights.N != 0 || p.Estimate(Direct).Refused() {
				t.Errorf("raw log-probs of %s: %d weights; direct needs none and is %v", policy, p.Weights.N,
					p.Estimate(Direct).Refusals)
			}
		}
		if e := r.Policy("p0").Estimate(DR); e.Refused() {
			t.Errorf("the logging policy's own mean needs no log-prob: %v", e.Refusals)
		}
	}
	d := evaluate(t, of("near", dataset.UnstatedDistribution), Config{Replicates: 10}).Document()
	if d.LogProbs["near"].Distribution != dataset.UnstatedDistribution || len(d.Notes) != 2 ||
		!strings.Contains(d.Notes[0], "near") {
		t.Errorf("the document says %v of near, with the notes %q", d.LogProbs["near"], d.Notes)
	}
}

func TestLabelsTheDesignCannotHaveDrawn(t *testing.T) {
	with := func(labels int, p float64) Samples {
		s := world{prompts: 400, labels: labels, draws: 1}.samples(5)
		for i := range s.Rows {
			s.Rows[i].InclusionProb = dataset.Known(p)
		}
		return s
	}
	for _, tt := range []struct {
		labels int
		p      float64
		ok     bool
		reason string
	}{
		{400, .25, false, "Σ 1/p is 1,600 of 400 rows"},
		{130, .25, true, "Σ 1/p is 520: 3.5 standard deviations above 400, by chance now and then"},
		{60, .25, true, "fewer than expected: labels that failed"},
		{400, 1, true, "all of them"},
	} {
		_, err := Evaluate(with(tt.labels, tt.p), Config{Replicates: 10})
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "InclusionProb") {
			t.Errorf("%d labels at %v: %v (%s)", tt.labels, tt.p, err, tt.reason)
		}
	}
	s := with(100, .25)
	for i := range s.Draws["near"] {
		s.Draws["near"][i].Label, s.Draws["near"][i].InclusionProb = dataset.Known(.5), dataset.Known(.1)
	}
	if _, err := Evaluate(s, Config{Replicates: 10}); err == nil || !strings.Contains(err.Error(),
		"fresh draws of near") {
		t.Errorf("400 probes at .1: %v", err)
	}
}
