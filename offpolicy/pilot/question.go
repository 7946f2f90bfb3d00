package pilot

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// defaultResolution is the half-width at which a policy's value counts as
// answered where a run does not say.
const defaultResolution = 0.02

// The answers to whether a full run would give a policy's value.
const (
	answersYes    = "yes"     // as far as a sample can tell
	answersAtBest = "at best" // the bound from below is narrow enough, which promises nothing
	answersNo     = "no"
)

// planner plans runs that extend the sample. What it says of widths rests on the
// sample's labels, and on the assumption that more of the same population comes.
type planner struct {
	rec    *Records
	n      int
	logged offpolicy.Pilot
	share  float64 // of P0's responses that are labelled
	// Dollars of one more prompt, and of one more label, by single calls and in
	// batches.
	prompt, promptInBatch, label, labelInBatch float64
}

// plan adds to a projection whether the run that it projects to would
// answer, and what less would.
func plan(rec *Records, out *Projection) {
	out.Resolution, out.Questions = dataset.Float(rec.Resolution), []Question{}
	p0 := rec.logging().Policy.Name
	if rec.Evaluation == nil || rec.Full < len(rec.Prompts) || !(rec.Resolution > 0) {
		out.Answer = "Whether the full run would answer is not known: " + rec.EvaluationError + "."
		return
	}
	pl := &planner{rec: rec, n: len(rec.Prompts), logged: rec.Evaluation.Pilot()}
	if pl.logged.Labels < 3 || !(pl.logged.LabelSD > 0) {
		out.Answer = fmt.Sprintf("Whether the full run would answer is not known: it takes labels of %s that differ, here are %d.", p0, pl.logged.Labels)
		return
	}
	pl.share = float64(pl.logged.Labels) / float64(pl.n)
	took := rec.perPrompt()
	pl.prompt, _ = meanSD(took.usd)
	pl.promptInBatch = math.NaN()
	if took.saved != nil {
		saved, _ := meanSD(took.saved)
		pl.promptInBatch = pl.prompt - saved
	}
	pl.label, pl.labelInBatch = rec.labelUSD()
	out.FurtherUSD, out.FurtherBatchUSD = pl.dollars(rec.Full, 0)

	out.Questions = append(out.Questions, pl.askLogging(p0))
	for _, a := range rec.targets() {
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
	out.Notes = append(out.Notes, fmt.Sprintf("widths to come are about: they take a target without %d labels of its own to vary as %s's labels do, which %d labels tell to ±%.0f%%",
		offpolicy.MinProbes, p0, pl.logged.Labels, 100/math.Sqrt(2*float64(pl.logged.Labels))),
		fmt.Sprintf("two values known to ±%s are told apart where they differ by about %.2g or more (power 0.8; at worst, by unpaired differences)", short(rec.Resolution), toldApart(rec.Resolution)))
}

// dollars are what a run of n prompts with more labels of the targets' own costs
// beyond what is spent already, by single calls and in batches.
func (pl *planner) dollars(n, labels int) (usd, batch dataset.Float) {
	add := func(prompt, label float64) dataset.Float {
		sum := float64(n-pl.n) * prompt
		if labels > 0 {
			sum += float64(labels) * label
		}
		return dataset.Float(sum)
	}
	return add(pl.prompt, pl.label), add(pl.promptInBatch, pl.labelInBatch)
}

// logging is the half-width of P0's value from n prompts.
func (pl *planner) logging(n int) float64 {
	m := int(math.Round(pl.share * float64(n)))
	if m < 3 {
		return math.Inf(1)
	}
	return pl.logged.LoggingHalfWidth(n, min(m, n))
}

func (pl *planner) askLogging(p0 string) Question {
	w := pl.logging(pl.rec.Full)
	q := Question{Policy: p0, FullRun: answersNo, By: string(offpolicy.DR), HalfWidth: dataset.Float(w), Reason: "by its labels", Difference: interval(nil)}
	if w <= pl.rec.Resolution {
		q.FullRun = answersYes
		q.Cheapest = pl.design(offpolicy.DR, pl.fewest(pl.logging), 0, 0, pl.logging)
	}
	return q
}

// difference is that of the judge's scores, a target's minus P0's, prompt by
// prompt.
func (pl *planner) difference(policy string) Interval {
	own, base := pl.rec.scoresOf(policy), pl.rec.scoresOf(pl.rec.logging().Policy.Name)
	var d []float64
	for _, p := range pl.rec.Prompts {
		a, okA := own[p.ID]
		b, okB := base[p.ID]
		if okA && okB && a.Mean.Valid() && b.Mean.Valid() {
			d = append(d, float64(a.Mean-b.Mean))
		}
	}
	return interval(d)
}

// fewest is the smallest run, no larger than the full one, whose half-width is
// narrow enough; that of the full run has to be.
func (pl *planner) fewest(width func(n int) float64) int {
	return pl.n + sort.Search(pl.rec.Full-pl.n, func(i int) bool { return width(pl.n+i) <= pl.rec.Resolution })
}

func (pl *planner) design(by offpolicy.Estimator, n, labels, more int, width func(n int) float64) *Design {
	d := &Design{By: string(by), Prompts: n, Labels: labels, HalfWidth: dataset.Float(width(n))}
	d.USD, d.BatchUSD = pl.dollars(n, more)
	return d
}

// ask says of one target what the full run would give, by its own labels if
// that run has enough of them, else by weights; and what less would.
func (pl *planner) ask(policy string) Question {
	q := Question{Policy: policy, FullRun: answersNo, HalfWidth: dataset.Missing(), Difference: pl.difference(policy)}
	byLabels, has, want := pl.own(policy), pl.has(policy), pl.rec.Resolution
	if has >= offpolicy.MinProbes {
		q.By, q.HalfWidth = string(offpolicy.Direct), dataset.Float(byLabels.DirectHalfWidth(pl.rec.Full, has))
		q.Reason = fmt.Sprintf("by the %d labels of its own", has)
		if float64(q.HalfWidth) <= want {
			q.FullRun = answersYes
		}
	}
	width, sure, refused := pl.weights(policy)
	if q.FullRun != answersYes {
		pl.askWeights(&q, width, sure, refused)
	}
	if n, m := pl.labelled([]string{policy}, []string{policy}, pl.n); n > 0 {
		q.Cheapest = pl.design(offpolicy.Direct, n, m, max(0, m-has), func(n int) float64 { return byLabels.DirectHalfWidth(n, m) })
	}
	if sure {
		kept := func(n int) float64 { return width(n, keptESS) }
		if n := pl.fewest(kept); kept(n) <= want {
			if d := pl.design(offpolicy.DR, n, 0, 0, kept); q.Cheapest == nil || d.USD < q.Cheapest.USD {
				q.Cheapest = d
			}
		}
	}
	return q
}

// askWeights answers by dr, whose width in a larger run has a bound from below
// alone: a sample does not see the weights' tail. Where even a quarter of a usable
// sample's relative ESS would do, it is taken to answer.
func (pl *planner) askWeights(q *Question, width func(n int, part float64) float64, sure bool, refused string) {
	full, want := pl.rec.Full, pl.rec.Resolution
	least := math.Inf(1)
	if refused == "" {
		least = width(full, 1)
	}
	switch {
	case refused != "":
		refused = "weights: " + refused
	case math.IsInf(least, 1):
		refused = fmt.Sprintf("weights: too few effective responses among %s prompts", count(full))
	case sure && width(full, keptESS) <= want:
		q.FullRun, q.By, q.HalfWidth, q.Reason = answersYes, string(offpolicy.DR), dataset.Float(least), "by weights, also at a quarter of the sample's relative ESS"
		return
	case least <= want:
		q.FullRun, q.By, q.HalfWidth, q.Reason = answersAtBest, string(offpolicy.DR), dataset.Float(least), "by weights, whose tail a sample does not see: no promise"
		return
	default:
		refused = fmt.Sprintf("weights give ±%.3f at best", least)
		if !q.HalfWidth.Valid() {
			q.By, q.HalfWidth = string(offpolicy.DR), dataset.Float(least)
		}
	}
	if q.Reason != "" {
		refused = q.Reason + "; " + refused
	}
	q.Reason = refused
}

// weights returns the half-width by dr from n prompts at a part of the sample's
// relative ESS, infinite where a run of n is refused; or why no run up to the full
// one gives any. sure is false where the sample's own weights are refused: a
// larger sample may mend that, and mostly does not.
func (pl *planner) weights(policy string) (width func(n int, part float64) float64, sure bool, refused string) {
	for _, a := range pl.rec.Arms {
		if (a.Policy.Name == policy || a.Role == Logging) && !pl.rec.certified(a.Policy) {
			return nil, false, "no certificate of the endpoint's log-probs"
		}
	}
	d, _ := pl.rec.logRatios(policy)
	w, err := offpolicy.NewWeights(d)
	switch {
	case err != nil:
		return nil, false, err.Error()
	case pl.rec.rawPairs(policy) > 0:
		return nil, false, "log-probs of another temperature than the policy's own"
	case w.N < 2 || !(w.ESS > 0):
		return nil, false, "there are none"
	case w.LogEValue >= math.Log(offpolicy.MaxEValue):
		return nil, false, "noisy or wrong log-probs"
	case w.Divergence > math.Log(float64(pl.rec.Full)/10):
		return nil, false, fmt.Sprintf("divergence about %.1f nats, refused below %s prompts", w.Divergence, enough(w.Divergence))
	}
	if sure = w.Usable(); !sure {
		_, sd := meanSD(d)
		if share := offpolicy.GatePower(sd, pl.rec.Full, gateRuns, 1); share >= 0.5 {
			return nil, false, fmt.Sprintf("were log w normal with the sample's sd of %.1f, %.0f%% of runs of %s prompts would be refused", sd, 100*share, count(pl.rec.Full))
		}
	}
	return func(n int, part float64) float64 {
		m := int(math.Round(pl.share * float64(n)))
		if w.Divergence > math.Log(float64(n)/10) || m < 3 {
			return math.Inf(1)
		}
		return pl.logged.DRHalfWidth(n, min(m, n), min(1, part*w.ESS/float64(w.N)))
	}, sure, ""
}

// keptESS is the part of a usable sample's relative ESS that a larger run is
// taken to keep: of 100 rows whose log w is normal with a standard deviation of up
// to 1.2, all do, and of those at 1.5 that are usable, which few are, nearly all.
const keptESS = 1.0 / 4

// gateRuns is how many runs are simulated to see whether weights are refused.
const gateRuns = 20

// enough is the number of prompts from which a divergence is not refused.
func enough(nats float64) string {
	n := 10 * math.Exp(nats)
	if n > 1e9 {
		return fmt.Sprintf("%.0e", n)
	}
	step := math.Pow(10, math.Floor(math.Log10(n))-1)
	return count(int(math.Ceil(n/step) * step))
}

// own is how a target's labels vary, and how much of that the calibrated judge
// explains: of its own labels where there are enough, else as P0's do. Where the
// sample gives its value by them, the two are such that they say the same width.
func (pl *planner) own(policy string) offpolicy.Pilot {
	scores := pl.rec.scoresOf(policy)
	var y, e []float64
	for _, l := range pl.rec.Labels {
		if s, ok := scores[l.PromptID]; ok && l.Policy == policy && l.Label.Valid() && s.Calibrated.Valid() {
			y, e = append(y, float64(l.Label)), append(e, float64(l.Label-s.Calibrated))
		}
	}
	_, sd := meanSD(y)
	_, rest := meanSD(e)
	if len(y) < offpolicy.MinProbes || !(sd > 0) {
		return pl.logged
	}
	out := offpolicy.Pilot{Labels: len(y), LabelSD: sd, ResidualSD: min(rest, sd)}
	if seen := pl.seen(policy, offpolicy.Direct); seen > 0 {
		off := seen / out.DirectHalfWidth(pl.n, len(y))
		out.LabelSD *= off
		out.ResidualSD *= off
	}
	return out
}

// seen is the half-width that the sample itself gives; NaN where it gives none.
func (pl *planner) seen(policy string, by offpolicy.Estimator) float64 {
	if p := pl.rec.Evaluation.Policy(policy); p != nil {
		if e := p.Estimate(by); e != nil && !e.Refused() {
			return (e.Upper - e.Lower) / 2
		}
	}
	return math.NaN()
}

// labelled is the cheapest run, no larger than the full one, in which m labels of
// each target's own responses give all of them, and no smaller than from; n is 0
// where none does. Paid are the policies that get labels.
func (pl *planner) labelled(targets, paid []string, from int) (n, m int) {
	pilots := make([]offpolicy.Pilot, len(targets))
	for i, t := range targets {
		pilots[i] = pl.own(t)
	}
	at := func(n int) (most int, cost float64) {
		for _, p := range pilots {
			k := offpolicy.MinProbes + sort.Search(n-offpolicy.MinProbes+1, func(i int) bool {
				return p.DirectHalfWidth(n, offpolicy.MinProbes+i) <= pl.rec.Resolution
			})
			most = max(most, k)
		}
		if most > n {
			return 0, math.Inf(1)
		}
		usd, _ := pl.dollars(n, pl.more(paid, most))
		if !usd.Valid() {
			usd = dataset.Float(n) // no price: the fewest prompts
		}
		return most, float64(usd)
	}
	best := math.Inf(1)
	for k := max(from, offpolicy.MinProbes); k <= pl.rec.Full; k += 1 + k/25 {
		if labels, cost := at(k); cost < best {
			n, m, best = k, labels, cost
		}
	}
	return n, m
}

// more counts the labels that policies lack for m each.
func (pl *planner) more(policies []string, m int) int {
	n := 0
	for _, p := range policies {
		n += max(0, m-pl.has(p))
	}
	return n
}

// has counts the labels that a target's own responses have.
func (pl *planner) has(policy string) int {
	n := 0
	for _, l := range pl.rec.Labels {
		if l.Policy == policy && l.Label.Valid() {
			n++
		}
	}
	return n
}

// cheapest is the cheapest run found that answers for P0 and every target.
func (pl *planner) cheapest() *Design {
	if len(pl.rec.targets()) == 0 || !(pl.logging(pl.rec.Full) <= pl.rec.Resolution) {
		return nil
	}
	least := pl.fewest(pl.logging)
	var names, probed []string // clones get as many labels as the targets
	for _, a := range pl.rec.Arms {
		if a.Role != Logging {
			probed = append(probed, a.Policy.Name)
		}
	}
	sure := true
	byWeights := least
	for _, a := range pl.rec.targets() {
		name := a.Policy.Name
		names = append(names, name)
		width, usable, _ := pl.weights(name)
		if !usable || !(width(pl.rec.Full, keptESS) <= pl.rec.Resolution) {
			sure = false
			continue
		}
		byWeights = max(byWeights, pl.fewest(func(n int) float64 { return width(n, keptESS) }))
	}
	var out *Design
	if n, m := pl.labelled(names, probed, least); n > 0 {
		widest := 0.0
		for _, t := range names {
			widest = max(widest, pl.own(t).DirectHalfWidth(n, m))
		}
		out = pl.design(offpolicy.Direct, n, m, pl.more(probed, m), func(int) float64 { return widest })
	}
	if sure {
		if d := pl.design(offpolicy.DR, byWeights, 0, 0, func(int) float64 { return pl.rec.Resolution }); out == nil || d.USD < out.USD {
			out = d
		}
	}
	return out
}

// inWords answers the two questions in a few sentences.
func (pl *planner) inWords(p *Projection) string {
	by := map[string][]string{}
	for _, q := range p.Questions {
		by[q.FullRun] = append(by[q.FullRun], q.Policy)
	}
	var parts []string
	for _, k := range []struct{ answer, words string }{
		{answersYes, "%s"}, {answersAtBest, "at best, which promises nothing, %s"}, {answersNo, "not %s"},
	} {
		if names := by[k.answer]; len(names) > 0 {
			parts = append(parts, fmt.Sprintf(k.words, strings.Join(names, ", ")))
		}
	}
	s := fmt.Sprintf("Each policy's value is wanted to ±%s. The full run, %s more, would give %s.", short(float64(p.Resolution)), dollarWords(p.FurtherUSD), strings.Join(parts, "; "))
	switch d := p.Cheapest; {
	case p.Answered:
		s += " This sample gives all of them already."
	case d == nil:
		s += fmt.Sprintf(" No run of up to %s prompts is known to answer for all of them.", count(p.Prompts))
	case d.Prompts == p.Prompts && d.Labels == 0:
		s += " No smaller one does."
	default:
		s += fmt.Sprintf(" The cheapest run found that is expected to answer for all of them: %s, %s more, for about ±%s.", d.words(pl.n), dollarWords(d.USD), short(float64(d.HalfWidth)))
	}
	return s + pl.tooClose(p)
}

// toldApart is the smallest difference of two values, each known to that
// half-width, that shows at the 5% level with power 0.8, were they not paired.
func toldApart(halfWidth float64) float64 {
	return offpolicy.DetectableDifference(math.Sqrt2*halfWidth/distuv.UnitNormal.Quantile(.975), 1, 0.8)
}

// tooClose are the targets that the resolution does not tell from P0, by what the
// judge sees between them, and the resolution that would.
func (pl *planner) tooClose(p *Projection) string {
	var names []string
	least := math.Inf(1)
	for _, q := range p.Questions {
		if d := math.Abs(float64(q.Difference.Value)); d < toldApart(pl.rec.Resolution) {
			names = append(names, fmt.Sprintf("%s (%.3f to the judge)", q.Policy, d))
			least = min(least, d)
		}
	}
	if len(names) == 0 {
		return ""
	}
	s := fmt.Sprintf(" That does not tell apart from P0: %s", strings.Join(names, ", "))
	if w := pl.rec.Resolution * least / toldApart(pl.rec.Resolution); w > 0 {
		s += fmt.Sprintf("; ±%s would, if it is so in truth", short(w))
	}
	return s + "."
}

// words says what a design is.
func (d *Design) words(n int) string {
	s := plural(d.Prompts, "prompt", "prompts")
	if d.Prompts == n {
		s = "the same " + s
	}
	if d.Labels > 0 {
		s += fmt.Sprintf(" with %d labels of each target's own responses", d.Labels)
	}
	return s
}

func dollarWords(usd dataset.Float) string {
	if !usd.Valid() {
		return "at an unknown price"
	}
	return fmt.Sprintf("about $%.2f", float64(usd))
}

// extend fills in the commands of the runs that a projection names, by what is
// spent already.
func (p *Projection) extend(command func(prompts, probes int, usd float64) string, probes int, spent float64) {
	if command == nil || p.Prompts == 0 {
		return
	}
	p.Command = command(p.Prompts, probes, spent+float64(p.FurtherUSD))
	if d := p.Cheapest; d != nil {
		d.Command = command(d.Prompts, max(d.Labels, probes), spent+float64(d.USD))
	}
}

// short is a half-width in two digits.
func short(x float64) string { return strconv.FormatFloat(x, 'g', 2, 64) }
