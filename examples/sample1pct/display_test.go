package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// screen is as much of a terminal as the display uses: it shows what a person
// would see.
type screen struct {
	width    int
	rows     [][]rune
	row, col int
	nowrap   bool
	// overflowed says that something was written beyond the last column.
	overflowed bool
}

var control = regexp.MustCompile(`^\x1b\[(\??)(\d*)([A-Za-z])`)

func (s *screen) Write(b []byte) (int, error) {
	text := string(b)
	for text != "" {
		if m := control.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[2])
			switch m[1] + m[2] + m[3] {
			case "?7l":
				s.nowrap = true
			case "?7h":
				s.nowrap = false
			case "K":
				s.line()
				s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
			default:
				if m[3] != "A" {
					return 0, fmt.Errorf("control %q is not known", m[0])
				}
				s.row = max(s.row-n, 0)
			}
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch {
		case r == '\n':
			s.row, s.col = s.row+1, 0
		case r == '\r':
			s.col = 0
		case r < 0x20:
			return 0, fmt.Errorf("control %U", r)
		default:
			if s.col == s.width {
				s.overflowed = true
				if s.col--; !s.nowrap {
					s.row, s.col = s.row+1, 0
				}
			}
			s.line()
			for len(s.rows[s.row]) <= s.col {
				s.rows[s.row] = append(s.rows[s.row], ' ')
			}
			s.rows[s.row][s.col] = r
			s.col++
		}
	}
	return len(b), nil
}

func (s *screen) line() {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, nil)
	}
}

func (s *screen) String() string {
	var b strings.Builder
	for _, r := range s.rows {
		b.WriteString(strings.TrimRight(string(r), " ") + "\n")
	}
	return b.String()
}

// eventful shows a run in which everything happens.
func eventful(d *display) {
	forcing := record.ForcingCounts{Scored: 120, Zeros: 2, Methods: map[string]int{"token_ids": 118, "echo_based": 97}}
	e := record.Event{Stage: "p0", Begun: true, Total: 100, Budget: 2}
	d.event(e)
	d.event(record.Event{Stage: "logprobs", Begun: true, Total: 500, Budget: 2})
	for i := range 50 {
		e.Begun, e.Done, e.Elapsed, e.Spent = false, 2*i, time.Duration(i)*time.Second, 0.02*1
		e.InFlight, e.Allowed, e.Limited, e.Retries, e.Forcing = 3, 32, 7, 9, forcing
		d.event(e)
	}
	d.event(record.Event{Alert: "fireworks: everything fails, paused for 30s; the last failure: \x1b[2J\x07\u202egone"})
	d.print("stopping: calls in flight are awaited")
	e.Failed, e.Errors = 1, map[string]int{"timeout": 1, "\x1b]0;owned\x07": 1}
	e.Spent, e.Reserved = 1.7, 0.25
	e.Alert = "80% of the budget of $2.00 is spent or reserved"
	d.event(e)
	e.Alert, e.Done, e.Finished = "", 99, true
	d.event(e)
	d.close()
}

func TestDisplayOnATerminal(t *testing.T) {
	for _, width := range []int{60, 80, 120, 200} {
		s := &screen{width: width}
		eventful(&display{w: s, terminal: true, width: func() int { return width },
			now: func() time.Time { return time.Unix(0, 0) }})
		got := s.String()
		if s.overflowed {
			t.Errorf("at %d columns a line is longer than the terminal is wide:\n%s", width, got)
		}
		for _, want := range []string{"p0 ", "logprobs ", "spent $1.7000", "log-probs 120"} {
			if strings.Count(got, "\n"+want)+strings.Count(got[:len(want)], want) != 1 {
				t.Errorf("at %d columns the line of %q is there not once:\n%s", width, want, got)
			}
		}
		wants := []string{"ALERT: fireworks: everything fails", "ALERT: 80% of the budget", "stopping:", "99/100",
			"1 failed", "of $2.00 (85%)", "reserved $0.2500", "zero 2", "token_counting 0"}
		if width >= 120 { // narrower terminals show what matters most
			wants = append(wants, "in flight 3 of 32", "429s absorbed 7", "echo_based 97")
		}
		for _, want := range wants {
			if !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
				t.Errorf("at %d columns %q is not shown:\n%s", width, want, got)
			}
		}
	}
}

