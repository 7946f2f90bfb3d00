package chat

import (
	"errors"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func numbered(change func(*Rendering)) (Template, error) {
	r := Rendering{Name: "x", BOS: "<s>", EndOfTurn: "<end>", Controls: []string{"<me>"}, Identity: "1",
		Render: func(msgs []dataset.Message, header bool) (string, error) {
			text := "<s>"
			for _, m := range msgs {
				text += m.Role + " " + m.Content + "d>.<end>"
			}
			if header {
				text += "<me>"
			}
			return text, nil
		}}
	if change != nil {
		change(&r)
	}
	return NewRendering(r)
}

func TestRendering(t *testing.T) {
	tpl, err := numbered(nil)
	if err != nil {
		t.Fatal(err)
	}
	if tpl.ResponseHeader() != "<me>" || tpl.BOS() != "<s>" || tpl.EndOfTurn() != "<end>" || len(tpl.Controls()) != 3 {
		t.Errorf("answer %q, BOS %q, end %q, controls %v", tpl.ResponseHeader(), tpl.BOS(), tpl.EndOfTurn(), tpl.Controls())
	}
	other, err := numbered(func(r *Rendering) { r.Identity = "2" })
	if err != nil || other.Hash() == tpl.Hash() || len(tpl.Hash()) != 16 {
		t.Errorf("hashes %q and %q, %v: want another for another identity", tpl.Hash(), other.Hash(), err)
	}
	for content, why := range map[string]string{
		"a <me> b": "content spells a marker", "a <en": "content makes one with what stands behind it",
	} {
		var control *ControlTokenError
		if got, err := tpl.Render([]dataset.Message{user(content)}); !errors.As(err, &control) {
			t.Errorf("%q: %q, %v: %s", content, got, err, why)
		}
	}
	if got, err := tpl.Render([]dataset.Message{user("")}); err != nil || got != "<s>user d>.<end><me>" {
		t.Errorf("an empty turn: %q, %v", got, err)
	}
	if _, err := tpl.Render([]dataset.Message{user("a"), assistant("b")}); err == nil {
		t.Error("a conversation that nobody is to answer was rendered")
	}
	refused := errors.New("no")
	for want, change := range map[string]func(*Rendering){
		"no name":        func(r *Rendering) { r.Name = "" },
		"no end-of-turn": func(r *Rendering) { r.EndOfTurn = "" },
		"lacks":          func(r *Rendering) { r.Identity = "" },
		"lacks Render":   func(r *Rendering) { r.Render = nil },
		"conversation of one": func(r *Rendering) {
			r.Render = func([]dataset.Message, bool) (string, error) { return "", refused }
		},
	} {
		if _, err := numbered(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}
