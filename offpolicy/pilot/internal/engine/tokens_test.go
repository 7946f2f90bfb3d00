package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Texts and lists of tokens are on the disk and in the outputs, and not in memory: also of
// a store that was opened again, of which the latest record of a key counts.
func TestTextsAndTokensStayOnDisk(t *testing.T) {
	dir := t.TempDir()
	r := &Run{job: Job{Dir: dir, Prompts: []dataset.Prompt{{ID: "q"}}}}
	open := func() {
		var err error
		if r.store, err = openStore(filepath.Join(dir, journalDir), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	open()
	text, k := "a <b> & c", dataset.Key{PromptID: "q", Policy: "p"}
	row := dataset.Response{PromptID: "q", Policy: "p", Text: &text, TokenIDs: []int{1, 2, 3}}
	lp := dataset.LogProb{PromptID: "q", Policy: "p", LogProb: dataset.Known(-1),
		TokenLogProbs: dataset.Floats{-2, 1, -3, -4},
		Methods: map[string]dataset.MethodResult{"b": {Status: "failed", Reason: "seam"},
			"a": {LogProb: dataset.Known(-1), Status: "ok"}}}
	for range 2 {
		if err := r.store.putResponse(row); err != nil {
			t.Fatal(err)
		}
		if err := r.store.putLogProb(lp); err != nil {
			t.Fatal(err)
		}
		row.TokenIDs = []int{4, 5}
	}
	write := func() error {
		return writeStored(r, "responses.jsonl", stored(r, &r.store.responses, func(h *response) int64 { return h.at }))
	}
	for range 2 {
		keys := &r.store.shared.keys
		if held := r.store.heldResponse(k).row(keys); held.TokenIDs != nil || held.Response.Text != nil ||
			*held.Text != *record.ResponseOf(row).Text {
			t.Errorf("held: %+v", held)
		}
		held := r.store.heldLogProb(k).row(keys)
		if want := (dataset.Floats{1, -4}); !slices.Equal(held.TokenLogProbs, want) {
			t.Errorf("held: %v, want %v: the value that no log-prob can have, and the last", held.TokenLogProbs, want)
		}
		if d := cmp.Diff(lp.Methods, held.Methods, cmp.Comparer(func(a, b dataset.Float) bool { return a == b })); d != "" {
			t.Errorf("methods (-want +got):\n%s", d)
		}
		if read, err := r.readText(k); read != text || err != nil {
			t.Errorf("%q, %v: want %q", read, err, text)
		}
		if whole, ok, err := r.store.response(k); !ok || err != nil || len(whole.TokenIDs) != 2 {
			t.Errorf("whole: %+v, %v, %v", whole, ok, err)
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "responses.jsonl"))
		var want strings.Builder
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err2 := enc.Encode(row); err != nil || err2 != nil || string(got) != want.String() {
			t.Errorf("%s\nwant %s (%v, %v)", got, want.String(), err, err2)
		}
		if err := r.store.j.Close(); err != nil {
			t.Fatal(err)
		}
		open()
	}
	// A place at which something else stands is damage, and no output.
	r.store.heldResponse(k).at++
	if err := write(); err == nil {
		t.Error("an output was written of a record that is not there")
	}
	if _, err := r.readText(k); err == nil {
		t.Error("a record that is not there was read")
	}
	r.store.j.Close()
}
