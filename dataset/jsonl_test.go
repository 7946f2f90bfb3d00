package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type kv struct {
	K string `json:"k"`
	N *int   `json:"n,omitempty"`
}

// readAll returns the rows before the first error, and that error.
func readAll[T any](r io.Reader) (rows []T, err error) {
	for row, e := range ReadJSONL[T](r, "in.jsonl") {
		if err != nil {
			panic("rows after an error")
		}
		if err = e; err == nil {
			rows = append(rows, row)
		}
	}
	return rows, err
}

func TestReadJSONL(t *testing.T) {
	rows := []struct {
		in     string
		want   []string // the rows' k
		line   int      // of the error, 0 for none
		say    string   // what the error must say
		reason string
	}{
		{"", nil, 0, "", "no rows"},
		{"\n \r\n\t\n", nil, 0, "", "blank lines only"},
		{`{"k":"a"}` + "\n" + `{"k":"b"}` + "\n", []string{"a", "b"}, 0, "", "plain"},
		{`{"k":"a"}`, []string{"a"}, 0, "", "no final line break"},
		{"{\"k\":\"a\"}\r\n\r\n {\"k\":\"b\"} \r\n", []string{"a", "b"}, 0, "", "Windows line ends and space around"},
		{"\ufeff{\"k\":\"a\"}\n", []string{"a"}, 0, "", "byte order mark"},
		{"\ufeff\n\n{\"k\":\"a\"}\n", []string{"a"}, 0, "", "byte order mark on a line of its own"},
		{"{\"k\":\"a\"}\n\ufeff{}\n", []string{"a"}, 2, "object's {", "a byte order mark inside the file is none"},
		{"{}\n{} {}\n", []string{""}, 2, "two objects on one line", "two objects on a line"},
		{"{}\n\n{}x\n", []string{""}, 3, "after top-level value", "trailing garbage; blank lines count"},
		{"{}\n{\"k\":\"a\n", []string{""}, 2, "", "cut line"},
		{"{}\n{\"k\":", []string{""}, 2, "does not end on its line", "cut file"},
		{"{}\nnull\n{}\n", []string{""}, 2, "object's {", "null would read as a record of zeros"},
		{"[]\n", nil, 1, "object's {", "an array is no record"},
		{"\"x\"\n", nil, 1, "object's {", "nor is text"},
		{"{\"n\":1.5}\n", nil, 1, `field "n" is 1.5, where a whole number in range should be`, "a fraction of a count"},
		{"{}\n{\"k\":3}\n", []string{""}, 2, `field "k" holds a number`, "a value of another type"},
		{"{}\n{\"k\":\"\xff\"}\n", []string{""}, 2, "UTF-8", "encoding/json alone would replace the byte in silence"},
		{"\xff\xfe{\x00}\x00\n\x00", nil, 1, "UTF-16", "as some editors save"},
	}
	for _, row := range rows {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(row.in), "byte by byte": iotest.OneByteReader(strings.NewReader(row.in)),
		} {
			got, err := readAll[kv](r)
			var ks []string
			for _, g := range got {
				ks = append(ks, g.K)
			}
			if diff := cmp.Diff(row.want, ks); diff != "" {
				t.Errorf("%s, %s: %s", row.reason, name, diff)
			}
			checkLineError(t, row.reason, err, row.line, row.say)
		}
	}
}

func checkLineError(t *testing.T, reason string, err error, line int, say string) {
	t.Helper()
	if line == 0 {
		if err != nil {
			t.Errorf("%s: %v", reason, err)
		}
		return
	}
	var le *LineError
	if !errors.As(err, &le) || le.Line != line || le.Hint == "" || !strings.Contains(err.Error(), say) ||
		!strings.Contains(err.Error(), fmt.Sprintf("in.jsonl:%d: ", line)) {
		t.Errorf("%s: %v; want a LineError at in.jsonl:%d that says %q and what to do", reason, err, line, say)
	}
}

func TestReadJSONLLongLines(t *testing.T) {
	// One byte less than the limit, the line break included, and one more.
	const longest = 1 << 20
	read := func(in string) (rows []kv, err error) {
		for row, e := range readJSONL[kv](strings.NewReader(in), "in.jsonl", longest, nil) {
			if err = e; err == nil {
				rows = append(rows, row)
			}
		}
		return rows, err
	}
	empty := `{"k":""}` + "\n"
	fits := strings.Repeat("x", longest-len(empty))
	got, err := read(empty + `{"k":"` + fits + `"}` + "\n" + empty)
	if err != nil || len(got) != 3 || got[1].K != fits {
		t.Errorf("a line of the longest length: %d rows, %v", len(got), err)
	}
	got, err = read(empty + `{"k":"x` + fits + `"}` + "\n" + empty)
	if len(got) != 1 {
		t.Errorf("%d rows before the long line, want 1", len(got))
	}
	checkLineError(t, "beyond the limit", err, 2, "1 MiB")
}

