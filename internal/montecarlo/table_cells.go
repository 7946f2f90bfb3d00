package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// breach is a limit passed by more than two Monte Carlo standard errors.
type breach struct {
	cell        cell
	figure, why string
}

// held checks a share against a limit. n is what the share is of.
func held(share, at, n float64, least bool) bool {
	se := math.Sqrt(at * (1 - at) / n)
	if least {
		return !(share < at-2*se)
	}
	return !(share > at+2*se)
}

// breaches lists every figure of a cell that passes a limit.
func (o *cellOutcome) breaches() (out []breach) {
	say := func(name, format string, args ...any) {
		out = append(out, breach{o.Cell, name, fmt.Sprintf(format, args...)})
	}
	one := func(f *figure) {
		n := float64(f.N)
		if f.share() >= .5 && !held(f.coverage(), .93, float64(f.Answered), true) {
			say(f.Name, "coverage given answered %.1f%%", 100*f.coverage())
		}
		if !held(f.wrong(), .065, n, false) {
			say(f.Name, "answered and missed %.1f%%", 100*f.wrong())
		}
		for _, side := range []struct {
			name string
			k    int
		}{{"above", f.Above}, {"below", f.Below}} {
			if share := float64(side.k) / n; !held(share, .05, n, false) {
				say(f.Name, "missed %s %.1f%%", side.name, 100*share)
			}
		}
	}
	for i := range o.Values {
		one(&o.Values[i])
	}
	for i := range o.Pairs {
		f := &o.Pairs[i]
		one(f)
		if share := float64(f.Rejected) / float64(f.N); f.AA && !held(share, .06, float64(f.N), false) {
			say(f.Name, "A/A p < .05 in %.1f%%", 100*share)
		}
	}
	n := float64(o.Values[0].N)
	for _, x := range []struct {
		name string
		k    int
	}{{"Holm", o.Holm}, {"bands of differences", o.PairBands}, {"bands of values", o.ValueBands}} {
		if share := float64(x.k) / n; !held(share, .06, n, false) {
			say(x.name, "familywise error %.1f%%", 100*share)
		}
	}
	for i := range o.Values {
		f := &o.Values[i]
		refused := 1 - f.share()
		switch {
		case o.due(f) && !held(refused, .05, float64(f.N), false):
			say(f.Name, "refused %.1f%%", 100*refused)
		case o.hopeless(f.Name) && !held(refused, .99, float64(f.N), true):
			say(f.Name, "refused only %.1f%%", 100*refused)
		}
	}
	return out
}

// fair are the worlds in which what is missing and what was labeled is random.
var fair = []string{
	"base", "overlap_medium", "binary_04", "binary_92", "skewed_06", "skewed_93", "ordinal_5", "integer_judge",
	"t3_tails",
	"clusters_4", "segments", "heteroskedastic", "nonmonotone_judge", "missing_logprobs_random", "noise_02", "noise_05",
	"noise_10", "identical", "near_equal",
}

// due says that a policy's value must be answered: overlap is good, and its labels
// count for 20 at least, or were drawn by its own weights.
func (o *cellOutcome) due(f *figure) bool {
	switch {
	case o.Cell.World == "design_weight", o.Cell.World == "design_weight_plain" && f.Name == "plain":
		return true
	}
	return slices.Contains(fair, o.Cell.World) && f.ESS >= .5 && float64(o.Cell.Labels)*f.ESS >= 20
}

// hopeless says that a policy's value cannot be known in a cell.
func (o *cellOutcome) hopeless(policy string) bool {
	switch o.Cell.World {
	case "five_prompts":
		return true
	case "no_overlap":
		return policy == "plain"
	case "missing_logprobs_many":
		return policy == "plain" || policy == "clone"
	case "selected_labels":
		return policy != "probed"
	}
	return false
}

