package dataset

// Requests for Gemini's batches, on either of its two services.
var _ = addShape(shape{
	format: "batch requests (Gemini)", order: 53, all: []string{"request"},
	fits: func(fs fields) bool { raw := fs.get("request"); return len(raw) > 0 && raw[0] == '{' },
	read: func(row *parsedRow) error {
		request, err := objectField(row.fields, "request")
		if err != nil {
			return err
		}
		return row.request(request, "request", "contents")
	},
	ids: []string{"key", "id"}, texts: []string{"request"},
})
