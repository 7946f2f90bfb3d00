package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// Comparison is what two runs have in common and where they part, computed from
// their verdicts alone. [Compare] makes one, [Comparison.Text] shows it.
type Comparison struct {
	A, B *pilot.Verdict
	// Causes are what was run otherwise. Where there are none, what differs came
	// from the servers, or from the draws themselves.
	Causes []Cause
	Cost   CostChange
	// Checks are those that came out differently, in the order of B.
	Checks   []CheckChange
	Policies []PolicyChange // of every policy that both runs have, in the order of B
}

// Cause is one thing that was run otherwise.
type Cause struct {
	Kind CauseKind
	// Of is the policy or model that it concerns; empty where it is the run.
	Of   string
	A, B string // what it was in each run; empty where the run has none
}

// CauseKind is what kind of thing a [Cause] is. It decides what the cause can
// explain.
type CauseKind string

// The causes, and what each can move.
const (
	CausePrompts CauseKind = "prompts"      // everything
	CauseSeed    CauseKind = "seed"         // everything: other draws
	CauseServers CauseKind = "servers"      // everything: live or simulated, and the drills of a simulator
	CausePolicy  CauseKind = "policy"       // that policy's figures
	CauseServed  CauseKind = "served model" // the figures of the policies of that model, or all scores or labels
	CauseJudge   CauseKind = "judge"        // scores
	CauseOracle  CauseKind = "oracle"       // labels, and what is calibrated on them
	CausePrices  CauseKind = "prices"       // cost
	CauseVersion CauseKind = "version"      // how anything was computed
)

// CostChange splits the difference of two bills into three parts that add up to
// it:
//
//	Prompts = (n_B/n_A - 1) · cost_A             without certification, which is paid once
//	Prices  = cost_B - cost_B at A's prices      by model, at list prices
//	Usage   = B - A - Prompts - Prices           more calls or tokens a prompt, or fewer
//
// Prices is missing where a model of B has no price in A's report; it is part
// of Usage then.
type CostChange struct {
	A, B    float64 // USD
	Prompts dataset.Float
	Prices  dataset.Float
	Usage   dataset.Float
}

// CheckChange is a check that came out differently. Its status is empty in a run
// that did not have the check.
type CheckChange struct {
	ID           string
	A, B         record.Status
	WaivedA      bool
	WaivedB      bool
	SummaryA     string
	SummaryB     string
	MoreSevereBy int // positive where B is worse
}

// PolicyChange is a policy in both runs.
type PolicyChange struct {
	Name  string
	A, B  pilot.PolicySummary
	Cause []Cause // of Comparison.Causes, those that can explain a change of its figures
}

// Compare holds two verdicts against each other. Neither is changed.
func Compare(a, b *pilot.Verdict) *Comparison {
	mustHave(a)
	mustHave(b)
	c := &Comparison{A: a, B: b, Causes: causes(a, b), Cost: costChange(a, b)}
	before := map[string]record.Finding{}
	for _, x := range a.Checks {
		before[x.ID] = x
	}
	for _, y := range b.Checks {
		x := before[y.ID]
		delete(before, y.ID)
		c.check(y.ID, x, y)
	}
	for _, x := range a.Checks {
		if _, gone := before[x.ID]; gone {
			c.check(x.ID, x, record.Finding{})
		}
	}
	old := map[string]pilot.PolicySummary{}
	for _, p := range a.Policies {
		old[p.Name] = p
	}
	for _, p := range b.Policies {
		if was, ok := old[p.Name]; ok {
			c.Policies = append(c.Policies, PolicyChange{Name: p.Name, A: was, B: p, Cause: c.explaining(p)})
		}
	}
	return c
}

func (c *Comparison) check(id string, x, y record.Finding) {
	waivedX, waivedY := x.Waived != "", y.Waived != ""
	if x.Status == y.Status && waivedX == waivedY {
		return
	}
	change := CheckChange{ID: id, A: x.Status, B: y.Status, WaivedA: waivedX, WaivedB: waivedY, SummaryA: x.Summary,
		SummaryB: y.Summary}
	if x.Status != "" && y.Status != "" {
		change.MoreSevereBy = severity(x.Status) - severity(y.Status)
	}
	c.Checks = append(c.Checks, change)
}

// explaining are the causes that can move a policy's figures.
func (c *Comparison) explaining(p pilot.PolicySummary) []Cause {
	var out []Cause
	for _, cause := range c.Causes {
		switch cause.Kind {
		case CausePolicy:
			if cause.Of != p.Name {
				continue
			}
		case CauseServed:
			// A model that answers for no policy is the judge's or the oracle's.
			if cause.Of != p.Model && slices.ContainsFunc(c.B.Policies,
				func(q pilot.PolicySummary) bool { return q.Model == cause.Of }) {
				continue
			}
		case CausePrices:
			continue
		}
		out = append(out, cause)
	}
	return out
}

