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

// Llama 3 trims every turn, and closes it with a token of its own.
func ExampleNew() {
	llama3, err := chat.New(chat.Format{
		Name: "llama3", BOS: "<|begin_of_text|>",
		HeaderStart: "<|start_header_id|>", HeaderEnd: "<|end_header_id|>\n\n", EndOfTurn: "<|eot_id|>",
		TrimSystem: true, TrimContent: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := llama3.Render([]dataset.Message{{Role: "user", Content: " Hello "}})
	fmt.Printf("%q %v\n", c, err)
	// Output:
	// "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n" <nil>
}

func ExampleLookup() {
	_, ok := chat.Lookup("llama9")
	fmt.Println(ok, chat.Names())
	// Output:
	// false [chatml llama4 raw]
}
