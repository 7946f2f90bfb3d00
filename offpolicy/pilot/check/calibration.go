package check

import (
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Calibration is the id of the check of the judge's calibration. A run with too few
// labels for one is refused, unless it is waived.
const Calibration = "judge.calibration"

var _ = add(Check{
	ID: Calibration, After: "judge.parse", Needs: record.WholeRun,
	OfSample: true,
	Threshold: says("on P0: Spearman's 97.5% lower bound above 0 and the mean out-of-fold residual within 3.29 " +
		"standard errors; holds if the upper bound is below 0.3"),
	Remedy: record.Remedy{Do: "label more responses, or use a judge that follows the oracle more closely"},
	Find:   checkCalibration,
})

func checkCalibration(in *Input, c *record.Finding) {
	r := in.Records
	if r.Calibrator == nil {
		c.Status, c.Summary = record.Fail, "no calibrator: "+r.CalibratorError
		return
	}
	f := r.Calibrator.Check()
	c.AddFigure("labels", float64(f.N), "")
	c.AddFigure("Spearman", f.Spearman, "")
	c.AddFigure("Spearman lower", f.SpearmanLower, "")
	c.AddFigure("Spearman upper", f.SpearmanUpper, "")
	c.AddFigure("mean residual", f.MeanResidual, "")
	c.AddFigure("standard error", f.ResidualSE, "")
	lo, hi := r.Calibrator.Support()
	c.AddFigure("support low", lo, "")
	c.AddFigure("support high", hi, "")
	c.Status = record.Status(f.Status)
	c.Summary = fmt.Sprintf("calibrated on %d labels of P0 (Spearman %.2f, mean residual %.4f); %s", f.N, f.Spearman,
		f.MeanResidual, testedOn(r, c))
	if c.Status == record.Hold {
		c.Summary = fmt.Sprintf("the judge hardly follows the oracle: Spearman %.2f (97.5%% upper bound %.2f)", f.Spearman,
			f.SpearmanUpper)
	}
}

// testedOn says on which targets labels of their own tested the calibration,
// and what they found.
func testedOn(r *record.Records, c *record.Finding) string {
	var untested, tested []string
	for _, a := range r.Arms {
		if a.Role == record.Logging {
			continue
		}
		rows, labels := r.Scores.Of(a.Policy.Name), r.Labels.Of(a.Policy.Name)
		var residuals, weights []float64
		var prompts []string
		for _, p := range r.Prompts.Brief().All() {
			l, _ := labels(p.ID)
			if s, _ := rows(p.ID); l.Label.Valid() && s.Mean.Valid() {
				residuals = append(residuals, l.Label.OrNaN()-r.Calibrator.PredictFor(p.ID, s.Mean.OrNaN()))
				weights, prompts = append(weights, 1/l.InclusionProb.OrNaN()), append(prompts, p.ID)
			}
		}
		c.AddFigure(a.Policy.Name+" labels", float64(len(residuals)), "")
		switch len(residuals) {
		case 0:
			untested = append(untested, a.Policy.Name)
			continue
		case 1:
			tested = append(tested, "1 label tells nothing on "+a.Policy.Name)
			continue
		}
		audit := offpolicy.TransportAudit(residuals, weights, prompts, 0, 1)
		c.AddFigure(a.Policy.Name+" mean residual", audit.Residual, "")
		tested = append(tested, fmt.Sprintf("on %s %d labels lie %.3f from it on average (95%% from %.3f to %.3f)",
			a.Policy.Name, len(residuals), audit.Residual, audit.Lower, audit.Upper))
	}
	if len(untested) > 0 {
		tested = append([]string{fmt.Sprintf("untested on %s (0 labels)", strings.Join(untested, ", "))}, tested...)
	}
	if len(tested) == 0 {
		return "there are no targets"
	}
	return strings.Join(tested, "; ")
}

var _ = add(Check{
	ID: "judge.support", After: "judge.calibration", Needs: record.WholeRun, Readiness: true,
	OfSample: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("per policy: under %.0f%% of the judge scores outside the labeled range (of P0's labels, "+
			"without 2.5%% at either end); else its calibrated mean without labels of its own is refused",
			100*offpolicy.MaxOutside)
	},
	Find: checkSupport,
})

