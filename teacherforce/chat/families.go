package chat

import (
	"slices"
	"strings"
)

// The formats follow the Jinja templates that the families publish in their
// models' tokenizer configurations, for a conversation without tools. The
// controls are the special tokens of their vocabularies.

// chatML is the format that many families took over from OpenAI. The newline
// after <|im_end|> is the template's, not the model's.
var chatML = must(chatMLFormat("chatml", SystemOptional, ""))

// qwen25 adds the system prompt that its template inserts by itself.
var qwen25 = must(chatMLFormat("qwen2.5", SystemAlways,
	"You are Qwen, created by Alibaba Cloud. You are a helpful assistant."))

// qwen3 is Qwen3 with thinking turned off: the template then puts an empty
// thought before the answer. With thinking on, what the model writes begins
// with its thoughts, and the format is "chatml".
var qwen3 = func() Template {
	f := chatMLFormat("qwen3", SystemOptional, "")
	f.Answer = f.Assistant.Before + "<think>\n\n</think>\n\n"
	f.Controls = append(f.Controls, "<think>", "</think>", "<tool_response>", "</tool_response>")
	return must(f)
}()

func chatMLFormat(name string, rule SystemRule, system string) Format {
	turn := func(role string) Turn { return Turn{Before: "<|im_start|>" + role + "\n", After: "<|im_end|>\n"} }
	return Format{
		Name: name, EndOfTurn: "<|im_end|>",
		System: turn("system"), User: turn("user"), Assistant: turn("assistant"),
		SystemRule: rule, DefaultSystem: system,
		Controls: []string{
			"<|im_start|>", "<|endoftext|>",
			"<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>",
			"<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
			"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
			"<tool_call>", "</tool_call>",
		},
	}
}

// deepSeekV31 is DeepSeek V3.1 with thinking turned off, which the template
// says by </think> before every answer. The system prompt stands bare.
var deepSeekV31 = must(Format{
	Name: "deepseek-v3.1", BOS: "<｜begin▁of▁sentence｜>", EndOfTurn: "<｜end▁of▁sentence｜>",
	User:      Turn{Before: "<｜User｜>"},
	Assistant: Turn{Before: "<｜Assistant｜></think>", After: "<｜end▁of▁sentence｜>"},
	Controls: []string{
		"<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<｜▁pad▁｜>", "<|EOT|>",
		"<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>",
		"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
		"<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>",
		"<｜search▁begin｜>", "<｜search▁end｜>", "<｜place▁holder▁no▁",
	},
})

// gemma2 has no system prompt: its template raises an exception for one.
var gemma2 = must(gemmaFormat("gemma2", SystemRefused))

// gemma3 puts the system prompt, untrimmed, in front of the first user turn.
var gemma3 = must(gemmaFormat("gemma3", SystemInUser, "<start_of_image>", "<end_of_image>", "<image_soft_token>"))

func gemmaFormat(name string, rule SystemRule, controls ...string) Format {
	return Format{
		Name: name, BOS: "<bos>", EndOfTurn: "<end_of_turn>",
		System:     Turn{After: "\n\n"}, // only where rule is SystemInUser
		User:       Turn{Before: "<start_of_turn>user\n", After: "<end_of_turn>\n", Trim: true},
		Assistant:  Turn{Before: "<start_of_turn>model\n", After: "<end_of_turn>\n", Trim: true},
		SystemRule: rule, Alternate: true,
		Controls: append([]string{"<start_of_turn>", "<eos>", "<pad>", "<unk>", "<mask>", "<2mass>", "[@BOS@]", "<unused"},
			controls...),
	}
}

// llama3 is Llama 3 as first published, 8B and 70B.
var llama3 = must(llama3Format("llama3"))

func llama3Format(name string) Format {
	turn := func(role string) Turn {
		return Turn{Before: "<|start_header_id|>" + role + "<|end_header_id|>\n\n", After: "<|eot_id|>", Trim: true}
	}
	return Format{
		Name: name, BOS: "<|begin_of_text|>", EndOfTurn: "<|eot_id|>",
		System: turn("system"), User: turn("user"), Assistant: turn("assistant"),
		Controls: []string{
			"<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>", "<|eom_id|>", "<|python_tag|>",
			"<|finetune_right_pad_id|>", "<|image|>", "<|reserved_special_token_",
		},
	}
}

