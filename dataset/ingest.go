package dataset

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Format is what kind of rows an input holds.
type Format string

// The formats, told apart by the first row's fields.
const (
	// FormatArena has rows of lmsys/chatbot_arena_conversations and its like: two
	// models answer one user, in conversation_a and conversation_b.
	FormatArena Format = "chatbot_arena_conversations"
	// FormatConversation has rows of lmsys-chat-1m and its like: one
	// conversation.
	FormatConversation Format = "conversation"
	// FormatPrompts has plain prompts; a run's own prompts.jsonl is one.
	FormatPrompts Format = "prompts"
)

// ErrNoPrompts is wrapped by the error of [ReadPrompts] where an input holds no
// prompt, or none that the filters keep.
var ErrNoPrompts = errors.New("no prompts")

// ErrDuplicateID is wrapped by errors about two rows of one id or key.
var ErrDuplicateID = errors.New("duplicate id")

// ReadOptions says which prompts [ReadPrompts] keeps. The zero value keeps
// every distinct prompt that is not flagged by moderation.
type ReadOptions struct {
	// Languages is the keep list, compared with the rows' language field without
	// regard to case; a row that states no language is dropped. Empty keeps all.
	Languages []string
	// ConversationLanguages takes the place of Languages where the input holds
	// conversations ([FormatArena], [FormatConversation]), which come in many
	// languages, whereas plain prompts are as their author chose them. Empty
	// means Languages.
	ConversationLanguages []string
	// KeepFlagged keeps prompts whose openai_moderation or toxic_chat_tag is
	// flagged.
	KeepFlagged bool
	// MaxBytes is the longest prompt kept, in bytes of all its turns. 0 means no
	// limit.
	MaxBytes int
}

// Ingest is what [ReadPrompts] read.
type Ingest struct {
	Prompts   []Prompt  // sorted by ID
	Format    Format    // what the rows are
	Container string    // how they are stored: "jsonl" or "json array", with "+gzip" where compressed
	Rows      int       // rows read
	SHA256    string    // of the input's bytes as they are stored, hexadecimal
	Attrition Attrition // Rows less all that was dropped is len(Prompts)
}

// ReadPrompts reads prompts from Chatbot Arena rows, single conversations or
// plain prompts, as JSON lines or one JSON array, gzip-compressed or not; all of
// this is told from the content, and name serves for messages only.
//
// A conversation's prompt is its first user turn. A plain row has prompt, or
// messages that end with a user turn, or both where they agree; Messages is set
// only where there is more than that one turn. The id is the row's own
// (question_id or conversation_id; prompt_id or id of a plain row), else "p" and
// 16 hexadecimal digits of the SHA-256 of the normalised text. Metadata keeps the
// rest: of a plain row every other field, with those of its metadata object
// beside them (where both have a field, the row's own counts); of a
// conversation every field that is text, number or truth value (language,
// model_a, model_b, winner and so on), and source and source_id. An integer whose
// digits a float64 would change is kept as text.
//
// Rows are dropped, in this order, for an empty prompt, language, moderation,
// length, and as a duplicate by text: lower case, white space collapsed, all
// turns. Of duplicates the row whose id has the smallest SHA-256 stays. The
// result does not depend on the order of the rows.
//
// A row that is malformed, or of another format than the first, is a
// [*LineError]; so is an id that occurs twice (it wraps [ErrDuplicateID] and
// names both lines), since two rows of one id cannot be told apart later. An
// input without a prompt, or none left after the filters, is an error that wraps
// [ErrNoPrompts].
func ReadPrompts(r io.Reader, name string, opt ReadOptions) (*Ingest, error) {
	sum := sha256.New()
	raw := bufio.NewReaderSize(io.TeeReader(r, sum), 64<<10)
	in := &Ingest{}
	rows, err := openRows(raw, name, in)
	if err != nil {
		return nil, err
	}
	f := &filter{opt: opt, seen: make(map[string]int), kept: make(map[[32]byte]candidate)}
	for {
		line, obj, err := rows.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, gzipHint(err, name, in)
		}
		in.Rows++
		if err := f.add(in, name, line, obj); err != nil {
			return nil, err
		}
	}
	// What follows the rows (nothing, as a rule) belongs to the checksum.
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return nil, fmt.Errorf("dataset: read %s: %w", name, err)
	}
	in.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if in.Rows == 0 {
		return nil, fmt.Errorf("dataset: %s: %w: the file has no rows (%s)", name, ErrNoPrompts, hintFormats)
	}
	in.Prompts, in.Attrition = f.result(in.Rows)
	if len(in.Prompts) == 0 {
		return nil, fmt.Errorf("dataset: %s: %w left of %d rows: %s (look at the filters, and at what the rows hold)",
			name, ErrNoPrompts, in.Rows, in.Attrition.summary())
	}
	for i, p := range in.Prompts[1:] { // a made-up id may be another row's own
		if p.ID == in.Prompts[i].ID {
			return nil, fmt.Errorf("dataset: %s: %w: prompt_id %q (give every row an id)", name, ErrDuplicateID, p.ID)
		}
	}
	return in, nil
}

