package offpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

// pooledSamples are logs of two policies, n prompts each: the old one answers with scores
// of density 2(1-S), the new one with 2S, the target with either alike, 1. Labels are
// .25 + .5 S and noise.
func pooledSamples(n int, seed uint64) Samples {
	rng := rand.New(rand.NewPCG(seed, 77))
	s := Samples{Logging: "logs", Pooled: true, Judge: "j@1", Scored: sampled("old", "new", "target"),
		Draws: map[string][]Draw{}}
	for i := range 2 * n {
		logger := []string{"old", "new"}[i%2]
		score := math.Sqrt(rng.Float64())
		if logger == "old" {
			score = 1 - score
		}
		row := Row{PromptID: fmt.Sprintf("prompt %d", i), Logger: logger, Score: dataset.Known(score),
			LogProbs: map[string]dataset.Float{"old": dataset.Known(-50 + math.Log(2*(1-score))),
				"new": dataset.Known(-50 + math.Log(2*score)), "target": dataset.Known(-50)}}
		if i/2%2 == 0 {
			row.Label = dataset.Known(min(max(.25+.5*score+.05*rng.NormFloat64(), 0), 1))
		}
		s.Rows = append(s.Rows, row)
		s.Draws["target"] = append(s.Draws["target"], Draw{PromptID: row.PromptID, Score: dataset.Known(rng.Float64())})
	}
	return s
}

// Here the mixture is the target, so that all of its weights are 1, and those of either
// logger alone are 1/(2S) and 1/(2(1-S)).
func TestPooledWeights(t *testing.T) {
	s := pooledSamples(100, 1)
	r := evaluate(t, s, Config{Replicates: 20})
	for i, l := range r.Policy("target").Weights.Log {
		if math.Abs(l) > 1e-12 {
			t.Fatalf("log weight %v of row %d, want 0", l, i)
		}
	}
	// Of "new": π_new/q = 2S; on its own rows E[2S] = 4/3 and on the other's 2/3.
	p := r.Policy("new")
	if want := []LoggerWeight{{Logger: "new", Rows: 100}, {Logger: "old", Rows: 100}}; len(p.Loggers) != 2 ||
		p.Loggers[0].Logger != want[0].Logger || p.Loggers[0].Rows != 100 || math.Abs(p.Loggers[0].Share-2./3) > .05 {
		t.Errorf("parts of the loggers %+v", p.Loggers)
	}
	if r.Policies[0].Policy != "logs" || r.Policy("old") == nil || r.Policy("logs").Weights.ESS != 200 {
		t.Errorf("policies %v", r.Policies)
	}
	one := s.Of("new")
	if one.Logging != "new" || one.Pooled || len(one.Rows) != 100 || len(s.Rows) != 200 {
		t.Errorf("of one logger: %s, pooled %v, %d rows of %d", one.Logging, one.Pooled, len(one.Rows), len(s.Rows))
	}
	for i, l := range evaluate(t, one, Config{Replicates: 20}).Policy("target").Weights.Log {
		if l == 0 {
			t.Fatalf("single-logger weight of row %d is 1", i)
		}
	}
}

// By hand: three rows of a, one of b, so that q = .75 π_a + .25 π_b.
func TestMixtureByHand(t *testing.T) {
	s := Samples{Logging: "logs", Pooled: true, Judge: "j", Scored: sampled("a", "b", "t")}
	for i, p := range [][3]float64{{.5, .1, .2}, {.4, .4, .4}, {.8, 0, .1}, {.2, .6, .3}} {
		s.Rows = append(s.Rows, Row{PromptID: fmt.Sprint("p", i), Logger: []string{"a", "a", "a", "b"}[i],
			LogProbs: map[string]dataset.Float{"a": dataset.Known(math.Log(p[0])), "b": dataset.Known(math.Log(p[1])),
				"t": dataset.Known(math.Log(p[2]))}})
	}
	want := []float64{.5, 1, 1. / 6, 1} // the target over the mean of the loggers, by rows: 3/4 a + 1/4 b
	r := evaluate(t, s, Config{Replicates: 2})
	w := r.Policy("t").Weights
	for i, v := range w.Raw() {
		if !near(v, want[i], 1e-12) {
			t.Errorf("weight %d is %v, want %v", i, v, want[i])
		}
	}
	// -mean log w + log(n/n_k): of a with .5, 1 and 1/6, of b with 1.
	a, b := -(math.Log(.5)+math.Log(1./6))/3+math.Log(4./3), math.Log(4)
	if !near(w.Divergence, min(a, b), 1e-12) {
		t.Errorf("divergence %v, want the least of %v and %v", w.Divergence, a, b)
	}
	if !near(w.LogEValue, logEValue(w.Log), 1e-12) {
		t.Errorf("one row a prompt: e-value %v, want %v", w.LogEValue, logEValue(w.Log))
	}
}

func TestPooledSamplesAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(s *Samples)
		says  string
	}{
		"no logger":       {func(s *Samples) { s.Rows[3].Logger = "" }, "names no logger"},
		"its own is -Inf": {func(s *Samples) { s.Rows[0].LogProbs["old"] = dataset.Known(-inf) }, "which wrote it"},
		"a logger's name": {func(s *Samples) { s.Logging = "old" }, "give the logs another name"},
		"not pooled": {func(s *Samples) { s.Pooled = false; s.Scored["logs"] = s.Scored["old"] },
			"or say that they are Pooled"},
	} {
		s := pooledSamples(30, 2)
		if c.alter(&s); true {
			if _, err := Evaluate(s, Config{Replicates: 2}); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %q", name, err, c.says)
			}
		}
	}
	// What the other logger cannot have written is no error, and what lacks one logger's
	// log-prob is a gap.
	s := pooledSamples(60, 3)
	s.Rows[0].LogProbs["new"] = dataset.Known(-inf)
	delete(s.Rows[1].LogProbs, "old")
	r := evaluate(t, s, Config{Replicates: 2})
	if w := r.Policy("target").Weights; w.Modelled != 1 || slices.Contains(w.Raw(), 0) {
		t.Errorf("%d weights are modelled, want 1", w.Modelled)
	}
}

// The order of rows, and the parts that tables were merged from, decide nothing.
func TestPooledInAnyOrder(t *testing.T) {
	s := pooledSamples(60, 4)
	c := Config{Replicates: 30, Seed: 3}
	want, _ := json.Marshal(evaluate(t, s, c).Document())
	got, _ := json.Marshal(evaluate(t, s.shuffled(9), c).Document())
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("in another order (-want +got):\n%s", diff)
	}
	half := s
	half.Rows, half.Draws = s.Rows[:50], nil
	rest := s
	rest.Rows = s.Rows[50:]
	a, b := TableOf(rest), TableOf(half)
	state, err := b.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	sent := new(Table)
	if err := sent.UnmarshalBinary(state); err != nil {
		t.Fatal(err)
	}
	if err := a.Merge(sent); err != nil {
		t.Fatal(err)
	}
	r, err := a.Evaluate(c)
	if err != nil {
		t.Fatal(err)
	}
	got, _ = json.Marshal(r.Document())
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	rest.Pooled = false
	if err := TableOf(rest).Merge(b); !errors.Is(err, ErrOtherPlan) {
		t.Errorf("a pooled part merges into one that is not: %v", err)
	}
}

// How many rows each logger has was chosen: influences are centred within each, so that
// errors, by influence and by bootstrap, are the estimates' spread, and not that of rows of
// a mixture, whose loggers differ.
func TestErrorsWithinLoggers(t *testing.T) {
	var value, square, influence, boot float64
	const runs = 60
	for i := range runs {
		s := pooledSamples(100, 100+uint64(i))
		s.Draws = nil
		for i := range s.Rows { // all labeled, the plain mean: its spread is that within loggers
			score := s.Rows[i].Score.OrNaN()
			s.Rows[i].Label = dataset.Known(.25 + .5*score)
		}
		r := evaluate(t, s, Config{Replicates: 60, Estimators: []Estimator{LabeledSNIPS, DR}})
		e := r.Policy("target").Estimate(LabeledSNIPS)
		value += e.Value / runs
		square += e.Value * e.Value / runs
		influence += e.SE / runs
		boot += standardDeviation(e.replicates) / runs
		if i == 0 {
			sums := map[string]float64{}
			for q, phi := range e.Influence {
				at := slices.IndexFunc(s.Rows, func(x Row) bool { return x.PromptID == r.Prompts[q] })
				sums[s.Rows[at].Logger] += phi
			}
			if math.Abs(sums["old"])+math.Abs(sums["new"]) > 1e-9 {
				t.Errorf("influences sum to %v by logger", sums)
			}
		}
	}
	spread := math.Sqrt(square - value*value)
	// Var(S) is 1/18 within either logger and 1/12 in the mixture: .5 √(1/18/200).
	if want := .5 * math.Sqrt(1./18/200); !near(influence, want, .05) || !near(boot, want, .08) ||
		!near(spread, want, 4/math.Sqrt(2*runs)) {
		t.Errorf("errors %v by influence, %v by replicates, spread %v, want %v", influence, boot, spread, want)
	}
}

