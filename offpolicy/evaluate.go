package offpolicy

import "fmt"

// Config says how [Evaluate] works. The zero Config is usable.
type Config struct {
	// Estimators are computed, in this order; nil means all of [Estimators].
	Estimators []Estimator
	// Method is where standard errors come from; "" means [Bootstrap].
	Method ErrorMethod
	// Replicates of the bootstrap; 0 means 2,000.
	Replicates int
	// Seed decides folds ([Fold]) and replicate weights.
	Seed uint64
	// Folds is the number of cross-fitting folds; 0 means 5.
	Folds int
	// MinLabels is the number of labelled rows below which no calibrator is
	// fitted; 0 means 25.
	MinLabels int
	// Reward is what ips, snips and clipped_ips average; NaN leaves the row out
	// for them. nil means the label where there is one, else the calibrated
	// score out of fold.
	Reward func(Row) float64
	// Clip is the largest weight of clipped_ips; 0 means √n, n the rows with a
	// weight (Ionides 2008).
	Clip float64
	// Margin is the largest mean residual, in the labels' unit, with which the
	// transport audit passes a policy; 0 means that it is not graded.
	Margin float64
	// Audited names, by target policy, the judge under which its transport was
	// audited PASS earlier, on other labels. Only where that is [Samples.Judge]
	// may plug-in direct answer.
	Audited map[string]string
	// Segments are kinds of [Row.Segments] to break values down by.
	Segments []string
	// LabelUSD is the price of an oracle label, for the referee's advice; NaN or
	// 0 means unknown.
	LabelUSD float64
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
	if c.Method == "" {
		c.Method = Bootstrap
	}
	if c.Replicates == 0 {
		c.Replicates = 2000
	}
	if c.Folds == 0 {
		c.Folds = 5
	}
	if c.MinLabels == 0 {
		c.MinLabels = 25
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
	Labels          LabelDesign

	frame *frame
}

// PolicyResult is all that is said of one policy.
type PolicyResult struct {
	Policy    string
	Weights   *Weights   // by row in prompt order; 1 for the logging policy
	Estimates []Estimate // by [Config.Estimators]
	// Answer is the referee's: which of the estimates to go by, and why.
	Answer      Answer
	Diagnostics Diagnostics
	Balance     Balance
	Audit       Audit
	Segments    []Segment

	stats map[Estimator]built
}

// Answer is what the referee says of one policy.
type Answer struct {
	Estimator Estimator // "" where every estimate is refused
	Reason    string    // why this one, or why none
	// Band is the simultaneous 95% interval over all answered policies, NaN
	// where nothing is answered.
	BandLower, BandUpper float64
	Advice               []string // what to buy next, and what it would give
}

// Segment is the value of a policy on the prompts of one group.
type Segment struct {
	Kind, Name string // "language", "German"
	Prompts    int
	Estimate   Estimate // by the estimator that answers for the policy
}

// Comparison is the paired difference of two policies' values, from the same
// bootstrap replicates or influence vectors.
type Comparison struct {
	A, B         string // policies; the difference is A - B
	Difference   float64
	SE           float64
	Lower, Upper float64 // 95%, this pair alone
	DF           float64
	P            float64 // two-sided
	Holm         float64 // P adjusted over all pairs by Holm's procedure
	Note         string  // "A/A" for a clone
}

// Diagnostics are figures that gate nothing. NaN where undefined.
type Diagnostics struct {
	RelativeESS float64 // ESS / n
	Top1        float64 // share of Σw of the largest 1% of weights, at least one
	Hill        float64 // tail index of the weights; see [Hill]
	ParetoK     float64 // shape of the fitted tail; see [ParetoK]
	ParetoLimit float64 // min(.7, 1 - 1/log10 n): below n = 500 it is no evidence
	Hellinger   float64 // affinity of target and logging policy; see [Hellinger]
	JudgeSpace  float64 // affinity of judge scores on the logs and reweighted; see [JudgeSpaceAffinity]
	TTC         float64 // target-typicality coverage; see [TTC]
	// Support is the share of the policy's own scores (fresh draws; the logged
	// scores for the logging policy) within the range of the labelled scores.
	Support float64
}

// Balance compares what weights say of the judge's scores with what the policy's
// own fresh draws say: without labels, and with nothing calibrated.
type Balance struct {
	Reweighted float64 // SNIPS mean of the judge's score on the logs
	Fresh      float64 // mean of the judge's score over fresh draws
	Difference float64 // Reweighted - Fresh
	SE         float64 // by influence function, paired by prompt
}

// Audit is the transport audit of one policy: whether the calibrator, fitted on
// the logs, means the same under this policy.
type Audit struct {
	// Status is "PASS" where the interval of the mean residual lies within
	// ±Margin, "FAIL" where it lies outside, "INCONCLUSIVE" otherwise or with
	// fewer than 20 effective prompts, "NOT_GRADED" without a margin, and ""
	// without probes.
	Status       string
	Probes       int
	Residual     float64 // weighted mean of Y - f(S) over the probes
	SE           float64 // clustered by prompt
	Lower, Upper float64
	DF           float64
}

// LabelDesign is what is known of how the logged labels were chosen.
type LabelDesign struct {
	Rows   int
	Labels int
	Stated bool // inclusion probabilities were given; else they are Labels/Rows
	// Z are tests of the labels' being chosen at random, each a standard normal
	// if they were: of score, length, and log weight by policy. NaN where
	// nothing varies, or where probabilities were stated and differ.
	ScoreZ, LengthZ float64
	WeightZ         map[string]float64
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
