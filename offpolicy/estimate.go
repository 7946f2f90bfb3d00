package offpolicy

import "math"

// Estimator names a way from samples to a policy's value.
type Estimator string

// method is an estimator in one place: what is common to all of them looks it up.
type method struct {
	name   Estimator
	claims bool // its interval claims 95% coverage
	draws  bool // it rests on the target's own draws, not on weights
	// build makes the statistic of one policy, and refuses in e what the evidence
	// cannot carry.
	build func(b *builder, e *Estimate) built
	// stream is nil where rows that are seen once are not enough.
	stream *streamed
}

// methods are all estimators, in the order in which they are listed.
var methods = []*method{&doublyRobust, &direct, &labeledSNIPS, &snips, &ips, &clippedIPS}

// Estimators returns all estimators, in the order in which they are listed. With rows
// i, weights w, judge scores S, labels Y where L=1 (inclusion probability p), rewards R,
// the cross-fitted calibrator f, and weighted means
//
//	y_w  = Σ_L (w/p) Y / Σ_L (w/p)          f_wL = Σ_L (w/p) f(S) / Σ_L (w/p)
//	f_w  = Σ w f(S) / Σ w                   f'   = the mean of f over the target's fresh draws
//
// they are
//
//	ips            Σ w R / n
//	snips          Σ w R / Σ w
//	clipped_ips    Σ min(w, c) R / n
//	labeled_snips  y_w
//	dr             y_w + l1 (f' - f_wL) + l2 (f_w - f_wL),   l >= 0, l1 + l2 <= 1
//	direct         l f' + mean over probes of (Y - l f),     l in [0, 1]
//
// ips, snips and clipped_ips average rewards as the caller gives them, and
// plug-in direct trusts a calibrator outside of where it was fitted: their
// intervals claim no coverage ([Estimate.Claims]).
func Estimators() []Estimator {
	out := make([]Estimator, len(methods))
	for i, m := range methods {
		out[i] = m.name
	}
	return out
}

// Known reports whether e is one of [Estimators].
func (e Estimator) Known() bool { return e.method() != nil }

func (e Estimator) method() *method {
	for _, m := range methods {
		if m.name == e {
			return m
		}
	}
	return nil
}

// Estimate is one estimator's answer for one policy. Where Refusals is not
// empty it carries no number: Value, SE, Lower, Upper and DF are NaN, and
// Influence is nil. [Result.Despite] gives the numbers to callers who ask for
// them and take responsibility for them.
type Estimate struct {
	Policy    string
	Estimator Estimator
	Value     float64 // in the labels' unit
	// SE is the standard error; see Method. In labeled_snips and dr it is enlarged
	// by the root of (what ESS_L was drawn) / (m ESS/n), if above 1: labels that
	// happened to miss the heavy rows understate it.
	SE float64
	// Lower and Upper are the 95% interval, in [0, 1]. Where the estimate claims
	// coverage it is Wilson's score interval, all θ with
	//	|Value - θ| <= t(DF) SE √(θ(1-θ) / (Value(1-Value)))
	// since near 0 and 1 labels are skewed; else Value ± t(DF) SE, cut.
	Lower, Upper float64
	// AnytimeLower and AnytimeUpper are the interval that may be looked at at any time, by
	// Sequence with Config.Anytime: [Lower, Upper] is for one look at a run whose size
	// was set before. NaN without Anytime, and of what claims no coverage.
	AnytimeLower, AnytimeUpper float64
	// DF are the degrees of freedom of t: in labeled_snips and dr Satterthwaite's,
	// 2 (Σφ²)² / Σφ⁴ of the influences φ, but at most ESS_L - 1 for the labels'
	// effective number; in direct the probes less 2, since l is fitted. Without
	// labels they are the prompts less 1.
	DF float64
	// Influence has an entry for each of Result.Prompts, in that order:
	// Value - truth is about their mean. Of more than 10,000 prompts only the estimate
	// that answers for its policy has it.
	Influence []float64
	Method    ErrorMethod // where SE comes from
	Claims    bool        // the interval claims 95% coverage
	Basis     Basis
	Refusals  []Refusal // why there is no number
	// WorstLower and WorstUpper bound what the value could be where it is refused for
	// what is missing or outside of the labeled scores, whatever that part is like;
	// NaN else.
	WorstLower, WorstUpper float64
	Notes                  []string // what to know of the number

	replicates []float64
	slack      slack     // of Value
	strata     []float64 // what a row of each logger adds on average to Value - truth; nil of one logger
	arm        *arm
	equal      bool    // all labels that it rests on are one
	one        float64 // which
}

