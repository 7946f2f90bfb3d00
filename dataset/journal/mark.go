package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/reweigh/reweigh/internal/folder"
)

// A log that was cut off in the middle of its acknowledged records looks like one
// that a kill tore. The file acked beside it tells them apart: it holds how many
// bytes of the log are known to be on the disk,
//
//	crc32c length
//
// and is written after each flush, without one of its own: after a power cut it
// may say too little, and never too much. A mark that is missing or damaged says
// nothing.

// The files of a journal's folder.
const (
	logName  = "log.jsonl"
	markName = "acked"
	lockName = "lock"
)

func logPath(dir string) string { return filepath.Join(dir, logName) }

func markPath(dir string) string { return filepath.Join(dir, markName) }

const markSize = sumSize + 1 + 19 + 1

// encodeMark is always of one length, so that a shorter number leaves nothing of
// a longer one.
func encodeMark(n int64) []byte {
	number := fmt.Sprintf("%019d", n)
	return fmt.Appendf(nil, "%s %s\n", sumOf([]byte(number)), number)
}

// readMark returns 0 if there is no mark that can be believed.
func readMark(in *folder.Folder) (int64, error) {
	f, err := in.Read(markName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, markSize+1))
		f.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	if len(b) != markSize || b[len(b)-1] != '\n' {
		return 0, nil
	}
	sum, number, _ := bytes.Cut(b[:len(b)-1], []byte{' '})
	if want := sumOf(number); !bytes.Equal(want[:], sum) {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || n < 0 {
		return 0, nil
	}
	return n, nil
}

// openMark opens the mark for writing.
func openMark(in *folder.Folder) (io.WriterAt, io.Closer, error) {
	f, err := in.UpdateOrCreate(markName)
	if err != nil {
		return nil, nil, err
	}
	return f, f, nil
}

// short is the damage of a log that ends before its mark.
func short(path string, end, mark int64) error {
	return &CorruptError{path, end, fmt.Sprintf("what follows is no record, though %d bytes were on the disk", mark)}
}
