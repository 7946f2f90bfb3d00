package judge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Tokens reads a response once, at temperature 0, and looks at what the model
// would have written in the score's place: with p_v the probability of the
// token that writes the value v, over the M values seen there,
//
//	Mean = Σ p_v v / Σ p_v,   Variance = Σ p_v (v - Mean)² / Σ p_v
//
// The mean moves where a single score would stay tied. The variance is the
// model's own doubt about the score, which asking again would not reduce;
// [Uncertainty] takes it as a feature.
//
// The place is that of "score" in the reply's object, found by parsing it: a
// number in the reasoning is not looked at. Where log-probs are missing, where
// the score is not one token, or where Σ p_v is below 0.9, the response is
// unscored: the number that was written is never taken in their stead.
//
// Source: Liu et al., "G-Eval" (arXiv 2303.16634), for the weighting.
type Tokens struct{ reader }

// minMass is the probability that the values of the scale must have together.
const minMass = 0.9

// maxAlternatives is as many as any service gives.
const maxAlternatives = 20

// NewTokens returns a judge that reads the score's distribution. Its scale is 0
// to 9 by default, and must have numbers of equally many digits, none negative:
// else the token "1" could be the beginning of "10". It is an error if a
// required field of c is missing or another is out of range.
func NewTokens(c Config) (*Tokens, error) {
	if (c.Scale == Scale{}) {
		c.Scale = Scale{0, 9}
	}
	if c.Alternatives == 0 {
		c.Alternatives = maxAlternatives
	}
	t, err := c.task(SourceTokens, "score")
	if err != nil {
		return nil, err
	}
	var problem error
	switch {
	case c.Alternatives < 2 || c.Alternatives > maxAlternatives:
		problem = fmt.Errorf("want 2 to %d Alternatives, not %d", maxAlternatives, c.Alternatives)
	case t.Min < 0 || len(strconv.Itoa(t.Min)) != len(strconv.Itoa(t.Max)):
		problem = fmt.Errorf("scale %d to %d: want numbers of equally many digits, as 0 to 9 or 1 to 5: else one may begin another", t.Min, t.Max)
	}
	if problem != nil {
		return nil, fmt.Errorf("judge: new %s judge %q: %w", SourceTokens, c.Name, problem)
	}
	t.Top = c.Alternatives
	return &Tokens{newReader(c.Generator, t)}, nil
}

// Score implements [Scorer] with one call.
func (k *Tokens) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (Score, error) {
	a, err := k.read(ctx, tag, nil, prompt, response)
	if err != nil {
		return Score{}, err
	}
	d, err := k.asker.Distribution(a)
	if err != nil {
		return Score{}, k.unscored(tag, ReasonNoLogProbs, a.Reply.Text, err)
	}
	var mass, mean, variance float64
	for _, v := range d {
		mass += v.Prob
		mean += v.Prob * v.Unit
	}
	if !(mass >= minMass) {
		return Score{}, k.unscored(tag, ReasonLowMass, a.Reply.Text,
			fmt.Errorf("the scale's numbers have a probability of %.3f together among the %d tokens seen, want %v", mass, k.asker.Top, minMass))
	}
	if mass > 1+1e-6 {
		return Score{}, k.unscored(tag, ReasonNoLogProbs, a.Reply.Text, errors.New("the probabilities add up to more than 1"))
	}
	mean /= mass
	for _, v := range d {
		variance += v.Prob * (v.Unit - mean) * (v.Unit - mean) / mass
	}
	// Rounding must not put a certain judge off the scale.
	return Score{Mean: dataset.Known(math.Min(math.Max(mean, 0), 1)), Variance: dataset.Known(variance), Source: SourceTokens}, nil
}
