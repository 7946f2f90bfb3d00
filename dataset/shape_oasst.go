package dataset

// OpenAssistant, a message a row: a prompt is what a prompter says first.
var _ = addShape(shape{
	format: "oasst messages", order: 70, all: []string{"message_id", "text", "role"},
	read: func(row *parsedRow) error {
		role, err := textField(row.fields, "role")
		if err != nil {
			return err
		}
		parent, err := textField(row.fields, "parent_id")
		if err != nil {
			return err
		}
		row.continued = role != "prompter" || parent != ""
		row.userTurns = 1
		row.text, err = textField(row.fields, "text")
		return err
	},
	ids: []string{"message_id"}, texts: []string{"text"}, spoken: true,
})
