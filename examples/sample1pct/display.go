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
	"unicode/utf8"

	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/internal/console"
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
// on the whole run. If it is quiet there is nothing but alerts. There is no colour, so
// that nothing need turn it off.
type display struct {
	w        io.Writer
	terminal bool
	quiet    bool
	width    func() int
	now      func() time.Time

	mu     sync.Mutex
	last   time.Time      // when something was drawn, or a line on the whole run printed
	latest record.Event   // what is true of the whole run
	stages []record.Event // in the order in which they began
	drawn  int            // lines on the terminal, or stages printed for good
}

func newDisplay(w io.Writer, quiet bool) *display {
	d := &display{w: w, now: time.Now, quiet: quiet, width: func() int { return noTerminal }}
	if _, ok := console.Columns(w); ok && os.Getenv("TERM") != "dumb" {
		d.terminal, d.width = true, func() int { return console.Width(w) }
	}
	d.last = d.now()
	return d
}

// noTerminal is how wide the lines are that nobody's terminal cuts.
const noTerminal = 1000

// redrawEvery bounds how often a terminal's lines are redrawn, and tellEvery how
// often a line on the whole run is printed elsewhere.
const (
	redrawEvery = 100 * time.Millisecond
	tellEvery   = 30 * time.Second
)

func (d *display) event(e record.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// Events may overtake one another: what was spent stays spent.
	e.Spent = max(e.Spent, d.latest.Spent)
	d.latest = e
	if e.Alert != "" {
		d.say("ALERT: " + e.Alert)
	}
	if e.Stage == "" || d.quiet {
		return
	}
	i := slices.IndexFunc(d.stages, func(s record.Event) bool { return s.Stage == e.Stage })
	if again := i >= 0 && e.Begun && d.stages[i].Finished; again && !d.terminal {
		// The run has grown and begins anew: what it has done so far has been printed.
		d.stages, d.drawn, i = nil, 0, -1
	}
	if i < 0 {
		d.stages = append(d.stages, e)
	} else if s := d.stages[i]; e.Begun || !s.Finished && (e.Finished || e.Done+e.Failed >= s.Done+s.Failed) {
		// events may overtake one another, but for the first
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
		fmt.Fprintln(d.w, stageLine(d.stages[d.drawn], d.width()))
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
	fmt.Fprintf(d.w, "%s\x1b[K\n", strings.ReplaceAll(console.Fill(line, d.width()), "\n", "\x1b[K\n"))
	d.drawn = 0
	d.redraw()
}

// rewind moves to the first of the lines that are redrawn.
func (d *display) rewind() {
	if d.drawn > 0 {
		fmt.Fprintf(d.w, "\x1b[%dA\r", d.drawn)
	}
}

// redraw draws all lines anew. They are made for the terminal's width; if it has become
// narrower meanwhile, it cuts them (?7l) and does not wrap them, or the next ones would
// not find their place.
func (d *display) redraw() {
	if len(d.stages) == 0 {
		return
	}
	d.rewind()
	lines, width := make([]string, 0, len(d.stages)+2), d.width()
	for _, s := range d.stages {
		lines = append(lines, stageLine(s, width))
	}
	lines = append(lines, wholeLine(d.latest, width), forcingLine(d.latest.Forcing, width))
	fmt.Fprintf(d.w, "\x1b[?7l%s\x1b[K\n\x1b[?7h", strings.Join(lines, "\x1b[K\n"))
	d.drawn = len(lines)
}

// close shows what is left to show, and a blank line before what follows.
func (d *display) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.stages) == 0 {
		return
	}
	defer fmt.Fprintln(d.w)
	if d.terminal {
		d.redraw()
		return
	}
	for ; d.drawn < len(d.stages); d.drawn++ {
		fmt.Fprintln(d.w, stageLine(d.stages[d.drawn], d.width()))
	}
	fmt.Fprintln(d.w, wholeLine(d.latest, d.width()))
	fmt.Fprintln(d.w, forcingLine(d.latest.Forcing, d.width()))
}

// progress is the whole run in a line.
func (d *display) progress() string {
	var parts []string
	for _, s := range d.stages {
		if !s.Finished {
			parts = append(parts, fmt.Sprintf("%s %d/%d", s.Stage, s.Done+s.Failed, s.Total))
		}
	}
	return strings.Join(append(parts, wholeLine(d.latest, d.width())), " · ")
}

// fit joins parts while they fit into width. What matters most comes first.
func fit(width int, sep string, parts ...string) string {
	s := parts[0]
	for _, p := range parts[1:] {
		if utf8.RuneCountInString(s)+utf8.RuneCountInString(sep)+utf8.RuneCountInString(p) > width {
			break
		}
		s += sep + p
	}
	if rs := []rune(s); len(rs) > width {
		s = string(rs[:width])
	}
	return s
}

