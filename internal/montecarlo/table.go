package main

import (
	"fmt"
	"io"
	"math"
)

// figures are the extremes over all designs, which the estimators are held to.
type figures struct {
	hopelessAnswered            float64 // most answered of no overlap and no target labels
	goodRefused                 float64 // most refused where an answer is due
	lowCoverage, highCoverage   float64 // where at least 90% are answered
	wrong                       float64 // most answered and missed
	widthRatio                  float64 // widest dr over labeled_snips in good overlap
	lowSpread, highSpread       float64 // standard error over spread of dr in good overlap
	lowSpreadAll, highSpreadAll float64 // and wherever 90% are answered
	lowDirect, highDirect       float64 // and of direct
}

func extremes(all []outcome) figures {
	f := figures{lowCoverage: 1, lowSpread: math.Inf(1), lowSpreadAll: math.Inf(1), lowDirect: math.Inf(1)}
	for i := range all {
		o := &all[i]
		for _, t := range []*tally{&o.DR, &o.Labeled, &o.Direct, &o.Referee, &o.RefereeNoProbes} {
			f.wrong = max(f.wrong, t.wrong())
			if t.share() >= .9 {
				f.lowCoverage, f.highCoverage = min(f.lowCoverage, t.coverage()), max(f.highCoverage, t.coverage())
			}
		}
		f.goodRefused = max(f.goodRefused, 1-o.Referee.share(), 1-o.Direct.share())
		f.lowDirect, f.highDirect = min(f.lowDirect, o.Direct.spread()), max(f.highDirect, o.Direct.spread())
		if o.DR.share() >= .9 {
			f.lowSpreadAll, f.highSpreadAll = min(f.lowSpreadAll, o.DR.spread()), max(f.highSpreadAll, o.DR.spread())
		}
		switch o.Overlap {
		case "none":
			f.hopelessAnswered = max(f.hopelessAnswered, o.RefereeNoProbes.share(), o.DR.share(), o.Labeled.share())
		case "good":
			f.goodRefused = max(f.goodRefused, 1-o.RefereeNoProbes.share(), 1-o.DR.share(), 1-o.Labeled.share())
			f.widthRatio = max(f.widthRatio, o.DR.meanWidth()/o.Labeled.meanWidth())
			f.lowSpread, f.highSpread = min(f.lowSpread, o.DR.spread()), max(f.highSpread, o.DR.spread())
		}
	}
	return f
}

// write writes the tables as Markdown.
func write(w io.Writer, all []outcome, repetitions, replicates int) error {
	p := &printer{w: w}
	f := extremes(all)
	p.line("# Coverage of the intervals, simulated")
	p.line("")
	p.line("Written by `go run ./internal/montecarlo -out offpolicy/montecarlo.md`; do not edit. %d repetitions a "+
		"design, each with", repetitions)
	p.line("%d bootstrap replicates for `dr`; one standard error of a coverage of .95 is %.1f points. The designs are in",
		replicates, 100*math.Sqrt(.95*.05/float64(repetitions)))
	p.line("`internal/montecarlo/world.go`: good overlap has w = .4 + 1.2 S and ESS/n of .9, medium is log-normal " +
		"with ESS/n of .44, none")
	p.line("log-normal with a divergence of 12.5 nats; where the judge does not transport, a trait that it cannot see " +
		"moves labels by .3")
	p.line("and is 20%% commoner under the target, which costs another 4%% of the ESS and biases the plug-in by .03.")
	p.line("")
	p.line("| held to | found |")
	p.line("| --- | --- |")
	p.line("| hopeless (no overlap, no target labels): answered at most 1%% | %.2f%% |", 100*f.hopelessAnswered)
	p.line("| good (good overlap and ≥ 25 labels, or 25 target labels): refused at most 1%% | %.2f%% |",
		100*f.goodRefused)
	p.line("| where ≥ 90%% are answered: coverage 93-97%% | %.1f-%.1f%% |", 100*f.lowCoverage, 100*f.highCoverage)
	p.line("| everywhere: answered and missed at most 6.5%% | %.1f%% |", 100*f.wrong)
	p.line("| good overlap: `dr` no wider than 1.02 of `labeled_snips` | %.2f |", f.widthRatio)
	p.line("| good overlap: standard error of `dr` over its spread .9-1.15 | %.2f-%.2f |", f.lowSpread, f.highSpread)
	p.line("| the same wherever ≥ 90%% are answered | %.2f-%.2f |", f.lowSpreadAll, f.highSpreadAll)
	p.line("| the same of `direct`, everywhere | %.2f-%.2f |", f.lowDirect, f.highDirect)
	p.line("")
	p.line("`ips`, `snips`, `clipped_ips` and the plug-in `direct` claim no coverage and are not shown.")
	p.line("")
	p.line("## What the referee answers")
	p.line("")
	p.line("| overlap | judge | n | labels | target labels | refused %% | coverage %% | answered and missed %% | mean " +
		"width |")
	p.line("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for i := range all {
		o := &all[i]
		for _, r := range []struct {
			labels int
			t      *tally
		}{{0, &o.RefereeNoProbes}, {probes, &o.Referee}} {
			p.line("| %s | %d | %d | %d | %s | %s | %.1f | %s |", o.world(), o.Prompts, o.Labels, r.labels,
				percent(1-r.t.share(), 2), percent(r.t.coverage(), 1), 100*r.t.wrong(), number(r.t.meanWidth(), 3))
		}
	}
	p.line("")
	p.line("## By estimator")
	p.line("")
	p.line("`direct` has 25 target labels. A dash: nothing was answered; where fewer than 90%% are, what is answered " +
		"was selected by the gates.")
	p.line("")
	p.line("| overlap | judge | n | labels | estimator | refused %% | bias | SE/spread | coverage %% | answered and " +
		"missed %% | mean width |")
	p.line("| --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for i := range all {
		o := &all[i]
		for _, r := range []struct {
			name string
			t    *tally
		}{{"dr", &o.DR}, {"labeled_snips", &o.Labeled}, {"direct", &o.Direct}} {
			p.line("| %s | %d | %d | `%s` | %s | %s | %s | %s | %.1f | %s |", o.world(), o.Prompts, o.Labels, r.name,
				percent(1-r.t.share(), 2), number(r.t.meanBias(), 4), number(r.t.spread(), 2), percent(r.t.coverage(), 1),
				100*r.t.wrong(), number(r.t.meanWidth(), 3))
		}
	}
	return p.err
}

func (d design) world() string {
	if d.Transports {
		return d.Overlap + " | transports"
	}
	return d.Overlap + " | does not"
}

func percent(v float64, digits int) string { return number(100*v, digits) }

func number(v float64, digits int) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
