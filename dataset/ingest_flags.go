package dataset

import (
	"fmt"
	"strconv"
	"strings"
)

// moderated reads what moderation says of a row. Nested are the members of its metadata.
func (row *parsedRow) moderated(nested fields, scores bool) error {
	for _, names := range [...][]string{{"openai_moderation", "toxic_chat_tag"}, row.shape.moderation} {
		for _, name := range names {
			raw := row.fields.get(name)
			if raw == nil {
				raw = nested.get(name)
			}
			if blank(raw) {
				continue
			}
			flagged, err := flaggedField(raw)
			if err != nil {
				return blamed(name, err)
			}
			row.flagged = row.flagged || flagged
			if scores {
				row.score = max(row.score, maxScore(raw, false))
			}
		}
	}
	return nil
}

// flaggedField reads a flag, or what holds flags at some depth; either may be text, as in CSV.
func flaggedField(raw []byte) (bool, error) {
	switch raw[0] {
	case '{', '[':
		return anyFlagged(raw)
	case '"':
		text, err := unquote(raw)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "1", "1.0":
			return true, nil
		case "false", "0", "0.0":
			return false, nil
		}
		inside, err := embedded(raw)
		if err != nil || inside[0] != '{' && inside[0] != '[' {
			return false, fmt.Errorf("it is the text %q, want true, false or JSON", shorten(text, 40))
		}
		return anyFlagged(inside)
	case 't':
		return true, nil
	case 'f':
		return false, nil
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || v != 0 && v != 1 {
		return false, fmt.Errorf("it is %.40s, want true or false", raw)
	}
	return v == 1, nil
}

// anyFlagged looks for a true "flagged" at any depth: openai_moderation is an
// object in one data set and a list of them, one a turn, in another, and
// toxic_chat_tag holds one a classifier.
func anyFlagged(raw []byte) (found bool, err error) {
	switch raw[0] {
	case '[':
		_, err = eachElement(raw, 0, 1, func(e []byte) error {
			f, err := anyFlagged(e)
			found = found || f
			return err
		})
	case '{':
		_, err = eachMember(raw, 0, 1, func(name, value []byte) error {
			f, err := false, error(nil)
			switch {
			case string(name) != `"flagged"`:
				f, err = anyFlagged(value)
			case string(value) == "true":
				f = true
			case string(value) != "false" && string(value) != "null":
				err = fmt.Errorf("flagged is %.40s, want true or false", value)
			}
			found = found || f
			return err
		})
	}
	return found, err
}

// maxScore is the highest number inside any category_scores.
func maxScore(raw []byte, inside bool) (top float64) {
	switch raw[0] {
	case '[':
		eachElement(raw, 0, 1, func(e []byte) error { top = max(top, maxScore(e, inside)); return nil })
	case '{':
		eachMember(raw, 0, 1, func(name, value []byte) error {
			top = max(top, maxScore(value, inside || string(name) == `"category_scores"`))
			return nil
		})
	default:
		if v, err := strconv.ParseFloat(string(raw), 64); inside && err == nil {
			top = v
		}
	}
	return top
}
