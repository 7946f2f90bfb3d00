package offpolicy

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
)

// Config says how [Evaluate] works. The zero Config is usable.
type Config struct {
	// Estimators are computed, in this order; nil means all of Estimators.
	Estimators []Estimator
	// Method is where standard errors come from; "" means Bootstrap of up to 10,000
	// prompts, and InfluenceFunction of more.
	Method ErrorMethod
	// Replicates of the bootstrap; 0 means 2,000.
	Replicates int
	// Seed decides folds (Fold) and replicate weights.
	Seed uint64
	// Folds is the number of cross-fitting folds; 0 means 5.
	Folds int
	// MinLabels is the number of labeled rows below which no calibrator is
	// fitted; 0 means 25, or 50 with a covariate.
	MinLabels int
	// Covariate names what Covariate of rows and draws is, where the calibration is
	// to know it: see CalibrationConfig.Covariate. "" means that it is monotone in
	// the score alone. A replicate that fits two stages takes some 15 times as long.
	Covariate string
	// Reward is what ips, snips and clipped_ips average: a finite number, or NaN,
	// which leaves the row out for them. nil means the label where there is one,
	// else the calibrated score out of fold.
	Reward func(Row) float64 `json:"-"`
	// Clip is the largest weight of clipped_ips; 0 means √n, n the rows with a
	// weight (Ionides 2008).
	Clip float64
	// Margin is the largest mean residual, in the labels' unit, with which the
	// transport audit passes a policy; 0 means that it is not graded.
	Margin float64
	// Audited names, by target policy, the judge under which its transport was
	// audited PASS earlier, on other labels. Only where that is Samples.Judge
	// may plug-in direct answer.
	Audited map[string]string
	// Clones name the targets that are the logging policy scored again: their
	// weights ought to be 1 and their difference from it 0.
	Clones []string
	// CloneOf names the logger that each of the Clones is, where samples are Pooled.
	CloneOf map[string]string
	// Noise is the standard deviation of a token's log-prob from one scoring of a text
	// to the next, nats: 0 says that there is none, and missing that the Clones show it. See
	// Noise.
	Noise dataset.Float
	// Segments are kinds of Row.Segments to break values down by.
	Segments []string
	// Anytime is how many prompts the intervals that may be looked at at any time are
	// narrowest at (see Sequence), such as the size of the run that is planned: it is
	// chosen before the first look at a growing run and kept. 0 makes none of them.
	Anytime int
	// LabelUSD is the price of an oracle label, for the referee's advice: 0 is that
	// of a free one, and missing that nobody knows it.
	LabelUSD dataset.Float
	// Concurrency bounds the goroutines; 0 means GOMAXPROCS. The result does
	// not depend on it.
	Concurrency int
}

func (c *Config) defaults() error {
	switch {
	case c.Replicates < 0 || c.Replicates == 1:
		return fmt.Errorf("offpolicy: evaluate: Replicates %d: want 2 or more, or 0 for 2,000", c.Replicates)
	case c.Folds < 0 || c.Folds == 1:
		return fmt.Errorf("offpolicy: evaluate: Folds %d: want 2 or more, or 0 for 5", c.Folds)
	case c.MinLabels < 0:
		return fmt.Errorf("offpolicy: evaluate: MinLabels %d: want a positive number, or 0 for 25", c.MinLabels)
	case !(c.Clip >= 0):
		return fmt.Errorf("offpolicy: evaluate: Clip %v: want a positive weight, or 0 for √n", c.Clip)
	case c.Noise.OrNaN() < 0 || math.IsInf(c.Noise.OrNaN(), 1):
		return fmt.Errorf("offpolicy: evaluate: Noise %v: want nats a token, or none for what the clones show", c.Noise)
	case c.Anytime < 0:
		return fmt.Errorf("offpolicy: evaluate: Anytime %d: want a number of prompts, or 0 for intervals for one look",
			c.Anytime)
	case !(c.Margin >= 0):
		return fmt.Errorf("offpolicy: evaluate: Margin %v: want a residual >= 0; 0 does not grade", c.Margin)
	case c.Method != "" && c.Method != Bootstrap && c.Method != InfluenceFunction:
		return fmt.Errorf("offpolicy: evaluate: Method %q: want %q or %q", c.Method, Bootstrap, InfluenceFunction)
	}
	for _, e := range c.Estimators {
		if !e.Known() {
			return fmt.Errorf("offpolicy: evaluate: no estimator %q: there are %v", e, Estimators())
		}
	}
	if c.Estimators == nil {
		c.Estimators = Estimators()
	}
	if c.Replicates == 0 {
		c.Replicates = 2000
	}
	if c.Folds == 0 {
		c.Folds = 5
	}
	if c.MinLabels == 0 {
		c.MinLabels = minLabels(c.Covariate)
	}
	return nil
}

// Result is what [Evaluate] found.
type Result struct {
	Logging string
	Judge   string
	// Prompts are the ids that were logged or drawn for, sorted: what Influence
	// is indexed by.
	Prompts []string
	// Policies are the logging policy, whose weights are 1, and then the targets
	// by name.
	Policies []PolicyResult
	// Comparisons are of every pair of policies that the referee has an answer
	// for, in the order of Policies.
	Comparisons []Comparison
	// Calibrator is fitted to the logged labels; nil where it was refused, and
	// CalibratorError then says why.
	Calibrator      *Calibrator
	CalibratorError error
	// Noise is that of the log-probs, as Config.Noise states it or the clones show it.
	Noise Noise

	frame  *frame
	config Config        // with its defaults filled in
	source []string      // notes of the samples
	gaps   []missingness // of the logs
	unlike []Refusal     // of everything that rests on the logged labels
}

// PolicyResult is all that is said of one policy.
type PolicyResult struct {
	Policy    string
	Weights   *Weights   // by row in prompt order; 1 for the logging policy
	Estimates []Estimate // by Config.Estimators
	// Answer is the referee's: which of the estimates to go by, and why.
	Answer      Answer
	Diagnostics Diagnostics
	Balance     Balance
	Audit       Audit
	Segments    []Segment
	// gaps are what part of the policy's data lack, and whether it looks random:
	// log-probs, draws and probes of a target, scores and labels of the logging policy.
	gaps  []missingness
	Clone *CloneResult // for Config.Clones
	// Loggers are the parts that the loggers have in Weights, by name; nil where there is one.
	Loggers []LoggerWeight

	observed *Weights // without those that are modelled
	modelled []bool   // by row: the weight is modelled; nil for none
	missing  float64  // the share of weight that these may have
	// Refusals for gaps: of everything that rests on the weights, on the labels under
	// them, on the draws, on the scores of the draws without labels of their own, and on
	// the probes.
	refusals, unlike, drawRefusals, lost, probeRefusals []Refusal
}

// Policy returns the result for a policy, nil where there is none.
func (r *Result) Policy(name string) *PolicyResult {
	for i := range r.Policies {
		if r.Policies[i].Policy == name {
			return &r.Policies[i]
		}
	}
	return nil
}

// Estimate returns an estimator's answer, nil where it was not computed.
func (p *PolicyResult) Estimate(e Estimator) *Estimate {
	for i := range p.Estimates {
		if p.Estimates[i].Estimator == e {
			return &p.Estimates[i]
		}
	}
	return nil
}
