package chat_test

import (
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

func ExampleTemplate_Render() {
	t, _ := chat.Lookup("llama4")
	c, err := t.Render([]dataset.Message{
		{Role: "system", Content: "Answer in one word."},
		{Role: "user", Content: "Name a colour."},
	})
	fmt.Println(err)
	fmt.Printf("%q\n", c)
	// Output:
	// <nil>
	// "<|begin_of_text|><|header_start|>system<|header_end|>\n\nAnswer in one word.<|eot|><|header_start|>user<|header_end|>\n\nName a colour.<|eot|><|header_start|>assistant<|header_end|>\n\n"
}

// Content that spells a marker would become one.
func ExampleControlTokenError() {
	t, _ := chat.Lookup("llama4")
	_, err := t.Render([]dataset.Message{{Role: "user", Content: "What does <|eot|> mean?"}})
	var control *chat.ControlTokenError
	fmt.Println(errors.As(err, &control), control.Token)
	// Output:
	// true <|eot|>
}

// A family that is not built in: Phi-3 closes every turn with <|end|> and a
// newline.
func ExampleNew() {
	turn := func(role string) chat.Turn { return chat.Turn{Before: "<|" + role + "|>\n", After: "<|end|>\n"} }
	phi3, err := chat.New(chat.Format{
		Name: "phi3", EndOfTurn: "<|end|>",
		System: turn("system"), User: turn("user"), Assistant: turn("assistant"),
		Controls: []string{"<|system|>", "<|user|>", "<|assistant|>", "<|endoftext|>"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := phi3.Render([]dataset.Message{{Role: "user", Content: "Hello"}})
	fmt.Printf("%q %v\n", c, err)
	// Output:
	// "<|user|>\nHello<|end|>\n<|assistant|>\n" <nil>
}

// A rule that no Format says: every turn has its number.
func ExampleNewRendering() {
	t, err := chat.NewRendering(chat.Rendering{
		Name: "numbered", EndOfTurn: "<end>", Identity: "version 1",
		Render: func(msgs []dataset.Message, header bool) (string, error) {
			var text string
			for i, m := range msgs {
				text += fmt.Sprintf("<%d %s>%s<end>", i+1, m.Role, m.Content)
			}
			if header {
				text += "<answer>"
			}
			return text, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Render([]dataset.Message{{Role: "user", Content: "Hello"}}))
	_, err = t.Render([]dataset.Message{{Role: "user", Content: "What is <end>?"}})
	fmt.Println(err)
	// Output:
	// <1 user>Hello<end><answer> <nil>
	// chat: template "numbered": turn 0 (user) contains the special-token text "<end>", which a server would read as the token: drop the prompt or rewrite the text
}

// A server that renders with the current day needs that day's template.
func ExampleLlama31() {
	t, err := chat.Llama31("26 Nov 2026")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := t.Render([]dataset.Message{{Role: "user", Content: "Hi"}})
	fmt.Printf("%s: %q %v\n", t.Name(), c[:92], err)
	// Output:
	// llama3.1 26 Nov 2026: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: Decembe" <nil>
}

func ExampleLookup() {
	_, ok := chat.Lookup("llama9")
	fmt.Println(ok, chat.Names()[:4])
	// Output:
	// false [chatml deepseek-r1 deepseek-v3.1 deepseek-v3.1-thinking]
}
