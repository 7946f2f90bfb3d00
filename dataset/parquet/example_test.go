package parquet_test

import (
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/parquet"
)

func ExampleFile() {
	src := parquet.File("testdata/chatbot_arena_conversations.parquet", parquet.Columns{})
	in, err := src.Prompts(dataset.ReadOptions{ConversationLanguages: []string{"English"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(in.Format, "in", in.Container)
	fmt.Print(in.Attrition)
	fmt.Println(in.Prompts[0].Text)
	// Output:
	// chatbot_arena_conversations in parquet
	// language                       1 dropped       2 left  (2fb8bd1fb5274f2e8b4dcfe1fc2a1d60)
	// flagged by moderation          1 dropped       1 left  (8b52f2c8a3f1480b9d7a7a6b6c1f0c11)
	// Which is heavier, a litre of oil or one of water?
}
