package offpolicy

import (
	"math"
	"slices"
)

// Weights are the importance weights of one target policy on the logged rows,
// with the figures that say how far they can be trusted. They are made by
// [WeightsFromLogRatios] and not changed afterwards.
//
// With w_i = exp(Log[i]) and sums over the N rows that are not missing:
//
//	ESS        = (Σw)² / Σw²             in [1, N]; 0 where every w is 0
//	MaxShare   = max w / Σw              NaN where every w is 0
//	Mean       = Σw / N                  1 in expectation where the logs cover the target
//	MeanSE     = sd(w) / √N              NaN below two rows
//	Divergence = -Σ log w / M - log(M/N) nats, over the M rows of w > 0; +Inf if there are none
//
// Divergence estimates KL(logging policy ‖ target) on what the target can say at all: rows
// outside its support weigh 0 and say nothing of the others. All but ESS are NaN where N
// is 0. Mean and MeanSE are +Inf where they exceed
// the range of a float64; LogMean is then still finite.
type Weights struct {
	// Log are the log-ratios as given, NaN where missing and -Inf outside the target's
	// support; the slice is the caller's own. Of WeightsBetween they are the upper bounds, the
	// caller's own too, if every weight is a number, else the logarithms of the intervals' middles.
	Log []float64
	N   int // rows with a log-ratio
	// Zero counts rows, of the N, of weight 0.
	Zero int
	// Missing counts rows without one. They have no part in any figure.
	Missing int
	// Modelled counts rows, of the N, whose weight was missing and is modelled; see
	// Evaluate. WeightsFromLogRatios models none.
	Modelled int
	// Prompts is how many prompts the rows belong to, PromptESS and PromptShare are
	// ESS and MaxShare of their prompts' summed weights. WeightsFromLogRatios takes each row for
	// a prompt of its own.
	Prompts                int
	PromptESS, PromptShare float64
	// Overflow counts rows whose w exceeds the range of a float64. Their share,
	// and every other relative figure, is computed exactly all the same.
	Overflow   int
	ESS        float64
	MaxShare   float64
	Mean       float64
	MeanSE     float64
	LogMean    float64 // log Mean
	Divergence float64
	// LogEValue is the natural logarithm of the e-value against E[w] <= 1, natural
	// logarithm of
	//
	//	e = mean over λ in {.01, .02, .05, .1, .2, .4, .7} of Π_i (1 + λ (w_i - 1))
	//
	// which is 1,000 or more with probability at most .001 if E[w] <= 1.
	LogEValue float64

	// RawOf names the policies whose raw log-probs leave nothing to weigh with; "" if
	// there are none.
	RawOf string
	// Open is the part of Σw that is not known, since log-probs are intervals: Σ(u - l) / Σ(u + l)
	// over the weights' bounds [l, u], in [0, 1]; 0 if every weight is a number.
	Open float64
	// Lower and Upper are bounds of the log-ratios; nil if every one is a number.
	Lower, Upper []float64
	// Unseen is the probability that a response of the policy is one that the logging
	// policy's filters exclude, at least; 0 if nothing says so.
	Unseen float64
}

// WeightsBetween computes weights that are known to lie between exp(lower) and exp(upper),
// log-ratios in nats, NaN where missing. The two are equal where a log-ratio is a number;
// lower may be -Inf, and so may both. Each weight is taken at its interval's middle,
// (exp(lower) + exp(upper)) / 2; what the width does to a value is part of the value's
// interval ([Evaluate]), and [Weights.Open] says how much is not known: 1 if an upper bound is
// +Inf. The e-value is that of the lower bounds. A lower bound above the upper one is a [*RowError].
func WeightsBetween(lower, upper []float64) (*Weights, error) {
	mustMatch("weights", len(lower), len(upper))
	exact, endless, middle := true, false, upper
	var bad *RowError
	for i, l := range lower {
		u := upper[i]
		switch {
		case l == u || math.IsNaN(l) && math.IsNaN(u):
			continue
		case !(l < u):
			bad = bad.add("weights", i, u, "an interval of log-ratios that ends before it begins")
			continue
		}
		if exact {
			exact, middle = false, slices.Clone(upper)
		}
		if math.IsInf(u, 1) {
			endless, middle[i] = true, l
		} else {
			middle[i] = u + math.Log1p(math.Exp(l-u)) - math.Ln2
		}
	}
	if bad != nil {
		return nil, bad
	}
	w, err := WeightsFromLogRatios(middle)
	if err != nil || exact {
		return w, err
	}
	w.Lower, w.Upper = lower, upper
	w.LogEValue = logEValue(lower)
	if w.Open = 1; endless {
		return w, nil
	}
	top := largest(upper)
	var open, sum float64
	for i, l := range lower {
		if !math.IsNaN(l) {
			least, most := math.Exp(l-top), math.Exp(upper[i]-top)
			open, sum = open+most-least, sum+most+least
		}
	}
	w.Open = open / sum
	return w, nil
}

