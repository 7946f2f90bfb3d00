package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

var _ = add(Check{
	ID: "oracle.range", After: "weights.balance", Needs: record.StageOracle, InPlace: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("every label lies in [0, 1]; at most %.0f%% of those owed missing passes, %.0f%% holds", 100*in.Thresholds.MissingPass, 100*in.Thresholds.MissingHold)
	},
	Remedy: record.Remedy{Do: "read the errors in oracle.jsonl and fix their cause: the next start labels the failed rows again"},
	Find:   checkOracleRange,
})

func checkOracleRange(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	have := map[string]bool{}
	var outside, missing []string
	for _, row := range r.Labels.All() {
		if !row.Label.Valid() {
			continue
		}
		have[row.Key().String()] = true
		if row.Label.OrNaN() < 0 || row.Label.OrNaN() > 1 {
			outside = append(outside, row.Key().String())
		}
	}
	for _, k := range r.LabelsOwed {
		if !have[k.String()] {
			missing = append(missing, k.String())
		}
	}
	c.AddFigure("labels", float64(len(have)), "")
	c.AddFigure("owed", float64(len(r.LabelsOwed)), "")
	c.AddFigure("outside [0, 1]", float64(len(outside)), "")
	c.NameRecords(append(slices.Clone(outside), missing...))
	c.Status = shareStatus(len(missing), len(r.LabelsOwed), t.MissingPass, t.MissingHold)
	c.Summary = fmt.Sprintf("%d of %d labels, all in [0, 1]", len(have), len(r.LabelsOwed))
	if len(missing) > 0 {
		c.Summary = fmt.Sprintf("%s of %d missing: %s; the others are in [0, 1]", record.Plural(len(missing), "label", "labels"), len(r.LabelsOwed), record.Some(missing))
	}
	c.Summary += tellDesign(r, c)
	if len(outside) > 0 {
		c.Status, c.Summary = record.Fail, fmt.Sprintf("%s outside [0, 1]: %s", record.Plural(len(outside), "label", "labels"), record.Some(outside))
	}
}

var _ = add(Check{
	ID: "oracle.distribution", After: "oracle.range", Needs: record.StageOracle,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the labels' standard deviation is at least %g and no value has more than %.0f%% of them", in.Thresholds.LabelSpread, 100*in.Thresholds.LabelTies)
	},
	Remedy: record.Remedy{Do: "labels that do not vary cannot calibrate a judge: sharpen the oracle's rubric or scale"},
	Find:   checkOracleDistribution,
})

func checkOracleDistribution(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	judge := map[string]float64{}
	for _, s := range r.Scores.All() {
		if s.Mean.Valid() {
			judge[s.Key().String()] = s.Mean.OrNaN()
		}
	}
	var labels, x, y []float64
	var sum, weights float64
	var first *dataset.Float // inclusion probability
	equal := true
	ties := map[float64]int{}
	ends, most := 0, 0
	for _, row := range r.Labels.All() {
		if !row.Label.Valid() {
			continue
		}
		v := row.Label.OrNaN()
		labels = append(labels, v)
		if first == nil {
			first = &row.InclusionProb
		}
		equal = equal && row.InclusionProb == *first
		sum += v / row.InclusionProb.OrNaN()
		weights += 1 / row.InclusionProb.OrNaN()
		ties[v]++
		most = max(most, ties[v])
		if v <= 0 || v >= 1 {
			ends++
		}
		if s, ok := judge[row.Key().String()]; ok {
			x, y = append(x, s), append(y, v)
		}
	}
	n := float64(len(labels))
	if n < 2 {
		c.Status, c.Summary = record.Fail, fmt.Sprintf("%d labels say nothing of their distribution", len(labels))
		return
	}
	mean, sd := record.MeanSD(labels)
	c.AddFigure("mean", mean, "")
	c.AddFigure("standard deviation", sd, "")
	c.AddFigure("largest tie", float64(most)/n, "share")
	c.AddFigure("at 0 or 1", float64(ends)/n, "share")
	corr := math.NaN()
	if len(x) > 2 {
		corr = offpolicy.Spearman(x, y)
	}
	c.AddFigure("rank correlation with the judge", corr, "")
	c.Status, c.Summary = record.Pass, fmt.Sprintf("labels average %.3f (sd %.3f)", mean, sd)
	if !equal {
		c.AddFigure("mean, weighted by 1/probability", sum/weights, "")
		c.Summary = fmt.Sprintf("labels average %.3f (sd %.3f), the responses that they stand for %.3f", mean, sd, sum/weights)
	}
	if !math.IsNaN(corr) {
		c.Summary += fmt.Sprintf("; rank correlation with the judge %.2f", corr)
	}
	if variance, n := oracle.DuplicateVariance(slices.Collect(r.AllLabels())); n > 0 {
		sd := math.Sqrt(variance.OrNaN())
		c.AddFigure("standard deviation of one response's labels", sd, "")
		c.Summary += fmt.Sprintf("; labels of one response have sd %.3f (%d labelled twice)", sd, n)
	}
	if sd < t.LabelSpread || float64(most)/n > t.LabelTies {
		c.Status, c.Summary = record.Hold, fmt.Sprintf("labels hardly vary: sd %.3f, one value has %.0f%% of them", sd, 100*float64(most)/n)
	}
}

