package check

import (
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// finding is what one check says of a run.
func finding(r *record.Records, id string) record.Finding {
	for _, f := range findings(r, nil) {
		if f.ID == id {
			return f
		}
	}
	return record.Finding{}
}

// A log-prob that is an interval, or a probability of 0, is no failure. Wide intervals leave
// the weights open, and no estimate comes of them.
func TestIntervalsOfLogProbs(t *testing.T) {
	run := healthy.New(40, 1)
	for i := range run.Prompts {
		row := healthy.LogprobRow(run, i, "pi_cot")
		row.LogProb, row.TokenLogProbs, row.Method = dataset.Float{}, nil, teacherforce.MethodTempered
		if i%2 == 0 {
			row.OutsideSupport = true
		} else {
			row.Interval = &[2]dataset.Float{dataset.Known(-50), dataset.Known(-40)}
		}
	}
	r := run.Evaluated()
	for _, id := range []string{"logprobs.complete", "logprobs.range", "missing.pattern", "weights.identical",
		"p0.logprobs"} {
		if f := finding(r, id); f.Status != record.Pass {
			t.Errorf("%s: %s %s", id, f.Status, f.Summary)
		}
	}
	w := r.Weights("pi_cot").Summary
	if w.Usable || w.N != 40 || w.Zero != 20 ||
		!strings.Contains(strings.Join(w.Reasons, "; "), "leave 100% of the weight open") {
		t.Errorf("weights %+v", w)
	}
	if w := r.Evaluation.Policy("pi_cot").Weights; w.Zero != 20 || w.Usable() {
		t.Errorf("weights %+v: %v", w, w.Refusals())
	}
	if f := finding(r, "weights.balance"); strings.Contains(f.Summary, "NaN") {
		t.Error(f.Summary)
	}
	if w := r.Weights("pi_clone").Summary; !w.Usable {
		t.Errorf("another policy's weights are refused: %v", w.Reasons)
	}
}

// A response that the policy cannot give weighs 0, and is a row like any other. The sample
// carries it from the records to the evaluation.
func TestOutsideTheSupportWeighsNothing(t *testing.T) {
	run := healthy.New(60, 1)
	zero := map[string]bool{}
	for i, p := range run.Prompts {
		row := healthy.LogprobRow(run, i, "pi_cot")
		row.LogProb = dataset.Known(healthy.LogprobRow(run, i, "p0").LogProb.OrNaN() + math.Log(60./50))
		if i%6 == 0 {
			row.LogProb, row.TokenLogProbs, row.OutsideSupport = dataset.Float{}, nil, true
			zero[p.ID] = true
		}
	}
	r := run.Evaluated()
	w := r.Evaluation.Policy("pi_cot").Weights
	if w.N != 60 || w.Zero != 10 || w.Missing+w.Modelled != 0 || !w.Usable() || math.Abs(w.Mean-1) > 1e-12 ||
		math.Abs(w.ESS-50) > 1e-9 {
		t.Errorf("weights %+v: %v", w, w.Refusals())
	}
	if s := r.Weights("pi_cot").Summary; s.N != 60 || s.Zero != 10 || len(s.LogWeights) != 50 || !s.Usable {
		t.Errorf("summary %+v", s)
	}
	// snips, by hand: the mean reward of the 50 rows that weigh alike.
	e := r.Evaluation.Policy("pi_cot").Estimate(offpolicy.LabeledSNIPS)
	var sum, n float64
	for _, l := range run.Labels {
		if l.Policy == "p0" && l.Label.Valid() && !zero[l.PromptID] {
			sum, n = sum+l.Label.OrNaN(), n+1
		}
	}
	if e.Basis.Rows != 60 || !e.Refused() && math.Abs(e.Value-sum/n) > 1e-9 {
		t.Errorf("labeled_snips %v on %d rows, want %v: %v", e.Value, e.Basis.Rows, sum/n, e.Refusals)
	}
}

// What P0's filters exclude refuses the weights of those that say it, and of nobody else.
func TestWhatTheLogsCannotShow(t *testing.T) {
	run := healthy.New(40, 1)
	for i := range run.Arms {
		if name := run.Arms[i].Policy.Name; name == "p0" || name == "pi_clone" {
			run.Arms[i].Policy.Sampling.TopP = 0.9
		}
	}
	for i := range run.Prompts {
		healthy.LogprobRow(run, i, "p0").Excluded = dataset.Known(0.6)
	}
	r := run.Evaluated()
	if w := r.Weights("pi_clone").Summary; strings.Contains(strings.Join(w.Reasons, "; "), "filters exclude") {
		t.Errorf("the clone keeps what P0 keeps: %v", w.Reasons)
	}
	if w := r.Weights("pi_bigger_model").Summary; w.Usable ||
		!strings.Contains(strings.Join(w.Reasons, "; "), "filters exclude about 60% of what the policy says") {
		t.Errorf("weights %+v", w)
	}
}

// Policies that differ in how they sample have equal values of the model's own
// distribution; the context reaches the scorer all the same.
func TestTemperatureOnlyIsNotIdentical(t *testing.T) {
	run := healthy.New(40, 1)
	for i := range run.Arms {
		if a := &run.Arms[i]; a.Policy.Name == "pi_cot" {
			a.Policy.System = run.Arms[0].Policy.System
			a.Policy.Sampling.Temperature = 0.7
		}
	}
	for i := range run.Prompts {
		healthy.LogprobRow(run, i, "pi_cot").LogProb = healthy.LogprobRow(run, i, "p0").LogProb
	}
	if f := finding(run.Evaluated(), "weights.identical"); f.Status != record.Pass {
		t.Errorf("%s %s", f.Status, f.Summary)
	}
}

// P0's own response is within its support, or it was not drawn as stated.
func TestP0OutsideItsOwnSupport(t *testing.T) {
	run := healthy.New(40, 1)
	row := healthy.LogprobRow(run, 3, "p0")
	row.Flags = append(row.Flags, string(teacherforce.FlagSupport))
	f := finding(run.Evaluated(), "p0.logprobs")
	if f.Status != record.Fail || !strings.Contains(f.Summary, "P0 cannot have drawn 1 response") ||
		len(f.Evidence.Records) != 1 {
		t.Errorf("%s %s, records %v", f.Status, f.Summary, f.Evidence.Records)
	}
}
