package dataset

// The two sets of Kaggle's contests: in one, prompt is text that holds a JSON list of
// the user's turns; in the other (WSDM Cup) it is the prompt. Both have the same fields
// but for the names of what they vote.
var _ = addShape(shape{
	format: "arena-human-preference-55k", order: 30, all: []string{"prompt", "response_a"},
	read: func(row *parsedRow) error {
		raw := row.fields.get("prompt")
		list, err := embedded(raw)
		if err != nil || list[0] != '[' {
			if row.fields.has("winner_model_a") && len(raw) > 0 && string(raw) != "null" && string(raw) != `""` {
				return notAList("prompt", "turns", raw)
			}
			row.userTurns = 1
			row.text, err = textField(row.fields, "prompt")
			return err
		}
		_, err = eachElement(list, 0, 1, func(turn []byte) error {
			if row.userTurns++; row.userTurns > 1 || string(turn) == "null" {
				return nil
			}
			row.text, err = unquote(turn)
			return err
		})
		if err != nil {
			return blamed("prompt", err)
		}
		return nil
	},
	ids:    []string{"id", "question_id"},
	texts:  []string{"prompt", "response_a", "response_b"},
	unread: []string{"response_b"},
	spoken: true,
})
