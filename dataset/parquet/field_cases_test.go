package parquet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
)

// TestFilesFromTheField reads small files of the kinds that writers make. Each holds the
// same questions unless the reason says otherwise; want is the first row, or part of the
// refusal after "refused: ".
func TestFilesFromTheField(t *testing.T) {
	ok := `{"prompt_id":"q0","prompt":"How tall is a giraffe?"`
	turns := `{"conversation_id":"q0","conversation":[{"content":"How tall is a giraffe?","role":"user"},` +
		`{"content":"Sure.","role":"assistant"}],"language":"English"}`
	cases := []struct {
		file   string
		rows   int
		want   string
		reason string
	}{
		{"ok", 3, ok + "}", "text declared to be text"},
		{"large_string", 3, ok + "}", "a type of the writer's that the file does not show"},
		{"string_view", 3, ok + "}", "another"},
		{"binary_prompt", 3, ok + "}", "bytes that are UTF-8 are text, as several databases write it"},
		{"binary_both", 3, ok + "}", "an id too"},
		{"conv_binary", 3, turns, "inside lists as well"},
		{"conv", 3, turns, "lists of three levels"},
		{"conv_large", 3, turns, "large lists"},
		{"conv_old_list", 3, strings.NewReplacer(`{"content":"How tall is a giraffe?","role":"user"}`,
			`{"role":"user","content":"How tall is a giraffe?"}`, `{"content":"Sure.","role":"assistant"}`,
			`{"role":"assistant","content":"Sure."}`).Replace(turns), "lists of older names"},
		{
			"bad_utf8",
			0,
			"refused: column prompt holds bytes that are not text",
			"as JSON lines refuse them; U+FFFD would be another prompt",
		},
		{"fsb_id", 0, "refused: column id holds bytes that are not text", "a digest is no text, whatever its bytes spell"},
		{
			"uuid_id",
			3,
			`{"id":"00000000-0000-0000-0000-000000000001","prompt":"How tall is a giraffe?"}`,
			"a UUID as one writes it",
		},
		{"uint64_id", 3, `{"id":9223372036854775808,"prompt":"How tall is a giraffe?"}`, "all digits"},
		{"float_id_nan", 3, `{"id":1,"prompt":"How tall is a giraffe?"}`, "ids of a data frame with a gap: NaN is none"},
		{"float16_meta", 3, ok + `,"s":0.5}`, "half a float as a number"},
		{"int96_ts", 3, ok + `,"t":"2024-01-01T00:00:00Z"}`, "timestamps of older writers"},
		{"decimal_meta", 3, ok + `,"cost":1.50}`, "a decimal with its digits"},
		{"ts_tz", 3, ok + `,"t":"2024-01-01T00:00:00Z"}`, "a timestamp in UTC"},
		{"time_dur", 3, ok + `,"t":"01:02:03","d":1}`, "a time of day; a duration is the number that the file holds"},
		{"map_meta", 3, ok + `,"m":{"a":1}}`, "a map"},
		{"null_col", 3, ok + `,"x":null}`, "a column without a value"},
		{"pandas_index", 3, ok + `,"__index_level_0__":0}`, "an index is metadata like any other"},
		{"dict", 3, ok + `,"language":"English"}`, "dictionaries"},
		{"delta", 500, `{"prompt_id":"q0","prompt":"question 0?"}`, "delta encodings"},
		{"bss", 3, ok + `,"s":0.1}`, "bytes of numbers apart"},
		{"many_groups", 500, `{"prompt_id":"q0","prompt":"question 0?"}`, "many groups"},
		{"empty", 0, "refused: no rows", "a table without rows is no damaged file"},
		{"codec_none", 3, ok + "}", "no compression"},
		{"codec_snappy", 3, ok + "}", "snappy"},
		{"codec_gzip", 3, ok + "}", "gzip"},
		{"codec_zstd", 3, ok + "}", "zstd"},
		{"codec_brotli", 3, ok + "}", "brotli"},
		{"codec_lz4", 0, "refused: compressed with LZ4_RAW", "its decoder has no bound on damaged files"},
	}
	dir := shareddata.File(t, "cases/parquet")
	listed := map[string]bool{}
	for _, c := range cases {
		listed[c.file+".parquet"] = true
		path := filepath.Join(dir, c.file+".parquet")
		_, err := File(path, Columns{}).Prompts(dataset.ReadOptions{})
		if say, refused := strings.CutPrefix(c.want, "refused: "); refused {
			if err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("%s (%s): %v, want %q", c.file, c.reason, err, say)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s (%s): %v", c.file, c.reason, err)
			continue
		}
		rows, err := File(path, Columns{All: true}).Open()
		if err != nil {
			t.Fatal(err)
		}
		n, first := 0, ""
		for ; ; n++ {
			_, obj, err := rows.Next()
			if err != nil {
				if err != io.EOF {
					t.Errorf("%s: %v", c.file, err)
				}
				break
			}
			if n == 0 {
				first = string(obj)
			}
		}
		rows.Close()
		if n != c.rows || first != c.want {
			t.Errorf("%s (%s): %d rows, want %d; the first is\n%s, want\n%s", c.file, c.reason, n, c.rows, first, c.want)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !listed[f.Name()] {
			t.Errorf("%s is in the folder, and nothing here says what is right for it", f.Name())
		}
	}
}

// TestNotText: a row with bytes that are no text is named by its column, and the next is read.
func TestNotText(t *testing.T) {
	type row struct {
		ID    string   `parquet:"prompt_id"`
		Text  []byte   `parquet:"prompt"`
		Score float64  `parquet:"score"`
		UUID  [16]byte `parquet:"uuid,uuid"`
	}
	file := writeRows(
		t,
		[]row{{"a", []byte("x"), 0, [16]byte{1}}, {"b", []byte{0xff}, 0, [16]byte{}}, {"c", []byte("y\x00"), 0, [16]byte{}},
			{"d", []byte("z"), 1 / zero, [16]byte{}}},
	)
	var aside bytes.Buffer
	src := dataset.Source{Name: "in.parquet", Open: func() (dataset.RowReader, error) {
		return NewRowReader(bytes.NewReader(file), int64(len(file)), "in.parquet", Columns{})
	}}
	got, err := src.Prompts(dataset.ReadOptions{SetAside: &aside})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Prompts) != 1 || got.Prompts[0].Metadata["uuid"] != "01000000-0000-0000-0000-000000000000" {
		t.Errorf("%v is left", got.Prompts)
	}
	for _, say := range []string{`"line":2`, "column prompt", `"line":3`, `"line":4`, "column score", "+Inf"} {
		if !strings.Contains(aside.String(), say) {
			t.Errorf("set aside\n%s, which does not say %s", aside.String(), say)
		}
	}
}