const hintFormats = `want JSON lines or a JSON array of Chatbot Arena rows, conversations, or {"prompt_id", "prompt"} objects`

// rowReader hands out one JSON object after the other with the line that it
// starts on; io.EOF at the end.
type rowReader interface {
	next() (line int, obj []byte, err error)
}

// openRows looks at the first bytes for how the rows are stored.
func openRows(r *bufio.Reader, name string, in *Ingest) (rowReader, error) {
	refuse := func(what, hint string) (rowReader, error) {
		return nil, &LineError{Name: name, Line: 1, Err: errors.New(what), Hint: hint}
	}
	magic, _ := r.Peek(4)
	var suffix string
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("dataset: %s looks gzip-compressed, but: %w (get the file again)", name, err)
		}
		r, suffix = bufio.NewReaderSize(z, 64<<10), "+gzip"
	case string(magic) == "PAR1":
		return refuse("the file is Parquet", "convert it to JSON lines first, e.g. with pandas' to_json(orient=\"records\", lines=True)")
	case string(magic) == "PK\x03\x04":
		return refuse("the file is a zip archive", "unpack it first")
	}
	first, err := firstByte(r)
	if err != nil && err != io.EOF {
		return nil, gzipHint(fmt.Errorf("dataset: read %s: %w", name, err), name, &Ingest{Container: suffix})
	}
	if first == '[' {
		in.Container = "json array" + suffix
		return &arrayReader{r: r, name: name, line: 1}, nil
	}
	in.Container = "jsonl" + suffix
	return &lineReader{r: r, name: name}, nil
}

// firstByte peeks at the first byte that is neither white space nor part of a
// byte order mark.
func firstByte(r *bufio.Reader) (byte, error) {
	for n := 64; ; n *= 2 {
		b, err := r.Peek(min(n, r.Size()))
		rest := bytes.TrimLeft(bytes.TrimPrefix(b, utf8BOM), jsonSpace+"\n")
		switch {
		case len(rest) > 0:
			return rest[0], nil
		case err != nil:
			return 0, err
		case n >= r.Size():
			return 0, nil // blank for 64 KiB: read as lines
		}
	}
}

func gzipHint(err error, name string, in *Ingest) error {
	if strings.HasSuffix(in.Container, "+gzip") && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader)) {
		return fmt.Errorf("%w (the compressed file is damaged or cut short: get %s again)", err, name)
	}
	return err
}

// filter decides on rows one by one and keeps the account.
type filter struct {
	opt     ReadOptions
	seen    map[string]int // own id -> line
	kept    map[[32]byte]candidate
	dropped [len(dropReasons)][]string // ids
}

// candidate is the row that stands for all of one normalised text so far.
type candidate struct {
	prompt Prompt
	idHash [32]byte
}

const (
	dropEmpty = iota
	dropLanguage
	dropFlagged
	dropLong
	dropDuplicate
)

var dropReasons = [...]string{"empty prompt", "language", "flagged by moderation", "too long", "duplicate text"}

