package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/offpolicy"
)

// setStated reads -stated, sd=0.25,correlation=0.7.
func setStated(p *offpolicy.Planning, spec string) error {
	given := map[string]float64{}
	for part := range strings.SplitSeq(spec, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		v, err := strconv.ParseFloat(value, 64)
		if _, twice := given[name]; err != nil || twice || name != "sd" && name != "correlation" {
			return fmt.Errorf("%q: want sd=NUMBER,correlation=NUMBER", part)
		}
		given[name] = v
	}
	sd, correlation := given["sd"], given["correlation"]
	if len(given) != 2 || !(sd > 0 && sd <= .5 && correlation >= 0 && correlation <= 1) {
		return fmt.Errorf("want a standard deviation of labels in (0, 0.5] and the judge's correlation with them in [0, 1]")
	}
	*p = offpolicy.StatedPlanning(sd, correlation)
	return nil
}

// printStated writes what runs would be needed if labels and judge were as stated.
func printStated(w io.Writer, o options) {
	p := *o.stated
	p.Assurance = o.assurance
	runs := "on average"
	if o.assurance > 0 {
		runs = fmt.Sprintf("in %.0f%% of runs", 100*o.assurance)
	}
	fmt.Fprintf(w, "If labels have a standard deviation of %.3g and vary by %.3g about the calibrated judge, for ±%.3g "+
		"%s:\n", p.LabelSD, p.ResidualSD, o.width, runs)
	for _, share := range []float64{1, .5, .25} {
		if n, m := p.LoggingRun(o.width, share, o.full); n > 0 {
			fmt.Fprintf(w, "  the logging policy: %d prompts, %d of its responses labeled\n", n, m)
		} else {
			fmt.Fprintf(w, "  the logging policy: %d prompts are too few with %.0f%% of its responses labeled\n", o.full,
				100*share)
		}
	}
	for _, n := range slices.Compact([]int{o.n, o.full}) {
		if m := p.DirectRun(o.width, n); m > 0 {
			fmt.Fprintf(w, "  a target by its own responses: %d labels of %d\n", m, n)
		} else {
			fmt.Fprintf(w, "  a target by its own responses: all %d labeled are too few\n", n)
		}
	}
	fmt.Fprintln(w, "Nothing was run. By weights a value is wider by at least the root of prompts over ESS, which only "+
		"a run shows.")
}