func TestDisplayInLines(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	d := &display{w: &b, width: func() int { return noTerminal }, now: func() time.Time { return now }, last: now}
	d.event(record.Event{Stage: "p0", Begun: true, Total: 100})
	d.event(record.Event{Stage: "p0", Done: 10, Total: 100})
	if b.Len() != 0 {
		t.Errorf("a line at once: %q", b.String())
	}
	now = now.Add(time.Minute)
	d.event(record.Event{Stage: "p0", Done: 40, Failed: 2, Total: 100, Spent: 0.5, Budget: 2})
	if want := "p0 42/100 · spent $0.5000 of $2.00 (25%)"; !strings.Contains(b.String(), want) {
		t.Errorf("%q after a minute, want %q", b.String(), want)
	}
	eventful(d)
	for _, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0x202e }) {
			t.Errorf("a control character where there is no terminal: %q", line)
		}
	}
	if got := b.String(); strings.Count(got, "ALERT: 80% of the budget") != 1 || !strings.Contains(got, "zero 2") {
		t.Errorf("alerts and log-probs are not told:\n%s", got)
	}
}

// Events overtake one another, and what is reserved is given back: what is spent is never
// seen to fall.
func TestSpentNeverFalls(t *testing.T) {
	var b bytes.Buffer
	d := &display{w: &b, terminal: true, width: func() int { return 80 }, now: time.Now}
	rng := rand.New(rand.NewPCG(1, 1))
	spent := 0.0
	for i := range 500 {
		spent += rng.Float64() / 100
		late := spent * (1 - rng.Float64()/20)
		d.event(record.Event{Stage: "p0", Begun: true, Done: i, Total: 500, Spent: providers.USD(late),
			Reserved: providers.USD(rng.Float64() / 10)})
	}
	last, seen := -1.0, 0
	for _, m := range regexp.MustCompile(`spent \$([0-9.]+)`).FindAllStringSubmatch(b.String(), -1) {
		x, err := strconv.ParseFloat(m[1], 64)
		if err != nil || x < last {
			t.Fatalf("$%v after $%v (%v)", x, last, err)
		}
		last = x
		seen++
	}
	if seen != 500 {
		t.Errorf("%d figures in 500 redraws", seen)
	}
}

func TestQuiet(t *testing.T) {
	var b bytes.Buffer
	eventful(&display{w: &b, quiet: true, width: func() int { return noTerminal }, now: time.Now})
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "ALERT: ") && !strings.HasPrefix(line, "stopping:") {
			t.Errorf("it says %q", line)
		}
	}
	if strings.Count(b.String(), "ALERT: ") != 2 {
		t.Errorf("want both alerts:\n%s", &b)
	}
}

// A run that is looked at as it grows begins every stage again: what is shown is of the
// look that is under way.
func TestDisplayOfLooks(t *testing.T) {
	looks := func(d *display) {
		for _, total := range []int{31, 62} {
			for _, stage := range []string{"certify", "p0"} {
				d.event(record.Event{Stage: stage, Begun: true, Total: total})
				d.event(record.Event{Stage: stage, Done: total / 2, Total: total})
				d.event(record.Event{Stage: stage, Done: total, Total: total, Finished: true})
			}
		}
		d.close()
	}
	now := func() time.Time { return time.Unix(0, 0) }
	var b bytes.Buffer
	looks(&display{w: &b, width: func() int { return noTerminal }, now: now, last: now()})
	at := 0
	for _, want := range []string{"certify", "31/31", "p0", "31/31", "certify", "62/62", "p0", "62/62", "spent"} {
		i := strings.Index(b.String()[at:], want)
		if i < 0 {
			t.Fatalf("no %q in its place:\n%s", want, b.String())
		}
		at += i
	}
	if n := strings.Count(b.String(), "p0"); n != 2 {
		t.Errorf("p0 has %d lines of two looks:\n%s", n, b.String())
	}
	s := &screen{width: 80}
	looks(&display{w: s, terminal: true, width: func() int { return 80 }, now: now})
	if got := s.String(); strings.Count(got, "62/62") != 2 || strings.Contains(got, "31/31") {
		t.Errorf("the terminal does not show the second look:\n%s", got)
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{22: "22s", 260.4: "4m20s", 3599: "59m59s", 3600: "1h0m", 21549: "5h59m",
		math.NaN(): "<= 24h"} {
		if got := span(seconds); got != want {
			t.Errorf("%v s are %q, want %q", seconds, got, want)
		}
	}
}
