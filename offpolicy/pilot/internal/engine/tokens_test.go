package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// Lists of tokens are on the disk and in the outputs, and not in memory: also of
// a store that was opened again, of which the latest record of a key counts.
func TestTokensStayOnDisk(t *testing.T) {
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
	lp := dataset.LogProb{PromptID: "q", Policy: "p", LogProb: dataset.Known(-1), TokenLogProbs: dataset.Floats{-2, 1}}
	for range 2 {
		if err := r.store.putResponse(row); err != nil {
			t.Fatal(err)
		}
		if err := r.store.putLogProb(lp); err != nil {
			t.Fatal(err)
		}
		row.TokenIDs = []int{4, 5}
	}
	for range 2 {
		if held := r.store.responses[k]; held.TokenIDs != nil || *held.Text != text {
			t.Errorf("held: %+v", held)
		}
		if held := r.store.logprobs[k]; len(held.TokenLogProbs) != 1 || held.TokenLogProbs[0] != 1 {
			t.Errorf("held: %v, want the value that no log-prob can have", held.TokenLogProbs)
		}
		if whole, ok, err := r.store.response(k); !ok || err != nil || len(whole.TokenIDs) != 2 {
			t.Errorf("whole: %+v, %v, %v", whole, ok, err)
		}
		if err := r.writeStored("responses.jsonl", r.store.places.responses, r.here()); err != nil {
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
	r.store.places.responses[k]++
	if err := r.writeStored("responses.jsonl", r.store.places.responses, r.here()); err == nil {
		t.Error("an output was written of a record that is not there")
	}
	if _, _, err := r.store.response(k); err == nil {
		t.Error("a record that is not there was read")
	}
	r.store.j.Close()
}
