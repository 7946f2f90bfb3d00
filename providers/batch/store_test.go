package batch_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/providers/sim"
)

func openJournal(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func TestJournalBatchStore(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	store := batch.NewJournalStore(j)
	if got, err := store.Load(); err != nil || len(got) != 0 {
		t.Errorf("a new journal: %+v, %v", got, err)
	}
	a := batch.State{
		Key: "a", Run: "r", Attempt: 1, Try: 1, Endpoint: "/v1/chat/completions", Model: "m", Intent: time.Date(2026, 11, 25,
			1, 2, 3, 4, time.UTC),
		Lines: []batch.Mark{{ID: "p0-1", Sum: "0123"}}, Problems: []providers.BatchProblem{{Code: "c", Line: 3}},
	}
	b := a
	b.Key = "b"
	done := a
	done.FileID, done.BatchID, done.Done, done.Status = "file-1", "batch-1", true, "completed"
	for _, s := range []batch.State{a, b, done} {
		if err := store.Save(s); err != nil {
			t.Fatal(err)
		}
		if err := j.Append("response", s.Key, "not ours"); err != nil {
			t.Fatal(err)
		}
	}
	// The next process: every field comes back, the last state of each key, in
	// the order in which the keys came.
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := batch.NewJournalStore(openJournal(t, dir)).Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]batch.State{done, b}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := store.Save(a); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("saved into a closed journal: %v", err)
	}
}

func TestJournalBatchStoreRefusesForeignRecords(t *testing.T) {
	j := openJournal(t, t.TempDir())
	if err := j.Append("batch", "x", []int{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := batch.NewJournalStore(j).Load(); err == nil || !strings.Contains(err.Error(), "record 1") ||
		!strings.Contains(err.Error(), j.Dir()) {
		t.Errorf("%v: want the record and the folder in it", err)
	}
}

// TestBatchResumesFromJournal interrupts a run after its submission and goes on
// with what the next process finds on the disk.
func TestBatchResumesFromJournal(t *testing.T) {
	dir, reqs := t.TempDir(), batchRequests(5)
	e := newBatchEnv(t, sim.Config{Batch: sim.BatchConfig{Steps: 3}})
	e.config.PollMin, e.config.PollMax = time.Millisecond, time.Millisecond
	j := openJournal(t, dir)
	e.config.Store = batch.NewJournalStore(j)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	polled := func(en providers.Entry) {
		if en.Call == "poll" {
			cancel()
		}
	}
	p := e.client(t, nil).Provider()
	c, err := providers.NewClient(p, providers.ClientConfig{Prices: simPrices(t), Ledger: e.ledger, Budget: e.budget,
		OnAttempt: polled})
	if err != nil {
		t.Fatal(err)
	}
	_, err = batch.New(c).Run(ctx, e.config, reqs)
	wantError(t, err, providers.ClassCanceled)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	e.config.Store = batch.NewJournalStore(openJournal(t, dir))
	e.wantAnswered(t, reqs, e.run(t, reqs))
}
