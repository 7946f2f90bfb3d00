package teacherforce

import (
	"slices"

	"github.com/reweigh/reweigh/providers"
)

// ShortTokens is up to how many tokens a response may have that is certain: every
// token exactly 0. Among 5,000 values of a real endpoint 9 were 0.0 and right, of
// answers with 19 characters on average: a word repeated after the user, a number.
const ShortTokens = 12

const (
	// zeroRun is a run of tokens of exactly 0 that asks for a look. A token of
	// probability above 1 - 6e-8 is 0 in single precision, and in a memorised
	// passage several in a row are.
	zeroRun = 24
	// bytesPerToken bounds the text that tokens stand for on average: the longest
	// tokens of real vocabularies, runs of spaces or dashes, have 128 bytes, and
	// words of one language have 2 to 8.
	bytesPerToken = 40
)

// anomalies looks at a response's log-probs for what each of them hides by
// itself. That methods disagree, that a value is positive, infinite or null was
// seen before.
func anomalies(pair Pair, values []float64) []Flag {
	var flags []Flag
	run, longest := 0, 0
	for _, v := range values {
		if v != 0 {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	switch {
	case longest == len(values) && (longest > ShortTokens || zeros(pair.ContextEcho.Tokens)):
		flags = append(flags, FlagZero)
	case longest == len(values):
		flags = append(flags, FlagCertain)
	case longest >= zeroRun:
		flags = append(flags, FlagZeroRun)
	}
	if slices.ContainsFunc(pair.JointEcho.Tokens, func(t providers.Token) bool { return massOf(t) > massLimit }) {
		flags = append(flags, FlagMass)
	}
	n, text := len(values), len(pair.Joint)-len(pair.Context)-len(pair.EndOfTurn)
	if pair.EndOfTurn != "" {
		n--
	}
	if n > text && pair.Sampled == nil || text > bytesPerToken*n && text > 2*bytesPerToken {
		flags = append(flags, FlagTokenCount)
	}
	return flags
}

// zeros reports whether a context of more than a few tokens has log-prob 0
// throughout: no model is certain of what a user writes. The first token has no
// log-prob.
func zeros(tokens []providers.Token) bool {
	if len(tokens) < 5 {
		return false
	}
	for _, t := range tokens[1:] {
		if t.LogProb.OrNaN() != 0 {
			return false
		}
	}
	return true
}
