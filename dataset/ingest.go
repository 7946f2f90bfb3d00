package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrNoPrompts is wrapped by the error of [ReadPrompts] if an input holds no
// prompt, or none that the filters keep.
var ErrNoPrompts = errors.New("no prompts")

// ErrDuplicateID is wrapped by errors about two rows of one id or key.
var ErrDuplicateID = errors.New("duplicate id")

// ReadOptions says which prompts [ReadPrompts] keeps. The zero value keeps
// every distinct prompt that is not flagged by moderation.
type ReadOptions struct {
	// Languages is the keep list, compared with the rows' field language, or lang;
	// English, english, en, en-US and eng are one. A row that states no language is
	// dropped. Empty keeps all.
	Languages []string
	// ConversationLanguages takes the place of Languages if the input holds
	// conversations (as Chatbot Arena, WildChat and ShareGPT publish them), which come in
	// many languages, whereas plain prompts are as their author chose them. Rows without
	// the field are kept: the data set does not tell languages apart. Empty means
	// Languages.
	ConversationLanguages []string
	// KeepFlagged keeps prompts whose openai_moderation or toxic_chat_tag is
	// flagged, or which the data set calls toxic.
	KeepFlagged bool
	// MaxModerationScore is the highest score of any category of
	// openai_moderation that is kept, in [0, 1]; a row without scores is kept. 0
	// means no limit.
	MaxModerationScore float64
	// MinBytes and MaxBytes bound the length of the prompts kept, in bytes of all
	// their turns. 0 means no bound.
	MinBytes, MaxBytes int
	// SingleTurn keeps only conversations, and plain prompts, in which the user
	// speaks once.
	SingleTurn bool
	// KeepSetApart keeps the rows whose dedup_tag says that the data set's own
	// removal of frequent prompts left them out (sampled is false).
	KeepSetApart bool
	// SetAside, if not nil, gets each row that is malformed, or has what a prompt cannot
	// hold, as a line
	//
	//	{"line": 7, "error": …, "row": …}
	//
	// and reading goes on; of rows that share an id all but one are malformed. A row that
	// is not UTF-8 is in row_base64. If SetAside is nil the first such row ends the
	// reading, but for one whose prompt has an image or the like, which is dropped.
	SetAside io.Writer
}

// Ingest is what [ReadPrompts] read.
type Ingest struct {
	Prompts  []Prompt // sorted by ID; if it was a sample that was asked for, the sample
	Eligible int      // prompts that the filters kept; a sample is taken from them
	// Format is what the rows are: "prompts" (a run's own prompts.jsonl is one), "cje" (logged
	// responses or fresh draws as CJE reads them, such as a run's samples.jsonl; several draws of
	// one prompt are one prompt), "chatbot_arena_conversations", "arena-human-preference-55k",
	// "conversation" or what another file shape_NAME.go calls them.
	Format    string
	Container string    // how they are stored: see RowReader
	Rows      int       // rows read
	SHA256    string    // of the input's bytes as they are stored, hexadecimal
	Attrition Attrition // Rows less all that was dropped is Eligible
}

// ReadPrompts reads prompts from Chatbot Arena rows, single conversations, CJE's
// files or plain prompts, stored in any of the ways that [NewRowReader] knows; all
// of this is told from the content, and name serves for messages only.
//
// A conversation's prompt is its first user turn, after what was said before that and a
// system prompt beside it. A plain row has prompt, or messages that end with a user turn,
// or both if they agree; messages that end with a reply are a conversation that is over,
// whose prompt is the turn that the row calls prompt, else the first. Messages is set only
// if there is more than that one turn. The parts of a turn's content make one text, with
// nothing between them.
//
// The id is the row's own (question_id, conversation_id or id; prompt_id, id or another of
// a plain row, also inside metadata), else "p" and 16 hexadecimal digits of the SHA-256 of
// the normalised text. Metadata keeps the rest: of a plain row every other field, with those
// of its metadata object beside them (if both have a field, the row's own counts);
// of another every field that is text, number or truth value (language,
// model_a, model_b, winner and so on), and source and source_id; of a CJE row its
// metadata object. An integer whose digits a float64 would change is kept as text.
//
// Nothing is replaced. Half a surrogate pair, bytes that are not UTF-8, the call of a tool
// or what it said, another role than system, user and assistant, a field that is there
// twice: such a row is malformed.
//
// Rows are dropped, in this order: malformed ones, each reason by its name, if opt has them set
// aside; for an empty prompt; for a prompt that is not only text; if the row goes on
// with a conversation begun in another (evaluation_order above 1); for language,
// moderation, length, several turns, and by dedup_tag; and as a duplicate by text:
// lower case, white space collapsed, all turns. Of duplicates the row whose id has
// the smallest SHA-256 stays. The result does not depend on the order of the rows.
//
// A row that is malformed, or of another format than the first, is a
// [*LineError]; so is an id that occurs twice (it wraps [ErrDuplicateID] and
// names both lines), since two rows of one id cannot be told apart later. An
// input without a prompt, or none left after the filters, is an error that wraps
// [ErrNoPrompts].
func ReadPrompts(r io.Reader, name string, opt ReadOptions) (*Ingest, error) {
	rows, err := NewRowReader(r, name)
	if err != nil {
		return nil, err
	}
	return ingestAll(rows, name, opt)
}