// Where every prompt has a row of either logger there is nothing to centre, and the sum
// over its rows is one observation.
func TestPromptsWithAllLoggers(t *testing.T) {
	s := pooledSamples(100, 6)
	for i := range s.Rows {
		s.Rows[i].PromptID = fmt.Sprintf("prompt %d", i/2)
	}
	s.Draws = nil
	r := evaluate(t, s, Config{Replicates: 20, Estimators: []Estimator{LabeledSNIPS}})
	phi := slices.Clone(r.Policy("target").Estimate(LabeledSNIPS).Influence)
	if beta := r.frame.pool.centre(phi); math.Abs(beta[0]) > 1e-12 || math.Abs(beta[1]) > 1e-12 {
		t.Errorf("loggers explain %v of influences that sum to 0", beta)
	}
	if w := r.Policy("new").Weights; w.Prompts != 100 || math.IsNaN(w.LogEValue) {
		t.Errorf("weights of new: %+v", w)
	}
}

// A clone is compared with the logger that it is.
func TestCloneOfALogger(t *testing.T) {
	s := pooledSamples(60, 8)
	s.Scored["again"] = s.Scored["old"]
	for _, r := range s.Rows {
		r.LogProbs["again"] = r.LogProbs["old"]
	}
	c := Config{Replicates: 2, Clones: []string{"again"}, CloneOf: map[string]string{"again": "old"}}
	if got := evaluate(t, s, c).Policy("again").Clone; got.Status != StatusPass || got.MaxAbs != 0 {
		t.Errorf("a clone of old: %+v", got)
	}
	c.CloneOf["again"] = "new"
	if got := evaluate(t, s, c).Policy("again").Clone; got.Status == StatusPass {
		t.Errorf("old scored again passes for a clone of new: %+v", got)
	}
}

// Records name the logger in a field of their own, or in their metadata; the base policy's
// log-prob is that logger's.
func TestPooledRecords(t *testing.T) {
	var samples []dataset.Sample
	for _, line := range []string{
		`{"prompt_id": "a", "prompt": "x", "response": "y", "logger": "old", "base_policy_logprob": -3,
			"target_policy_logprobs": {"new": -4, "target": -5}}`,
		`{"prompt_id": "b", "prompt": "x", "response": "y", "metadata": {"logger": "new"}, "base_policy_logprob": -2,
			"target_policy_logprobs": {"new": -2, "old": -6, "target": -5}}`,
	} {
		var s dataset.Sample
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.Logger() == "" {
			t.Fatal(err, line)
		}
		samples = append(samples, s)
	}
	logs := dataset.Logs{Logging: "logs", Pooled: true, Judge: "j", Samples: samples,
		Scored: sampled("old", "new", "target")}
	s, err := FromRecords(logs)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]float64{{"old": -3, "new": -4, "target": -5},
		{"old": -6, "new": -2, "target": -5}} {
		for name, v := range want {
			if got := s.Rows[i].LogProbs[name]; got != dataset.Known(v) {
				t.Errorf("row %d: log-prob under %s %v, want %v", i, name, got, v)
			}
		}
	}
	if s.Rows[0].Logger != "old" || s.Rows[1].Logger != "new" || len(s.Rows[0].LogProbs) != 3 {
		t.Errorf("rows %+v", s.Rows)
	}
	samples[1].BasePolicyLogProb = dataset.Known(-2.5)
	if _, err := FromRecords(logs); err == nil || !strings.Contains(err.Error(), "leave out the one that is wrong") {
		t.Errorf("two log-probs of one logger: %v", err)
	}
}

// A logger's log-prob that is an interval makes the weight one, and a response that the
// target cannot give weighs 0 and leaves the divergence of the others.
func TestMixtureOfIntervals(t *testing.T) {
	ln := func(p float64) dataset.Float { return dataset.Known(math.Log(p)) }
	s := Samples{Logging: "logs", Pooled: true, Judge: "j", Scored: sampled("a", "b", "t")}
	for i, p := range [][3]float64{{.5, .1, .2}, {.4, .4, .4}, {.8, .4, 0}, {.2, .6, .3}} {
		s.Rows = append(s.Rows, Row{PromptID: fmt.Sprint("p", i), Logger: []string{"a", "a", "a", "b"}[i],
			LogProbs: map[string]dataset.Float{"a": ln(p[0]), "b": ln(p[1]), "t": ln(p[2])}})
	}
	delete(s.Rows[0].LogProbs, "b")
	s.Rows[0].Intervals = map[string][2]dataset.Float{"b": {ln(.05), ln(.1)}}
	w := evaluate(t, s, Config{Replicates: 2}).Policy("t").Weights
	if lower, upper := math.Exp(w.bottom()[0]), math.Exp(w.ceiling()[0]); !near(lower, .2/.4, 1e-12) ||
		!near(upper, .2/(.75*.5+.25*.05), 1e-12) {
		t.Errorf("weight from %v to %v, want .5 to %v", lower, upper, .2/.3875)
	}
	if w.Zero != 1 || math.IsInf(w.Divergence, 0) || math.IsNaN(w.Divergence) {
		t.Errorf("%d rows of weight 0, divergence %v", w.Zero, w.Divergence)
	}
}