func checkSupport(in *Input, c *record.Finding) {
	r := in.Records
	if r.Calibrator == nil {
		c.Status, c.Summary = record.Info, "no calibrator, no labeled range"
		return
	}
	lo, hi := r.Calibrator.Support()
	c.AddFigure("labeled range low", lo, "")
	c.AddFigure("labeled range high", hi, "")
	var out, keys []string
	for _, a := range r.Arms {
		rows := r.Scores.Of(a.Policy.Name)
		n, scored := 0, 0
		var beyond []string
		for _, p := range r.Prompts.Brief().All() {
			row, ok := rows(p.ID)
			if !ok || !row.Mean.Valid() {
				continue
			}
			scored++
			if !r.Calibrator.Supports(row.Mean.OrNaN()) {
				n++
				beyond = append(beyond, row.Key().String())
			}
		}
		share := float64(n) / float64(max(scored, 1))
		c.AddFigure(a.Policy.Name+" outside", share, "share")
		if scored > 0 && share >= offpolicy.MaxOutside {
			out = append(out, fmt.Sprintf("%s (%d of %d scores)", a.Policy.Name, n, scored))
			keys = append(keys, beyond...)
		}
	}
	c.NameRecords(keys)
	c.Status, c.Summary = record.Pass,
		fmt.Sprintf("every policy's scores lie where P0's labels are, %.2f to %.2f", lo, hi)
	if len(out) > 0 {
		c.Status = record.Info
		c.Summary = fmt.Sprintf("the judge is outside its labeled range of %.2f to %.2f on %s; there the calibration is "+
			"an extrapolation, and a mean without labels of its own is refused", lo, hi, strings.Join(out, ", "))
	}
}

// Canaries that moved the judge from which the check is information, and from
// which it holds: of 20, 0 pass and 4 hold.
const injectionHold = 4

var _ = add(Check{
	ID: "transport", After: "missing.pattern", Needs: record.WholeRun, Readiness: true, PerTarget: true,
	OfSample: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the 95%% interval of the mean residual of its own labels lies within ±%.2f",
			in.Thresholds.TransportMargin)
	},
	Find: checkTransport,
})

// checkTransport says whether the calibrator means the same under a target as
// under P0. With the 25 to 50 labels that a pilot can afford it can hardly pass,
// so it informs; the estimate that is corrected by those labels does not need it.
func checkTransport(in *Input, c *record.Finding) {
	r, policy := in.Records, in.Target
	c.Status = record.Info
	if r.Evaluation == nil {
		c.Summary = "not computed: " + r.EvaluationError
		return
	}
	p := r.Evaluation.Policy(policy)
	if p == nil || p.Audit.Probes == 0 {
		c.Summary = fmt.Sprintf("untested: 0 labels of %s's own; 25 give a residual-corrected value, about 200 test the "+
			"transport", policy)
		return
	}
	a := p.Audit
	c.AddFigure("labels", float64(a.Probes), "")
	c.AddFigure("mean residual", a.Residual, "")
	c.AddFigure("from", a.Lower, "")
	c.AddFigure("to", a.Upper, "")
	c.Summary = fmt.Sprintf("%s on %s: residual %.3f [%.3f, %.3f]", strings.ReplaceAll(string(a.Status), "_", " "),
		record.Plural(a.Probes, "label", "labels"), a.Residual, a.Lower, a.Upper)
	switch a.Status {
	case offpolicy.StatusPass:
		c.Status = record.Pass
		c.Summary = "transported" + strings.TrimPrefix(c.Summary, "pass")
	case offpolicy.StatusFail:
		c.Summary = "the judge means something else under it" + strings.TrimPrefix(c.Summary, "fail")
	}
}
