package offpolicy

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// The gates of noise: what it may do to a value.
const (
	maxNoiseShift = 0.25 // of a standard error, for values divided by the sum of their weights
	maxNoiseIPS   = 0.02 // exp(s²/2) - 1, for values that are not
	maxCloneNoise = 1.0  // nats, s: beyond it weights are mostly noise
)

// Noise is how far two scorings of the same tokens lie apart: independent from token to
// token, with variance Token² nats² in one scoring. The log-ratio of a response of L
// tokens, a difference of two scorings, then has the noise variance
//
//	s² = 2 Token² L
//
// and the mean of its weight is exp(s²/2) times what it would be. As far as s is the same
// on all rows that cancels in a value that is divided by the sum of its weights. The
// variance itself is in every estimate's error already: rows vary by it.
type Noise struct {
	Token float64 // standard deviation of one scoring, nats a token
	Upper float64 // its upper 95% limit; Token itself where it was stated
	Rows  int     // log-ratios of a clone that it was estimated from; 0 where it was stated
}

// variance is s² of a response's log-ratio.
func (n Noise) variance(length float64) float64 { return 2 * n.Token * n.Token * length }

// upper is n at the upper limit.
func (n Noise) upper() Noise { return Noise{Token: n.Upper, Upper: n.Upper, Rows: n.Rows} }

// MeasureNoise estimates the noise from the log-ratios d of a clone, nats, on responses of
// those lengths in tokens; NaN log-ratios are left out. A row is not noise but a wrong value if
// it lies beyond 0.2 nats and four of the standard deviations that the median row shows;
// if more than 5% do, the log-ratios are not of one noise, and none is estimated. The
// upper limit is chi-square's.
func MeasureNoise(d, length []float64) Noise {
	z := make([]float64, 0, len(d)) // of one scoring, a token
	for i, v := range d {
		if !math.IsNaN(v) {
			z = append(z, math.Abs(v)/math.Sqrt(2*length[i]))
		}
	}
	if len(z) == 0 {
		return Noise{}
	}
	typical := Noise{Token: Quantiles(z, .5)[0] / distuv.UnitNormal.Quantile(.75)}
	sum, out := 0.0, Noise{}
	for i, v := range d {
		if !math.IsNaN(v) && math.Abs(v) <= typical.tail(length[i]) {
			sum += v * v / (2 * length[i])
			out.Rows++
		}
	}
	if float64(len(z)-out.Rows) > cloneTailShare*float64(len(z)) {
		return Noise{}
	}
	out.Token = math.Sqrt(sum / float64(out.Rows))
	out.Upper = out.Token * math.Sqrt(float64(out.Rows)/distuv.ChiSquared{K: float64(out.Rows)}.Quantile(.05))
	return out
}

// tail is the log-ratio beyond which a clone's row is wrong.
func (n Noise) tail(length float64) float64 { return max(cloneTail, 4*math.Sqrt(n.variance(length))) }

// measureNoise sets the noise of the evaluation: as it was stated, or as the clones show
// it, the largest of them.
func (r *Result) measureNoise(c *Config) {
	fr := r.frame
	fr.lengths = fr.lengthsOrOne()
	if stated, ok := c.Noise.Get(); ok {
		r.Noise = Noise{Token: stated, Upper: stated}
		return
	}
	for _, policy := range c.Clones {
		if fr.raw(policy) != "" {
			continue
		}
		w, err := fr.cloneWeights(policy, c)
		if err != nil {
			continue // reported where the policy's weights are made
		}
		if n := MeasureNoise(w.Log, fr.lengths); n.Token > r.Noise.Token {
			r.Noise = n
		}
	}
}

// lengthsOrOne are the responses' lengths, the mean where one is unknown; 1 where all are.
func (fr *frame) lengthsOrOne() []float64 {
	sum, n := 0.0, 0
	for _, l := range fr.length {
		if l > 0 {
			sum, n = sum+l, n+1
		}
	}
	if n == fr.n() {
		return fr.length
	}
	mean := 1.0
	if n > 0 {
		mean = sum / float64(n)
	}
	out := make([]float64, fr.n())
	for i := range out {
		out[i] = mean
		if fr.length[i] > 0 {
			out[i] = fr.length[i]
		}
	}
	return out
}

// discounted are log-ratios divided by what noise multiplies their weights by.
func (n Noise) discounted(logRatios, length []float64) []float64 {
	out := make([]float64, len(logRatios))
	for i, l := range logRatios {
		out[i] = l - n.variance(length[i])/2
	}
	return out
}

// testMean replaces the e-value of a policy's weights by that against E[w] <= exp(s²/2),
// at the upper limit of s: honest noise makes the mean of a weight that large.
func (r *Result) testMean(w *Weights) error {
	if r.Noise.Upper == 0 || w.RawOf != "" || w.N == 0 {
		return nil
	}
	fair, err := WeightsFromLogRatios(r.Noise.upper().discounted(w.bottom(), r.frame.lengths))
	if err != nil {
		return err
	}
	r.frame.cluster(fair)
	w.LogEValue = min(w.LogEValue, fair.LogEValue)
	return nil
}

// noiseShift says by how much noise moves an estimate, in the unit of its gate: for a
// value that is not divided by the sum of its weights, mean exp(s²/2) - 1 by weight; else the
// change when each weight is divided by exp(s²/2), in standard errors.
func (r *Result) noiseShift(p *PolicyResult, e *Estimate, c *Config, w *worker) (shift, limit float64) {
	logs := r.Noise.discounted(p.Weights.Log, r.frame.lengths)
	if e.Estimator == IPS || e.Estimator == ClippedIPS {
		sum, fair := 0.0, 0.0
		top := largest(p.Weights.Log)
		for i, l := range p.Weights.Log {
			if !math.IsNaN(l) {
				sum += math.Exp(l - top)
				fair += math.Exp(logs[i] - top)
			}
		}
		return sum/fair - 1, maxNoiseIPS
	}
	fair, err := WeightsFromLogRatios(logs)
	if err != nil {
		panic("offpolicy: weights without their noise: " + err.Error()) // never: they are smaller
	}
	r.frame.cluster(fair)
	b := newBuilder(r, c, w, p, fair, nil)
	b.lenient = true
	if _, made := b.build(e.Estimator); made.stat != nil {
		return math.Abs(made.stat.value(w)-e.Value) / e.SE, maxNoiseShift
	}
	return math.NaN(), maxNoiseShift
}

// refuseNoise refuses an estimate that noise moves too far.
func (r *Result) refuseNoise(p *PolicyResult, e *Estimate, c *Config, w *worker) {
	if r.Noise.Token == 0 || p.Policy == r.Logging || e.Refused() || e.Estimator.method().draws {
		return
	}
	shift, limit := r.noiseShift(p, e, c, w)
	if shift <= limit {
		return
	}
	what := fmt.Sprintf("by %.2f standard errors, at most %.2f allowed", shift, limit)
	if limit == maxNoiseIPS {
		what = fmt.Sprintf("by %.1f%%, at most %.0f%% allowed", 100*shift, 100*limit)
	}
	e.refuse(refusal(RuleNoise, shift, limit, "noise of %.3g nats a token in the log-probs moves this value %s",
		r.Noise.Token, what))
	e.blank()
}
