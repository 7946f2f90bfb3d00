package report

import (
	"fmt"
	"io"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Compare writes what two runs have in common and where they part, for a terminal of width
// columns, as [Text] does a verdict: decisions, what was run otherwise, checks that came out
// differently, cost, policies, projections. It reads the two verdicts alone and changes neither;
// nameA and nameB are what to call the two runs.
//
// What was run otherwise is of prompts, seed, servers, policies, served models, judge, oracle,
// prices or versions; a policy names those that can explain a change of its figures. Of two bills
// the difference has three parts that add up to it:
//
//	prompts = (n_B/n_A - 1) · cost_A             without certification, which is paid once
//	prices  = cost_B - cost_B at A's prices      by model, at list prices
//	usage   = B - A - prompts - prices           more calls or tokens a prompt, or fewer
func Compare(w io.Writer, a, b *pilot.Verdict, nameA, nameB string, width int) error {
	return compare(a, b).text(w, nameA, nameB, width)
}

func (c *comparison) text(w io.Writer, a, b string, width int) error {
	if width <= 0 {
		width = 80
	}
	t := &terminal{view: &view{}, width: max(width, 40)}
	for _, r := range []struct {
		letter, name string
		v            *pilot.Verdict
	}{{"A", a, c.A}, {"B", b, c.B}} {
		d := newView(r.v)
		t.wrap(r.letter+"  ", "   ", fmt.Sprintf("%s: %s, %s; %s prompts, %s spent, %s", d.Decision, clean(r.name),
			clean(string(r.v.State)), count(r.v.Run.Prompts), usd(r.v.Run.Spent), d.Tally))
	}

	t.heading("Run otherwise")
	if len(c.Causes) == 0 {
		t.wrap("  ", "  ", "Nothing: prompts, policies, served models, graders, prices and versions are the same. What "+
			"differs below came from the servers.")
	}
	for _, was := range c.Causes {
		what := string(was.Kind)
		if was.Of != "" {
			what += " " + clean(was.Of)
		}
		t.wrap("  "+what+"  ", "      ", fmt.Sprintf("%s -> %s", orAbsent(was.A), orAbsent(was.B)))
	}

	t.heading("Checks that came out differently")
	if len(c.Checks) == 0 {
		t.wrap("  ", "  ", "None.")
	}
	for _, x := range c.Checks {
		mark := "  "
		switch {
		case x.MoreSevereBy > 0:
			mark = "! "
		case x.MoreSevereBy < 0:
			mark = "+ "
		}
		t.wrap("  "+mark, "      ", fmt.Sprintf("%s: %s -> %s", clean(x.ID), outcome(x.A, x.WaivedA),
			outcome(x.B, x.WaivedB)))
		for _, s := range []struct{ letter, summary string }{{"A", x.SummaryA}, {"B", x.SummaryB}} {
			if s.summary != "" {
				t.wrap("      "+s.letter+"  ", "         ", clean(s.summary))
			}
		}
	}

	t.heading("Cost")
	t.table(c.stages(), "No stage has started.")
	t.wrap("  ", "  ", c.Cost.sentence())

	t.heading("Policies")
	t.table(c.policies(), "The two runs have no policy in common.")

	if tab := c.projections(); len(tab.Rows) > 0 {
		t.heading("Projections")
		t.table(tab, "")
	}
	_, err := w.Write(t.b.Bytes())
	return err
}

func orAbsent(s string) string {
	if s == "" {
		return absent
	}
	return clean(s)
}

func outcome(s record.Status, waived bool) string {
	out := orAbsent(word(s))
	if waived {
		out += " (waived)"
	}
	return out
}

func (c *comparison) stages() table {
	t := table{Cols: []column{text("Stage"), num("Calls A").drop(2), num("Calls B").drop(2), num("Cost A"), num("Cost B"),
		num("Change"), num("Time A").drop(1), num("Time B").drop(1)}}
	was := map[string]pilot.Stage{}
	for _, s := range c.A.Stages {
		was[s.Name] = s
	}
	var a, b pilot.Stage
	row := func(name string, x, y pilot.Stage) []string {
		return []string{name, count(x.Calls), count(y.Calls), usd(x.CostUSD), usd(y.CostUSD), change(y.CostUSD, x.CostUSD),
			duration(x.Seconds), duration(y.Seconds)}
	}
	add := func(sum *pilot.Stage, s pilot.Stage) {
		sum.Calls += s.Calls
		sum.CostUSD += s.CostUSD
		sum.Seconds += s.Seconds
	}
	for _, s := range c.B.Stages {
		x := was[s.Name]
		t.Rows = append(t.Rows, row(clean(s.Name), x, s))
		add(&a, x)
		add(&b, s)
	}
	if len(t.Rows) > 1 {
		a.Seconds, b.Seconds = c.A.Run.Seconds, c.B.Run.Seconds // stages overlap
		t.Total = row("total", a, b)
	}
	return t
}

// sentence says where the difference of the bills comes from.
func (c costChange) sentence() string {
	if c.A == c.B {
		return "The two runs cost the same."
	}
	s := fmt.Sprintf("B cost %s than A", moreOrLess(c.B-c.A))
	if !c.Usage.Valid() {
		return s + "."
	}
	s += fmt.Sprintf(": %s by the number of prompts, ", plus(c.Prompts))
	if c.Prices.Valid() {
		return s + fmt.Sprintf("%s by prices, %s by calls and tokens a prompt.", plus(c.Prices), plus(c.Usage))
	}
	return s + fmt.Sprintf("%s by prices, calls and tokens a prompt, which cannot be told apart: a model of B has no "+
		"price in A.", plus(c.Usage))
}

func moreOrLess(d float64) string {
	if d < 0 {
		return usd(-d) + " less"
	}
	return usd(d) + " more"
}

func plus(d dataset.Float) string {
	// Parts are sums that end in rounding; a thousandth of a cent is nothing here.
	if math.Abs(d.OrNaN()) < 1e-5 {
		return "$0"
	}
	if d.OrNaN() > 0 {
		return "+" + usd(d.OrNaN())
	}
	return usd(d.OrNaN())
}

func (c *comparison) policies() table {
	t := table{Cols: []column{text("Policy"), num("Judge score A"), num("Judge score B"), num("ESS A").drop(2),
		num("ESS B").drop(2), text("May come of").drop(1)}}
	for _, p := range c.Policies {
		why := kinds(p.Causes)
		if why == "" {
			why = "the servers"
		}
		t.Rows = append(t.Rows, []string{clean(p.Name), interval(p.A.Judge, score), interval(p.B.Judge, score), ess(p.A),
			ess(p.B), why})
	}
	return t
}

func (c *comparison) projections() table {
	t := table{Cols: []column{text("Quantity"), num("A"), num("B"), num("Change")}}
	a, b := c.A.Projection, c.B.Projection
	if a.Prompts == 0 || b.Prompts == 0 {
		return t
	}
	row := func(name string, x, y float64, f func(float64) string) {
		t.Rows = append(t.Rows, []string{name, f(x), f(y), change(y, x)})
	}
	if a.Prompts != b.Prompts {
		t.Rows = append(t.Rows, []string{"To prompts", count(a.Prompts), count(b.Prompts),
			change(float64(b.Prompts), float64(a.Prompts))})
	}
	row("Calls", a.Calls.Value.OrNaN(), b.Calls.Value.OrNaN(), rounded)
	row("Cost", a.USD.Value.OrNaN(), b.USD.Value.OrNaN(), usd)
	row("Tokens", a.Tokens.Value.OrNaN(), b.Tokens.Value.OrNaN(), rounded)
	row("Time, at the run's pace", a.Seconds.Value.OrNaN(), b.Seconds.Value.OrNaN(), duration)
	return t
}
