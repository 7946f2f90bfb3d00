package check

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

var _ = add(Check{
	ID: "files.valid", After: "policies.ranking", Needs: record.WholeRun, InPlace: true,
	Threshold: says("every output file parses line by line, and its keys are the expected set"),
	Remedy: record.Remedy{Do: "nothing but this program may write into the folder: the next start writes the " +
		"outputs anew from the journal; a key that stays missing is explained by its stage's check"},
	Find: checkFiles,
})

func checkFiles(in *Input, c *record.Finding) {
	r := in.Records
	c.AddFigure("problems", float64(len(r.FileProblems)), "")
	c.AddFigure("records left out of samples.jsonl", float64(len(r.Unjoined)), "")
	names := slices.Clone(r.FileProblems)
	for _, u := range r.Unjoined {
		names = append(names, u.String())
	}
	c.NameRecords(names)
	if len(r.FileProblems) > 0 {
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("%s: %s", record.Plural(len(r.FileProblems), "problem", "problems"), record.Some(r.FileProblems))
		return
	}
	c.Status, c.Summary = record.Pass, "every file was read back: lines parse, keys are the expected ones"
}

var _ = add(Check{
	ID: "cost.estimate", After: "files.valid", Needs: record.WholeRun, InPlace: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("actual cost within %.0f%% of the pre-run estimate passes, over by up to %.0f%% holds, by more "+
			"fails; under by more than %.0f%% holds", 100*in.Thresholds.CostPass, 100*in.Thresholds.CostHold,
			100*in.Thresholds.CostPass)
	},
	Remedy: record.Remedy{Do: "compare cost by stage with the estimate: correct expected_tokens or the price table, " +
		"and check what the provider bills"},
	Find: checkCost,
})

func checkCost(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	// What was billed lies between the usage seen and that plus the
	// reservations of the attempts whose usage nobody saw.
	seen, unseen := 0.0, 0.0
	attempts, doubtful, doubt := 0, 0, ""
	for e := range r.Ledger.Brief().All() {
		attempts++
		if e.UsageDoubt != "" {
			doubtful, doubt = doubtful+1, cmp.Or(doubt, e.UsageDoubt)
		}
		if e.UsageKnown {
			seen += float64(e.Cost)
		} else {
			unseen += float64(e.Cost)
		}
	}
	c.AddFigure("estimated", r.Cost.ExpectedUSD, "USD")
	c.AddFigure("seen", seen, "USD")
	c.AddFigure("unseen, at most", unseen, "USD")
	if r.Cost.WorstUSD == 0 && r.Cost.Calls > 0 {
		checkFree(r, c, seen+unseen)
		return
	}
	if !(r.Cost.ExpectedUSD > 0) {
		c.Status, c.Summary = record.Fail, "there is no estimate to compare with"
		return
	}
	least, most := seen/r.Cost.ExpectedUSD-1, (seen+unseen)/r.Cost.ExpectedUSD-1
	c.AddFigure("over, at least", least, "share")
	c.AddFigure("over, at most", most, "share")
	switch {
	case least > t.CostHold:
		c.Status = record.Fail
	case math.Abs(least) > t.CostPass || most > t.CostPass:
		c.Status = record.Hold
	default:
		c.Status = record.Pass
	}
	side := "over"
	if least < 0 {
		side = "under"
	}
	c.Summary = fmt.Sprintf("$%.4f spent, %.1f%% %s the estimate of $%.4f", seen, 100*math.Abs(least), side,
		r.Cost.ExpectedUSD)
	prompt, completion := tokensOver(r)
	c.AddFigure("prompt tokens, over", prompt, "share")
	c.AddFigure("completion tokens, over", completion, "share")
	if c.Status != record.Pass {
		c.Summary += fmt.Sprintf(" (prompt tokens %+.0f%%, completion tokens %+.0f%%)", 100*prompt, 100*completion)
	}
	if unseen > 0 {
		c.Summary += fmt.Sprintf("; up to $%.4f more on attempts whose usage was not seen", unseen)
	}
	if doubtful > 0 {
		c.AddFigure("attempts of doubtful usage", float64(doubtful), "attempts")
		c.Summary += fmt.Sprintf("; %d of %d attempts state a usage that does not fit, as %s", doubtful, attempts, doubt)
	}
}

