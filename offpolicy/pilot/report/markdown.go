package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// Markdown writes v as report.md, in the dialect that code forges render
// (CommonMark with tables). Text that strangers or models wrote cannot leave its
// place: inline it is escaped, and prompts and responses stand in fences longer
// than any run of backticks within them.
func Markdown(w io.Writer, v *pilot.Verdict) error {
	m := &markdown{view: newView(v)}
	m.top()
	for _, id := range folded {
		s := sections[id]
		m.line("## " + s.Title)
		m.line(s.Lead)
		m.section(id)
	}
	_, err := w.Write(append(bytes.TrimRight(m.b.Bytes(), "\n"), '\n'))
	return err
}

type markdown struct {
	*view
	b bytes.Buffer
}

// line writes a paragraph, or any other block, and the empty line after it.
func (m *markdown) line(s string) {
	m.b.WriteString(s)
	m.b.WriteString("\n\n")
}

func (m *markdown) list(items []string) {
	if len(items) == 0 {
		return
	}
	for _, it := range items {
		m.b.WriteString("- " + it + "\n")
	}
	m.b.WriteByte('\n')
}

func (m *markdown) texts(items []string) {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = mdText(s)
	}
	m.list(out)
}

// top is what everybody reads: what was evaluated, the two answers, the scores, and what
// is wrong.
func (m *markdown) top() {
	if m.Banner != "" {
		m.line("> **" + mdText(m.Banner) + "**")
	}
	m.line("# " + mdText(m.Title))
	m.line("## " + sections["subject"].Title)
	m.line(mdText(m.Subject.Title) + ".")
	m.table(m.Subject.Policies, "")
	m.facts(m.Subject.Facts)
	for _, b := range m.Badges {
		m.line("## " + b.Question)
		m.line(strings.TrimSpace("**" + mdText(b.Answer) + ".** " + mdText(b.Reason)))
		if b.Do != "" {
			m.line(mdText(next(b)))
		}
		if b.Command != "" {
			m.line(mdFence(b.Command))
		}
	}
	m.line("## " + sections["scores"].Title)
	if m.Forest.None != "" {
		m.line(mdText(m.Forest.None))
	} else {
		if m.Forest.Caution != "" {
			m.line("**" + mdText(m.Forest.Caution) + "**")
		}
		m.table(m.Forest.table(), "")
		m.line(mdText(m.Forest.table().Caption) + ".")
		m.texts(m.Forest.Sentences)
	}
	if len(m.Wrong)+len(m.Waivers) == 0 {
		return
	}
	m.line("## " + sections["wrong"].Title)
	if len(m.Waivers) > 0 {
		m.line("Waived:")
		var items []string
		for _, w := range m.Waivers {
			items = append(items, mdCode(w.Name)+": "+mdText(w.Value))
		}
		m.list(items)
	}
	m.checks(m.Wrong)
}

// next is what a badge says to do.
func next(b badge) string {
	if b.Next {
		return "Next: " + lowerFirst(b.Do)
	}
	return b.Do
}

func (m *markdown) checks(groups []group) {
	for _, g := range groups {
		m.line("### " + mdText(g.Title))
		for _, c := range g.Checks {
			m.check(c)
		}
	}
}

func (m *markdown) section(id string) {
	switch id {
	case "checks":
		m.line(mdText(upperFirst(m.Tally)) + ".")
		m.checks(m.Groups)
	case "stages":
		m.table(m.Stages, "No stage has started.")
	case "cost":
		m.line(mdText(m.CostLine))
		m.table(m.Cost, "No stage was estimated.")
		m.table(m.Spending, "")
		if len(m.Warnings) > 0 {
			m.line("Preflight warned:")
			m.texts(m.Warnings)
		}
		if len(m.Assumptions) > 0 {
			m.line("The estimate takes for granted:")
			m.texts(m.Assumptions)
		}
	case "logprobs":
		m.table(m.LogProbs, "No log-probs yet.")
		m.table(m.Methods, "No method has been tried yet.")
		m.table(m.Forcing, "")
	case "weights":
		m.line(mdText(m.WeightsLine))
		m.table(m.Weights, "")
		if len(m.Refusals) > 0 {
			m.line("Refused:")
			m.facts(m.Refusals)
		}
	case "calibration":
		m.line(mdText(m.Calibration))
		m.table(m.CalibrationBins, "")
	case "ranking":
		m.table(m.Ranking, "No policy has responses yet.")
	case "estimates":
		m.line(mdText(m.EstimatesLine))
		m.table(m.Estimates, "")
		m.table(m.Differences, "")
		if len(m.EstimateReasons) > 0 {
			m.line("Why answered, or refused:")
			m.facts(m.EstimateReasons)
		}
		if len(m.Advice) > 0 {
			m.line("What would answer:")
			m.facts(m.Advice)
		}
	case "projection":
		if m.Answer != "" {
			m.line("**" + mdText(m.Answer) + "**")
		}
		m.table(m.Questions, "")
		m.facts(m.QuestionReasons)
		for _, f := range m.Runs {
			m.line(mdText(f.Name) + ":")
			m.line(mdFence(f.Value))
		}
		m.table(m.Projection, "Nothing can be projected yet.")
		m.table(m.ProjectedPolicies, "")
		m.texts(m.Notes)
	case "limits":
		m.orNone(len(m.CannotSay), "Nothing was recorded as left open.")
		m.texts(m.CannotSay)
	case "specimens":
		m.orNone(len(m.Specimens), "No record was set aside.")
		for _, s := range m.Specimens {
			m.line("### " + mdCode(s.Key))
			m.line(mdText(s.Why))
			m.line("Prompt:")
			m.line(mdFence(s.Prompt))
			m.line("Response:")
			m.line(mdFence(s.Response))
		}
	case "run":
		m.facts(m.Run)
		m.table(m.Identities, "")
		m.table(m.Served, "No model has answered yet.")
		m.facts(m.Versions)
	}
}