// stageLine is a stage's bar, what it made and failed, what is left, its time and rate.
func stageLine(e record.Event, width int) string {
	bar := 20
	if width < 80 {
		bar = 10
	}
	done, failed := 0, 0
	if e.Total > 0 {
		done = bar * e.Done / e.Total
		failed = min((bar*e.Failed+e.Total-1)/e.Total, bar-done)
	}
	parts := []string{fmt.Sprintf("%-8s %s%s%s %4d/%-4d", e.Stage, strings.Repeat("█", done),
		strings.Repeat("×", failed), strings.Repeat("░", bar-done-failed), e.Done, e.Total)}
	if e.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", e.Failed))
	}
	parts = append(parts, fmt.Sprintf("%6.1fs", e.Elapsed.Seconds()))
	if left := e.Total - e.Done - e.Failed; !e.Finished && left > 0 && e.Done+e.Failed > 0 && e.Elapsed > 0 {
		parts = append(parts, fmt.Sprintf("about %s left",
			(e.Elapsed*time.Duration(left)/time.Duration(e.Done+e.Failed)).Round(time.Second)))
	}
	if made := e.Done + e.Failed; e.Elapsed > 0 && made > 0 {
		parts = append(parts, fmt.Sprintf("%6.1f/s", float64(made)/e.Elapsed.Seconds()))
	}
	if e.Failed > 0 {
		var classes []string
		for _, class := range slices.Sorted(maps.Keys(e.Errors)) {
			classes = append(classes, clean.Line(fmt.Sprintf("%s %d", class, e.Errors[class])))
		}
		parts = append(parts, "("+strings.Join(classes, ", ")+")")
	}
	return fit(width, " ", parts...)
}

// wholeLine is the money and the limits. What calls in flight may still cost is apart
// from what is spent.
func wholeLine(e record.Event, width int) string {
	spent := fmt.Sprintf("spent $%.4f", float64(e.Spent))
	if e.Budget > 0 {
		spent += fmt.Sprintf(" of $%.2f (%.0f%%)", float64(e.Budget), 100*float64(e.Spent)/float64(e.Budget))
	}
	parts := []string{spent}
	if e.Reserved > 0 {
		parts = append(parts, fmt.Sprintf("reserved $%.4f", float64(e.Reserved)))
	}
	return fit(width, " · ", append(parts, fmt.Sprintf("in flight %d of %d", e.InFlight, e.Allowed),
		fmt.Sprintf("retries %d", e.Retries), fmt.Sprintf("429s absorbed %d", e.Limited))...)
}

// forcingLine is how many log-probs are exactly 0, and how often each method of
// teacher forcing answered, the plan's three first.
func forcingLine(f record.ForcingCounts, width int) string {
	parts := []string{fmt.Sprintf("log-probs %d, zero %d", f.Scored, f.Zeros)}
	for _, name := range []string{teacherforce.MethodTokenCounting, teacherforce.MethodEchoBased,
		teacherforce.MethodContinuation, teacherforce.MethodTokenIDs} {
		parts = append(parts, fmt.Sprintf("%s %d", name, f.Methods[name]))
	}
	return fit(width, ", ", parts...)
}

// printPreflight shows what a run of n prompts is expected to take. Its lines fit 60 columns.
func printPreflight(w io.Writer, n int, live bool, pricesDate string, pf pilot.Preflight) {
	e := pf.Cost
	simulated := ""
	if !live {
		simulated = " with live services"
	}
	fmt.Fprintf(w, "\nCost of %d prompts: %d calls, $%.2f expected, $%.2f at worst (prices of %s), about %s%s.\n",
		n, e.Calls, e.ExpectedUSD, e.WorstUSD, clean.Line(pricesDate), span(e.ExpectedSeconds.OrNaN()),
		simulated)
	fmt.Fprintf(w, "  %-10s %7s %10s %10s %8s\n", "stage", "calls", "expected", "at worst", "time")
	for _, s := range e.Stages {
		line := fmt.Sprintf("  %-10s %7d %10s %10s %8s", s.Name, s.Calls, fmt.Sprintf("$%.4f", s.ExpectedUSD),
			fmt.Sprintf("$%.4f", s.WorstUSD), span(s.ExpectedSeconds.OrNaN()))
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	for _, warning := range pf.Warnings {
		fmt.Fprintln(w, "warning:", clean.Line(warning))
	}
	fmt.Fprintln(w)
}

// span is a time to the second, from an hour on to the minute; a batch's is not known.
func span(seconds float64) string {
	if math.IsNaN(seconds) {
		return "<= 24h"
	}
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if d < time.Hour {
		return d.String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
