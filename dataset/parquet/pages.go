package parquet

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// A page says how long it is uncompressed, and its encodings say how many values follow.
// The decoder believes them. Here they are held against the page's header first.

// maxWindow is how far back a page in zstd may refer.
const maxWindow = 8 << 20

// pageChecker reads pages a second time, before the decoder does.
type pageChecker struct {
	codec    format.CompressionCodec
	rep, def int // the largest levels of the column
	raw, out []byte
	zstd     *zstd.Decoder
}

func (p *pageChecker) close() {
	if p.zstd != nil {
		p.zstd.Close()
	}
}

// check holds a page against its header.
func (p *pageChecker) check(r io.ReaderAt, at int64, h *format.PageHeader) error {
	p.raw = grown(p.raw, int(h.CompressedPageSize))
	if _, err := r.ReadAt(p.raw, at); err != nil && err != io.EOF {
		return err
	}
	size := int(h.UncompressedPageSize)
	switch {
	case h.DictionaryPageHeader.Valid:
		_, err := p.unpack(p.raw, size)
		return err
	case h.DataPageHeader.Valid:
		d := h.DataPageHeader.V
		data, err := p.unpack(p.raw, size)
		if err != nil {
			return err
		}
		for _, most := range []int{p.rep, p.def} {
			if most == 0 {
				continue
			}
			if len(data) < 4 {
				return io.ErrUnexpectedEOF
			}
			n := int64(binary.LittleEndian.Uint32(data))
			if n > int64(len(data)-4) {
				return errBounds
			}
			if err := checkRuns(data[4:4+n], bits.Len(uint(most)), int(d.NumValues)); err != nil {
				return err
			}
			data = data[4+n:]
		}
		return checkValues(data, d.Encoding, int(d.NumValues))
	case h.DataPageHeaderV2.Valid:
		d := h.DataPageHeaderV2.V
		data := p.raw
		for _, l := range []struct{ most, n int }{{p.rep, int(d.RepetitionLevelsByteLength)},
			{p.def, int(d.DefinitionLevelsByteLength)}} {
			if l.n < 0 || l.n > len(data) {
				return errBounds
			}
			if l.most > 0 {
				if err := checkRuns(data[:l.n], bits.Len(uint(l.most)), int(d.NumValues)); err != nil {
					return err
				}
			}
			data, size = data[l.n:], size-l.n
		}
		if !d.IsCompressed.Valid || d.IsCompressed.V {
			var err error
			if data, err = p.unpack(data, size); err != nil {
				return err
			}
		}
		return checkValues(data, d.Encoding, int(d.NumValues))
	}
	return nil
}

func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// unpack takes off the compression of what is said to have so many bytes without it.
func (p *pageChecker) unpack(b []byte, size int) ([]byte, error) {
	if size < 0 {
		return nil, errBounds
	}
	var r io.Reader
	switch p.codec {
	case format.Uncompressed:
		return b, nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(b); err != nil || n > size {
			return nil, errBounds
		}
		p.out = grown(p.out, size)
		return snappy.Decode(p.out, b)
	case format.Gzip:
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		r = z
	case format.Brotli:
		r = brotli.NewReader(bytes.NewReader(b))
	case format.Zstd:
		if p.zstd == nil {
			var err error
			if p.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
				return nil, err
			}
		}
		if err := p.zstd.Reset(bytes.NewReader(b)); err != nil {
			return nil, err
		}
		r = p.zstd
	default:
		return nil, fmt.Errorf("pages are compressed with %s, which is not read", p.codec)
	}
	p.out = grown(p.out, size+1)
	n, err := io.ReadFull(r, p.out)
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return p.out[:n], nil
	case err != nil:
		return nil, err
	}
	return nil, errBounds // there is more than was said
}

// checkRuns walks over values in runs, each of which says how many it holds.
func checkRuns(b []byte, width, values int) error {
	most := uint64(2*values + 1024) // runs are padded
	for total := uint64(0); len(b) > 0; {
		u, n := binary.Uvarint(b)
		if n <= 0 {
			return io.ErrUnexpectedEOF
		}
		b = b[n:]
		count, size := u>>1, (width+7)/8
		if u&1 != 0 {
			if count > most {
				return errBounds
			}
			size = int(count) * width
			count *= 8
		}
		if total += count; count > most || total > most {
			return errBounds
		}
		b = b[min(size, len(b)):]
	}
	return nil
}

// checkValues does the same for a page's values, if their encoding says how many there are.
func checkValues(b []byte, e format.Encoding, values int) error {
	switch e {
	//lint:ignore SA1019 files of parquet 1.0 have the older name
	case format.RLEDictionary, format.PlainDictionary:
		if len(b) == 0 {
			return nil
		}
		return checkRuns(b[1:], min(int(b[0]), 64), values)
	case format.RLE:
		if len(b) < 4 {
			return io.ErrUnexpectedEOF
		}
		return checkRuns(b[4:], 1, values)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		_, _, _, err := deltaHeader(b, values)
		return err
	case format.DeltaByteArray:
		total := 0
		for range 2 { // lengths shared with the value before, and lengths of their own
			sum, rest, err := deltaSum(b, values)
			if err != nil {
				return err
			}
			if total, b = total+sum, rest; total > maxPage {
				return errBounds
			}
		}
	}
	return nil
}

// deltaHeader reads what a block of deltas says of itself.
func deltaHeader(b []byte, values int) (mini, minis, count int, err error) {
	var v [3]uint64
	for i := range v {
		u, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, 0, 0, io.ErrUnexpectedEOF
		}
		v[i], b = u, b[n:]
	}
	if v[0] > 1<<16 || v[1] == 0 || v[1] > v[0] || v[2] > uint64(values) {
		return 0, 0, 0, errBounds
	}
	return int(v[0] / v[1]), int(v[1]), int(v[2]), nil
}

// deltaSum adds up lengths that are written as deltas, none of which may be below 0.
func deltaSum(b []byte, values int) (sum int, rest []byte, err error) {
	mini, minis, count, err := deltaHeader(b, values)
	if err != nil {
		return 0, nil, err
	}
	for range 3 {
		_, n := binary.Uvarint(b)
		b = b[n:]
	}
	value, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	b = b[n:]
	add := func(delta int64) bool {
		value += delta
		sum += int(value)
		count--
		return value >= 0 && value <= maxPage && sum <= maxPage
	}
	if count > 0 && !add(0) {
		return 0, nil, errBounds
	}
	for count > 0 {
		least, n := binary.Varint(b)
		if n <= 0 || len(b) < n+minis {
			return 0, nil, io.ErrUnexpectedEOF
		}
		widths := b[n : n+minis]
		b = b[n+minis:]
		for _, width := range widths {
			if count == 0 {
				break
			}
			size := mini * int(width) / 8
			if width > 64 || size > len(b)+8*mini { // the last may be cut short
				return 0, nil, errBounds
			}
			for i := range min(mini, count) {
				if !add(least + int64(bitsAt(b, i*int(width), int(width)))) {
					return 0, nil, errBounds
				}
			}
			b = b[min(size, len(b)):]
		}
	}
	return sum, b, nil
}

// bitsAt reads so many bits from a place, the lowest first.
func bitsAt(b []byte, at, width int) (v uint64) {
	for i := 0; i < width; {
		if at/8 >= len(b) {
			return v
		}
		take := min(8-at%8, width-i)
		v |= uint64(b[at/8]>>(at%8)&(1<<take-1)) << i
		i, at = i+take, at+take
	}
	return v
}
