package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Text writes v in short for a terminal of width columns: the decision and its
// reasons, the checks that did not pass, stages, cost, policies and projection.
// A width of 0 or less means 80, and less than 40 counts as 40. Tables drop
// their least telling columns where they would not fit. There are no colours
// and no control characters, whatever the records hold; every character counts
// as one column.
func Text(w io.Writer, v *pilot.Verdict, width int) error {
	if width <= 0 {
		width = 80
	}
	t := &terminal{view: newView(v), width: max(width, 40)}
	t.decision()
	t.checks()
	t.heading("Stages")
	t.table(t.Stages, "No stage has started.")
	t.heading("Cost")
	t.wrap("  ", "  ", t.CostLine)
	t.heading("Policies")
	t.table(t.view.Policies, "No policy has responses yet.")
	t.heading("Estimates")
	t.wrap("  ", "  ", t.EstimatesLine)
	if len(t.Estimates.Rows) > 0 {
		t.table(t.Estimates, "")
	}
	for _, a := range t.Advice {
		t.wrap("  "+a.Name+": ", "      ", a.Value)
	}
	if len(t.Projection.Rows) > 0 {
		t.heading(t.Projection.Caption)
		for _, r := range t.Projection.Rows {
			t.wrap("  ", "    ", projectionLine(r))
		}
	}
	if t.Answer != "" {
		t.heading("Would the full run answer?")
		t.wrap("  ", "  ", t.Answer)
		for i, r := range t.Questions.Rows {
			line := r[1] + ", " + t.QuestionReasons[i].Value
			if r[2] != absent {
				line += ", to " + r[2]
			}
			if cheapest := "; cheapest: " + r[4]; r[6] == absent {
				line += cheapest
			} else {
				line += cheapest + ", " + r[6] + " more"
			}
			t.wrap("  "+r[0]+": ", "      ", line)
		}
		for _, f := range t.Runs {
			t.wrap("  ", "      ", f.Name+":")
			t.wrap("      ", "        ", f.Value)
		}
	}
	_, err := w.Write(t.b.Bytes())
	return err
}

type terminal struct {
	*view
	width int
	b     bytes.Buffer
}

func (t *terminal) decision() {
	if t.Banner != "" {
		t.wrap("", "", t.Banner)
		t.b.WriteByte('\n')
	}
	t.wrap(t.Decision+"  ", strings.Repeat(" ", utf8.RuneCountInString(t.Decision)+2), t.Meaning)
	for _, r := range t.Reasons {
		t.wrap("  - ", "    ", r)
	}
	for _, w := range t.Waivers {
		t.wrap("  - ", "    ", "waived: "+w.Name+": "+w.Value)
	}
	if t.Next.Do != "" {
		t.wrap("Next: ", "      ", t.Next.Do)
		if t.Next.Command != "" {
			t.wrap("      ", "        ", t.Next.Command)
		}
	}
}

func (t *terminal) checks() {
	t.heading("Checks: " + t.Tally)
	for _, g := range t.Groups {
		if g.Status == string(record.Pass) {
			continue
		}
		// What was not computed follows from what stopped the run: a line for
		// all of it. The page and the Markdown show each.
		skipped := map[string][]string{}
		for _, c := range g.Checks {
			if c.Waived == "" && c.NotComputed {
				skipped[c.Summary] = append(skipped[c.Summary], c.ID)
				continue
			}
			mark := strings.ToUpper(c.Word)
			if c.Waived != "" {
				mark += ", waived"
			}
			t.wrap("  "+mark+"  ", "      ", c.ID+": "+c.Summary)
			if !g.Open {
				continue
			}
			if c.Waived != "" {
				t.wrap("      waived: ", "        ", c.Waived)
			}
			if len(c.Records) > 0 {
				t.wrap("      records: ", "        ", shortList(c.Records, c.More))
			}
			if c.Remedy != "" {
				t.wrap("      do: ", "        ", c.Remedy)
			}
		}
		for _, why := range slices.Sorted(maps.Keys(skipped)) {
			ids := skipped[why]
			t.wrap("  "+strings.ToUpper(g.Checks[0].Word)+"  ", "      ",
				fmt.Sprintf("%s checks %s: %s", count(len(ids)), why, strings.Join(ids, ", ")))
		}
	}
}