func TestReadJSONLBrokenReader(t *testing.T) {
	broken := errors.New("cable pulled")
	r := io.MultiReader(strings.NewReader("{}\n{\"k\""), iotest.ErrReader(broken))
	got, err := readAll[kv](r)
	if len(got) != 1 || !errors.Is(err, broken) || !strings.Contains(err.Error(), "in.jsonl") {
		t.Errorf("%d rows, %v; want one and the reader's error with the input's name", len(got), err)
	}
}

func TestReadJSONLStopsEarly(t *testing.T) {
	n := 0
	for range ReadJSONL[kv](strings.NewReader("{}\n{}\nnonsense"), "in.jsonl") {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d rows after a break", n)
	}
}

func TestRowsDoNotShareMemory(t *testing.T) {
	type raw struct {
		R json.RawMessage `json:"r"`
	}
	got, err := readAll[raw](strings.NewReader(`{"r":[1]}` + "\n" + `{"r":[2]}` + "\n"))
	if err != nil || string(got[0].R) != "[1]" || string(got[1].R) != "[2]" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestWriteJSONL(t *testing.T) {
	rows := []any{
		map[string]any{"z": 1, "a": "<p> & \u2028 \"é\"\n"},
		struct {
			F Float `json:"f"`
		}{Float{}},
	}
	var b bytes.Buffer
	if err := WriteJSONL(&b, slices.Values(rows)); err != nil {
		t.Fatal(err)
	}
	want := `{"a":"<p> & \u2028 \"é\"\n","z":1}` + "\n" + `{"f":null}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []any{nil, 1, []int{1}, map[string]any{"x": math.NaN()},
		map[string]any{"x": Known(math.Inf(1)).OrNaN()}} {
		err := WriteJSONL(io.Discard, slices.Values([]any{rows[0], bad}))
		if err == nil || !strings.Contains(err.Error(), "row 2") {
			t.Errorf("%v: %v, want an error that names row 2", bad, err)
		}
	}
	full := errors.New("disk full")
	if err := WriteJSONL(failingWriter{full}, slices.Values(rows)); !errors.Is(err, full) {
		t.Errorf("on a full disk: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// FuzzReadJSONL: reading never panics; its rows, written and read again, are the
// same rows and the same bytes.
func FuzzReadJSONL(f *testing.F) {
	f.Add([]byte("{\"prompt_id\":\"a\",\"logprob\":-1.5,\"token_logprobs\":[null,-1e-9]}\n\n{}\r\n"))
	f.Add([]byte("\ufeff{\"logprob\":null,\"error\":{\"class\":\"x\"}}"))
	f.Add([]byte("{\"methods\":{\"b\":{\"logprob\":0},\"a\":{}}}\nnull\n"))
	f.Add([]byte("{\"flags\":[\"\\ud800\",\"<\"]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := readAll[LogProb](bytes.NewReader(b))
		if err != nil {
			var le *LineError
			if !errors.As(err, &le) || le.Line < 1 || le.Line > bytes.Count(b, []byte("\n"))+1 {
				t.Fatalf("%v names no line of the input", err)
			}
		}
		var first, second bytes.Buffer
		if err := WriteJSONL(&first, slices.Values(rows)); err != nil {
			t.Fatal(err)
		}
		again, err := readAll[LogProb](bytes.NewReader(first.Bytes()))
		if err != nil || len(again) != len(rows) {
			t.Fatalf("%d rows read back as %d, %v", len(rows), len(again), err)
		}
		if err := WriteJSONL(&second, slices.Values(again)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("%s\nthen\n%s", first.Bytes(), second.Bytes())
		}
	})
}

func BenchmarkReadJSONL(b *testing.B) {
	text := strings.Repeat("All work and no play. ", 25)
	lps := make(Floats, 120)
	for i := range lps {
		lps[i] = -0.0123456789 * float64(i)
	}
	for _, n := range []int{1e3, 1e4} {
		var responses, logprobs bytes.Buffer
		WriteJSONL(&responses, func(yield func(Response) bool) {
			for i := range n {
				if !yield(Response{PromptID: fmt.Sprint(i), Policy: "p0", Text: &text, LogProb: Known(-12.5)}) {
					return
				}
			}
		})
		WriteJSONL(&logprobs, func(yield func(LogProb) bool) {
			for i := range n {
				if !yield(LogProb{PromptID: fmt.Sprint(i), Policy: "p0", LogProb: Known(-12.5), TokenLogProbs: lps}) {
					return
				}
			}
		})
		bench[Response](b, fmt.Sprintf("responses=%d", n), responses.Bytes())
		bench[LogProb](b, fmt.Sprintf("logprobs=%d", n), logprobs.Bytes())
	}
}

func bench[T any](b *testing.B, name string, data []byte) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readAll[T](bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
