package dataset

// SHP: history is a post, and every row compares two replies to one.
var _ = addShape(shape{
	format: "shp", order: 110, all: []string{"history", "human_ref_A"},
	read: func(row *parsedRow) (err error) {
		row.userTurns = 1
		row.text, err = textField(row.fields, "history")
		return err
	},
	ids: []string{"post_id"}, texts: []string{"history", "human_ref_A", "human_ref_B"}, repeats: true,
	unread: []string{"human_ref_B"},
})
