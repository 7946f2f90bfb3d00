package dataset

// Samples of Inspect and OpenAI's Evals, requests for its responses: input is the
// prompt, or the turns that lead to it. One that comes with choices or a passage is no
// prompt by itself, as in LongBench.
var _ = addShape(shape{
	format: "inputs", order: 150, all: []string{"input"},
	fits: func(fs fields) bool { return !needsMore(fs) },
	read: func(row *parsedRow) error { return row.request(row.fields, "", "input") },
	ids:  []string{"id", "uid"}, texts: []string{"input", "instructions", "system", "system_prompt"},
})
