package arenagen_test

import (
	"bytes"
	"fmt"

	"github.com/reweigh/reweigh/internal/arenagen"
)

func ExampleConversations() {
	for c := range arenagen.Conversations(3, 7) {
		fmt.Printf("%s, %d turn(s): %q\n", c.Language, c.Turn, c.ConversationA[0].Content)
	}
	// Output:
	// English, 1 turn(s): "I get the error \"maximum recursion depth exceeded\" in my R program. What does it mean?"
	// English, 1 turn(s): "If all apples are baskets and some baskets are red, are some apples red?"
	// English, 1 turn(s): "Suggest 8 books for someone who liked Frankenstein and Les Misérables."
}

func ExamplePrompts() {
	for _, p := range arenagen.Prompts(3, 7) {
		fmt.Printf("%q\n", p)
	}
	// Output:
	// "I get the error \"maximum recursion depth exceeded\" in my R program. What does it mean?"
	// "If all apples are baskets and some baskets are red, are some apples red?"
	// "Suggest 8 books for someone who liked Frankenstein and Les Misérables."
}

func ExampleWriteJSONL() {
	var file bytes.Buffer
	if err := arenagen.WriteJSONL(&file, 10, 7); err != nil {
		fmt.Println(err)
	}
	fmt.Println(bytes.Count(file.Bytes(), []byte("\n")), "rows")
	// Output: 10 rows
}
