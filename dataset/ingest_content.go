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

// first returns the first of the named fields that a row has.
func (fs fields) first(names ...string) (raw []byte, name string) {
	for _, name := range names {
		if raw := fs.get(name); raw != nil {
			return raw, name
		}
	}
	return nil, names[0]
}

func textField(fs fields, name string) (string, error) {
	return textOf(fs.get(name), name)
}

func textOf(raw []byte, name string) (string, error) {
	if raw == nil || string(raw) == "null" {
		return "", nil
	}
	if raw[0] != '"' {
		return "", fmt.Errorf("field %q is no text: it is %s", name, shorten(string(raw), 40))
	}
	s, err := unquote(raw)
	return s, blamed(name, err)
}

func objectField(fs fields, name string) (fields, error) {
	raw, err := embedded(fs.get(name))
	if err != nil || raw[0] != '{' {
		return nil, fmt.Errorf("field %q is no object", name)
	}
	return splitObject(raw, nil)
}

// opening takes the first turn of the user's from a conversation that went on, and what was
// said before it.
func (row *parsedRow) opening(raw []byte, name string) error {
	system, err := row.system(row.fields)
	if err != nil {
		return err
	}
	var before []Message
	if system != "" {
		before = append(before, Message{"system", system})
	}
	err = eachTurn(raw, name, func(role string, content []byte) error {
		if row.userTurns > 0 {
			if role == "user" {
				row.userTurns++
			}
			return checkContent(content)
		}
		text, plain, err := contentText(content)
		row.notText = row.notText || !plain
		switch {
		case role == "user":
			row.userTurns, row.text = 1, text
		case role == "assistant" && string(content) == "null":
			return errNoContent
		case role == "system" && (text == "" || len(before) == 1 && before[0] == Message{role, text}):
		default:
			before = append(before, Message{role, text})
		}
		return err
	})
	if len(before) > 0 && row.userTurns > 0 {
		row.messages = append(before, Message{"user", row.text})
	}
	return err
}

// systemNames are the fields in which a system prompt stands beside the turns.
var systemNames = []string{"system", "system_prompt", "systemInstruction", "system_instruction"}

// system returns the system prompt that stands beside the prompt, "" if there is none.
func (row *parsedRow) system(fs fields) (string, error) {
	for _, name := range systemNames {
		raw := fs.get(name)
		if blank(raw) {
			continue
		}
		text, plain, err := contentText(raw)
		if err != nil {
			return "", blamed(name, err)
		}
		row.notText = row.notText || !plain
		row.systemIn = name
		return text, nil
	}
	return "", nil
}

// noTools refuses turns that come with tools, which a prompt cannot hold.
func noTools(fs fields) error {
	for _, name := range []string{"tools", "functions", "toolConfig", "tool_config"} {
		raw := fs.get(name)
		if blank(raw) {
			continue
		}
		if inside, err := embedded(raw); err == nil && (string(inside) == "[]" || string(inside) == "{}" ||
			string(inside) == "null") {
			continue
		}
		return &unheld{dropTool, fmt.Sprintf("field %q declares tools, which a prompt cannot hold", name)}
	}
	return nil
}

// take makes turns that end with the user's the prompt.
func (row *parsedRow) take(turns []Message) {
	row.text = turns[len(turns)-1].Content
	row.userTurns = 0
	for _, m := range turns {
		if m.Role == "user" {
			row.userTurns++
		}
	}
	if len(turns) > 1 {
		row.messages = turns
	}
}

// asked makes a text the prompt, after the system prompt and the history beside it.
func (row *parsedRow) asked(text string) error {
	system, err := row.system(row.fields)
	if err != nil {
		return err
	}
	var turns []Message
	if system != "" {
		turns = append(turns, Message{"system", system})
	}
	before, err := history(row.fields.get("history"))
	if err != nil {
		return blamed("history", err)
	}
	row.take(append(append(turns, before...), Message{"user", text}))
	return nil
}

// history reads what was said before: pairs of a question and its answer.
func history(raw []byte) (turns []Message, err error) {
	if blank(raw) {
		return nil, nil
	}
	list, err := embedded(raw)
	if err != nil || list[0] != '[' {
		return nil, fmt.Errorf("it is no list of [question, answer] pairs")
	}
	_, err = eachElement(list, 0, 1, func(pair []byte) error {
		n := len(turns)
		_, err := eachElement(pair, 0, 2, func(raw []byte) error {
			text, err := unquote(raw)
			turns = append(turns, Message{[]string{"user", "assistant"}[(len(turns)-n)%2], text})
			return err
		})
		if err == nil && len(turns) != n+2 {
			err = fmt.Errorf("it is no list of [question, answer] pairs")
		}
		return err
	})
	return turns, err
}

