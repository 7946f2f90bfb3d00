package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// modelledHold is the share of one policy's log-probs that may be modelled: beyond it
// package offpolicy refuses the estimate.
const modelledHold = .2

// unavoidable reports whether a row of that class is missing for a reason that no
// endpoint can avoid: another model reads the text as other tokens than were sampled.
// The estimate models such rows, within its limits, and they are no fault to wait for.
func unavoidable(class string) bool {
	return class == string(teacherforce.ClassRetokenised) || class == string(teacherforce.ClassSeam)
}

// owed lists the pairs (prompt, policy) that have no usable log-prob. Why they have none
// goes into why.
func owed(r *record.Records, policy string, why *causes) (missing []string, classes map[string]int) {
	rows := r.LogProbs.Of(policy)
	classes = map[string]int{}
	for _, p := range r.Prompts.All() {
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
	ID: "p0.logprobs", After: "p0.complete", Needs: record.StageLogProbs, InPlace: true,
	Threshold: func(in *Input) string {
		t := in.Thresholds
		return shareThreshold("without a log-prob")(in) + fmt.Sprintf("; in the median the echo of P0's responses lies "+
			"within %g nats, or %d times the noise, of what was said at generation, by the square root of tokens; up to "+
			"%d times that holds, more fails", t.GenerationPass, generationNoise, generationFail)
	},
	Remedy: record.Remedy{Do: "read the errors in logprobs.jsonl and fix their cause: the next start tries the " +
		"failed rows again"},
	Find: checkP0LogProbs,
})

func checkP0LogProbs(in *Input, c *record.Finding) {
	r := in.Records
	why := checkOwed(in, c, record.Arms{r.Logging()})
	checkGeneration(in, c)
	checkDrawn(in, c)
	c.Summary += why
}

// checkDrawn looks for responses of P0's that the alternatives put outside its support:
// they were not drawn as stated, or are not scored as they were drawn.
func checkDrawn(in *Input, c *record.Finding) {
	var outside []string
	for _, row := range in.Records.LogProbs.AllOf(in.Records.Logging().Policy.Name) {
		if slices.Contains(row.Flags, string(teacherforce.FlagSupport)) {
			outside = append(outside, row.Key().String())
		}
	}
	if len(outside) == 0 {
		return
	}
	c.Worsen(record.Fail)
	c.NameRecords(append(c.Evidence.Records, outside...))
	c.Summary = fmt.Sprintf("by the alternatives that the server shows, P0 cannot have drawn %s as it says; %s",
		record.Plural(len(outside), "response", "responses"), c.Summary)
	c.Remedy = "the server draws otherwise than is asked, or filters in another order than its kind does: name its " +
		"kind, and start it without settings of its own"
}

// Echo and generation may lie apart by so many times what two scorings do, and hold up
// to so many times that.
const (
	generationNoise = 4
	generationFail  = 4
)

// checkGeneration compares the echo of P0's responses with what the server said of the
// same tokens while it generated them. Both are differences of the same noise; anything
// beyond that is another context, another model, or another distribution that was
// sampled: settings that the server took from elsewhere. Only a policy at temperature 1
// without filters is sampled from the distribution that an echo gives.
func checkGeneration(in *Input, c *record.Finding) {
	r := in.Records
	p0 := r.Logging().Policy
	responses := r.Responses.Of(p0.Name)
	worst := 0.0
	var by []float64 // by the square root of tokens
	var far []string
	for k, row := range r.LogProbs.AllOf(p0.Name) {
		response, _ := responses(k.PromptID)
		if raw, said := record.RawLogProb(row), response.LogProb; raw.Valid() && said.Valid() && row.Tokens > 0 {
			d := math.Abs(raw.OrNaN() - said.OrNaN())
			if t := row.TokenLogProbs; len(t) > 0 && response.FinishReason == providers.FinishStop {
				// Not every server says what it gave the end-of-turn token.
				d = min(d, math.Abs(raw.OrNaN()-t[len(t)-1]-said.OrNaN()))
			}
			worst, by = max(worst, d), append(by, d/math.Sqrt(float64(row.Tokens)))
			if by[len(by)-1] > in.Thresholds.GenerationPass {
				far = append(far, row.Key().String())
			}
		}
	}
	c.AddFigure("compared with generation", float64(len(by)), "")
	if len(by) == 0 {
		return
	}
	apart := offpolicy.Quantiles(by, 0.5)[0] // single rows are for the check of suspects
	c.AddFigure("largest difference", worst, "nats")
	c.AddFigure("median difference by the square root of tokens", apart, "nats")
	c.Summary += fmt.Sprintf("; within %.3g nats of those given at generation", worst)
	if !p0.Sampling.Neutral() {
		return
	}
	pass := max(in.Thresholds.GenerationPass, generationNoise*math.Sqrt2*noiseOf(r).Token)
	if apart <= pass {
		return
	}
	c.Worsen(record.Hold)
	if apart > generationFail*pass {
		c.Worsen(record.Fail)
	}
	c.NameRecords(append(c.Evidence.Records, far...))
	c.Summary = fmt.Sprintf("what was sampled is not what is scored: echo and generation differ by %.3g nats on the "+
		"square root of tokens in the median, %.3g allowed, up to %.3g nats a response; %s", apart, pass, worst, c.Summary)
	c.Remedy = "the server samples from another distribution than the model's at temperature 1: it takes settings that " +
		"are not sent from the model's generation_config, or changes log-probs after sampling settings; name its kind, so " +
		"that every setting is sent, or start it without that configuration"
}

