package parquet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/reweigh/reweigh/dataset"
)

// File is a Parquet file as a source of rows.
func File(path string) dataset.Source {
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
		r, err := newReader(f, info.Size(), path)
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
// Lists, in the standard form of three levels or the older ones, become arrays,
// maps with text keys and structs become objects, timestamps and dates become text
// (RFC 3339, UTC), bytes that are not declared to be text become base64, and what
// is not there becomes null. A number that JSON has no form for is null, too. A
// decimal, and LZ4, are refused.
//
// A damaged file is an error; but a damaged length inside it can make the decoder
// ask for more memory than there is, which ends the program. Read files of unknown
// origin in a process that may die.
func NewRowReader(r io.ReaderAt, size int64, name string) (dataset.RowReader, error) {
	return newReader(r, size, name) // no nil pointer in an interface: errors come without a reader
}

type reader struct {
	name   string
	r      io.ReaderAt
	size   int64
	file   io.Closer // nil: the caller's
	groups []parquet.RowGroup
	rows   parquet.Rows // of the group that is read; nil between groups
	root   *node
	leaves [][]parquet.Value // of the current row, by column
	buf    []parquet.Row
	read   int // rows in buf
	at     int // the next of them
	line   int
	out    []byte
}

func newReader(r io.ReaderAt, size int64, name string) (out *reader, err error) {
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
	root, err := newNode(f.Root(), "")
	if err != nil {
		return nil, fmt.Errorf("parquet: %s: %w", name, err)
	}
	return &reader{
		name: name, r: r, size: size, groups: f.RowGroups(), root: root,
		leaves: make([][]parquet.Value, len(f.Schema().Columns())), buf: make([]parquet.Row, 64),
	}, nil
}

// checkFooter makes sure that the length at the end of a file fits into it, since
// the decoder makes room for whatever stands there.
func checkFooter(r io.ReaderAt, size int64) error {
	const frame = 4 + 4 + 4 // magic, length, magic
	var tail [8]byte
	if size < frame {
		return errors.New("too short for a Parquet file")
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
		return err
	}
	if string(tail[4:]) != "PAR1" {
		return errors.New("no Parquet file, or one that is cut short")
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:4])); n > size-frame {
		return fmt.Errorf("the schema is said to take %d bytes of a file of %d", n, size)
	}
	return nil
}

// caught turns a panic of the decoder, which a damaged file can cause, into an
// error.
func caught(name string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("parquet: %s is damaged: %v (get the file again)", name, p)
	}
}

// Next implements [dataset.RowReader].
func (r *reader) Next() (line int, object []byte, err error) {
	defer caught(r.name, &err)
	for r.at == r.read {
		if r.rows == nil {
			if len(r.groups) == 0 {
				return r.line, nil, io.EOF
			}
			r.rows, r.groups = r.groups[0].Rows(), r.groups[1:]
		}
		n, err := r.rows.ReadRows(r.buf)
		r.at, r.read = 0, n
		if err == io.EOF {
			if err := r.rows.Close(); err != nil {
				return r.line, nil, r.fail(err)
			}
			r.rows = nil
		} else if err != nil {
			return r.line, nil, r.fail(err)
		} else if n == 0 {
			return r.line, nil, r.fail(io.ErrNoProgress)
		}
	}
	r.line++
	for i := range r.leaves {
		r.leaves[i] = r.leaves[i][:0]
	}
	for _, v := range r.buf[r.at] {
		r.leaves[v.Column()] = append(r.leaves[v.Column()], v)
	}
	r.at++
	a := assembler{leaves: r.leaves, at: make([]int, len(r.leaves)), out: r.out[:0]}
	if err := a.value(r.root); err != nil {
		return r.line, nil, r.fail(err)
	}
	r.out = a.out
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

// Close implements [dataset.RowReader].
func (r *reader) Close() (err error) {
	defer caught(r.name, &err)
	if r.rows != nil {
		err = r.rows.Close()
		r.rows = nil
	}
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
		r.file = nil
	}
	return err
}
