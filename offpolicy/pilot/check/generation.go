package check

import (
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

var _ = add(Check{
	ID: "p0.logprobs", After: "p0.complete", Needs: record.StageLogProbs, InPlace: true,
	Threshold: func(in *Input) string {
		t := in.Thresholds
		return shareThreshold("without a log-prob")(in) + fmt.Sprintf("; in the median the echo of P0's responses lies "+
			"within %g nats, or %d times the noise, of what was said at generation, by the square root of tokens; up to "+
			"%d times that holds, more fails", t.GenerationPass, generationNoise, generationFail)
	},
	Remedy: scoreAgain,
	Find:   checkP0LogProbs,
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
	for _, row := range in.Records.LogProbs.Brief().AllOf(in.Records.Logging().Policy.Name) {
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
	responses := r.Responses.Brief().Of(p0.Name)
	worst := 0.0
	var by []float64 // by the square root of tokens
	var far []string
	for k, row := range r.LogProbs.Brief().AllOf(p0.Name) {
		response, _ := responses(k.PromptID)
		if raw, said := r.Raw(row), response.LogProb; raw.Valid() && said.Valid() && row.Tokens > 0 {
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
