package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What a file says of its own sizes is checked before the decoder makes room for it. A page
// that passes takes a few times maxPage at most, the schema and its chunks some hundred bytes
// for each of maxStructs.
const (
	maxPage    = 128 << 20 // bytes of a page, uncompressed
	maxValues  = 16 << 20  // values of a page
	maxStructs = 1 << 20   // structures in the footer
	maxHeader  = 16 << 20  // bytes of a page's header, its statistics included
	maxNested  = 64        // structures inside structures
	maxRow     = 256 << 20 // bytes of a row as JSON
)

var errBounds = errors.New("a size inside the file is larger than the file allows")

// checkThrift walks over a structure in Thrift's compact form, without decoding it, and
// returns how many bytes it has. Whatever says its own length fits into what is there.
func checkThrift(b []byte) (int, error) {
	t := thriftWalk{b: b}
	err := t.structure(0)
	return t.at, err
}

type thriftWalk struct {
	b       []byte
	at      int
	structs int
}

func (t *thriftWalk) byte() (byte, error) {
	if t.at >= len(t.b) {
		return 0, io.ErrUnexpectedEOF
	}
	t.at++
	return t.b[t.at-1], nil
}

func (t *thriftWalk) varint() (uint64, error) {
	v, n := binary.Uvarint(t.b[t.at:])
	if n <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	t.at += n
	return v, nil
}

func (t *thriftWalk) skip(n uint64) error {
	if n > uint64(len(t.b)-t.at) {
		return errBounds
	}
	t.at += int(n)
	return nil
}

func (t *thriftWalk) structure(depth int) error {
	if t.structs++; depth > maxNested || t.structs > maxStructs {
		return errBounds
	}
	for {
		head, err := t.byte()
		if err != nil || head == 0 {
			return err
		}
		if head>>4 == 0 { // the field's number follows
			if _, err := t.varint(); err != nil {
				return err
			}
		}
		if kind := head & 15; kind > 2 { // true and false stand in the head
			if err := t.value(kind, depth); err != nil {
				return err
			}
		}
	}
}

func (t *thriftWalk) value(kind byte, depth int) error {
	switch kind {
	case 1, 2, 3:
		return t.skip(1)
	case 4, 5, 6:
		_, err := t.varint()
		return err
	case 7:
		return t.skip(8)
	case 8:
		n, err := t.varint()
		if err != nil {
			return err
		}
		return t.skip(n)
	case 9, 10:
		head, err := t.byte()
		if err != nil {
			return err
		}
		n := uint64(head >> 4)
		if n == 15 {
			if n, err = t.varint(); err != nil {
				return err
			}
		}
		return t.elements(n, depth, head&15)
	case 11:
		n, err := t.varint()
		if err != nil || n == 0 {
			return err
		}
		kinds, err := t.byte()
		if err != nil {
			return err
		}
		return t.elements(n, depth, kinds>>4, kinds&15)
	case 12:
		return t.structure(depth + 1)
	}
	return fmt.Errorf("unknown type %d", kind)
}

func (t *thriftWalk) elements(n uint64, depth int, kinds ...byte) error {
	if depth > maxNested || n > uint64(len(t.b)-t.at) { // each takes a byte or more
		return errBounds
	}
	for range n {
		for _, kind := range kinds {
			if err := t.value(kind, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkFooter makes sure that the footer fits into the file, and what it says into the
// footer.
func checkFooter(r io.ReaderAt, size int64) error {
	const frame = 4 + 4 + 4 // magic, length, magic
	var tail [8]byte
	if size < frame {
		return errors.New("too short for a Parquet file")
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
		return err
	}
	switch string(tail[4:]) {
	case "PAR1":
	case "PARE":
		return errors.New("the file is encrypted, which is not read")
	default:
		return errors.New("no Parquet file, or one that is cut short")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-frame {
		return fmt.Errorf("the schema is said to take %d bytes of a file of %d", n, size)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil && err != io.EOF {
		return err
	}
	_, err := checkThrift(footer)
	return err
}

// checkPages makes sure that the pages of a column's chunk fit into it, and that none is
// larger than the bounds. rep and def are the largest levels of the column.
func checkPages(r io.ReaderAt, size int64, c *format.ColumnMetaData, rep, def int) error {
	pages := pageChecker{codec: c.Codec, rep: rep, def: def}
	defer pages.close()
	at := c.DataPageOffset
	if c.DictionaryPageOffset > 0 && c.DictionaryPageOffset < at {
		at = c.DictionaryPageOffset
	}
	end := at + c.TotalCompressedSize
	if at < 4 || c.TotalCompressedSize < 0 || end > size || end < at {
		return errBounds
	}
	var proto thrift.CompactProtocol
	for values := int64(0); at < end && values < c.NumValues; {
		head, n, err := pageHeader(r, at, end)
		if err != nil {
			return err
		}
		var h format.PageHeader
		if err := thrift.Unmarshal(&proto, head, &h); err != nil {
			return err
		}
		begin := at + int64(n)
		at = begin + int64(h.CompressedPageSize)
		count := int32(0)
		if d := h.DataPageHeader; d.Valid {
			count = d.V.NumValues
		}
		if d := h.DataPageHeaderV2; d.Valid {
			count = d.V.NumValues
		}
		values += int64(count)
		if d := h.DictionaryPageHeader; d.Valid {
			count = d.V.NumValues
		}
		if h.CompressedPageSize < 0 || at > end || h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPage ||
			count < 0 || count > maxValues {
			return errBounds
		}
		if err := pages.check(r, begin, &h); err != nil {
			return err
		}
	}
	return nil
}

// pageHeader reads the header that begins at a place; n is its length.
func pageHeader(r io.ReaderAt, at, end int64) (head []byte, n int, err error) {
	for room := int64(512); ; room *= 8 {
		room = min(room, end-at)
		head = make([]byte, room)
		if _, err := r.ReadAt(head, at); err != nil && err != io.EOF {
			return nil, 0, err
		}
		n, err = checkThrift(head)
		if err == nil || room == end-at || room >= maxHeader {
			return head[:n], n, err
		}
	}
}
