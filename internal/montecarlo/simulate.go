package main

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/reweigh/reweigh/offpolicy"
)

// tally is what became of one figure in one design.
type tally struct {
	N        int     `json:"n"`
	Answered int     `json:"answered"`
	Above    int     `json:"above"` // missed: the truth is above the interval
	Below    int     `json:"below"`
	Bias     float64 `json:"bias"` // sums over the answered
	Squares  float64 `json:"squares"`
	SE       float64 `json:"se"`
	Width    float64 `json:"width"`
	Rejected int     `json:"rejected"` // of a difference: p < .05
}

func (t *tally) add(e *offpolicy.Estimate, truth float64) {
	if e == nil || e.Refused() {
		t.N++
		return
	}
	t.answer(e.Value, e.SE, e.Lower, e.Upper, truth)
}

// answer takes in one that was given. Rounding is no miss.
func (t *tally) answer(value, se, lower, upper, truth float64) {
	t.N++
	t.Answered++
	t.Bias += value - truth
	t.Squares += (value - truth) * (value - truth)
	t.SE += se
	t.Width += upper - lower
	switch {
	case truth < lower-1e-12:
		t.Below++
	case truth > upper+1e-12:
		t.Above++
	}
}

func (t *tally) missed() float64   { return float64(t.Above + t.Below) }
func (t *tally) share() float64    { return float64(t.Answered) / float64(t.N) }
func (t *tally) coverage() float64 { return 1 - t.missed()/float64(t.Answered) }
func (t *tally) wrong() float64    { return t.missed() / float64(t.N) }
func (t *tally) meanBias() float64 { return t.Bias / float64(t.Answered) }
func (t *tally) meanWidth() float64 {
	return t.Width / float64(t.Answered)
}

// spread is the mean standard error over the estimates' standard deviation.
func (t *tally) spread() float64 {
	n := float64(t.Answered)
	return t.SE / n / math.Sqrt(t.Squares/n-t.Bias*t.Bias/n/n)
}

// outcome is what became of a design. The first three estimators are the same
// with and without probes, but direct, which has none without.
type outcome struct {
	design
	DR, Labeled, Direct      tally
	Referee, RefereeNoProbes tally
}

// inParallel calls fn with 0 to n-1, several at a time.
func inParallel(n, concurrency int, fn func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(concurrency, 1) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wg.Wait()
}

// simulate evaluates a design many times.
func simulate(d design, repetitions, replicates, concurrency int) (outcome, error) {
	type answers struct {
		dr, labeled, direct, referee, noProbes *offpolicy.Estimate
		err                                    error
	}
	all := make([]answers, repetitions)
	inParallel(repetitions, concurrency, func(i int) {
		r, err := evaluate(d.samples(i), replicates, uint64(i))
		if err != nil {
			all[i].err = err
			return
		}
		p := r.Policy("target")
		a := answers{dr: slim(p.Estimate(offpolicy.DR)), labeled: slim(p.Estimate(offpolicy.LabeledSNIPS)),
			direct: slim(p.Estimate(offpolicy.Direct))}
		a.referee = slim(p.Estimate(p.Answer.Estimator))
		// Without probes direct is refused, and the referee's rule leaves
		// dr, or else labeled_snips.
		if a.noProbes = a.dr; a.dr.Refused() {
			a.noProbes = a.labeled
		}
		all[i] = a
	})
	out := outcome{design: d}
	for i, a := range all {
		if a.err != nil {
			return out, fmt.Errorf("design %+v, repetition %d: %w", d, i, a.err)
		}
		truth := d.truth()
		out.DR.add(a.dr, truth)
		out.Labeled.add(a.labeled, truth)
		out.Direct.add(a.direct, truth)
		out.Referee.add(a.referee, truth)
		out.RefereeNoProbes.add(a.noProbes, truth)
	}
	return out, nil
}

// slim is an estimate without its influences.
func slim(e *offpolicy.Estimate) *offpolicy.Estimate {
	if e == nil {
		return nil
	}
	return &offpolicy.Estimate{Value: e.Value, SE: e.SE, Lower: e.Lower, Upper: e.Upper, Refusals: e.Refusals}
}

func evaluate(s offpolicy.Samples, replicates int, seed uint64) (*offpolicy.Result, error) {
	return offpolicy.Evaluate(s, offpolicy.Config{
		Estimators: []offpolicy.Estimator{offpolicy.DR, offpolicy.Direct, offpolicy.LabeledSNIPS},
		Replicates: replicates, Seed: seed, Concurrency: 1,
	})
}
