package chat

import "slices"

// llama4 follows the chat template published with Llama 4: two newlines after
// the header, none after <|eot|>, the system prompt trimmed and nothing else,
// no default system prompt, no date line. The controls are the special tokens
// of its tokenizer.
var llama4 = must(Format{
	Name:        "llama4",
	BOS:         "<|begin_of_text|>",
	HeaderStart: "<|header_start|>",
	HeaderEnd:   "<|header_end|>\n\n",
	EndOfTurn:   "<|eot|>",
	TrimSystem:  true,
	Controls: []string{
		"<|end_of_text|>", "<|eom|>", "<|step|>",
		"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
		"<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>",
		"<|image_start|>", "<|image_end|>", "<|image|>", "<|patch|>",
		"<|tile_x_separator|>", "<|tile_y_separator|>",
		"_reserved_special_token_",
	},
})

// chatML is the format of Qwen2.5 and of the many families that took it over,
// without Qwen's default system prompt: a policy whose model would insert one
// names it as its own. The newline after <|im_end|> is the template's, not the
// model's.
var chatML = must(Format{
	Name:        "chatml",
	HeaderStart: "<|im_start|>",
	HeaderEnd:   "\n",
	EndOfTurn:   "<|im_end|>",
	AfterTurn:   "\n",
	Controls:    []string{"<|endoftext|>"},
})

// raw has no markers, which is what makes it raw; New would refuse it.
var raw = Template{&Format{Name: "raw"}}

var builtin = []Template{chatML, llama4, raw} // by name

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
	slices.Sort(names)
	return names
}

func must(f Format) Template {
	t, err := New(f)
	if err != nil {
		panic(err)
	}
	return t
}
