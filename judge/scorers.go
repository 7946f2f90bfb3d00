package judge

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/grading"
	"github.com/reweigh/reweigh/providers"
)

// DefaultRubric grades overall quality. {{min}} and {{max}} stand for the ends
// of the scale.
//
//go:embed rubric.txt
var DefaultRubric string

//go:embed interval.txt
var intervalRubric string

// Scale is the range of whole numbers that the model grades on. It is declared
// here, told to the model, and never guessed: Min maps to 0, Max to 1, and a
// value outside is an error. The zero Scale is 0 to 100.
type Scale struct{ Min, Max int }

// Config makes a scorer.
type Config struct {
	// Name is the first part of the identity. Required.
	Name string
	// Generator asks the model. Required.
	Generator Generator
	// Model is the model's name as the generator's provider spells it. Required.
	// A judge of the logging policy's own model prefers its own answers.
	Model string
	// Rubric is the system prompt, in which {{min}} and {{max}} stand for the
	// ends of the scale; empty means DefaultRubric. How material is marked and
	// what form the reply has is added to it.
	Rubric string
	// Scale is what the model grades on; zero means 0 to 100.
	Scale Scale
	// MaxTokens limits a reply; 0 means 200.
	MaxTokens int
	// MaxMaterial is the largest conversation and response, together and in
	// bytes, that is sent to the model; 0 means 100,000. What is longer is
	// unscored, and never cut.
	MaxMaterial int
	// Draws is the number of readings of a [Repeated], at least 2; 0 means 5.
	// It must be 0 for other scorers.
	Draws int
	// Alternatives is how many tokens a [Tokens] judge sees at the score's
	// place, at most 20; 0 means 20. It must be 0 for other scorers.
	Alternatives int
}

// The readings of a Repeated.
const (
	defaultDraws    = 5
	drawTemperature = 0.7
)

// task checks c and returns what its scorer asks.
func (c Config) task(kind string, fields ...string) (grading.Task, error) {
	if c.Rubric == "" {
		c.Rubric = DefaultRubric
	}
	t := grading.Task{
		Kind: kind + " judge", Name: c.Name, Model: c.Model, Rubric: c.Rubric,
		Min: c.Scale.Min, Max: c.Scale.Max, Fields: fields, MaxTokens: c.MaxTokens, Draws: 1,
		MaxMaterial: c.MaxMaterial,
	}
	err := func() error {
		switch {
		case c.Generator == nil:
			return errors.New("no Generator to ask the model with")
		case kind != SourceRepeated && c.Draws != 0:
			return fmt.Errorf("this judge reads once, not %d times: leave Draws at 0 or use NewRepeated", c.Draws)
		case kind != SourceTokens && c.Alternatives != 0:
			return errors.New("this judge reads no log-probs: leave Alternatives at 0 or use NewTokens")
		case kind == SourceRepeated && (c.Draws < 0 || c.Draws == 1):
			return fmt.Errorf("want Draws of 2 or more, or 0 for %d, not %d: one reading has no variance", defaultDraws, c.Draws)
		}
		var err error
		t, err = t.WithDefaults()
		return err
	}()
	if err != nil {
		return t, fmt.Errorf("judge: new %s judge %q: %w", kind, c.Name, err)
	}
	return t, nil
}

// reader asks one task's question.
type reader struct{ asker *grading.Asker }

func newReader(g Generator, t grading.Task) reader { return reader{grading.NewAsker(g, t)} }

// Identity returns the judge's name and the hash of its configuration.
func (r reader) Identity() string { return r.asker.Identity() }

// read returns the fields of one reply, each in [0, 1].
func (r reader) read(ctx context.Context, tag providers.Tag, seed *int64, prompt dataset.Prompt, response string) (grading.Answer, error) {
	a, err := r.asker.Ask(ctx, tag, seed, prompt, response)
	var failure *grading.Failure
	switch {
	case errors.As(err, &failure):
		return a, r.unscored(tag, failure.Reason, failure.Reply, failure.Err)
	case err != nil:
		return a, fmt.Errorf("judge: %s [%s]: %w", r.Identity(), tag.Key, err)
	}
	return a, nil
}

func (r reader) unscored(tag providers.Tag, reason, reply string, err error) *UnscoredError {
	return &UnscoredError{Judge: r.Identity(), Key: tag.Key.String(), Reason: reason, Reply: reply, Err: err}
}

// Deterministic reads a response once, at temperature 0. Its variance of 0 is
// that of reading again; it says nothing about error.
type Deterministic struct{ reader }

// NewDeterministic returns a judge that reads once. It is an error if a required
// field of c is missing or another is out of range.
func NewDeterministic(c Config) (*Deterministic, error) {
	t, err := c.task(SourceDeterministic, "score")
	if err != nil {
		return nil, err
	}
	return &Deterministic{newReader(c.Generator, t)}, nil
}