// Prompts reads all prompts of a source, as [ReadPrompts] does.
func (s Source) Prompts(opt ReadOptions) (*Ingest, error) {
	rows, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return ingestAll(rows, s.Name, opt)
}

func ingestAll(rows RowReader, name string, opt ReadOptions) (*Ingest, error) {
	p := newPass(name, opt, SampleOptions{}, true)
	in, err := p.run(rows)
	if err != nil {
		return nil, err
	}
	for _, i := range p.kept {
		in.Prompts = append(in.Prompts, p.prompts[i])
	}
	slices.SortFunc(in.Prompts, byID)
	return in, nil
}

// Sample reads a sample of a source's prompts: the same as reading all of them and
// taking [SamplePrompts] of those, in memory that holds the sample and some 60
// bytes a row. The source is read twice.
func (s Source) Sample(opt ReadOptions, sample SampleOptions) (*Ingest, error) {
	rows, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	p := newPass(s.Name, opt, sample, false)
	p.again = s.Open
	in, err := p.run(rows)
	if err != nil {
		return nil, err
	}
	chosen, err := p.sample()
	if err != nil {
		return nil, err
	}
	slices.Sort(chosen) // as they stand in the source
	anew, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer anew.Close()
	in.Prompts, err = p.fetch(anew, chosen)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(in.Prompts, byID)
	return in, nil
}

// fetch reads the prompts of the rows with the given numbers, in order.
func (p *pass) fetch(rows RowReader, chosen []int) ([]Prompt, error) {
	var out []Prompt
	for n := 0; len(out) < len(chosen); n++ {
		line, obj, err := rows.Next()
		if n < chosen[len(out)] && skippable(err) {
			continue
		}
		changed := fmt.Errorf("dataset: %s changed while it was read (leave it alone until its prompts are read)", p.name)
		if err == io.EOF {
			return nil, changed
		}
		if err != nil {
			return nil, err
		}
		if n < chosen[len(out)] {
			continue
		}
		h := p.head(line, obj, nil)
		e := p.entries.at(chosen[len(out)])
		if h.err != nil || h.entry.norm != e.norm || h.entry.id != e.id {
			return nil, changed
		}
		prompt, err := h.row.prompt(h.id)
		if err != nil {
			return nil, &LineError{Name: p.name, Line: line, Err: err, Hint: hintField}
		}
		out = append(out, prompt)
	}
	return out, nil
}

func skippable(err error) bool {
	var le *LineError
	return err == nil || errors.As(err, &le) && le.Skip
}

const hintFormats = `want JSON lines, a JSON array or CSV of {"prompt_id", "prompt"} objects, messages, conversations, ` +
	`or the rows of a well-known data set`

// Attrition accounts for the rows that a reader dropped, reason by reason in the
// order in which the filters were applied; a reason that dropped nothing is
// there too.
type Attrition []AttritionRow

// AttritionRow is one filter's effect.
type AttritionRow struct {
	Reason  string `json:"reason"`
	Dropped int    `json:"dropped"`
	Left    int    `json:"left"` // after this filter
	// Examples are at most five that were dropped, the first in order: ids, or
	// lines of rows whose id is not known or, in a sample, was not kept.
	Examples []string `json:"examples"`
}

// String is a table for a person, one line a reason that dropped something.
func (a Attrition) String() string {
	var b strings.Builder
	for _, row := range a {
		if row.Dropped == 0 {
			continue
		}
		fmt.Fprintf(&b, "%-24s %7d dropped %7d left  (%s", row.Reason, row.Dropped, row.Left,
			strings.Join(row.Examples, ", "))
		if row.Dropped > len(row.Examples) {
			b.WriteString(", …")
		}
		b.WriteString(")\n")
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

// setAside writes a malformed row down.
func setAside(w io.Writer, line int, row string, err error) error {
	var le *LineError
	why := err.Error()
	if errors.As(err, &le) {
		why = fmt.Sprintf("%v (%s)", le.Err, le.Hint)
		if le.Row != "" {
			row = le.Row
		}
	}
	out := map[string]any{"line": line, "error": why, "row": row}
	if !utf8.ValidString(row) { // which no JSON text can hold
		delete(out, "row")
		out["row_base64"] = []byte(row)
	}
	b, err := json.Marshal(out)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("dataset: set aside line %d: %w", line, err)
	}
	return nil
}
