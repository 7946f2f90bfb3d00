package check

import (
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

var _ = add(Check{
	ID: "projection.cost", After: "cost.estimate", Needs: record.WholeRun, Readiness: true,
	OfSample: true,
	Threshold: func(in *Input) string {
		if in.Records.FullBudget > 0 {
			return fmt.Sprintf("the upper end of the %.0f%% interval is at most the full run's budget of $%.2f",
				100*in.Projection.Level, float64(in.Records.FullBudget))
		}
		return "no budget was given for the full run"
	},
	Remedy: record.Do("give the full run a larger budget, take fewer prompts, or buy labels and scores in batches",
		record.FieldFullBudget),
	Find: checkProjectedCost,
})

func checkProjectedCost(in *Input, c *record.Finding) {
	r := in.Records
	p := &in.Projection
	c.Status = record.Info
	c.Evidence.Figures = append(c.Evidence.Figures,
		record.Figure{Name: "expected", Value: p.USD.Value, Unit: "USD"},
		record.Figure{Name: "from", Value: p.USD.Lo, Unit: "USD"}, record.Figure{Name: "to", Value: p.USD.Hi, Unit: "USD"},
		record.Figure{Name: "in batches", Value: p.BatchUSD.Value, Unit: "USD"})
	if p.USD.Hi.Valid() && p.USD.Hi.OrNaN() == 0 {
		c.NotApply(fmt.Sprintf("the models of this run cost nothing; %s prompts will take about %s tokens",
			record.Count(r.Full), record.Count(int(p.Tokens.Value.OrNaN()))))
		return
	}
	c.Summary = fmt.Sprintf("%s prompts will cost about $%.2f ($%.2f to $%.2f)", record.Count(r.Full),
		p.USD.Value.OrNaN(), p.USD.Lo.OrNaN(), p.USD.Hi.OrNaN())
	if r.FullBudget > 0 && !(p.USD.Hi.OrNaN() <= float64(r.FullBudget)) {
		c.Status = record.Hold
		c.Summary += fmt.Sprintf(", which may pass the budget of $%.2f", float64(r.FullBudget))
	}
}

var _ = add(Check{
	ID: "projection.time", After: "projection.cost", Needs: record.WholeRun, Readiness: true,
	OfSample:  true,
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
		record.Figure{Name: "expected", Value: p.Seconds.Value, Unit: "s"},
		record.Figure{Name: "from", Value: p.Seconds.Lo, Unit: "s"},
		record.Figure{Name: "to", Value: p.Seconds.Hi, Unit: "s"})
	c.Summary = fmt.Sprintf("%s prompts will take about %s at this run's throughput", record.Count(r.Full),
		inWords(p.Seconds.Value.OrNaN()))
	if live := r.Cost.ExpectedSeconds.OrNaN() / float64(r.Prompts.Len()) * float64(r.Full); !r.Live && live > 0 {
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
	OfSample: true,
	Threshold: says("for information, one-sided: where weights have a tail, a sample cannot see it, and the effective " +
		"sample grows slower than the sample"),
	Find: checkProjectedESS,
})

func checkProjectedESS(in *Input, c *record.Finding) {
	r := in.Records
	if noTarget(r, c) {
		return
	}
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
	OfSample:  true,
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
		c.Evidence.Figures = append(c.Evidence.Figures,
			record.Figure{Name: "half-width at least, " + x.Name, Value: x.HalfWidthAtLeast})
		if x.HalfWidthAtLeast.Valid() {
			parts = append(parts, fmt.Sprintf("%s %.3f", x.Name, x.HalfWidthAtLeast.OrNaN()))
		}
	}
	c.Summary = "P0's mean label cannot be estimated"
	if p.HalfWidth.Valid() {
		c.Summary = fmt.Sprintf("%s prompts give P0's mean label to within %.3f", record.Count(r.Full), p.HalfWidth.OrNaN())
	}
	if len(parts) > 0 {
		c.Summary += "; by weights alone, no better than: " + strings.Join(parts, ", ")
	}
}
