package dataset

import (
	"fmt"
	"strconv"
)

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
