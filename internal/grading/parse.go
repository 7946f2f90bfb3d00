package grading

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
)

// parse reads a reply: one whole number on the scale for each of t.Fields, in
// their order, by the rules of the package comment. A reply that is not exactly
// the object asked for, and yet leaves one reading, counts as repaired.
func (t Task) parse(reply string) (values []int, repaired bool, err error) {
	v, err := t.read(reply)
	return v.values, v.repaired, err
}

// verdict is what a reply says, and where.
type verdict struct {
	values   []int
	at       []span // where in the reply each value stands; nil for a line, and for an object whose text was changed
	text     string // the object or the line that states them
	spelled  string // the reply as it is, if it is the text of a string
	unnamed  bool   // a line that does not say what its number is
	repaired bool
}

func (t Task) read(reply string) (verdict, error) {
	values, at, err := t.object(reply, true)
	if err == nil {
		return verdict{values: values, at: at, text: reply}, nil
	}
	text, inString := quoted(reply)
	if !inString {
		text = reply
	}
	a, err := withoutThoughts(text)
	if err != nil {
		return verdict{}, err
	}
	from, to := unwrapped(a.after)
	body, fenced := unfenced(a.after[from:to])
	var v verdict
	var start int
	switch {
	case body == "":
		err = errors.New("the reply holds no more than a thought or markers")
	case strings.HasSuffix(body, "}"):
		v, start, err = t.lastObject(body)
	case len(t.Fields) == 1:
		v, start, err = t.lastLine(body)
	default:
		err = errors.New("the reply does not end in an object")
	}
	if err == nil {
		err = t.alone(a.before, body[:start], v, fenced)
	}
	if err != nil {
		return verdict{}, err
	}
	if inString {
		v.at, v.spelled = nil, strings.TrimSpace(reply)
	}
	for i := range v.at {
		shift := a.from + from + start
		v.at[i].from += shift
		v.at[i].to += shift
	}
	v.repaired = true
	return v, nil
}

// quoted is what a reply says that is the text of a JSON string, with its quotation marks or
// without, or an object whose quotation marks are entities of HTML.
func quoted(reply string) (text string, ok bool) {
	bare := strings.TrimSpace(reply)
	switch {
	case strings.HasPrefix(bare, `{\"`):
		bare = `"` + bare + `"`
	case strings.HasPrefix(bare, `{&quot;`):
		return html.UnescapeString(bare), true
	}
	return text, json.Unmarshal([]byte(bare), &text) == nil && text != ""
}

// unfenced takes the closing fence of a code block off the end of text.
func unfenced(text string) (body string, fenced bool) {
	for _, fence := range []string{"```", "~~~"} {
		if body, ok := strings.CutSuffix(text, fence); ok {
			return strings.TrimRight(body, fence[:1]+space), true
		}
	}
	return text, false
}

// The limits within which an object is looked for at the end of a text.
const (
	maxObject = 1 << 16 // bytes
	maxBraces = 64      // opening braces that are tried
)

// lastObject reads the object that ends text, and says where it starts.
func (t Task) lastObject(text string) (verdict, int, error) {
	start := len(text)
	for range maxBraces {
		start = strings.LastIndexByte(text[:start], '{')
		if start < 0 || len(text)-start > maxObject {
			break
		}
		if json.Valid([]byte(text[start:])) {
			values, at, err := t.object(text[start:], false)
			return verdict{values: values, at: at, text: text[start:]}, start, err
		}
		if strict := escaped(text[start:]); strict != text[start:] && json.Valid([]byte(strict)) {
			values, _, err := t.object(strict, false)
			return verdict{values: values, text: text[start:]}, start, err
		}
	}
	return verdict{}, 0, errors.New("the reply ends in a brace, but not in a JSON object")
}

// escaped is text with the characters in its strings that JSON wants escaped, line breaks and tabs
// mostly, and with backslashes that escape nothing doubled. Where a string ends does not change.
func escaped(text string) string {
	var b strings.Builder
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"':
			inString = !inString
		case inString && c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
			continue
		case inString && c == '\\' && i+1 < len(text):
			if !strings.ContainsRune(`"\/bfnrtu`, rune(text[i+1])) {
				b.WriteString(`\\`)
				continue
			}
			b.WriteByte(c)
			i++
			c = text[i]
		}
		b.WriteByte(c)
	}
	return b.String()
}

var (
	markup = strings.NewReplacer("*", "", "_", "", "`", "", "#", "", "\u00a0", " ")
	// gradeLine is a number that stands by itself, with or without its name
	// before it and the end of the scale after it. A dash after the name is a
	// dash only if a space follows it, and otherwise a sign.
	gradeLine = regexp.MustCompile(`(?i)^(?:(?:(?:the|my|overall|final|total|quality)\s+){0,3}(` + names + `)\s*` +
		`(?:[(\[]\s*(?:out\s+of\s+|([0-9]+)\s*[-–]\s*)([0-9]+)\s*[)\]]\s*)?` +
		`((?:\bis\b\s*)?(?:[:：=]>?|[-–—]\s|->|→)?)\s*)?` +
		`(?:([-+]?[0-9][-+.0-9e]*)|\[\[([-+]?[0-9][-+.0-9e]*)\]\])` +
		`(?:\s*(?:/|out\s+of)\s*([0-9]+)|\s*(%))?\s*(?:points?|pts|分|点|점)?\s*[.。]?$`)
	// counted are names that stand before a number of another kind, too: a school's grade, a
	// footnote, one of several. With a mark between they name a grade.
	counted = regexp.MustCompile(`(?i)^(?:label|grade|verdict|evaluation|assessment|note|nota)$`)
	// item is what begins an item of a list, before a name.
	item = regexp.MustCompile(`^(?:[-+•]|[0-9]{1,2}[.)])\s+(\pL)`)
	// tagged is a grade in a tag that names it.
	tagged = regexp.MustCompile(`(?i)^<(score|label|grade|rating)>(.*)</(score|label|grade|rating)>$`)
	// markedDigits are two numbers that would be one without the marks between them.
	markedDigits = regexp.MustCompile("[0-9][*_`#]+[0-9]")
	// indented is a line that Markdown sets as code.
	indented = regexp.MustCompile(`^(?: {4,}| *\t)`)
)

