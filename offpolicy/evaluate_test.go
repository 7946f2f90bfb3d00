package offpolicy

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
)

func evaluate(t testing.TB, s Samples, c Config) *Result {
	t.Helper()
	r, err := Evaluate(s, c)
	if err != nil {
		t.Fatal(err)
	}
	checkResult(t, r)
	return r
}

// checkResult asserts what holds of every result: a refused estimate carries no
// number, an answered one all of them, within [0, 1] where labels are; an answer
// is an estimate that is not refused.
func checkResult(t testing.TB, r *Result) {
	t.Helper()
	check := func(e *Estimate) {
		t.Helper()
		if e.Refused() {
			for _, v := range e.numbers() {
				if !math.IsNaN(v) {
					t.Errorf("%s of %s is refused and carries %v", e.Estimator, e.Policy, e.numbers())
				}
			}
			if e.Influence != nil || e.Method != "" {
				t.Errorf("%s of %s is refused and has an influence", e.Estimator, e.Policy)
			}
			for _, ref := range e.Refusals {
				if ref.Message == "" || ref.Remedy == "" {
					t.Errorf("%s of %s: incomplete refusal %+v", e.Estimator, e.Policy, ref)
				}
			}
			return
		}
		if !(e.SE >= 0) || !(e.DF > 0) || len(e.Influence) != len(r.Prompts) {
			t.Errorf("%s of %s is incomplete: %v", e.Estimator, e.Policy, e.numbers())
		}
		if !e.Claims {
			return // rewards need not lie in [0, 1]
		}
		if !(e.Lower >= 0 && e.Upper <= 1 && e.Lower < e.Upper) {
			t.Errorf("%s of %s has the interval [%v, %v]", e.Estimator, e.Policy, e.Lower, e.Upper)
		}
	}
	for i := range r.Policies {
		p := &r.Policies[i]
		for j := range p.Estimates {
			check(&p.Estimates[j])
		}
		for j := range p.Segments {
			check(&p.Segments[j].Estimate)
		}
		if p.Answer.Reason == "" {
			t.Errorf("%s: the referee gives no reason", p.Policy)
		}
		if a := p.Answer.Estimator; a != "" && p.Estimate(a).Refused() {
			t.Errorf("%s: the referee chose %s, which is refused", p.Policy, a)
		}
	}
	for _, c := range r.Comparisons {
		if c.Refused() {
			if !math.IsNaN(c.Difference) || !math.IsNaN(c.P) {
				t.Errorf("refused comparison %+v", c)
			}
			continue
		}
		if !(c.SE >= 0) || !(c.P >= 0 && c.P <= 1 && c.Holm >= c.P && c.Holm <= 1) {
			t.Errorf("comparison %+v", c)
		}
	}
}

// everything an evaluation says, as far as it is compared.
var resultOptions = cmp.Options{cmpopts.IgnoreUnexported(Comparison{}), cmpopts.EquateNaNs(),
	cmpopts.IgnoreUnexported(Result{}, PolicyResult{}, Estimate{}, Calibrator{}), cmpopts.EquateErrors()}

// Neither the order of rows and draws nor concurrency changes anything: every
// bit, which is more than 1e-12.
func TestEvaluateIgnoresOrder(t *testing.T) {
	s := world{prompts: 150, rows: 2, labels: 120, draws: 2, probes: 30, missing: 11}.samples(5)
	c := Config{Replicates: 50, Seed: 3, Segments: []string{"language"}, Margin: .05, Clones: []string{"near"}}
	want := evaluate(t, s, c)
	for i := range 2 {
		c.Concurrency = 2*i + 1
		got := evaluate(t, s.shuffled(uint64(i)), c)
		if diff := cmp.Diff(want, got, resultOptions); diff != "" {
			t.Fatalf("another order, %d goroutines:\n%s", c.Concurrency, diff)
		}
		for j := range want.Policies {
			for k := range want.Policies[j].Estimates {
				if !slices.Equal(want.Policies[j].Estimates[k].replicates, got.Policies[j].Estimates[k].replicates) {
					t.Fatal("replicates differ")
				}
			}
		}
	}
	c.Seed = 4
	if got := evaluate(t, s, c); cmp.Equal(want, got, resultOptions) {
		t.Error("another seed changes nothing")
	}
}