func (f *filter) add(in *Ingest, name string, line int, obj []byte) error {
	fail := func(err error, hint string) error {
		return &LineError{Name: name, Line: line, Err: err, Hint: hint}
	}
	var fields map[string]json.RawMessage
	if err := decodeObject(obj, &fields, name, line); err != nil {
		return err
	}
	format, err := detect(fields)
	switch {
	case err != nil:
		return fail(err, hintFormats)
	case in.Format == "":
		in.Format = format
	case in.Format != format:
		return fail(fmt.Errorf("the row is of format %s, those before it are of format %s", format, in.Format), "keep one format a file")
	}
	row, err := parseRow(format, fields)
	if err != nil {
		return fail(err, hintField)
	}
	p := row.prompt
	if p.ID != "" {
		if first, ok := f.seen[p.ID]; ok {
			return fail(fmt.Errorf("%w: %s %q is on line %d already", ErrDuplicateID, row.idField, p.ID, first), "keep one of the two rows, or give them ids of their own")
		}
		f.seen[p.ID] = line
	}
	norm := normalizedTurns(p)
	shown := p.ID
	if p.ID == "" {
		p.ID = "p" + hex.EncodeToString(norm[:8])
		shown = fmt.Sprintf("line %d", line)
	}
	languages := f.opt.Languages
	if format != FormatPrompts && len(f.opt.ConversationLanguages) > 0 {
		languages = f.opt.ConversationLanguages
	}
	switch {
	case row.empty:
		f.drop(dropEmpty, shown)
	case len(languages) > 0 && !slices.ContainsFunc(languages, func(l string) bool { return strings.EqualFold(l, row.language) }):
		f.drop(dropLanguage, shown)
	case row.flagged && !f.opt.KeepFlagged:
		f.drop(dropFlagged, shown)
	case f.opt.MaxBytes > 0 && row.bytes > f.opt.MaxBytes:
		f.drop(dropLong, shown)
	default:
		f.keep(norm, p)
	}
	return nil
}

func (f *filter) drop(reason int, id string) { f.dropped[reason] = append(f.dropped[reason], id) }

// keep lets the row of smallest id hash stand for its text. Rows without an id
// of their own share one where their texts are equal; there the smallest JSON
// form decides, so that the order of the rows does not.
func (f *filter) keep(norm [32]byte, p Prompt) {
	now := candidate{p, sha256.Sum256([]byte(p.ID))}
	old, ok := f.kept[norm]
	if !ok {
		f.kept[norm] = now
		return
	}
	order := bytes.Compare(now.idHash[:], old.idHash[:])
	if order == 0 {
		a, _ := json.Marshal(now.prompt) // decoded from JSON, so it has a JSON form
		b, _ := json.Marshal(old.prompt)
		order = bytes.Compare(a, b)
	}
	if order < 0 {
		now, old = old, now
	}
	f.kept[norm] = old
	f.drop(dropDuplicate, now.prompt.ID)
}

func (f *filter) result(rows int) ([]Prompt, Attrition) {
	prompts := make([]Prompt, 0, len(f.kept))
	for _, c := range f.kept {
		prompts = append(prompts, c.prompt)
	}
	slices.SortFunc(prompts, func(a, b Prompt) int { return cmp.Compare(a.ID, b.ID) })
	table := make(Attrition, len(dropReasons))
	for i, ids := range f.dropped {
		rows -= len(ids)
		slices.Sort(ids)
		table[i] = AttritionRow{Reason: dropReasons[i], Dropped: len(ids), Left: rows, Examples: append([]string{}, ids[:min(len(ids), 5)]...)}
	}
	return prompts, table
}

// Attrition accounts for the rows that a reader dropped, reason by reason in the
// order in which the filters were applied; a reason that dropped nothing is
// there too.
type Attrition []AttritionRow

// AttritionRow is one filter's effect.
type AttritionRow struct {
	Reason   string   `json:"reason"`
	Dropped  int      `json:"dropped"`
	Left     int      `json:"left"`     // after this filter
	Examples []string `json:"examples"` // ids of at most five that were dropped, the first in order
}

// String is a table for a person, one line a reason.
func (a Attrition) String() string {
	var b strings.Builder
	for _, row := range a {
		fmt.Fprintf(&b, "%-22s %7d dropped %7d left", row.Reason, row.Dropped, row.Left)
		if row.Dropped > 0 {
			fmt.Fprintf(&b, "  (%s", strings.Join(row.Examples, ", "))
			if row.Dropped > len(row.Examples) {
				b.WriteString(", …")
			}
			b.WriteByte(')')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (a Attrition) summary() string {
	var parts []string
	for _, row := range a {
		if row.Dropped > 0 {
			parts = append(parts, fmt.Sprintf("%d for %s", row.Dropped, row.Reason))
		}
	}
	return "dropped " + strings.Join(parts, ", ")
}
