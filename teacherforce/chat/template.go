package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/reweigh/reweigh/dataset"
)

// Format describes a family's chat format. A conversation is rendered as
//
//	BOS { Before content After } Answer
//
// with the braces once per turn, by the role's own [Turn].
type Format struct {
	Name      string // how policies name it
	BOS       string // begins the text, once; empty for none
	EndOfTurn string // the end-of-turn token's text, which the model itself emits
	// The turns. EndOfTurn begins Assistant.After: what follows it there is
	// put by the template and not emitted by the model.
	System, User, Assistant Turn
	// ResponseHeader is the header that the model's answer follows; empty means
	// Assistant.Before.
	ResponseHeader string `json:"Answer"` // by this name in the hash
	// NoHeader says that nothing stands before the model's answer, whatever
	// stands before an earlier one: Template.ResponseHeader is empty.
	NoHeader bool `json:",omitempty"` // not in the hash of a format without it
	// AfterUser says that Assistant.Before stands only after a user's turn.
	AfterUser bool `json:",omitempty"`
	// SystemRule says where a system prompt goes, DefaultSystem what it is where
	// the conversation has none and the rule is SystemAlways.
	SystemRule    SystemRule
	DefaultSystem string
	// Alternate refuses conversations in which user and assistant do not take
	// turns.
	Alternate bool
	// Controls lists the texts that content must not contain: the special tokens
	// of the vocabulary. BOS and EndOfTurn always belong.
	Controls []string
}

// Turn is what stands around the content of one role's messages.
type Turn struct {
	Before, After string
	Trim          bool // strip white space around the content
}

// SystemRule is what a family does with system prompts.
type SystemRule int

const (
	SystemOptional SystemRule = iota // a turn of its own, if there is one
	SystemAlways                     // a turn of its own, DefaultSystem's if there is none
	SystemRequired                   // a turn of its own; a conversation without is refused
	SystemInUser                     // before the content of the first user turn, followed by System.After
	SystemRefused                    // the family has none
)

// Template renders conversations in one format. It is an immutable value; the
// zero Template renders nothing. Copies are safe for concurrent use.
type Template struct {
	f *Format
	r *Rendering // if not nil, what renders instead of the format, which then has no turns
}

// New makes a template of a format.
func New(f Format) (Template, error) {
	if f.ResponseHeader == "" && !f.NoHeader {
		f.ResponseHeader = f.Assistant.Before
	}
	switch {
	case f.Name == "":
		return Template{}, errors.New("chat: format has no name")
	case strings.TrimSpace(f.User.Before+f.User.After) == "" || strings.TrimSpace(f.User.After+f.ResponseHeader) == "":
		return Template{}, fmt.Errorf("chat: format %q has no markers around a user turn: without any, turns run into "+
			"each other", f.Name)
	case f.EndOfTurn == "":
		return Template{}, fmt.Errorf("chat: format %q has no end-of-turn token: without one, a response that ended "+
			"cannot be told from one that was cut", f.Name)
	case !strings.HasPrefix(f.Assistant.After, f.EndOfTurn):
		return Template{}, fmt.Errorf("chat: format %q: Assistant.After %q does not begin with the end-of-turn token %q, "+
			"so that an earlier answer would not stand as the model wrote it", f.Name, f.Assistant.After, f.EndOfTurn)
	case f.NoHeader && f.ResponseHeader != "":
		return Template{}, fmt.Errorf("chat: format %q has NoHeader and the ResponseHeader %q", f.Name, f.ResponseHeader)
	case f.SystemRule < SystemOptional || f.SystemRule > SystemRefused:
		return Template{}, fmt.Errorf("chat: format %q has an unknown SystemRule %d", f.Name, f.SystemRule)
	}
	var controls []string
	for _, c := range append([]string{f.BOS, f.EndOfTurn}, f.Controls...) {
		if c != "" && !slices.Contains(controls, c) {
			controls = append(controls, c)
		}
	}
	f.Controls = controls
	return Template{f: &f}, nil
}