// A segment that all prompts are in has the policy's own value and error, to the last bit: it is
// bootstrapped as that is, with the calibration fitted again.
func TestSegmentOfAllPrompts(t *testing.T) {
	s := world{prompts: 200, labels: 100, draws: 1}.samples(6)
	for i := range s.Rows {
		s.Rows[i].Segments = map[string]string{"language": "English"}
	}
	r := evaluate(t, s, Config{Replicates: 50, Segments: []string{"language"}})
	p := r.Policy("near")
	whole, part := p.Estimate(DR), &p.Segments[0].Estimate
	if p.Answer.Estimator != DR || whole.Method != Bootstrap || !slices.Equal(whole.numbers(), part.numbers()) {
		t.Errorf("%s by %s: %v, of its only segment %v", p.Answer.Estimator, whole.Method, whole.numbers(), part.numbers())
	}
}

// What the world is made of comes out, within three standard errors, and the
// target that the logs never show is refused until it has labels of its own.
func TestEvaluate(t *testing.T) {
	s := world{prompts: 800, labels: 200, draws: 1}.samples(6)
	r := evaluate(t, s, Config{Replicates: 200})
	near0, far := r.Policy("near"), r.Policy("far")
	for _, e := range []Estimator{DR, LabeledSNIPS} {
		est := near0.Estimate(e)
		if est.Refused() || math.Abs(est.Value-.55) > 3*est.SE || !est.Claims {
			t.Errorf("%s of near: %v (SE %v), want .55: %v", e, est.Value, est.SE, est.Refusals)
		}
	}
	if dr, base := near0.Estimate(DR), near0.Estimate(LabeledSNIPS); dr.SE > 1.02*base.SE {
		t.Errorf("dr has SE %v, labeled SNIPS %v", dr.SE, base.SE)
	}
	if of := func(e Estimator) int { return near0.Estimate(e).Basis.Replicates }; of(DR) != 200 || of(SNIPS) != 0 {
		t.Errorf("%d replicates of dr, %d of a mean of rewards, by which nothing is compared", of(DR), of(SNIPS))
	}
	if near0.Answer.Estimator != DR || r.Policy("p0").Answer.Estimator != DR {
		t.Errorf("near is answered by %+v, p0 by %+v", near0.Answer, r.Policy("p0").Answer)
	}
	if p0 := r.Policy("p0").Estimate(DR); math.Abs(p0.Value-.5) > 3*p0.SE {
		t.Errorf("p0: %v (SE %v), want .5", p0.Value, p0.SE)
	}
	for _, e := range []Estimator{SNIPS, IPS, ClippedIPS} {
		if est := near0.Estimate(e); est.Claims || len(est.Notes) == 0 {
			t.Errorf("%s must say that it claims no coverage: %+v", e, est)
		}
	}
	if far.Answer.Estimator != "" || len(far.Answer.Advice) == 0 {
		t.Errorf("far: %+v", far.Answer)
	}
	for _, e := range far.Estimates {
		if !e.Refused() {
			t.Errorf("%s of far is answered", e.Estimator)
		}
	}
	// Asked for by name, a refused estimate has its numbers, and its refusals.
	if d := r.Despite("far", DR); !(d.SE > 0) || !d.Refused() || math.IsNaN(d.Value) {
		t.Errorf("despite: %+v", d)
	}
	if far.Estimate(DR).SE > 0 || r.Despite("nobody", DR) != nil {
		t.Error("asking by name must change nothing, and find nobody")
	}
	if len(r.Comparisons) != 1 || r.Comparisons[0].A != "near" || r.Comparisons[0].B != "p0" ||
		r.Comparisons[0].P > 1e-3 {
		t.Errorf("comparisons %+v: want near - p0 = .05 alone", r.Comparisons)
	}

	s = world{prompts: 800, labels: 200, draws: 1, probes: 25, bias: -.1}.samples(6)
	r = evaluate(t, s, Config{Replicates: 200, Margin: .05})
	// Under far nearly every score is 0, the label .25, and the judge .1 too kind.
	if d := r.Policy("far").Estimate(Direct); d.Refused() || math.Abs(d.Value-.15) > 3*d.SE || d.Basis.Probes != 25 {
		t.Errorf("direct of far: %+v", d)
	}
	if a := r.Policy("near").Audit; a.Status != StatusFail || math.Abs(a.Residual+.1) > 3*a.SE {
		t.Errorf("audit of near: %+v, want residual -.1 to fail", a)
	}
	// near's probes say .45, its weights .55: Hausman's test sees it.
	if a := r.Policy("near").Answer; a.Estimator != Direct || !strings.Contains(a.Reason, "disagree") {
		t.Errorf("near: %+v, want the probes to decide against the weights", a)
	}
}

