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

// minMass is the probability that the values of the scale must have together.
const minMass = 0.9

// maxAlternatives is as many as any service gives.
const maxAlternatives = 20

// NewTokens returns a judge that reads a response once, at temperature 0, and
// looks at what the model might have written in the score's place: with p_v the
// probability of the token that writes the value v, over the values seen there,
//
//	Mean = Σ p_v v / Σ p_v,   Variance = Σ p_v (v - Mean)² / Σ p_v
//
// Such means differ where single scores would be tied. The variance is the
// model's own doubt about the score, which asking again would not reduce;
// [Uncertainty] takes it as a feature.
//
// The place is that of "score" in the reply's object, found by parsing the
// object: numbers in the reasoning are ignored. A response is unscored if its
// log-probs are missing, if the score is not one token, or if Σ p_v is below
// 0.9; the number that was written never takes their place.
//
// Alternatives is how many tokens the server shows at each place, 2 to 20; a
// service may allow fewer. The scale must have numbers of equally many digits,
// none negative: otherwise the token "1" could be the beginning of "10". It is an
// error if they are out of range, a required field of c is missing or another is
// out of range.
//
// Source: Liu et al., "G-Eval" (arXiv 2303.16634), for the weighting.
func NewTokens(c Config, alternatives int) (Scorer, error) {
	if (c.Scale == Scale{}) {
		c.Scale = Scale{0, 9}
	}
	t, err := c.task(SourceTokens, "score")
	if err != nil {
		return nil, err
	}
	var problem error
	switch {
	case alternatives < 2 || alternatives > maxAlternatives:
		problem = fmt.Errorf("want 2 to %d alternatives, not %d", maxAlternatives, alternatives)
	case t.Min < 0 || len(strconv.Itoa(t.Min)) != len(strconv.Itoa(t.Max)):
		problem = fmt.Errorf("scale %d to %d: want numbers of equally many digits, as 0 to 9 or 1 to 5", t.Min, t.Max)
	}
	if problem != nil {
		return nil, fmt.Errorf("judge: new %s judge %q: %w", SourceTokens, c.Name, problem)
	}
	t.Top = alternatives
	return tokensJudge{newReader(c, t)}, nil
}

type tokensJudge struct{ reader }

func (k tokensJudge) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (Score, error) {
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
			fmt.Errorf("among the %d tokens seen the scale's numbers have a probability of %.3f together, want %v",
				k.asker.Top, mass, minMass))
	}
	if mass > 1+1e-6 {
		return Score{}, k.unscored(tag, ReasonNoLogProbs, a.Reply.Text,
			errors.New("the probabilities add up to more than 1"))
	}
	mean /= mass
	for _, v := range d {
		variance += v.Prob * (v.Unit - mean) * (v.Unit - mean) / mass
	}
	// Rounding must not put a certain judge off the scale.
	return Score{Mean: dataset.Known(math.Min(math.Max(mean, 0), 1)), Variance: dataset.Known(variance),
		Source: SourceTokens, Repaired: a.Repaired}, nil
}
