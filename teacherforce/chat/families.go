package chat

import (
	"slices"
	"strings"
	"time"
)

// The formats follow the Jinja templates that the families publish in their
// models' tokenizer configurations, for a conversation without tools. The
// controls are the special tokens of their vocabularies.

// chatML is the format that many families took over from OpenAI. The newline
// after <|im_end|> is the template's, not the model's. Its controls are those
// that are written <|…|>: what else is a special token differs by family.
var chatML = must(chatMLFormat("chatml", SystemOptional, ""))

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
		},
	}
}

// qwen25 adds the system prompt that its template inserts by itself, and
// qwen25VL the other one that the vision models of that generation insert.
var (
	qwen25 = must(qwenFormat("qwen2.5", SystemAlways,
		"You are Qwen, created by Alibaba Cloud. You are a helpful assistant."))
	qwen25VL = must(qwenFormat("qwen2.5-vl", SystemAlways, "You are a helpful assistant."))
)

func qwenFormat(name string, rule SystemRule, system string) Format {
	f := chatMLFormat(name, rule, system)
	f.Controls = append(f.Controls, "<tool_call>", "</tool_call>")
	return f
}

// emptyThought is what Qwen's templates put before an answer to turn thinking
// off.
const emptyThought = "<think>\n\n</think>\n\n"

// Qwen3 takes thoughts out of earlier turns, so that <think> is refused there.
// With thinking on its first models write <think> themselves, as they do
// everything after the header; those of July 2025 that always think find it
// written, and those that never think answer behind the bare header too.
var (
	qwen3             = must(qwen3Format("qwen3", emptyThought))
	qwen3Thinking     = must(qwen3Format("qwen3-thinking", ""))
	qwen3Thinking2507 = must(qwen3Format("qwen3-thinking-2507", "<think>\n"))
)

func qwen3Format(name, thought string) Format {
	f := qwenFormat(name, SystemOptional, "")
	f.ResponseHeader = f.Assistant.Before + thought
	f.Controls = append(f.Controls, "<think>", "</think>", "<tool_response>", "</tool_response>")
	return f
}

// Qwen3.5 and 3.6 trim every turn. Their larger models think unless they are
// told not to.
var (
	qwen35         = must(qwen35Format("qwen3.5", emptyThought))
	qwen35Thinking = must(qwen35Format("qwen3.5-thinking", "<think>\n"))
)

func qwen35Format(name, thought string) Format {
	f := qwen3Format(name, thought)
	f.System.Trim, f.User.Trim, f.Assistant.Trim = true, true, true
	f.Controls = append(f.Controls, "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>")
	return f
}

// phi4 is ChatML with a separator of its own and no newlines. Two templates are
// published, which agree if user and assistant take turns.
var phi4 = func() Template {
	turn := func(role string) Turn { return Turn{Before: "<|im_start|>" + role + "<|im_sep|>", After: "<|im_end|>"} }
	return must(Format{
		Name: "phi-4", EndOfTurn: "<|im_end|>",
		System: turn("system"), User: turn("user"), Assistant: turn("assistant"), Alternate: true,
		Controls: []string{
			"<|im_start|>", "<|im_sep|>", "<|endoftext|>", "<|endofprompt|>",
			"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|dummy_",
		},
	})
}()

// kimiK2Thinking writes an empty thought before every earlier answer and
// nothing before the new one: the model opens its thought itself.
var kimiK2Thinking = func() Template {
	turn := func(kind, role string) Turn {
		return Turn{Before: "<|im_" + kind + "|>" + role + "<|im_middle|>", After: "<|im_end|>"}
	}
	f := Format{
		Name: "kimi-k2-thinking", EndOfTurn: "<|im_end|>",
		System: turn("system", "system"), User: turn("user", "user"), Assistant: turn("assistant", "assistant"),
		SystemRule: SystemAlways, DefaultSystem: "You are Kimi, an AI assistant created by Moonshot AI.",
		Controls: []string{
			"<|im_user|>", "<|im_assistant|>", "<|im_system|>", "<|im_middle|>", "<think>", "</think>",
			"[BOS]", "[EOS]", "[EOT]", "[UNK]", "[PAD]", "<|start_header_id|>", "<|end_header_id|>",
			"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>",
			"<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>",
			"<|media_start|>", "<|media_begin|>", "<|media_content|>", "<|media_pad|>", "<|media_end|>", "<|reserved_token_",
		},
	}
	f.ResponseHeader = f.Assistant.Before
	f.Assistant.Before += "<think></think>"
	return must(f)
}()

