package grading

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Parse reads a reply: one whole number within the scale for each of t.Fields,
// in their order. A reply that is not exactly the JSON object asked for is read
// again by rules that leave no choice, and then counts as repaired:
//
//   - text around the object is dropped, and so is its being a JSON string, if
//     no other brace opens outside it; it may lack its reason;
//   - where one number is asked for and there is no brace at all, the number may
//     be the whole reply, or stand on a line of its own after its name, as
//     "Score: 8", "**Score:** 8" and "8/10" do. What follows a slash must be the
//     end of the declared scale. Two such lines are no score.
//
// No number is taken out of a sentence, and none is rescaled by its looks.
func (t Task) Parse(reply string) (values []int, repaired bool, err error) {
	values, _, err = t.object(reply, true)
	if err == nil {
		return values, false, nil
	}
	var inside string // a JSON string may hold the reply
	if json.Unmarshal([]byte(reply), &inside) == nil {
		reply = inside
	}
	if strings.ContainsRune(reply, '{') {
		inner, err2 := embedded(reply)
		if err2 == nil {
			values, _, err2 = t.object(inner, false)
		}
		if err2 != nil {
			return nil, false, fmt.Errorf("%w; and not with the text around it dropped: %w", err, err2)
		}
		return values, true, nil
	}
	if len(t.Fields) != 1 {
		return nil, false, err
	}
	v, err2 := t.line(reply)
	if err2 != nil {
		return nil, false, fmt.Errorf("%w; %w", err, err2)
	}
	return []int{v}, true, nil
}

// embedded returns the one outermost object of a text.
func embedded(text string) (string, error) {
	var found []string
	for i := 0; i < len(text); {
		if text[i] != '{' {
			i++
			continue
		}
		end := closing(text[i:])
		if end < 0 {
			return "", errors.New("a brace is not closed")
		}
		found = append(found, text[i:i+end])
		i += end
	}
	if len(found) > 1 {
		return "", fmt.Errorf("%d objects: which of them holds?", len(found))
	}
	return found[0], nil
}

// closing returns the length of the object that text begins with, or -1.
func closing(text string) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

var (
	markup = strings.NewReplacer("*", "", "_", "", "`", "", "#", "")
	// gradeLine is a number that stands by itself, with or without its name
	// before it and the end of the scale after it.
	// A dash after the name is one only with a space after it: else it is a sign.
	gradeLine = regexp.MustCompile(`(?i)^(?:(?:overall|final|my)\s+)?(?:(score|label|grade|rating)\s*(?::|=|-\s|\bis\b)?\s*)?([-+]?[0-9][-+.0-9e]*)(?:\s*/\s*([0-9]+))?\s*\.?$`)
)

// markedDigits are two numbers that would be one without the marks between them.
var markedDigits = regexp.MustCompile("[0-9][*_`#]+[0-9]")

// line reads the one line of a reply that states the grade.
func (t Task) line(reply string) (int, error) {
	if s := markedDigits.FindString(reply); s != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	reply = strings.TrimSpace(markup.Replace(reply))
	lines := strings.Split(reply, "\n")
	var found [][]string
	for _, l := range lines {
		// Without a name, a number must be all there is.
		if m := gradeLine.FindStringSubmatch(strings.TrimSpace(l)); m != nil && (m[1] != "" || len(lines) == 1) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return 0, errors.New("no line states a number by itself")
	case 1:
	default:
		return 0, fmt.Errorf("%d lines state one: which of them holds?", len(found))
	}
	number, of := strings.TrimPrefix(found[0][2], "+"), found[0][3]
	if of != "" && of != fmt.Sprint(t.Max) {
		return 0, fmt.Errorf("it says %s of %s, and the scale goes from %d to %d", number, of, t.Min, t.Max)
	}
	return t.grade(number)
}
