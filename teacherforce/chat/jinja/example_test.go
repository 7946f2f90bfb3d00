package jinja_test

import (
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/teacherforce/chat/jinja"
)

// A model's own template, from its tokenizer's configuration.
func Example() {
	file := strings.NewReader(`{"eos_token": "<|end|>", "chat_template":
		"{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|me|>{{ '<none>' if not think }}"}`)
	config, err := jinja.ReadTokenizer(file)
	if err != nil {
		panic(err)
	}
	config.Name = "my-model"
	config.Kwargs = map[string]any{"think": false}
	template, err := jinja.New(config)
	if err != nil {
		panic(err)
	}
	fmt.Println(template.Render([]dataset.Message{{Role: "user", Content: "Name a colour."}}))
	// Output:
	// <|user|>Name a colour.<|end|><|me|><none> <nil>
}
