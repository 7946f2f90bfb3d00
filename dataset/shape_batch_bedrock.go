package dataset

// Requests for Bedrock's batches.
var _ = addShape(shape{
	format: "batch requests (Bedrock)", order: 52, all: []string{"modelInput"},
	read: func(row *parsedRow) error {
		in, err := objectField(row.fields, "modelInput")
		if err != nil {
			return err
		}
		return row.request(in, "modelInput", "messages", "prompt", "inputText")
	},
	ids: []string{"recordId"}, texts: []string{"modelInput"},
})
