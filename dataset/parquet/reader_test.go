package parquet

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"

	"github.com/reweigh/reweigh/dataset"
)

// TestPublishedSchemas: a data set reads the same from Parquet as from the parent
// package's JSON lines and CSV. The files were written by pyarrow 26.0.1 from those,
// as the hub's are, with a compression and page format each; the types are those
// that it infers.
func TestPublishedSchemas(t *testing.T) {
	for _, name := range []string{"chatbot_arena_conversations.jsonl", "arena-human-preference-100k.jsonl",
		"arena-human-preference-140k.jsonl", "arena-human-preference-55k.csv", "lmsys-chat-1m.jsonl"} {
		for _, opt := range []dataset.ReadOptions{{}, {KeepFlagged: true, KeepSetApart: true, MaxModerationScore: 0.5,
			SingleTurn: true}} {
			want, err := dataset.File(filepath.Join("..", "testdata", "schemas", name)).Prompts(opt)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", strings.TrimSuffix(name, filepath.Ext(name))+".parquet")
			got, err := File(path, Columns{}).Prompts(opt)
			if err != nil {
				t.Fatal(err)
			}
			if got.Container != "parquet" || len(got.SHA256) != 64 {
				t.Errorf("%s: container %s, SHA-256 %s", name, got.Container, got.SHA256)
			}
			ignore := cmp.Options{cmpopts.IgnoreFields(dataset.Ingest{}, "Container", "SHA256")}
			if diff := cmp.Diff(want, got, ignore); diff != "" {
				t.Errorf("%s (-text +parquet): %s", name, diff)
			}
			sample, err := File(path, Columns{}).Sample(opt, dataset.SampleOptions{N: got.Eligible, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got.Prompts, sample.Prompts); diff != "" {
				t.Errorf("%s, as a sample: %s", name, diff)
			}
		}
	}
}

// values are rows of every type, of which TestEveryType knows the JSON.
type values struct {
	Prompt  string              `parquet:"prompt"`
	ID      int64               `parquet:"prompt_id"`
	Bool    bool                `parquet:"bool"`
	Small   int32               `parquet:"small"`
	Natural uint64              `parquet:"natural"`
	Float   float32             `parquet:"float"`
	Double  float64             `parquet:"double"`
	Bytes   []byte              `parquet:"bytes"`
	Micros  time.Time           `parquet:"micros,timestamp(microsecond)"`
	Day     int32               `parquet:"day,date"`
	Enum    string              `parquet:"enum,enum"`
	Maybe   *string             `parquet:"maybe,optional"`
	List    []string            `parquet:"list,list"`
	Plain   []int64             `parquet:"plain"`
	Nested  [][]pair            `parquet:"nested,list"`
	Struct  *pair               `parquet:"struct,optional"`
	Map     map[string]*float64 `parquet:"map"`
}

type pair struct {
	A string   `parquet:"a"`
	B []string `parquet:"b,list"`
}

func write(t testing.TB, rows []values) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[values](&b)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEveryType(t *testing.T) {
	x, half := "x \"quoted\" é", 0.5
	rows := []values{
		{Prompt: "p", ID: math.MaxInt64, Bool: true, Small: -7, Natural: math.MaxUint64, Float: 0.1, Double: 1e-300,
			Bytes: []byte("é\t"), Micros: time.Date(2025, 6, 18, 12, 47, 29, 684000000, time.UTC),
			Day: 20000, Enum: "e", Maybe: &x, List: []string{"a", ""}, Plain: []int64{1, 2},
			Nested: [][]pair{{{"1", []string{"2"}}, {"3", nil}}, {}}, Struct: &pair{"s", []string{"t", "u"}},
			Map: map[string]*float64{"k": &half}},
		{Double: math.NaN(), Float: float32(math.NaN()), Micros: time.UnixMicro(-1)},
	}
	want := []string{
		`{"prompt":"p","prompt_id":9223372036854775807,"bool":true,"small":-7,"natural":18446744073709551615,"float":0.1,"double":1e-300,"bytes":"é\t","micros":"2025-06-18T12:47:29.684Z",` +
			`"day":"2024-10-04","enum":"e","maybe":"x \"quoted\" é","list":["a",""],"plain":[1,2],"nested":[[{"a":"1","b":["2"]},{"a":"3","b":[]}],[]],"struct":{"a":"s","b":["t","u"]},"map":{"k":0.5}}`,
		`{"prompt":"","prompt_id":0,"bool":false,"small":0,"natural":0,"float":null,"double":null,"bytes":"","micros":"1969-12-31T23:59:59.999999Z",` +
			`"day":"1970-01-01","enum":"","maybe":null,"list":[],"plain":[],"nested":[],"struct":null,"map":{}}`,
	}
	b := write(t, rows)
	r, err := NewRowReader(bytes.NewReader(b), int64(len(b)), "all.parquet", Columns{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, w := range want {
		line, obj, err := r.Next()
		if err != nil || line != i+1 {
			t.Fatalf("row %d is row %d, %v", i+1, line, err)
		}
		if diff := cmp.Diff(w, string(obj)); diff != "" {
			t.Errorf("row %d: %s", i+1, diff)
		}
	}
	if _, _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last row: %v", err)
	}
}

// TestManyRows reads more rows than fit into a batch, in several groups, while the
// file is the source of a sample.
func TestManyRows(t *testing.T) {
	type row struct {
		ID       string `parquet:"prompt_id"`
		Prompt   string `parquet:"prompt"`
		Language string `parquet:"language,dict"`
	}
	path := filepath.Join(t.TempDir(), "many.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[row](f)
	var lines strings.Builder
	for i := range 5000 {
		r := row{fmt.Sprint("id", i), fmt.Sprintf("Text %d", i/2), []string{"English", "German"}[i%3%2]}
		if _, err := w.Write([]row{r}); err != nil {
			t.Fatal(err)
		}
		if i%777 == 0 {
			w.Flush() // ends the group
		}
		fmt.Fprintf(&lines, "{\"prompt_id\":%q,\"prompt\":%q,\"language\":%q}\n", r.ID, r.Prompt, r.Language)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	opt := dataset.ReadOptions{Languages: []string{"English"}}
	want, err := dataset.ReadPrompts(strings.NewReader(lines.String()), "lines", opt)
	if err != nil {
		t.Fatal(err)
	}
	wantSample, err := dataset.SamplePrompts(want.Prompts, 50, 42)
	if err != nil {
		t.Fatal(err)
	}
	got, err := File(path, Columns{}).Sample(opt, dataset.SampleOptions{N: 50, Seed: 42})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantSample, got.Prompts); diff != "" || got.Rows != 5000 || got.Eligible != want.Eligible {
		t.Errorf("%d rows, %d eligible, want 5000 and %d: %s", got.Rows, got.Eligible, want.Eligible, diff)
	}
}

func TestRefuses(t *testing.T) {
	whole := write(t, []values{{Prompt: "x"}})
	rows := []struct {
		data        []byte
		say, reason string
	}{
		{nil, "get the file again", "an empty file"},
		{[]byte("{}\n"), "get the file again", "JSON"},
		{whole[:len(whole)-9], "get the file again", "a file cut short"},
	}
	for _, row := range rows {
		_, err := NewRowReader(bytes.NewReader(row.data), int64(len(row.data)), "in.parquet", Columns{})
		if err == nil || !strings.Contains(err.Error(), "in.parquet") || !strings.Contains(err.Error(), row.say) {
			t.Errorf("%s: %v", row.reason, err)
		}
	}
	if _, err := File(filepath.Join(t.TempDir(), "absent"), Columns{}).Prompts(dataset.ReadOptions{}); err == nil {
		t.Error("an absent file was read")
	}
}

// TestDamaged cuts a file at every byte, and overwrites every byte of the part that
// says what is where: reading ends with an error, or with rows that are JSON. It
// is no fuzz test, since a damaged length can make the decoder ask for any amount
// of memory, which nothing can catch.
func TestDamaged(t *testing.T) {
	whole := write(t, []values{{Prompt: "x", List: []string{"a", "b"}, Nested: [][]pair{{{"1", nil}}}}, {}})
	read := func(b []byte) {
		t.Helper()
		r, err := NewRowReader(bytes.NewReader(b), int64(len(b)), "in.parquet", Columns{})
		if err != nil {
			return
		}
		defer r.Close()
		for range 1000 {
			_, obj, err := r.Next()
			if err != nil {
				return
			}
			if !json.Valid(obj) {
				t.Fatalf("%s is not JSON", obj)
			}
		}
	}
	for cut := range len(whole) {
		read(whole[:cut])
	}
	footer := int(binary.LittleEndian.Uint32(whole[len(whole)-8:]))
	for i := len(whole) - 8 - footer; i < len(whole); i++ {
		for _, c := range []byte{0, 0x15, 0xff} {
			bad := bytes.Clone(whole)
			bad[i] = c
			read(bad)
		}
	}
}

// FuzzReader: rows of any shape, written by the decoder's own encoder, read as the
// JSON that encoding/json makes of them.
func FuzzReader(f *testing.F) {
	f.Add("a", "b", int64(3), 0.5, []byte{3, 0, 1, 2, 0xff})
	f.Add("", "\u2028\"<", int64(math.MinInt64), -1e300, []byte{})
	f.Add("é", "\x00", int64(0), 0.0, []byte{1, 1, 1, 1, 1, 1, 1, 9, 9, 9})
	type inner struct {
		A string   `parquet:"a" json:"a"`
		B []string `parquet:"b,list" json:"b"`
		C *float64 `parquet:"c,optional" json:"c"`
	}
	type row struct {
		Text  string    `parquet:"text" json:"text"`
		Int   int64     `parquet:"int" json:"int"`
		Maybe *string   `parquet:"maybe,optional" json:"maybe"`
		Lists [][]inner `parquet:"lists,list" json:"lists"`
		Plain []float64 `parquet:"plain" json:"plain"`
		Some  *inner    `parquet:"some,optional" json:"some"`
	}
	f.Fuzz(func(t *testing.T, a, b string, n int64, x float64, shape []byte) {
		if math.IsNaN(x) || math.IsInf(x, 0) || len(shape) > 200 {
			return
		}
		// The bytes of shape say, one after the other, how long each list is and
		// what is there.
		next := func(most int) int {
			if len(shape) == 0 {
				return 0
			}
			v := int(shape[0])
			shape = shape[1:]
			return v % (most + 1)
		}
		one := func() inner {
			i := inner{A: a, B: []string{}}
			for range next(2) {
				i.B = append(i.B, b)
			}
			if next(1) == 1 {
				i.C = &x
			}
			return i
		}
		var rows []row
		for more := true; more; more = len(shape) > 0 {
			r := row{Text: b, Int: n, Lists: [][]inner{}, Plain: []float64{}}
			if next(1) == 1 {
				r.Maybe = &a
			}
			for range next(3) {
				list := []inner{}
				for range next(2) {
					list = append(list, one())
				}
				r.Lists = append(r.Lists, list)
			}
			for range next(3) {
				r.Plain = append(r.Plain, x)
			}
			if next(1) == 1 {
				i := one()
				r.Some = &i
			}
			rows = append(rows, r)
		}
		var file bytes.Buffer
		if err := parquet.Write(&file, rows); err != nil {
			t.Fatal(err)
		}
		got, err := NewRowReader(bytes.NewReader(file.Bytes()), int64(file.Len()), "in.parquet", Columns{})
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		for i, r := range rows {
			_, obj, err := got.Next()
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var want, have any
			if err := errors.Join(json.Unmarshal(text, &want), json.Unmarshal(obj, &have)); err != nil {
				t.Fatalf("%s: %v", obj, err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Fatalf("row %d: %s", i, diff)
			}
		}
		if _, _, err := got.Next(); err != io.EOF {
			t.Fatal(err)
		}
	})
}
