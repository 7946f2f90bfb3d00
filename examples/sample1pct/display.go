package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// simulatedRetry is the first wait after a failure of the simulator, which has
// no load to recover from.
const simulatedRetry = 20 * time.Millisecond

// display shows progress. On a terminal there is a bar a stage and two lines on
// the whole run, all redrawn in place, since stages overlap. Elsewhere a stage's
// line is printed when it and those before it have ended, and now and then a line
// on the whole run. There is no colour, so that nothing need turn it off.
type display struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	mu     sync.Mutex
	last   time.Time      // when something was drawn, or a line on the whole run printed
	latest record.Event   // what is true of the whole run
	stages []record.Event // in the order in which they began
	drawn  int            // lines on the terminal, or stages printed for good
}

func newDisplay(w io.Writer) *display {
	d := &display{w: w, now: time.Now}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		d.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	d.last = d.now()
	return d
}

// redrawEvery bounds how often a terminal's lines are redrawn, and tellEvery how
// often a line on the whole run is printed elsewhere.
const (
	redrawEvery = 100 * time.Millisecond
	tellEvery   = 30 * time.Second
)

func (d *display) event(e record.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest = e
	if e.Alert != "" {
		d.say("ALERT: " + e.Alert)
	}
	if e.Stage == "" {
		return
	}
	if i := slices.IndexFunc(d.stages, func(s record.Event) bool { return s.Stage == e.Stage }); i < 0 {
		d.stages = append(d.stages, e)
	} else if s := d.stages[i]; !s.Finished && (e.Finished || e.Done+e.Failed >= s.Done+s.Failed) {
		// events may overtake one another
		d.stages[i] = e
	}
	now := d.now()
	if d.terminal {
		if e.Begun || e.Finished || now.Sub(d.last) >= redrawEvery {
			d.last = now
			d.redraw()
		}
		return
	}
	for ; d.drawn < len(d.stages) && d.stages[d.drawn].Finished; d.drawn++ {
		fmt.Fprintln(d.w, stageLine(d.stages[d.drawn]))
	}
	if now.Sub(d.last) >= tellEvery {
		d.last = now
		fmt.Fprintln(d.w, d.progress())
	}
}

// print shows a line of its own, above the stages' on a terminal.
func (d *display) print(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.say(line)
}

func (d *display) say(line string) {
	line = clean.Line(line)
	if !d.terminal {
		fmt.Fprintln(d.w, line)
		return
	}
	d.rewind()
	fmt.Fprintf(d.w, "%s\x1b[K\n", line)
	d.drawn = 0
	d.redraw()
}

// rewind moves to the first of the lines that are redrawn.
func (d *display) rewind() {
	if d.drawn > 0 {
		fmt.Fprintf(d.w, "\x1b[%dA\r", d.drawn)
	}
}

// redraw draws all lines anew. A line that is longer than the terminal is wide is
// cut by it (?7l) and not wrapped, or the next one would not find its place.
func (d *display) redraw() {
	if len(d.stages) == 0 {
		return
	}
	d.rewind()
	lines := make([]string, 0, len(d.stages)+2)
	for _, s := range d.stages {
		lines = append(lines, stageLine(s))
	}
	lines = append(lines, wholeLine(d.latest), forcingLine(d.latest.Forcing))
	fmt.Fprintf(d.w, "\x1b[?7l%s\x1b[K\n\x1b[?7h", strings.Join(lines, "\x1b[K\n"))
	d.drawn = len(lines)
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
	if len(d.stages) > 0 {
		fmt.Fprintln(d.w, wholeLine(d.latest))
		fmt.Fprintln(d.w, forcingLine(d.latest.Forcing))
	}
}

// progress is the whole run in a line.
func (d *display) progress() string {
	var parts []string
	for _, s := range d.stages {
		if !s.Finished {
			parts = append(parts, fmt.Sprintf("%s %d/%d", s.Stage, s.Done+s.Failed, s.Total))
		}
	}
	return strings.Join(append(parts, wholeLine(d.latest)), " · ")
}

