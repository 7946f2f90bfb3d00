package judge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
)

// generator is a plain function as a judge's Generator.
type generator func(providers.GenerateRequest) (providers.Generation, error)

func (g generator) Generate(_ context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	return g(req)
}

// Replies in the shapes that services send, each with its right reading: judges
// and oracles read them alike.
func TestRepliesFromTheField(t *testing.T) {
	f, err := os.Open(shareddata.File(t, "cases/replies/judge.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var c struct {
			Reply  string          `json:"reply"`
			Finish string          `json:"finish_reason"`
			Scale  [2]int          `json:"scale"`
			Want   json.RawMessage `json:"want"`
			Why    string          `json:"why"`
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		want := math.NaN()
		if string(c.Want) != `"unscored"` {
			if err := json.Unmarshal(c.Want, &want); err != nil {
				t.Fatal(err)
			}
		}
		check := func(who string, got float64, err error) {
			var unscored *judge.UnscoredError
			if math.IsNaN(want) && !errors.As(err, &unscored) || !math.IsNaN(want) && (err != nil || got != want) {
				t.Errorf("%s: %s: %q was read as %v, %v, want %v", who, c.Why, c.Reply, got, err, want)
			}
		}
		config := judge.Config{Name: "j", Model: "m", Scale: judge.Scale{Min: c.Scale[0], Max: c.Scale[1]}}
		config.Generator = generator(func(providers.GenerateRequest) (providers.Generation, error) {
			return providers.Generation{Text: c.Reply, FinishReason: c.Finish}, nil
		})
		s, err := judge.NewDeterministic(config)
		if err != nil {
			t.Fatal(err)
		}
		score, err := s.Score(t.Context(), tag, prompt, "Paris.")
		check("judge", score.Mean.OrNaN(), err)

		config.Generator = generator(func(providers.GenerateRequest) (providers.Generation, error) {
			return providers.Generation{Text: strings.ReplaceAll(c.Reply, `"score"`, `"label"`), FinishReason: c.Finish}, nil
		})
		o, err := oracle.NewLabeler(config)
		if err != nil {
			t.Fatal(err)
		}
		label, err := o.Label(t.Context(), tag, prompt, "Paris.")
		check("oracle", label, err)
	}
	if n == 0 {
		t.Error("no replies were read")
	}
}
