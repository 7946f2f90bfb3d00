package oracle

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
)

// batches answers requests by their key, and leaves out what it has no answer
// for.
type batches struct {
	replies map[string]string
	err     error
	got     []providers.GenerateRequest
	config  batch.Config
}

func (b *batches) Run(_ context.Context, c batch.Config,
	requests []providers.GenerateRequest) (map[providers.Tag]batch.Result, error) {
	b.got, b.config = requests, c
	out := map[providers.Tag]batch.Result{}
	for _, r := range requests {
		if text, ok := b.replies[r.Tag.Key.PromptID]; ok {
			out[r.Tag] = batch.Result{Generation: providers.Generation{Text: text, FinishReason: "stop"}}
			if text == "failed" {
				out[r.Tag] = batch.Result{Err: &providers.Error{Class: providers.ClassOverloaded}}
			}
		}
	}
	return out, b.err
}

func TestLabelBatch(t *testing.T) {
	l := labeler(t, judge.Config{Name: "o", Generator: says(""), Model: "gpt-4o", MaxMaterial: 40})
	stopped := errors.New("stopped")
	b := &batches{err: stopped, replies: map[string]string{"a": `{"reason":"x","label":85}`, "b": "nice", "c": "failed"}}
	item := func(id, response string) Item {
		key := dataset.Key{PromptID: id, Policy: "p0"}
		return Item{Tag: providers.Tag{Stage: "oracle", Key: key}, Prompt: prompt, Response: response}
	}
	items := []Item{item("d", "4"), item("c", "4"), item("long", strings.Repeat("4", 40)), item("b", "4"), item("a", "4")}
	out, err := l.LabelBatch(t.Context(), b, batch.Config{Run: "r"}, items)
	if !errors.Is(err, stopped) || len(out) != len(items) || len(b.got) != 4 || b.config.Run != "r" {
		t.Fatalf("%v, %v after %d requests", out, err, len(b.got))
	}
	var unscored *judge.UnscoredError
	var call *providers.Error
	if !errors.Is(out[0].Err, ErrUnfinished) || !strings.Contains(out[0].Err.Error(), "d/p0/0") {
		t.Errorf("no answer: %v", out[0].Err)
	}
	if !errors.As(out[1].Err, &call) || call.Class != providers.ClassOverloaded || errors.As(out[1].Err, &unscored) {
		t.Errorf("a failed line: %v", out[1].Err)
	}
	if !errors.As(out[2].Err, &unscored) || unscored.Reason != judge.ReasonTooLong {
		t.Errorf("too long: %v", out[2].Err)
	}
	if !errors.As(out[3].Err, &unscored) || unscored.Reason != judge.ReasonUnparsable || unscored.Key.PromptID != "b" {
		t.Errorf("unparsable: %v", out[3].Err)
	}
	if out[4].Err != nil || out[4].Label.OrNaN() != .85 {
		t.Errorf("labeled: %+v", out[4])
	}
	// A batch asks what Label asks.
	f := says(`{"reason":"x","label":85}`)
	one := labeler(t, judge.Config{Name: "o", Generator: f, Model: "gpt-4o", MaxMaterial: 40})
	if _, err := one.Label(t.Context(), items[4].Tag, prompt, "4"); err != nil {
		t.Fatal(err)
	}
	if got, want := b.got[3].Messages[1].Content, f.calls[0].Messages[1].Content; got != want {
		t.Errorf("the batch asks %q, a call %q", got, want)
	}
	b.got = nil
	if out, err := l.LabelBatch(t.Context(), b, batch.Config{}, items[2:3]); err != nil ||
		b.got != nil || out[0].Err == nil {
		t.Errorf("nothing to send: %v, %v", out, err)
	}
}
