package dataset

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// splitRow splits a row into its fields, which it puts into buf.
func splitRow(raw []byte, name string, line int, buf fields) (fields, error) {
	fail := func(err error, hint string) (fields, error) {
		return nil, &LineError{Name: name, Line: line, Err: err, Hint: hint, Skip: true}
	}
	if !utf8.Valid(raw) {
		return fail(errors.New("not valid UTF-8"), hintUTF8)
	}
	if raw[0] != '{' {
		return fail(fmt.Errorf("starts with %q where an object's { should be", firstRune(raw)), hintLine)
	}
	fs, err := splitObject(raw, buf[:0])
	if err != nil {
		hint := hintField
		if errors.Is(err, errSyntax) {
			hint = hintLine
		}
		return fail(syntaxError(raw, err), hint)
	}
	return fs, nil
}

// detect tells a row's format from its fields.
func detect(fs fields) (Format, error) {
	switch {
	case fs.has("conversation_a"):
		return FormatArena, nil
	case fs.has("conversation"):
		return FormatConversation, nil
	case fs.has("prompt") && fs.has("response_a"):
		return FormatArena55k, nil
	case fs.has("base_policy_logprob"), fs.has("response") && (fs.has("judge_score") || fs.has("draw_idx")):
		return FormatCJE, nil
	case fs.has("prompt"), fs.has("messages"):
		return FormatPrompts, nil
	}
	var names []string
	for _, f := range fs {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return "", fmt.Errorf("the row has none of the fields conversation_a, conversation, prompt and messages; it has: %s",
		strings.Join(slices.Compact(names), ", "))
}

// parsedRow is what the filters look at.
type parsedRow struct {
	format    Format
	fields    fields // parts of the row's bytes
	id        string // empty if the row has none
	idField   string
	text      string
	messages  []Message // if there are several
	language  string
	flagged   bool
	score     float64 // the highest moderation score, if asked for
	empty     bool
	notText   bool // there is an image or the like in the prompt
	continued bool // the conversation began in another row
	setApart  bool
	userTurns int
	bytes     int
}

func parseRow(format Format, fs fields, scores bool) (row parsedRow, err error) {
	row = parsedRow{format: format, fields: fs}
	switch format {
	case FormatArena:
		err = row.conversation("conversation_a")
	case FormatConversation:
		err = row.conversation("conversation")
	case FormatArena55k:
		err = row.turns55k()
	default:
		err = row.plain()
	}
	if err != nil {
		return row, err
	}
	nested, err := row.nested()
	if err != nil {
		return row, err
	}
	for _, fs := range []fields{nested, fs} { // the row's own counts
		if raw := fs.get("language"); len(raw) > 0 {
			row.language = ""
			if raw[0] == '"' {
				if row.language, err = unquote(raw); err != nil {
					return row, err
				}
			}
		}
	}
	for _, name := range []string{"openai_moderation", "toxic_chat_tag"} {
		raw := fs.get(name)
		if raw == nil {
			raw = nested.get(name)
		}
		if raw == nil {
			continue
		}
		flagged, err := anyFlagged(raw)
		if err != nil {
			return row, fmt.Errorf("field %q: %w", name, err)
		}
		row.flagged = row.flagged || flagged
		if scores {
			row.score = max(row.score, maxScore(raw, false))
		}
	}
	if raw := fs.get("evaluation_order"); format == FormatArena && raw != nil {
		row.continued = string(raw) != "1" && string(raw) != "null" && string(raw) != `"1"`
	}
	if raw := fs.get("dedup_tag"); raw != nil {
		_, err = eachMember(raw, 0, 1, func(name, value []byte) error {
			row.setApart = row.setApart || string(name) == `"sampled"` && string(value) == "false"
			return nil
		})
		if err != nil && string(raw) != "null" {
			return row, errors.New("field \"dedup_tag\" is no object")
		}
	}
	row.empty = strings.TrimSpace(row.text) == "" && !row.notText
	if row.messages == nil {
		row.bytes = len(row.text)
	}
	for _, m := range row.messages {
		row.bytes += len(m.Content)
	}
	return row, nil
}

// conversation takes the first user turn of the named field.
func (row *parsedRow) conversation(name string) error {
	err := eachTurn(row.fields.get(name), name, func(role string, content []byte) error {
		if role != "user" {
			return checkContent(content)
		}
		if row.userTurns++; row.userTurns > 1 {
			return checkContent(content)
		}
		text, plain, err := contentText(content)
		row.text, row.notText = text, !plain
		return err
	})
	if err != nil {
		return err
	}
	return row.ownID("question_id", "conversation_id", "id")
}

// turns55k takes the first of the user's turns.
func (row *parsedRow) turns55k() error {
	raw, err := embedded(row.fields.get("prompt"))
	if err == nil {
		_, err = eachElement(raw, 0, 1, func(turn []byte) error {
			if row.userTurns++; row.userTurns > 1 || string(turn) == "null" {
				return nil
			}
			var err error
			row.text, err = unquote(turn)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("field \"prompt\" is no JSON list of turns: %w", err)
	}
	return row.ownID("id", "question_id")
}

func (row *parsedRow) plain() error {
	text, err := textField(row.fields, "prompt")
	if err != nil {
		return err
	}
	row.userTurns = 1
	if raw := row.fields.get("messages"); raw != nil && string(raw) != "null" {
		var turns []Message
		err := eachTurn(raw, "messages", func(role string, content []byte) error {
			text, plain, err := contentText(content)
			row.notText = row.notText || !plain
			turns = append(turns, Message{role, text})
			return err
		})
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
				row.messages = turns
			}
			row.userTurns = 0
			for _, m := range turns {
				if m.Role == "user" {
					row.userTurns++
				}
			}
		}
	}
	row.text = text
	if err := row.ownID("prompt_id", "id"); err != nil || row.id != "" {
		return err
	}
	nested, err := row.nested()
	if err != nil {
		return err
	}
	return row.idIn(nested, "prompt_id")
}

// nested are the members of the metadata object, of formats that have one.
func (row *parsedRow) nested() (fields, error) {
	if row.format != FormatPrompts && row.format != FormatCJE {
		return nil, nil
	}
	raw := row.fields.get("metadata")
	if raw == nil || string(raw) == "null" || string(raw) == `""` { // an empty cell
		return nil, nil
	}
	raw, err := embedded(raw)
	if err != nil || raw[0] != '{' {
		return nil, errors.New("field \"metadata\" is no object")
	}
	return splitObject(raw, nil)
}

func (row *parsedRow) ownID(names ...string) error { return row.idIn(row.fields, names...) }

// idIn takes the first of the named fields that holds an id.
func (row *parsedRow) idIn(fs fields, names ...string) error {
	for _, name := range names {
		raw := fs.get(name)
		if raw == nil || string(raw) == "null" {
			continue
		}
		var id string
		switch raw[0] {
		case '"':
			var err error
			if id, err = unquote(raw); err != nil {
				return err
			}
		case '{', '[', 't', 'f':
			return fmt.Errorf("field %q must be text or an integer", name)
		default:
			v, err := decodeAny(raw)
			if err != nil {
				return fmt.Errorf("field %q: %w", name, err)
			}
			switch v := v.(type) {
			case string:
				id = v
			case float64:
				if v != math.Trunc(v) {
					return fmt.Errorf("field %q is %v: an id must be text or an integer", name, v)
				}
				id = strconv.FormatFloat(v, 'f', -1, 64)
			}
		}
		// Ids travel in file names, HTTP headers and one-line messages.
		if strings.ContainsFunc(id, unicode.IsControl) {
			return fmt.Errorf("field %q is %q: an id must not contain control characters", name, id)
		}
		if strings.TrimSpace(id) == "" {
			continue
		}
		row.id, row.idField = id, name
		return nil
	}
	return nil
}

// prompt makes the prompt of a row that is kept.
func (row *parsedRow) prompt(id string) (Prompt, error) {
	p := Prompt{ID: id, Text: row.text, Messages: row.messages}
	var err error
	switch row.format {
	case FormatPrompts, FormatCJE:
		p.Metadata, err = row.plainMetadata()
	default:
		p.Metadata, err = row.scalars()
		p.Metadata["source"] = string(row.format)
		if row.id != "" {
			p.Metadata["source_id"] = row.id
		}
	}
	return p, err
}

// notOfThePrompt are fields that CJE also looks for in the metadata, and that
// speak of a response.
var notOfThePrompt = []string{"judge_score", "oracle_label", "reward", "finish_reason"}

// Normalize is the text by which prompts count as duplicates: lower case, white
// space at the ends removed and otherwise collapsed to one space.
func Normalize(text string) string {
	return strings.Join(strings.Fields(strings.ToLower(text)), " ")
}

// normalized is the SHA-256 of the normalised text; if there are several
// turns, of all of them, roles included, since the last one alone ("yes") does
// not make two conversations equal.
func (row *parsedRow) normalized() [32]byte {
	if len(row.messages) == 0 {
		return sha256.Sum256([]byte(Normalize(row.text)))
	}
	var b strings.Builder
	for _, m := range row.messages {
		fmt.Fprintf(&b, "%s\x00%s\x00", m.Role, Normalize(m.Content))
	}
	return sha256.Sum256([]byte(b.String()))
}
