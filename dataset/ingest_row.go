package dataset

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
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
		return fail(&unheld{dropNotUTF8, explainUTF8(raw)}, hintUTF8)
	}
	if raw[0] != '{' && raw[0] != 0 {
		return fail(fmt.Errorf("starts with %q where an object's { should be", firstRune(raw)), hintLine)
	}
	fs, err := splitObject(raw, buf[:0])
	if err != nil {
		hint, say := explainSyntax(raw, err)
		return fail(say, hint)
	}
	return fs, nil
}

// parsedRow is what the filters look at.
type parsedRow struct {
	shape     *shape
	fields    fields // parts of the row's bytes
	id        string // empty if the row has none
	idField   string
	text      string
	messages  []Message // if there are several
	systemIn  string    // the field that held the system prompt
	language  string
	states    bool // which language it is in
	flagged   bool
	score     float64 // the highest moderation score, if asked for
	empty     bool
	notText   bool // there is an image or the like in the prompt
	continued bool // the conversation began in another row
	setApart  bool
	userTurns int
	bytes     int
}

func parseRow(sh *shape, fs fields, scores bool) (row parsedRow, err error) {
	row = parsedRow{shape: sh, fields: fs}
	if err := sh.read(&row); err != nil {
		return row, err
	}
	nested, err := row.nested()
	if err != nil {
		return row, err
	}
	if err := row.idIn(fs, sh.ids...); err != nil {
		return row, err
	}
	if row.id == "" {
		if err := row.idIn(nested, "prompt_id"); err != nil {
			return row, err
		}
	}
	for _, fs := range [...]fields{nested, fs} { // the row's own counts
		raw, name := fs.first("language", "lang")
		if raw == nil {
			continue
		}
		row.states, row.language = true, ""
		if raw[0] == '"' {
			if row.language, err = unquote(raw); err != nil {
				return row, blamed(name, err)
			}
		}
	}
	if err := row.moderated(nested, scores); err != nil {
		return row, err
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
	row.notText = row.notText || besideText(fs)
	row.empty = strings.TrimFunc(row.text, invisible) == "" && !row.notText
	if row.messages == nil {
		row.bytes = len(row.text)
	}
	for _, m := range row.messages {
		row.bytes += len(m.Content)
	}
	return row, nil
}

// invisible reports white space and characters that only act on others: a text of nothing
// else asks nothing.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// besideText reports that a row has a picture or the like, which its text is about.
func besideText(fs fields) bool {
	for _, f := range fs {
		switch f.name {
		case "image", "images", "video", "videos", "audio", "audios":
			if !blank(f.raw) && string(f.raw) != "[]" && string(f.raw) != "{}" && string(f.raw) != "false" {
				return true
			}
		}
	}
	return false
}

// nested are the members of the metadata object, of formats that have one.
func (row *parsedRow) nested() (fields, error) {
	if !row.shape.plain {
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
			var err error
			if id, err = numberID(name, raw); err != nil {
				return err
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
	if row.shape.plain {
		p.Metadata, err = row.plainMetadata()
		return p, err
	}
	p.Metadata, err = row.scalars()
	p.Metadata["source"] = string(row.shape.format)
	if row.id != "" {
		p.Metadata["source_id"] = row.id
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