// stageLine is a stage's bar, what it made and failed, its rate, and what is
// left. What matters most comes first: a narrow terminal cuts the rest.
func stageLine(e record.Event) string {
	const width = 20
	done, failed := 0, 0
	if e.Total > 0 {
		done = width * e.Done / e.Total
		failed = min((width*e.Failed+e.Total-1)/e.Total, width-done)
	}
	s := fmt.Sprintf("%-8s %s%s%s %4d/%-4d", e.Stage, strings.Repeat("█", done), strings.Repeat("×", failed),
		strings.Repeat("░", width-done-failed), e.Done, e.Total)
	if e.Failed > 0 {
		s += fmt.Sprintf(" %d failed", e.Failed)
	}
	s += fmt.Sprintf(" %6.1fs", e.Elapsed.Seconds())
	if made := e.Done + e.Failed; e.Elapsed > 0 && made > 0 {
		s += fmt.Sprintf(" %6.1f/s", float64(made)/e.Elapsed.Seconds())
	}
	if left := e.Total - e.Done - e.Failed; !e.Finished && left > 0 && e.Done+e.Failed > 0 && e.Elapsed > 0 {
		s += fmt.Sprintf("  about %s left",
			(e.Elapsed * time.Duration(left) / time.Duration(e.Done+e.Failed)).Round(time.Second))
	}
	if e.Failed > 0 {
		var classes []string
		for _, class := range slices.Sorted(maps.Keys(e.Errors)) {
			classes = append(classes, fmt.Sprintf("%s %d", class, e.Errors[class]))
		}
		s += fmt.Sprintf("  (%s)", strings.Join(classes, ", "))
	}
	return clean.Line(s)
}

// wholeLine is the money and the limits.
func wholeLine(e record.Event) string {
	s := fmt.Sprintf("spent $%.4f", float64(e.Spent))
	if e.Budget > 0 {
		s += fmt.Sprintf(" of $%.2f (%.0f%%)", float64(e.Budget), 100*float64(e.Spent)/float64(e.Budget))
	}
	return s + fmt.Sprintf(" · in flight %d of %d · 429s absorbed %d · retries %d", e.InFlight, e.Allowed, e.Limited,
		e.Retries)
}

// forcingLine is how many log-probs are exactly 0, and how often each method of
// teacher forcing answered, the plan's three first.
func forcingLine(f record.ForcingCounts) string {
	var parts []string
	for _, name := range []string{teacherforce.MethodTokenCounting, teacherforce.MethodEchoBased,
		teacherforce.MethodContinuation, teacherforce.MethodTokenIDs} {
		parts = append(parts, fmt.Sprintf("%s %d", name, f.Methods[name]))
	}
	return fmt.Sprintf("log-probs %d, zero %d: ", f.Scored, f.Zeros) + strings.Join(parts, ", ")
}

// printPreflight shows what the run is expected to take.
func printPreflight(w io.Writer, cfg pilot.Config, pf pilot.Preflight) {
	e := pf.Estimate
	simulated := ""
	if !cfg.Live {
		simulated = " with live services"
	}
	n := len(cfg.Shard.Own(cfg.Prompts))
	fmt.Fprintf(w, "\nEstimate for %d prompts: %d calls, $%.4f expected, $%.4f at worst (prices of %s), about %s%s\n",
		n, e.Calls, e.ExpectedUSD, e.WorstUSD, clean.Line(cfg.Prices.Date), span(e.ExpectedSeconds.OrNaN()),
		simulated)
	fmt.Fprintf(w, "  %-10s %7s %12s %12s %10s %10s %8s %24s\n", "stage", "calls", "prompt tok", "compl. tok", "expected",
		"at worst", "time", e.Reference)
	for _, s := range e.Stages {
		reference := ""
		if s.ReferenceCalls > 0 {
			reference = fmt.Sprintf("%d / $%.2f / %s", s.ReferenceCalls, s.ReferenceUSD, s.ReferenceTime)
		}
		line := fmt.Sprintf("  %-10s %7d %12.0f %12.0f %10s %10s %8s %24s", s.Name, s.Calls, s.PromptTokens,
			s.CompletionTokens,
			fmt.Sprintf("$%.4f", s.ExpectedUSD), fmt.Sprintf("$%.4f", s.WorstUSD), span(s.ExpectedSeconds.OrNaN()), reference)
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	for _, warning := range pf.Warnings {
		fmt.Fprintln(w, "warning:", clean.Line(warning))
	}
	fmt.Fprintln(w)
}

// span is a time to the second; a batch's is not known.
func span(seconds float64) string {
	if math.IsNaN(seconds) {
		return "<= 24h"
	}
	return (time.Duration(seconds * float64(time.Second))).Round(time.Second).String()
}