var zero float64

func writeRows[T any](t testing.TB, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := parquet.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestColumns: only the wanted columns are decoded, and a name that is none is refused.
func TestColumns(t *testing.T) {
	path := filepath.Join("testdata", "chatbot_arena_conversations.parquet")
	first := func(c Columns) string {
		rows, err := File(path, c).Open()
		if err != nil {
			return err.Error()
		}
		defer rows.Close()
		_, obj, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		return string(obj)
	}
	if all, some := first(Columns{All: true}), first(Columns{}); !strings.Contains(all, "conversation_b") ||
		strings.Contains(some, "conversation_b") || !strings.Contains(some, "conversation_a") ||
		!strings.Contains(some, "openai_moderation") {
		t.Errorf("all columns are %s\nthose that are read %s", all, some)
	}
	if got := first(Columns{Names: []string{"winner"}}); !strings.HasPrefix(got, `{"winner":`) ||
		strings.Contains(got, ",") {
		t.Errorf("one column is %s", got)
	}
	if got := first(Columns{Names: []string{"victor"}}); !strings.Contains(
		got,
		`no column "victor"; it has: question_id`,
	) {
		t.Errorf("a column that is not there: %s", got)
	}
}

// readAll reads bytes that may be anything: it ends with an error or at the end.
func readAll(b []byte) error {
	r, err := NewRowReader(bytes.NewReader(b), int64(len(b)), "in.parquet", Columns{All: true})
	if err != nil {
		return err
	}
	defer r.Close()
	for range 10_000 {
		_, _, err := r.Next()
		var bad *dataset.LineError
		if err != nil && !(errors.As(err, &bad) && bad.Skip) {
			return err
		}
	}
	return nil
}

// TestMutations changes each fixture many times at random. Nothing panics, and no step asks
// for more memory than the bounds allow, which for such small files is far below 1 GiB.
func TestMutations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	n := 40
	if os.Getenv("REWEIGH_DRILL") == "full" {
		n = 1000
		more, _ := filepath.Glob(filepath.Join(filepath.Dir(shareddata.File(t, "cases/parquet/ok.parquet")), "*.parquet"))
		files = append(files, more...)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var before, after runtime.MemStats
	worst := uint64(0)
	for _, file := range files {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			bad := bytes.Clone(whole)
			for range 1 + rng.IntN(3) {
				at := rng.IntN(len(bad))
				if rng.IntN(2) == 0 && len(bad) > 2000 {
					at = len(bad) - 1 - rng.IntN(2000) // the footer, most likely
				}
				bad[at] = byte(rng.Uint32())
			}
			runtime.ReadMemStats(&before)
			readAll(bad)
			runtime.ReadMemStats(&after)
			worst = max(worst, after.TotalAlloc-before.TotalAlloc)
		}
	}
	t.Logf("%d files, %d mutations of each: at most %d MiB allocated by one", len(files), n, worst>>20)
	if worst > 1<<30 {
		t.Errorf("one mutation made the reader allocate %d MiB", worst>>20)
	}
}

// FuzzBytes: bytes of any kind end with an error or at the end, and never with a panic.
func FuzzBytes(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join("testdata", "*.parquet"))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 20_000 {
			f.Add(b)
		}
	}
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) { readAll(b) })
}
