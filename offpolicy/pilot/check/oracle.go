package check

import (
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

var _ = add(Check{
	ID: "oracle.range", After: "weights.balance", Needs: record.StageOracle, InPlace: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("every label lies in [0, 1]; at most %.0f%% of those owed missing passes, %.0f%% holds",
			100*in.Thresholds.MissingPass, 100*in.Thresholds.MissingHold)
	},
	Remedy: record.Remedy{Do: "read the errors in oracle.jsonl and fix their cause: the next start labels the failed " +
		"rows again"},
	Find: checkOracleRange,
})

func checkOracleRange(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	have := 0
	var outside, missing []string
	var why causes
	for k, row := range r.Labels.All() {
		if !row.Label.Valid() {
			if !slices.Contains(r.LabelsReplaced, k) {
				why.add(row.Error)
			}
			continue
		}
		have++
		if row.Label.OrNaN() < 0 || row.Label.OrNaN() > 1 {
			outside = append(outside, row.Key().String())
		}
	}
	owed := -len(r.LabelsReplaced)
	for k := range r.LabelsOwed {
		owed++
		if l, _ := r.Labels.Get(k); !l.Label.Valid() && !slices.Contains(r.LabelsReplaced, k) {
			missing = append(missing, k.String())
		}
	}
	c.AddFigure("labels", float64(have), "")
	c.AddFigure("owed", float64(owed), "")
	c.AddFigure("outside [0, 1]", float64(len(outside)), "")
	c.NameRecords(append(slices.Clone(outside), missing...))
	c.Status = shareStatus(len(missing), owed, t.MissingPass, t.MissingHold)
	c.Summary = fmt.Sprintf("%d of %d labels, all in [0, 1]", have, owed)
	if len(missing) > 0 {
		c.Summary = fmt.Sprintf("%s of %d missing: %s; the others are in [0, 1]",
			record.Plural(len(missing), "label", "labels"), owed, record.Some(missing)) + why.String()
	}
	if n := len(r.LabelsReplaced); n > 0 {
		c.AddFigure("without a label, replaced", float64(n), "")
		c.Summary += fmt.Sprintf("; %s could not be labeled and gave way to others at random",
			record.Plural(n, "response", "responses"))
	}
	c.Summary += tellDesign(r, c)
	why.ifCut(c)
	if len(outside) > 0 {
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("%s outside [0, 1]: %s", record.Plural(len(outside), "label", "labels"), record.Some(outside))
	}
}

var _ = add(Check{
	ID: "oracle.distribution", After: "oracle.range", Needs: record.StageOracle,
	OfSample: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the labels' standard deviation is at least %g and no value has more than %.0f%% of them",
			in.Thresholds.LabelSpread, 100*in.Thresholds.LabelTies)
	},
	Remedy: record.Remedy{Do: "labels that do not vary cannot calibrate a judge: sharpen the oracle's rubric or scale"},
	Find:   checkOracleDistribution,
})

func checkOracleDistribution(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
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
		if s, _ := r.Scores.Get(row.Key()); s.Mean.Valid() {
			x, y = append(x, s.Mean.OrNaN()), append(y, v)
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
		c.Summary = fmt.Sprintf("labels average %.3f (sd %.3f), the responses that they stand for %.3f", mean, sd,
			sum/weights)
	}
	if !math.IsNaN(corr) {
		c.Summary += fmt.Sprintf("; rank correlation with the judge %.2f", corr)
	}
	if variance, n := oracle.DuplicateVariance(labeledTwice(r)); n > 0 {
		sd := math.Sqrt(variance.OrNaN())
		c.AddFigure("standard deviation of one response's labels", sd, "")
		c.Summary += fmt.Sprintf("; labels of one response have sd %.3f (%d labeled twice)", sd, n)
	}
	if sd < t.LabelSpread || float64(most)/n > t.LabelTies {
		c.Status, c.Summary = record.Hold,
			fmt.Sprintf("labels hardly vary: sd %.3f, one value has %.0f%% of them", sd, 100*float64(most)/n)
	}
}

// labeledTwice are the labels of the responses that have two.
func labeledTwice(r *record.Records) (out []dataset.OracleLabel) {
	for k, second := range r.Duplicates.All() {
		if first, ok := r.Labels.Get(k); ok {
			out = append(out, first, second)
		}
	}
	return out
}
