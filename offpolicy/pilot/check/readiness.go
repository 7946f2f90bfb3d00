package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// The checks of this file judge what may be estimated, not whether the
// pipeline works: they pass or inform. Two can do more: weights.mean_one fails
// where weights prove the log-probs wrong, and projection.cost holds where the
// full run would pass its budget.

var _ = add(Check{
	ID: "weights.mean_one", After: "weights.identical", Needs: record.StageLogProbs, Readiness: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("e-value against E[w] <= 1 below %.0f for every target; from %.0f on it is reported", in.Thresholds.EValueFail, in.Thresholds.EValueInfo)
	},
	Remedy: record.Remedy{Do: "the log-probs of the two policies cannot both be right: compare template, sampling and endpoint of the named policy with P0's, and score again"},
	Find:   checkMeanOne,
})

func checkMeanOne(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	var failed, told, untestable, heavy []string
	for _, a := range r.Targets() {
		name := a.Policy.Name
		target := r.Weights(name)
		w, err := target.Weights, target.Err
		if err != nil || w.N == 0 {
			c.Inform()
			untestable = append(untestable, name+" has no weights")
			continue
		}
		c.AddFigure("log10 e-value, "+name, w.LogEValue/math.Ln10, "")
		c.AddFigure("mean weight, "+name, w.Mean, "")
		switch {
		case w.LogEValue >= math.Log(t.EValueFail):
			c.Worsen(record.Fail)
			heavy = append(heavy, heaviest(target.LogRatios, target.Keys, 5)...)
			failed = append(failed, fmt.Sprintf("%s has a mean weight of %.3g (e-value 10^%.1f)", name, w.Mean, w.LogEValue/math.Ln10))
		case w.LogEValue >= math.Log(t.EValueInfo):
			c.Inform()
			told = append(told, fmt.Sprintf("%s has a mean weight of %.3g (e-value %.0f)", name, w.Mean, math.Exp(w.LogEValue)))
		case w.Divergence > math.Log(float64(w.N)/10):
			c.Inform()
			untestable = append(untestable, fmt.Sprintf("%s is untestable: divergence about %.1f nats", name, w.Divergence))
		}
	}
	c.NameRecords(heavy)
	switch {
	case len(failed) > 0:
		c.Summary = "log-probs that cannot be right: " + strings.Join(failed, "; ")
	case len(told)+len(untestable) > 0:
		c.Summary = strings.Join(append(told, untestable...), "; ")
	default:
		c.Summary = "no target's weights average more than 1 beyond chance"
	}
}

// heaviest are the keys of the rows of the largest weights.
func heaviest(logRatios []float64, keys []dataset.Key, most int) []string {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(logRatios[b], logRatios[a]) })
	out := make([]string, 0, most)
	for _, i := range order[:min(most, len(order))] {
		out = append(out, keys[i].String())
	}
	return out
}

var _ = add(Check{
	ID: "weights.overlap", After: "weights.mean_one", Needs: record.StageLogProbs, Readiness: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("ESS >= %.0f, no row above %.0f%% of the weight, divergence at most ln(n/10), mean weight not below %.2f beyond chance", offpolicy.MinESS, 100*offpolicy.MaxShare, offpolicy.MinMass)
	},
	Find: checkOverlap,
})

func checkOverlap(in *Input, c *record.Finding) {
	r := in.Records
	c.Status = record.Pass
	usable := 0
	var refused []string
	for _, a := range r.Targets() {
		w := r.Weights(a.Policy.Name).Summary
		c.Evidence.Figures = append(c.Evidence.Figures,
			record.Figure{Name: "ESS, " + a.Policy.Name, Value: w.ESS}, record.Figure{Name: "divergence, " + a.Policy.Name, Value: w.Divergence, Unit: "nats"})
		if w.Usable {
			usable++
			continue
		}
		refused = append(refused, a.Policy.Name)
		c.Inform()
	}
	c.Summary = fmt.Sprintf("the logs cover %d of %s", usable, record.Plural(len(r.Targets()), "target", "targets"))
	if len(refused) > 0 {
		c.Summary += fmt.Sprintf("; not %s, whose weights are refused", record.Some(refused))
	}
}

