package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// simulatedRetry is the first wait after a failure of the simulator, which has
// no load to recover from.
const simulatedRetry = 20 * time.Millisecond

// display shows progress. On a terminal there is one line a stage, all redrawn in
// place, since stages overlap; elsewhere a stage's line is printed when it and
// those before it have ended.
type display struct {
	w        io.Writer
	terminal bool

	mu     sync.Mutex
	last   time.Time
	stages []pilot.Event // in the order in which they began
	drawn  int           // lines on the terminal, or printed for good
}

func newDisplay(w io.Writer) *display {
	d := &display{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		d.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return d
}

// redrawEvery bounds how often a terminal's lines are redrawn.
const redrawEvery = 100 * time.Millisecond

func (d *display) event(e pilot.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.Alert != "" {
		d.say("ALERT: " + e.Alert)
	}
	if e.Stage == "" {
		return
	}
	if i := slices.IndexFunc(d.stages, func(s pilot.Event) bool { return s.Stage == e.Stage }); i < 0 {
		d.stages = append(d.stages, e)
	} else if !d.stages[i].Finished && e.Done+e.Failed >= d.stages[i].Done+d.stages[i].Failed { // events may overtake one another
		d.stages[i] = e
	}
	if now := time.Now(); d.terminal && (e.Begun || e.Finished || now.Sub(d.last) >= redrawEvery) {
		d.last = now
		d.redraw()
	}
	for !d.terminal && d.drawn < len(d.stages) && d.stages[d.drawn].Finished {
		fmt.Fprintln(d.w, stageLine(d.stages[d.drawn]))
		d.drawn++
	}
}

// say prints a line of its own, above the stages' on a terminal.
func (d *display) say(line string) {
	if !d.terminal {
		fmt.Fprintln(d.w, line)
		return
	}
	d.rewind()
	fmt.Fprintf(d.w, "%s\x1b[K\n", line)
	d.drawn = 0
	d.redraw()
}

// rewind moves to the first of the stages' lines.
func (d *display) rewind() {
	if d.drawn > 0 {
		fmt.Fprintf(d.w, "\x1b[%dA", d.drawn)
	}
}

func (d *display) redraw() {
	d.rewind()
	for _, s := range d.stages {
		fmt.Fprintf(d.w, "\r%s\x1b[K\n", stageLine(s))
	}
	d.drawn = len(d.stages)
}

// close shows what is left to show.
func (d *display) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.terminal {
		d.redraw()
		return
	}
	for ; d.drawn < len(d.stages); d.drawn++ {
		fmt.Fprintln(d.w, stageLine(d.stages[d.drawn]))
	}
}

func stageLine(e pilot.Event) string {
	const width = 24
	filled := 0
	if e.Total > 0 {
		filled = width * e.Done / e.Total
	}
	s := fmt.Sprintf("%-9s %s%s %4d/%-4d %6.1fs  $%.4f", e.Stage, strings.Repeat("█", filled), strings.Repeat("░", width-filled), e.Done, e.Total, e.Elapsed.Seconds(), float64(e.Spent))
	if e.Failed > 0 {
		var classes []string
		for _, class := range slices.Sorted(maps.Keys(e.Errors)) {
			classes = append(classes, fmt.Sprintf("%s %d", class, e.Errors[class]))
		}
		s += fmt.Sprintf("  %d failed (%s)", e.Failed, strings.Join(classes, ", "))
	}
	if e.Retries > 0 {
		s += fmt.Sprintf("  %d retries (%d rate limited)", e.Retries, e.Limited)
	}
	if left := e.Total - e.Done - e.Failed; !e.Finished && left > 0 && e.Done > 0 && e.Elapsed > 0 {
		s += fmt.Sprintf("  about %s left", (e.Elapsed * time.Duration(left) / time.Duration(e.Done)).Round(time.Second))
	}
	return s
}

// printPreflight shows what the run is expected to take.
func printPreflight(w io.Writer, cfg pilot.Config, pf pilot.Preflight) {
	e := pf.Estimate
	fmt.Fprintf(w, "\nEstimate for %d prompts: %d calls, $%.4f expected, $%.4f at worst (prices of %s)\n", len(cfg.Prompts), e.Calls, e.ExpectedUSD, e.WorstUSD, cfg.Prices.Date)
	fmt.Fprintf(w, "  %-10s %7s %12s %12s %10s %10s %12s\n", "stage", "calls", "prompt tok", "compl. tok", "expected", "worst", "the plan's")
	for _, s := range e.Stages {
		plan := ""
		if s.PlanCalls > 0 {
			plan = fmt.Sprintf("%d / $%.2f", s.PlanCalls, s.PlanUSD)
		}
		line := fmt.Sprintf("  %-10s %7d %12.0f %12.0f %10s %10s %12s", s.Name, s.Calls, s.PromptTokens, s.CompletionTokens, fmt.Sprintf("$%.4f", s.ExpectedUSD), fmt.Sprintf("$%.4f", s.WorstUSD), plan)
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	for _, warning := range pf.Warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
	fmt.Fprintln(w)
}
