package dataset

// Gemini's own form, as its tuning takes it: contents of parts, the model's turns
// called model.
var _ = addShape(shape{
	format: "contents (Gemini)", order: 60, all: []string{"contents"},
	read: func(row *parsedRow) error { return row.request(row.fields, "", "contents") },
	ids:  []string{"id", "key"}, texts: []string{"contents", "systemInstruction", "system_instruction"},
})