// lastLine reads the grade that the last line of text states, and says where
// that line starts.
func (t Task) lastLine(text string) (verdict, int, error) {
	fail := func(format string, args ...any) (verdict, int, error) {
		return verdict{}, 0, fmt.Errorf(format, args...)
	}
	start := strings.LastIndexByte(text, '\n') + 1
	line, before := text[start:], strings.TrimRight(text[:start], space)
	if s := markedDigits.FindString(line); s != "" {
		return fail("%q is not a number", s)
	}
	bare := strings.TrimSpace(markup.Replace(line))
	m := gradeLine.FindStringSubmatch(named(bare))
	if m == nil || fenceLine.MatchString(line) {
		return fail("the reply ends neither in an object nor in a line that states a number by itself")
	}
	if before != "" && (indented.MatchString(line) || strings.Contains(line, "`")) {
		return fail("the last line is set as code, as a quotation is")
	}
	name, low, top, mark, number, of, percent := m[1], m[2], m[3], m[4], m[5]+m[6], m[7], m[8]
	for _, end := range []string{top, of} {
		if end != "" && end != fmt.Sprint(t.Max) || low != "" && low != fmt.Sprint(t.Min) {
			return fail("it speaks of a scale to %s, and the scale goes from %d to %d", first(end, top), t.Min, t.Max)
		}
	}
	if first(top, mark, of, percent) == "" && counted.MatchString(name) {
		return fail("%q may be one of several", bare)
	}
	if percent != "" && (t.Min != 0 || t.Max != 100) {
		return fail("a share in the place of a number on the scale from %d to %d", t.Min, t.Max)
	}
	if number[0] == '+' && t.Min >= 0 {
		return fail("%q is a change, on a scale without negative numbers", number)
	}
	v, err := t.grade(strings.TrimPrefix(number, "+"))
	return verdict{values: []int{v}, text: item.ReplaceAllString(bare, "$1"), unnamed: name == ""}, start, err
}

// named is a line with its grade's name in front, if a tag says it, and without the mark of an item.
func named(line string) string {
	if m := tagged.FindStringSubmatch(line); m != nil && strings.EqualFold(m[1], m[3]) {
		return m[1] + ": " + strings.TrimSpace(m[2])
	}
	return item.ReplaceAllString(line, "$1")
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// openingFence is the first line of a code block, at the end of a text.
var openingFence = regexp.MustCompile("(?:^|\n)[ ]{0,3}(?:```+|~~~+)[ \t]*[A-Za-z0-9]*[ \t]*\n?[ ]{0,3}$")

// alone checks what stands before a verdict: head before the last thought, and
// before after it. It may be prose that neither states a verdict of its own nor
// introduces a quotation.
func (t Task) alone(head, before string, v verdict, fenced bool) error {
	if at := openingFence.FindStringIndex(before); at != nil {
		before, fenced = before[:at[0]]+"\n", true
	}
	prose := head + before
	if strings.Trim(prose, space) == "" {
		return nil
	}
	for _, e := range ends {
		if strings.Contains(prose, e) {
			return fmt.Errorf("it goes on after %q", e)
		}
	}
	rest, l := splitLeadIn(prose)
	phrase := secondVerdict(rest, t.Max)
	switch {
	case phrase != "":
		return fmt.Errorf("the text before the grade names one as well: %q", excerpt(phrase))
	case fenced && !strings.HasSuffix(v.text, "}"):
		return errors.New("the last line is set as code, as a quotation is")
	case len(fenceLine.FindAllString(prose, -1))%2 == 1:
		return errors.New("the grade shares a code block with other text, as a quotation does")
	case criterionToo.MatchString(v.text) && criterion.MatchString(rest):
		return errors.New("the last line may be the grade of one side, as those before it are")
	case v.unnamed && !l.grade:
		return errors.New("the last line is a number without a name")
	case !l.in && introduces(prose):
		return errors.New("the text before the grade runs into it, as into a quotation")
	}
	return nil
}

// quotes reports whether a verdict stands in one of the texts that were graded,
// so that the reply may only repeat it. A number without a name is no quotation.
func (v verdict) quotes(texts ...string) bool {
	if v.unnamed {
		return false
	}
	for _, text := range texts {
		for _, form := range []func(string) string{markup.Replace, squeezed} {
			text := form(text)
			if holds(text, form(v.text)) || v.spelled != "" && holds(text, form(v.spelled)) {
				return true
			}
		}
	}
	return false
}

// squeezed is a text as a quotation may leave it: without white space and marks, in one letter case.
func squeezed(text string) string {
	return strings.ToLower(strings.Join(strings.Fields(markup.Replace(text)), ""))
}

// longer is what makes another number of the one before it: "Score: 10" is not in "Score: 100".
var longer = regexp.MustCompile(`^\.?[0-9]`)

func holds(text, verdict string) bool {
	for {
		_, rest, found := strings.Cut(text, verdict)
		if !found || !longer.MatchString(rest) {
			return found
		}
		text = rest
	}
}
