package dataset

// Alpaca, AlpacaEval and Dolly: an instruction, and what it is about (input, or
// context), which follows after an empty line.
var _ = addShape(shape{
	format: "instructions", order: 120, all: []string{"instruction"},
	read: func(row *parsedRow) error {
		text, err := textField(row.fields, "instruction")
		if err != nil {
			return err
		}
		about, err := textOf(row.fields.first("input", "context"))
		if err != nil {
			return err
		}
		if about != "" {
			text += "\n\n" + about
		}
		return row.asked(text)
	},
	ids: []string{"id", "uid", "prompt_id", "question_id"}, texts: []string{"instruction", "input", "context", "system",
		"system_prompt", "history"},
})
