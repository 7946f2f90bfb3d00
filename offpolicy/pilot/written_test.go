package pilot_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// TestOutputsAreWrittenWhereSomethingChanged: a start with nothing to do leaves the outputs
// alone, unless somebody else did not; a larger run writes them again.
func TestOutputsAreWrittenWhereSomethingChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	s := serve(t, "")
	dir := t.TempDir()
	run := func(n int) (files []os.FileInfo, texts [][]byte) {
		t.Helper()
		if _, err := pilot.Run(t.Context(), config(t, s, dir, n)); err != nil {
			t.Fatal(err)
		}
		for _, name := range recordFiles[1:] { // the prompts are written at every start
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files, texts = append(files, info), append(texts, b)
		}
		return files, texts
	}
	files, texts := run(4)
	again, same := run(4)
	for i, name := range recordFiles[1:] {
		if !os.SameFile(files[i], again[i]) || !bytes.Equal(texts[i], same[i]) {
			t.Errorf("%s was written again, and nothing had changed", name)
		}
	}
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "judge.jsonl"), []byte("{}\n"), 0o600) },
		func() error { return os.Remove(filepath.Join(dir, "fresh_draws", "pi_bad_responses.jsonl")) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		_, same = run(4)
		for i, name := range recordFiles[1:] {
			if !bytes.Equal(texts[i], same[i]) {
				t.Errorf("%s is not what it was before somebody changed a file", name)
			}
		}
	}
	_, larger := run(5)
	for i, name := range recordFiles[1:] {
		if name != "canaries.jsonl" && bytes.Equal(texts[i], larger[i]) {
			t.Errorf("%s is still that of the smaller run", name)
		}
	}
}