// bottom are the log-ratios' lower bounds.
func (w *Weights) bottom() []float64 {
	if w.Lower != nil {
		return w.Lower
	}
	return w.Log
}

// ceiling are their upper bounds.
func (w *Weights) ceiling() []float64 {
	if w.Upper != nil {
		return w.Upper
	}
	return w.Log
}

// filled are w with log-ratios in the place of the missing ones.
func (w *Weights) filled(log []float64) (*Weights, error) {
	lower, upper := slices.Clone(log), slices.Clone(log)
	for i, l := range w.bottom() {
		if !math.IsNaN(l) {
			lower[i], upper[i] = l, w.ceiling()[i]
		}
	}
	return WeightsBetween(lower, upper)
}

// WeightsFromLogRatios computes weights from log-ratios in nats, NaN where missing. It
// neither clips nor drops: -Inf is a weight of 0, and +Inf, which no pair of
// log-probs gives, is a [*RowError].
func WeightsFromLogRatios(logRatios []float64) (*Weights, error) {
	w := &Weights{
		Log: logRatios, MaxShare: math.NaN(), Mean: math.NaN(), MeanSE: math.NaN(),
		LogMean: math.NaN(), Divergence: math.NaN(), PromptShare: math.NaN(),
	}
	var bad *RowError
	top, sum := math.Inf(-1), 0.0
	for i, l := range logRatios {
		switch {
		case math.IsNaN(l):
			w.Missing++
			continue
		case math.IsInf(l, 1):
			bad = bad.add("weights", i, l, "an infinite weight; a log-ratio is a difference of log-probs")
		case math.IsInf(l, -1):
			w.Zero++
			w.N++
			continue
		case l > maxExp:
			w.Overflow++
		}
		w.N++
		sum += l
		top = max(top, l)
	}
	if bad != nil {
		return nil, bad
	}
	w.LogEValue = logEValue(logRatios)
	w.Prompts = w.N
	if w.N == 0 {
		return w, nil
	}
	n := float64(w.N)
	w.Divergence = divergence(sum, w.N, w.Zero)
	if math.IsInf(top, -1) { // no row carries any weight
		w.Mean, w.LogMean = 0, math.Inf(-1)
		if w.N > 1 {
			w.MeanSE = 0
		}
		return w, nil
	}
	// Everything below is in units of the largest weight, so that the sums lie
	// in [1, n].
	var s1, s2 float64
	rel := make([]float64, 0, w.N)
	for _, l := range logRatios {
		if math.IsNaN(l) {
			continue
		}
		e := math.Exp(l - top)
		rel = append(rel, e)
		s1 += e
		s2 += e * e
	}
	w.ESS = s1 * s1 / s2
	w.MaxShare = 1 / s1
	w.PromptESS, w.PromptShare = w.ESS, w.MaxShare
	w.LogMean = top + math.Log(s1/n)
	if w.Mean = math.Exp(top) * (s1 / n); math.Abs(top) > 700 {
		w.Mean = math.Exp(w.LogMean) // exp(top) overflows or is subnormal, the mean need not be
	}
	if w.N > 1 {
		// A second pass, because s2 - s1²/n cancels where the weights agree, as
		// a clone's do.
		var ss float64
		for _, e := range rel {
			d := e - s1/n
			ss += d * d
		}
		w.MeanSE = 0
		if ss > 0 {
			w.MeanSE = math.Exp(top + math.Log(ss/(n-1)/n)/2)
		}
	}
	return w, nil
}

// divergence is that of n rows, of which zero weigh 0 and the others' log w sum to sum.
func divergence(sum float64, n, zero int) float64 {
	m := float64(n - zero)
	if m == 0 {
		return math.Inf(1)
	}
	return -sum/m - math.Log(m/float64(n))
}

