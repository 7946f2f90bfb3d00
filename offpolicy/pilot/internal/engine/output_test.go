package engine

import (
	"os"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// A file has every key that it should have once, in whatever order, and what was copied into it.
func TestCheckStored(t *testing.T) {
	r := &Run{}
	r.job.Dir = t.TempDir()
	path := r.job.path("responses.jsonl")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("what was written")
	d, err := digestOf(path)
	if err != nil {
		t.Fatal(err)
	}
	r.wrote = map[string]fileDigest{"responses.jsonl": d}
	check := func(have, want []string) []string {
		return r.checkStored("responses.jsonl", len(have),
			func(i int) dataset.Key { return dataset.Key{PromptID: have[i], Policy: "p"} },
			listed{len(want), func(i int) string { return want[i] + "/p/0" }})
	}
	for _, row := range []struct{ have, want, problems []string }{
		{[]string{"a", "b", "c"}, []string{"a", "b", "c"}, nil},
		{[]string{"b", "a", "c"}, []string{"a", "b", "c"}, nil},
		{[]string{"a", "c"}, []string{"a", "b", "c"}, []string{"responses.jsonl lacks b/p/0"}},
		{[]string{"a", "b"}, []string{"a", "b", "c"}, []string{"responses.jsonl lacks c/p/0"}},
		{[]string{"a", "a", "b"}, []string{"a", "b"}, []string{"responses.jsonl has a/p/0 twice or unasked"}},
		{[]string{"a", "z"}, []string{"a", "b"},
			[]string{"responses.jsonl lacks b/p/0", "responses.jsonl has z/p/0 twice or unasked"}},
		{nil, nil, nil},
	} {
		if got := check(row.have, row.want); !slices.Equal(got, row.problems) {
			t.Errorf("%v for %v: %q, want %q", row.have, row.want, got, row.problems)
		}
	}
	for _, other := range []string{"what was writtes", "what was", "what was written, and more", ""} {
		if write(other); len(check(nil, nil)) == 0 {
			t.Errorf("%q passes for what was written", other)
		}
	}
	os.Remove(path)
	if len(check(nil, nil)) == 0 {
		t.Error("no file passes for what was written")
	}
}
