package sim

import (
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// VLLMConfig is how the vLLM form is started.
type VLLMConfig struct {
	// LogProbs is --logprobs-mode; "" is RawLogProbs.
	LogProbs LogProbsMode
	// RepetitionPenalty is what the model's generation_config sets where a request does not;
	// 0 sets none. The tokens of prompt and response that occurred before have their
	// probability raised to this power.
	RepetitionPenalty float64
}

// LogProbsMode says what vLLM returns as log-probs (config/model.py, LogprobsMode). Those of
// a given text are the model's own in either log-prob mode, and logits in either other one.
type LogProbsMode string

// The modes.
const (
	RawLogProbs       LogProbsMode = "raw_logprobs"       // the model's own
	ProcessedLogProbs LogProbsMode = "processed_logprobs" // of the distribution drawn from
	RawLogits         LogProbsMode = "raw_logits"         // logits in their place
	ProcessedLogits   LogProbsMode = "processed_logits"
)

func (c VLLMConfig) validate() error {
	modes := []LogProbsMode{"", RawLogProbs, ProcessedLogProbs, RawLogits, ProcessedLogits}
	if !slices.Contains(modes, c.LogProbs) {
		return fmt.Errorf("VLLM.LogProbs %q: there is no such mode", c.LogProbs)
	}
	if !(c.RepetitionPenalty >= 0 && c.RepetitionPenalty <= 2) {
		return fmt.Errorf("VLLM.RepetitionPenalty %v: want 0 to 2", c.RepetitionPenalty)
	}
	return nil
}

// logitShift is how far the logits of this model lie above its log-probs.
const logitShift = 12.5

func (m LogProbsMode) logits() bool { return m == RawLogits || m == ProcessedLogits }

// generated makes the values of a generated token those of the mode. Its alternatives stay
// the model's own, if they are log-probs. Of a greedy token the processed value is taken
// before the temperature (v1/sample/sampler.py, all_greedy).
func (m LogProbsMode) generated(e *entry, penalised, temperature float64) {
	if m == ProcessedLogProbs || m == ProcessedLogits {
		if e.logprob = e.sampling; temperature == 0 {
			e.logprob = penalised
		}
	}
	m.given(e)
}

// given does so for a token of the prompt.
func (m LogProbsMode) given(e *entry) {
	if !m.logits() {
		return
	}
	e.logprob += logitShift
	e.top = slices.Clone(e.top)
	for i := range e.top {
		e.top[i] = langmodel.Candidate{ID: e.top[i].ID, LogProb: e.top[i].LogProb + logitShift}
	}
}

// started sets what the engine was started with in a task.
func (c VLLMConfig) started(t *task, r *request) {
	t.mode, t.penalty = c.LogProbs, c.RepetitionPenalty
	if r.RepetitionPenalty != nil {
		t.penalty = *r.RepetitionPenalty
	}
}