// noiseOf is the noise of a run's log-probs: as it was stated, or as its clones show it.
func noiseOf(r *record.Records) offpolicy.Noise {
	if stated, ok := r.Noise.Get(); ok {
		return offpolicy.Noise{Token: stated, Upper: stated}
	}
	var out offpolicy.Noise
	for _, a := range r.Arms {
		if a.Role == record.Clone {
			d, lengths, _ := r.NoiseRatios(a.Policy.Name)
			if n := offpolicy.MeasureNoise(d, lengths); n.Token > out.Token {
				out = n
			}
		}
	}
	return out
}

var _ = add(Check{
	ID: "logprobs.complete", After: "models.served", Needs: record.StageLogProbs, InPlace: true,
	Threshold: func(in *Input) string {
		t := in.Thresholds
		return fmt.Sprintf("%s; rows that no endpoint can score (%s, %s): at most %.0f%% passes, %.0f%% holds, more fails",
			shareThreshold("without a log-prob")(in), teacherforce.ClassRetokenised, teacherforce.ClassSeam,
			100*t.MissingHold, 100*modelledHold)
	},
	Remedy: record.Remedy{Do: "read the errors in logprobs.jsonl and fix their cause: the next start tries the " +
		"failed rows again"},
	Find: checkLogProbsComplete,
})

