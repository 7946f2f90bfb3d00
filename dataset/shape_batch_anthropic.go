package dataset

// Requests for Anthropic's message batches.
var _ = addShape(shape{
	format: "batch requests (Anthropic)", order: 51, all: []string{"custom_id", "params"},
	read: func(row *parsedRow) error {
		params, err := objectField(row.fields, "params")
		if err != nil {
			return err
		}
		return row.request(params, "params", "messages")
	},
	ids: []string{"custom_id"}, texts: []string{"params"},
})
