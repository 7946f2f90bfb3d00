package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// What a resume adds to a ledger is what writing all of it gives, whatever happened to the file or
// to an attempt in between.
func TestAddToLedger(t *testing.T) {
	entry := func(i int, stage, outcome string) providers.Entry {
		return providers.Entry{ID: fmt.Sprint("id", i), Stage: stage, Key: fmt.Sprintf("q%d/p/0", i%7), Policy: "p",
			Outcome: outcome, Attempt: 1, Cost: providers.USD(i)}
	}
	for name, c := range map[string]struct {
		between func(r *Run, path string) error // after the ledger was noted
		adds    bool                            // lines are put into the file that stands
	}{
		"nothing":    {func(*Run, string) error { return nil }, true},
		"attempts":   {func(r *Run, _ string) error { return r.store.entry(entry(50, record.StageJudge, "ok")) }, true},
		"of a stage": {func(r *Run, _ string) error { return r.store.entry(entry(51, record.StagePreflight, "ok")) }, true},
		"another last line": {func(_ *Run, path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("{}\n")
			return err
		}, false},
		"another byte": {func(_ *Run, path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Replace(b, []byte("id3"), []byte("id9"), 1), 0o600)
		}, false},
		"a shorter file": {func(_ *Run, path string) error { return os.Truncate(path, 100) }, false},
		"no file":        {func(_ *Run, path string) error { return os.Remove(path) }, false},
		"an attempt that ended": {func(r *Run, _ string) error {
			return r.store.entry(entry(0, record.StageOracle, "ok"))
		}, false},
		"a longer line": {func(r *Run, _ string) error {
			e := entry(52, record.StageOracle, "ok")
			e.UsageDoubt = string(bytes.Repeat([]byte("x"), 1<<18))
			return r.store.entry(e)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := openStore(filepath.Join(dir, journalDir), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { s.j.Close() }()
			r := &Run{store: s, job: Job{Dir: dir}}
			path := r.job.path(ledgerFile)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(s.entry(entry(0, record.StageOracle, providers.OutcomeInFlight)))
			for i := 1; i < 20; i++ {
				must(s.entry(entry(i, record.Stages()[i%3], "ok")))
			}
			must(r.writeLedger())
			must(r.noteWritten(writtenOutputs{Files: map[string]fileDigest{}}))
			must(c.between(r, path))
			if c.adds != (r.insertIntoLedger() == nil) {
				t.Errorf("lines were put into the file that stands: want %v", c.adds)
			}
			must(r.renewWritten())

			// Another start, of the log alone.
			must(s.j.Close())
			s, err = openStore(filepath.Join(dir, journalDir), nil)
			must(err)
			r = &Run{store: s, job: r.job}
			must(s.entry(entry(60, record.StagePreflight, "ok")))
			must(r.addToLedger())
			added, err := os.ReadFile(path)
			must(err)
			wrote := r.wrote[ledgerFile]
			must(r.writeLedger())
			whole, err := os.ReadFile(path)
			must(err)
			if !bytes.Equal(added, whole) || wrote != r.wrote[ledgerFile] {
				t.Errorf("%d bytes were written (%v), and all of it is %d (%v)", len(added), wrote, len(whole),
					r.wrote[ledgerFile])
			}
			if n := bytes.Count(whole, []byte("\n")); n != s.attempts.n {
				t.Errorf("%d lines of %d attempts", n, s.attempts.n)
			}
		})
	}
}