var _ = add(Check{
	ID: "weights.balance", After: "weights.overlap", Needs: record.WholeRun, Readiness: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the judge's mean over reweighted logs within %.2f standard errors of that over the target's own responses", in.Thresholds.BalanceZ)
	},
	Find: checkBalance,
})

func checkBalance(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	if r.Evaluation == nil {
		c.Status, c.Summary = record.Info, "not computed: "+r.EvaluationError
		return
	}
	var off []string
	n := 0
	for _, a := range r.Targets() {
		p := r.Evaluation.Policy(a.Policy.Name)
		if p == nil {
			continue
		}
		b := p.Balance
		c.AddFigure("reweighted, "+a.Policy.Name, b.Reweighted, "")
		c.AddFigure("fresh, "+a.Policy.Name, b.Fresh, "")
		c.AddFigure("SE of the difference, "+a.Policy.Name, b.SE, "")
		if !(math.Abs(b.Difference) <= t.BalanceZ*b.SE) {
			off = append(off, fmt.Sprintf("%s %.3f against %.3f", a.Policy.Name, b.Reweighted, b.Fresh))
			c.Inform()
		} else {
			n++
		}
	}
	c.Summary = fmt.Sprintf("reweighted logs agree with the own responses of %s", record.Plural(n, "target", "targets"))
	if len(off) > 0 {
		c.Summary = "reweighted logs and own responses differ: " + strings.Join(off, "; ")
	}
}

var _ = add(Check{
	ID: "transport", After: "missing.pattern", Needs: record.WholeRun, Readiness: true, PerTarget: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the 95%% interval of the mean residual of its own labels lies within ±%.2f", in.Thresholds.TransportMargin)
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
		c.Summary = fmt.Sprintf("untested: 0 labels of %s's own; 25 give a residual-corrected value, about 200 test the transport", policy)
		return
	}
	a := p.Audit
	c.AddFigure("labels", float64(a.Probes), "")
	c.AddFigure("mean residual", a.Residual, "")
	c.AddFigure("from", a.Lower, "")
	c.AddFigure("to", a.Upper, "")
	c.Summary = fmt.Sprintf("%s on %s: residual %.3f [%.3f, %.3f]", strings.ReplaceAll(string(a.Status), "_", " "), record.Plural(a.Probes, "label", "labels"), a.Residual, a.Lower, a.Upper)
	switch a.Status {
	case offpolicy.StatusPass:
		c.Status = record.Pass
		c.Summary = "transported" + strings.TrimPrefix(c.Summary, "pass")
	case offpolicy.StatusFail:
		c.Summary = "the judge means something else under it" + strings.TrimPrefix(c.Summary, "fail")
	}
}

var _ = add(Check{
	ID: "projection.cost", After: "cost.estimate", Needs: record.WholeRun, Readiness: true,
	Threshold: func(in *Input) string {
		if in.Records.FullBudget > 0 {
			return fmt.Sprintf("the upper end of the %.0f%% interval is at most the full run's budget of $%.2f", 100*in.Projection.Level, float64(in.Records.FullBudget))
		}
		return "no budget was given for the full run"
	},
	Remedy: record.By("give the full run a larger budget, take fewer prompts, or buy labels and scores in batches", record.FieldFullBudget),
	Find:   checkProjectedCost,
})

func checkProjectedCost(in *Input, c *record.Finding) {
	r := in.Records
	p := &in.Projection
	c.Status = record.Info
	c.Evidence.Figures = append(c.Evidence.Figures,
		record.Figure{Name: "expected", Value: p.USD.Value, Unit: "USD"}, record.Figure{Name: "from", Value: p.USD.Lo, Unit: "USD"}, record.Figure{Name: "to", Value: p.USD.Hi, Unit: "USD"},
		record.Figure{Name: "in batches", Value: p.BatchUSD.Value, Unit: "USD"})
	c.Summary = fmt.Sprintf("%s prompts will cost about $%.2f ($%.2f to $%.2f)", record.Count(r.Full), p.USD.Value.OrNaN(), p.USD.Lo.OrNaN(), p.USD.Hi.OrNaN())
	if r.FullBudget > 0 && !(p.USD.Hi.OrNaN() <= float64(r.FullBudget)) {
		c.Status = record.Hold
		c.Summary += fmt.Sprintf(", which may pass the budget of $%.2f", float64(r.FullBudget))
	}
}