// The plug-in answers only where an audit under this very judge vouches for it.
func TestPlugIn(t *testing.T) {
	s := world{prompts: 400, labels: 200, draws: 1}.samples(7)
	for _, tt := range []struct {
		audited string
		labels  int
		rules   []Rule
		reason  string
	}{
		{"", 200, []Rule{RuleTransport}, "no audit"},
		{"another@judge", 200, []Rule{RuleTransport}, "an audit under another judge"},
		{"j@1", 200, nil, "audited"},
		{"j@1", 99, []Rule{RuleLabels}, "too few labels behind the calibration"},
	} {
		labeled := 0
		c := s
		c.Rows = slices.Clone(s.Rows)
		for i := range c.Rows {
			if c.Rows[i].Label.OrNaN() >= 0 {
				if labeled++; labeled > tt.labels {
					c.Rows[i].Label = dataset.Known(nan)
				}
			}
		}
		e := evaluate(t, c, Config{Replicates: 20,
			Audited: map[string]string{"near": tt.audited}}).Policy("near").Estimate(Direct)
		var got []Rule
		for _, ref := range e.Refusals {
			got = append(got, ref.Rule)
		}
		if !slices.Equal(got, tt.rules) || e.Claims || !e.Basis.PlugIn {
			t.Errorf("%s: refused by %v, want %v; claims %v", tt.reason, got, tt.rules, e.Claims)
		}
	}
	for i := range s.Draws["near"] {
		s.Draws["near"][i].Score = dataset.Known(.5 * s.Draws["near"][i].Score.OrNaN())
	}
	for i := range s.Rows {
		s.Rows[i].Score = dataset.Known(.3 + .7*s.Rows[i].Score.OrNaN())
	}
	e := evaluate(t, s, Config{Replicates: 20, Audited: map[string]string{"near": "j@1"}}).Policy("near").Estimate(Direct)
	if len(e.Refusals) != 1 || e.Refusals[0].Rule != RuleSupport {
		t.Errorf("scores beyond the labeled range: %v", e.Refusals)
	}
}

