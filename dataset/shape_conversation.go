package dataset

// LMSYS-Chat-1M and WildChat call their turns conversation, ShareGPT and its kin
// conversations; WildChat flags what is toxic.
var _ = addShape(shape{
	format: "conversation", order: 20, any: []string{"conversation", "conversations"},
	read: func(row *parsedRow) error {
		return row.opening(row.fields.first("conversation", "conversations"))
	},
	ids:        []string{"question_id", "conversation_id", "conversation_hash", "id"},
	texts:      []string{"conversation", "conversations", "full_conversation"},
	moderation: []string{"toxic"},
	unread:     []string{"full_conversation"},
	spoken:     true,
})
