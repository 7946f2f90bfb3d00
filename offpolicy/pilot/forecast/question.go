package forecast

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// plan adds to a projection whether the run that it projects to would
// answer, and what less would.
func plan(rec *record.Records, out *record.Projection) {
	out.Resolution, out.Questions = dataset.Known(rec.Resolution), []record.Question{}
	p0 := rec.Logging().Policy.Name
	switch {
	case rec.Evaluation == nil:
		out.Answer = "Whether the full run would answer is not known: " + rec.EvaluationError + "."
		return
	case rec.Full < rec.Prompts.Len():
		out.Answer = fmt.Sprintf("This run is larger than the full one of %s.", record.Plural(rec.Full, "prompt", "prompts"))
		return
	}
	pl := &planner{rec: rec, n: rec.Prompts.Len(), most: rec.Full, logged: rec.Evaluation.Planning()}
	if held := rec.Input.Held; held > 0 {
		pl.most = max(pl.n, min(rec.Full, held))
	}
	if pl.logged.Assurance = rec.Assurance; rec.Assurance > 0 {
		out.Assurance = dataset.Known(rec.Assurance)
	}
	if pl.logged.Labels < 3 || !(pl.logged.LabelSD > 0) {
		out.Answer = fmt.Sprintf("Whether the full run would answer is not known: it takes labels of %s that differ, here "+
			"are %d.", p0, pl.logged.Labels)
		return
	}
	pl.share = float64(pl.logged.Labels) / float64(pl.n)
	took := perPrompt(rec)
	pl.prompt, _ = record.MeanSD(took.usd)
	pl.promptInBatch = math.NaN()
	if took.saved != nil {
		saved, _ := record.MeanSD(took.saved)
		pl.promptInBatch = pl.prompt - saved
	}
	pl.label, pl.labelInBatch = rec.LabelUSD()
	out.FurtherUSD, out.FurtherBatchUSD = pl.dollars(rec.Full, 0)

	out.Questions = append(out.Questions, pl.askLogging(p0))
	for _, a := range rec.Targets() {
		out.Questions = append(out.Questions, pl.ask(a.Policy.Name))
	}
	out.Cheapest = pl.cheapest()
	out.Answered = true
	for _, q := range out.Questions {
		seen := math.NaN()
		if p := rec.Evaluation.Policy(q.Policy); p != nil {
			seen = pl.seen(q.Policy, p.Answer.Estimator)
		}
		out.Answered = out.Answered && seen <= rec.Resolution
	}
	out.Answer = pl.inWords(out)
	out.Notes = append(out.Notes, fmt.Sprintf("widths to come are about: a target without %d labels of its own is "+
		"taken to vary as its calibrated scores do, and around them as %s's labels do, which %d labels tell to ±%.0f%%",
		offpolicy.MinProbes, p0, pl.logged.Labels, 100/math.Sqrt(2*float64(pl.logged.Labels))),
		fmt.Sprintf("two values known to ±%s are told apart where they differ by about %.2g or more (power 0.8; at worst, "+
			"by unpaired differences)", record.HalfWidth(rec.Resolution), toldApart(rec.Resolution)))
	if pairs := pl.detectable(rec.Full); len(pairs) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("prompt by prompt, with labels in proportion, the full run shows "+
			"differences (power 0.8): %s", strings.Join(pairs, ", ")))
	}
}

func (pl *planner) askLogging(p0 string) record.Question {
	w := pl.logging(pl.rec.Full)
	q := record.Question{Policy: p0, FullRun: record.OutlookNo, By: string(offpolicy.DR), HalfWidth: dataset.Known(w),
		Reason: "by its labels", Difference: record.MeanOf(nil)}
	if w <= pl.rec.Resolution {
		q.FullRun = record.OutlookYes
	}
	if pl.logging(pl.most) <= pl.rec.Resolution {
		least := pl.fewest(pl.logging)
		q.Cheapest = pl.design(offpolicy.DR, least, 0, 0, pl.logging(least))
	}
	return q
}