// checkFree compares the bill of a run whose models cost nothing: in tokens, which
// are what such a run spends.
func checkFree(r *record.Records, c *record.Finding, spent float64) {
	c.Status, c.Summary = record.Pass, "$0 expected and $0 spent"
	if spent > 0 {
		c.Status, c.Summary = record.Fail, fmt.Sprintf("$0 expected and $%.4f spent", spent)
	}
	seen := tokensSeen(r)
	c.AddFigure("prompt tokens", seen[0], "tokens")
	c.AddFigure("completion tokens", seen[1], "tokens")
	c.Summary += fmt.Sprintf(": the models of this run cost nothing (%s prompt tokens, %s completion tokens)",
		record.Count(int(seen[0])), record.Count(int(seen[1])))
}

// tokensOver says by what share the tokens seen pass those of the estimate, which
// tells prices from counts.
func tokensOver(r *record.Records) (prompt, completion float64) {
	var expected [2]float64
	seen := tokensSeen(r)
	for _, s := range r.Cost.Stages {
		expected[0] += s.PromptTokens
		expected[1] += s.CompletionTokens
	}
	return seen[0]/expected[0] - 1, seen[1]/expected[1] - 1
}

// tokensSeen counts the tokens of prompts and of completions that the services stated.
func tokensSeen(r *record.Records) (seen [2]float64) {
	for e := range r.Ledger.Brief().All() {
		if e.UsageKnown {
			seen[0] += float64(e.PromptTokens)
			seen[1] += float64(e.CompletionTokens)
		}
	}
	return seen
}

var _ = add(Check{
	ID: "run.errors", After: "projection.width", InPlace: true,
	Threshold: says("no stage ended in error; failed records are counted by their own stage's check"),
	Find:      checkRunErrors,
})

func checkRunErrors(in *Input, c *record.Finding) {
	r := in.Records
	classes, keys := record.Failures(r)
	total := 0
	var all []string
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		c.AddFigure("failed: "+class, float64(classes[class]), "")
		total += classes[class]
		all = append(all, keys[class]...)
	}
	c.AddFigure("failed records", float64(total), "")
	c.NameRecords(all)
	if r.Stop == nil {
		c.Status, c.Summary = record.Pass, "every stage ran to its end"
		if total > 0 {
			c.Summary += fmt.Sprintf("; %s without a value (%s)", record.Plural(total, "record", "records"),
				record.Counts(classes))
		}
		return
	}
	if r.Stop.Running() {
		notComputed(c, r.Stop, false)
		if total > 0 {
			c.Summary += fmt.Sprintf("; %s without a value so far (%s)", record.Plural(total, "record", "records"),
				record.Counts(classes))
		}
		return
	}
	c.Status = record.Fail
	c.Remedy = "fix the cause and start the run again: it goes on where it stopped"
	if r.Stop.Resumable() {
		c.Status = record.Hold
		c.Remedy = "start the run again: it goes on where it stopped"
	}
	if r.Stop.OutOfBudget() {
		c.SetRemedy(record.Do("raise the budget and start the run again: it goes on where it stopped", record.FieldBudget))
	}
	c.Summary = fmt.Sprintf("stopped in stage %s (%s): %s", r.Stop.Stage, r.Stop.Why(), r.Stop.Message)
	if r.Stop.Key != "" {
		c.NameRecords([]string{r.Stop.Stage + " " + r.Stop.Key})
	}
}

var _ = add(Check{
	ID: "run.ratelimit", After: "run.errors", InPlace: true,
	Threshold: says("no record failed for rate limiting"),
	Remedy:    record.Do("send fewer calls at once, or ask the provider for higher limits", record.FieldConcurrency),
	Find:      checkRateLimit,
})

func checkRateLimit(in *Input, c *record.Finding) {
	r := in.Records
	absorbed, retries := 0, 0
	for e := range r.Ledger.Brief().All() {
		if e.Attempt > 1 {
			retries++
		}
		if e.Outcome == string(providers.ClassRateLimited) {
			absorbed++
		}
	}
	_, keys := record.Failures(r)
	failed := keys[string(providers.ClassRateLimited)]
	if r.Stop != nil && r.Stop.Class == string(providers.ClassRateLimited) {
		failed = append(failed, r.Stop.Stage+" "+r.Stop.Key)
	}
	c.AddFigure("429 replies", float64(absorbed), "")
	c.AddFigure("retries of any cause", float64(retries), "")
	c.AddFigure("records failed", float64(len(failed)), "")
	c.NameRecords(failed)
	if len(failed) > 0 {
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("rate limiting failed %s: %s", record.Plural(len(failed), "record", "records"), record.Some(failed))
		return
	}
	c.Status, c.Summary = record.Pass, fmt.Sprintf("no record failed for rate limiting; %d replies of 429 and %d "+
		"retries of any cause absorbed", absorbed, retries)
}
