package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// owed lists the pairs (prompt, policy) that have no usable log-prob. Why they have none
// goes into why.
func owed(r *record.Records, policy string, why *causes) (missing []string, classes map[string]int) {
	rows := r.LogProbs.Brief().Of(policy)
	classes = map[string]int{}
	for _, p := range r.Prompts.Brief().All() {
		row, ok := rows(p.ID)
		if ok && (row.LogProb.Valid() || row.Bounded()) {
			continue
		}
		missing = append(missing, dataset.Key{PromptID: p.ID, Policy: policy}.String())
		switch {
		case !ok:
			classes["absent"]++
		case row.Error != nil:
			classes[row.Error.Class]++
			why.add(row.Error)
		default:
			classes["null"]++
		}
	}
	return missing, classes
}

var _ = add(Check{
	ID: "logprobs.complete", After: "models.served", Needs: record.StageLogProbs, InPlace: true,
	Threshold: func(in *Input) string {
		t := in.Thresholds
		return fmt.Sprintf("%s; rows that no endpoint can score (%s, %s): at most %.0f%% passes, %.0f%% holds, more fails",
			shareThreshold("without a log-prob")(in), teacherforce.ReasonRetokenised, teacherforce.ReasonSeam,
			100*t.MissingHold, 100*offpolicy.MaxMissing)
	},
	Remedy: scoreAgain,
	Find:   checkLogProbsComplete,
})

func checkLogProbsComplete(in *Input, c *record.Finding) {
	r := in.Records
	why := checkOwed(in, c, r.Arms)
	c.Summary += why
}

// scoreAgain is what to do about log-probs that are missing.
var scoreAgain = record.Remedy{Do: "read the errors in logprobs.jsonl and fix their cause: the next start tries the " +
	"failed rows again"}

// checkOwed returns the end of a summary: why log-probs are missing.
func checkOwed(in *Input, c *record.Finding, arms record.Arms) string {
	r, t := in.Records, in.Thresholds
	var bad, parts []string
	var why causes
	for _, a := range arms {
		missing, classes := owed(r, a.Policy.Name, &why)
		bad = append(bad, missing...)
		c.AddFigure(a.Policy.Name+" without", float64(len(missing)), "")
		if len(missing) > 0 {
			parts = append(parts, fmt.Sprintf("%s lacks %d (%s)", a.Policy.Name, len(missing), record.Counts(classes)))
		}
		faults := len(missing)
		for class, n := range classes {
			if record.Unavoidable(class) {
				faults -= n
			}
		}
		c.Worsen(shareStatus(faults, r.Prompts.Len(), t.MissingPass, t.MissingHold))
		c.Worsen(shareStatus(len(missing), r.Prompts.Len(), t.MissingHold, offpolicy.MaxMissing))
	}
	c.NameRecords(bad)
	total := len(arms) * r.Prompts.Len()
	c.Summary = fmt.Sprintf("%d of %d log-probs", total-len(bad), total)
	if len(parts) > 0 {
		c.Summary += "; " + strings.Join(parts, ", ")
	}
	return why.String()
}

var _ = add(Check{
	ID: "logprobs.zero", After: "logprobs.complete", Needs: record.StageLogProbs,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("0.0 only for a response of at most %d tokens on which every method that answered says 0, in a "+
			"context that is not all 0; long runs of 0 hold", in.Thresholds.ShortTokens)
	},
	Remedy: record.Remedy{Do: "the endpoint returned zeros instead of log-probs for these rows: do not use them; " +
		"report it to the provider and choose another endpoint"},
	Find: checkZero,
})

func checkZero(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	var bad, runs []string
	explained := 0
	for k, row := range r.LogProbs.Brief().All() {
		if slices.Contains(row.Flags, string(teacherforce.FlagZeroRun)) {
			runs = append(runs, row.Key().String())
		}
		if !row.LogProb.Valid() || row.LogProb.OrNaN() != 0 && !slices.Contains(row.Flags, string(teacherforce.FlagZero)) {
			continue
		}
		agree := row.Tokens <= t.ShortTokens && !slices.Contains(row.Flags, string(teacherforce.FlagZero))
		whole, _ := r.LogProbs.Get(k)
		for _, m := range whole.Methods {
			if m.LogProb.Valid() && math.Abs(m.LogProb.OrNaN()) > 1e-9 {
				agree = false
			}
		}
		if agree {
			explained++
			continue
		}
		bad = append(bad, row.Key().String())
	}
	c.AddFigure("zeros", float64(len(bad)+explained), "")
	c.AddFigure("explained", float64(explained), "")
	c.AddFigure("runs of 0", float64(len(runs)), "")
	c.NameRecords(append(bad, runs...))
	if len(bad) > 0 {
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("%s of exactly 0.0 for a non-empty response: %s", record.Plural(len(bad), "log-prob", "log-probs"),
				record.Some(c.Evidence.Records))
		return
	}
	if len(runs) > 0 {
		c.Status, c.Summary = record.Hold,
			fmt.Sprintf("long runs of exactly 0.0 in %s: %s", record.Plural(len(runs), "response", "responses"),
				record.Some(runs))
		return
	}
	c.Status, c.Summary = record.Pass, fmt.Sprintf("no unexplained 0.0 (%d explained)", explained)
}