// llama31Date is what the template of Llama 3.1 and later takes for today where
// nobody says otherwise.
const llama31Date = "26 Jul 2024"

var llama31 = must(llama31Format(llama31Date))

// Llama31 returns the format of Llama 3.1, 3.2 and 3.3 with another date in it.
// Their template begins every conversation with a system block that states the
// day, as "26 Jul 2024", which is what "llama3.1" has; a server may put the
// current day there instead. The day is part of the context, and a policy is one
// fixed context: so it is part of the template's name, "llama3.1 26 Nov 2026".
func Llama31(date string) (Template, error) { return New(llama31Format(date)) }

func llama31Format(date string) Format {
	f := llama3Format("llama3.1")
	if date != llama31Date {
		f.Name += " " + date
	}
	f.SystemRule = SystemAlways
	f.System.Before += "Cutting Knowledge Date: December 2023\nToday Date: " + date + "\n\n"
	return f
}

// llama4 has two newlines after the header and none after <|eot|>; the system
// prompt is trimmed and nothing else; there is no default system prompt and no
// date.
var llama4 = func() Template {
	turn := func(role string, trim bool) Turn {
		return Turn{Before: "<|header_start|>" + role + "<|header_end|>\n\n", After: "<|eot|>", Trim: trim}
	}
	return must(Format{
		Name: "llama4", BOS: "<|begin_of_text|>", EndOfTurn: "<|eot|>",
		System: turn("system", true), User: turn("user", false), Assistant: turn("assistant", false),
		Controls: []string{
			"<|header_start|>", "<|header_end|>", "<|end_of_text|>", "<|eom|>", "<|step|>",
			"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
			"<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>",
			"<|image_start|>", "<|image_end|>", "<|image|>", "<|patch|>",
			"<|tile_x_separator|>", "<|tile_y_separator|>",
			"_reserved_special_token_",
		},
	})
}()

// mistral7B is Mistral 7B Instruct v0.1. [INST] is no special token there, but
// it marks turns all the same. The space after </s> is the template's.
var mistral7B = must(Format{
	Name: "mistral-7b-v0.1", BOS: "<s>", EndOfTurn: "</s>",
	User:       Turn{Before: "[INST] ", After: " [/INST]"},
	Assistant:  Turn{After: "</s> "},
	SystemRule: SystemRefused, Alternate: true,
	Controls: []string{"[INST]", "[/INST]", "<unk>"},
})

// mistralSmall31 is Mistral Small 3.1 (2503). Its template inserts a system
// prompt with the current day if the conversation has none, so a policy must
// bring its own.
var mistralSmall31 = must(Format{
	Name: "mistral-small-3.1", BOS: "<s>", EndOfTurn: "</s>",
	System:     Turn{Before: "[SYSTEM_PROMPT]", After: "[/SYSTEM_PROMPT]"},
	User:       Turn{Before: "[INST]", After: "[/INST]"},
	Assistant:  Turn{After: "</s>"},
	SystemRule: SystemRequired, Alternate: true,
	Controls: []string{
		"[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "<unk>", "<pad>",
		"[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[TOOL_CONTENT]",
		"[IMG]", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "<SPECIAL_",
	},
})

// raw has no markers, which is what makes it raw; New would refuse it.
var raw = Template{&Format{Name: "raw"}}

var builtin = []Template{
	chatML, deepSeekV31, gemma2, gemma3, llama3, llama31, llama4, mistral7B, mistralSmall31, qwen25, qwen3, raw,
}

// Lookup returns the built-in template of that name.
func Lookup(name string) (Template, bool) {
	for _, t := range builtin {
		if t.Name() == name {
			return t, true
		}
	}
	return Template{}, false
}

// Names lists the built-in templates, sorted.
func Names() []string {
	names := make([]string, len(builtin))
	for i, t := range builtin {
		names[i] = t.Name()
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

func must(f Format) Template {
	t, err := New(f)
	if err != nil {
		panic(err)
	}
	return t
}