// Refused reports whether e carries no number.
func (e *Estimate) Refused() bool { return len(e.Refusals) > 0 }

// ErrorMethod is where a standard error comes from.
type ErrorMethod string

// methodFor is the error method of so many prompts. At 10,000 the two differ by less than
// the noise of 2,000 replicates, which take time in proportion to the prompts.
func methodFor(prompts int) ErrorMethod {
	if prompts > exactPrompts {
		return InfluenceFunction
	}
	return Bootstrap
}

const (
	// Bootstrap: √(m/(m-1)) times the standard deviation over exponential-weights
	// bootstrap replicates over prompts, in each of which every fold model is
	// refitted and l tuned again, m being the number of labels; but no less than
	// the influence function's. It is the error of dr, which is the only one that
	// a fit of the calibrator can move.
	Bootstrap ErrorMethod = "bootstrap"
	// InfluenceFunction: the root of the sum of the squared influences, clustered
	// by prompt. In labeled_snips and dr they are nearly what leaving a prompt out
	// changes, and in direct exactly that, with l fitted again (the jackknife), so
	// that what few heavy rows or few probes decide is not understated.
	InfluenceFunction ErrorMethod = "influence"
)

// Basis is what an estimate rests on. Figures that do not apply are 0, or NaN
// for floats.
type Basis struct {
	Rows    int // logged responses with a weight (and, where rewards enter, with a reward)
	Missing int // logged responses without one
	// Modelled are those of the Rows whose weight was missing and is modelled.
	Modelled int
	Prompts  int     // prompts that enter
	Labels   int     // oracle labels that enter
	ESS      float64 // (Σw)² / Σw² over Rows
	// ESSLabels is the labels' effective number, (Σw/p)² / Σ(w/p)², or m ESS/n, what
	// m of them are worth by all n weights, if that is less.
	ESSLabels   float64
	LabelShare  float64 // the largest w/p's share of Σ w/p
	Draws       int     // the target's fresh draws that enter
	DrawPrompts int     // the prompts that they answer
	Uncovered   int     // logged prompts without a fresh draw: the others' stand for them
	Probes      int     // the target's labeled draws
	// Lambda are l1 and l2 of dr, or l of direct and NaN.
	Lambda       [2]float64
	Clip         float64 // largest weight allowed, by clipped_ips
	Clipped      int     // weights above it
	Replicates   int     // bootstrap replicates; 0 of means of rewards, by which nothing is compared
	PlugIn       bool    // direct, uncorrected
	FromLabels   int     // of the rewards, those that are oracle labels
	FromJudge    int     // of the rewards, those that are calibrated scores
	Uncalibrated bool    // f is the judge's score itself: too few labels to calibrate
}

func emptyEstimate(policy string, m *method) Estimate {
	n := math.NaN()
	return Estimate{
		Policy: policy, Estimator: m.name, Value: n, SE: n, Lower: n, Upper: n, DF: n, WorstLower: n, WorstUpper: n,
		AnytimeLower: n, AnytimeUpper: n,
		Claims: m.claims,
		Basis:  Basis{ESS: n, ESSLabels: n, LabelShare: n, Clip: n, Lambda: [2]float64{n, n}},
	}
}
