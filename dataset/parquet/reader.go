package parquet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/reweigh/reweigh/dataset"
)

// Columns say which columns of a file to decode. The zero value says those that prompts and
// their metadata are made of, as [dataset.Reads] tells them: a model's answers, which are
// most of the bytes of many files, are not among them.
type Columns struct {
	All   bool     // every column
	Names []string // these, of the topmost level
}

// File is a Parquet file as a source of rows.
func File(path string, columns Columns) dataset.Source {
	return dataset.Source{Name: path, Open: func() (dataset.RowReader, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("parquet: %w", err)
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("parquet: %w", err)
		}
		r, err := newReader(f, info.Size(), path, columns)
		if err != nil {
			f.Close()
			return nil, err
		}
		r.file = f
		return r, nil
	}}
}

// NewRowReader reads the rows of a Parquet file of that size. Name serves for
// messages. The number that a row is named by is its own, from 1.
//
// Lists, in the standard form of three levels or the older ones, become arrays, maps with
// text keys and structs become objects. Timestamps, dates and times become text (RFC 3339,
// UTC), UUIDs text, decimals numbers, or text if they may have more than 15 digits, and what
// is not there, or is NaN, null. Bytes are text if they are UTF-8 without control characters,
// whether the file says so or not; others, and infinities, are an error that names the
// column, after which the next row can be read. LZ4 is refused.
//
// A damaged file is an error. What it says of its own sizes is checked before anything of
// that size is made: a page has at most 128 MiB, whatever its compression says, and 16 million
// values, whatever its encodings say; the footer has at most a million structures, and a row
// 256 MiB as JSON.
func NewRowReader(r io.ReaderAt, size int64, name string, columns Columns) (dataset.RowReader, error) {
	out, err := newReader(r, size, name, columns)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// levels are the largest levels of a column.
type levels struct{ rep, def int }

type reader struct {
	name    string
	r       io.ReaderAt
	size    int64
	file    io.Closer // nil: the caller's
	groups  []parquet.RowGroup
	meta    []format.RowGroup
	root    *node
	columns []int             // the leaves to decode
	levels  []levels          // of each column of the file
	cursors []cursor          // for each of them, in the group that is read
	left    int64             // rows in that group
	leaves  [][]parquet.Value // of the current row, by column of the file
	at      []int
	line    int
	out     []byte
}

func newReader(r io.ReaderAt, size int64, name string, columns Columns) (out *reader, err error) {
	defer caught(name, &err)
	if err := checkFooter(r, size); err != nil {
		return nil, fmt.Errorf("parquet: %s: %w (get the file again)", name, err)
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("parquet: %s: %w (get the file again)", name, err)
	}
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			// The decoder of LZ4 doubles its buffer until damaged data fits. The hub
			// compresses with snappy, gzip or zstd.
			if codec := c.MetaData.Codec; codec == format.Lz4Raw || codec == format.Lz4 {
				return nil, fmt.Errorf("parquet: %s is compressed with %s, which is not read (write it with another compression)",
					name, codec)
			}
		}
	}
	wanted, err := columns.of(f.Root())
	if err != nil {
		return nil, fmt.Errorf("parquet: %s: %w", name, err)
	}
	root, err := newNode(f.Root(), "", wanted)
	if err != nil {
		return nil, fmt.Errorf("parquet: %s: %w", name, err)
	}
	n := len(f.Schema().Columns())
	out = &reader{name: name, r: r, size: size, groups: f.RowGroups(), meta: f.Metadata().RowGroups, root: root,
		leaves: make([][]parquet.Value, n), at: make([]int, n)}
	out.levels = make([]levels, n)
	root.eachLeaf(func(leaf *node) { out.levels[leaf.first] = levels{leaf.rep, leaf.def} })
	for _, c := range root.children {
		for i := c.first; i < c.last; i++ {
			out.columns = append(out.columns, i)
		}
	}
	return out, nil
}

// of tells which columns of the topmost level are decoded.
func (c Columns) of(root *parquet.Column) (map[string]bool, error) {
	wanted := map[string]bool{}
	var names []string
	for _, col := range root.Columns() {
		names = append(names, col.Name())
	}
	reads := dataset.Reads(names)
	for _, col := range root.Columns() {
		wanted[col.Name()] = c.All || len(c.Names) == 0 && reads(col.Name(), !col.Leaf())
	}
	for _, name := range c.Names {
		if _, ok := wanted[name]; !ok {
			return nil, fmt.Errorf("there is no column %q; it has: %s", name, strings.Join(names, ", "))
		}
		wanted[name] = true
	}
	return wanted, nil
}

// caught turns a panic of the decoder, which a damaged file can cause, into an
// error.
func caught(name string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("parquet: %s is damaged: %v (get the file again)", name, p)
	}
}

// nextGroup goes to the next group that has rows.
func (r *reader) nextGroup() error {
	if err := r.closeGroup(); err != nil {
		return err
	}
	for r.left == 0 {
		if len(r.groups) == 0 {
			return io.EOF
		}
		g, meta := r.groups[0], r.meta[0]
		r.groups, r.meta = r.groups[1:], r.meta[1:]
		if r.left = g.NumRows(); r.left == 0 {
			continue
		}
		chunks := g.ColumnChunks()
		for _, i := range r.columns {
			if err := checkPages(r.r, r.size, &meta.Columns[i].MetaData, r.levels[i].rep, r.levels[i].def); err != nil {
				return err
			}
			r.cursors = append(r.cursors, cursor{chunk: chunks[i]})
		}
	}
	return nil
}

// Next implements [dataset.RowReader].
func (r *reader) Next() (line int, object []byte, err error) {
	defer caught(r.name, &err)
	if r.left == 0 {
		if err := r.nextGroup(); err != nil {
			if err == io.EOF {
				return r.line, nil, io.EOF
			}
			return r.line, nil, r.fail(err)
		}
	}
	r.left--
	r.line++
	for k, i := range r.columns {
		r.at[i] = 0
		if r.leaves[i], err = r.cursors[k].row(r.leaves[i][:0]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return r.line, nil, r.fail(err)
		}
	}
	a := assembler{leaves: r.leaves, at: r.at, out: r.out[:0]}
	err = a.value(r.root)
	r.out = a.out
	var bad *valueError
	if errors.As(err, &bad) {
		return r.line, nil, &dataset.LineError{Name: r.name, Line: r.line, Err: err, Hint: "or have such rows set aside",
			Skip: true}
	}
	if err != nil {
		return r.line, nil, r.fail(err)
	}
	return r.line, r.out, nil
}

func (r *reader) fail(err error) error {
	return fmt.Errorf("parquet: %s: after row %d: %w (get the file again)", r.name, r.line, err)
}

// Container implements [dataset.RowReader].
func (r *reader) Container() string { return "parquet" }

// SHA256 implements [dataset.RowReader]. It reads the file through.
func (r *reader) SHA256() (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r.r, 0, r.size)); err != nil {
		return "", fmt.Errorf("parquet: read %s: %w", r.name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (r *reader) closeGroup() (err error) {
	for i := range r.cursors {
		err = errors.Join(err, r.cursors[i].close())
	}
	r.cursors = r.cursors[:0]
	return err
}

// Close implements [dataset.RowReader].
func (r *reader) Close() (err error) {
	defer caught(r.name, &err)
	err = r.closeGroup()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
		r.file = nil
	}
	return err
}