func causes(a, b *pilot.Verdict) []Cause {
	var out []Cause
	add := func(kind CauseKind, of, x, y string) {
		if x != y {
			out = append(out, Cause{kind, of, x, y})
		}
	}
	prompts := func(v *pilot.Verdict) string {
		return fmt.Sprintf("%s of %s (%.12s)", count(v.Run.Prompts), v.Run.Input, v.Run.InputSHA)
	}
	if a.Run.Prompts != b.Run.Prompts || a.Run.InputSHA != b.Run.InputSHA { // a file may be renamed
		add(CausePrompts, "", prompts(a), prompts(b))
	}
	add(CauseSeed, "", fmt.Sprint(a.Run.Seed), fmt.Sprint(b.Run.Seed))
	origin := func(v *pilot.Verdict) string {
		if v.Run.Note != "" {
			return v.Run.Note
		}
		return servers(v.Run.Live)
	}
	add(CauseServers, "", origin(a), origin(b))
	identity := func(v *pilot.Verdict) map[string]string {
		out := map[string]string{}
		for _, p := range v.Policies {
			out[p.Name] = p.Model + " " + p.Hash
		}
		return out
	}
	each(identity(a), identity(b), func(name, x, y string) { add(CausePolicy, name, x, y) })
	each(a.Run.Served, b.Run.Served, func(model, x, y string) {
		// A model that only one run asks for is told by its policy or grader.
		if x != "" && y != "" {
			add(CauseServed, model, x, y)
		}
	})
	add(CauseJudge, "", a.Run.Judge, b.Run.Judge)
	add(CauseOracle, "", a.Run.Oracle, b.Run.Oracle)
	rates := func(v *pilot.Verdict) map[string]string {
		out := map[string]string{}
		for model, p := range v.Run.Rates {
			out[model] = rate(p)
		}
		return out
	}
	each(rates(a), rates(b), func(model, x, y string) {
		if x != "" && y != "" {
			add(CausePrices, model, x, y)
		}
	})
	each(a.Run.Versions, b.Run.Versions, func(what, x, y string) { add(CauseVersion, what, x, y) })
	return out
}

// each calls f for every key of either map, in order.
func each(a, b map[string]string, f func(key, x, y string)) {
	keys := maps.Clone(a)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, b)
	for _, k := range sortedKeys(keys) {
		f(k, a[k], b[k])
	}
}

// rate is a price in words: USD per million tokens.
func rate(p providers.Price) string {
	s := fmt.Sprintf("%s in, %s out", number(float64(p.Input)), number(float64(p.Output)))
	if p.CachedInput > 0 {
		s += fmt.Sprintf(", %s cached", number(float64(p.CachedInput)))
	}
	return s
}

func costChange(a, b *pilot.Verdict) CostChange {
	m := dataset.Float{}
	out := CostChange{A: a.Run.Spent, B: b.Run.Spent, Prompts: m, Prices: m, Usage: m}
	if a.Run.Prompts > 0 {
		grows := 0.
		for _, s := range a.Spending {
			if s.Stage != "certify" {
				grows += s.CostUSD
			}
		}
		out.Prompts = dataset.Known(grows * (float64(b.Run.Prompts)/float64(a.Run.Prompts) - 1))
	}
	prices, known := 0., true
	for _, s := range b.Spending {
		if s.CostUSD == 0 {
			continue
		}
		was, ok1 := a.Run.Rates[s.Model]
		is, ok2 := b.Run.Rates[s.Model]
		u := providers.Usage{PromptTokens: s.PromptTokens, CompletionTokens: s.CompletionTokens}
		now := float64(is.Cost(u))
		switch {
		case !ok1 || !ok2:
			known = false
		case rate(was) == rate(is):
		case now == 0: // usage that nobody saw has no tokens to price
			known = false
		default:
			// What comes from a cache, or is held at a reservation, is taken to
			// have moved as the list price did.
			prices += s.CostUSD * (1 - float64(was.Cost(u))/now)
		}
	}
	if known {
		out.Prices = dataset.Known(prices)
	} else {
		prices = 0
	}
	if out.Prompts.Valid() {
		out.Usage = dataset.Known(out.B - out.A - out.Prompts.OrNaN() - prices)
	}
	return out
}

// kinds lists causes in a phrase: "prompts, policy".
func kinds(causes []Cause) string {
	var out []string
	for _, c := range causes {
		if !slices.Contains(out, string(c.Kind)) {
			out = append(out, string(c.Kind))
		}
	}
	return strings.Join(out, ", ")
}
