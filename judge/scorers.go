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
	// Draws is the number of readings of a [Repeated], at least 2; 0 means 5.
	// It must be 0 for other scorers.
	Draws int
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
	}
	err := func() error {
		switch {
		case c.Generator == nil:
			return errors.New("no Generator to ask the model with")
		case kind != SourceRepeated && c.Draws != 0:
			return fmt.Errorf("this judge reads once, not %d times: leave Draws at 0 or use NewRepeated", c.Draws)
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
type reader struct {
	generator Generator
	task      grading.Task
	identity  string
}

func newReader(g Generator, t grading.Task) reader { return reader{g, t, t.Identity()} }

// Identity returns the judge's name and the hash of its configuration.
func (r reader) Identity() string { return r.identity }

// read returns the fields of one reply, each in [0, 1].
func (r reader) read(ctx context.Context, tag providers.Tag, seed *int64, prompt dataset.Prompt, response string) ([]float64, error) {
	req := r.task.Request(tag, prompt, response)
	req.Seed = seed
	grades, err := r.task.Grades(r.generator.Generate(ctx, req))
	var failure *grading.Failure
	switch {
	case errors.As(err, &failure):
		return nil, r.unscored(tag, failure.Reason, failure.Reply, failure.Err)
	case err != nil:
		return nil, fmt.Errorf("judge: %s [%s]: %w", r.identity, tag.Key, err)
	}
	return grades, nil
}

func (r reader) unscored(tag providers.Tag, reason, reply string, err error) *UnscoredError {
	return &UnscoredError{Judge: r.identity, Key: tag.Key, Reason: reason, Reply: reply, Err: err}
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
	grades, err := d.read(ctx, tag, nil, prompt, response)
	if err != nil {
		return Score{}, err
	}
	return Score{Mean: grades[0], Variance: 0, Source: SourceDeterministic}, nil
}

// Repeated reads a response k times at temperature 0.7 and gives the mean m of
// the readings x_j, with the unbiased estimate of that mean's variance:
//
//	m = Σ x_j / k,   Variance = Σ (x_j - m)² / (k-1) / k
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
	s := Score{Source: SourceRepeated}
	call := tag.Call
	for j := range r.draws {
		tag.Call = "draw" + strconv.Itoa(j)
		if call != "" {
			tag.Call = call + "/" + tag.Call
		}
		seed := r.seed(tag.Key, j)
		grades, err := r.read(ctx, tag, &seed, prompt, response)
		if err != nil {
			return Score{}, fmt.Errorf("reading %d of %d: %w", j+1, r.draws, err)
		}
		s.Draws = append(s.Draws, grades[0])
		s.Mean += grades[0]
	}
	k := float64(r.draws)
	s.Mean /= k
	for _, x := range s.Draws {
		s.Variance += (x - s.Mean) * (x - s.Mean) / (k - 1) / k
	}
	return s, nil
}

// seed has 31 bits: some servers take no more.
func (r *Repeated) seed(key string, draw int) int64 {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d", r.identity, key, draw)
	return int64(binary.BigEndian.Uint32(h.Sum(nil)) >> 1)
}

// Interval reads a response once, at temperature 0, and asks the model for an
// interval that it is 95% sure of. With its width u - l on the scale of [0, 1],
//
//	Variance = ((u - l) / 3.92)²
//
// as if the opinion were normal. An interval whose ends are reversed, or that
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
	grades, err := i.read(ctx, tag, nil, prompt, response)
	if err != nil {
		return Score{}, err
	}
	score, lower, upper := grades[0], grades[1], grades[2]
	if !(lower <= score && score <= upper) {
		return Score{}, i.unscored(tag, ReasonUnparsable, "",
			fmt.Errorf("score %v is not inside its own interval [%v, %v]", score, lower, upper))
	}
	sd := (upper - lower) / 3.92
	return Score{Mean: score, Variance: sd * sd, Source: SourceInterval}, nil
}
