package main

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/cje"
	"github.com/reweigh/reweigh/offpolicy"
)

// evaluate computes everything, whatever is to be shown: the referee must not
// choose another estimate because fewer are listed.
func evaluate(in *input, o options) (*offpolicy.Document, error) {
	c := in.config
	c.Segments = in.table.Segments()
	if o.seed != nil {
		c.Seed = *o.seed
	}
	if o.margin != nil {
		c.Margin = *o.margin
	}
	var samples offpolicy.Samples
	if len(o.estimators.cje) > 0 { // the reference depends on the order of rows
		var err error
		if samples, err = in.table.Samples(); err != nil {
			return nil, err
		}
	}
	result, err := in.table.Evaluate(c)
	if err != nil {
		return nil, in.locate(err)
	}
	d := result.Document()
	d.Source = in.source
	d.Estimators = append(names(o.estimators.house), names(o.estimators.cje)...)
	for _, p := range d.Policies {
		maps.DeleteFunc(p.Estimators,
			func(id string, _ *offpolicy.EstimateDocument) bool { return !slices.Contains(d.Estimators, id) })
	}
	if len(o.estimators.cje) > 0 {
		d.Reference = string(o.mode)
		reference(d, result, samples, o)
	}
	return d, nil
}

// reference adds the estimates of the Python reference. Where our gates refuse a
// policy's weights they are refused too, unless they were asked for by name.
func reference(d *offpolicy.Document, r *offpolicy.Result, samples offpolicy.Samples, o options) {
	ref, failed := cje.New(o.mode, samples)
	for i := range r.Policies {
		p := &r.Policies[i]
		if p.Policy == r.Logging {
			continue // it has no estimate of the policy that was logged
		}
		gates := d.Policies[p.Policy].Weights.Refusals
		for _, id := range o.estimators.cje {
			x := &offpolicy.EstimateDocument{
				Status: offpolicy.StatusRefused, Reasons: []string{}, Method: "cje v0.3.0, " + string(o.mode),
				Notes: []string{"claims no coverage: the reference to the letter, for comparison"},
			}
			d.Policies[p.Policy].Estimators[string(id)] = x
			if failed != nil {
				x.Reasons = append(x.Reasons, failed.Error())
				continue
			}
			est, err := ref.Estimate(id, p.Policy)
			if err != nil {
				x.Reasons = append(x.Reasons, err.Error())
				continue
			}
			x.Rows = est.N
			flags := ref.Diagnostics(id, p.Policy, est).Flags
			if len(flags) > 0 {
				x.Notes = append(x.Notes, "the reference itself calls it unreliable: "+strings.Join(flags, "; "))
			}
			if len(gates) > 0 && !o.estimators.named {
				x.Reasons = append(x.Reasons, gates...)
				continue
			}
			if len(gates) > 0 {
				x.Notes = append(x.Notes,
					"shown because it was asked for by name; our gates refuse these weights: "+strings.Join(gates, "; "))
			}
			x.Status = offpolicy.StatusOK
			x.Value, x.SE, x.CI = number(est.Value), number(est.SE), [2]dataset.Float{number(est.Lower), number(est.Upper)}
			if est.DF > 0 {
				x.DF = number(float64(est.DF))
			}
		}
	}
}

// number is a figure for JSON, which has neither NaN nor infinities.
func number(v float64) dataset.Float {
	if math.IsInf(v, 0) {
		return dataset.Float{}
	}
	return dataset.Known(v)
}