// Odd input has a right answer or a typed refusal, never a made-up number.
func TestEvaluateEdges(t *testing.T) {
	base := world{prompts: 60, labels: 60, draws: 1, probes: 20}.samples(8)
	with := func(f func(*Samples)) Samples {
		s := base
		s.Rows = slices.Clone(base.Rows)
		for i := range s.Rows {
			s.Rows[i].LogProbs = maps.Clone(s.Rows[i].LogProbs)
		}
		s.Draws = map[string][]Draw{"near": slices.Clone(base.Draws["near"]), "far": slices.Clone(base.Draws["far"])}
		f(&s)
		return s
	}
	refusedBy := func(e *Estimate, rule Rule) bool {
		return slices.ContainsFunc(e.Refusals, func(r Refusal) bool { return r.Rule == rule })
	}
	tests := []struct {
		name   string
		s      Samples
		check  func(r *Result) bool
		reason string
	}{
		{"empty", Samples{Logging: "p0", Judge: "j"}, func(r *Result) bool {
			return len(r.Policies) == 1 && refusedBy(r.Policies[0].Estimate(DR), RuleWeights) &&
				refusedBy(r.Policies[0].Estimate(SNIPS), RuleWeights)
		}, "nothing supports nothing"},
		{"one row", with(func(s *Samples) { s.Rows = s.Rows[:1] }), func(r *Result) bool {
			return refusedBy(r.Policy("near").Estimate(LabeledSNIPS), RuleESS) && refusedBy(r.Policy("p0").Estimate(IPS),
				RuleESS)
		}, "one row carries no estimate"},
		{"all weights zero", with(func(s *Samples) {
			for i := range s.Rows {
				s.Rows[i].LogProbs["near"] = dataset.Known(-inf)
			}
		}), func(r *Result) bool {
			return refusedBy(r.Policy("near").Estimate(SNIPS), RuleWeights) && refusedBy(r.Policy("near").Estimate(DR),
				RuleWeights) && !r.Policy("near").Estimate(Direct).Refused()
		}, "the logs say nothing; the probes still do"},
		{"all labels equal", with(func(s *Samples) {
			for i := range s.Rows {
				s.Rows[i].Label = dataset.Known(1)
			}
		}), func(r *Result) bool {
			e := r.Policy("p0").Estimate(LabeledSNIPS)
			return e.Value == 1 && e.Upper == 1 && near(e.Lower, math.Pow(.025, 1./60), 1e-12) &&
				r.Policy("near").Estimate(DR).Value == 1 &&
				r.Policy("near").Estimate(IPS).Upper >= r.Policy("near").Estimate(IPS).Value
		}, "60 labels of 1 of 60: Clopper and Pearson's interval"},
		{"no labels", with(func(s *Samples) {
			for i := range s.Rows {
				s.Rows[i].Label = dataset.Known(nan)
			}
		}), func(r *Result) bool {
			d := r.Policy("near").Estimate(Direct)
			return r.Calibrator == nil && r.CalibratorError != nil && refusedBy(r.Policy("near").Estimate(DR), RuleLabels) &&
				refusedBy(r.Policy("near").Estimate(SNIPS), RuleRewards) && !d.Refused() && d.Basis.Uncalibrated
		}, "nothing calibrates the judge, whose raw score the probes correct"},
		{"24 labels", with(func(s *Samples) {
			for i := range s.Rows[24:] {
				s.Rows[24+i].Label = dataset.Known(nan)
			}
		}), func(r *Result) bool {
			return refusedBy(r.Policy("near").Estimate(DR), RuleLabels) && !r.Policy("near").Estimate(LabeledSNIPS).Refused()
		}, "too few to calibrate, enough to weigh"},
		{"half missing", with(func(s *Samples) {
			for i := range s.Rows {
				if i%2 == 0 {
					delete(s.Rows[i].LogProbs, "near")
				}
			}
			s.Rows = append(s.Rows, with(func(o *Samples) {
				for i := range o.Rows {
					o.Rows[i].PromptID += "b"
					delete(o.Rows[i].LogProbs, "far")
				}
			}).Rows...)
		}), func(r *Result) bool {
			e := r.Policy("near").Estimate(LabeledSNIPS)
			return refusedBy(e, RuleMissing) && e.Basis.Rows == 120 && e.Basis.Modelled == 30 && e.Basis.Labels == 120 &&
				r.Policy("p0").Estimate(LabeledSNIPS).Basis.Rows == 120 && r.Policy("far").Weights.Modelled == 60
		}, "a row that lacks one policy lacks that policy alone"},
		{"duplicate ids", with(func(s *Samples) { s.Rows = append(s.Rows, s.Rows...) }), func(r *Result) bool {
			one := evaluate(t, base, Config{Replicates: 20}).Policy("near").Estimate(LabeledSNIPS)
			two := r.Policy("near").Estimate(LabeledSNIPS)
			return near(one.Value, two.Value, 1e-12) && near(one.SE, two.SE, 1e-12) && two.Basis.Prompts == one.Basis.Prompts
		}, "a prompt's rows are one cluster: twice the rows are not twice the evidence"},
		{"no scores", with(func(s *Samples) {
			for i := range s.Rows {
				s.Rows[i].Score = dataset.Known(nan)
			}
		}), func(r *Result) bool {
			return refusedBy(r.Policy("near").Estimate(DR), RuleLabels) && !r.Policy("near").Estimate(LabeledSNIPS).Refused()
		}, "labels need no judge"},
		{"no draws", with(func(s *Samples) { s.Draws = nil }), func(r *Result) bool {
			e := r.Policy("near").Estimate(DR)
			return !e.Refused() && e.Basis.Lambda[0] == 0 && refusedBy(r.Policy("near").Estimate(Direct), RuleDraws)
		}, "at good overlap the logs replace them"},
		{"constant judge", with(func(s *Samples) {
			for i := range s.Rows {
				s.Rows[i].Score = dataset.Known(.5)
			}
			for i := range s.Draws["near"] {
				s.Draws["near"][i].Score = dataset.Known(.5)
			}
		}), func(r *Result) bool {
			dr, base := r.Policy("near").Estimate(DR), r.Policy("near").Estimate(LabeledSNIPS)
			return !dr.Refused() && math.Abs(dr.Value-base.Value) < .01
		}, "a judge that says nothing adds nothing"},
		{"unknown prompts", with(func(s *Samples) {
			for i := range s.Draws["near"] {
				s.Draws["near"][i].PromptID = "other " + s.Draws["near"][i].PromptID
			}
		}), func(r *Result) bool {
			return r.Policy("near").Estimate(DR).Basis.Draws == 0 && r.Policy("near").Estimate(Direct).Basis.Uncovered == 60
		}, "draws for prompts that were not logged are of another population"},
	}
	for _, tt := range tests {
		if r := evaluate(t, tt.s, Config{Replicates: 20}); !tt.check(r) {
			for i := range r.Policies {
				for _, e := range r.Policies[i].Estimates {
					t.Logf("%s %s %v %+v %v", e.Policy, e.Estimator, e.numbers(), e.Basis, e.Refusals)
				}
			}
			t.Errorf("%s: %s", tt.name, tt.reason)
		}
	}
}

