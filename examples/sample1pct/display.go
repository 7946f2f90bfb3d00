package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// simulatedRetry is the first wait after a failure of the simulator, which has
// no load to recover from.
const simulatedRetry = 20 * time.Millisecond

// display shows progress: one line a stage, redrawn in place on a terminal, and
// printed when the stage ends elsewhere.
type display struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex
	last time.Time
	open bool // a line is being redrawn
}

func newDisplay(w io.Writer) *display {
	d := &display{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		d.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return d
}

// redrawEvery bounds how often a terminal line is redrawn.
const redrawEvery = 100 * time.Millisecond

func (d *display) event(e pilot.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.Alert != "" {
		if d.open {
			fmt.Fprintln(d.w)
			d.open = false
		}
		fmt.Fprintln(d.w, "ALERT:", e.Alert)
	}
	now := time.Now()
	if !e.Finished && (!d.terminal || !e.Begun && now.Sub(d.last) < redrawEvery) {
		return
	}
	d.last = now
	line := stageLine(e)
	if !d.terminal {
		fmt.Fprintln(d.w, line)
		return
	}
	fmt.Fprintf(d.w, "\r\x1b[K%s", line)
	d.open = true
	if e.Finished {
		fmt.Fprintln(d.w)
		d.open = false
	}
}

func (d *display) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open {
		fmt.Fprintln(d.w)
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
		s += fmt.Sprintf("  %d failed", e.Failed)
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
