package check

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

var _ = add(Check{
	ID: "prompts.fields", Needs: record.StagePrepare,
	Threshold: says("every prompt has an id and text"),
	Remedy:    record.Remedy{Do: "fix or drop the named rows of the input"},
	Find:      checkPromptFields,
})

func checkPromptFields(in *Input, c *record.Finding) {
	r := in.Records
	var bad []string
	n := 0
	for _, p := range r.Prompts.Brief().All() {
		n++
		if p.ID == "" || strings.TrimSpace(p.Text) == "" {
			bad = append(bad, fmt.Sprintf("prompt %d (%q)", n, p.ID))
		}
	}
	c.AddFigure("prompts", float64(r.Prompts.Len()), "")
	c.AddFigure("incomplete", float64(len(bad)), "")
	c.NameRecords(bad)
	switch {
	case r.Prompts.Len() == 0:
		c.Status, c.Summary = record.Fail, "there are no prompts"
	case len(bad) > 0:
		c.Status, c.Summary = record.Fail, fmt.Sprintf("%d of %d prompts lack an id or text", len(bad), r.Prompts.Len())
	default:
		c.Status, c.Summary = record.Pass, fmt.Sprintf("%d prompts, each with an id and text", r.Prompts.Len())
	}
}

var _ = add(Check{
	ID: "prompts.unique", After: "prompts.fields", Needs: record.StagePrepare,
	Threshold: says("no two prompts share an id or, up to case and white space, a text"),
	Remedy:    record.Remedy{Do: "drop duplicates from the input"},
	Find:      checkPromptsUnique,
})

func checkPromptsUnique(in *Input, c *record.Finding) {
	r := in.Records
	type text struct {
		sum   [16]byte // of a SHA-256: texts may be long
		at    int
		turns bool
	}
	type duplicate struct {
		at   int
		name string
	}
	ids, texts := make([]int, 0, r.Prompts.Len()), make([]text, 0, r.Prompts.Len())
	for _, p := range r.Prompts.Brief().All() {
		sum := sha256.Sum256([]byte(dataset.Normalize(p.Text)))
		texts = append(texts, text{[16]byte(sum[:16]), len(ids), len(p.Messages) > 0})
		ids = append(ids, len(ids))
	}
	id := func(at int) string { return r.Prompts.Key(at).PromptID }
	slices.SortStableFunc(ids, func(a, b int) int { return cmp.Compare(id(a), id(b)) })
	slices.SortStableFunc(texts, func(a, b text) int { return bytes.Compare(a.sum[:], b.sum[:]) })
	var found []duplicate
	for i := 1; i < len(ids); i++ {
		if at := ids[i]; id(at) == id(ids[i-1]) {
			found = append(found, duplicate{at, id(at)})
		}
	}
	for i := 1; i < len(texts); i++ {
		// Contexts of several turns may well end in the same last turn.
		if t, other := texts[i], texts[i-1]; t.sum == other.sum && !t.turns {
			found = append(found, duplicate{t.at, id(t.at) + " = " + id(other.at)})
		}
	}
	slices.SortStableFunc(found, func(a, b duplicate) int { return cmp.Compare(a.at, b.at) })
	var bad []string
	for _, d := range found {
		bad = append(bad, d.name)
	}
	c.AddFigure("duplicates", float64(len(bad)), "")
	c.NameRecords(bad)
	if len(bad) > 0 {
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("%s among %d prompts: %s", record.Plural(len(bad), "duplicate", "duplicates"), r.Prompts.Len(),
				record.Some(bad))
		return
	}
	c.Status, c.Summary = record.Pass, "ids and texts are unique"
}

// missingResponses returns the keys of a policy's responses that have no text,
// and of those that have an empty one. Why they have none goes into why.
func missingResponses(r *record.Records, policy string, why *causes) (failed, empty []string, truncated int) {
	rows := r.Responses.Brief().Of(policy)
	for _, p := range r.Prompts.Brief().All() {
		row, ok := rows(p.ID)
		key := dataset.Key{PromptID: p.ID, Policy: policy}.String()
		switch {
		case !ok || row.Text == nil:
			failed = append(failed, key)
			why.add(row.Error)
		case row.Text.Blank:
			empty = append(empty, key)
		case row.FinishReason == "length":
			truncated++
		}
	}
	return failed, empty, truncated
}