func TestEvaluateRefusesData(t *testing.T) {
	good := world{prompts: 30, labels: 30, draws: 1}.samples(9)
	row := func(f func(*Row)) Samples {
		s := good
		s.Rows = slices.Clone(good.Rows)
		f(&s.Rows[3])
		return s
	}
	draw := func(f func(*Draw)) Samples {
		s := good
		d := slices.Clone(good.Draws["near"])
		f(&d[3])
		s.Draws = map[string][]Draw{"near": d}
		return s
	}
	tests := []struct {
		s      Samples
		op     string
		reason string
	}{
		{row(func(r *Row) { r.PromptID = "" }), "samples", "rows join by it"},
		{row(func(r *Row) { r.Score = dataset.Known(85) }), "samples", "a score on another scale"},
		{row(func(r *Row) { r.Label = dataset.Known(-.1) }), "samples", "a label out of range"},
		{row(func(r *Row) { r.InclusionProb = dataset.Known(0) }), "samples", "the zero value is no probability"},
		{row(func(r *Row) { r.LogProbs = map[string]dataset.Float{"p0": dataset.Known(.5)} }), "samples",
			"no log-prob is above 0"},
		{row(func(r *Row) { r.LogProbs = map[string]dataset.Float{"p0": dataset.Known(-inf)} }), "samples",
			"it was logged, so it was possible"},
		{row(func(r *Row) { r.LogProbs = map[string]dataset.Float{"near": dataset.Known(inf)} }), "samples",
			"an infinite ratio"},
		{row(func(r *Row) { r.Length = dataset.Known(-1) }), "samples", "no text is shorter than nothing"},
		{draw(func(d *Draw) { d.PromptID = "" }), "fresh draws of near", "draws join by it"},
		{draw(func(d *Draw) { d.Score = dataset.Known(2) }), "fresh draws of near", "a score on another scale"},
		{draw(func(d *Draw) { d.PromptID = "prompt 2" }), "fresh draws of near", "a draw that occurs twice"},
		{draw(func(d *Draw) { d.Label = dataset.Known(.5); d.InclusionProb = dataset.Known(0) }), "fresh draws of near",
			"the zero value is no probability"},
	}
	for _, tt := range tests {
		_, err := Evaluate(tt.s, Config{})
		var bad *RowError
		if !errors.As(err, &bad) || bad.Row != 3 || bad.Op != tt.op {
			t.Errorf("%s: error %v, want a RowError of row 3 in %s", tt.reason, err, tt.op)
		}
	}
	if _, err := Evaluate(row(func(r *Row) { r.InclusionProb = dataset.Known(.5) }), Config{}); err == nil {
		t.Error("one label states a probability, the others none: want an error")
	}
	// Who states the probabilities of the rest alone has a design, and its labels no weight.
	rest := func(r *Row) { r.Label, r.InclusionProb = dataset.Float{}, dataset.Known(.5) }
	if _, err := Evaluate(row(rest), Config{}); err == nil {
		t.Error("a row without a label states a probability, labels none: want an error")
	}
	some := draw(func(d *Draw) { d.Label, d.InclusionProb = dataset.Float{}, dataset.Known(.5) })
	some.Draws["near"][4].Label = dataset.Known(.5)
	if _, err := Evaluate(some, Config{}); err == nil {
		t.Error("a draw without a label states a probability, a label none: want an error")
	}
	for what, c := range map[string]Config{
		"estimator": {Estimators: []Estimator{"magic"}}, "replicates": {Replicates: 1}, "folds": {Folds: 1},
		"labels": {MinLabels: -1},
		"clip":   {Clip: -1}, "margin": {Margin: nan}, "method": {Method: "guess"},
	} {
		if _, err := Evaluate(good, c); err == nil || !strings.HasPrefix(err.Error(), "offpolicy: evaluate: ") {
			t.Errorf("%s: error %v", what, err)
		}
	}
	for what, s := range map[string]Samples{"logging": {Judge: "j"}, "judge": {Logging: "p0"}} {
		if _, err := Evaluate(s, Config{}); err == nil {
			t.Errorf("no %s: want an error", what)
		}
	}
}

