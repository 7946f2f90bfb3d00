package dataset

// UltraChat as it was first published: data is a list of texts, by turns the user's and the
// assistant's.
var _ = addShape(shape{
	format: "ultrachat", order: 170, all: []string{"id", "data"},
	fits: func(fs fields) bool {
		raw := fs.get("data")
		i := skipSpace(raw, 1)
		return len(raw) > i && raw[0] == '[' && raw[i] == '"'
	},
	read: func(row *parsedRow) error {
		n := 0
		_, err := eachElement(row.fields.get("data"), 0, 1, func(turn []byte) error {
			if n++; n%2 == 1 {
				row.userTurns++
			}
			if n > 1 {
				return nil
			}
			var err error
			row.text, err = unquote(turn)
			return err
		})
		return blamed("data", err)
	},
	ids: []string{"id"}, texts: []string{"data"},
})