var _ = add(Check{
	ID: "judge.complete", After: "oracle.distribution", Needs: record.StageJudge, InPlace: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("per policy: at most %.0f%% of the responses unscored passes, %.0f%% holds, more fails", 100*in.Thresholds.MissingPass, 100*in.Thresholds.MissingHold)
	},
	Remedy: record.Remedy{Do: "read the errors in judge.jsonl and fix their cause: the next start scores the failed rows again"},
	Find:   checkJudgeComplete,
})

func checkJudgeComplete(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	var bad, parts []string
	scored := 0
	for _, a := range r.Arms {
		rows := r.Scores.Of(a.Policy.Name)
		classes := map[string]int{}
		n := 0
		for _, p := range r.Prompts.All() {
			row, ok := rows(p.ID)
			switch {
			case ok && row.Mean.Valid():
				scored++
				continue
			case !ok:
				classes["absent"]++
			case row.Error != nil:
				classes[row.Error.Class]++
			default:
				classes["null"]++
			}
			n++
			bad = append(bad, p.ID+"/"+a.Policy.Name+"/0")
		}
		c.AddFigure(a.Policy.Name+" unscored", float64(n), "")
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s lacks %d (%s)", a.Policy.Name, n, record.Counts(classes)))
		}
		c.Worsen(shareStatus(n, r.Prompts.Len(), t.MissingPass, t.MissingHold))
	}
	c.NameRecords(bad)
	c.Summary = fmt.Sprintf("%d of %d responses scored", scored, len(r.Arms)*r.Prompts.Len())
	if len(parts) > 0 {
		c.Summary += "; " + strings.Join(parts, ", ")
	}
}

var _ = add(Check{
	ID: "judge.uncertainty", After: "judge.complete", Needs: record.StageJudge,
	Threshold: says("every score has a variance of at least 0, its own or its calibrated score's, and says where it comes from"),
	Remedy:    record.Remedy{Do: "use a judge that reports its uncertainty: repeated sampling or a self-reported interval"},
	Find:      checkJudgeUncertainty,
})

func checkJudgeUncertainty(in *Input, c *record.Finding) {
	r := in.Records
	var bad []string
	sources := map[string]int{}
	scored, zero, unstated := 0, 0, 0
	for _, s := range r.Scores.All() {
		if !s.Mean.Valid() {
			continue
		}
		scored++
		switch {
		case !s.Variance.Valid() && mayNotKnow(s.Source) && s.CalibratedVariance.Valid():
			unstated++
		case !s.Variance.Valid() || s.Variance.OrNaN() < 0 || s.Source == "":
			bad = append(bad, s.Key().String())
			continue
		case s.Variance.OrNaN() == 0:
			zero++
		}
		sources[s.Source]++
	}
	c.AddFigure("scores", float64(scored), "")
	c.AddFigure("without a variance", float64(len(bad)), "")
	c.AddFigure("with variance 0", float64(zero), "")
	c.AddFigure("with a calibrated variance only", float64(unstated), "")
	c.NameRecords(bad)
	switch {
	case scored == 0:
		c.Status, c.Summary = record.Fail, "there are no scores"
	case len(bad) > 0:
		c.Status, c.Summary = record.Fail, fmt.Sprintf("%s without a variance: %s", record.Plural(len(bad), "score", "scores"), record.Some(bad))
	default:
		c.Status, c.Summary = record.Pass, fmt.Sprintf("every score has a variance (%s)%s", record.Counts(sources), statedErrors(r, c))
	}
}

// mayNotKnow reports whether judges of a source may know no variance of their
// own: how far they err is then what labels show.
func mayNotKnow(source string) bool {
	return source == string(judge.SourceFunction) || source == string(judge.SourceDeterministic)
}

// statedErrors compares, on P0's labels, what was stated of calibrated scores
// with how far the labels lie from them. It is empty where nothing was stated.
func statedErrors(r *record.Records, c *record.Finding) string {
	scores := r.Scores.Of(r.Logging().Policy.Name)
	var sampling, residual, calibrator float64
	squares, n := 0.0, 0
	for _, l := range r.Labels.All() {
		s, ok := scores(l.PromptID)
		if !ok || l.Policy != s.Policy || l.DrawIdx != 0 || !l.Label.Valid() || !s.Calibrated.Valid() || s.VarianceParts == nil {
			continue
		}
		sampling += s.VarianceParts.Sampling.OrNaN()
		residual += s.VarianceParts.Residual.OrNaN()
		calibrator += s.VarianceParts.Calibrator.OrNaN()
		squares += float64((l.Label.OrNaN() - s.Calibrated.OrNaN()) * (l.Label.OrNaN() - s.Calibrated.OrNaN()))
		n++
	}
	total := sampling + residual + calibrator
	if n == 0 || total == 0 {
		return ""
	}
	c.AddFigure("stated sd of a label around its calibrated score", math.Sqrt(total/float64(n)), "")
	c.AddFigure("of that variance, sampling", sampling/total, "share")
	c.AddFigure("of that variance, residual", residual/total, "share")
	c.AddFigure("of that variance, calibrator", calibrator/total, "share")
	c.AddFigure("squared errors over stated variances", squares/total, "")
	return fmt.Sprintf("; P0's labels lie %.3f from their calibrated scores, %.3f was stated", math.Sqrt(squares/float64(n)), math.Sqrt(total/float64(n)))
}

