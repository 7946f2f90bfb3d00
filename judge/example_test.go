package judge_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

// canned stands for a *providers.Client: it gives these replies in turn.
type canned struct {
	replies []string
	next    int
}

func (c *canned) Generate(context.Context, providers.GenerateRequest) (providers.Generation, error) {
	text := c.replies[c.next%len(c.replies)]
	c.next++
	return providers.Generation{Text: text, FinishReason: "stop"}, nil
}

var (
	prompt = dataset.Prompt{ID: "p1", Text: "What is the capital of France?"}
	key    = dataset.Key{PromptID: "p1", Policy: "p0"}
	tag    = providers.Tag{Stage: "judge", Key: key.String(), Policy: key.Policy}
)

// One reading has no variance of its own: 0 is what reading again would give.
func ExampleNewDeterministic() {
	s, err := judge.NewDeterministic(judge.Config{
		Name:      "gpt-4o-mini",
		Generator: &canned{replies: []string{`{"reason": "Right and complete.", "score": 96}`}},
		Model:     "gpt-4o-mini",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	score, err := s.Score(context.Background(), tag, prompt, "Paris.")
	fmt.Println(score.Mean, score.Variance, score.Source, err)
	// Output:
	// 0.96 0 deterministic <nil>
}

// Three readings at temperature 0.7 have a mean and a variance of that mean.
func ExampleNewRepeated() {
	s, err := judge.NewRepeated(judge.Config{
		Name: "gpt-4o-mini x3",
		Generator: &canned{replies: []string{
			`{"reason": "Right.", "score": 90}`, `{"reason": "Right, but terse.", "score": 80}`, `{"reason": "Fine.", "score": 85}`,
		}},
		Model: "gpt-4o-mini",
		Draws: 3,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	score, err := s.Score(context.Background(), tag, prompt, "Paris.")
	fmt.Printf("%.2f %.6f %s %v %v\n", score.Mean, score.Variance, score.Source, score.Readings, err)
	// Output:
	// 0.85 0.000833 repeated [0.9 0.8 0.85] <nil>
}

// An interval that does not contain its own score is not widened: the response
// is unscored.
func ExampleNewInterval() {
	s, err := judge.NewInterval(judge.Config{
		Name: "gpt-4o-mini ci",
		Generator: &canned{replies: []string{
			`{"reason": "Right.", "score": 90, "lower": 75, "upper": 98}`,
			`{"reason": "Right.", "score": 90, "lower": 30, "upper": 60}`,
		}},
		Model: "gpt-4o-mini",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	score, err := s.Score(context.Background(), tag, prompt, "Paris.")
	fmt.Printf("%.2f %.5f %s %v\n", score.Mean, score.Variance, score.Source, err)

	_, err = s.Score(context.Background(), tag, prompt, "Paris.")
	var unscored *judge.UnscoredError
	if errors.As(err, &unscored) {
		fmt.Println(unscored.Reason+":", unscored.Err)
	}
	// Output:
	// 0.90 0.00344 interval <nil>
	// unparsable: score 0.9 is not inside its own interval [0.3, 0.6]
}

// A record holds a value or an error, never a number that stands for one.
func ExampleRecord() {
	s, err := judge.NewDeterministic(judge.Config{
		Name: "gpt-4o-mini", Generator: &canned{replies: []string{"I would say 9 out of 10."}}, Model: "gpt-4o-mini",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	score, err := s.Score(context.Background(), tag, prompt, "Paris.")
	r := judge.Record(key, "0123456789abcdef", s, score, err)
	fmt.Println(r.Key(), r.Mean.Valid(), r.Error.Class)
	// Output:
	// p1/p0/0 false unparsable
}
