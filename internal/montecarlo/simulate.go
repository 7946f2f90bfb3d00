package main

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/reweigh/reweigh/offpolicy"
)

// tally is what became of one estimator in one design.
type tally struct {
	n, answered, missed      int
	bias, squares, se, width float64 // sums over the answered
}

func (t *tally) add(e *offpolicy.Estimate, truth float64) {
	t.n++
	if e == nil || e.Refused() {
		return
	}
	t.answered++
	t.bias += e.Value - truth
	t.squares += (e.Value - truth) * (e.Value - truth)
	t.se += e.SE
	t.width += e.Upper - e.Lower
	if truth < e.Lower || truth > e.Upper {
		t.missed++
	}
}

func (t *tally) share() float64    { return float64(t.answered) / float64(t.n) }
func (t *tally) coverage() float64 { return 1 - float64(t.missed)/float64(t.answered) }
func (t *tally) wrong() float64    { return float64(t.missed) / float64(t.n) }
func (t *tally) meanBias() float64 { return t.bias / float64(t.answered) }
func (t *tally) meanWidth() float64 {
	return t.width / float64(t.answered)
}

// spread is the mean standard error over the estimates' standard deviation.
func (t *tally) spread() float64 {
	n := float64(t.answered)
	return t.se / n / math.Sqrt(t.squares/n-t.bias*t.bias/n/n)
}

// outcome is what became of a design. The first three estimators are the same
// with and without probes, but direct, which has none without.
type outcome struct {
	design
	DR, Labeled, Direct      tally
	Referee, RefereeNoProbes tally
}

// simulate evaluates a design many times.
func simulate(d design, repetitions, replicates, concurrency int) (outcome, error) {
	type answers struct {
		dr, labeled, direct, referee, noProbes *offpolicy.Estimate
		err                                    error
	}
	all := make([]answers, repetitions)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(concurrency, 1) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= repetitions {
					return
				}
				r, err := evaluate(d.samples(i), replicates, uint64(i))
				if err != nil {
					all[i].err = err
					return
				}
				p := r.Policy("target")
				a := answers{dr: slim(p.Estimate(offpolicy.DR)), labeled: slim(p.Estimate(offpolicy.LabeledSNIPS)), direct: slim(p.Estimate(offpolicy.Direct))}
				a.referee = slim(p.Estimate(p.Answer.Estimator))
				// Without probes direct is refused, and the referee's rule leaves
				// dr, or else labeled_snips.
				if a.noProbes = a.dr; a.dr.Refused() {
					a.noProbes = a.labeled
				}
				all[i] = a
			}
		})
	}
	wg.Wait()
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
