package dataset

// OpenOrca, GSM8K, TruthfulQA, MetaMath and others: a question, or query. One that
// comes with choices or a passage is no prompt by itself.
var _ = addShape(shape{
	format: "questions", order: 130, any: []string{"question", "query"},
	fits: func(fs fields) bool {
		return !fs.has("choices") && !fs.has("options") && !fs.has("context") && !fs.has("passage")
	},
	read: func(row *parsedRow) error {
		text, err := textOf(row.fields.first("question", "query"))
		if err != nil {
			return err
		}
		return row.asked(text)
	},
	ids:   []string{"id", "question_id", "uid", "unique_id"},
	texts: []string{"question", "query", "system", "system_prompt", "history"},
})
