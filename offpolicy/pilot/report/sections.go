package report

// section is a heading of the report and the sentence under it. Markdown and
// HTML take both from here.
type section struct{ ID, Title, Lead string }

// sections by the names that the renderers know them by.
var sections = map[string]section{
	"subject": {"subject", "What was evaluated", ""},
	"badges":  {"badges", "The decision", ""},
	"scores":  {"scores", "What the policies score", ""},
	"wrong":   {"wrong", "What is wrong", ""},
	"checks": {"checks", "Checks that passed", "A check that fails makes the run a NO-GO, and one that holds makes " +
		"it a HOLD. Figures for information do not count. Each check names the figures and the records that it rests on."},
	"stages": {"stages", "Stages", "Failed counts the records that have no value. Calls count every HTTP attempt, " +
		"retries included; " +
		"time runs from a stage's first attempt to its last."},
	"cost": {"cost", "Cost: estimate against actual",
		"Expected is computed from token counts and the dated price table. At worst, every response is as " +
			"long as it may be. What a plan had expected, if there is one, is there only to compare with."},
	"logprobs": {"logprobs", "Log-probabilities",
		"How probable each policy finds the responses that the logging policy wrote, in nats: " +
			"the whole response, and the mean of its tokens."},
	"weights": {"weights", "Importance weights", "The weight of a logged response is its probability under the target " +
		"over that under the logging " +
		"policy. ESS is the number of equally weighted responses that would tell as much; the divergence is minus the " +
		"mean of log w."},
	"calibration": {"calibration", "Calibration of the judge", "The label that the oracle gave against the judge's " +
		"score, and the score once calibrated. " +
		"Calibrated values come from folds that did not see the response, so they need not rise in step."},
	"ranking": {"ranking", "Policies by judge score", "Mean scores with 95% intervals over prompts. " +
		"Overlap of intervals is no test: the policies answered the same prompts, so a difference needs a " +
		"paired comparison."},
	"estimates": {"estimates", "How each score was estimated", "Which estimator answers for each policy, and why. An " +
		"estimate that the evidence cannot carry is refused, with the reason."},
	"projection": {"projection", "The full run",
		"What this sample says of the full run. Intervals cover the sampling of prompts, " +
			"not a change of prices, models or load."},
	"limits": {"limits", "What this sample cannot say",
		"Left open by a sample of this size, with what would tell where that is known."},
	"specimens": {"specimens", "Specimens", "Records worth a person's look. The text is shown as it was received, with " +
		"control characters spelled out."},
	"run": {"run", "The run", "What was run, on what, with which versions."},
}

// folded are the sections below what everybody reads, in order. A page shows them when
// they are asked for.
var folded = []string{"checks", "estimates", "projection", "ranking", "weights", "calibration", "logprobs", "cost",
	"stages", "limits", "specimens", "run"}
