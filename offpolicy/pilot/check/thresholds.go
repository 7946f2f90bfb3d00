package check

import (
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce"
)

// Thresholds are the figures that checks compare with, in one place. Start from
// [DefaultThresholds]; a zero field is a threshold of zero, not a default.
type Thresholds struct {
	// MissingPass and MissingHold bound the share of records of one policy
	// that may have no value: at most MissingPass passes, at most MissingHold
	// holds, more fails.
	MissingPass, MissingHold float64
	// IdenticalResponses is the share of prompts on which two policies may
	// answer in the same words.
	IdenticalResponses float64
	// ShortTokens is the length, in tokens, up to which a log-prob of exactly 0
	// can be right: a certain one-word answer.
	ShortTokens int
	// MeanLow and MeanHigh bound a policy's median per-token log-prob of the
	// logged responses, in nats; RowLow bounds that of a single response.
	MeanLow, MeanHigh, RowLow float64
	// MethodShare is the share of rows that each teacher-forcing method must
	// answer under every policy.
	MethodShare float64
	// AgreementNats and AgreementPerToken bound the spread of the methods on
	// one row: AgreementNats + AgreementPerToken·tokens.
	AgreementNats, AgreementPerToken float64
	// GenerationPass is how far, in nats by the square root of its tokens, the echo of
	// P0's response may lie from what was said at generation, whatever the noise.
	GenerationPass float64
	// IdenticalNats is how close two log-probs are when they count as equal.
	IdenticalNats float64
	// LabelSpread is the least standard deviation of the oracle's labels;
	// LabelTies the largest share that one value may have.
	LabelSpread, LabelTies float64
	// CostPass and CostHold bound |actual/estimate - 1|.
	CostPass, CostHold float64
	// Truncated is the share of a policy's responses that max_tokens may cut.
	Truncated float64
	// EValueInfo and EValueFail are e-values against E[w] <= 1: from the first
	// on the excess is told, from the second on it convicts the log-probs.
	EValueInfo, EValueFail float64
	// TransportMargin is the largest mean residual, in the labels' unit, with
	// which a target counts as judged like P0.
	TransportMargin float64
	// BalanceZ is how many standard errors reweighted logs and fresh responses
	// may lie apart.
	BalanceZ float64
}

// DefaultThresholds returns the thresholds of the plan and, where it names
// none, those that the project simulated for a pilot of 100.
func DefaultThresholds() Thresholds {
	return Thresholds{
		MissingPass: 0.01, MissingHold: 0.05,
		IdenticalResponses: 0.5,
		ShortTokens:        teacherforce.ShortTokens,
		// A vocabulary of 200,000 gives ln V = 12.2 nats to pure noise; real
		// chat models on their own responses have medians of -0.05 to -1.
		MeanLow: -6, MeanHigh: -0.001, RowLow: -12,
		MethodShare:   0.5,
		AgreementNats: 0.05, AgreementPerToken: 0.01,
		GenerationPass: 0.05,
		IdenticalNats:  1e-9,
		LabelSpread:    0.02, LabelTies: 0.8,
		CostPass: 0.2, CostHold: 0.5,
		Truncated:  0.2,
		EValueInfo: 20, EValueFail: offpolicy.MaxEValue,
		TransportMargin: 0.05,
		BalanceZ:        3.29, // two-sided 0.1% of the normal
	}
}
