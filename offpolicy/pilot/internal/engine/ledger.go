package engine

import (
	"bufio"
	"errors"
	"io"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/folder"
)

// writeLedger writes ledger.jsonl from the journal.
func (r *Run) writeLedger() error {
	return writeStored(r, ledgerFile, func(yield func(int64) bool) {
		for a := range r.store.ledger() {
			if !yield(a.at) {
				return
			}
		}
	})
}

// errOtherLedger is of a file that is not what was written.
var errOtherLedger = errors.New("ledger.jsonl is not what was written")

// addToLedger puts what was asked since the outputs were noted among the lines of the
// ledger.jsonl that stands: a resume that has nothing to do adds a few to very many. If anything
// is not as it was, all of it is written from the journal.
func (r *Run) addToLedger() error {
	err := r.insertIntoLedger()
	if errors.Is(err, errOtherLedger) {
		err = r.writeLedger()
	}
	return err
}

// insertIntoLedger is addToLedger; its error wraps errOtherLedger, and the file is as it was, if
// anything is not.
func (r *Run) insertIntoLedger() error {
	r.store.mu.Lock()
	was, from := r.store.written, r.store.writtenAt
	r.store.mu.Unlock()
	old := 0
	for a := range r.store.ledger() {
		if a.at < from {
			old++
		}
	}
	if old == 0 || old != was.Attempts { // one has ended since, and its line has changed
		return errOtherLedger
	}
	in, err := folder.OpenIn(r.job.Dir)
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := in.Read(ledgerFile)
	if err != nil {
		return errors.Join(errOtherLedger, err)
	}
	defer f.Close()
	read, written := newDigest(), newDigest()
	lines := bufio.NewReaderSize(io.TeeReader(f, read), 1<<17)
	err = dataset.WriteFile(r.job.path(ledgerFile), func(to io.Writer) error {
		w := io.MultiWriter(to, written)
		for a := range r.store.ledger() {
			if a.at >= from {
				if err := r.store.j.WritePayload(w, a.at); err != nil {
					return err
				}
				if _, err := w.Write(lineBreak); err != nil {
					return err
				}
				continue
			}
			for more := true; more; {
				part, err := lines.ReadSlice('\n')
				if more = errors.Is(err, bufio.ErrBufferFull); err != nil && !more {
					return errOtherLedger
				}
				if _, err := w.Write(part); err != nil {
					return err
				}
			}
		}
		if _, err := lines.ReadByte(); err != io.EOF || read.sum() != was.Files[ledgerFile] {
			return errOtherLedger
		}
		return f.Close() // a file that is open cannot be replaced everywhere
	})
	if err == nil {
		r.noteFile(ledgerFile, written)
	}
	return err
}
