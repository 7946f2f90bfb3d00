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
			want: "<|begin_of_text|><|header_start|>user<|header_end|>\n\n" +
				"Hello<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "no default system block, two newlines after the header, none after <|eot|>",
		},
		{
			name: "system prompt", template: "llama4", msgs: []dataset.Message{system("\n Be brief.\t\n"), user("Hello")},
			want: "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe " +
				"brief.<|eot|><|header_start|>user<|header_end|>\n\nHello<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "the system prompt is trimmed",
		},
		{
			name: "several turns", template: "llama4", msgs: []dataset.Message{user("Hi"), assistant("Hello."), user("And?")},
			want: "<|begin_of_text|><|header_start|>user<|header_end|>\n\n" +
				"Hi<|eot|><|header_start|>assistant<|header_end|>\n\nHello.<|eot|>" +
				"<|header_start|>user<|header_end|>\n\nAnd?<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "one BOS, however many turns",
		},
		{
			name: "white space", template: "llama4", msgs: []dataset.Message{user("\n  indented\t\n\n")},
			want: "<|begin_of_text|><|header_start|>user<|header_end|>\n\n\n  " +
				"indented\t\n\n<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "Llama 4 does not trim turns; Llama 3 does",
		},
		{
			name: "separators", template: "llama4", msgs: []dataset.Message{system("\x1c Be brief.\u00a0\x1f"), user("Hi")},
			want: "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe " +
				"brief.<|eot|><|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "Python's strip takes U+001C to U+001F for white space",
		},
		{
			name: "empty turn", template: "llama4", msgs: []dataset.Message{user("")},
			want:   "<|begin_of_text|><|header_start|>user<|header_end|>\n\n<|eot|><|header_start|>assistant<|header_end|>\n\n",
			reason: "whether an empty prompt is worth sending is not the template's business",
		},
		{
			name: "llama3", template: "llama3", msgs: []dataset.Message{system(" Be brief.\n"), user("\n Hi "),
				assistant(" Hello.\n"), user("And?")},
			want: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe " +
				"brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>" +
				"<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n" +
				"And?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
			reason: "every turn is trimmed, two newlines after the header, one BOS",
		},
		{
			name: "llama3 without a system prompt", template: "llama3", msgs: []dataset.Message{user("Hi")},
			want: "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n" +
				"Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
			reason: "Llama 3 has no date block",
		},
		{
			name: "llama3.1", template: "llama3.1", msgs: []dataset.Message{system("\tBe brief. "), user(" Hi"),
				assistant("Hello. "), user("And?\n")},
			want: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December " +
				"2023\nToday Date: 26 Jul 2024\n\nBe brief.<|eot_id|>" +
				"<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n" +
				"Hello.<|eot_id|>" +
				"<|start_header_id|>user<|end_header_id|>\n\nAnd?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
			reason: "the date block stands before the system prompt",
		},
		{
			name: "llama3.1 without a system prompt", template: "llama3.1", msgs: []dataset.Message{user("Hi")},
			want: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December " +
				"2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>" +
				"<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
			reason: "the date block is there always",
		},
		{
			name: "qwen2.5", template: "qwen2.5", msgs: []dataset.Message{system(" Be brief. "), user(" Hi\n"),
				assistant("Hello."), user("And?")},
			want: "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n " +
				"Hi\n<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n" +
				"<|im_start|>assistant\n",
			reason: "a stated system prompt replaces the default, and nothing is trimmed",
		},
		{
			name: "qwen2.5 without a system prompt", template: "qwen2.5", msgs: []dataset.Message{user("Hi")},
			want: "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful " +
				"assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
			reason: "the template inserts its own",
		},
		{
			name: "qwen3", template: "qwen3", msgs: []dataset.Message{system("Be brief."), user("Hi"), assistant(" Hello."),
				user("And? ")},
			want: "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n " +
				"Hello.<|im_end|>\n" +
				"<|im_start|>user\nAnd? <|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
			reason: "an empty thought before the answer, none before earlier ones",
		},
		{
			name: "qwen3 without a system prompt", template: "qwen3", msgs: []dataset.Message{user("Hi")},
			want:   "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
			reason: "no default system prompt since Qwen3",
		},
		{
			name: "mistral-7b-v0.1", template: "mistral-7b-v0.1", msgs: []dataset.Message{user(" Hi\n"), assistant("Hello. "),
				user("And?")},
			want:   "<s> [INST]  Hi\n [/INST] Hello. </s> [INST] And? [/INST]",
			reason: "spaces around the brackets and before an earlier answer, none before the new one, one BOS",
		},
		{
			name: "mistral-7b-v0.1 with a system prompt", template: "mistral-7b-v0.1",
			msgs: []dataset.Message{system(" Be brief. "), user("Hi")},
			want: "<s> [INST]  Be brief. \n\nHi [/INST]", reason: "it leads the first user turn, untrimmed",
		},
		{
			name: "mistral-small-3.1", template: "mistral-small-3.1", msgs: []dataset.Message{system(" Be brief. "),
				user(" Hi"), assistant("Hello. "), user("And?")},
			want:   "<s>[SYSTEM_PROMPT] Be brief. [/SYSTEM_PROMPT][INST] Hi[/INST]Hello. </s>[INST]And?[/INST]",
			reason: "no spaces of its own, nothing trimmed",
		},
		{
			name: "gemma2", template: "gemma2", msgs: []dataset.Message{user(" Hi\n"), assistant("\nHello. "), user("And?")},
			want: "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n" +
				"<start_of_turn>user\nAnd?<end_of_turn>\n<start_of_turn>model\n",
			reason: "the assistant is called model, every turn is trimmed",
		},
		{
			name: "gemma3", template: "gemma3", msgs: []dataset.Message{system(" Be brief. "), user(" Hi\n"),
				assistant("\nHello. "), user("And?")},
			want: "<bos><start_of_turn>user\n Be brief. \n\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n" +
				"<start_of_turn>user\nAnd?<end_of_turn>\n<start_of_turn>model\n",
			reason: "the system prompt leads the first user turn, untrimmed",
		},
		{
			name: "gemma3 without a system prompt", template: "gemma3", msgs: []dataset.Message{user("Hi")},
			want:   "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
			reason: "no blank line where there is none",
		},
		{
			name: "deepseek-v3.1", template: "deepseek-v3.1", msgs: []dataset.Message{system("Be brief. "), user(" Hi"),
				assistant("Hello.\n"), user("And?")},
			want: "<｜begin▁of▁sentence｜>Be brief. <｜User｜> " +
				"Hi<｜Assistant｜></think>Hello.\n<｜end▁of▁sentence｜><｜User｜>And?<｜Assistant｜></think>",
			reason: "full-width bars, no newlines, </think> before every answer",
		},
		{
			name: "deepseek-v3.1, twice the assistant", template: "deepseek-v3.1",
			msgs: []dataset.Message{assistant("Welcome."), user("Hi"), assistant("Hello."), assistant("Yes?"), user("And?")},
			want: "<｜begin▁of▁sentence｜>Welcome.<｜end▁of▁sentence｜><｜User｜>Hi<｜Assistant｜></think>Hello.<｜end▁of▁sentence｜>" +
				"Yes?<｜end▁of▁sentence｜><｜User｜>And?<｜Assistant｜></think>",
			reason: "an answer that follows no user's turn has no header",
		},
		{
			name: "deepseek-v3.1-thinking", template: "deepseek-v3.1-thinking", msgs: []dataset.Message{user("Hi"),
				assistant("Hello."), user("And?")},
			want: "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜></think>Hello.<｜end▁of▁sentence｜><｜User｜>And?" +
				"<｜Assistant｜><think>",
			reason: "earlier answers have no thought, the new one's is opened",
		},
		{
			name: "deepseek-r1", template: "deepseek-r1", msgs: []dataset.Message{system("Be brief. "), assistant("Welcome."),
				user(" Hi"), assistant("Hello.\n"), user("And?")},
			want: "<｜begin▁of▁sentence｜>Be brief. <｜Assistant｜>Welcome.<｜end▁of▁sentence｜><｜User｜> Hi<｜Assistant｜>Hello.\n" +
				"<｜end▁of▁sentence｜><｜User｜>And?<｜Assistant｜><think>\n",
			reason: "every earlier answer has its header, and no thought",
		},
		{
			name: "phi-4", template: "phi-4", msgs: []dataset.Message{system(" Be brief."), user("Hi\n"), assistant("Hello. "),
				user("And?")},
			want: "<|im_start|>system<|im_sep|> Be brief.<|im_end|><|im_start|>user<|im_sep|>Hi\n<|im_end|>" +
				"<|im_start|>assistant<|im_sep|>Hello. <|im_end|><|im_start|>user<|im_sep|>And?<|im_end|>" +
				"<|im_start|>assistant<|im_sep|>",
			reason: "a separator for the newline, and none at the end",
		},
		{
			name: "kimi-k2-thinking", template: "kimi-k2-thinking", msgs: []dataset.Message{user(" Hi"), assistant("Hello. "),
				user("And?")},
			want: "<|im_system|>system<|im_middle|>You are Kimi, an AI assistant created by Moonshot AI.<|im_end|>" +
				"<|im_user|>user<|im_middle|> Hi<|im_end|><|im_assistant|>assistant<|im_middle|><think></think>Hello. <|im_end|>" +
				"<|im_user|>user<|im_middle|>And?<|im_end|><|im_assistant|>assistant<|im_middle|>",
			reason: "a default system prompt, an empty thought in earlier answers alone",
		},
		{
			name: "qwen3.5", template: "qwen3.5", msgs: []dataset.Message{system(" Be brief.\n"), user("\tHi"),
				assistant(" Hello.\n"), user("And? ")},
			want: "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n" +
				"Hello.<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
			reason: "every turn is trimmed, an empty thought before the answer",
		},
		{
			name: "qwen3.5-thinking", template: "qwen3.5-thinking", msgs: []dataset.Message{user("Hi ")},
			want:   "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n",
			reason: "the thought is opened",
		},
		{
			name: "qwen3-thinking", template: "qwen3-thinking", msgs: []dataset.Message{user("Hi ")},
			want:   "<|im_start|>user\nHi <|im_end|>\n<|im_start|>assistant\n",
			reason: "the model opens its thought itself, and nothing is trimmed",
		},
		{
			name: "qwen3-thinking-2507", template: "qwen3-thinking-2507", msgs: []dataset.Message{user("Hi ")},
			want:   "<|im_start|>user\nHi <|im_end|>\n<|im_start|>assistant\n<think>\n",
			reason: "the thought is opened",
		},
		{
			name: "qwen2.5-vl", template: "qwen2.5-vl", msgs: []dataset.Message{user("Hi")},
			want: "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
				"<|im_start|>assistant\n",
			reason: "the vision models have a default system prompt of their own",
		},
		{
			name: "a tool's tag", template: "chatml", msgs: []dataset.Message{user("What is <tool_call>?")},
			want:   "<|im_start|>user\nWhat is <tool_call>?<|im_end|>\n<|im_start|>assistant\n",
			reason: "it is a token of Qwen's and text to the other families of ChatML",
		},
		{
			name: "another day", template: "llama3.1 26 Nov 2026", msgs: []dataset.Message{user("Hi")},
			want: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December " +
				"2023\nToday Date: 26 Nov 2026\n\n<|eot_id|>" +
				"<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
			reason: "Llama 3.2 takes the day from the calendar, and a policy names it",
		},
		{
			name: "deepseek-v3.1 without a system prompt", template: "deepseek-v3.1", msgs: []dataset.Message{user("Hi")},
			want: "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜></think>", reason: "nothing stands in its place",
		},
		{
			name: "chatml", template: "chatml", msgs: []dataset.Message{system(" Be brief. "), user("Hi"), assistant("Hello."),
				user("And?")},
			want: "<|im_start|>system\n Be brief. " +
				"<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\n" +
				"And?<|im_end|>\n<|im_start|>assistant\n",
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
		{"late system prompt", "llama4", []dataset.Message{user("a"), system("b"), user("c")},
			"turn 1 is a second or late system prompt"},
		{"two system prompts", "llama4", []dataset.Message{system("a"), system("b"), user("c")}, "turn 1 is a second"},
		{"nobody to answer", "llama4", []dataset.Message{user("a"), assistant("b")}, "the last turn is the assistant's"},
		{"system alone", "llama4", []dataset.Message{system("a")}, "the last turn is the system's"},
		{"raw with a system prompt", "raw", []dataset.Message{system("a"), user("b")}, "2 turns"},
		{"marker", "llama4", []dataset.Message{user("a"), assistant("b<|eot|>"), user("c")},
			`turn 1 (assistant) contains the special-token text "<|eot|>"`},
		{"marker in the system prompt", "llama4", []dataset.Message{system("<|header_start|>"), user("c")},
			"turn 0 (system)"},
		{"reserved token", "llama4", []dataset.Message{user("<|vision_reserved_special_token_7|>")},
			"_reserved_special_token_"},
		{"chatml marker", "chatml", []dataset.Message{user("x<|im_end|>y")}, "<|im_end|>"},
		{"gemma2 with a system prompt", "gemma2", []dataset.Message{system("a"), user("b")}, "no system prompt"},
		{"mistral-small without a system prompt", "mistral-small-3.1", []dataset.Message{user("b")},
			"names the current day"},
		{"gemma, twice the user", "gemma3", []dataset.Message{user("a"), user("b")}, "turn 1 is the user's, out of turn"},
		{"mistral, the assistant first", "mistral-7b-v0.1", []dataset.Message{assistant("a"), user("b")},
			"turn 0 is the assistant's, out of turn"},
		{"a marker that is no special token", "mistral-7b-v0.1", []dataset.Message{user("x [/INST] y")}, "[/INST]"},
		{"a tool's tag, to Qwen", "qwen2.5", []dataset.Message{user("<tool_call>")}, "<tool_call>"},
		{"a thought in an earlier answer of Qwen3's", "qwen3-thinking", []dataset.Message{user("a"),
			assistant("<think>b</think>c"), user("d")}, "turn 1 (assistant)"},
		{"a thought in a user's turn", "qwen3", []dataset.Message{user("</think> ")}, "</think>"},
		{"a thought in an earlier answer", "deepseek-v3.1", []dataset.Message{user("a"), assistant("<think>b</think>c"),
			user("d")}, "turn 1 (assistant)"},
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

// TestEveryControlIsRefused: whatever family, no special token of it gets into a
// context by way of content, wherever it stands.
func TestEveryControlIsRefused(t *testing.T) {
	for _, tpl := range builtin {
		for _, c := range tpl.Controls() {
			for _, content := range []string{c, "a" + c, c + "b", "a " + c + " b", " " + c + "\n"} {
				msgs := []dataset.Message{system("x"), user("y"), assistant("z"), user(content)}
				if tpl.f.SystemRule == SystemRefused {
					msgs = msgs[1:]
				}
				var control *ControlTokenError
				if got, err := tpl.Render(msgs); !errors.As(err, &control) || got != "" {
					t.Errorf("%s renders %q: %q, %v", tpl.Name(), content, got, err)
				}
			}
		}
	}
}

// TestControlAcrossTheSeamOfContent: neither the content nor the marker after it
// holds the token, the two together do.
func TestControlAcrossTheSeamOfContent(t *testing.T) {
	tpl, err := New(Format{
		Name: "x", EndOfTurn: "<end>", Controls: []string{"[stop]"},
		User: Turn{Before: "user ", After: "]\n"}, Assistant: Turn{Before: "bot ", After: "<end>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tpl.Render([]dataset.Message{user("fine"), assistant("fine"), user("[stop")})
	var control *ControlTokenError
	if !errors.As(err, &control) || *control != (ControlTokenError{"[stop]", 2, "user"}) {
		t.Errorf("error %v, want a ControlTokenError of [stop] in turn 2", err)
	}
	if _, err := tpl.Render([]dataset.Message{user("[sto")}); err != nil {
		t.Errorf("refused without a control: %v", err)
	}
}

// TestAnswersStand: an answer in a later conversation stands as it was scored in
// the earlier one, after the same context, so that log p(ab|c) adds up over
// turns. Gemma, Llama 3 and Qwen3.5 trim it. The exceptions are families that write
// something else before an answer than before an earlier one: an empty thought,
// a space.
func TestAnswersStand(t *testing.T) {
	for _, tpl := range builtin {
		if tpl.raw() || tpl.ResponseHeader() != tpl.Assistant().Before {
			continue
		}
		msgs := []dataset.Message{system("x"), user("y")}
		if tpl.f.SystemRule == SystemRefused {
			msgs = msgs[1:]
		}
		before, err1 := tpl.Render(msgs)
		after, err2 := tpl.Render(append(msgs, assistant("An answer."), user("z")))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if want := before + "An answer." + tpl.EndOfTurn(); !strings.HasPrefix(after, want) {
			t.Errorf("%s: %q does not begin with %q", tpl.Name(), after, want)
		}
		if bos := tpl.BOS(); bos != "" && (strings.Count(after, bos) != 1 || !strings.HasPrefix(after, bos)) {
			t.Errorf("%s: %q does not have %s once, in front", tpl.Name(), after, bos)
		}
	}
}

func TestLlama31Date(t *testing.T) {
	day, err := Llama31("1 Jan 2030")
	if err != nil {
		t.Fatal(err)
	}
	same, err := Llama31("26 Jul 2024")
	if err != nil {
		t.Fatal(err)
	}
	if day.Name() != "llama3.1 1 Jan 2030" || same.Name() != "llama3.1" {
		t.Errorf("names %q and %q", day.Name(), same.Name())
	}
	got, err := day.Render([]dataset.Message{user("Hi")})
	if err != nil || !strings.Contains(got, "\nToday Date: 1 Jan 2030\n\n<|eot_id|>") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNames(t *testing.T) {
	want := []string{"chatml", "deepseek-r1", "deepseek-v3.1", "deepseek-v3.1-thinking", "gemma2", "gemma3",
		"kimi-k2-thinking", "llama3", "llama3.1", "llama4", "mistral-7b-v0.1", "mistral-small-3.1", "phi-4", "qwen2.5",
		"qwen2.5-vl", "qwen3", "qwen3-thinking", "qwen3-thinking-2507", "qwen3.5", "qwen3.5-thinking", "raw"}
	if d := cmp.Diff(want, Names()); d != "" {
		t.Error(d)
	}
	for name, eot := range map[string]string{
		"llama3": "<|eot_id|>", "llama3.1": "<|eot_id|>", "llama4": "<|eot|>", "chatml": "<|im_end|>",
		"qwen2.5": "<|im_end|>", "qwen3": "<|im_end|>", "phi-4": "<|im_end|>", "kimi-k2-thinking": "<|im_end|>",
		"mistral-7b-v0.1": "</s>", "mistral-small-3.1": "</s>", "gemma2": "<end_of_turn>", "gemma3": "<end_of_turn>",
		"deepseek-v3.1": "<｜end▁of▁sentence｜>", "deepseek-r1": "<｜end▁of▁sentence｜>", "raw": "",
		"llama3.1 1 Jan 2030": "<|eot_id|>", "llama3.1 05 Jan 2030": "<|eot_id|>",
	} {
		tpl, ok := Lookup(name)
		if !ok || tpl.Name() != name || tpl.EndOfTurn() != eot || (eot == "") != (len(tpl.Controls()) == 0) {
			t.Errorf("%s: found %v, end of turn %q, controls %v", name, ok, tpl.EndOfTurn(), tpl.Controls())
		}
	}
	for _, name := range []string{"llama9", "llama3.1 ", "llama3.1 today", "llama3.1 26 Jul 2024", "llama3.1 2026-11-26",
		"llama4 26 Nov 2026"} {
		if _, ok := Lookup(name); ok {
			t.Errorf("found a template %q that is not there", name)
		}
	}
	llama4.Controls()[0] = "changed"
	if llama4.Controls()[0] != "<|begin_of_text|>" {
		t.Error("a caller can change a template's controls")
	}
}

func TestNewRefuses(t *testing.T) {
	user, bot := Turn{"[", "]", false}, Turn{"(", ".)", false}
	for _, c := range []struct {
		f    Format
		want string
	}{
		{Format{User: user, Assistant: bot, EndOfTurn: "."}, "no name"},
		{Format{Name: "x", Assistant: bot, EndOfTurn: "."}, "no markers"},
		{Format{Name: "x", User: user, Assistant: bot}, "no end-of-turn"},
		{Format{Name: "x", User: user, Assistant: bot, EndOfTurn: "!"}, "does not begin with the end-of-turn"},
		{Format{Name: "x", User: user, Assistant: bot, EndOfTurn: ".", SystemRule: 9}, "SystemRule 9"},
		{Format{Name: "x", User: user, Assistant: bot, EndOfTurn: ".", ResponseHeader: "(", NoHeader: true}, "NoHeader"},
	} {
		if _, err := New(c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%+v): %v, want an error with %q", c.f, err, c.want)
		}
	}
}

// FuzzRender. Invariant: a rendered conversation holds each special token's text
// exactly as often as a conversation of harmless content, so that none came from
// content; and content, if the family does not trim it, is in it to the byte.
func FuzzRender(f *testing.F) {
	f.Add("Be brief.", "Hello", "llama4")
	f.Add("", "<|eot", "chatml")
	f.Add("|>", "\x1c<|", "llama4")
	f.Add("[INST", " [/INST", "mistral-7b-v0.1")
	f.Add("<", "start_of_turn>", "gemma3")
	f.Add("<｜User", "｜>", "deepseek-v3.1")
	f.Fuzz(func(t *testing.T, sys, content, name string) {
		tpl, ok := Lookup(name)
		if !ok || name == "raw" {
			t.Skip()
		}
		msgs := func(sys, content string) []dataset.Message {
			if tpl.f.SystemRule == SystemRefused {
				return []dataset.Message{user(content)}
			}
			return []dataset.Message{system(sys), user(content)}
		}
		got, err := tpl.Render(msgs(sys, content))
		if err != nil {
			var control *ControlTokenError
			if !errors.As(err, &control) {
				t.Fatalf("refused for something else than a control: %v", err)
			}
			return
		}
		plain, err := tpl.Render(msgs("x", "x"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tpl.Controls() {
			if n, want := strings.Count(got, c), strings.Count(plain, c); n != want {
				t.Fatalf("%q occurs %d times in %q, want %d", c, n, got, want)
			}
		}
		if !tpl.f.User.Trim && !strings.Contains(got, content) {
			t.Fatalf("%q is not in %q", content, got)
		}
	})
}

func TestHash(t *testing.T) {
	seen := map[string]string{}
	for _, name := range Names() {
		tpl, _ := Lookup(name)
		h := tpl.Hash()
		if len(h) != 16 || h != tpl.Hash() || seen[h] != "" {
			t.Errorf("%s has the hash %q, %q the same", name, h, seen[h])
		}
		seen[h] = name
	}
	f := chatMLFormat("mine", SystemOptional, "")
	a, b := must(f), must(f)
	f.User.Trim = true
	if c := must(f); a.Hash() != b.Hash() || a.Hash() == c.Hash() {
		t.Errorf("hashes %s, %s, %s: want two equal ones, and another for another format", a.Hash(), b.Hash(), c.Hash())
	}
}
