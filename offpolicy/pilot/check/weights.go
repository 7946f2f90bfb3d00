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
	"github.com/reweigh/reweigh/teacherforce"
)

var _ = add(Check{
	ID: "weights.clone", After: "logprobs.agreement", Needs: record.StageLogProbs,
	Threshold: says("log w of a clone is 0 but for noise of standard deviation s <= 1: all within 1e-6, or none or at " +
		"most 5% (95% bound) beyond 0.2 and 4 s, the rest centred within 0.02 or 3.29 standard errors, e-value of " +
		"E[w] <= exp(s²/2) below 20"),
	Remedy: record.Remedy{Do: "a clone's weights show the endpoint's own noise: look at the named rows, turn prompt " +
		"caching off, or pin a deployment"},
	Find: checkClone,
})

func checkClone(in *Input, c *record.Finding) {
	r := in.Records
	var bad, parts []string
	clones := 0
	for _, a := range r.Arms {
		if a.Role != record.Clone {
			continue
		}
		clones++
		d, lengths, keys := r.NoiseRatios(a.Policy.Name)
		if len(d) == 0 {
			c.Worsen(record.Fail)
			parts = append(parts, a.Policy.Name+" has no weights")
			continue
		}
		w, err := offpolicy.WeightsFromLogRatios(d)
		if err != nil {
			c.Worsen(record.Fail)
			parts = append(parts, a.Policy.Name+": "+err.Error())
			continue
		}
		res := offpolicy.CloneCheck(w, lengths, r.Noise)
		if e := r.Evaluation; e != nil {
			// It knows whether the difference from P0 can be estimated at all.
			if p := e.Policy(a.Policy.Name); p != nil && p.Clone != nil && res.Status == offpolicy.StatusPass &&
				p.Clone.Status != res.Status {
				res.Status = p.Clone.Status
				parts = append(parts, p.Clone.Reasons[len(p.Clone.Reasons)-1])
			}
		}
		c.Worsen(record.Status(res.Status))
		c.AddFigure(a.Policy.Name+" rows", float64(len(d)), "")
		c.AddFigure(a.Policy.Name+" max |log w|", res.MaxAbs, "nats")
		c.AddFigure(a.Policy.Name+" share beyond noise", float64(res.Exceeding)/float64(res.N), "share")
		c.AddFigure(a.Policy.Name+" noise a token", res.Noise.Token, "nats")
		c.AddFigure(a.Policy.Name+" noise a response", res.Spread, "nats")
		c.AddFigure(a.Policy.Name+" log e-value", res.LogEValue, "nats")
		for _, i := range res.Rows {
			bad = append(bad, keys[i].String())
		}
		parts = append(parts, fmt.Sprintf("%s: max |log w| %.3g nats over %d rows", a.Policy.Name, res.MaxAbs, len(d)))
		if res.MaxAbs > 0 {
			parts = append(parts, res.Reasons...)
		}
	}
	c.NameRecords(bad)
	if clones == 0 {
		c.NotApply("the run has no clone of P0: what the endpoint's own noise does to weights is not seen")
		return
	}
	c.Summary = strings.Join(parts, "; ")
	if c.Status != record.Pass {
		c.Summary = "the clone's weights are not 1: " + c.Summary
	}
}

var _ = add(Check{
	ID: "weights.identical", After: "weights.clone", Needs: record.StageLogProbs,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("no two policies of different model, prompt or template give the same log-prob (within %g "+
			"nats) to more than half of the logged responses", in.Thresholds.IdenticalNats)
	},
	Remedy: record.Remedy{Do: "the context does not reach the scorer: check that each policy's system prompt and " +
		"template are rendered into what is scored"},
	Find: checkIdentical,
})

