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
)

// Text writes v in short for a terminal of width columns, in the order of the other forms:
// what was evaluated, the two answers, the scores, and what is wrong. The page has the
// rest. A width of 0 or less means 80, and less than 40 counts as 40. No line is longer,
// but for a command: it stands whole on a line of its own, to be copied. Tables drop
// their least telling columns if they do not fit. There are no colours and no control
// characters, whatever the records hold; every character counts as one column.
func Text(w io.Writer, v *pilot.Verdict, width int) error {
	if width <= 0 {
		width = 80
	}
	t := &terminal{view: newView(v), width: max(width, 40)}
	t.subject()
	t.badges()
	t.scores()
	t.wrong()
	t.heading(fmt.Sprintf("Checks: %s. %s", t.Tally, t.CostLine))
	_, err := w.Write(t.b.Bytes())
	return err
}

type terminal struct {
	*view
	width int
	b     bytes.Buffer
}

func (t *terminal) subject() {
	if t.Banner != "" {
		t.wrap("", "", t.Banner)
		t.b.WriteByte('\n')
	}
	t.wrap("", "  ", t.Subject.Title)
	for _, r := range t.Subject.Policies.Rows {
		prompt := "system prompt: " + r[3]
		if r[3] == noPrompt {
			prompt = noPrompt
		}
		t.wrap("  "+r[0]+"  ", "      ", strings.Join(append([]string{r[1], r[2], prompt}, r[4:]...), "; "))
	}
	for _, f := range t.Subject.Facts {
		t.wrap("  "+f.Name+": ", "      ", f.Value)
	}
}

func (t *terminal) badges() {
	for _, b := range t.Badges {
		t.heading(b.Question + " " + b.Answer + ".")
		for _, s := range []string{b.Reason, next(b)} {
			if s != "" {
				t.wrap("  ", "  ", s)
			}
		}
		t.command(b.Command)
	}
}

// command writes a command whole, on a line of its own.
func (t *terminal) command(s string) {
	if s != "" {
		t.b.WriteString(s + "\n")
	}
}

func (t *terminal) scores() {
	t.heading(sections["scores"].Title)
	if t.Forest.None != "" {
		t.wrap("  ", "  ", t.Forest.None)
		return
	}
	if t.Forest.Caution != "" {
		t.wrap("  ", "  ", t.Forest.Caution)
	}
	t.table(t.Forest.table(), "")
	for _, s := range t.Forest.Sentences {
		t.wrap("  - ", "    ", s)
	}
}

func (t *terminal) wrong() {
	if len(t.Wrong)+len(t.Waivers) == 0 {
		return
	}
	t.heading(sections["wrong"].Title)
	for _, w := range t.Waivers {
		t.wrap("  WAIVED  ", "      ", w.Name+": "+w.Value)
	}
	for _, g := range t.Wrong {
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
			if c.Waived != "" {
				continue
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
