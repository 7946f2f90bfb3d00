package dataset

// OpenAssistant, a tree of messages a row, whose root is the prompt.
var _ = addShape(shape{
	format: "oasst trees", order: 71, all: []string{"message_tree_id", "prompt"},
	fits: func(fs fields) bool { raw := fs.get("prompt"); return len(raw) > 0 && raw[0] == '{' },
	read: func(row *parsedRow) error {
		root, err := objectField(row.fields, "prompt")
		if err != nil {
			return err
		}
		row.userTurns = 1
		if row.text, err = textField(root, "text"); err != nil {
			return err
		}
		row.language, err = textField(root, "lang")
		row.states = root.has("lang")
		return err
	},
	ids: []string{"message_tree_id"}, texts: []string{"prompt"}, spoken: true,
})