// difference is that of the judge's scores, a target's minus P0's, prompt by
// prompt.
func (pl *planner) difference(policy string) record.Quantity {
	own, base := pl.rec.Scores.Of(policy), pl.rec.Scores.Of(pl.rec.Logging().Policy.Name)
	var d []float64
	for _, p := range pl.rec.Prompts.Brief().All() {
		a, okA := own(p.ID)
		b, okB := base(p.ID)
		if okA && okB && a.Mean.Valid() && b.Mean.Valid() {
			d = append(d, float64(a.Mean.OrNaN()-b.Mean.OrNaN()))
		}
	}
	return record.MeanOf(d)
}

// ask says of one target what the full run would give, by its own labels if
// that run has enough of them, else by weights; and what less would.
func (pl *planner) ask(policy string) record.Question {
	q := record.Question{Policy: policy, FullRun: record.OutlookNo, Difference: pl.difference(policy)}
	byLabels, has, want := pl.own(policy), pl.has(policy), pl.rec.Resolution
	if has >= offpolicy.MinProbes {
		q.By, q.HalfWidth = string(offpolicy.Direct), dataset.Known(byLabels.DirectHalfWidth(pl.rec.Full, has))
		q.Reason = fmt.Sprintf("by the %d labels of its own", has)
		if q.HalfWidth.OrNaN() <= want {
			q.FullRun = record.OutlookYes
		}
	}
	width, sure, refused := pl.weights(policy)
	if q.FullRun != record.OutlookYes {
		pl.askWeights(&q, width, sure, refused)
	}
	if n, m := pl.labeled([]string{policy}, []string{policy}, pl.n); n > 0 {
		q.Cheapest = pl.design(offpolicy.Direct, n, m, max(0, m-has), byLabels.DirectHalfWidth(n, m))
	}
	if sure {
		kept := func(n int) float64 { return width(n, keptESS) }
		if n := pl.fewest(kept); kept(n) <= want {
			if d := pl.design(offpolicy.DR, n, 0, 0, kept(n)); q.Cheapest == nil || d.USD.OrNaN() < q.Cheapest.USD.OrNaN() {
				q.Cheapest = d
			}
		}
	}
	return q
}

// askWeights answers by dr, whose width in a larger run has a bound from below
// alone: a sample does not see the weights' tail. Where even a quarter of a usable
// sample's relative ESS would do, it is taken to answer.
func (pl *planner) askWeights(q *record.Question, width func(n int, part float64) float64, sure bool, refused string) {
	full, want := pl.rec.Full, pl.rec.Resolution
	least := math.Inf(1)
	if refused == "" {
		least = width(full, 1)
	}
	switch {
	case refused != "":
		refused = "weights: " + refused
	case math.IsInf(least, 1):
		refused = fmt.Sprintf("weights: too few effective responses among %s prompts", record.Count(full))
	case sure && width(full, keptESS) <= want:
		q.FullRun, q.By, q.HalfWidth, q.Reason = record.OutlookYes, string(offpolicy.DR), dataset.Known(least),
			"by weights and judge, also at a quarter of the sample's relative ESS"
		return
	case least <= want:
		q.FullRun, q.By, q.HalfWidth, q.Reason = record.OutlookAtBest, string(offpolicy.DR), dataset.Known(least),
			"by weights and judge; the weights' tail a sample does not see: no promise"
		return
	default:
		refused = fmt.Sprintf("weights give ±%.3f at best", least)
		if !q.HalfWidth.Valid() {
			q.By, q.HalfWidth = string(offpolicy.DR), dataset.Known(least)
		}
	}
	if q.Reason != "" {
		refused = q.Reason + "; " + refused
	}
	q.Reason = refused
}