// writeCells writes the tables of the worlds.
func writeCells(w io.Writer, all []cellOutcome, repetitions, replicates int) error {
	p := &printer{w: w}
	p.line("")
	p.line("# Other worlds: missing, chosen, rare, compared")
	p.line("")
	p.line("From a generator that shares no code with the one above (`internal/worlds`, whose docs describe each " +
		"world): a finite set of")
	p.line("responses, so that weights are exact and E[w | prompt] = 1. %d repetitions a world and size, each with %d "+
		"bootstrap replicates;", repetitions, replicates)
	p.line("one standard error of 5%% is %.1f points. `probed` has %d labels of its own, `plain` has none, `clone` is "+
		"the logging policy.", 100*math.Sqrt(.05*.95/float64(repetitions)), probes)
	p.line("")
	var broken []breach
	aa, holm, pairBands, valueBands := 0.0, 0.0, 0.0, 0.0
	for i := range all {
		o := &all[i]
		broken = append(broken, o.breaches()...)
		n := float64(o.Values[0].N)
		holm, pairBands, valueBands = max(holm, float64(o.Holm)/n), max(pairBands, float64(o.PairBands)/n),
			max(valueBands, float64(o.ValueBands)/n)
		for _, f := range o.Pairs {
			if f.AA {
				aa = max(aa, float64(f.Rejected)/n)
			}
		}
	}
	p.line("| held to, in every world | most found |")
	p.line("| --- | --- |")
	p.line("| A/A: p < .05 in at most 6%% | %.1f%% |", 100*aa)
	p.line("| Holm: a true null rejected in at most 6%% | %.1f%% |", 100*holm)
	p.line("| bands of differences: one misses in at most 6%% | %.1f%% |", 100*pairBands)
	p.line("| bands of values: one misses in at most 6%% | %.1f%% |", 100*valueBands)
	p.line("")
	p.line("Values and differences are held to a coverage of 93%% of the answered where half are answered, at most " +
		"6.5%% answered and missed, and")
	p.line("at most 5%% missed on either side. A limit is broken where it is passed by more than two standard errors. " +
		"Broken:")
	p.line("")
	if len(broken) == 0 {
		p.line("none.")
	}
	for _, b := range broken {
		p.line("- `%s`, %d prompts, %d labels, %s: %s", b.cell.World, b.cell.Prompts, b.cell.Labels, b.figure, b.why)
	}
	for _, part := range []struct {
		title   string
		figures func(o *cellOutcome) []figure
		last    string
	}{
		{"Values, as the referee answers", func(o *cellOutcome) []figure { return o.Values }, "SE/spread"},
		{"Differences", func(o *cellOutcome) []figure { return o.Pairs }, "p < .05 %"},
	} {
		p.line("")
		p.line("## %s", part.title)
		p.line("")
		p.line("| world | n | labels | | truth | answered %% | coverage given answered %% | answered and missed %% | "+
			"above %% | below %% | width | %s |", part.last)
		p.line("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
		for i := range all {
			o := &all[i]
			for _, f := range few(part.figures(o)) {
				n := float64(f.N)
				last := number(f.spread(), 2)
				if strings.HasPrefix(part.last, "p") {
					last = number(100*float64(f.Rejected)/n, 1)
				}
				p.line("| %s | %d | %d | %s | %.4f | %s | %s | %.1f | %.1f | %.1f | %s | %s |", o.Cell.World,
					o.Cell.Prompts, o.Cell.Labels, f.Name, f.Truth,
					percent(f.share(), 1), percent(f.coverage(), 1), 100*f.wrong(), 100*float64(f.Above)/n,
					100*float64(f.Below)/n, number(f.meanWidth(), 3), last)
			}
		}
	}
	return p.err
}

// few are the figures, of many the five that are missed most.
func few(all []figure) []figure {
	if len(all) <= 6 {
		return all
	}
	out := append([]figure(nil), all...)
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if out[j].wrong() > out[i].wrong() {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out[:5]
}
