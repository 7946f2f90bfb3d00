package dataset

// Two models answer one user: lmsys/chatbot_arena_conversations, lmarena-ai's preferences of 100k
// and 140k rows, and their like. A conversation is a list of {role, content}, or text that holds
// one; content is text, or a list of {type, text}. In the sets of Search Arena the conversations are
// messages_a and messages_b.
var _ = addShape(shape{
	format: "chatbot_arena_conversations", order: 10, any: []string{"conversation_a", "messages_a"},
	read: func(row *parsedRow) error {
		if raw := row.fields.get("evaluation_order"); raw != nil {
			row.continued = string(raw) != "1" && string(raw) != "null" && string(raw) != `"1"`
		}
		return row.opening(row.fields.first("conversation_a", "messages_a"))
	},
	ids:    []string{"question_id", "conversation_id", "id"},
	texts:  []string{"conversation_a", "conversation_b", "messages_a", "messages_b", "full_conversation"},
	unread: []string{"conversation_b", "messages_b", "full_conversation"},
	spoken: true,
})
