package grading

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/reweigh/reweigh/providers"
)

// Value is one value of the scale and its probability.
type Value struct {
	Unit float64 // the value, mapped to [0, 1]
	Prob float64
}

// Distribution returns the probability of each value of the scale in the place of
// the answer's first field, as far as the server shows them, in the order of the
// scale. It is an error if the reply holds no object, its
// log-probs are missing or do not spell it, or its value is not a token by
// itself.
func (t Task) Distribution(a Answer) ([]Value, error) {
	if a.at == nil {
		return nil, errors.New("the grade does not stand in an object, so its place is not certain")
	}
	token, err := tokenAt(a.Reply, a.at[0])
	if err != nil {
		return nil, err
	}
	values := make([]float64, t.Max-t.Min+1)
	add := func(text string, logprob float64) error {
		v, err := t.grade(strings.TrimSpace(text))
		if err != nil {
			return nil // not a number of the scale
		}
		if !(logprob <= 1e-6) {
			return fmt.Errorf("the log-prob of %q is %v", text, logprob)
		}
		values[v-t.Min] += math.Exp(logprob)
		return nil
	}
	if len(token.Top) == 0 {
		return nil, errors.New("no alternatives to the score's token")
	}
	seen := false
	for _, alt := range token.Top {
		seen = seen || alt.Text == token.Text
		if err := add(alt.Text, alt.LogProb.OrNaN()); err != nil {
			return nil, err
		}
	}
	if !seen { // what was written may not be among the alternatives shown
		if err := add(token.Text, token.LogProb.OrNaN()); err != nil {
			return nil, err
		}
	}
	var out []Value
	for i, p := range values {
		if p > 0 {
			out = append(out, Value{t.unit(t.Min + i), p})
		}
	}
	return out, nil
}

// tokenAt returns the token that is the text at a span, white space aside.
func tokenAt(g providers.Generation, at span) (providers.Token, error) {
	if len(g.Tokens) == 0 {
		return providers.Token{}, errors.New("the reply has no log-probs")
	}
	from := 0
	for _, tok := range g.Tokens {
		text := tok.Text
		if tok.Bytes != nil {
			text = string(tok.Bytes)
		}
		if !strings.HasPrefix(g.Text[from:], text) {
			return tok, fmt.Errorf("token %q is not what the reply has at byte %d", text, from)
		}
		to := from + len(text)
		if to <= at.from {
			from = to
			continue
		}
		if strings.TrimSpace(text) != g.Text[at.from:at.to] {
			return tok, fmt.Errorf("the score %q is not one token: %q stands in its place", g.Text[at.from:at.to], text)
		}
		return tok, nil
	}
	return providers.Token{}, errors.New("the log-probs end before the score")
}