var _ = add(Check{
	ID: "projection.time", After: "projection.cost", Needs: record.WholeRun, Readiness: true,
	Threshold: says("for information: at this run's throughput"),
	Find:      checkProjectedTime,
})

func checkProjectedTime(in *Input, c *record.Finding) {
	r := in.Records
	p := &in.Projection
	c.Status = record.Info
	if !p.Seconds.Value.Valid() {
		c.Summary = "not projected: the run's time is not known"
		return
	}
	c.Evidence.Figures = append(c.Evidence.Figures,
		record.Figure{Name: "expected", Value: p.Seconds.Value, Unit: "s"}, record.Figure{Name: "from", Value: p.Seconds.Lo, Unit: "s"}, record.Figure{Name: "to", Value: p.Seconds.Hi, Unit: "s"})
	c.Summary = fmt.Sprintf("%s prompts will take about %s at this run's throughput", record.Count(r.Full), inWords(p.Seconds.Value.OrNaN()))
	if live := r.Estimate.ExpectedSeconds.OrNaN() / float64(r.Prompts.Len()) * float64(r.Full); !r.Live && live > 0 {
		c.Summary += fmt.Sprintf(", and with live services about %s, as the estimate takes them to be", inWords(live))
	}
}

// inWords is a time in one unit, for a sentence.
func inWords(seconds float64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%.0f seconds", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%.0f minutes", seconds/60)
	}
	return fmt.Sprintf("%.1f hours", seconds/3600)
}

var _ = add(Check{
	ID: "projection.ess", After: "projection.time", Needs: record.WholeRun, Readiness: true,
	Threshold: says("for information, one-sided: where weights have a tail, a sample cannot see it, and the effective sample grows slower than the sample"),
	Find:      checkProjectedESS,
})

func checkProjectedESS(in *Input, c *record.Finding) {
	r := in.Records
	c.Status = record.Info
	var parts []string
	for _, p := range in.Projection.Policies {
		c.Evidence.Figures = append(c.Evidence.Figures, record.Figure{Name: "ESS at most, " + p.Name, Value: p.ESSAtMost})
		if p.ESSAtMost.Valid() {
			parts = append(parts, fmt.Sprintf("%s %.0f", p.Name, p.ESSAtMost.OrNaN()))
		}
	}
	c.Summary = fmt.Sprintf("effective responses among %s, at most: %s", record.Count(r.Full), strings.Join(parts, ", "))
}

var _ = add(Check{
	ID: "projection.width", After: "projection.ess", Needs: record.WholeRun, Readiness: true,
	Threshold: says("for information: P0's by its labels; a target's by weights alone, one-sided"),
	Find:      checkProjectedWidth,
})

func checkProjectedWidth(in *Input, c *record.Finding) {
	r := in.Records
	c.Status = record.Info
	p := &in.Projection
	c.Evidence.Figures = append(c.Evidence.Figures, record.Figure{Name: "P0, half-width", Value: p.HalfWidth})
	var parts []string
	for _, x := range p.Policies {
		c.Evidence.Figures = append(c.Evidence.Figures, record.Figure{Name: "half-width at least, " + x.Name, Value: x.HalfWidthAtLeast})
		if x.HalfWidthAtLeast.Valid() {
			parts = append(parts, fmt.Sprintf("%s %.3f", x.Name, x.HalfWidthAtLeast.OrNaN()))
		}
	}
	c.Summary = "P0's mean label is not known to any width"
	if p.HalfWidth.Valid() {
		c.Summary = fmt.Sprintf("%s prompts give P0's mean label to within %.3f", record.Count(r.Full), p.HalfWidth.OrNaN())
	}
	if len(parts) > 0 {
		c.Summary += "; by weights alone, no better than: " + strings.Join(parts, ", ")
	}
}
