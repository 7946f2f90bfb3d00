package dataset

// Requests for OpenAI's batches, of chat completions or of responses.
var _ = addShape(shape{
	format: "batch requests (OpenAI)", order: 50, all: []string{"custom_id", "body"},
	read: func(row *parsedRow) error {
		body, err := objectField(row.fields, "body")
		if err != nil {
			return err
		}
		return row.request(body, "body", "messages", "input", "prompt")
	},
	ids: []string{"custom_id"}, texts: []string{"body"},
})