var _ = add(Check{
	ID: "logprobs.sign", After: "logprobs.zero", Needs: record.StageLogProbs,
	Threshold: says("no log-prob is positive, NaN or infinite"),
	Remedy: record.Remedy{Do: "the endpoint returned impossible values for these rows: do not use them; report it " +
		"to the provider and choose another endpoint"},
	Find: checkSign,
})

func checkSign(in *Input, c *record.Finding) {
	r := in.Records
	var bad []string
	for _, row := range r.LogProbs.Brief().All() {
		invalid := row.Error != nil && row.Error.Class == string(teacherforce.ReasonInvalid)
		v := row.LogProb.OrNaN()
		if invalid || v > 0 || math.IsInf(v, 0) ||
			slices.ContainsFunc(row.TokenLogProbs, func(x float64) bool { return x > 0 || math.IsInf(x, 0) }) {
			bad = append(bad, row.Key().String())
		}
	}
	c.AddFigure("impossible", float64(len(bad)), "")
	c.NameRecords(bad)
	if len(bad) > 0 {
		c.Status, c.Summary = record.Fail,
			fmt.Sprintf("impossible log-probs in %s: %s", record.Plural(len(bad), "row", "rows"),
				record.Some(c.Evidence.Records))
		return
	}
	c.Status, c.Summary = record.Pass, "every log-prob is finite and at most 0"
}

var _ = add(Check{
	ID: "logprobs.range", After: "logprobs.sign", Needs: record.StageLogProbs,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("per policy the median per-token log-prob lies in [%g, %g] nats; no row is below %g, and none "+
			"is far likelier than its length explains with nothing to support it", in.Thresholds.MeanLow,
			in.Thresholds.MeanHigh, in.Thresholds.RowLow)
	},
	Remedy: record.Remedy{Do: "values far off mean a wrong chat template, another model, or a broken endpoint: compare " +
		"with the model's own log-probs at generation"},
	Find: checkRange,
})

func checkRange(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	var bad, parts, open []string
	inPlan, n := 0, 0
	for _, a := range r.Arms {
		var perToken []float64
		bounded := 0
		for _, row := range r.LogProbs.Brief().AllOf(a.Policy.Name) {
			if row.Bounded() {
				bounded++
			}
			if !row.LogProb.Valid() || row.Tokens == 0 {
				continue
			}
			v := row.LogProb.OrNaN() / float64(row.Tokens)
			perToken = append(perToken, v)
			n++
			if row.LogProb.OrNaN() >= -50 && row.LogProb.OrNaN() <= 0 {
				inPlan++
			}
			if v < t.RowLow {
				bad = append(bad, row.Key().String())
			}
		}
		if len(perToken) == 0 && bounded > 0 {
			open = append(open, fmt.Sprintf("%s has intervals or a probability of 0 alone, for %s", a.Policy.Name,
				record.Plural(bounded, "response", "responses")))
			continue
		}
		if len(perToken) == 0 {
			c.Worsen(record.Fail)
			parts = append(parts, a.Policy.Name+" has none")
			continue
		}
		median := offpolicy.Quantiles(perToken, 0.5)[0]
		c.AddFigure(a.Policy.Name+" median per token", median, "nats")
		if median < t.MeanLow || median > t.MeanHigh {
			c.Worsen(record.Fail)
			parts = append(parts, fmt.Sprintf("%s has a median of %.4g", a.Policy.Name, median))
		}
	}
	if len(bad) > 0 {
		c.Worsen(record.Hold)
		parts = append(parts, fmt.Sprintf("%s below %g a token", record.Plural(len(bad), "row", "rows"), t.RowLow))
	}
	suspects := suspects(r)
	c.AddFigure("suspect", float64(len(suspects)), "")
	if len(suspects) > 0 {
		c.Worsen(record.Hold)
		parts = append(parts, "suspect: "+record.Some(suspects))
	}
	c.NameRecords(append(bad, suspects...))
	if n > 0 {
		c.AddFigure("totals inside [-50, 0]", float64(inPlan)/float64(n), "share")
	}
	c.Summary = "per-token log-probs are in range"
	if len(parts) > 0 {
		c.Summary = "per-token log-probs out of range: " + strings.Join(parts, ", ")
	}
	if len(open) > 0 {
		c.Summary += "; " + strings.Join(open, ", ")
	}
}

// suspects are the records' values that are probably wrong. P0's own have a second
// opinion where raw values are those of its sampling: what the server said while
// it wrote them.
func suspects(r *record.Records) []string {
	p0 := r.Logging().Policy
	said := r.Responses.Brief().Of(p0.Name)
	values := make([]teacherforce.Value, 0, r.LogProbs.Len())
	for _, row := range r.LogProbs.Brief().All() {
		if !row.LogProb.Valid() {
			continue // counted where it is missing
		}
		v := teacherforce.Value{Response: row.PromptID, Policy: row.Policy, LogProb: row.LogProb, Length: row.Tokens}
		if row.Policy == p0.Name && p0.Sampling.Neutral() {
			if r, ok := said(row.PromptID); ok {
				v.Second = r.LogProb
			}
		}
		values = append(values, v)
	}
	var out []string
	for _, s := range teacherforce.Suspects(values) {
		of := dataset.Key{PromptID: values[s.Index].Response, Policy: values[s.Index].Policy}
		out = append(out, of.String()+" "+string(s.Flag))
	}
	return out
}
