package parquet

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/format"
)

// TestRunsThatSayTooMuch: what few bytes say of how much follows is refused before room is
// made for it.
func TestRunsThatSayTooMuch(t *testing.T) {
	uvarints := func(v ...uint64) (b []byte) {
		for _, u := range v {
			b = binary.AppendUvarint(b, u)
		}
		return b
	}
	const packed, mini = 1, 4
	for _, c := range []struct {
		name  string
		check error
		good  bool
	}{
		{"a run of as many", checkRuns(append(uvarints(100<<1), 7), 3, 100), true},
		{"packed values, padded", checkRuns(append(uvarints(13<<1|packed), make([]byte, 39)...), 3, 100), true},
		{"a run of a milliard", checkRuns(append(uvarints(1<<31), 7), 3, 100), false},
		{"packed values of a milliard", checkRuns(uvarints(1<<40|packed), 3, 100), false},
		{"many runs", checkRuns(bytes.Repeat(append(uvarints(1000<<1), 7), 1000), 3, 1000), false},
		{"runs of no width", checkRuns(uvarints(1<<31), 0, 100), false},
		{"indexes", checkValues(append([]byte{20}, append(uvarints(1<<31), 1, 2, 3)...), format.RLEDictionary, 100), false},
		{"truth values", checkValues(append([]byte{6, 0, 0, 0}, append(uvarints(1<<31), 1)...), format.RLE, 100), false},
		{"numbers", checkValues(uvarints(128, mini, 1<<31, 0), format.DeltaBinaryPacked, 100), false},
		{"lengths", checkValues(uvarints(128, mini, 1<<31, 0), format.DeltaLengthByteArray, 100), false},
		{"blocks", checkValues(uvarints(1<<40, mini, 100, 0), format.DeltaBinaryPacked, 100), false},
		// 1 Mi of values, each sharing 1 MiB with the one before: a terabyte.
		{"shared beginnings", checkValues(append(uvarints(128, mini, 1<<20, 2<<20), bytes.Repeat([]byte{0, 0, 0, 0, 0},
			1<<13)...), format.DeltaByteArray, 1<<20), false},
		{"negative lengths", checkValues(uvarints(128, mini, 1, 1), format.DeltaByteArray, 100), false},
	} {
		if (c.check == nil) != c.good || !c.good && !errors.Is(c.check, errBounds) {
			t.Errorf("%s: %v", c.name, c.check)
		}
	}
}

// TestDeltaSum: the sum of lengths is the encoder's.
func TestDeltaSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var text []byte
		offsets := []uint32{0}
		shared := ""
		for range rng.IntN(400) {
			shared = shared[:rng.IntN(len(shared)+1)] + strings.Repeat("ab", rng.IntN(1+rng.IntN(300)))
			text = append(text, shared...)
			offsets = append(offsets, uint32(len(text)))
		}
		b, err := new(delta.ByteArrayEncoding).EncodeByteArray(nil, text, offsets)
		if err != nil {
			t.Fatal(err)
		}
		n := len(offsets) - 1
		prefixes, rest, err := deltaSum(b, n)
		if err != nil {
			t.Fatal(err)
		}
		suffixes, rest, err := deltaSum(rest, n)
		if err != nil || prefixes+suffixes != len(text) || suffixes != len(rest) {
			t.Fatalf("%d and %d of %d bytes in %d values, %d left, %v", prefixes, suffixes, len(text), n, len(rest), err)
		}
	}
}

// TestPagesThatSayTooLittle: more than a page is said to hold uncompressed is not unpacked.
func TestPagesThatSayTooLittle(t *testing.T) {
	zeros := make([]byte, 1<<20)
	var gz, br bytes.Buffer
	z, b := gzip.NewWriter(&gz), brotli.NewWriter(&br)
	if _, err := z.Write(zeros); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(zeros); err != nil || b.Close() != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for codec, packed := range map[format.CompressionCodec][]byte{format.Snappy: snappy.Encode(nil, zeros),
		format.Gzip: gz.Bytes(), format.Brotli: br.Bytes(), format.Zstd: enc.EncodeAll(zeros, nil)} {
		p := pageChecker{codec: codec}
		defer p.close()
		if got, err := p.unpack(packed, len(zeros)); err != nil || !bytes.Equal(got, zeros) {
			t.Errorf("%s: %d bytes, %v", codec, len(got), err)
		}
		if _, err := p.unpack(packed, 1000); !errors.Is(err, errBounds) {
			t.Errorf("%s: 1 MiB that is said to be 1000 bytes: %v", codec, err)
		}
	}
	p := pageChecker{codec: format.Snappy}
	if _, err := p.unpack([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 1000); !errors.Is(err, errBounds) {
		t.Errorf("6 bytes that are said to be 4 GiB: %v", err)
	}
}

// TestDecimals: no digit is lost on the way into a record.
func TestDecimals(t *testing.T) {
	type row struct {
		ID    string `parquet:"prompt_id"`
		Text  string `parquet:"prompt"`
		Short int32  `parquet:"short,decimal(2:9)"`
		Long  int64  `parquet:"long,decimal(6:18)"`
	}
	file := writeRows(t, []row{{"a", "x", 1050, 123456789012345678}, {"b", "y", -5, -1}})
	r, err := NewRowReader(bytes.NewReader(file), int64(len(file)), "in.parquet", Columns{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"short":10.50,"long":"123456789012.345678"`, `"short":-0.05,"long":"-0.000001"`} {
		if _, obj, err := r.Next(); err != nil || !strings.Contains(string(obj), want) {
			t.Errorf("%s, %v, want %s", obj, err, want)
		}
	}
}
