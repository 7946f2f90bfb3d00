package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A file says what it is by its first bytes. What is known and not read has a name here,
// so that no message calls it bad JSON.
var notRead = []struct {
	at             int
	magic          string
	is, unpackWith string
}{
	{0, "\xfd7zXZ\x00", "xz-compressed", "unpack it with unxz"},
	{0, "BZh", "bzip2-compressed", "unpack it with bunzip2"},
	{0, "\x04\x22\x4d\x18", "LZ4-compressed", "unpack it with unlz4"},
	{0, "\x5d\x00\x00", "LZMA-compressed", "unpack it with unxz"},
	{0, "\x1f\x9d", "compressed with compress", "unpack it with gunzip"},
	{0, "\x78\x01", "zlib-compressed", "unpack it first"},
	{0, "\x78\x9c", "zlib-compressed", "unpack it first"},
	{0, "\x78\xda", "zlib-compressed", "unpack it first"},
	{0, "\xff\x06\x00\x00sNaPpY", "Snappy-compressed", "unpack it first"},
	{257, "ustar", "a tar archive", "unpack it, and give one of its files"},
	{0, "PK\x03\x04", "a zip archive, or a spreadsheet", "unpack it with unzip, or save the sheet as CSV"},
	{0, "PK\x05\x06", "an empty zip archive", "get the file again"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"},
	{0, "Rar!\x1a\x07", "a RAR archive", "unpack it first"},
	{0, "PAR1", "Parquet", "read it with the module github.com/reweigh/reweigh/dataset/parquet, whose command jsonl " +
		"makes JSON lines of it"},
	{0, "PARE", "encrypted Parquet", "convert it to JSON lines"},
	{0, "ARROW1", "an Arrow file", "convert it to JSON lines"},
	{0, "\xff\xff\xff\xff", "an Arrow stream", "convert it to JSON lines"},
	{0, "ORC", "ORC", "convert it to JSON lines"},
	{0, "Obj\x01", "Avro", "convert it to JSON lines"},
	{0, "SQLite format 3\x00", "an SQLite database", "export its table as CSV"},
	{0, "\x89HDF\r\n", "HDF5", "convert it to JSON lines"},
	{0, "\x93NUMPY", "a NumPy array", "convert it to JSON lines"},
	{0, "\xd0\xcf\x11\xe0", "a document of an old Office", "save the sheet as CSV"},
	{0, "%PDF-", "a PDF", "give the rows as JSON lines"},
	{0, "\x1e{", "a JSON text sequence, with a mark before each row", "take the bytes 1E out: that leaves JSON lines"},
	{0, "GGUF", "a model (GGUF)", "give the prompts as JSON lines"},
	{0, "version https://git-lfs.github.com/", "a pointer of Git LFS, which stands for the file",
		"fetch the file with git lfs pull"},
}

// maxPeel is how often a file may be compressed.
const maxPeel = 3

// peel takes the compression off. Stored is what r reads in the end; around lists what was
// taken off, the outermost first.
func peel(stored *bufio.Reader, name string) (r *bufio.Reader, around []string, closeAll func(), err error) {
	r, closeAll = stored, func() {}
	for {
		head, _ := r.Peek(512)
		var next io.Reader
		switch {
		case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
			next, err = newGzipReader(r)
			around = append(around, "gzip")
		case isZstd(head):
			var z *zstd.Decoder
			z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
			if err == nil {
				inner := closeAll
				next, closeAll = z, func() { z.Close(); inner() }
			}
			around = append(around, "zstd")
		default:
			return r, around, closeAll, known(head, name, around)
		}
		if err != nil {
			return r, around, closeAll, fmt.Errorf("dataset: %s looks %s-compressed, but: %w", name,
				around[len(around)-1], err)
		}
		if len(around) > maxPeel {
			return r, around, closeAll, &LineError{Name: name, Line: 1, Err: fmt.Errorf("the file is compressed %d times over",
				len(around)), Hint: "unpack it first"}
		}
		r = bufio.NewReaderSize(next, 256<<10)
	}
}

// maxZstdWindow is how far back a zstd file may refer, which is what its decoder keeps in
// memory: as much as zstd itself allows unless its long mode is on.
const maxZstdWindow = 128 << 20

// isZstd knows frames, and those that are skipped, with which some tools begin a file.
func isZstd(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// known refuses what begins like a file that is known and not read.
func known(head []byte, name string, around []string) error {
	refuse := func(is, hint string) error {
		inside := ""
		if len(around) > 0 {
			inside = ", inside " + strings.Join(around, " and ")
		}
		return &LineError{Name: name, Line: 1, Err: errors.New("the file is " + is + inside), Hint: hint}
	}
	for _, k := range notRead {
		if len(head) > k.at && bytes.HasPrefix(head[k.at:], []byte(k.magic)) {
			return refuse(k.is, k.unpackWith)
		}
	}
	if len(head) > 1 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 {
		return refuse("a Python pickle", "write the rows as JSON lines")
	}
	if enc := utfOther(head); enc != "" {
		return refuse(enc, hintUTF8)
	}
	switch text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, utf8BOM))); {
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")):
		return refuse("a web page, not the file behind it", "download the file itself; it may need a login")
	case bytes.HasPrefix(text, []byte("<")):
		return refuse("XML or HTML", "give the rows as JSON lines, a JSON array or CSV")
	}
	return nil
}

// utfOther names a text encoding of two or four bytes a character, by its mark or, without
// one, by where its NUL bytes are.
func utfOther(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(head, []byte{0, 0, 0xfe, 0xff}):
		return "UTF-32"
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return "UTF-16"
	}
	n := len(head) &^ 3
	if n < 4 {
		return ""
	}
	var nul [4]int
	for i, b := range head[:n] {
		if b == 0 {
			nul[i%4]++
		}
	}
	const most, few = .7, .1
	share := func(i int) float64 { return float64(nul[i]) / float64(n/4) }
	switch {
	case share(0) > most && share(1) > most && share(2) > most && share(3) < few,
		share(3) > most && share(2) > most && share(1) > most && share(0) < few:
		return "UTF-32 without a byte order mark"
	case share(1) > most && share(3) > most && share(0) < few && share(2) < few,
		share(0) > most && share(2) > most && share(1) < few && share(3) < few:
		return "UTF-16 without a byte order mark"
	}
	return ""
}

// gzipReader reads gzip as gzip does: several members one after the other, and zeros behind
// the last, with which tapes and some tools pad a file.
type gzipReader struct {
	under *bufio.Reader
	z     *gzip.Reader
	err   error // the first, which whoever only peeks does not see
}

func newGzipReader(r *bufio.Reader) (*gzipReader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipReader{under: r, z: z}, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for g.err == nil {
		n, err := g.z.Read(p)
		if n > 0 || err != io.EOF {
			if err != io.EOF { // of this member
				g.err = err
			}
			return n, g.err
		}
		g.err = g.nextMember()
	}
	return 0, g.err
}

var errAfterGzip = errors.New("something that is not gzip follows the compressed data")

func (g *gzipReader) nextMember() error {
	zeros := false
	for {
		b, err := g.under.ReadByte()
		switch {
		case err != nil:
			return err
		case b == 0:
			zeros = true
			continue
		case zeros || b != 0x1f:
			return errAfterGzip
		}
		if err := g.under.UnreadByte(); err != nil {
			return err
		}
		if err := g.z.Reset(g.under); err != nil {
			return err
		}
		g.z.Multistream(false)
		return nil
	}
}
