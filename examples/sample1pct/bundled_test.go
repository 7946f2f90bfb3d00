package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

// TestBundledMakesWhatIsAskedFor: a sample larger than a block of conversations has the
// smaller ones in it, no text twice, and the hash of the same input.
func TestBundledMakesWhatIsAskedFor(t *testing.T) {
	const size = 60
	opt := dataset.ReadOptions{ConversationLanguages: []string{"English"}}
	sampled := func(n int) *dataset.Ingest {
		t.Helper()
		got, err := sampleBundled(size, opt, dataset.SampleOptions{N: n, Seed: 42})
		if err != nil {
			t.Fatal(err)
		}
		dropped := 0
		for _, a := range got.Attrition {
			dropped += a.Dropped
		}
		if len(got.Prompts) != n || got.Eligible < n || got.Rows-dropped != got.Eligible {
			t.Fatalf("%d prompts: got %d of %d; %d rows less %d", n, len(got.Prompts), got.Eligible, got.Rows, dropped)
		}
		return got
	}
	whole, err := bundled(0, size).Sample(opt, dataset.SampleOptions{N: 20, Seed: 42})
	if err != nil {
		t.Fatal(err)
	}
	last := sampled(20)
	if d := cmp.Diff(whole.Prompts, last.Prompts); d != "" {
		t.Errorf("a sample of the first block (-of the source +got):\n%s", d)
	}
	for _, n := range []int{whole.Eligible, whole.Eligible + 1, 3 * whole.Eligible} {
		got := sampled(n)
		ids, texts := map[string]bool{}, map[string]bool{}
		for _, p := range got.Prompts {
			ids[p.ID], texts[sameText(p)] = true, true
		}
		if len(ids) != n || len(texts) != n {
			t.Errorf("%d prompts have %d ids and %d texts", n, len(ids), len(texts))
		}
		for _, p := range last.Prompts {
			if !ids[p.ID] {
				t.Errorf("%d prompts are without %s of the %d", n, p.ID, len(last.Prompts))
			}
		}
		if got.SHA256 != whole.SHA256 {
			t.Errorf("%d prompts are of another input", n)
		}
		last = got
	}
	opt.MinBytes = 1 << 20
	if _, err := sampleBundled(size, opt, dataset.SampleOptions{N: 1}); err == nil {
		t.Error("a prompt was found that no conversation has")
	}
}
