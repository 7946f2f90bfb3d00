package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
)

// RowReader hands out the rows of an input, each as a JSON object.
type RowReader interface {
	// Next returns the line that a row starts on, from 1 (if the rows do not
	// stand on lines, its number), and the object, which is good until the
	// following call. At the end it returns io.EOF. After a [*LineError] whose
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
		rows, err := NewRowReader(f, path)
		if err != nil {
			f.Close()
			return nil, err
		}
		rows.(*rowReader).file = f
		return rows, nil
	}}
}

// NewRowReader reads rows stored as JSON lines, as one JSON array of objects, or as
// CSV with a header line, gzip-compressed or not: the first bytes tell. A row of
// CSV is an object whose values are text. Name serves for messages. Closing the
// reader does not close r.
//
// Parquet files are read by the module
// github.com/reweigh/reweigh/dataset/parquet.
func NewRowReader(r io.Reader, name string) (RowReader, error) {
	out := &rowReader{sum: sha256.New()}
	out.stored = bufio.NewReaderSize(io.TeeReader(r, out.sum), 256<<10)
	out.name = name
	refuse := func(what, hint string) (RowReader, error) {
		return nil, &LineError{Name: name, Line: 1, Err: errors.New(what), Hint: hint}
	}
	text := out.stored
	magic, _ := text.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(text)
		if err != nil {
			return nil, fmt.Errorf("dataset: %s looks gzip-compressed, but: %w (get the file again)", name, err)
		}
		text, out.gzip = bufio.NewReaderSize(z, 256<<10), true
	case string(magic) == "PAR1":
		return refuse("the file is Parquet", "read it with the module github.com/reweigh/reweigh/dataset/parquet, or "+
			"convert it to JSON lines")
	case string(magic) == "PK\x03\x04":
		return refuse("the file is a zip archive", "unpack it first")
	}
	first, err := firstByte(text)
	if err != nil && err != io.EOF {
		return nil, out.explain(fmt.Errorf("dataset: read %s: %w", name, err))
	}
	switch {
	case first == '[':
		out.container, out.rows = "json array", &arrayReader{r: text, name: name, line: 1}
	case first != '{' && looksLikeCSV(text):
		c, err := newCSVReader(text, name)
		if err != nil {
			return nil, out.explain(err)
		}
		out.container, out.rows = "csv", c
	default:
		out.container, out.rows = "jsonl", &lineReader{r: text, name: name, longest: maxLine}
	}
	return out, nil
}

type rowReader struct {
	name      string
	container string
	gzip      bool
	stored    *bufio.Reader // as stored, on the way into sum
	sum       hash.Hash
	rows      interface{ next() (int, []byte, error) }
	file      io.Closer // nil: the caller's
}

func (r *rowReader) Next() (int, []byte, error) {
	line, obj, err := r.rows.next()
	if err != nil && err != io.EOF {
		err = r.explain(err)
	}
	return line, obj, err
}

func (r *rowReader) Container() string {
	if r.gzip {
		return r.container + "+gzip"
	}
	return r.container
}

func (r *rowReader) SHA256() (string, error) {
	// What follows the rows (nothing, as a rule) belongs to the checksum.
	if _, err := io.Copy(io.Discard, r.stored); err != nil {
		return "", fmt.Errorf("dataset: read %s: %w", r.name, err)
	}
	return hex.EncodeToString(r.sum.Sum(nil)), nil
}

func (r *rowReader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// explain says of an error in compressed data what it comes from.
func (r *rowReader) explain(err error) error {
	if r.gzip && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, gzip.ErrHeader)) {
		return fmt.Errorf("%w (the compressed file is damaged or cut short: get %s again)", err, r.name)
	}
	return err
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

// looksLikeCSV reports whether the first line names a column that rows of some
// format have.
func looksLikeCSV(r *bufio.Reader) bool {
	b, _ := r.Peek(4 << 10)
	line, _, _ := bytes.Cut(bytes.TrimPrefix(b, utf8BOM), []byte("\n"))
	for name := range strings.SplitSeq(strings.TrimSpace(string(line)), ",") {
		switch strings.Trim(name, `"`) {
		case "prompt", "messages", "conversation", "conversation_a":
			return true
		}
	}
	return false
}
