package main

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/cje"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

// evaluate computes everything, whatever is to be shown: the referee must not
// choose another estimate because fewer are listed.
func evaluate(in *input, o options) (*report.Evaluation, error) {
	labels := 0
	for _, r := range in.samples.Rows {
		if r.Label.Valid() {
			labels++
		}
	}
	result, err := offpolicy.Evaluate(in.samples, offpolicy.Config{
		Seed: o.seed, Margin: o.margin, Clones: in.clones, LabelUSD: dataset.Known(in.labelUSD), Segments: segments(in.samples),
	})
	if err != nil {
		return nil, err
	}
	e := &report.Evaluation{
		SchemaVersion: 1, Source: in.source, Logging: result.Logging, Judge: result.Judge,
		Rows: len(in.samples.Rows), Prompts: len(result.Prompts), Labels: labels, Seed: o.seed, Margin: o.margin,
		Notes: notes(result), Calibration: calibration(result), Policies: map[string]*report.EvaluatedPolicy{},
		Estimators: append(names(o.estimators.house), names(o.estimators.cje)...),
		Points:     points(in, result), LogWeights: map[string][]float64{}, Comparisons: []report.EvaluatedComparison{},
	}
	for i := range result.Policies {
		p := &result.Policies[i]
		e.Policies[p.Policy] = policy(p, result, o, in.clones)
		if p.Policy != result.Logging {
			e.LogWeights[p.Policy] = p.Weights.Log
		}
	}
	if len(o.estimators.cje) > 0 {
		e.Reference = string(o.mode)
		reference(e, result, in, o)
	}
	for _, c := range result.Comparisons {
		e.Comparisons = append(e.Comparisons, comparison(c))
	}
	return e, nil
}

// segments are the kinds of groups that the prompts fall into more than one of.
func segments(s offpolicy.Samples) []string {
	seen := map[string]string{}
	varies := map[string]bool{}
	for i := range s.Rows {
		for kind, name := range s.Rows[i].Segments {
			if first, ok := seen[kind]; ok && first != name {
				varies[kind] = true
			}
			seen[kind] = name
		}
	}
	return slices.Sorted(maps.Keys(varies))
}

// notes are what must be known before any figure.
func notes(r *offpolicy.Result) []string {
	out := []string{}
	for _, p := range r.Policies {
		if p.Clone == nil || p.Clone.Status == "pass" {
			continue
		}
		say := "may be noisy"
		if p.Clone.Status == "fail" {
			say = "are noisy"
		}
		out = append(out, fmt.Sprintf("The log-probs %s: %s is %s scored again, and its weights are not 1 (%s). Every other policy's weights are made of the same kind of log-probs.",
			say, p.Policy, r.Logging, join(p.Clone.Reasons)))
	}
	if r.CalibratorError != nil {
		out = append(out, "The judge cannot be calibrated: "+r.CalibratorError.Error()+".")
	}
	return out
}

// reference adds the estimates of the Python reference. Where our gates refuse a
// policy's weights they are refused too, unless they were asked for by name.
func reference(e *report.Evaluation, r *offpolicy.Result, in *input, o options) {
	ref, failed := cje.New(o.mode, in.samples)
	for i := range r.Policies {
		p := &r.Policies[i]
		if p.Policy == r.Logging {
			continue // it has no estimate of the policy that was logged
		}
		gates := messages(p.Weights.Refusals())
		for _, id := range o.estimators.cje {
			x := refused()
			x.Method = "cje v0.3.0, " + string(o.mode)
			x.Notes = append(x.Notes, "claims no coverage: the reference to the letter, for comparison")
			e.Policies[p.Policy].Estimators[string(id)] = x
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
				x.Notes = append(x.Notes, "the reference itself calls it unreliable: "+join(flags))
			}
			if len(gates) > 0 && !o.estimators.named {
				x.Reasons = append(x.Reasons, gates...)
				continue
			}
			if len(gates) > 0 {
				x.Notes = append(x.Notes, "shown because it was asked for by name; our gates refuse these weights: "+join(gates))
			}
			x.Status = report.StatusOK
			x.Value, x.SE, x.CI = number(est.Value), number(est.SE), pair(est.Lower, est.Upper)
			if est.DF > 0 {
				x.DF = number(float64(est.DF))
			}
		}
	}
}

// points are the labelled rows, with the score as calibrated without them.
func points(in *input, r *offpolicy.Result) (out []pilot.CalibrationPoint) {
	for _, row := range in.samples.Rows {
		if !row.Label.Valid() || !row.Score.Valid() {
			continue
		}
		p := pilot.CalibrationPoint{Judge: row.Score.OrNaN(), Label: row.Label.OrNaN(), Calibrated: math.NaN()}
		if r.Calibrator != nil {
			p.Calibrated = r.Calibrator.PredictFor(row.PromptID, row.Score.OrNaN())
		}
		out = append(out, p)
	}
	return out
}
