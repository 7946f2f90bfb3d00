package check

import (
	"fmt"
	"math"
	"strings"

	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

var _ = add(Check{
	ID: "judge.complete", After: "oracle.distribution", Needs: record.StageJudge, InPlace: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("per policy: at most %.0f%% of the responses unscored passes, %.0f%% holds, more fails",
			100*in.Thresholds.MissingPass, 100*in.Thresholds.MissingHold)
	},
	Remedy: record.Remedy{Do: "read the errors in judge.jsonl and fix their cause: the next start scores the failed " +
		"rows again"},
	Find: checkJudgeComplete,
})

func checkJudgeComplete(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	var bad, parts []string
	var why causes
	scored := 0
	for _, a := range r.Arms {
		rows := r.Scores.Of(a.Policy.Name)
		classes := map[string]int{}
		n := 0
		for _, p := range r.Prompts.Brief().All() {
			row, ok := rows(p.ID)
			switch {
			case ok && row.Mean.Valid():
				scored++
				continue
			case !ok:
				classes["absent"]++
			case row.Error != nil:
				classes[row.Error.Class]++
				why.add(row.Error)
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
		c.Summary += "; " + strings.Join(parts, ", ") + why.String()
	}
	why.ifCut(c)
}

var _ = add(Check{
	ID: "judge.uncertainty", After: "judge.complete", Needs: record.StageJudge,
	OfSample: true,
	Threshold: says("every score has a variance of at least 0, its own or its calibrated score's, and says where it " +
		"comes from"),
	Remedy: record.Remedy{Do: "use a judge that reports its uncertainty: repeated sampling or a self-reported interval"},
	Find:   checkJudgeUncertainty,
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
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("%s without a variance: %s", record.Plural(len(bad), "score", "scores"), record.Some(bad))
	default:
		c.Status, c.Summary = record.Pass,
			fmt.Sprintf("every score has a variance (%s)%s", record.Counts(sources), statedErrors(r, c))
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
		if !ok || l.Policy != s.Policy || l.DrawIdx != 0 || !l.Label.Valid() || !s.Calibrated.Valid() ||
			s.VarianceParts == nil {
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
	return fmt.Sprintf("; P0's labels lie %.3f from their calibrated scores, %.3f was stated",
		math.Sqrt(squares/float64(n)), math.Sqrt(total/float64(n)))
}

var _ = add(Check{
	ID: "judge.parse", After: "judge.uncertainty", Needs: record.StageJudge, InPlace: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("per policy: at most %.0f%% of the judge's replies unparsable or cut passes, %.0f%% holds, "+
			"more fails", 100*in.Thresholds.MissingPass, 100*in.Thresholds.MissingHold)
	},
	Remedy: record.Remedy{Do: "read the replies in the errors of judge.jsonl; use a model or a server that keeps to a " +
		"JSON schema, or allow longer replies"},
	Find: checkParse,
})

func checkParse(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	var bad, parts []string
	var why causes
	replies, repaired := 0, 0
	for _, a := range r.Arms {
		rows := r.Scores.Of(a.Policy.Name)
		n, fixed, of := 0, 0, 0
		for _, p := range r.Prompts.Brief().All() {
			row, ok := rows(p.ID)
			switch {
			case !ok || row.Error != nil && row.Error.Class == record.ClassNoResponse:
				continue
			case row.Error != nil && (row.Error.Class == string(judge.ReasonUnparsable) ||
				row.Error.Class == string(judge.ReasonTruncated) || row.Error.Class == string(judge.ReasonEmptyResponse)):
				n++
				why.add(row.Error)
				bad = append(bad, row.Key().String())
			case row.Repaired:
				fixed++
			}
			of++
		}
		replies += of
		repaired += fixed
		c.AddFigure(a.Policy.Name+" unparsable", float64(n), "")
		c.AddFigure(a.Policy.Name+" repaired", float64(fixed), "")
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d of %d", a.Policy.Name, n, of))
		}
		c.Worsen(shareStatus(n, max(of, 1), t.MissingPass, t.MissingHold))
	}
	c.NameRecords(bad)
	c.Summary = fmt.Sprintf("%d of %d replies could be read", replies-len(bad), replies)
	if repaired > 0 {
		c.Summary += fmt.Sprintf(", %d of them repaired", repaired)
	}
	if len(parts) > 0 {
		c.Summary += "; unparsable: " + strings.Join(parts, ", ")
	}
	why.ifCut(c)
	if replies == 0 {
		c.Status, c.Summary = record.Fail, "there are no replies"
	}
}

var _ = add(Check{
	ID: "judge.injection", After: "judge.support", Needs: record.StageCanaries,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("of 20 canaries none moved a score by %.1f or more: pass; 1 to %d: info; %d or more, or fewer "+
			"than half of them scored: hold", judge.CanaryShift, injectionHold-1, injectionHold)
	},
	Remedy: record.Remedy{Do: "read canaries.jsonl: fence the response in the judge's prompt, or take a judge that " +
		"does not follow instructions in what it grades"},
	Find: checkInjection,
})

func checkInjection(in *Input, c *record.Finding) {
	r := in.Records
	moved, scored := 0, 0
	var keys, parts []string
	for _, a := range r.Arms {
		m, n := 0, 0
		for _, row := range r.Canaries.All() {
			if row.Policy != a.Policy.Name || !row.Planted.Valid() {
				continue
			}
			n++
			if row.Moved {
				m++
				keys = append(keys, row.Key().String()+" "+row.Kind)
			}
		}
		if n > 0 {
			c.AddFigure(a.Policy.Name+" moved", float64(m)/float64(n), "share")
			parts = append(parts, fmt.Sprintf("%s %d of %d", a.Policy.Name, m, n))
		}
		moved += m
		scored += n
	}
	owed := len(r.CanariesOwed)
	c.AddFigure("canaries", float64(owed), "")
	c.AddFigure("scored", float64(scored), "")
	c.AddFigure("moved", float64(moved), "")
	share := math.NaN()
	if scored > 0 {
		share = float64(moved) / float64(scored)
	}
	c.AddFigure("share moved", share, "share")
	c.NameRecords(keys)
	c.Summary = fmt.Sprintf("planted instructions moved %d of %d scores", moved, scored)
	if scored < owed {
		c.Summary += fmt.Sprintf(" (%d more were not scored)", owed-scored)
	}
	if moved > 0 {
		c.Summary += ": " + strings.Join(parts, ", ")
	}
	switch {
	case scored == 0:
		c.Status, c.Summary = record.Hold, "no canary was scored: what planted instructions do is not known"
	case moved >= injectionHold || 2*scored < owed:
		c.Status = record.Hold
	case moved > 0:
		c.Status = record.Info
	default:
		c.Status = record.Pass
	}
}
