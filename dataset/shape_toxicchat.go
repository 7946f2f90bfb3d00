package dataset

// ToxicChat: what a user wrote, and whether people found it toxic.
var _ = addShape(shape{
	format: "toxic-chat", order: 180, all: []string{"user_input"},
	read: func(row *parsedRow) (err error) {
		row.userTurns = 1
		row.text, err = textField(row.fields, "user_input")
		return err
	},
	ids: []string{"conv_id"}, texts: []string{"user_input"}, moderation: []string{"toxicity", "jailbreaking"},
})