// Score implements [Scorer] with one call.
func (d *Deterministic) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (Score, error) {
	a, err := d.read(ctx, tag, nil, prompt, response)
	if err != nil {
		return Score{}, err
	}
	return Score{Mean: dataset.Known(a.Grades[0]), Variance: dataset.Known(0), Source: SourceDeterministic, Repaired: a.Repaired}, nil
}

// Repeated reads a response k times at temperature 0.7 and gives the mean m of
// the readings x_j, with the unbiased estimate of that mean's variance:
//
//	m = Σ x_j / k,   Variance = Σ (x_j - m)² / (k-1) / k
//
// Of a few readings that is itself uncertain: [Shrink] draws the variances of
// many responses together.
//
// The j-th reading's seed is a hash of the judge's identity, the record's key
// and j, so that a run made again asks for the same draws.
type Repeated struct {
	reader
	draws int
}

// NewRepeated returns a judge that reads c.Draws times. It is an error if a
// required field of c is missing or another is out of range.
func NewRepeated(c Config) (*Repeated, error) {
	t, err := c.task(SourceRepeated, "score")
	if err != nil {
		return nil, err
	}
	t.Temperature = drawTemperature
	if t.Draws = c.Draws; t.Draws == 0 {
		t.Draws = defaultDraws
	}
	return &Repeated{newReader(c.Generator, t), t.Draws}, nil
}

// Score implements [Scorer] with one call for each reading, one after the other.
// The calls' tags differ in Call: "draw0", "draw1", … If one reading gives no
// score the response has none.
func (r *Repeated) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (Score, error) {
	var s Score
	for j := range r.draws {
		seed := r.seed(tag.Key.String(), j)
		a, err := r.read(ctx, within(tag, "draw"+strconv.Itoa(j)), &seed, prompt, response)
		if err != nil {
			return Score{}, fmt.Errorf("reading %d of %d: %w", j+1, r.draws, err)
		}
		s.Readings = append(s.Readings, a.Grades[0])
		s.Repaired = s.Repaired || a.Repaired
	}
	mean, variance := moments(s.Readings)
	s.Mean, s.Variance, s.Source = dataset.Known(mean), dataset.Known(variance/float64(r.draws)), SourceRepeated
	return s, nil
}

// within names a part of a call.
func within(tag providers.Tag, part string) providers.Tag {
	if tag.Call != "" {
		part = tag.Call + "/" + part
	}
	tag.Call = part
	return tag
}

// moments returns the mean of x and the unbiased estimate of its variance, by
// n-1: NaN for a single value.
func moments(x []float64) (mean, variance float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v
	}
	mean /= n
	for _, v := range x {
		variance += (v - mean) * (v - mean) / (n - 1)
	}
	return mean, variance
}

// seed has 31 bits: some servers take no more.
func (r *Repeated) seed(key string, draw int) int64 {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d", r.Identity(), key, draw)
	return int64(binary.BigEndian.Uint32(h.Sum(nil)) >> 1)
}

// Interval reads a response once, at temperature 0, and asks the model for an
// interval that it is 95% sure of. With its width u - l on the scale of [0, 1],
//
//	Variance = ((u - l) / 3.92)²
//
// as if the opinion were normal. Models are overconfident: the figure is what was
// stated, and [Uncertainty] takes it as a feature, whose worth the oracle's
// labels decide. An interval whose ends are reversed, or that
// does not contain the score, makes the reply unparsable; it is never widened.
type Interval struct{ reader }

// NewInterval returns a judge that reports its own interval. It is an error if a
// required field of c is missing or another is out of range.
func NewInterval(c Config) (*Interval, error) {
	if c.Rubric == "" {
		c.Rubric = DefaultRubric
	}
	c.Rubric += "\n" + intervalRubric
	t, err := c.task(SourceInterval, "score", "lower", "upper")
	if err != nil {
		return nil, err
	}
	return &Interval{newReader(c.Generator, t)}, nil
}

// Score implements [Scorer] with one call.
func (i *Interval) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (Score, error) {
	a, err := i.read(ctx, tag, nil, prompt, response)
	if err != nil {
		return Score{}, err
	}
	score, lower, upper := a.Grades[0], a.Grades[1], a.Grades[2]
	if !(lower <= score && score <= upper) {
		return Score{}, i.unscored(tag, ReasonUnparsable, "",
			fmt.Errorf("score %v is not inside its own interval [%v, %v]", score, lower, upper))
	}
	sd := (upper - lower) / 3.92
	return Score{Mean: dataset.Known(score), Variance: dataset.Known(sd * sd), Source: SourceInterval, Repaired: a.Repaired}, nil
}