// FuzzEvaluate: whatever the numbers, an evaluation is an error or a result in
// which refused estimates carry no number and answered ones carry all, the same
// whatever the order.
func FuzzEvaluate(f *testing.F) {
	f.Add([]byte("0123456789"), uint8(40))
	f.Add([]byte{0, 255, 128, 7, 9, 1, 1, 1, 200, 3}, uint8(60))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, n uint8) {
		at := 0
		next := func() byte {
			if len(data) == 0 {
				return 0
			}
			at++
			return data[at%len(data)] + byte(at/len(data)*37)
		}
		unit := func() float64 {
			switch b := next(); {
			case b < 30:
				return nan
			case b < 40:
				return 0
			case b < 50:
				return 1
			default:
				return float64(b-50) / 205
			}
		}
		logp := func() float64 {
			switch b := next(); b {
			case 0:
				return nan
			case 1:
				return -1e6
			default:
				return -float64(b) / 8
			}
		}
		s := Samples{Logging: "p0", Judge: "j", Scored: sampled("p0", "t"), Draws: map[string][]Draw{}}
		for i := range int(n) {
			id := string(rune('a' + i%50))
			r := Row{PromptID: id, Score: dataset.Known(unit()), Label: dataset.Known(unit()),
				InclusionProb: dataset.Known(nan), Length: dataset.Known(float64(next())),
				LogProbs: map[string]dataset.Float{"p0": dataset.Known(logp()), "t": dataset.Known(logp())}}
			if next() == 9 {
				r.LogProbs["t"] = dataset.Known(-inf)
			}
			s.Rows = append(s.Rows, r)
			s.Draws["t"] = append(s.Draws["t"], Draw{PromptID: id, Index: i, Score: dataset.Known(unit()),
				Label: dataset.Known(unit()), InclusionProb: dataset.Known(nan), Covariate: dataset.Known(float64(next() / 16))})
			s.Rows[i].Covariate = s.Rows[i].Length
		}
		c := Config{Replicates: 10, Folds: 2, MinLabels: 3, Margin: .1, Concurrency: 1, Audited: map[string]string{"t": "j"}}
		for _, c.Covariate = range []string{"", "length"} {
			r, err := Evaluate(s, c)
			if err != nil {
				t.Skip()
			}
			checkResult(t, r)
			again, err := Evaluate(s.shuffled(1), c)
			if err != nil {
				t.Fatal(err)
			}
			for i := range r.Policies {
				for j := range r.Policies[i].Estimates {
					a, b := r.Policies[i].Estimates[j].numbers(), again.Policies[i].Estimates[j].numbers()
					if !slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }) {
						t.Errorf("covariate %q, another order: %v and %v", c.Covariate, a, b)
					}
				}
			}
		}
	})
}

