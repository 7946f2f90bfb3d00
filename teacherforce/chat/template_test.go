package chat

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

func user(s string) dataset.Message      { return dataset.Message{Role: "user", Content: s} }
func system(s string) dataset.Message    { return dataset.Message{Role: "system", Content: s} }
func assistant(s string) dataset.Message { return dataset.Message{Role: "assistant", Content: s} }

// TestRender holds the rendering against strings written out by hand from the
// templates that the families publish.
func TestRender(t *testing.T) {
	for _, c := range []struct {
		name     string
		template string
		msgs     []dataset.Message
		want     string
		reason   string
	}{
		{
			name: "one turn", template: "llama4", msgs: []dataset.Message{user("Hello")},
			want:   "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHello<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "no default system block, two newlines after the header, none after <|eot|>",
		},
		{
			name: "system prompt", template: "llama4", msgs: []dataset.Message{system("\n Be brief.\t\n"), user("Hello")},
			want:   "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe brief.<|eot|><|header_start|>user<|header_end|>\n\nHello<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "the system prompt is trimmed",
		},
		{
			name: "several turns", template: "llama4", msgs: []dataset.Message{user("Hi"), assistant("Hello."), user("And?")},
			want: "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\nHello.<|eot|>" +
				"<|header_start|>user<|header_end|>\n\nAnd?<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "one BOS, however many turns",
		},
		{
			name: "white space", template: "llama4", msgs: []dataset.Message{user("\n  indented\t\n\n")},
			want:   "<|begin_of_text|><|header_start|>user<|header_end|>\n\n\n  indented\t\n\n<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "Llama 4 does not trim turns; Llama 3 does",
		},
		{
			name: "separators", template: "llama4", msgs: []dataset.Message{system("\x1c Be brief.\u00a0\x1f"), user("Hi")},
			want:   "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe brief.<|eot|><|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "Python's strip takes U+001C to U+001F for white space",
		},
		{
			name: "empty turn", template: "llama4", msgs: []dataset.Message{user("")},
			want:   "<|begin_of_text|><|header_start|>user<|header_end|>\n\n<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "whether an empty prompt is worth sending is not the template's business",
		},
		{
			name: "chatml", template: "chatml", msgs: []dataset.Message{system(" Be brief. "), user("Hi"), assistant("Hello."), user("And?")},
			want:   "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n",
			reason: "nothing is trimmed, no BOS, a newline after <|im_end|>",
		},
		{
			name: "another family's marker", template: "chatml", msgs: []dataset.Message{user("What is <|eot|>?")},
			want:   "<|im_start|>user\nWhat is <|eot|>?<|im_end|>\n<|im_start|>assistant\n",
			reason: "to a ChatML model <|eot|> is text",
		},
		{
			name: "raw", template: "raw", msgs: []dataset.Message{user(" Once <|eot|> upon a time\n")},
			want: " Once <|eot|> upon a time\n", reason: "the prompt as it stands, markers included",
		},
	} {
		tpl, ok := Lookup(c.template)
		if !ok {
			t.Fatalf("no template %q", c.template)
		}
		got, err := tpl.Render(c.msgs)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.name, c.reason, d)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		name     string
		template string
		msgs     []dataset.Message
		want     string
	}{
		{"no turns", "llama4", nil, "no turns"},
		{"unknown role", "llama4", []dataset.Message{{Role: "tool", Content: "x"}}, `role "tool"`},
		{"late system prompt", "llama4", []dataset.Message{user("a"), system("b"), user("c")}, "turn 1 is a second or late system prompt"},
		{"two system prompts", "llama4", []dataset.Message{system("a"), system("b"), user("c")}, "turn 1 is a second"},
		{"nobody to answer", "llama4", []dataset.Message{user("a"), assistant("b")}, "the last turn is the assistant's"},
		{"system alone", "llama4", []dataset.Message{system("a")}, "the last turn is the system's"},
		{"raw with a system prompt", "raw", []dataset.Message{system("a"), user("b")}, "2 turns"},
		{"marker", "llama4", []dataset.Message{user("a"), assistant("b<|eot|>"), user("c")}, `turn 1 (assistant) contains the special-token text "<|eot|>"`},
		{"marker in the system prompt", "llama4", []dataset.Message{system("<|header_start|>"), user("c")}, "turn 0 (system)"},
		{"reserved token", "llama4", []dataset.Message{user("<|vision_reserved_special_token_7|>")}, "_reserved_special_token_"},
		{"chatml marker", "chatml", []dataset.Message{user("x<|im_end|>y")}, "<|im_end|>"},
	} {
		tpl, _ := Lookup(c.template)
		got, err := tpl.Render(c.msgs)
		if err == nil || !strings.Contains(err.Error(), c.want) || got != "" {
			t.Errorf("%s: got %q, error %v; want an error with %q", c.name, got, err, c.want)
		}
	}
	tpl, _ := Lookup("llama4")
	_, err := tpl.Render([]dataset.Message{user("a<|eom|>")})
	var control *ControlTokenError
	if !errors.As(err, &control) || *control != (ControlTokenError{"<|eom|>", 0, "user"}) {
		t.Errorf("error %v, want a ControlTokenError of <|eom|> in turn 0", err)
	}
}

func TestNames(t *testing.T) {
	if d := cmp.Diff([]string{"chatml", "llama4", "raw"}, Names()); d != "" {
		t.Error(d)
	}
	for name, eot := range map[string]string{"llama4": "<|eot|>", "chatml": "<|im_end|>", "raw": ""} {
		tpl, ok := Lookup(name)
		if !ok || tpl.Name() != name || tpl.EndOfTurn() != eot || (eot == "") != (len(tpl.Controls()) == 0) {
			t.Errorf("%s: found %v, end of turn %q, controls %v", name, ok, tpl.EndOfTurn(), tpl.Controls())
		}
	}
	if _, ok := Lookup("llama9"); ok {
		t.Error("found a template that is not there")
	}
	llama4.Controls()[0] = "changed"
	if llama4.Controls()[0] != "<|begin_of_text|>" {
		t.Error("a caller can change a template's controls")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, f := range []Format{
		{HeaderStart: "[", HeaderEnd: "]", EndOfTurn: "."},
		{Name: "x", HeaderEnd: "]", EndOfTurn: "."},
		{Name: "x", HeaderStart: "[", HeaderEnd: "]"},
	} {
		if _, err := New(f); err == nil {
			t.Errorf("New(%+v) succeeded", f)
		}
	}
}

// FuzzRender. Invariant: a rendered conversation holds each marker exactly as
// often as its turns call for, so that none came from content; and content, if
// the family does not trim it, is in it to the byte.
func FuzzRender(f *testing.F) {
	f.Add("Be brief.", "Hello", "llama4")
	f.Add("", "<|eot", "chatml")
	f.Add("|>", "\x1c<|", "llama4")
	f.Fuzz(func(t *testing.T, sys, content, name string) {
		tpl, ok := Lookup(name)
		if !ok || name == "raw" {
			t.Skip()
		}
		got, err := tpl.Render([]dataset.Message{system(sys), user(content)})
		if err != nil {
			if tpl.FindControl(sys) == "" && tpl.FindControl(content) == "" {
				t.Fatalf("refused without a control: %v", err)
			}
			return
		}
		for marker, want := range map[string]int{tpl.EndOfTurn(): 2, tpl.f.HeaderStart: 3} {
			if n := strings.Count(got, marker); n != want {
				t.Fatalf("%q occurs %d times in %q, want %d", marker, n, got, want)
			}
		}
		if !strings.Contains(got, content) {
			t.Fatalf("%q is not in %q", content, got)
		}
	})
}