// cheapest is the cheapest run found that answers for P0 and every target.
func (pl *planner) cheapest() *record.LargerRun {
	if !(pl.logging(pl.most) <= pl.rec.Resolution) {
		return nil
	}
	least := pl.fewest(pl.logging)
	if len(pl.rec.Targets()) == 0 {
		return pl.design(offpolicy.DR, least, 0, 0, pl.logging(least))
	}
	var names, probed []string // clones get as many labels as the targets
	for _, a := range pl.rec.Arms {
		if a.Role != record.Logging {
			probed = append(probed, a.Policy.Name)
		}
	}
	sure := true
	byWeights := least
	for _, a := range pl.rec.Targets() {
		name := a.Policy.Name
		names = append(names, name)
		width, usable, _ := pl.weights(name)
		if !usable || !(width(pl.most, keptESS) <= pl.rec.Resolution) {
			sure = false
			continue
		}
		byWeights = max(byWeights, pl.fewest(func(n int) float64 { return width(n, keptESS) }))
	}
	var out *record.LargerRun
	if n, m := pl.labeled(names, probed, least); n > 0 {
		widest := 0.0
		for _, t := range names {
			widest = max(widest, pl.own(t).DirectHalfWidth(n, m))
		}
		out = pl.design(offpolicy.Direct, n, m, pl.more(probed, m), widest)
	}
	if sure {
		if d := pl.design(offpolicy.DR, byWeights, 0, 0, pl.rec.Resolution); out == nil || d.USD.OrNaN() < out.USD.OrNaN() {
			out = d
		}
	}
	return out
}

// inWords answers the two questions in a few sentences.
func (pl *planner) inWords(p *record.Projection) string {
	s := fmt.Sprintf("A policy counts as answered when its 95%% interval is ±%s or narrower. The full run, %s more, "+
		"would answer %s.", record.HalfWidth(p.Resolution.OrNaN()), record.Dollars(p.FurtherUSD), p.Gives())
	switch d := p.Cheapest; {
	case p.Answered:
		s += " This sample answers for all of them already."
	case d == nil:
		s += fmt.Sprintf(" No run of up to %s prompts is known to answer for all of them.", record.Count(pl.most))
	case d.Prompts == p.Prompts && d.Labels == 0:
		s += " No smaller run does."
	default:
		s += fmt.Sprintf(" The cheapest run that should answer for all of them has %s. It costs %s more and gives %s.",
			d.Words(pl.n), record.Dollars(d.USD), p.Promise(d.HalfWidth))
	}
	return s + pl.tooClose(p)
}

// detectable are the smallest differences of pairs that a run of n prompts shows, as the
// sample's own say; nil if it compares none.
func (pl *planner) detectable(n int) []string {
	var out []string
	for i := range pl.rec.Evaluation.Comparisons {
		c := &pl.rec.Evaluation.Comparisons[i]
		if d := c.Detectable(n, .8, pl.rec.Assurance); !math.IsNaN(d) && !c.AA {
			out = append(out, fmt.Sprintf("%s - %s from %.2g", c.A, c.B, d))
		}
	}
	return out
}

// toldApart is the smallest difference of two values, each known to that
// half-width, that shows at the 5% level with power 0.8, were they not paired.
func toldApart(halfWidth float64) float64 {
	return offpolicy.DetectableDifference(math.Sqrt2*halfWidth/distuv.UnitNormal.Quantile(.975), 1, 0.8)
}

// tooClose are the targets that the resolution does not tell from P0, by what the
// judge sees between them, and the resolution that would.
func (pl *planner) tooClose(p *record.Projection) string {
	var names []string
	least := math.Inf(1)
	for _, q := range p.Questions {
		if d := math.Abs(q.Difference.Value.OrNaN()); d < toldApart(pl.rec.Resolution) {
			names = append(names, fmt.Sprintf("%s (%.3f to the judge)", q.Policy, d))
			least = min(least, d)
		}
	}
	if len(names) == 0 {
		return ""
	}
	s := fmt.Sprintf(" That does not tell these apart from P0: %s", strings.Join(names, ", "))
	if w := pl.rec.Resolution * least / toldApart(pl.rec.Resolution); w > 0 {
		s += fmt.Sprintf("; ±%s would, if the judge is right", record.HalfWidth(w))
	}
	return s + "."
}
