package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

var errNoContent = errors.New("has no content")

// eachTurn calls fn for every turn of a list of them, {role, content} as most write
// them or {from, value} as ShareGPT does; role is "system", "user" or "assistant".
func eachTurn(raw []byte, name string, fn func(role string, content []byte) error) error {
	if blank(raw) {
		return nil
	}
	list, err := embedded(raw)
	if err != nil || list[0] != '[' {
		return notAList(name, "{role, content} turns", raw)
	}
	n := 0
	_, err = eachElement(list, 0, 1, func(raw []byte) error {
		n++
		t, err := readTurn(raw)
		if err == nil && t.asked != nil { // as Capybara has them
			if err = fn("user", t.asked); err == nil {
				err = fn("assistant", t.replied)
			}
			return blamed(fmt.Sprintf("%s: turn %d", name, n), err)
		}
		if err == nil {
			err = fn(t.role, t.content)
		}
		var held *unheld
		if err != nil && errors.Is(err, errSyntax) || err != nil && t.role == "" && !errors.As(err, &held) {
			return fmt.Errorf("field %q is no list of {role, content} turns: turn %d: %w", name, n, err)
		}
		return blamed(fmt.Sprintf("%s: turn %d", name, n), err)
	})
	return err
}

// turn is one of a conversation, as JSON.
type turn struct {
	role           string
	content        []byte
	asked, replied []byte
}

func readTurn(raw []byte) (t turn, err error) {
	if raw[0] != '{' {
		return t, fmt.Errorf("it is %s, and no object with role and content", kindOf(raw))
	}
	t.content = []byte("null")
	called := ""
	_, err = eachMember(raw, 0, 2, func(key, value []byte) error {
		var err error
		switch string(key) {
		case `"role"`, `"from"`:
			t.role, err = unquote(value)
		case `"content"`, `"value"`, `"parts"`:
			t.content = value
		case `"input"`:
			t.asked = value
		case `"output"`:
			t.replied = value
		case `"tool_calls"`, `"function_call"`:
			if !blank(value) && string(value) != "[]" {
				called = string(key)
			}
		}
		return err
	})
	if err != nil || t.role == "" && t.asked != nil && t.replied != nil {
		return t, err
	}
	t.asked = nil
	role := t.role
	if t.role, err = knownRole(role); err != nil {
		return t, err
	}
	if called != "" {
		return t, &unheld{dropTool, fmt.Sprintf("a turn of role %q has %s: a prompt cannot hold the call of a tool", role,
			called)}
	}
	return t, nil
}

// kindOf says what a value is.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '"':
		return "a text"
	case '[':
		return "a list"
	case '{':
		return "an object"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

func knownRole(role string) (string, error) {
	switch role { // nearly all
	case "system", "user", "assistant":
		return role, nil
	case "":
		return "", errors.New("it has no role")
	}
	switch strings.ToLower(role) {
	case "system":
		return "system", nil
	case "user", "human", "prompter":
		return "user", nil
	case "assistant", "gpt", "model", "bot", "ai", "chatgpt":
		return "assistant", nil
	case "tool", "function", "function_call", "function_response", "observation", "ipython", "tool_call", "tool_response":
		return "", &unheld{dropTool, fmt.Sprintf("a turn of role %q: a prompt cannot hold what a tool said",
			shorten(role, 40))}
	}
	return "", &unheld{dropRole, fmt.Sprintf("a turn of role %q; want system, user or assistant", shorten(role, 40))}
}

// dialog reads all turns of a list. Plain is false if there is more in them than text.
func dialog(raw []byte, name string) (turns []Message, plain bool, err error) {
	plain = true
	err = eachTurn(raw, name, func(role string, content []byte) error {
		if string(content) == "null" && role == "assistant" {
			return errNoContent
		}
		text, ok, err := contentText(content)
		plain = plain && ok
		turns = append(turns, Message{role, text})
		return err
	})
	return turns, plain, err
}

// contentText is the text of a turn: a string, or a list of strings and of
// {type, text}, which make one text without anything between them. Plain is false if there
// is anything else in it, such as an image.
func contentText(raw []byte) (text string, plain bool, err error) {
	switch raw[0] {
	case '"':
		text, err = unquote(raw)
		return text, true, err
	case 'n':
		return "", true, nil
	case '[', '{':
	default:
		return "", false, fmt.Errorf("content %.40s is neither text nor a list", raw)
	}
	var b strings.Builder
	plain, err = appendText(&b, raw)
	return b.String(), plain, err
}