// request takes the prompt from a request to a server, which stands in the named field
// (the row itself if in is ""), under the first of names that it has.
func (row *parsedRow) request(fs fields, in string, names ...string) error {
	if err := noTools(fs); err != nil {
		return err
	}
	system, err := row.system(fs)
	if err != nil {
		return err
	}
	if raw := fs.get("instructions"); system == "" && !blank(raw) && raw[0] == '"' {
		if system, err = unquote(raw); err != nil {
			return blamed("instructions", err)
		}
	}
	for _, name := range names {
		raw := fs.get(name)
		if blank(raw) {
			continue
		}
		where := strings.TrimPrefix(in+"."+name, ".")
		if raw[0] == '"' && name != "messages" && name != "contents" {
			text, err := unquote(raw)
			if err != nil {
				return blamed(where, err)
			}
			if !turnsAsText(text) {
				return row.conclude(nil, text, system, where)
			}
		}
		turns, plain, err := dialog(raw, where)
		if err != nil {
			return err
		}
		row.notText = row.notText || !plain
		return row.conclude(turns, "", system, where)
	}
	if in != "" {
		return fmt.Errorf("field %q has no %s; it has: %s", in, strings.Join(names, " or "), fieldNames(fs))
	}
	return nil // an empty prompt
}

// conclude makes the prompt of the turns of a field and of the text beside them, either of
// which may be missing. Turns that end with a reply are a conversation that is over: its
// prompt is the text's turn, else the user's first.
func (row *parsedRow) conclude(turns []Message, text, system, name string) error {
	if len(turns) > 0 {
		last := turns[len(turns)-1]
		switch last.Role {
		case "system":
			return fmt.Errorf("field %q ends with a turn of role %q: the last turn must be the user's", name, last.Role)
		case "assistant":
			if turns = upTo(turns, text); turns == nil {
				if text != "" {
					return fmt.Errorf("field \"prompt\" differs from every turn of the user's in %q", name)
				}
				return fmt.Errorf("field %q has no turn of the user's", name)
			}
		default:
			if text != "" && text != last.Content {
				return fmt.Errorf("field \"prompt\" differs from the last turn of %q", name)
			}
		}
	} else {
		turns = []Message{{"user", text}}
	}
	if system != "" {
		switch {
		case turns[0].Role != "system":
			turns = append([]Message{{"system", system}}, turns...)
		case turns[0].Content != system:
			return fmt.Errorf("field %q begins with another system prompt than the one beside it", name)
		}
	}
	row.take(turns)
	return nil
}

// upTo returns the turns up to the user's first, or the one that is the text if there is
// one; nil without such a turn.
func upTo(turns []Message, text string) []Message {
	for i, m := range turns {
		if m.Role == "user" && (text == "" || strings.TrimSpace(m.Content) == strings.TrimSpace(text)) {
			return turns[:i+1]
		}
	}
	return nil
}

// promptOrMessages takes a plain row's prompt.
func (row *parsedRow) promptOrMessages() error {
	system, err := row.system(row.fields)
	if err != nil {
		return err
	}
	raw, text := row.fields.get("prompt"), ""
	if len(raw) > 0 && raw[0] == '"' {
		if text, err = unquote(raw); err != nil {
			return blamed("prompt", err)
		}
		switch {
		case pythonRepr(text) && strings.Contains(text, "'role'"):
			return notAList("prompt", "turns", raw)
		case turnsAsText(text): // read as the list that it is
		default:
			raw = nil
		}
	} else if blank(raw) {
		raw = nil
	}
	if raw != nil { // the turns themselves
		if _, err := embedded(raw); err != nil || raw[0] != '[' && raw[0] != '"' {
			_, err := textField(row.fields, "prompt")
			return err
		}
		if err := noTools(row.fields); err != nil {
			return err
		}
		turns, plain, err := dialog(raw, "prompt")
		if err != nil {
			return err
		}
		row.notText = row.notText || !plain
		if n := len(turns); n > 0 && turns[n-1].Role == "assistant" {
			return fmt.Errorf("field \"prompt\" ends with a turn of role \"assistant\": the last turn must be the user's")
		}
		return row.conclude(turns, "", system, "prompt")
	}
	if messages := row.fields.get("messages"); !blank(messages) {
		if err := noTools(row.fields); err != nil {
			return err
		}
		turns, plain, err := dialog(messages, "messages")
		if err != nil {
			return err
		}
		if len(turns) > 0 {
			row.notText = row.notText || !plain
			return row.conclude(turns, text, system, "messages")
		}
	}
	if turns := asks(text); turns != nil {
		return row.conclude(turns, "", system, "prompt")
	}
	return row.conclude(nil, text, system, "prompt")
}

// transcriptOrTurns reads a field that holds a conversation as one text or as a list.
func (row *parsedRow) transcriptOrTurns(name string) ([]Message, error) {
	raw := row.fields.get(name)
	if len(raw) > 0 && raw[0] == '"' {
		text, err := unquote(raw)
		if err != nil {
			return nil, blamed(name, err)
		}
		if turns := transcript(text); turns != nil {
			return turns, nil
		}
		if !turnsAsText(text) {
			return nil, fmt.Errorf("field %q is an answer, and the row has no prompt: it is %q", name, shorten(text, 40))
		}
	}
	turns, plain, err := dialog(raw, name)
	row.notText = row.notText || !plain
	return turns, err
}
