package dataset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func promptsUpTo(n int) []Prompt {
	out := make([]Prompt, n)
	for i := range out {
		out[i] = Prompt{ID: fmt.Sprintf("id%d", i), Text: fmt.Sprint(i)}
	}
	return out
}

func sampleIDs(t *testing.T, prompts []Prompt, n int, seed uint64) []string {
	t.Helper()
	got, err := SamplePrompts(prompts, n, seed)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(got))
	for i, p := range got {
		ids[i] = p.ID
		if p.Text != strings.TrimPrefix(p.ID, "id") {
			t.Errorf("prompt %s has the text of another, %s", p.ID, p.Text)
		}
	}
	if !slices.IsSorted(ids) {
		t.Errorf("not sorted: %v", ids)
	}
	return ids
}

func TestSampleNestedAndOrderFree(t *testing.T) {
	prompts := promptsUpTo(1000)
	hundred := sampleIDs(t, prompts, 100, 42)
	if len(hundred) != 100 || slices.Equal(hundred, sampleIDs(t, prompts, 100, 43)) {
		t.Errorf("%d prompts, or the seed does not matter", len(hundred))
	}
	twoHundred := sampleIDs(t, prompts, 200, 42)
	for _, id := range hundred {
		if _, ok := slices.BinarySearch(twoHundred, id); !ok {
			t.Errorf("%s is in the sample of 100 and not in that of 200", id)
		}
	}
	shuffled := slices.Clone(prompts)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) {
		shuffled[i], shuffled[j] = shuffled[j],
			shuffled[i]
	})
	before := slices.Clone(shuffled)
	if diff := cmp.Diff(hundred, sampleIDs(t, shuffled, 100, 42)); diff != "" {
		t.Errorf("the order of rows matters: %s", diff)
	}
	if diff := cmp.Diff(before, shuffled); diff != "" {
		t.Errorf("the argument was changed: %s", diff)
	}
	// A new prompt takes at most one place.
	more := append(slices.Clone(prompts), Prompt{ID: "idnew", Text: "new"})
	kept := 0
	for _, id := range sampleIDs(t, more, 100, 42) {
		if slices.Contains(hundred, id) {
			kept++
		}
	}
	if kept < 99 {
		t.Errorf("one more prompt changed %d places", 100-kept)
	}
}

// TestSampleIsPinned keeps the documented formula: the ranks were computed apart
// from this code, with Python's hashlib.
func TestSampleIsPinned(t *testing.T) {
	rows := []struct {
		seed uint64
		id   string
		want uint64
	}{
		{42, "id0", 0x4723adeadf7a07bf},
		{1<<64 - 1, "é", 0x358fd730f8051f1c},
	}
	for _, row := range rows {
		if got := sampleRank(row.seed, row.id); got != row.want {
			t.Errorf("rank of %q under seed %d is %#x, want %#x", row.id, row.seed, got, row.want)
		}
	}
}

// TestSampleIsUniform draws 10 of 100 under 2,000 seeds. Each id is expected 200
// times; chi-squared with 99 degrees of freedom, scaled for drawing without
// replacement, exceeds 149 once in a thousand. The seeds are fixed, so the test
// either always passes or never.
func TestSampleIsUniform(t *testing.T) {
	prompts := promptsUpTo(100)
	count := make(map[string]float64)
	for seed := range uint64(2000) {
		for _, id := range sampleIDs(t, prompts, 10, seed) {
			count[id]++
		}
	}
	var chi2 float64
	for _, p := range prompts {
		d := count[p.ID] - 200
		chi2 += d * d / (200 * 0.9) * 99 / 100
	}
	if chi2 > 149 {
		t.Errorf("chi-squared %.1f", chi2)
	}
}

func TestSampleErrors(t *testing.T) {
	prompts := promptsUpTo(5)
	if got := sampleIDs(t, prompts, 5, 1); len(got) != 5 {
		t.Errorf("all of them are %d", len(got))
	}
	if got := sampleIDs(t, prompts, 0, 1); len(got) != 0 {
		t.Errorf("none of them are %d", len(got))
	}
	for _, n := range []int{6, -1} {
		if _, err := SamplePrompts(prompts, n, 1); err == nil || !strings.Contains(err.Error(), "there are 5") {
			t.Errorf("n = %d: %v, want an error that says how many there are", n, err)
		}
	}
	twice := append(prompts, prompts[2])
	if _, err := SamplePrompts(twice, 1, 1); !errors.Is(err, ErrDuplicateID) || !strings.Contains(err.Error(), `"id2"`) {
		t.Errorf("%v, want ErrDuplicateID and the id", err)
	}
}
