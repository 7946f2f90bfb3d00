package engine

import (
	"context"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// countingScorer answers every text with two tokens and counts the calls.
type countingScorer struct{ calls int }

func (c *countingScorer) ScorePrompt(_ context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	c.calls++
	return providers.PromptScore{Text: req.Prompt, Tokens: []providers.Token{
		{Text: "a", Bytes: []byte("a"), ID: 3, Offset: 0},
		{Text: "\uFFFD", Bytes: []byte{0xe2}, ID: 4, Offset: 1, LogProb: dataset.Known(-0.25)},
	}}, nil
}

func TestEchoesSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	key := dataset.Key{PromptID: "q", Policy: "p0"}
	context := providers.ScoreRequest{Tag: providers.Tag{Stage: record.StageLogProbs, Key: key, Call: "context"},
		Prompt: "text"}
	joint := context
	joint.Tag.Call, joint.Prompt = "joint", "text and more"
	other := context
	other.Prompt = "another text"

	// start opens the folder anew, as after a kill, and asks for the requests.
	start := func(after *dataset.LogProb, requests ...providers.ScoreRequest) (calls int, last providers.PromptScore) {
		s, err := openStore(dir, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		defer s.j.Close()
		scorer := &countingScorer{}
		s.echoes.scorer = scorer
		for _, req := range requests {
			if last, err = s.echoes.ScorePrompt(ctx, req); err != nil {
				t.Fatal(err)
			}
		}
		if after != nil {
			if err := s.putLogProb(*after); err != nil {
				t.Fatal(err)
			}
		}
		return scorer.calls, last
	}
	_, want := start(nil, context)
	calls, got := start(nil, context)
	if calls != 0 {
		t.Error("the context was asked for again after the kill")
	}
	equalNaN := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if d := cmp.Diff(want, got, equalNaN); d != "" {
		t.Errorf("the journal's echo differs (-want +got):\n%s", d)
	}
	if calls, _ := start(nil, joint); calls != 1 {
		t.Error("only contexts are kept")
	}
	if calls, _ := start(nil, other); calls != 1 {
		t.Error("an echo stood for another text")
	}
	if calls, _ := start(nil, other, other, other); calls != 2 {
		t.Errorf("what a start asks for three times was asked %d times beyond what is on file, want 2", calls)
	}
	// A pair that failed may have failed for its context's echo.
	failed := dataset.LogProb{PromptID: "q", Policy: "p0",
		Error: &dataset.RecordError{Class: "missing_logprob", Message: "m"}}
	start(&failed)
	if calls, _ := start(nil, context); calls != 1 {
		t.Error("the echo of a failed pair was used again")
	}
}