func checkLogProbsComplete(in *Input, c *record.Finding) {
	r := in.Records
	why := checkOwed(in, c, r.Arms)
	c.Summary += why
}

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
			if unavoidable(class) {
				faults -= n
			}
		}
		c.Worsen(shareStatus(faults, r.Prompts.Len(), t.MissingPass, t.MissingHold))
		c.Worsen(shareStatus(len(missing), r.Prompts.Len(), t.MissingHold, modelledHold))
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
	for _, row := range r.LogProbs.All() {
		if slices.Contains(row.Flags, string(teacherforce.FlagZeroRun)) {
			runs = append(runs, row.Key().String())
		}
		if !row.LogProb.Valid() || row.LogProb.OrNaN() != 0 && !slices.Contains(row.Flags, string(teacherforce.FlagZero)) {
			continue
		}
		agree := row.Tokens <= t.ShortTokens && !slices.Contains(row.Flags, string(teacherforce.FlagZero))
		for _, m := range row.Methods {
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
	for _, row := range r.LogProbs.All() {
		invalid := row.Error != nil && row.Error.Class == "invalid_logprob"
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
		for _, row := range r.LogProbs.AllOf(a.Policy.Name) {
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

// TextMethods are the three of the plan.
var TextMethods = []string{"token_counting", "echo_based", "continuation"}

var _ = add(Check{
	ID: "logprobs.methods", After: "logprobs.range", Needs: record.StageLogProbs,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("token_counting, echo_based and continuation each answer at least %.0f%% of the rows of every "+
			"policy on which they are compared", 100*in.Thresholds.MethodShare)
	},
	Remedy: record.Remedy{Do: "the reasons in logprobs.jsonl say why a method did not answer: seam and retokenised " +
		"belong to the text, unsupported to the endpoint"},
	Find: checkMethods,
})

func checkMethods(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	c.Status = record.Pass
	var parts []string
	served := 0
	for _, a := range r.Arms {
		methods := TextMethods
		if teacherforce.Served(a.Policy.Template) { // no text is known to compare
			served++
			methods = []string{teacherforce.MethodTokenIDs}
		}
		for _, m := range methods {
			answered, put, rows := 0, 0, 0
			for _, row := range r.LogProbs.AllOf(a.Policy.Name) {
				rows++
				if row.Methods[m].Reason == string(teacherforce.ReasonNotCompared) {
					continue
				}
				put++
				if row.Methods[m].LogProb.Valid() && row.Methods[m].Status == "ok" {
					answered++
				}
			}
			c.AddFigure(a.Policy.Name+" "+m, float64(answered), "")
			if put < rows {
				c.AddFigure(a.Policy.Name+" "+m+" compared on", float64(put), "")
			}
			switch share := float64(answered) / float64(max(1, put)); {
			case answered == 0:
				c.Worsen(record.Fail)
				parts = append(parts, fmt.Sprintf("%s never answered under %s", m, a.Policy.Name))
			case share < t.MethodShare:
				c.Worsen(record.Hold)
				parts = append(parts, fmt.Sprintf("%s answered %.0f%% under %s", m, 100*share, a.Policy.Name))
			}
		}
	}
	c.Summary = "all three methods were computed under every policy"
	if served > 0 {
		c.Summary = fmt.Sprintf("%s in the server's own rendering: the one method that there is, by token ids, was "+
			"computed; all three were under any other", record.Plural(served, "policy", "policies"))
	}
	if len(parts) > 0 {
		c.Summary = record.Some(parts)
	}
}

var _ = add(Check{
	ID: "logprobs.agreement", After: "logprobs.methods", Needs: record.StageLogProbs,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("the methods of a row agree within %g nats + %g per token; up to %.0f%% of the rows beyond "+
			"holds, more fails", in.Thresholds.AgreementNats, in.Thresholds.AgreementPerToken, 100*in.Thresholds.MissingHold)
	},
	Remedy: record.Remedy{Do: "compare the methods of the named rows in logprobs.jsonl: the endpoint scores the same " +
		"tokens differently from call to call"},
	Find: checkAgreement,
})

func checkAgreement(in *Input, c *record.Finding) {
	r, t := in.Records, in.Thresholds
	var bad []string
	worst, n := 0.0, 0
	for _, row := range r.LogProbs.All() {
		if !row.LogProb.Valid() || !row.Spread.Valid() {
			continue
		}
		n++
		worst = max(worst, row.Spread.OrNaN())
		if row.Spread.OrNaN() > t.AgreementNats+t.AgreementPerToken*float64(row.Tokens) {
			bad = append(bad, row.Key().String())
		}
	}
	c.AddFigure("rows", float64(n), "")
	c.AddFigure("beyond", float64(len(bad)), "")
	c.AddFigure("largest spread", worst, "nats")
	c.NameRecords(bad)
	switch {
	case n == 0:
		c.Status, c.Summary = record.Fail, "no row has two methods to compare"
	case len(bad) == 0:
		c.Status, c.Summary = record.Pass, fmt.Sprintf("the methods agree: largest spread %.3g nats", worst)
	default:
		c.Status = shareStatus(len(bad), n, 0, t.MissingHold)
		c.Summary = fmt.Sprintf("the methods disagree on %d of %d rows, by up to %.3g nats: %s", len(bad), n, worst,
			record.Some(c.Evidence.Records))
	}
}

// suspects are the records' values that are probably wrong. P0's own have a second
// opinion where raw values are those of its sampling: what the server said while
// it wrote them.
func suspects(r *record.Records) []string {
	p0 := r.Logging().Policy
	said := r.Responses.Of(p0.Name)
	values := make([]teacherforce.Value, 0, r.LogProbs.Len())
	keys := make([]string, 0, r.LogProbs.Len())
	for _, row := range r.LogProbs.All() {
		if !row.LogProb.Valid() {
			continue // counted where it is missing
		}
		v := teacherforce.Value{Response: row.PromptID, Policy: row.Policy, LogProb: row.LogProb, Length: row.Tokens}
		if row.Policy == p0.Name && p0.Sampling.Neutral() {
			if r, ok := said(row.PromptID); ok {
				v.Second = r.LogProb
			}
		}
		values, keys = append(values, v), append(keys, row.Key().String())
	}
	var out []string
	for _, s := range teacherforce.Suspects(values) {
		out = append(out, keys[s.Index]+" "+string(s.Flag))
	}
	return out
}