func checkIdentical(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	var parts []string
	pairs, compared := 0, 0
	for i, a := range r.Arms {
		rowsA := r.LogProbs.Brief().Of(a.Policy.Name)
		for _, b := range r.Arms[i+1:] {
			// Policies that differ in how they sample have one model and one context: equal
			// values of the model's own distribution are what is expected of them.
			if p, q := a.Policy, b.Policy; p.Model == q.Model && p.System == q.System && p.Template == q.Template {
				continue
			}
			pairs++
			n, same := 0, 0
			for k, y := range r.LogProbs.Brief().AllOf(b.Policy.Name) {
				x, ok := rowsA(k.PromptID)
				u, v := r.Raw(x), r.Raw(y)
				if !ok || !u.Valid() || !v.Valid() || u.OrNaN() == 0 && v.OrNaN() == 0 {
					continue
				}
				n++
				if math.Abs(float64(u.OrNaN()-v.OrNaN())) <= t.IdenticalNats {
					same++
				}
			}
			if n == 0 {
				continue
			}
			compared++
			pair := a.Policy.Name + " / " + b.Policy.Name
			c.AddFigure("equal "+pair, float64(same), "")
			if 2*same > n {
				c.Worsen(record.Fail)
				parts = append(parts, fmt.Sprintf("%s agree on %d of %d rows", pair, same, n))
			}
		}
	}
	for _, s := range teacherforce.Statistics(r.LogProbs.Brief().Values(), r.Logging().Policy.Name) {
		if !math.IsNaN(s.KLPerToken) {
			c.AddFigure("KL per token "+r.Logging().Policy.Name+" / "+s.Policy, s.KLPerToken, "nats")
		}
	}
	switch {
	case pairs == 0:
		c.NotApply("the run has no two distinct policies to compare")
	case compared == 0:
		c.Status, c.Summary = record.Fail, "no two distinct policies have log-probs to compare"
	case len(parts) > 0:
		c.Summary = "distinct policies have the same log-probs: " + record.Some(parts)
	default:
		c.Summary = fmt.Sprintf("all %d pairs of distinct policies differ", compared)
	}
}

var _ = add(Check{
	ID: "weights.mean_one", After: "weights.identical", Needs: record.StageLogProbs, Readiness: true,
	OfSample: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("e-value against E[w] <= 1 below %.0f for every target; from %.0f on it is reported",
			in.Thresholds.EValueFail, in.Thresholds.EValueInfo)
	},
	Remedy: record.Remedy{Do: "the log-probs of the two policies cannot both be right: compare template, sampling and " +
		"endpoint of the named policy with P0's, and score again"},
	Find: checkMeanOne,
})

func checkMeanOne(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	if noTarget(r, c) {
		return
	}
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
			heavy = append(heavy, heaviest(r, name, target, 5)...)
			failed = append(failed, fmt.Sprintf("%s has a mean weight of %.3g (e-value 10^%.1f)", name, w.Mean,
				w.LogEValue/math.Ln10))
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

// noTarget says that a check of targets does not apply, if the run has none.
func noTarget(r *record.Records, c *record.Finding) bool {
	if len(r.Targets()) > 0 {
		return false
	}
	c.NotApply("the run has no target policy")
	return true
}

// heaviest are the keys of the rows of the largest weights.
func heaviest(r *record.Records, policy string, w *record.TargetWeights, most int) []string {
	logRatios := w.LogRatios
	order := make([]int, len(w.Rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(logRatios[b], logRatios[a]) })
	out := make([]string, 0, most)
	for _, i := range order[:min(most, len(order))] {
		of := dataset.Key{PromptID: r.Prompts.Key(int(w.Rows[i])).PromptID, Policy: policy}
		out = append(out, of.String())
	}
	return out
}

var _ = add(Check{
	ID: "weights.overlap", After: "weights.mean_one", Needs: record.StageLogProbs, Readiness: true,
	OfSample: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("ESS >= %.0f, no row above %.0f%% of the weight, divergence at most ln(n/10), mean weight not "+
			"below %.2f beyond chance", offpolicy.MinESS, 100*offpolicy.MaxShare, offpolicy.MinMass)
	},
	Find: checkOverlap,
})

func checkOverlap(in *Input, c *record.Finding) {
	r := in.Records
	if noTarget(r, c) {
		return
	}
	c.Status = record.Pass
	usable := 0
	var refused []string
	for _, a := range r.Targets() {
		w := r.Weights(a.Policy.Name).Summary
		c.Evidence.Figures = append(c.Evidence.Figures,
			record.Figure{Name: "ESS, " + a.Policy.Name, Value: w.ESS},
			record.Figure{Name: "divergence, " + a.Policy.Name, Value: w.Divergence, Unit: "nats"})
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
	OfSample: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the judge's mean over reweighted logs within %.2f standard errors of that over the target's "+
			"own responses", in.Thresholds.BalanceZ)
	},
	Find: checkBalance,
})

func checkBalance(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	if noTarget(r, c) {
		return
	}
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
		if math.IsNaN(b.Difference) { // there are no weights, and they are refused for it
			continue
		}
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
