package forecast

import (
	"fmt"
	"math"
	"sort"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/memo"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// planner plans runs that extend the sample. What it says of widths rests on the
// sample's labels, and on the assumption that more of the same population comes.
type planner struct {
	rec    *record.Records
	n      int
	most   int // prompts of a run that could be started: the full one's, or all that the input holds
	logged offpolicy.Planning
	share  float64 // of P0's responses that are labeled
	// Dollars of one more prompt, and of one more label, by single calls and in
	// batches.
	prompt, promptInBatch, label, labelInBatch float64

	labels map[string]int // see has
}

// dollars are what a run of n prompts with more labels of the targets' own costs
// beyond what is spent already, by single calls and in batches.
func (pl *planner) dollars(n, labels int) (usd, batch dataset.Float) {
	add := func(prompt, label float64) dataset.Float {
		sum := float64(n-pl.n) * prompt
		if labels > 0 {
			sum += float64(labels) * label
		}
		return dataset.Known(sum)
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

// fewest is the smallest run whose half-width is narrow enough; that of the largest one
// has to be.
func (pl *planner) fewest(width func(n int) float64) int {
	return pl.n + sort.Search(pl.most-pl.n, func(i int) bool { return width(pl.n+i) <= pl.rec.Resolution })
}

func (pl *planner) design(by offpolicy.Estimator, n, labels, more int, halfWidth float64) *record.LargerRun {
	d := &record.LargerRun{By: string(by), Prompts: n, Labels: labels, HalfWidth: dataset.Known(halfWidth)}
	d.USD, d.BatchUSD = pl.dollars(n, more)
	return d
}

// weights returns the half-width by dr from n prompts at a part of the sample's
// relative ESS, infinite where a run of n is refused; or why no run up to the full
// one gives any. sure is false where the sample's own weights are refused: a
// larger sample may fix that, and mostly does not.
func (pl *planner) weights(policy string) (width func(n int, part float64) float64, sure bool, refused string) {
	for _, a := range pl.rec.Arms {
		if (a.Policy.Name == policy || a.Role == record.Logging) && !pl.rec.Certified(a.Policy) {
			return nil, false, "no certificate of the endpoint's log-probs"
		}
	}
	target := pl.rec.Weights(policy)
	w, err := target.Weights, target.Err
	switch {
	case err != nil:
		return nil, false, err.Error()
	case target.Raw > 0:
		return nil, false, "log-probs of another temperature than the policy's own"
	case w.Open > offpolicy.MaxOpen:
		return nil, false, fmt.Sprintf("log-probs that are known as intervals leave %.0f%% of the weight open", 100*w.Open)
	case w.N < 2 || !(w.ESS > 0):
		return nil, false, "there are none"
	case w.Unseen > 1-offpolicy.MinMass: // no larger run shows it either
		return nil, false, fmt.Sprintf("P0's filters exclude about %.0f%% of what the policy says", 100*w.Unseen)
	case w.LogEValue >= math.Log(offpolicy.MaxEValue):
		return nil, false, "noisy or wrong log-probs"
	case w.Divergence > math.Log(float64(pl.rec.Full)/10):
		return nil, false, fmt.Sprintf("divergence about %.1f nats, refused below %s prompts", w.Divergence,
			enough(w.Divergence))
	}
	if sure = w.Usable(); !sure {
		_, sd := record.MeanSD(target.Summary.LogWeights)
		if share := gatePower(sd, pl.rec.Full); share >= 0.5 {
			return nil, false, fmt.Sprintf("were log w normal with the sample's sd of %.1f, %.0f%% of runs of %s prompts "+
				"would be refused", sd, 100*share, record.Count(pl.rec.Full))
		}
	}
	weighted := pl.rec.Evaluation.WeightedPlanning(policy)
	if weighted.Assurance = pl.logged.Assurance; math.IsNaN(weighted.LabelSD) {
		weighted = pl.logged
	}
	return func(n int, part float64) float64 {
		m := int(math.Round(pl.share * float64(n)))
		if w.Divergence > math.Log(float64(n)/10) || m < 3 {
			return math.Inf(1)
		}
		return weighted.DRHalfWidth(n, min(m, n), min(1, part*w.ESS/float64(w.N)))
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
	return record.Count(int(math.Ceil(n/step) * step))
}

// own is how a target's labels vary, and how much of that the calibrated judge
// explains: of its own labels where there are enough, else as its calibrated scores
// do, and around these as P0's labels do around theirs. Where the sample gives its
// value by its labels, the two are such that they say the same width.
func (pl *planner) own(policy string) offpolicy.Planning {
	out := pl.rec.Evaluation.TargetPlanning(policy)
	if out.Labels < offpolicy.MinProbes || !(out.LabelSD > 0) {
		var f []float64
		for _, s := range pl.rec.Scores.AllOf(policy) {
			if s.Calibrated.Valid() {
				f = append(f, s.Calibrated.OrNaN())
			}
		}
		out = pl.logged
		if _, sd := record.MeanSD(f); sd > 0 && out.ResidualSD > 0 {
			out.LabelSD = math.Hypot(sd, out.ResidualSD)
		}
		return out
	}
	if seen := pl.seen(policy, offpolicy.Direct); seen > 0 {
		off := seen / out.DirectHalfWidth(max(pl.n, out.Labels), out.Labels)
		out.LabelSD *= off
		out.ResidualSD *= off
	}
	out.Assurance = pl.rec.Assurance
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

// labeled is the cheapest run in which m labels of each target's own responses give all
// of them, and no smaller than from; n is 0 if none does. Paid are the policies that get labels.
func (pl *planner) labeled(targets, paid []string, from int) (n, m int) {
	pilots := make([]offpolicy.Planning, len(targets))
	for i, t := range targets {
		pilots[i] = pl.own(t)
	}
	enough := make([]int, len(pilots)) // labels that were enough of the last, smaller n: of a larger one no more are
	at := func(n int) (most int, cost float64) {
		for i, p := range pilots {
			enoughOf := func(m int) bool { return p.DirectHalfWidth(n, m) <= pl.rec.Resolution }
			if enough[i] == 0 {
				k := offpolicy.MinProbes + sort.Search(n-offpolicy.MinProbes+1,
					func(k int) bool { return enoughOf(offpolicy.MinProbes + k) })
				if k > n {
					return 0, math.Inf(1)
				}
				enough[i] = k
			}
			for enough[i] > offpolicy.MinProbes && enoughOf(enough[i]-1) {
				enough[i]--
			}
			most = max(most, enough[i])
		}
		usd, _ := pl.dollars(n, pl.more(paid, most))
		if !usd.Valid() {
			usd = dataset.Known(float64(n)) // no price: the fewest prompts
		}
		return most, usd.OrNaN()
	}
	best := math.Inf(1)
	for k := max(from, offpolicy.MinProbes); k <= pl.most; k += 1 + k/25 {
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
	if pl.labels == nil {
		pl.labels = map[string]int{}
		for k, l := range pl.rec.Labels.All() {
			if l.Label.Valid() {
				pl.labels[k.Policy]++
			}
		}
	}
	return pl.labels[policy]
}

// gatePower is offpolicy.GatePower, remembered: a run that goes on, or is reported
// again, asks about the same spreads.
func gatePower(sd float64, rows int) float64 {
	return gatePowers.Get(gatePoint{sd, rows}, func() float64 { return offpolicy.GatePower(sd, rows, gateRuns, 1) })
}

var gatePowers memo.Table[gatePoint, float64]

type gatePoint struct {
	sd   float64
	rows int
}
