package main

import (
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

// number is a figure for JSON, which has neither NaN nor infinities.
func number(v float64) dataset.Float {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dataset.Float{}
	}
	return dataset.Known(v)
}

func pair(lo, hi float64) [2]dataset.Float { return [2]dataset.Float{number(lo), number(hi)} }

func join(s []string) string { return strings.Join(s, "; ") }

func messages(refusals []offpolicy.Refusal) []string {
	out := []string{}
	for _, r := range refusals {
		out = append(out, r.Message)
	}
	return out
}

// list is s, and an empty list rather than null where there is none.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// refused is an estimate without numbers.
func refused() *report.EvaluatedEstimate {
	none := dataset.Float{}
	return &report.EvaluatedEstimate{Value: none, SE: none, CI: [2]dataset.Float{none, none}, DF: none, Status: report.StatusRefused, Reasons: []string{}, Notes: []string{}}
}

func estimate(e *offpolicy.Estimate) *report.EvaluatedEstimate {
	x := refused()
	x.Claims, x.Method, x.Notes = e.Claims, string(e.Method), list(slices.Clone(e.Notes))
	x.Rows, x.Labels, x.Draws, x.Probes = e.Basis.Rows, e.Basis.Labels, e.Basis.Draws, e.Basis.Probes
	if e.Refused() {
		x.Reasons = messages(e.Refusals)
		return x
	}
	x.Status, x.Value, x.SE, x.CI, x.DF = report.StatusOK, number(e.Value), number(e.SE), pair(e.Lower, e.Upper), number(e.DF)
	return x
}

func policy(p *offpolicy.PolicyResult, r *offpolicy.Result, o options, clones []string) *report.EvaluatedPolicy {
	out := &report.EvaluatedPolicy{
		Role: "target", Estimators: map[string]*report.EvaluatedEstimate{}, Answer: answer(p), Weights: weights(p.Weights),
		Diagnostics: diagnostics(p.Diagnostics), Audit: audit(p.Audit),
	}
	switch {
	case p.Policy == r.Logging:
		out.Role = "logging"
	case slices.Contains(clones, p.Policy):
		out.Role = "clone"
	}
	for i := range p.Estimates {
		if e := &p.Estimates[i]; slices.Contains(o.estimators.house, e.Estimator) {
			out.Estimators[string(e.Estimator)] = estimate(e)
		}
	}
	if b := p.Balance; !math.IsNaN(b.Fresh) {
		out.Balance = &report.EvaluatedBalance{Reweighted: number(b.Reweighted), Fresh: number(b.Fresh), Difference: number(b.Difference), SE: number(b.SE)}
	}
	if c := p.Clone; c != nil {
		out.Clone = &report.EvaluatedClone{Status: c.Status, Reasons: list(c.Reasons)}
	}
	for _, s := range p.Segments {
		out.Segments = append(out.Segments, report.EvaluatedSegment{Kind: s.Kind, Name: s.Name, Prompts: s.Prompts, Estimate: estimate(&s.Estimate)})
	}
	return out
}

func answer(p *offpolicy.PolicyResult) report.EvaluatedAnswer {
	none := dataset.Float{}
	a := report.EvaluatedAnswer{
		Estimator: string(p.Answer.Estimator), Reason: p.Answer.Reason, Advice: list(p.Answer.Advice),
		Value: none, CI: [2]dataset.Float{none, none}, Band: pair(p.Answer.BandLower, p.Answer.BandUpper),
	}
	if e := p.Estimate(p.Answer.Estimator); e != nil {
		a.Value, a.CI = number(e.Value), pair(e.Lower, e.Upper)
	}
	return a
}

func weights(w *offpolicy.Weights) report.EvaluatedWeights {
	return report.EvaluatedWeights{
		Rows: w.N, Missing: w.Missing, ESS: number(w.ESS), MaxShare: number(w.MaxShare), Mean: number(w.Mean), MeanSE: number(w.MeanSE),
		Divergence: number(w.Divergence), LogEValue: number(w.LogEValue), Usable: w.Usable(), Refusals: messages(w.Refusals()),
	}
}

func diagnostics(d offpolicy.Diagnostics) map[string]dataset.Float {
	return map[string]dataset.Float{
		"relative_ess": number(d.RelativeESS), "top_1_percent": number(d.Top1), "hill": number(d.Hill),
		"pareto_k": number(d.ParetoK), "pareto_limit": number(d.ParetoLimit), "hellinger_affinity": number(d.Hellinger),
		"judge_space_affinity": number(d.JudgeSpace), "ttc": number(d.TTC), "support": number(d.Support),
	}
}

func audit(a offpolicy.Audit) report.EvaluatedAudit {
	out := report.EvaluatedAudit{Status: a.Status, Probes: a.Probes, Residual: number(a.Residual), SE: number(a.SE), CI: pair(a.Lower, a.Upper)}
	if out.Status == "" {
		out.Status = "NO_PROBES"
	}
	return out
}

func comparison(c offpolicy.Comparison) report.EvaluatedComparison {
	return report.EvaluatedComparison{
		A: c.A, B: c.B, Estimators: [2]string{string(c.Estimators[0]), string(c.Estimators[1])}, Difference: number(c.Difference),
		SE: number(c.SE), CI: pair(c.Lower, c.Upper), P: number(c.P), Holm: number(c.Holm), AA: c.AA,
	}
}

func calibration(r *offpolicy.Result) report.Calibration {
	none := dataset.Float{}
	if r.Calibrator == nil {
		return report.Calibration{Status: "refused", Reasons: []string{r.CalibratorError.Error()}, Spearman: none, MeanResidual: none, ResidualSE: none}
	}
	k := r.Calibrator.Check()
	return report.Calibration{Status: k.Status, Reasons: list(k.Reasons), Spearman: number(k.Spearman), MeanResidual: number(k.MeanResidual), ResidualSE: number(k.ResidualSE)}
}