var _ = add(Check{
	ID: "p0.complete", After: "endpoint.certified", Needs: record.StageP0, InPlace: true,
	Threshold: shareThreshold("without a response or empty"),
	Remedy: record.Remedy{Do: "read the errors in responses.jsonl and fix their cause: the next start tries the " +
		"failed items again"},
	Find: checkP0Complete,
})

func checkP0Complete(in *Input, c *record.Finding) {
	r := in.Records
	checkComplete(in, c, record.Arms{r.Logging()})
}

var _ = add(Check{
	ID: "targets.complete", After: "p0.logprobs", Needs: record.StageTargets, InPlace: true,
	Threshold: shareThreshold("without a response or empty"),
	Remedy: record.Remedy{Do: "read the errors in responses.jsonl and fix their cause: the next start tries the " +
		"failed items again"},
	Find: checkTargetsComplete,
})

func checkTargetsComplete(in *Input, c *record.Finding) {
	others := slices.DeleteFunc(slices.Clone(in.Records.Arms),
		func(a record.Arm) bool { return a.Role == record.Logging })
	if len(others) == 0 {
		c.NotApply("the run has no policy besides P0")
		return
	}
	checkComplete(in, c, others)
}

func checkComplete(in *Input, c *record.Finding, arms record.Arms) {
	r, t := in.Records, in.Thresholds
	var bad, parts []string
	var why causes
	answered, truncated := 0, 0
	for _, a := range arms {
		failed, empty, cut := missingResponses(r, a.Policy.Name, &why)
		n := len(failed) + len(empty)
		bad = append(append(bad, failed...), empty...)
		answered += r.Prompts.Len() - n
		truncated += cut
		c.AddFigure(a.Policy.Name+" failed", float64(len(failed)), "")
		c.AddFigure(a.Policy.Name+" empty", float64(len(empty)), "")
		c.AddFigure(a.Policy.Name+" truncated", float64(cut), "")
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s lacks %d", a.Policy.Name, n))
		}
		c.Worsen(shareStatus(n, r.Prompts.Len(), t.MissingPass, t.MissingHold))
	}
	c.NameRecords(bad)
	c.Summary = fmt.Sprintf("%d of %d responses, %d cut by max_tokens", answered, len(arms)*r.Prompts.Len(), truncated)
	if len(parts) > 0 {
		c.Summary += "; " + strings.Join(parts, ", ") + why.String()
	}
}

var _ = add(Check{
	ID: "targets.diversity", After: "targets.complete", Needs: record.StageTargets,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("two policies answer at most %.0f%% of the prompts in the same words (clones at temperature 0 "+
			"excepted)", 100*in.Thresholds.IdenticalResponses)
	},
	Remedy: record.Remedy{Do: "check that system prompt, model and seed reach the endpoint for each policy"},
	Find:   checkDiversity,
})

func checkDiversity(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	worst, worstPair, pairs := -1.0, "", 0
	for i, a := range r.Arms {
		for _, b := range r.Arms[i+1:] {
			greedy := a.Policy.Hash() == b.Policy.Hash() && a.Policy.Sampling.Temperature == 0
			if !greedy {
				pairs++
			}
			rowsB := r.Responses.Brief().Of(b.Policy.Name)
			n, same := 0, 0
			for k, x := range r.Responses.Brief().AllOf(a.Policy.Name) {
				y, ok := rowsB(k.PromptID)
				if !ok || x.Text == nil || y.Text == nil {
					continue
				}
				n++
				if *x.Text == *y.Text {
					same++
				}
			}
			if n == 0 {
				continue
			}
			share := float64(same) / float64(n)
			pair := a.Policy.Name + " / " + b.Policy.Name
			c.AddFigure("identical "+pair, share, "share")
			if greedy {
				continue
			}
			if share > worst {
				worst, worstPair = share, pair
			}
			if share > t.IdenticalResponses {
				c.Worsen(record.Fail)
			}
		}
	}
	switch {
	case pairs == 0:
		c.NotApply("the run has no two policies that should answer in different words")
	case worst < 0:
		c.Status, c.Summary = record.Fail, "no pair of policies has responses to compare"
	case c.Status == record.Pass:
		c.Summary = fmt.Sprintf("policies answer in different words: the most alike, %s, share %.0f%%", worstPair, 100*worst)
	default:
		c.Summary = fmt.Sprintf("%s answer %.0f%% of the prompts in the same words", worstPair, 100*worst)
	}
}

