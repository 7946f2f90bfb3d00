package dataset

const formatCJE = "cje"

// What CJE reads: logged responses, and fresh draws, of which a prompt may have several.
var _ = addShape(shape{
	format: formatCJE, order: 40, all: []string{"prompt"},
	any: []string{"base_policy_logprob", "judge_score", "draw_idx"},
	fits: func(fs fields) bool {
		return fs.has("base_policy_logprob") || fs.has("response")
	},
	read: (*parsedRow).promptOrMessages, ids: []string{"prompt_id", "id"}, plain: true, repeats: true,
})
