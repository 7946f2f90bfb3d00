package engine

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

// What a prompt says of itself comes back as it was, type by type: a judge or an oracle may read it.
func TestTakeMetadata(t *testing.T) {
	given := func() []map[string]any {
		return []map[string]any{
			nil,
			{},
			{"": ""},
			{"language": "中文", "turn": 1.0, "anony": true, "toxic": false, "winner": nil, "tstamp": 1683420697.9174},
			{"language": "", "turn": math.Inf(-1), "long": string(make([]byte, 300)), "negative": math.Copysign(0, -1)},
			{"turn": 3, "language": "a whole number of Go's"},
			{"reference": []any{"x", 1.0}, "nested": map[string]any{"a": nil}},
		}
	}
	prompts := make([]dataset.Prompt, len(given()))
	for i, m := range given() {
		prompts[i] = dataset.Prompt{ID: string(rune('a' + i)), Text: "?", Metadata: m}
	}
	m := TakeMetadata(prompts)
	if len(m.kept) != 2 {
		t.Errorf("%d are kept as they are, want the 2 with types that JSON's scalars are not", len(m.kept))
	}
	j := Job{Prompts: prompts, Metadata: m}
	for i, want := range given() {
		if prompts[i].Metadata != nil {
			t.Errorf("prompt %d still has its map", i)
		}
		got := j.prompt(i)
		if diff := cmp.Diff(want, got.Metadata); diff != "" || (got.Metadata == nil) != (want == nil) {
			t.Errorf("prompt %d (-given +read):\n%s", i, diff)
		}
		if n, ok := got.Metadata["negative"].(float64); ok && !math.Signbit(n) {
			t.Error("-0 became 0")
		}
		if got.ID != prompts[i].ID || got.Text != "?" {
			t.Errorf("prompt %d is %+v", i, got)
		}
	}
	j.Metadata = nil // as a merge, which has them in the prompts
	j.Prompts[0].Metadata = map[string]any{"a": 1}
	if got := j.prompt(0).Metadata["a"]; got != 1 {
		t.Errorf("metadata that was not taken is %v", got)
	}
}

// A field of many values has some of them once and the rest with their prompts, and both are read
// alike.
func TestMetadataOfManyValues(t *testing.T) {
	prompts := make([]dataset.Prompt, 3*fewValues)
	language := []string{"English", "中文"}
	for i := range prompts {
		prompts[i].Metadata = map[string]any{"source_id": fmt.Sprint("id", i), "language": language[i%2]}
	}
	m := TakeMetadata(prompts)
	if n := len(m.values.list); n != fewValues+len(language) {
		t.Errorf("%d values are kept once, want the first %d and %d", n, fewValues, len(language))
	}
	for i := range prompts {
		want := map[string]any{"source_id": fmt.Sprint("id", i), "language": language[i%2]}
		if diff := cmp.Diff(want, m.at(i)); diff != "" {
			t.Fatalf("prompt %d (-given +read):\n%s", i, diff)
		}
	}
}

// Whoever changes what it read changes it for nobody else.
func TestMetadataIsOfTheReader(t *testing.T) {
	m := TakeMetadata([]dataset.Prompt{{ID: "a", Metadata: map[string]any{"language": "en"}}})
	m.at(0)["language"] = "fr"
	if got := m.at(0)["language"]; got != "en" {
		t.Errorf("language %v", got)
	}
}
