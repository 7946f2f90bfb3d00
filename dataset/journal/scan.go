package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/reweigh/reweigh/internal/folder"
)

// Record is one entry of a journal.
type Record struct {
	Kind    string // what the payload is, as "response"
	Key     string // whose it is; unique only by convention, and within the kind
	Payload json.RawMessage
	Seq     int64 // from 1, without gaps
	At      int64 // where it stands, for Journal.Read
}

// CorruptError is damage to records that were acknowledged: they, or others that
// follow them, are no longer what was written. Nothing is guessed about them.
type CorruptError struct {
	Path   string
	Offset int64 // where the damaged line starts
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %s is damaged at byte %d: %s (restore it from a copy; or cut the file off at that "+
		"byte and delete the file acked beside it, which gives up every record from there on)",
		e.Path, e.Offset, e.Reason)
}

// Scan calls fn for each record of the journal in dir, in order, while a writer
// may be appending to it. It stops without an error at a tail that is torn or
// still being written, at fn's first error, which it returns, and at damage,
// which is a [*CorruptError]. A folder without a journal is an error that wraps
// [io/fs.ErrNotExist]. fn may keep the record.
func Scan(dir string, fn func(Record) error) error {
	f, mark, err := openToRead(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, err = scan(f, logPath(dir), mark, Place{}, nil, decoding(logPath(dir), fn))
	return err
}

// decoding makes of fn what [scan] calls; nil stays nil.
func decoding(path string, fn func(Record) error) func(seq int64, raw []byte, off int64) error {
	if fn == nil {
		return nil
	}
	return func(seq int64, raw []byte, off int64) error {
		if kind, key, payload, ok := unescaped(raw); ok {
			return fn(Record{string(kind), string(key), bytes.Clone(payload), seq, off})
		}
		var b body
		if err := json.Unmarshal(raw, &b); err != nil {
			return &CorruptError{path, off, fmt.Sprintf("the checksum is right, the JSON is not: %v", err)}
		}
		return fn(Record{b.Kind, b.Key, b.Payload, seq, off})
	}
}

// openToRead opens a journal's log and returns how much of it must be there.
func openToRead(dir string) (*os.File, int64, error) {
	in, err := folder.OpenIn(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("journal: %w", err)
	}
	defer in.Close()
	mark, err := readMark(in) // first: what is acknowledged from here on is a bonus
	if err != nil {
		return nil, 0, err
	}
	f, err := in.Read(logName)
	if errors.Is(err, fs.ErrNotExist) && mark > 0 {
		return nil, 0, short(logPath(dir), 0, mark)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("journal: %w", err)
	}
	return f, mark, nil
}

// Latest reads the journal in dir into maps from kind and key to the payload of
// the last record with both. If kinds are given it leaves out all others; each
// given kind has a map, if an empty one.
func Latest(dir string, kinds ...string) (map[string]map[string]json.RawMessage, error) {
	m := make(map[string]map[string]json.RawMessage)
	for _, kind := range kinds {
		m[kind] = make(map[string]json.RawMessage)
	}
	err := Scan(dir, func(r Record) error {
		if len(kinds) > 0 && !slices.Contains(kinds, r.Kind) {
			return nil
		}
		if m[r.Kind] == nil {
			m[r.Kind] = make(map[string]json.RawMessage)
		}
		m[r.Kind][r.Key] = r.Payload
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Place is a place between two records of a log: so many bytes stand before it, and so many
// records. The zero Place is the beginning.
type Place struct{ Bytes, Records int64 }

// Checksum is the CRC-32C of the log of the journal in dir up to a place, as each record has
// its own. A log that does not reach that far is an error that wraps [io.EOF].
func Checksum(dir string, to Place) (uint32, error) {
	f, _, err := openToRead(dir)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	n, err := io.CopyBuffer(h, io.LimitReader(f, to.Bytes), make([]byte, 1<<17))
	if err == nil && n < to.Bytes {
		err = io.EOF
	}
	if err != nil {
		return 0, fmt.Errorf("journal: read %s: %w", logPath(dir), err)
	}
	return h.Sum32(), nil
}

// scan reads a journal from a place and hands the header to header and each record after the
// place to fn, if they are not nil. It returns the offset after the last good line, and
// how many lines were good, the header being one. Only a reader beside a writer
// can find an end that is good later; a writer has the lock and cuts it off. An
// end before mark is damage.
func scan(src io.ReaderAt, path string, mark int64, from Place, header func(raw []byte) error,
	fn func(seq int64, raw []byte, off int64) error) (end, lines int64, err error) {
	if from.Bytes > 0 {
		if err := skip(src, path, from, header); err != nil {
			return 0, 0, err
		}
		end, lines = from.Bytes, from.Records+1
	}
	retried := int64(-1)
	r := newLineReader(io.NewSectionReader(src, end, 1<<62), end)
	for {
		line, err := r.next()
		seq, raw, ok := parseFrame(line)
		switch {
		case err != nil && err != io.EOF && err != errTooLong:
			return end, lines, fmt.Errorf("journal: read %s at byte %d: %w", path, end, err)
		case ok && seq != lines:
			return end, lines, &CorruptError{path, end, fmt.Sprintf("record %d stands where record %d should", seq, lines)}
		case ok && lines == 0:
			if err := checkHeader(raw, path); err != nil {
				return end, lines, err
			}
			if header != nil {
				if err := header(raw); err != nil {
					return end, lines, err
				}
			}
		case ok:
			if fn != nil {
				if err := fn(seq, raw, end); err != nil {
					return end, lines, err
				}
			}
		case err == io.EOF && lines == 0 && !headerPrefix(line):
			return end, lines, notAJournal(path)
		case err == io.EOF && end >= mark:
			return end, lines, nil // the rest has no line break: torn
		default:
			good, err := goodFollows(r)
			if err != nil {
				return end, lines, fmt.Errorf("journal: read %s after byte %d: %w", path, end, err)
			}
			if !good && lines == 0 && mark == 0 {
				return end, lines, notAJournal(path)
			}
			if !good && end >= mark {
				return end, lines, nil
			}
			// A writer that starts while this reader is under way may cut off a torn
			// tail of which the reader has half, and go on there.
			switch {
			case retried == end && good:
				return end, lines, &CorruptError{path, end, "the line's checksum or length is wrong, and good records follow it"}
			case retried == end:
				return end, lines, short(path, end, mark)
			}
			retried = end
			r = newLineReader(io.NewSectionReader(src, end, 1<<62), end)
			continue
		}
		end = r.off
		lines++
	}
}

// skip reads of what stands before a place the header, and sees that the place is between two
// lines.
func skip(src io.ReaderAt, path string, to Place, header func(raw []byte) error) error {
	var last [1]byte
	if n, _ := src.ReadAt(last[:], to.Bytes-1); n == 0 || last[0] != '\n' {
		return short(path, to.Bytes, to.Bytes)
	}
	line, _ := newLineReader(io.NewSectionReader(src, 0, to.Bytes), 0).next()
	seq, raw, ok := parseFrame(line)
	if !ok || seq != 0 {
		return notAJournal(path)
	}
	if err := checkHeader(raw, path); err != nil || header == nil {
		return err
	}
	return header(raw)
}

// goodFollows reports whether any later line is a record. If not, the bad line
// is part of a tail that a crash left.
func goodFollows(r *lineReader) (bool, error) {
	for {
		line, err := r.next()
		if _, _, ok := parseFrame(line); ok {
			return true, nil
		}
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil && !errors.Is(err, errTooLong):
			return false, err
		}
	}
}
