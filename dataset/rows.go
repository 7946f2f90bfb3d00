package dataset

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// RowReader hands out the rows of an input, each as a JSON object.
type RowReader interface {
	// Next returns the line that a row starts on, from 1 (if the rows do not
	// stand on lines, its number), and the object, which is good until the
	// following call. At the end it returns io.EOF. After a *LineError whose
	// Skip is true the rows that follow can be read; after any other error, none.
	Next() (line int, object []byte, err error)
	// Container says how the rows are stored, as "jsonl+gzip".
	Container() string
	// SHA256 is that of the input's bytes as they are stored, in hexadecimal. It
	// may read what is left of them.
	SHA256() (string, error)
	Close() error
}

// Source is an input that can be read from its start as often as need be, and so
// need not fit into memory.
type Source struct {
	Name string // for messages
	Open func() (RowReader, error)
}

// File is a file of rows, as [NewRowReader] reads them.
func File(path string) Source {
	return Source{path, func() (RowReader, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		rows, err := newRowReader(f, path)
		if err != nil {
			f.Close()
			return nil, err
		}
		rows.file = f
		return rows, nil
	}}
}

// NewRowReader reads rows stored as JSON lines, as one JSON array of objects, or as
// CSV with a header line, compressed with gzip or zstd or not: the first bytes tell. A row
// of CSV is an object whose values are text; its cells may stand between commas, tabs,
// semicolons or bars. A file that is known to be something else is refused by its name.
// A table of which no column holds prompts has rows, too; [ReadPrompts] refuses it.
// Name serves for messages. Closing the reader does not close r.
//
// Parquet files are read by the module
// github.com/reweigh/reweigh/dataset/parquet.
func NewRowReader(r io.Reader, name string) (RowReader, error) {
	out, err := newRowReader(r, name)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func newRowReader(r io.Reader, name string) (out *rowReader, err error) {
	out = &rowReader{sum: sha256.New(), name: name}
	out.stored = bufio.NewReaderSize(io.TeeReader(r, out.sum), 256<<10)
	text, around, closeAll, err := peel(out.stored, name)
	out.around, out.release = around, closeAll
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	if err != nil {
		return nil, out.explain(err)
	}
	if err := oneMark(text); err != nil {
		return nil, out.explain(fmt.Errorf("dataset: read %s: %w", name, err))
	}
	first, err := firstByte(text)
	if err != nil && err != io.EOF {
		return nil, out.explain(fmt.Errorf("dataset: read %s: %w", name, err))
	}
	head, _ := text.Peek(text.Size())
	switch {
	case first == '[':
		out.container, out.rows = "json array", &arrayReader{r: text, name: name, line: 1}
	case first == '{' || len(bytes.TrimSpace(bytes.TrimPrefix(head, utf8BOM))) == 0:
		out.container, out.rows = "jsonl", &lineReader{r: text, name: name, longest: maxLine, eol: lineEnd(head)}
	default:
		d, found, looks := sniffCSV(text, name)
		if !found {
			// A table without prompts may hold what [ReadTable] reads.
			if out.unfit = d.notTable(name, looks, first, head); !looks {
				return nil, out.unfit
			}
		}
		c, err := newCSVReader(text, name, d)
		if err != nil {
			return nil, out.explain(err)
		}
		out.container, out.rows = d.String(), c
	}
	return out, nil
}

type rowReader struct {
	name      string
	container string
	around    []string      // compression, the outermost first
	release   func()        // its decoders
	stored    *bufio.Reader // as stored, on the way into sum
	sum       hash.Hash
	rows      interface{ next() (int, []byte, error) }
	file      io.Closer // nil: the caller's
	unfit     error     // why the rows cannot be prompts; nil if they can
}

func (r *rowReader) Next() (int, []byte, error) {
	line, obj, err := r.rows.next()
	if err != nil && err != io.EOF {
		err = r.explain(err)
	}
	return line, obj, err
}

func (r *rowReader) Container() string {
	out := r.container
	for i := len(r.around) - 1; i >= 0; i-- {
		out += "+" + r.around[i]
	}
	return out
}

func (r *rowReader) SHA256() (string, error) {
	// What follows the rows (nothing, as a rule) belongs to the checksum.
	if _, err := io.Copy(io.Discard, r.stored); err != nil {
		return "", fmt.Errorf("dataset: read %s: %w", r.name, err)
	}
	return hex.EncodeToString(r.sum.Sum(nil)), nil
}

func (r *rowReader) Close() error {
	r.release()
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// explain says of an error in compressed data what it comes from.
func (r *rowReader) explain(err error) error {
	var bad *LineError
	if len(r.around) == 0 || errors.As(err, &bad) {
		return err
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return fmt.Errorf("%w (its window, of zstd's long mode, is larger than %d MiB: unpack %s with zstd first)",
			err, maxZstdWindow>>20, r.name)
	}
	return fmt.Errorf("%w (the compressed file is damaged or cut short: get %s again)", err, r.name)
}

// oneMark drops all byte order marks at the start but the last: programs that add one to
// what has one leave two.
func oneMark(r *bufio.Reader) error {
	for {
		if head, _ := r.Peek(2 * len(utf8BOM)); !bytes.Equal(head, append(utf8BOM[:len(utf8BOM):len(utf8BOM)], utf8BOM...)) {
			return nil
		}
		if _, err := r.Discard(len(utf8BOM)); err != nil {
			return err
		}
	}
}

// firstByte peeks at the first byte that is neither white space nor part of a
// byte order mark.
func firstByte(r *bufio.Reader) (byte, error) {
	for n := 64; ; n *= 2 {
		b, err := r.Peek(min(n, r.Size()))
		rest := bytes.TrimLeft(bytes.TrimPrefix(b, utf8BOM), jsonSpace+"\n")
		switch {
		case len(rest) > 0:
			return rest[0], nil
		case err != nil:
			return 0, err
		case n >= r.Size():
			return 0, nil // blank for 256 KiB: read as lines
		}
	}
}
