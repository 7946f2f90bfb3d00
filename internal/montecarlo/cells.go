package main

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/worlds"
	"github.com/reweigh/reweigh/offpolicy"
)

// cell is a world of package worlds at a size. Its target "probed" has 25 labels of its
// own, the others have none, so that one evaluation serves values, pairs and A/A.
type cell struct {
	World   string `json:"world"`
	Prompts int    `json:"prompts"`
	Labels  int    `json:"labels"`
}

func cells() []cell {
	var out []cell
	for _, w := range worlds.Names() {
		out = append(out, cell{w, 100, 25}, cell{w, 500, 125})
	}
	for _, w := range []string{"base", "binary_04", "skewed_06", "missing_logprobs"} {
		out = append(out, cell{w, 50, 25}, cell{w, 1000, 250})
	}
	return out
}

// cellOutcome is what became of a cell.
type cellOutcome struct {
	Cell   cell     `json:"cell"`
	Values []figure `json:"values"` // by policy, of the estimate that the referee chose
	Pairs  []figure `json:"pairs"`
	// Of the repetitions: those in which Holm's procedure rejects a difference that is
	// 0, in which a band of the differences misses one, and in which a band of the
	// values does.
	Holm, PairBands, ValueBands int
}

// figure is a tally with its name.
type figure struct {
	Name string `json:"name"`
	// Truth is the figure's own, ESS the target's limit of ESS/n, 0 for a difference.
	Truth float64 `json:"truth"`
	ESS   float64 `json:"ess"`
	AA    bool    `json:"aa"`
	tally
}

// cellSamples are one draw of a world as package offpolicy takes them.
func cellSamples(w *worlds.World, d worlds.Data) offpolicy.Samples {
	known := func(v float64) dataset.Float { return dataset.Known(v) }
	s := offpolicy.Samples{Logging: worlds.Logging, Judge: "judge", Draws: map[string][]offpolicy.Draw{},
		Scored: map[string]dataset.Scored{
			worlds.Logging: {Distribution: dataset.SamplingDistribution},
		}}
	for _, t := range w.Targets {
		s.Scored[t.Name] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	}
	// A response is one of a few: as long texts' are, its log-prob is far below 0, so
	// that noise does not make it positive.
	const far = 50
	for _, r := range d.Rows {
		row := offpolicy.Row{
			PromptID: r.Prompt, Score: known(r.Score), Label: known(r.Label), InclusionProb: known(r.InclusionProb),
			Length:   known(r.Length),
			LogProbs: map[string]dataset.Float{worlds.Logging: known(r.LogP0 - far)},
			Segments: map[string]string{"segment": r.Segment},
		}
		for name, v := range r.LogTarget {
			row.LogProbs[name] = known(v - far)
		}
		s.Rows = append(s.Rows, row)
	}
	for name, draws := range d.Draws {
		for _, x := range draws {
			s.Draws[name] = append(s.Draws[name], offpolicy.Draw{
				PromptID: x.Prompt, Index: x.Index, Score: known(x.Score), Label: known(x.Label),
				InclusionProb: known(x.InclusionProb), Covariate: known(x.Length),
			})
		}
	}
	return s
}

// simulateCell evaluates a cell many times.
func simulateCell(c cell, repetitions, replicates, concurrency int) (cellOutcome, error) {
	w, err := worlds.ByName(c.World)
	if err != nil {
		return cellOutcome{}, err
	}
	all := make([]*offpolicy.Result, repetitions)
	errs := make([]error, repetitions)
	inParallel(repetitions, concurrency, func(i int) {
		// Sizes of one world are independent: the first prompts of a larger one
		// would repeat those of a smaller.
		seed := uint64(i) + uint64(c.Prompts)<<32
		var clones []string
		for _, t := range w.Targets {
			if t.Clone {
				clones = append(clones, t.Name)
			}
		}
		r, err := offpolicy.Evaluate(cellSamples(w, w.Draw(c.Prompts, c.Labels, probes, seed)), offpolicy.Config{
			Estimators: []offpolicy.Estimator{offpolicy.DR, offpolicy.Direct, offpolicy.LabeledSNIPS},
			Replicates: replicates, Seed: uint64(i), Concurrency: 1, Clones: clones,
		})
		if err != nil {
			errs[i] = err
			return
		}
		all[i] = slimResult(r)
	})
	out := cellOutcome{Cell: c}
	for i, r := range all {
		if errs[i] != nil {
			return out, fmt.Errorf("%s with %d prompts, repetition %d: %w", c.World, c.Prompts, i, errs[i])
		}
		out.take(w, r)
	}
	return out, nil
}

