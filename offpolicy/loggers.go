package offpolicy

import (
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// loggers are the logs of several policies: what [Samples.Pooled] says.
type loggers struct {
	names  []string
	logger []int32   // of each row
	rows   []float64 // of each logger
	// Of each row: log Σ_k (n_k/n) π_k, NaN if one of them is missing, and its lower bound,
	// which is another if one of them is an interval.
	log, lower []float64
	counts     [][]float64 // by logger: how many rows of it each prompt has
	gram       [][]float64 // Σ_p counts_j counts_k, and its Cholesky factor
	factor     [][]float64
}

// loggers returns the names of the policies that wrote the rows, sorted.
func (t *Table) loggers() []string {
	names := slices.Clone(t.logger.names)
	names = slices.DeleteFunc(names, func(s string) bool { return s == "" })
	slices.Sort(names)
	return names
}

// newLoggers is of a sorted table. The order of rows decides nothing.
func newLoggers(t *Table) *loggers {
	p := &loggers{names: t.loggers(), logger: make([]int32, t.rows)}
	k := len(p.names)
	p.rows, p.counts = make([]float64, k), make([][]float64, k)
	for j := range p.counts {
		p.counts[j] = make([]float64, len(t.prompts))
	}
	for i := range p.logger {
		j := slices.Index(p.names, t.logger.at(i))
		p.logger[i] = int32(j)
		p.rows[j]++
		p.counts[j][t.prompt[i]]++
	}
	p.log, p.lower = make([]float64, t.rows), make([]float64, t.rows)
	upper, lower := make([]float64, k), make([]float64, k)
	for i := range p.log {
		for j, name := range p.names {
			share, of := math.Log(p.rows[j]/float64(t.rows)), t.bounds(name, i)
			lower[j], upper[j] = share+of[0], share+of[1]
		}
		p.lower[i], p.log[i] = logSum(lower), logSum(upper)
	}
	p.gram = make([][]float64, k)
	for i := range p.gram {
		p.gram[i] = make([]float64, k)
		for j := range p.gram[i] {
			for q, v := range p.counts[i] {
				p.gram[i][j] += v * p.counts[j][q]
			}
		}
	}
	p.factor = cholesky(p.gram)
	return p
}

// logSum is log Σ exp(x), NaN if any x is.
func logSum(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		if math.IsNaN(v) {
			return v
		}
		top = max(top, v)
	}
	if math.IsInf(top, -1) {
		return top
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// scored is what the mixture's log-probs are of: of raw values, if one of the
// loggers' are.
func (p *loggers) scored(all map[string]dataset.Scored) dataset.Scored {
	out := dataset.Scored{Distribution: dataset.SamplingDistribution}
	for _, name := range p.names {
		s := all[name]
		if s.Distribution == dataset.RawDistribution || out.Distribution == dataset.SamplingDistribution {
			out.Distribution = s.Distribution
		}
	}
	return out
}

// explain returns the β at which Σ_p (φ_p - Σ_k β_k counts_k)² is least: what a row of each
// logger adds on average, however many there are of it.
func (p *loggers) explain(phi []float64) []float64 {
	k := len(p.names)
	beta := make([]float64, k)
	for j := range beta {
		for q, v := range phi {
			beta[j] += p.counts[j][q] * v
		}
	}
	for i := range k { // L y = b
		for j := range i {
			beta[i] -= p.factor[i][j] * beta[j]
		}
		if beta[i] /= p.factor[i][i]; p.factor[i][i] == 0 {
			beta[i] = 0
		}
	}
	for i := k - 1; i >= 0; i-- { // L' β = y
		for j := i + 1; j < k; j++ {
			beta[i] -= p.factor[j][i] * beta[j]
		}
		if beta[i] /= p.factor[i][i]; p.factor[i][i] == 0 {
			beta[i] = 0
		}
	}
	return beta
}

// centre takes out of a prompt's part of the error what its loggers add on average: how many
// rows there are of each was chosen. It returns what that is a row.
func (p *loggers) centre(phi []float64) (beta []float64) {
	if p == nil {
		return nil
	}
	beta = p.explain(phi)
	for j, b := range beta {
		for q, n := range p.counts[j] {
			phi[q] -= b * n
		}
	}
	return beta
}

// settle takes the same out of replicates, whose weights v draw how many rows there are of
// each logger: value - Σ_k β_k (Σ_p v_p counts_k - n_k).
func (p *loggers) settle(values, beta []float64, drawn [][]float64) {
	for b := range values {
		for j, x := range beta {
			values[b] -= x * (drawn[b][j] - p.rows[j])
		}
	}
}

// drawn are the rows of each logger, by replicate.
func (p *loggers) drawn(keys []uint64, seed uint64, replicates int) [][]float64 {
	out, v := make([][]float64, replicates), make([]float64, len(keys))
	for b := range out {
		replicateWeights(v, keys, seed, b)
		out[b] = make([]float64, len(p.names))
		for j := range out[b] {
			for q, n := range p.counts[j] {
				out[b][j] += v[q] * n
			}
		}
	}
	return out
}

// judge replaces the figures of weights that take the rows for draws of one policy. A
// target may lie far from some loggers if one of them covers it: its divergence is the least
// of
//
//	-mean over the rows of k with w > 0 of log w + log(n/n_k),   n_k how many these are
//
// And E[w] <= 1 holds of the mixture, not of each logger: in the e-value a prompt counts as
// Σw over the rows that a prompt has on average, whose mean over prompts is at most 1 in
// expectation; a product of such is no larger than if all were alike.
func (p *loggers) judge(w *Weights, prompt []int32) {
	k := len(p.names)
	sum, n := make([]float64, k), make([]float64, k)
	byPrompt := map[int32][]float64{}
	for i, l := range w.Log {
		if math.IsNaN(l) {
			continue
		}
		byPrompt[prompt[i]] = append(byPrompt[prompt[i]], w.bottom()[i])
		if !math.IsInf(l, -1) { // as in Weights.Divergence
			sum[p.logger[i]] += l
			n[p.logger[i]]++
		}
	}
	if w.N == 0 {
		return
	}
	w.Divergence = math.Inf(1)
	for j := range sum {
		if n[j] > 0 {
			w.Divergence = min(w.Divergence, -sum[j]/n[j]+math.Log(float64(w.N)/n[j]))
		}
	}
	each := math.Log(float64(w.N) / float64(len(byPrompt)))
	e := newEvalue()
	for q := range p.counts[0] {
		if l := byPrompt[int32(q)]; l != nil {
			e.add(logSum(l) - each)
		}
	}
	w.LogEValue = e.log()
}

// cluster takes a policy's weights by prompt, and by logger if there are several.
func (fr *frame) cluster(w *Weights) {
	w.cluster(fr.prompt)
	if fr.pool != nil {
		fr.pool.judge(w, fr.prompt)
	}
}

// cloneWeights are the weights of a clone against the policy that it is: the logging policy,
// or, of pooled logs, the logger that [Config.CloneOf] names, on all rows.
func (fr *frame) cloneWeights(policy string, c *Config) (*Weights, error) {
	if fr.pool == nil {
		return WeightsBetween(fr.logRatios(policy))
	}
	lower, upper := make([]float64, fr.n()), make([]float64, fr.n())
	for i := range lower {
		if base := fr.t.bounds(c.CloneOf[policy], i); math.IsInf(base[1], -1) {
			lower[i], upper[i] = math.NaN(), math.NaN() // its logger did not write that row
		} else {
			lower[i], upper[i] = LogRatioBounds(fr.t.bounds(policy, i), base)
		}
	}
	return WeightsBetween(lower, upper)
}

// cloned are the weights of a clone against the policy that it is.
func (r *Result) cloned(p *PolicyResult, c *Config) *Weights {
	if r.frame.pool == nil {
		return p.observed
	}
	w, err := r.frame.cloneWeights(p.Policy, c)
	if err != nil {
		panic("offpolicy: weights of a clone: " + err.Error()) // never: its log-probs are at most 0
	}
	return w
}

// LoggerWeight is one logger's part in a policy's weights.
type LoggerWeight struct {
	Logger string
	Rows   int     // with a weight
	Share  float64 // of Σw
	ESS    float64 // of its rows, (Σw)² / Σw²
}

// byLogger are the parts of all loggers, nil if there is one.
func (fr *frame) byLogger(w *Weights) []LoggerWeight {
	if fr.pool == nil {
		return nil
	}
	out := make([]LoggerWeight, len(fr.pool.names))
	squares, all := make([]float64, len(out)), 0.0
	for j, name := range fr.pool.names {
		out[j] = LoggerWeight{Logger: name, ESS: math.NaN()}
	}
	for i, v := range relative(w) {
		if !math.IsNaN(w.Log[i]) {
			x := &out[fr.pool.logger[i]]
			x.Rows++
			x.Share += v
			squares[fr.pool.logger[i]] += v * v
			all += v
		}
	}
	for j := range out {
		if squares[j] > 0 {
			out[j].ESS = out[j].Share * out[j].Share / squares[j]
		}
		out[j].Share /= all
	}
	return out
}

// Of returns the samples of one logger alone, with it for the logging policy: what is
// estimated from them has single-logger weights π/π_k, as if nobody else had logged.
func (s Samples) Of(logger string) Samples {
	rows := slices.Clone(s.Rows)
	s.Rows = slices.DeleteFunc(rows, func(r Row) bool { return r.Logger != logger })
	s.Logging, s.Pooled = logger, false
	return s
}
