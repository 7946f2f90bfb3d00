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

// comparison is what two runs have in common and where they part, computed from
// their verdicts alone. [Compare] shows it.
type comparison struct {
	A, B *pilot.Verdict
	// Causes are what was run otherwise. Where there are none, what differs came
	// from the servers, or from the draws themselves.
	Causes []cause
	Cost   costChange
	// Checks are those that came out differently, in the order of B.
	Checks   []checkChange
	Policies []policyChange // of every policy that both runs have, in the order of B
}

// cause is one thing that was run otherwise.
type cause struct {
	Kind causeKind
	// Of is the policy or model that it concerns; empty where it is the run.
	Of   string
	A, B string // what it was in each run; empty where the run has none
}

// causeKind is what kind of thing a [cause] is. It decides what the cause can
// explain.
type causeKind string

// The causes, and what each can move.
const (
	causePrompts causeKind = "prompts"      // everything
	causeSeed    causeKind = "seed"         // everything: other draws
	causeServers causeKind = "servers"      // everything: live or simulated, and the drills of a simulator
	causePolicy  causeKind = "policy"       // that policy's figures
	causeServed  causeKind = "served model" // the figures of the policies of that model, or all scores or labels
	causeJudge   causeKind = "judge"        // scores
	causeOracle  causeKind = "oracle"       // labels, and what is calibrated on them
	causePrices  causeKind = "prices"       // cost
	causeVersion causeKind = "version"      // how anything was computed
)

// costChange is the difference of two bills in three parts, as [Compare] defines them. Prices is
// missing if a model of B has no price in A's report; it is part of Usage then.
type costChange struct {
	A, B    float64 // USD
	Prompts dataset.Float
	Prices  dataset.Float
	Usage   dataset.Float
}

// checkChange is a check that came out differently. Its status is empty in a run
// that did not have the check.
type checkChange struct {
	ID           string
	A, B         record.Status
	WaivedA      bool
	WaivedB      bool
	SummaryA     string
	SummaryB     string
	MoreSevereBy int // positive where B is worse
}

// policyChange is a policy in both runs.
type policyChange struct {
	Name   string
	A, B   pilot.PolicySummary
	Causes []cause // of the comparison's, those that can explain a change of its figures
}

// compare holds two verdicts against each other. Neither is changed.
func compare(a, b *pilot.Verdict) *comparison {
	mustHave(a)
	mustHave(b)
	c := &comparison{A: a, B: b, Causes: causes(a, b), Cost: costApart(a, b)}
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
			c.Policies = append(c.Policies, policyChange{Name: p.Name, A: was, B: p, Causes: c.explaining(p)})
		}
	}
	return c
}

func (c *comparison) check(id string, x, y record.Finding) {
	waivedX, waivedY := x.Waived != "", y.Waived != ""
	if x.Status == y.Status && waivedX == waivedY {
		return
	}
	change := checkChange{ID: id, A: x.Status, B: y.Status, WaivedA: waivedX, WaivedB: waivedY, SummaryA: x.Summary,
		SummaryB: y.Summary}
	if x.Status != "" && y.Status != "" {
		change.MoreSevereBy = severity(x.Status) - severity(y.Status)
	}
	c.Checks = append(c.Checks, change)
}

// explaining are the causes that can move a policy's figures.
func (c *comparison) explaining(p pilot.PolicySummary) []cause {
	var out []cause
	for _, was := range c.Causes {
		switch was.Kind {
		case causePolicy:
			if was.Of != p.Name {
				continue
			}
		case causeServed:
			// A model that answers for no policy is the judge's or the oracle's.
			if was.Of != p.Model && slices.ContainsFunc(c.B.Policies,
				func(q pilot.PolicySummary) bool { return q.Model == was.Of }) {
				continue
			}
		case causePrices:
			continue
		}
		out = append(out, was)
	}
	return out
}

func causes(a, b *pilot.Verdict) []cause {
	var out []cause
	add := func(kind causeKind, of, x, y string) {
		if x != y {
			out = append(out, cause{kind, of, x, y})
		}
	}
	prompts := func(v *pilot.Verdict) string {
		return fmt.Sprintf("%s of %s (%.12s)", count(v.Run.Prompts), v.Run.Input, v.Run.InputSHA)
	}
	if a.Run.Prompts != b.Run.Prompts || a.Run.InputSHA != b.Run.InputSHA { // a file may be renamed
		add(causePrompts, "", prompts(a), prompts(b))
	}
	add(causeSeed, "", fmt.Sprint(a.Run.Seed), fmt.Sprint(b.Run.Seed))
	origin := func(v *pilot.Verdict) string {
		if v.Run.Note != "" {
			return v.Run.Note
		}
		return servers(v.Run.Live)
	}
	add(causeServers, "", origin(a), origin(b))
	identity := func(v *pilot.Verdict) map[string]string {
		out := map[string]string{}
		for _, p := range v.Policies {
			out[p.Name] = p.Model + " " + p.Hash
		}
		return out
	}
	each(identity(a), identity(b), func(name, x, y string) { add(causePolicy, name, x, y) })
	each(a.Run.Served, b.Run.Served, func(model, x, y string) {
		// A model that only one run asks for is told by its policy or grader.
		if x != "" && y != "" {
			add(causeServed, model, x, y)
		}
	})
	add(causeJudge, "", a.Run.Judge, b.Run.Judge)
	add(causeOracle, "", a.Run.Oracle, b.Run.Oracle)
	rates := func(v *pilot.Verdict) map[string]string {
		out := map[string]string{}
		for model, p := range v.Run.Rates {
			out[model] = rate(p)
		}
		return out
	}
	each(rates(a), rates(b), func(model, x, y string) {
		if x != "" && y != "" {
			add(causePrices, model, x, y)
		}
	})
	each(a.Run.Versions, b.Run.Versions, func(what, x, y string) { add(causeVersion, what, x, y) })
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

func costApart(a, b *pilot.Verdict) costChange {
	m := dataset.Float{}
	out := costChange{A: a.Run.Spent, B: b.Run.Spent, Prompts: m, Prices: m, Usage: m}
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
func kinds(causes []cause) string {
	var out []string
	for _, c := range causes {
		if !slices.Contains(out, string(c.Kind)) {
			out = append(out, string(c.Kind))
		}
	}
	return strings.Join(out, ", ")
}