// shortList names the first few records; the files hold the rest.
func shortList(keys []string, more int) string {
	const shown = 3
	if len(keys) > shown {
		more += len(keys) - shown
		keys = keys[:shown]
	}
	s := strings.Join(keys, ", ")
	if more > 0 {
		s += " and " + count(more) + " more"
	}
	return s
}

func projectionLine(r []string) string {
	s := r[0] + ": " + r[1]
	if r[2] != "" && (r[2] != absent || r[3] != absent) {
		s += " (from " + r[2] + " to " + r[3] + ")"
	}
	return s
}

func (t *terminal) heading(s string) {
	t.b.WriteByte('\n')
	t.wrap("", "  ", s)
}

// wrap writes s behind first, and further lines behind next, breaking at
// spaces. A word that does not fit a line of its own is cut: a long key must
// not break the layout of a narrow terminal.
func (t *terminal) wrap(first, next, s string) {
	if utf8.RuneCountInString(first) > t.width/2 { // a name that somebody chose
		first, s = "", first+s
	}
	if utf8.RuneCountInString(next) > t.width/2 {
		next = "  "
	}
	line, used := first, utf8.RuneCountInString(first)
	start := used
	flush := func() {
		t.b.WriteString(strings.TrimRight(line, " ") + "\n")
		line, used = next, utf8.RuneCountInString(next)
		start = used
	}
	for _, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		if used > start && used+1+n > t.width {
			flush()
		}
		if used > start {
			line += " "
			used++
		}
		rest := []rune(word)
		for room := max(t.width-used, 1); len(rest) > room; room = max(t.width-used, 1) {
			line += string(rest[:room])
			rest = rest[room:]
			flush()
		}
		line += string(rest)
		used += len(rest)
	}
	flush()
}

func (t *terminal) table(tab table, none string) {
	if len(tab.Rows) == 0 {
		t.wrap("  ", "  ", none)
		return
	}
	rows := append([][]string{names(tab.Cols)}, tab.Rows...)
	if tab.Total != nil {
		rows = append(rows, tab.Total)
	}
	keep := make([]int, len(tab.Cols))
	widths := make([]int, len(tab.Cols))
	for i := range tab.Cols {
		keep[i] = i
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	for total(keep, widths) > t.width {
		drop := -1
		for at, i := range keep {
			if d := tab.Cols[i].Drop; d > 0 && (drop < 0 || d > tab.Cols[keep[drop]].Drop) {
				drop = at
			}
		}
		if drop < 0 {
			break
		}
		keep = append(keep[:drop], keep[drop+1:]...)
	}
	if over := total(keep, widths) - t.width; over > 0 { // what is left is cut from the first column, down to 6
		widths[keep[0]] = max(widths[keep[0]]-over, 6)
	}
	for _, r := range rows {
		line := ""
		for _, i := range keep {
			line += "  " + pad(r[i], widths[i], tab.Cols[i].Num)
		}
		line = strings.TrimRight(line, " ")
		if utf8.RuneCountInString(line) > t.width {
			line = pad(line, t.width, false)
		}
		t.b.WriteString(line + "\n")
	}
}

func names(cols []column) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name
	}
	return out
}

func total(keep, widths []int) int {
	n := 0
	for _, i := range keep {
		n += 2 + widths[i]
	}
	return n
}

func pad(s string, width int, right bool) string {
	n := utf8.RuneCountInString(s)
	switch {
	case n > width:
		return string([]rune(s)[:width-1]) + "…"
	case right:
		return strings.Repeat(" ", width-n) + s
	}
	return s + strings.Repeat(" ", width-n)
}
