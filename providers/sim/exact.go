package sim

import (
	"slices"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// Exact returns the log-probability, in nats, of responseIDs after contextIDs
// under the model: the sum of the conditional log-probs of every token of the
// response. An end-of-turn token counts where it is among them. It panics on a
// model that the server does not have.
func Exact(model string, contextIDs, responseIDs []int) float64 {
	lps := mustModel(model).LogProbs(slices.Concat(contextIDs, responseIDs))
	var sum float64
	for _, lp := range lps[len(contextIDs):] {
		sum += lp
	}
	return sum
}

// ExactText is [Exact] for text: the canonical tokens of response after those
// of context, and the end-of-turn token where the response ended. Special-token
// text stands for the token in context, where a template put it, and is
// ordinary text in response, which a model wrote.
func ExactText(model, context, response string, ended bool) float64 {
	tok := mustModel(model).Tokenizer()
	ids := tok.EncodeOrdinary(response)
	if ended {
		ids = append(slices.Clone(ids), endOfTurnID())
	}
	return Exact(model, tok.Encode(context), ids)
}

// VocabularySize is how many tokens the models of the simulator can emit: more than any of them
// does.
func VocabularySize() int { return vocabulary().Size() }

func mustModel(name string) *langmodel.Model {
	m, ok := findModel(name)
	if !ok {
		panic("sim: no model " + name)
	}
	return m.lm()
}
