package dataset

// MT-Bench, LiveBench and Arena-Hard: turns are the user's, as texts or objects.
var _ = addShape(shape{
	format: "turns", order: 140, all: []string{"turns"},
	fits: func(fs fields) bool {
		raw, err := embedded(fs.get("turns"))
		return err == nil && raw[0] == '['
	},
	read: func(row *parsedRow) error {
		raw, err := embedded(row.fields.get("turns"))
		if err != nil {
			return err
		}
		_, err = eachElement(raw, 0, 1, func(turn []byte) error {
			if row.userTurns++; row.userTurns > 1 {
				return nil
			}
			if turn[0] == '{' {
				fs, err := splitObject(turn, nil)
				if err != nil {
					return err
				}
				if turn = fs.get("content"); turn == nil {
					return errNoContent
				}
			}
			text, plain, err := contentText(turn)
			row.text, row.notText = text, !plain
			return err
		})
		return blamed("turns", err)
	},
	ids: []string{"question_id", "id", "uid"}, texts: []string{"turns"},
})