var _ = add(Check{
	ID: "judge.calibration", After: "judge.parse", Needs: record.WholeRun,
	Threshold: says("on P0: Spearman's 97.5% lower bound above 0 and the mean out-of-fold residual within 3.29 standard errors; holds if the upper bound is below 0.3"),
	Remedy:    record.Remedy{Do: "label more responses, or use a judge that follows the oracle more closely"},
	Find:      checkCalibration,
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
	c.Summary = fmt.Sprintf("calibrated on %d labels of P0 (Spearman %.2f, mean residual %.4f); %s", f.N, f.Spearman, f.MeanResidual, testedOn(r, c))
	if c.Status == record.Hold {
		c.Summary = fmt.Sprintf("the judge hardly follows the oracle: Spearman %.2f (97.5%% upper bound %.2f)", f.Spearman, f.SpearmanUpper)
	}
}

// testedOn says on which targets labels of their own tested the calibration,
// and what they found.
func testedOn(r *record.Records, c *record.Finding) string {
	labels := map[dataset.Key]dataset.OracleLabel{}
	for _, l := range r.Labels.All() {
		if l.Label.Valid() && l.DrawIdx == 0 {
			labels[l.Key()] = l
		}
	}
	var untested, tested []string
	for _, a := range r.Arms {
		if a.Role == record.Logging {
			continue
		}
		rows := r.Scores.Of(a.Policy.Name)
		var residuals, weights []float64
		var prompts []string
		for _, p := range r.Prompts.All() {
			l, ok := labels[dataset.Key{PromptID: p.ID, Policy: a.Policy.Name}]
			if s, scored := rows(p.ID); ok && scored && s.Mean.Valid() {
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
		tested = append(tested, fmt.Sprintf("on %s %d labels lie %.3f from it on average (95%% from %.3f to %.3f)", a.Policy.Name, len(residuals), audit.Residual, audit.Lower, audit.Upper))
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
	ID: "policies.ranking", After: "transport", Needs: record.StageJudge,
	Threshold: says("the policy expected to be worst has the lowest mean judge score, and scores below P0 with 97.5% confidence (paired)"),
	Remedy:    record.Remedy{Do: "read responses and scores of that policy: either the judge does not see what is wrong with it, or its prompt has no effect"},
	Find:      checkRanking,
})

func checkRanking(in *Input, c *record.Finding) {
	r := in.Records
	type mean struct {
		name  string
		value float64
	}
	var means []mean
	for _, a := range r.Arms {
		var xs []float64
		for _, s := range r.Scores.AllOf(a.Policy.Name) {
			if s.Mean.Valid() {
				xs = append(xs, s.Mean.OrNaN())
			}
		}
		if len(xs) == 0 {
			c.Status, c.Summary = record.Fail, a.Policy.Name+" has no scores"
			return
		}
		m, _ := record.MeanSD(xs)
		means = append(means, mean{a.Policy.Name, m})
		c.AddFigure(a.Policy.Name+" mean", m, "")
	}
	slices.SortFunc(means, func(a, b mean) int { return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.name, b.name)) })
	order := make([]string, len(means))
	for i, m := range means {
		order[i] = fmt.Sprintf("%s %.3f", m.name, m.value)
	}
	c.Summary = strings.Join(order, " > ")
	if worst := worstCase(r, c); worst != "" {
		c.Summary += "; " + worst
	}
	bad := worstArm(r)
	if bad == nil {
		c.Status = record.Info
		c.Summary += "; no policy is expected to be worse than P0"
		return
	}
	p0, worst := r.Scores.Of(r.Logging().Policy.Name), r.Scores.Of(bad.Policy.Name)
	var a, b []float64
	for _, p := range r.Prompts.All() {
		x, okX := worst(p.ID)
		y, okY := p0(p.ID)
		if okX && okY && x.Mean.Valid() && y.Mean.Valid() {
			a, b = append(a, x.Mean.OrNaN()), append(b, y.Mean.OrNaN())
		}
	}
	d := offpolicy.PairedDifference(a, b)
	c.AddFigure(bad.Policy.Name+" - "+r.Logging().Policy.Name, d.Mean, "")
	c.AddFigure("97.5% upper bound", d.Upper, "")
	c.Status = record.Hold
	if means[len(means)-1].name == bad.Policy.Name && d.Upper < 0 {
		c.Status = record.Pass
	}
}