// DeepSeek V3.1 with thinking turned off, which the template says by </think>
// before every answer, and turned on. The header of an earlier answer stands
// only after a user's turn.
var (
	deepSeekV31         = must(deepSeekV31Format("deepseek-v3.1", "</think>"))
	deepSeekV31Thinking = must(deepSeekV31Format("deepseek-v3.1-thinking", "<think>"))
)

func deepSeekV31Format(name, thought string) Format {
	f := deepSeekFormat(name, thought)
	f.Assistant.Before += "</think>"
	f.AfterUser = true
	return f
}

// deepSeekR1 is DeepSeek R1 of January 2025, and what was distilled from it into
// other models: it always thinks.
var deepSeekR1 = must(deepSeekFormat("deepseek-r1", "<think>\n"))

// deepSeekFormat puts the system prompt bare, after the BOS token.
func deepSeekFormat(name, thought string) Format {
	return Format{
		Name: name, BOS: "<｜begin▁of▁sentence｜>", EndOfTurn: "<｜end▁of▁sentence｜>",
		User:           Turn{Before: "<｜User｜>"},
		Assistant:      Turn{Before: "<｜Assistant｜>", After: "<｜end▁of▁sentence｜>"},
		ResponseHeader: "<｜Assistant｜>" + thought,
		Controls: []string{
			"<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<｜▁pad▁｜>", "<|EOT|>",
			"<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>",
			"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
			"<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>",
			"<｜search▁begin｜>", "<｜search▁end｜>", "<｜place▁holder▁no▁",
		},
	}
}

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

// llama31Day is how it writes a day, with or without a leading zero.
const llama31Day = "2 Jan 2006"

var llama31 = must(llama31Format(llama31Date))

// Llama31 returns the format of Llama 3.1, 3.2 and 3.3 with another date in it.
// Their template begins every conversation with a system block that states the
// day, as "26 Jul 2024", which is what "llama3.1" has. Llama 3.2 takes the
// current day from the calendar if the server has one, and any server may be
// given another. The day is part of the context, and a policy is one fixed
// context: so it is part of the template's name, "llama3.1 26 Nov 2026", which
// [Lookup] knows.
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

// mistral7B is Mistral 7B Instruct v0.1 and v0.2 as published since September
// 2024. [INST] is no special token there, but it marks turns all the same. An
// earlier answer follows a space, and the new one follows the bracket.
var mistral7B = must(Format{
	Name: "mistral-7b-v0.1", BOS: "<s>", EndOfTurn: "</s>",
	System:     Turn{After: "\n\n"},
	User:       Turn{Before: " [INST] ", After: " [/INST]"},
	Assistant:  Turn{Before: " ", After: "</s>"},
	NoHeader:   true,
	SystemRule: SystemInUser, Alternate: true,
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
var raw = Template{f: &Format{Name: "raw"}}

var builtin = []Template{
	chatML, deepSeekR1, deepSeekV31, deepSeekV31Thinking, gemma2, gemma3, kimiK2Thinking, llama3, llama31, llama4,
	mistral7B, mistralSmall31, phi4, qwen25, qwen25VL, qwen3, qwen3Thinking, qwen3Thinking2507, qwen35, qwen35Thinking,
	raw,
}

// Lookup returns the built-in template of that name, one of [Names] or
// "llama3.1" with a day behind it ([Llama31]).
func Lookup(name string) (Template, bool) {
	for _, t := range builtin {
		if t.Name() == name {
			return t, true
		}
	}
	if day, ok := strings.CutPrefix(name, llama31.Name()+" "); ok {
		if _, err := time.Parse(llama31Day, day); err == nil {
			if t, err := Llama31(day); err == nil {
				return t, t.Name() == name
			}
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