// cluster takes rows by prompt, in whose order they are: gates count prompts, and a
// prompt's rows are one observation of E[w | prompt] = 1.
func (w *Weights) cluster(prompt []int32) {
	alone := true
	for i := 1; i < len(prompt) && alone; i++ {
		alone = prompt[i] != prompt[i-1]
	}
	if alone {
		return // each row is a prompt of its own, for which w was made
	}
	var rel, logMean []float64 // by prompt: Σw in units of the largest, log of the mean w at the least
	var count []float64
	top, bottom := largest(w.Log), w.bottom()
	for i := 0; i < len(prompt); {
		var sum, least, n float64
		p := prompt[i]
		for ; i < len(prompt) && prompt[i] == p; i++ {
			if l := w.Log[i]; !math.IsNaN(l) {
				n++
				if !math.IsInf(top, -1) {
					sum += math.Exp(l - top)
					least += math.Exp(bottom[i] - top)
				}
			}
		}
		if n > 0 {
			rel, count, logMean = append(rel, sum), append(count, n), append(logMean, top+math.Log(least/n))
		}
	}
	if w.Prompts = len(rel); w.Prompts == w.N || w.Prompts == 0 || math.IsInf(top, -1) {
		return
	}
	w.LogEValue = logEValue(logMean)
	var s1, s2, most float64
	for _, v := range rel {
		s1 += v
		s2 += v * v
		most = max(most, v)
	}
	w.PromptESS, w.PromptShare = s1*s1/s2, most/s1
	w.MeanSE = math.NaN()
	if g := float64(w.Prompts); g > 1 {
		var ss float64
		for i, v := range rel {
			d := v - s1/float64(w.N)*count[i]
			ss += d * d
		}
		w.MeanSE = 0
		if ss > 0 {
			w.MeanSE = math.Exp(top + math.Log(g/(g-1)*ss)/2 - math.Log(float64(w.N)))
		}
	}
}

func largest(logRatios []float64) float64 {
	top := math.Inf(-1)
	for _, l := range logRatios {
		if l > top {
			top = l
		}
	}
	return top
}

// maxExp is the largest x whose exp(x) is a finite float64.
const maxExp = 709.782712893384

// Raw returns exp(Log[i]): NaN where missing, +Inf where the value exceeds the
// range of a float64. The slice is new.
func (w *Weights) Raw() []float64 {
	out := make([]float64, len(w.Log))
	for i, l := range w.Log {
		out[i] = math.Exp(l)
	}
	return out
}

// evalueBets are the stakes over which [logEValue] averages.
var evalueBets = [...]float64{.01, .02, .05, .1, .2, .4, .7}

// logEValue returns the natural logarithm of the e-value
//
//	e = mean over λ in {.01, .02, .05, .1, .2, .4, .7} of Π_i (1 + λ (w_i - 1))
//
// with w = exp(logRatios), NaN rows left out. If the w are independent,
// nonnegative and E[w] <= 1, as for any weights made of true probabilities,
// then E[e] <= 1 and, by Markov's inequality, P(e >= 1000) <= 0.001 at any
// sample size and for any tail. It does not depend on the order of the rows,
// up to rounding. Without rows it is 0, an e-value of 1.
//
// Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables
// by betting" (2024), with fixed stakes.
func logEValue(logRatios []float64) float64 {
	e := newEvalue()
	for _, l := range logRatios {
		if !math.IsNaN(l) {
			e.add(l)
		}
	}
	return e.log()
}

// evalue is the e-value of weights that are added one by one. Products are kept in
// float64 while they are of moderate size and put away as logarithms when they are
// not: one logarithm in many rows.
type evalue struct {
	logs     [len(evalueBets)]twofold
	products [len(evalueBets)]float64
	infinite bool
}

func newEvalue() (e evalue) {
	for j := range e.products {
		e.products[j] = 1
	}
	return e
}

// add takes in a weight by its logarithm.
func (e *evalue) add(l float64) {
	if l > 300 { // 1 - λ is lost beside λw
		if math.IsInf(l, 1) {
			e.infinite = true
			return
		}
		for j, bet := range evalueBets {
			e.logs[j].add(l + math.Log(bet))
		}
		return
	}
	const big, small = 1e150, 1e-150
	x := math.Exp(l) - 1
	for j, bet := range evalueBets {
		p := e.products[j] * (1 + bet*x)
		if p > big || p < small {
			e.logs[j].add(math.Log(p))
			p = 1
		}
		e.products[j] = p
	}
}

// settle puts all products away as logarithms.
func (e *evalue) settle() {
	for j, p := range e.products {
		e.logs[j].add(math.Log(p))
		e.products[j] = 1
	}
}

func (e *evalue) merge(o evalue) {
	e.settle()
	o.settle()
	for j := range e.logs {
		e.logs[j].merge(o.logs[j])
	}
	e.infinite = e.infinite || o.infinite
}

// log is the logarithm of the e-value.
func (e evalue) log() float64 {
	if e.infinite {
		return math.Inf(1)
	}
	e.settle()
	top := math.Inf(-1)
	for _, v := range e.logs {
		top = max(top, v.value())
	}
	var sum float64
	for _, v := range e.logs {
		sum += math.Exp(v.value() - top)
	}
	return top + math.Log(sum/float64(len(e.logs)))
}