func (t Template) raw() bool { return t.f != nil && t.f.EndOfTurn == "" }

// Name returns the name by which policies refer to the template.
func (t Template) Name() string {
	if t.f == nil {
		return ""
	}
	return t.f.Name
}

// Hash identifies how the template renders: 16 hexadecimal digits of the SHA-256
// over its format in JSON, name included. A policy's own hash covers the
// template's name alone.
func (t Template) Hash() string {
	if t.r != nil {
		h := sha256.Sum256([]byte("rendering " + t.f.Name + "\x00" + t.r.Identity))
		return hex.EncodeToString(h[:8])
	}
	b, err := json.Marshal(t.f)
	if err != nil {
		panic("chat: a format without a JSON form: " + err.Error()) // it holds texts and numbers
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// EndOfTurn returns the text of the token by which the model ends its turn,
// empty for "raw".
func (t Template) EndOfTurn() string {
	if t.f == nil {
		return ""
	}
	return t.f.EndOfTurn
}

// ResponseHeader returns the header that announces the model's answer: what a rendered
// context ends with. It is empty for "raw".
func (t Template) ResponseHeader() string {
	if t.f == nil {
		return ""
	}
	return t.f.ResponseHeader
}

// Assistant returns what stands around an assistant's earlier message.
func (t Template) Assistant() Turn {
	if t.f == nil {
		return Turn{}
	}
	return t.f.Assistant
}

// BOS returns the text of the token that begins a rendered context, empty if
// the family has none.
func (t Template) BOS() string {
	if t.f == nil {
		return ""
	}
	return t.f.BOS
}

// Controls returns the texts of the family's special tokens, empty for "raw".
// Reserved tokens, of which there are many, are covered by the stem that their
// texts have in common.
func (t Template) Controls() []string {
	if t.f == nil {
		return nil
	}
	return slices.Clone(t.f.Controls)
}

// FindControl returns the first of the family's special-token texts that s
// contains, in the order of [Template.Controls], or "".
func (t Template) FindControl(s string) string {
	if t.f == nil {
		return ""
	}
	for _, c := range t.f.Controls {
		if strings.Contains(s, c) {
			return c
		}
	}
	return ""
}

// Render returns the context in which the model answers msgs: a system turn
// first or not at all, then user and assistant turns, the last of them the
// user's. It ends with the header of the assistant's turn.
//
// Content is rendered to the byte, white space included, except if the
// family's own template trims it. Content that spells a special token, or would
// together with the markers around it, is refused with a [*ControlTokenError].
// The template "raw" accepts a single user turn and returns its content.
func (t Template) Render(msgs []dataset.Message) (string, error) {
	if t.f == nil {
		panic("chat: Render on the zero Template; use Lookup or New")
	}
	if err := t.check(msgs); err != nil {
		return "", fmt.Errorf("chat: template %q: %w", t.f.Name, err)
	}
	if t.raw() {
		return msgs[0].Content, nil
	}
	if t.r != nil {
		text, err := t.r.render(t.f, msgs)
		if err != nil {
			return "", fmt.Errorf("chat: template %q: %w", t.f.Name, err)
		}
		return text, nil
	}
	r := renderer{f: t.f}
	r.text.WriteString(t.f.BOS)
	rest, first := msgs, 0
	if msgs[0].Role == "system" {
		rest, first = msgs[1:], 1
	}
	switch {
	case t.f.SystemRule == SystemInUser && first == 1:
		// Part of the first user turn.
	case first == 1:
		r.turn(t.f.System, 0, msgs[0].Content)
	case t.f.SystemRule == SystemAlways:
		r.text.WriteString(t.f.System.Before + t.f.DefaultSystem + t.f.System.After)
	}
	for i, m := range rest {
		turn := t.f.User
		if m.Role == "assistant" {
			turn = t.f.Assistant
			if t.f.AfterUser && (i == 0 || rest[i-1].Role != "user") {
				turn.Before = ""
			}
		}
		if i == 0 && first == 1 && t.f.SystemRule == SystemInUser {
			r.text.WriteString(turn.Before)
			turn.Before = ""
			r.turn(t.f.System, 0, msgs[0].Content)
		}
		r.turn(turn, first+i, m.Content)
	}
	r.text.WriteString(t.f.ResponseHeader)
	text := r.text.String()
	if control, turn := r.stray(text); control != "" {
		return "", fmt.Errorf("chat: template %q: %w", t.f.Name, &ControlTokenError{Token: control, Turn: turn,
			Role: msgs[turn].Role})
	}
	return text, nil
}

// renderer remembers where content stands.
type renderer struct {
	f     *Format
	text  strings.Builder
	spans []span
}

type span struct{ start, end, turn int }

func (r *renderer) turn(t Turn, index int, content string) {
	if t.Trim {
		content = trim(content)
	}
	r.text.WriteString(t.Before)
	start := r.text.Len()
	r.text.WriteString(content)
	r.spans = append(r.spans, span{start, r.text.Len(), index})
	r.text.WriteString(t.After)
}

// stray looks for a special token's text that is not the template's own: content
// holds it, or makes it together with the marker beside it.
func (r *renderer) stray(text string) (control string, turn int) {
	for _, c := range r.f.Controls {
		for from := 0; ; {
			i := strings.Index(text[from:], c)
			if i < 0 {
				break
			}
			start, end := from+i, from+i+len(c)
			for _, s := range r.spans {
				if s.start < end && start < s.end {
					return c, s.turn
				}
			}
			from = start + 1
		}
	}
	return "", 0
}

func (t Template) check(msgs []dataset.Message) error {
	if len(msgs) == 0 {
		return errors.New("no turns to render")
	}
	last := ""
	for i, m := range msgs {
		switch {
		case m.Role == "system" && i > 0:
			return fmt.Errorf("turn %d is a second or late system prompt; it belongs first", i)
		case m.Role != "system" && m.Role != "user" && m.Role != "assistant":
			return fmt.Errorf("turn %d has role %q; want system, user or assistant", i, m.Role)
		case m.Role == "system" && t.f.SystemRule == SystemRefused:
			return errors.New("this family has no system prompt, and its published template refuses one: put the " +
				"instruction into the user's turn, or leave it out")
		case t.f.Alternate && (m.Role == last || last == "" && m.Role == "assistant"):
			return fmt.Errorf("turn %d is the %s's, out of turn: this family's user and assistant take turns, the user first",
				i, m.Role)
		}
		if m.Role != "system" {
			last = m.Role
		}
	}
	if last := msgs[len(msgs)-1]; last.Role != "user" {
		return fmt.Errorf("the last turn is the %s's; the model answers a user turn", last.Role)
	}
	if t.f.SystemRule == SystemRequired && msgs[0].Role != "system" {
		return errors.New("the conversation has no system prompt, where this family's published template puts one that " +
			"names the current day: state the policy's own, so that its context does not change overnight")
	}
	if t.raw() && len(msgs) > 1 {
		return fmt.Errorf("%d turns (a system prompt counts as one); this template has no markers to tell them apart and "+
			"takes a single user turn", len(msgs))
	}
	return nil
}

// trim strips what Jinja's trim filter strips: white space as Python's
// str.strip has it, which includes four separators that Go's does not.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f })
}

// ControlTokenError reports content that spells a special token. Sent as text it
// would become that token, and the model would see another conversation than
// the one meant.
type ControlTokenError struct {
	Token string // the special token's text, or the stem of a reserved one's
	Turn  int    // index into the rendered messages
	Role  string // that turn's role
}

func (e *ControlTokenError) Error() string {
	return fmt.Sprintf("turn %d (%s) contains the special-token text %q, which a server would read as the token: drop "+
		"the prompt or rewrite the text", e.Turn, e.Role, e.Token)
}