// slimResult is a result without what takes room.
func slimResult(r *offpolicy.Result) *offpolicy.Result {
	out := &offpolicy.Result{Logging: r.Logging}
	for _, p := range r.Policies {
		q := offpolicy.PolicyResult{Policy: p.Policy, Answer: p.Answer}
		if e := slim(p.Estimate(p.Answer.Estimator)); e != nil {
			e.Estimator = p.Answer.Estimator
			q.Estimates = []offpolicy.Estimate{*e}
		}
		out.Policies = append(out.Policies, q)
	}
	for _, d := range r.Comparisons {
		out.Comparisons = append(out.Comparisons, offpolicy.Comparison{
			A: d.A, B: d.B, AA: d.AA, Difference: d.Difference, SE: d.SE, Lower: d.Lower, Upper: d.Upper,
			BandLower: d.BandLower, BandUpper: d.BandUpper,
			P: d.P, Holm: d.Holm, Refusals: d.Refusals,
		})
	}
	return out
}

// take adds one repetition.
func (o *cellOutcome) take(w *worlds.World, r *offpolicy.Result) {
	if o.Values == nil {
		names := []string{worlds.Logging}
		for _, t := range w.Targets {
			names = append(names, t.Name)
		}
		for i, a := range names {
			o.Values = append(o.Values, figure{Name: a, Truth: w.Truth[a], ESS: w.ESS[a]})
			for _, b := range names[:i] {
				o.Pairs = append(o.Pairs, figure{Name: a + " - " + b, Truth: w.Difference(a, b),
					AA: b == worlds.Logging && a == "clone"})
			}
		}
	}
	values, pairs, holm := false, false, false
	for i := range o.Values {
		f := &o.Values[i]
		p := r.Policy(f.Name)
		f.add(p.Estimate(p.Answer.Estimator), f.Truth)
		values = values || f.Truth < p.Answer.BandLower-1e-12 || f.Truth > p.Answer.BandUpper+1e-12
	}
	byName := map[string]*offpolicy.Comparison{}
	for i := range r.Comparisons {
		d := &r.Comparisons[i]
		byName[d.A+" - "+d.B] = d
	}
	for i := range o.Pairs {
		f := &o.Pairs[i]
		d, sign := find(byName, f.Name)
		if d == nil || d.Refused() {
			f.N++
			continue
		}
		lo, hi := d.Lower, d.Upper
		bandLo, bandHi := d.BandLower, d.BandUpper
		if sign < 0 {
			lo, hi, bandLo, bandHi = -hi, -lo, -bandHi, -bandLo
		}
		f.answer(sign*d.Difference, d.SE, lo, hi, f.Truth)
		if d.P < .05 {
			f.Rejected++
		}
		pairs = pairs || f.Truth < bandLo-1e-12 || f.Truth > bandHi+1e-12
		holm = holm || math.Abs(f.Truth) < 1e-12 && d.Holm < .05
	}
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	count(&o.ValueBands, values)
	count(&o.PairBands, pairs)
	count(&o.Holm, holm)
}

// find looks a difference up by its name, in either order.
func find(byName map[string]*offpolicy.Comparison, name string) (*offpolicy.Comparison, float64) {
	if d := byName[name]; d != nil {
		return d, 1
	}
	for key, d := range byName {
		if d.B+" - "+d.A == name {
			return byName[key], -1
		}
	}
	return nil, 0
}