// Labels that happened to miss the heavy rows are worth what m labels are worth
// by all weights, and their errors grow by the root of the ratio.
func TestLabelsThatMissHeavyRows(t *testing.T) {
	s := Samples{Logging: "p0", Judge: "j", Scored: sampled("p0", "t")}
	for i := range 200 {
		r := Row{
			PromptID: string(rune('a'+i/26)) + string(rune('a'+i%26)), Score: dataset.Known(float64(i%10) / 10),
			Label: dataset.Known(nan), InclusionProb: dataset.Known(nan), Length: dataset.Known(nan),
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(-9), "t": dataset.Known(-9 + math.Log(.75))},
		}
		if i < 80 {
			r.Label = dataset.Known(r.Score.OrNaN()*.5 + .25*float64(i%2))
		}
		if i >= 190 {
			r.LogProbs["t"] = dataset.Known(-9 + math.Log(5))
		}
		s.Rows = append(s.Rows, r)
	}
	// Σw = 190·.75 + 50 = 192.5, Σw² = 190·.5625 + 250 = 356.875: ESS 103.8 of 200,
	// so that 80 labels of equal weight count for 41.5.
	ess := 192.5 * 192.5 / 356.875
	e := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 2}).Policy("t").Estimate(LabeledSNIPS)
	if !near(e.Basis.ESSLabels, 80*ess/200, 1e-9) {
		t.Errorf("ESS_L %v, want %v", e.Basis.ESSLabels, 80*ess/200)
	}
	for i := range s.Rows {
		s.Rows[i].LogProbs = map[string]dataset.Float{"p0": dataset.Known(-9), "t": dataset.Known(-9)}
	}
	plain := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 2}).Policy("t").Estimate(LabeledSNIPS)
	if got, want := e.SE/plain.SE, math.Sqrt(200/ess); !near(got, want, 1e-9) || plain.Basis.ESSLabels != 80 {
		t.Errorf("the error grows by %v, want %v (ESS_L %v)", got, want, plain.Basis.ESSLabels)
	}
}

// Tuning biases where the ESS is low: there l is (1, 0), and without fresh draws
// there is nothing to use.
func TestTuning(t *testing.T) {
	s := world{prompts: 600, labels: 400, draws: 1}.samples(13)
	for i := range s.Rows {
		r := &s.Rows[i]
		w := .02 // on half of the rows, 1.98 on the others: ESS/n of .51
		if i%2 == 0 {
			w = 1.98
		}
		if i%20 == 0 {
			w = 3 // now .49
		}
		r.LogProbs = map[string]dataset.Float{
			"p0": dataset.Known(-100), "near": dataset.Known(-100 + math.Log(w)),
			"tuned": dataset.Known(-100 + math.Log(min(w, 1.98))),
		}
	}
	s.Draws["tuned"], s.Scored = s.Draws["near"], sampled("p0", "near", "tuned")
	r := evaluate(t, s, Config{Replicates: 10})
	low, high := r.Policy("near"), r.Policy("tuned")
	if l := low.Estimate(DR).Basis.Lambda; low.Diagnostics.RelativeESS >= .5 || l != [2]float64{1, 0} {
		t.Errorf("ESS/n %v: l = %v, want (1, 0)", low.Diagnostics.RelativeESS, l)
	}
	if l := high.Estimate(DR).Basis.Lambda; high.Diagnostics.RelativeESS < .5 || l[1] == 0 || l[0]+l[1] > 1+1e-12 {
		t.Errorf("ESS/n %v: l = %v, want it tuned", high.Diagnostics.RelativeESS, l)
	}
	s.Draws = nil
	e := evaluate(t, s, Config{Replicates: 10}).Policy("near").Estimate(DR)
	if len(e.Refusals) != 1 || e.Refusals[0].Rule != RuleDraws {
		t.Errorf("low ESS without fresh draws: %v", e.Refusals)
	}
}

// Where weights and probes agree, the one with more effective labels answers.
func TestRefereeCountsLabels(t *testing.T) {
	for _, tt := range []struct {
		labels, probes int
		want           Estimator
		reason         string
	}{
		{200, 25, DR, "about 178 effective labels against 25"},
		{40, 60, Direct, "about 36 against 60"},
		{200, 0, DR, "nothing but the weights"},
	} {
		s := world{prompts: 400, labels: tt.labels, draws: 1, probes: tt.probes}.samples(14)
		a := evaluate(t, s, Config{Replicates: 50}).Policy("near").Answer
		if a.Estimator != tt.want || math.IsNaN(a.Hausman) != (tt.probes == 0) {
			t.Errorf("%d labels, %d probes: %+v, want %s: %s", tt.labels, tt.probes, a, tt.want, tt.reason)
		}
	}
	// Of a policy that the logs never show the answer is its probes', or none.
	s := world{prompts: 400, labels: 200, draws: 1, probes: 20}.samples(14)
	if a := evaluate(t, s, Config{Replicates: 50}).Policy("far").Answer; a.Estimator != Direct ||
		!strings.Contains(a.Reason, "dr refused") {
		t.Errorf("far: %+v", a)
	}
}