func (m *markdown) orNone(n int, none string) {
	if n == 0 {
		m.line(none)
	}
}

func (m *markdown) facts(facts []fact) {
	items := make([]string, len(facts))
	for i, f := range facts {
		items[i] = mdText(f.Name) + ": " + mdText(f.Value)
	}
	m.list(items)
}

// check writes one check as a list item with its evidence indented below it.
func (m *markdown) check(c checkView) {
	status := strings.ToUpper(c.Word)
	if c.Waived != "" {
		status += ", waived"
	}
	m.b.WriteString(fmt.Sprintf("- %s **%s** — %s\n", mdCode(c.ID), mdText(status), mdText(c.Summary)))
	sub := func(name, value string) {
		if value != "" {
			m.b.WriteString("  - " + name + ": " + value + "\n")
		}
	}
	sub("Waived", mdText(c.Waived))
	for _, f := range c.Figures {
		note := ""
		if f.Note != "" {
			note = " (" + f.Note + ")"
		}
		sub(mdText(f.Name), mdText(f.Value+note))
	}
	keys := make([]string, len(c.Records))
	for i, k := range c.Records {
		keys[i] = mdCode(k)
	}
	if c.More > 0 {
		keys = append(keys, "and "+count(c.More)+" more")
	}
	sub("Records", strings.Join(keys, ", "))
	sub("Threshold", mdText(c.Threshold))
	sub("Remedy", mdText(c.Remedy))
	m.b.WriteByte('\n')
}

func (m *markdown) table(t table, none string) {
	if len(t.Rows) == 0 {
		if none != "" {
			m.line(none)
		}
		return
	}
	row := func(cells []string, total bool) {
		for i, c := range cells {
			c = mdText(c)
			if total && i == 0 { // not the numbers: forges read $…$ as mathematics unless a space comes before the second $
				c = "**" + c + "**"
			}
			m.b.WriteString("| " + c + " ")
		}
		m.b.WriteString("|\n")
	}
	names := make([]string, len(t.Cols))
	rule := ""
	for i, c := range t.Cols {
		names[i] = c.Name
		if c.Num {
			rule += "| ---: "
		} else {
			rule += "| --- "
		}
	}
	row(names, false)
	m.b.WriteString(rule + "|\n")
	for _, r := range t.Rows {
		row(r, false)
	}
	if t.Total != nil {
		row(t.Total, true)
	}
	m.b.WriteByte('\n')
}

// mdText escapes what Markdown would read as markup. An underscore between
// letters or digits opens nothing and stays, so that pi_bad reads as pi_bad.
func mdText(s string) string {
	rs := []rune(strings.TrimSpace(s))
	var b strings.Builder
	at := func(i int) rune {
		if i < 0 || i >= len(rs) {
			return ' '
		}
		return rs[i]
	}
	for i, r := range rs {
		next := at(i + 1)
		switch {
		case r == '<':
			b.WriteString("&lt;")
			continue
		case r == '&':
			b.WriteString("&amp;")
			continue
		case r == '_' && isWord(at(i-1)) && isWord(next):
		case strings.ContainsRune("\\`*_[]|~", r),
			// a heading, quote or bullet, but not -12.3
			i == 0 && strings.ContainsRune("#>+-=", r) && !isWord(next) && next != '$',
			next == ' ' && (r == '.' || r == ')') && isNumber(rs[:i]): // the number of an ordered list
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func isNumber(rs []rune) bool {
	return len(rs) > 0 && strings.Trim(string(rs), "0123456789") == ""
}

// mdCode is s as a code span. A pipe would end a table's cell even in there, but
// no key has one; it is spelled out as an entity would not be.
func mdCode(s string) string {
	s = strings.ReplaceAll(s, "|", `\x7c`)
	if s == "" {
		return "` `"
	}
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// mdFence is s as a fenced block that nothing in s can close. A block of no text
// says so.
func mdFence(s string) string {
	if s == "" {
		return "(empty)"
	}
	ticks := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	return ticks + "text\n" + strings.TrimSuffix(s, "\n") + "\n" + ticks
}

func longestRun(s string, r rune) int {
	longest, run := 0, 0
	for _, c := range s {
		if c == r {
			run++
		} else {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

func lowerFirst(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

func upperFirst(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
