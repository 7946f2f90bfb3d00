package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/reweigh/reweigh/dataset"
)

// Format describes a family's chat format. A conversation is rendered as
//
//	BOS { HeaderStart role HeaderEnd content EndOfTurn AfterTurn } HeaderStart "assistant" HeaderEnd
//
// with the braces once per turn.
type Format struct {
	Name        string // how policies name it
	BOS         string // begins the text, once; empty for none
	HeaderStart string // before the role
	HeaderEnd   string // between role and content, newlines included
	EndOfTurn   string // the end-of-turn token's text, which the model itself emits
	AfterTurn   string // what the template puts after EndOfTurn, and the model does not emit
	TrimSystem  bool   // strip white space around the system prompt
	TrimContent bool   // strip white space around every other turn's content
	// Controls lists further texts that content must not contain. BOS,
	// HeaderStart, HeaderEnd and EndOfTurn, without white space, always belong.
	Controls []string
}

// Template renders conversations in one format. It is an immutable value; the
// zero Template renders nothing. Copies are safe for concurrent use.
type Template struct{ f *Format }

// New makes a template of a format.
func New(f Format) (Template, error) {
	switch {
	case f.Name == "":
		return Template{}, errors.New("chat: format has no name")
	case strings.TrimSpace(f.HeaderStart) == "":
		return Template{}, fmt.Errorf("chat: format %q has no turn header: without one, turns run into each other", f.Name)
	case f.EndOfTurn == "":
		return Template{}, fmt.Errorf("chat: format %q has no end-of-turn token: without one, a response that ended cannot be told from one that was cut", f.Name)
	}
	own := []string{f.BOS, strings.TrimSpace(f.HeaderStart), strings.TrimSpace(f.HeaderEnd), f.EndOfTurn}
	var controls []string
	for _, c := range append(own, f.Controls...) {
		if c != "" && !slices.Contains(controls, c) {
			controls = append(controls, c)
		}
	}
	f.Controls = controls
	return Template{&f}, nil
}

func (t Template) raw() bool { return t.f != nil && t.f.HeaderStart == "" }

// Name returns the name by which policies refer to the template.
func (t Template) Name() string {
	if t.f == nil {
		return ""
	}
	return t.f.Name
}

// EndOfTurn returns the text of the token by which the model ends its turn,
// empty for "raw".
func (t Template) EndOfTurn() string {
	if t.f == nil {
		return ""
	}
	return t.f.EndOfTurn
}

// BOS returns the text of the token that begins a rendered context, empty where
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
// Content is rendered to the byte, white space included, except where the
// family's own template trims it. Content that spells a special token is
// refused with a [*ControlTokenError]. The template "raw" accepts a single user
// turn and returns its content.
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
	f := t.f
	var b strings.Builder
	b.WriteString(f.BOS)
	for _, m := range msgs {
		content := m.Content
		if m.Role == "system" && f.TrimSystem || m.Role != "system" && f.TrimContent {
			content = trim(content)
		}
		b.WriteString(f.HeaderStart + m.Role + f.HeaderEnd + content + f.EndOfTurn + f.AfterTurn)
	}
	b.WriteString(f.HeaderStart + "assistant" + f.HeaderEnd)
	return b.String(), nil
}

func (t Template) check(msgs []dataset.Message) error {
	if len(msgs) == 0 {
		return errors.New("no turns to render")
	}
	for i, m := range msgs {
		switch {
		case m.Role == "system" && i > 0:
			return fmt.Errorf("turn %d is a second or late system prompt; it belongs first", i)
		case m.Role != "system" && m.Role != "user" && m.Role != "assistant":
			return fmt.Errorf("turn %d has role %q; want system, user or assistant", i, m.Role)
		}
		if c := t.FindControl(m.Content); c != "" {
			return &ControlTokenError{Token: c, Turn: i, Role: m.Role}
		}
	}
	if last := msgs[len(msgs)-1]; last.Role != "user" {
		return fmt.Errorf("the last turn is the %s's; the model answers a user turn", last.Role)
	}
	if t.raw() && len(msgs) > 1 {
		return fmt.Errorf("%d turns (a system prompt counts as one); this template has no markers to tell them apart and takes a single user turn", len(msgs))
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
	return fmt.Sprintf("turn %d (%s) contains the special-token text %q, which a server would read as the token: drop the prompt or rewrite the text", e.Turn, e.Role, e.Token)
}
