package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// detect tells a row's format from its fields.
func detect(fields map[string]json.RawMessage) (Format, error) {
	has := func(name string) bool { _, ok := fields[name]; return ok }
	switch {
	case has("conversation_a"):
		return FormatArena, nil
	case has("conversation"):
		return FormatConversation, nil
	case has("prompt"), has("messages"):
		return FormatPrompts, nil
	}
	return "", fmt.Errorf("the row has none of the fields conversation_a, conversation, prompt and messages; it has: %s",
		strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
}

// parsedRow is a row before the filters.
type parsedRow struct {
	prompt   Prompt // ID is empty where the row has none
	idField  string
	language string
	flagged  bool
	empty    bool
	bytes    int
}

func parseRow(format Format, fields map[string]json.RawMessage) (row parsedRow, err error) {
	if format == FormatPrompts {
		err = row.plain(fields)
	} else {
		err = row.conversation(format, fields)
	}
	if err != nil {
		return row, err
	}
	row.language, _ = row.prompt.Metadata["language"].(string)
	for _, name := range []string{"openai_moderation", "toxic_chat_tag"} {
		v, err := decodeAny(fields[name])
		if err != nil {
			return row, fmt.Errorf("field %q: %w", name, err)
		}
		flagged, err := anyFlagged(v)
		if err != nil {
			return row, fmt.Errorf("field %q: %w", name, err)
		}
		row.flagged = row.flagged || flagged
	}
	row.empty = strings.TrimSpace(row.prompt.Text) == ""
	for _, m := range row.prompt.Turns() {
		row.bytes += len(m.Content)
	}
	return row, nil
}

func (row *parsedRow) conversation(format Format, fields map[string]json.RawMessage) error {
	talk := "conversation"
	if format == FormatArena {
		talk = "conversation_a"
	}
	turns, err := decodeTurns(fields, talk)
	if err != nil {
		return err
	}
	for _, m := range turns {
		if m.Role == "user" {
			row.prompt.Text = m.Content
			break
		}
	}
	if err := row.id(fields, "question_id", "conversation_id"); err != nil {
		return err
	}
	meta := map[string]any{}
	for name, raw := range fields {
		if name == row.idField || raw[0] == '[' || raw[0] == '{' || string(raw) == "null" {
			continue // the turns, and other lists and objects
		}
		if meta[name], err = decodeAny(raw); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	meta["source"] = string(format)
	if row.prompt.ID != "" {
		meta["source_id"] = row.prompt.ID
	}
	row.prompt.Metadata = meta
	return nil
}

func (row *parsedRow) plain(fields map[string]json.RawMessage) error {
	text, err := decodeString(fields, "prompt")
	if err != nil {
		return err
	}
	turns, err := decodeTurns(fields, "messages")
	if err != nil {
		return err
	}
	if len(turns) > 0 {
		last := turns[len(turns)-1]
		switch {
		case last.Role != "user":
			return fmt.Errorf("field \"messages\" ends with a turn of role %q: the last turn must be the user's", last.Role)
		case text != "" && text != last.Content:
			return errors.New("field \"prompt\" differs from the last turn of \"messages\"")
		}
		text = last.Content
		if len(turns) > 1 {
			row.prompt.Messages = turns
		}
	}
	row.prompt.Text = text
	if err := row.id(fields, "prompt_id", "id"); err != nil {
		return err
	}
	meta := map[string]any{}
	if raw := fields["metadata"]; len(raw) > 0 {
		v, err := decodeAny(raw)
		if err != nil {
			return fmt.Errorf("field \"metadata\": %w", err)
		}
		nested, ok := v.(map[string]any)
		if !ok && v != nil {
			return errors.New("field \"metadata\" is no object")
		}
		maps.Copy(meta, nested)
	}
	for name, raw := range fields {
		switch name {
		case "prompt", "messages", "metadata", row.idField:
			continue
		}
		if meta[name], err = decodeAny(raw); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	row.prompt.Metadata = meta
	return nil
}

// id takes the first of the named fields that holds an id.
func (row *parsedRow) id(fields map[string]json.RawMessage, names ...string) error {
	for _, name := range names {
		v, err := decodeAny(fields[name])
		if err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
		var id string
		switch v := v.(type) {
		case nil:
			continue
		case string:
			id = v
		case float64:
			if v != math.Trunc(v) {
				return fmt.Errorf("field %q is %v: an id must be text or an integer", name, v)
			}
			id = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			return fmt.Errorf("field %q must be text or an integer", name)
		}
		// Ids travel in file names, HTTP headers and one-line messages.
		if strings.ContainsFunc(id, unicode.IsControl) {
			return fmt.Errorf("field %q is %q: an id must not contain control characters", name, id)
		}
		if strings.TrimSpace(id) == "" {
			continue
		}
		row.prompt.ID, row.idField = id, name
		return nil
	}
	return nil
}

func decodeString(fields map[string]json.RawMessage, name string) (string, error) {
	raw := fields[name]
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("field %q is no text: %w", name, err)
	}
	return s, nil
}

func decodeTurns(fields map[string]json.RawMessage, name string) ([]Message, error) {
	raw := fields[name]
	if len(raw) == 0 {
		return nil, nil
	}
	var turns []Message
	if err := json.Unmarshal(raw, &turns); err != nil {
		return nil, fmt.Errorf("field %q is no list of {role, content} turns: %w", name, err)
	}
	for i := range turns {
		switch turns[i].Role {
		case "system", "user", "assistant":
		case "human":
			turns[i].Role = "user"
		default:
			return nil, fmt.Errorf("field %q: turn %d has role %q; want system, user or assistant", name, i+1, turns[i].Role)
		}
	}
	return turns, nil
}

// decodeAny decodes as encoding/json does into any, except that an integer whose
// digits a float64 would change stays text: ids and time stamps may be that long.
func decodeAny(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return plainNumbers(v)
}

func plainNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("number %s is out of range", v)
		}
		if integer := !strings.ContainsAny(string(v), ".eE"); integer && strconv.FormatFloat(f, 'f', -1, 64) != string(v) {
			return string(v), nil
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plainNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// anyFlagged looks for a true "flagged" at any depth: openai_moderation is an
// object in one data set and a list of them, one a turn, in another, and
// toxic_chat_tag holds one a classifier.
func anyFlagged(v any) (bool, error) {
	found := false
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			f, err := anyFlagged(e)
			if err != nil {
				return false, err
			}
			found = found || f
		}
	case map[string]any:
		for k, e := range v {
			if k == "flagged" {
				b, ok := e.(bool)
				if !ok && e != nil {
					return false, fmt.Errorf("flagged is %v, want true or false", e)
				}
				found = found || b
				continue
			}
			f, err := anyFlagged(e)
			if err != nil {
				return false, err
			}
			found = found || f
		}
	}
	return found, nil
}

// Normalize is the text by which prompts count as duplicates: lower case, white
// space at the ends removed and otherwise collapsed to one space.
func Normalize(text string) string {
	return strings.Join(strings.Fields(strings.ToLower(text)), " ")
}

// normalizedTurns is the SHA-256 of the normalised text; where there are several
// turns, of all of them, roles included, since the last one alone ("yes") does
// not make two conversations equal.
func normalizedTurns(p Prompt) [32]byte {
	if len(p.Messages) == 0 {
		return sha256.Sum256([]byte(Normalize(p.Text)))
	}
	var b strings.Builder
	for _, m := range p.Messages {
		fmt.Fprintf(&b, "%s\x00%s\x00", m.Role, Normalize(m.Content))
	}
	return sha256.Sum256([]byte(b.String()))
}
