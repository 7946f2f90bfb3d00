package dataset

import (
	"fmt"
	"strings"
)

// embedded returns the JSON that a field holds as text, as in CSV and when a
// tool knew no structures; other fields as they are.
func embedded(raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '"' {
		if raw == nil {
			return nil, errSyntax
		}
		return raw, nil
	}
	text, err := unquote(raw)
	if err != nil {
		return nil, err
	}
	b := []byte(text)
	i := skipSpace(b, 0)
	end, err := skipValue(b, i, 0)
	if err != nil || skipSpace(b, end) != len(b) {
		return nil, fmt.Errorf("the text %.40q is no JSON", text)
	}
	return b[i:end], nil
}

// eachTurn calls fn for every turn of a list of {role, content}; role is
// "system", "user" or "assistant".
func eachTurn(raw []byte, name string, fn func(role string, content []byte) error) error {
	if raw == nil || string(raw) == "null" || string(raw) == `""` { // an empty cell
		return nil
	}
	list, err := embedded(raw)
	if err != nil || list[0] != '[' {
		return fmt.Errorf("field %q is no list of {role, content} turns", name)
	}
	n := 0
	_, err = eachElement(list, 0, 1, func(turn []byte) error {
		n++
		role, content := "", []byte(`""`)
		_, err := eachMember(turn, 0, 2, func(key, value []byte) error {
			var err error
			switch string(key) {
			case `"role"`:
				role, err = unquote(value)
			case `"content"`:
				content = value
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("field %q is no list of {role, content} turns: turn %d: %w", name, n, err)
		}
		switch role {
		case "human":
			role = "user"
		case "system", "user", "assistant":
		default:
			return fmt.Errorf("field %q: turn %d has role %q; want system, user or assistant", name, n, role)
		}
		if err := fn(role, content); err != nil {
			return fmt.Errorf("field %q: turn %d: %w", name, n, err)
		}
		return nil
	})
	return err
}

// contentText is the text of a turn: a string, or a list of {type, text}. plain
// is false if there is anything else in it.
func contentText(raw []byte) (text string, plain bool, err error) {
	switch raw[0] {
	case '"':
		text, err = unquote(raw)
		return text, true, err
	case 'n':
		return "", true, nil
	case '[':
	default:
		return "", false, fmt.Errorf("content %.40s is neither text nor a list", raw)
	}
	var parts []string
	plain = true
	_, err = eachElement(raw, 0, 1, func(block []byte) error {
		var kind, words string
		_, err := eachMember(block, 0, 2, func(key, value []byte) error {
			var err error
			switch {
			case string(value) == "null":
			case string(key) == `"type"`:
				kind, err = unquote(value)
			case string(key) == `"text"`:
				words, err = unquote(value)
			}
			return err
		})
		plain = plain && kind == "text"
		parts = append(parts, words)
		return err
	})
	return strings.Join(parts, "\n"), plain, err
}

func checkContent(raw []byte) error {
	switch raw[0] {
	case '"', '[', 'n':
		return nil
	}
	return fmt.Errorf("content %.40s is neither text nor a list", raw)
}

func textField(fs fields, name string) (string, error) {
	raw := fs.get(name)
	if raw == nil || string(raw) == "null" {
		return "", nil
	}
	s, err := unquote(raw)
	if err != nil {
		return "", fmt.Errorf("field %q is no text: %w", name, err)
	}
	return s, nil
}