var _ = add(Check{
	ID: "responses.truncated", After: "targets.diversity", Needs: record.StageTargets,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("max_tokens cuts at most %.0f%% of any policy's responses", 100*in.Thresholds.Truncated)
	},
	Remedy: record.Remedy{Do: "raise max_tokens: what is evaluated are responses under that limit, and most readers " +
		"will not think of it"},
	Find: checkTruncated,
})

func checkTruncated(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	var bad, over []string
	total := 0
	for _, a := range r.Arms {
		n, answered := 0, 0
		rows := r.Responses.Brief().Of(a.Policy.Name)
		var keys []string
		for _, p := range r.Prompts.Brief().All() {
			row, ok := rows(p.ID)
			if !ok || row.Text == nil {
				continue
			}
			answered++
			if row.FinishReason == "length" {
				n++
				keys = append(keys, row.Key().String())
			}
		}
		total += n
		if answered == 0 {
			continue // told by the check that counts responses
		}
		share := float64(n) / float64(answered)
		c.AddFigure("cut, "+a.Policy.Name, share, "share")
		if share > t.Truncated {
			c.Worsen(record.Hold)
			over = append(over, fmt.Sprintf("%s %.0f%%", a.Policy.Name, 100*share))
			bad = append(bad, keys...)
		}
	}
	c.NameRecords(bad)
	c.Summary = fmt.Sprintf("%s cut by max_tokens", record.Plural(total, "response", "responses"))
	if len(over) > 0 {
		c.Summary += ": " + strings.Join(over, ", ")
	}
}

var _ = add(Check{
	ID: "models.served", After: "responses.truncated", Needs: record.StageTargets,
	Threshold: says("the model that answered is the one asked for, or a dated snapshot of it, on every call"),
	Remedy: record.Remedy{Do: "pin a model that the endpoint serves; records of another model cannot be used as " +
		"this policy's"},
	Find: checkServed,
})

func checkServed(in *Input, c *record.Finding) {
	r := in.Records
	asked := map[string]string{}
	for _, a := range r.Arms {
		asked[a.Policy.Name] = a.Policy.Model
	}
	var bad []string
	others := map[string]int{}
	n, unnamed := 0, 0
	note := func(want, got string) (other bool) {
		n++
		if got == "" {
			unnamed++
			return false
		}
		if other = got != want && !strings.HasPrefix(got, want+"-"); other {
			others[fmt.Sprintf("%s answered for %s", got, want)]++
		}
		return other
	}
	for _, row := range r.Responses.Brief().All() {
		if row.Error == nil && note(asked[row.Policy], row.Model) {
			bad = append(bad, row.Key().String())
		}
	}
	var wrong []int // places in the ledger, whose keys take long to read
	at := -1
	for e := range r.Ledger.Brief().All() {
		at++
		// Responses are counted by their own record; this adds the calls that
		// leave no model in one: echoes, labels and scores. What moves a batch
		// asks no model.
		if e.Outcome == "ok" && e.Model != "" && e.Stage != record.StageP0 && e.Stage != record.StageTargets &&
			e.Stage != record.StagePreflight {
			if note(e.Model, e.Served) {
				wrong = append(wrong, at)
			}
		}
	}
	bad = append(bad, entriesAt(r.Ledger, wrong)...)
	c.AddFigure("answers", float64(n), "")
	c.AddFigure("by another model", float64(len(bad)), "")
	c.AddFigure("unnamed", float64(unnamed), "")
	c.NameRecords(bad)
	switch {
	case len(bad) > 0:
		names := make([]string, 0, len(others))
		for name := range others {
			names = append(names, name)
		}
		slices.Sort(names)
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("%d of %d answers came from another model: %s", len(bad), n, record.Some(names))
	case n == 0:
		c.Status, c.Summary = record.Fail, "no answer names its model"
	case unnamed > 0:
		c.Status, c.Summary = record.Info, fmt.Sprintf("%d of %d answers do not name their model", unnamed, n)
	default:
		c.Status, c.Summary = record.Pass, fmt.Sprintf("all %d answers came from the models asked for", n)
	}
}

// entriesAt names the attempts at these places of the ledger.
func entriesAt(ledger record.Attempts, places []int) (names []string) {
	at := 0
	for e := range ledger.All() {
		if len(names) == len(places) {
			break
		}
		if at == places[len(names)] {
			names = append(names, e.Stage+" "+e.Key)
		}
		at++
	}
	return names
}
