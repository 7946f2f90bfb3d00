package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// FileLedger is a [Ledger] in a file of one JSON object a line, to which it only
// appends: of several lines of one id the last counts. Several goroutines may
// use it, and one process at a time.
type FileLedger struct {
	mu    sync.Mutex
	file  *os.File
	began map[string]bool
}

// OpenFileLedger opens the ledger at path, or creates it. What an earlier
// process wrote stays; a last line that it did not finish is dropped, because
// nothing is sent before its line is whole. A line that is not an entry is an
// error.
func OpenFileLedger(path string) (*FileLedger, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("providers: ledger: %w", err)
	}
	l := &FileLedger{file: file, began: map[string]bool{}}
	end, err := l.read(func(e Entry) { l.began[e.ID] = true })
	if err == nil {
		err = file.Truncate(end)
	}
	if err == nil {
		_, err = file.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("providers: ledger %s: %w", path, err), file.Close())
	}
	return l, nil
}

// read hands each line to add and returns where the last whole one ends.
func (l *FileLedger) read(add func(Entry)) (end int64, err error) {
	data, err := io.ReadAll(io.NewSectionReader(l.file, 0, 1<<62))
	if err != nil {
		return 0, err
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("line %d: %w", number, err)
		}
		if err := e.Validate(); err != nil {
			return 0, fmt.Errorf("line %d: %w", number, err)
		}
		add(e)
		end += int64(len(line))
	}
	return end, nil
}

// Begin appends e; a second Begin under one ID is an error.
func (l *FileLedger) Begin(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began[e.ID] {
		return fmt.Errorf("providers: ledger: %q began twice", e.ID)
	}
	if err := l.append(e); err != nil {
		return err
	}
	l.began[e.ID] = true
	return nil
}

// End appends e, whose ID must have begun.
func (l *FileLedger) End(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.began[e.ID] {
		return fmt.Errorf("providers: ledger: %q ended and never began", e.ID)
	}
	return l.append(e)
}

func (l *FileLedger) append(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("providers: ledger: %w", err)
	}
	// One write a line: a process that is killed leaves at most one in part.
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("providers: ledger: %w", err)
	}
	return nil
}

// Began reports whether an entry of that ID has begun.
func (l *FileLedger) Began(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.began[id]
}

// Entries reads all entries, those of earlier processes first, each as its last
// line has it. The sum of their costs is what a new [Budget] is charged with; of
// a batch that is still on its way, package batch reserves for the lines again.
func (l *FileLedger) Entries() ([]Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var entries []Entry
	at := map[string]int{}
	_, err := l.read(func(e Entry) {
		i, ok := at[e.ID]
		if !ok {
			i = len(entries)
			at[e.ID] = i
			entries = append(entries, e)
		}
		entries[i] = e
	})
	if err != nil {
		return nil, fmt.Errorf("providers: ledger: %w", err)
	}
	return entries, nil
}

// Close closes the file.
func (l *FileLedger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