// appendText writes the texts in a part of a turn's content, or in a list of parts.
func appendText(b *strings.Builder, raw []byte) (plain bool, err error) {
	switch raw[0] {
	case '"':
		text, err := unquote(raw)
		b.WriteString(text)
		return true, err
	case '[':
		plain = true
		_, err = eachElement(raw, 0, 1, func(part []byte) error {
			ok, err := appendText(b, part)
			plain = plain && ok
			return err
		})
		return plain, err
	case '{':
	default:
		return false, fmt.Errorf("content %.40s is neither text nor a list", raw)
	}
	kind, found, more := "text", false, false
	_, err = eachMember(raw, 0, 2, func(key, value []byte) error {
		if string(value) == "null" {
			return nil
		}
		var err error
		switch string(key) {
		case `"type"`, `"content_type"`:
			kind, err = unquote(value)
		case `"text"`, `"parts"`:
			found = true
			more, err = appendText(b, value)
		}
		return err
	})
	switch kind {
	case "text", "input_text", "output_text":
		return found && more, err
	case "tool_use", "tool_result", "tool_call", "function_call", "server_tool_use":
		return false, cmpErr(err, &unheld{dropTool, fmt.Sprintf("content of type %q: a prompt cannot hold the use of a tool",
			kind)})
	}
	return false, err
}

func cmpErr(first, then error) error {
	if first != nil {
		return first
	}
	return then
}

// checkContent looks at a turn that is not read.
func checkContent(raw []byte) error {
	switch raw[0] {
	case '"', '[', 'n', '{':
		return nil
	}
	return fmt.Errorf("content %.40s is neither text nor a list", raw)
}

// transcript reads a conversation that is written out as one text, the turns after
// "Human:" and "Assistant:", as HH-RLHF does. It is none unless it begins with the first.
func transcript(text string) []Message {
	rest := strings.TrimLeft(text, " \n")
	if !strings.HasPrefix(rest, "Human:") {
		return nil
	}
	var turns []Message
	rest = "\n\n" + rest
	for rest != "" {
		role, mark := "user", "\n\nHuman:"
		if strings.HasPrefix(rest, "\n\nAssistant:") {
			role, mark = "assistant", "\n\nAssistant:"
		}
		rest = rest[len(mark):]
		end := len(rest)
		for _, mark := range []string{"\n\nHuman:", "\n\nAssistant:"} {
			if i := strings.Index(rest, mark); i >= 0 && i < end {
				end = i
			}
		}
		turns = append(turns, Message{role, strings.TrimPrefix(rest[:end], " ")})
		rest = rest[end:]
	}
	return turns
}

// asks returns the turns of a transcript that breaks off where the assistant should
// speak, which is how a prompt for completion is written.
func asks(text string) []Message {
	if !strings.HasSuffix(strings.TrimRight(text, " \n"), "Assistant:") {
		return nil
	}
	turns := transcript(text)
	n := len(turns) - 1
	if n < 1 || turns[n].Role != "assistant" || strings.TrimSpace(turns[n].Content) != "" || turns[n-1].Role != "user" {
		return nil
	}
	return turns[:n]
}

// turnsAsText reports whether a text is a JSON list of turns, as a tool writes it that
// knows no structures.
func turnsAsText(text string) bool {
	if !strings.HasPrefix(strings.TrimSpace(text), "[") {
		return false
	}
	b := bytes.TrimSpace([]byte(text))
	n := 0
	end, err := eachElement(b, 0, 1, func(raw []byte) error {
		n++
		t, err := readTurn(raw)
		if err == nil && (t.role == "" || string(t.content) == "null") {
			err = errNoContent
		}
		return err
	})
	return err == nil && n > 0 && end == len(b)
}

// pythonRepr reports whether a text is a list or object as Python prints it, which is
// not JSON.
func pythonRepr(text string) bool {
	text = strings.TrimLeft(text, " \n")
	for _, start := range []string{"[{'", "{'", "[['", "['"} {
		if strings.HasPrefix(text, start) && strings.ContainsAny(text[max(0, len(text)-3):], "]}") {
			return true
		}
	}
	return false
}

// notAList says of a field what it is instead of a list.
func notAList(name, of string, raw []byte) error {
	if text, err := unquote(raw); err == nil {
		if pythonRepr(text) {
			return fmt.Errorf("field %q is a list as Python prints it, which is not JSON: write it with json.dumps", name)
		}
		return fmt.Errorf("field %q is no JSON list of %s: it is the text %q", name, of, shorten(text, 40))
	}
	return fmt.Errorf("field %q is no list of %s", name, of)
}

// blamed names the field of an error, nil of nil.
func blamed(name string, err error) error {
	if err == nil {
		return nil
	}
	field, place, inside := strings.Cut(name, ": ")
	if inside {
		return fmt.Errorf("field %q: %s: %w", field, place, err)
	}
	return fmt.Errorf("field %q: %w", field, err)
}

// blank reports whether a field holds nothing: it is absent, null or an empty cell.
func blank(raw []byte) bool {
	return len(raw) == 0 || string(raw) == "null" || string(raw) == `""`
}
