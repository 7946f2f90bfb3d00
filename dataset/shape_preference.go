package dataset

import "errors"

// Two answers without a prompt of its own (HH-RLHF, TRL's implicit prompts): both
// repeat what they answer, which is what they have in common.
var _ = addShape(shape{
	format: "preferences", order: 160, all: []string{"chosen", "rejected"},
	read: func(row *parsedRow) error {
		a, err := row.transcriptOrTurns("chosen")
		if err != nil {
			return err
		}
		b, err := row.transcriptOrTurns("rejected")
		if err != nil {
			return err
		}
		n := 0
		for n < len(a) && n < len(b) && a[n] == b[n] {
			n++
		}
		for n > 0 && a[n-1].Role != "user" {
			n--
		}
		if n == 0 {
			return errors.New(
				"fields \"chosen\" and \"rejected\" begin with no turn of a user that they share: there is no prompt",
			)
		}
		row.take(a[:n])
		return nil
	},
	ids: []string{"id", "prompt_id", "uid"}, texts: []string{"chosen", "rejected"},
})
