package dataset

// OpenOrca, GSM8K, TruthfulQA, MetaMath and others: a question, or query, or a problem as in
// MATH and SimpleQA. One that comes with choices or a passage is no prompt by itself.
var _ = addShape(shape{
	format: "questions", order: 130, any: []string{"question", "query", "problem"},
	fits: func(fs fields) bool { return !needsMore(fs) },
	read: func(row *parsedRow) error {
		text, err := textOf(row.fields.first("question", "query", "problem"))
		if err != nil {
			return err
		}
		return row.asked(text)
	},
	ids:   []string{"id", "question_id", "uid", "unique_id"},
	texts: []string{"question", "query", "problem", "system", "system_prompt", "history"},
})

// needsMore reports whether a question stands beside choices or a passage, without which
// it cannot be answered.
func needsMore(fs fields) bool {
	for _, name := range []string{"choices", "options", "context", "passage"} {
		if fs.has(name) {
			return true
		}
	}
	return false
}
