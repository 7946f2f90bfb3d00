package offpolicy

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// validate reports the first field of each kind that cannot be what it claims.
// covariate is the name of the covariate in use.
func (t *Table) validate(covariate string) error {
	if t.plan.Logging == "" {
		return fmt.Errorf("offpolicy: samples: Logging is empty: name the policy whose responses were logged")
	}
	if t.plan.Pooled && (t.logProb[t.plan.Logging] != nil || slices.Contains(t.loggers(), t.plan.Logging)) {
		return fmt.Errorf("offpolicy: samples: Logging %q names the logs of several policies together, and is one of them: "+
			"give the logs another name", t.plan.Logging)
	}
	if t.plan.Judge == "" {
		return fmt.Errorf("offpolicy: samples: Judge is empty: name the judge that gave the scores")
	}
	if err := t.validateScored(); err != nil {
		return err
	}
	if err := t.validateRows(covariate); err != nil {
		return err
	}
	if slices.Contains(t.policies(), "") {
		return fmt.Errorf("offpolicy: samples: a policy has no name: name the policy of every log-prob and draw")
	}
	for _, name := range slices.Sorted(maps.Keys(t.draws)) {
		if err := t.validateDraws("fresh draws of "+name, t.draws[name], covariate); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) validateRows(covariate string) error {
	const op = "samples"
	var bad *RowError
	stated, wrong := false, false
	for _, p := range t.inclusion {
		stated = stated || p > 0         // of a row without a label, too: its design drew the labels
		wrong = wrong || p <= 0 || p > 1 // a probability that cannot be one is the first thing to say
	}
	policies := slices.Sorted(maps.Keys(t.logProb))
	lengths := t.lengths()
	for i := range t.rows {
		id, label, p := t.prompts[t.prompt[i]], t.label[i], t.inclusion[i]
		if stated && !wrong && !math.IsNaN(label) && math.IsNaN(p) {
			bad = bad.add(op, i, p, "label of "+id+" states no inclusion probability, other rows do; state all or none")
		}
		if id == "" {
			bad = bad.add(op, i, math.NaN(), "PromptID is empty: rows are clustered and joined by it")
		}
		bad = gradeError(bad, op, i, id, t.score[i], label, p, stated)
		logger := t.logger.at(i)
		switch {
		case t.plan.Pooled && logger == "":
			bad = bad.add(op, i, math.NaN(), "response to "+id+" names no logger, and the logs are of several policies: name "+
				"the one that wrote it")
		case t.plan.Pooled && math.IsInf(t.logProbAt(logger, i), -1):
			bad = bad.add(op, i, math.Inf(-1), "log-prob of "+id+" under "+logger+", which wrote it: want a finite number "+
				"<= 0, or none; score the response again")
		case t.plan.Pooled || logger == "" || logger == t.plan.Logging:
		default:
			bad = bad.add(op, i, math.NaN(),
				"response to "+id+" was logged by "+logger+", not by "+t.plan.Logging+": evaluate the rows of one logging "+
					"policy at a time, or say that they are Pooled")
		}
		for _, name := range policies {
			switch v := t.logProb[name][i]; {
			case v > 0:
				bad = bad.add(op, i, v, "log-prob of "+id+" under "+name+" is above 0"+remedyAbove0(v))
			case name == t.plan.Logging && math.IsInf(v, -1):
				bad = bad.add(op, i, v,
					"log-prob of "+id+" under the logging policy: want a finite number <= 0, or none; score the "+
						"response again")
			}
		}
		for _, name := range policies {
			if b := t.bounds(name, i); b[0] > b[1] || !math.IsNaN(b[0]) && math.IsNaN(b[1]) {
				bad = bad.add(op, i, b[1], "interval of the log-prob of "+id+" under "+name+": want lower <= upper <= 0")
			}
		}
		if covariate != "" && !math.IsNaN(t.score[i]) && !finite(t.covariate[i]) {
			bad = bad.add(op, i, t.covariate[i],
				covariate+" of "+id+" is not a finite number: the calibration needs it of every scored response")
		}
		if lengths[i] < 0 || math.IsInf(lengths[i], 0) {
			bad = bad.add(op, i, lengths[i], "length of "+id+": want a number >= 0, or none")
		}
	}
	if bad != nil {
		return bad
	}
	return overdrawn(op, t.label, t.inclusion)
}

func (t *Table) validateDraws(op string, draws *drawColumns, covariate string) error {
	var bad *RowError
	stated := slices.ContainsFunc(draws.inclusion, func(p float64) bool { return p > 0 })
	again := draws.repeats()
	for i := range draws.prompt {
		d := t.draw(draws, i)
		if stated && d.Label.Valid() && !d.InclusionProb.Valid() {
			bad = bad.add(op, i, d.InclusionProb.OrNaN(),
				"label of "+d.PromptID+" states no inclusion probability, others do; state all or none")
		}
		if d.PromptID == "" {
			bad = bad.add(op, i, math.NaN(), "PromptID is empty: draws are joined by it")
		}
		if again != nil && again[i] {
			bad = bad.add(op, i, float64(d.Index),
				"this draw of "+d.PromptID+" occurs twice; keep one of the two, or give the other an index of its own")
		}
		bad = gradeError(bad, op, i, d.PromptID, d.Score.OrNaN(), d.Label.OrNaN(), d.InclusionProb.OrNaN(),
			stated)
		if covariate != "" && d.Score.Valid() && !finite(d.Covariate.OrNaN()) {
			bad = bad.add(op, i, d.Covariate.OrNaN(),
				covariate+" of "+d.PromptID+" is not a finite number: the calibration needs it of every scored response")
		}
	}
	if bad != nil {
		return bad
	}
	return overdrawn(op, draws.label, draws.inclusion)
}

// logProbAt is row i's under a policy, NaN if it has none.
func (t *Table) logProbAt(policy string, i int) float64 {
	if c := t.logProb[policy]; c != nil {
		return c[i]
	}
	return math.NaN()
}

// overdrawn reports labels that the design stated for them cannot have drawn: of n
// responses, each labeled with its probability p, the labels' Σ 1/p is n on average,
// with a standard deviation of at most √(Σ (1-p)/p²) as the labels estimate it. Fewer
// are labels that failed, which is a gap and no error.
func overdrawn(op string, label, inclusion []float64) error {
	var labels int
	var sum, variance float64
	for i, p := range inclusion {
		if !math.IsNaN(p) && !math.IsNaN(label[i]) {
			labels++
			sum += 1 / p
			variance += (1 - p) / (p * p)
		}
	}
	if limit := float64(len(label)) + 5*math.Sqrt(variance); sum > limit*(1+1e-9) {
		return fmt.Errorf("offpolicy: %s: InclusionProb: %d labels of %d responses are more than the stated "+
			"probabilities can have drawn "+
			"(their 1/p sum to %.0f, at most %.0f is plausible): state the probability of the draw that was made, or leave "+
			"out labels that it did not choose",
			op, labels, len(label), sum, limit)
	}
	return nil
}

// validateScored reports a policy whose log-probs nobody says anything of.
func (t *Table) validateScored() error {
	scored := t.scored()
	for _, name := range slices.Sorted(maps.Keys(t.logProb)) {
		if !slices.ContainsFunc(t.logProb[name], func(v float64) bool { return !math.IsNaN(v) }) {
			continue
		}
		switch d := scored[name].Distribution; d {
		case dataset.SamplingDistribution, dataset.RawDistribution, dataset.UnstatedDistribution:
		case "":
			return fmt.Errorf("offpolicy: samples: Scored does not say what the log-probs of %q are of: set its "+
				"Distribution to %q, %q or %q",
				name, dataset.SamplingDistribution, dataset.RawDistribution, dataset.UnstatedDistribution)
		default:
			return fmt.Errorf("offpolicy: samples: Scored: Distribution of %q is %q: want %q, %q or %q",
				name, d, dataset.SamplingDistribution, dataset.RawDistribution, dataset.UnstatedDistribution)
		}
	}
	return nil
}

// gradeError checks what rows and draws have in common. A probability of 0 is right if
// nothing was to be labeled.
func gradeError(bad *RowError, op string, i int, id string, score, label, p float64, stated bool) *RowError {
	outside := func(v float64) bool { return v < 0 || v > 1 }
	switch {
	case outside(score):
		return bad.add(op, i, score, "score of "+id+" is not in [0, 1]; leave it out of an unscored response")
	case outside(label):
		return bad.add(op, i, label, "label of "+id+" is not in [0, 1]; leave it out of an unlabeled response")
	case p < 0 || p > 1 || p == 0 && (stated || !math.IsNaN(label)):
		return bad.add(op, i, p,
			"inclusion probability of "+id+" is not in (0, 1]; take it from the labeling design, or leave it out of every row")
	}
	return bad
}

// remedyAbove0 is what to do about a log-prob above 0: below 1 it may be a probability.
func remedyAbove0(v float64) string {
	if v < 1 {
		return "; score the response again, or take the logarithm if it is a probability"
	}
	return "; score the response again, or change the sign if it is a negative log-likelihood"
}
