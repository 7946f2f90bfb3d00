package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// Rendering describes a template by a function that renders, for what [Format]
// cannot say: a model's own template source, say, as
// teacherforce/chat/jinja runs it.
type Rendering struct {
	Name      string // how policies name it
	BOS       string // begins every text, if the model has such a token
	EndOfTurn string // the text of the token by which the model ends its turn
	// Controls lists the texts that content must not contain: the special tokens
	// of the vocabulary. BOS and EndOfTurn always belong.
	Controls []string
	// Render returns what the model continues: the turns, and, if header is set,
	// what announces its answer. It must depend on nothing but its arguments.
	Render func(msgs []dataset.Message, header bool) (string, error)
	// Identity changes whenever the text may: the source and all its settings.
	Identity string
}

// NewRendering makes a template of a rendering. It renders one short
// conversation, to learn what announces an answer.
func NewRendering(r Rendering) (Template, error) {
	switch {
	case r.Name == "":
		return Template{}, errors.New("chat: rendering has no name")
	case r.EndOfTurn == "":
		return Template{}, fmt.Errorf("chat: rendering %q has no end-of-turn token: without one, a response that ended "+
			"cannot be told from one that was cut", r.Name)
	case r.Render == nil || r.Identity == "":
		return Template{}, fmt.Errorf("chat: rendering %q lacks Render or Identity", r.Name)
	}
	f := Format{Name: r.Name, BOS: r.BOS, EndOfTurn: r.EndOfTurn}
	for _, c := range append([]string{f.BOS, f.EndOfTurn}, r.Controls...) {
		if c != "" && !slices.Contains(f.Controls, c) {
			f.Controls = append(f.Controls, c)
		}
	}
	var err error
	for _, msgs := range [][]dataset.Message{
		{{Role: "user", Content: "x"}}, {{Role: "system", Content: "x"}, {Role: "user", Content: "x"}},
	} {
		var bare, full string
		if bare, err = r.Render(msgs, false); err != nil {
			continue
		}
		if full, err = r.Render(msgs, true); err != nil {
			continue
		}
		if answer, ok := strings.CutPrefix(full, bare); ok {
			f.ResponseHeader = answer
		}
		return Template{f: &f, r: &r}, nil
	}
	return Template{}, fmt.Errorf("chat: rendering %q: it renders no conversation of one turn: %w", r.Name, err)
}

// render refuses content that spells a special token, and content that makes one
// together with what stands around it: then there are more of them than in a
// conversation of harmless content.
func (r *Rendering) render(f *Format, msgs []dataset.Message) (string, error) {
	plain := make([]dataset.Message, len(msgs))
	for i, m := range msgs {
		for _, c := range f.Controls {
			if strings.Contains(m.Content, c) {
				return "", &ControlTokenError{Token: c, Turn: i, Role: m.Role}
			}
		}
		plain[i] = dataset.Message{Role: m.Role}
		if m.Content != "" {
			plain[i].Content = "x"
		}
	}
	text, err := r.Render(msgs, true)
	if err != nil {
		return "", err
	}
	want, err := r.Render(plain, true)
	if err != nil {
		return "", err
	}
	for _, c := range f.Controls {
		if strings.Count(text, c) > strings.Count(want, c) {
			last := len(msgs) - 1
			return "", &ControlTokenError{Token: c, Turn: last, Role: msgs[last].Role}
		}
	}
	return text, nil
}
