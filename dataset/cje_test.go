package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/internal/shareddata"
)

// sameFields compares two files of JSON lines field by field, and takes a field
// that is null for one that is not there.
func sameFields(t *testing.T, want, got []byte) {
	t.Helper()
	read := func(b []byte) (rows []map[string]any) {
		for row, err := range ReadJSONL[map[string]any](bytes.NewReader(b), "rows") {
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range row {
				if v == nil {
					delete(row, k)
				}
			}
			rows = append(rows, row)
		}
		return rows
	}
	w, g := read(want), read(got)
	if len(w) != len(g) || len(w) == 0 {
		t.Fatalf("%d rows became %d", len(w), len(g))
	}
	for i := range w {
		if id, ok := g[i]["prompt_id"]; ok && w[i]["prompt_id"] == nil &&
			fmt.Sprint(id) == fmt.Sprint(w[i]["metadata"].(map[string]any)["prompt_id"]) {
			delete(g[i], "prompt_id") // added, from the metadata
		}
		if diff := cmp.Diff(w[i], g[i]); diff != "" {
			t.Fatalf("row %d: %s", i+1, diff)
		}
	}
}

// through reads a file of rows and writes them again.
func through[T any](t *testing.T, in []byte) []byte {
	t.Helper()
	rows, err := readAll[T](bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteJSONL(&out, slices.Values(rows)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestCJEPassesThrough: what CJE's tools wrote loses nothing on its way.
func TestCJEPassesThrough(t *testing.T) {
	logged := `{"prompt":"q","response":"a","base_policy_logprob":-14.726269679999916,"target_policy_logprobs":{"b":null,"a":-1e-9},"metadata":{"prompt_id":7,"n":12345678901234567890,"deep":{"x":[1.50]},"judge_score":0.25},"reward":{"mean":0.5},"cv_fold":3}
{"prompt_id":"p","prompt":"<q>","response":"","base_policy_logprob":null,"target_policy_logprobs":{},"metadata":null,"judge_score":0,"oracle_label":1,"row_id":"r1"}
`
	sameFields(t, []byte(logged), func() []byte {
		out := through[Sample](t, []byte(logged))
		// The score that stood in the metadata alone stands beside it now, too.
		return bytes.Replace(out, []byte(`"judge_score":0.25,"oracle_label":null`), []byte(`"oracle_label":null`), 1)
	}())
	draws := `{"prompt_id":"p","target_policy":"x","judge_score":0.5,"draw_idx":2,"response":"a","prompt":"q","metadata":{"k":[null]},"observation_id":"o"}
`
	sameFields(t, []byte(draws), through[FreshDraw](t, []byte(draws)))

	rows, err := readAll[Sample](strings.NewReader(logged))
	if err != nil || rows[0].PromptID != "7" || rows[0].JudgeScore.OrNaN() != 0.25 || rows[1].JudgeScore.OrNaN() != 0 ||
		rows[1].OracleLabel.OrNaN() != 1 {
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestSharedFilesPassThrough does the same to 400 logged rows and 1,600 fresh
// draws of a real run.
func TestSharedFilesPassThrough(t *testing.T) {
	logged, err := os.ReadFile(shareddata.File(t, "data/arena/logged.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	sameFields(t, logged, through[Sample](t, logged))

	dir := filepath.Dir(shareddata.File(t, "data/arena/fresh_draws/base_responses.jsonl"))
	draws, err := ReadFreshDraws(dir)
	if err != nil || len(draws) != 4 {
		t.Fatalf("%d policies, %v", len(draws), err)
	}
	out := t.TempDir()
	for policy, rows := range draws {
		if len(rows) != 400 {
			t.Errorf("%s: %d draws", policy, len(rows))
		}
		if err := WriteFreshDraws(out, policy, rows); err != nil {
			t.Fatal(err)
		}
		name := policy + "_responses.jsonl"
		in, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sameFields(t, sortedLines(t, in), []byte(content(t, filepath.Join(out, name))))
	}
	prompts, err := File(shareddata.File(t, "data/arena_prompts.jsonl")).Prompts(ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteJSONL(&b, slices.Values(prompts.Prompts)); err != nil {
		t.Fatal(err)
	}
	again, err := ReadPrompts(&b, "again", ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(prompts.Prompts, again.Prompts); diff != "" {
		t.Error(diff)
	}
}

// sortedLines puts draws in the order in which they are written.
func sortedLines(t *testing.T, b []byte) []byte {
	t.Helper()
	var rows []json.RawMessage
	var keys []FreshDraw
	for line := range bytes.Lines(b) {
		var d FreshDraw
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, FreshDraw{PromptID: d.PromptID, DrawIdx: d.DrawIdx,
			Extra: map[string]json.RawMessage{"line": bytes.TrimSpace(line)}})
	}
	slices.SortStableFunc(keys, compareDraws)
	for _, k := range keys {
		rows = append(rows, k.Extra["line"])
	}
	return append(bytes.Join(asBytes(rows), []byte("\n")), '\n')
}

func asBytes(rows []json.RawMessage) (out [][]byte) {
	for _, r := range rows {
		out = append(out, r)
	}
	return out
}

// Draws are written in the order of their prompts, and the caller's stay as they are.
func TestDrawsAreWrittenInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fresh_draws")
	draws := []FreshDraw{draw("b", "q", "x", Known(0), Float{}, Float{}, 0), draw("a", "q", "y", Known(1), Float{},
		Float{}, 1), draw("a", "q", "z", Known(0.5), Float{}, Float{}, 0)}
	before := slices.Clone(draws)
	if err := WriteFreshDraws(dir, "p", draws); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, draws, nans); diff != "" {
		t.Errorf("the caller's draws change:\n%s", diff)
	}
	text := content(t, filepath.Join(dir, "p_responses.jsonl"))
	if z, y, x := strings.Index(text, `"z"`), strings.Index(text, `"y"`), strings.Index(text, `"x"`); z < 0 || z > y ||
		y > x {
		t.Errorf("not in the order of prompts and numbers:\n%s", text)
	}
}

// TestUnscoredDraws: a draw without a score is in no file that CJE takes, is not
// lost, and moves when it gets one.
func TestUnscoredDraws(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fresh_draws")
	draws := []FreshDraw{draw("b", "q", "x", Known(0), Float{}, Float{}, 0), draw("a", "q", "y", Float{}, Known(1),
		Known(0.25), 1), draw("a", "q", "z", Known(0.5), Float{}, Float{}, 0)}
	for range 2 {
		if err := WriteFreshDraws(dir, "p", draws); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFreshDraws(dir)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(draws, compareDraws)
		if diff := cmp.Diff(map[string][]FreshDraw{"p": draws}, got, nans); diff != "" {
			t.Fatal(diff)
		}
		if text := content(t, filepath.Join(dir, "p_responses.jsonl")); strings.Contains(text, `"judge_score":null`) {
			t.Errorf("CJE would refuse\n%s", text)
		}
		if _, err := os.Stat(filepath.Join(dir, "unscored")); (err == nil) != !draws[1].JudgeScore.Valid() {
			t.Errorf("unscored/: %v, with a score of %v", err, draws[1].JudgeScore.OrNaN())
		}
		draws[1].JudgeScore = Known(0.25)
	}
	for _, name := range []string{"", "a/b", "..", "con"} {
		if err := WriteFreshDraws(dir, name, nil); err == nil {
			t.Errorf("policy %q was accepted", name)
		}
	}
	if _, err := ReadFreshDraws(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	if err := WriteFreshDraws(dir, "p", append(draws, draws[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFreshDraws(dir); !errors.Is(err, ErrDuplicateID) {
		t.Errorf("a draw that is there twice: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p.jsonl"), []byte("{}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFreshDraws(dir); err == nil || !strings.Contains(err.Error(), "keep one") {
		t.Errorf("two files of one policy: %v", err)
	}
}

// anything draws values that are hard to write.
type anything struct{ *rand.Rand }

func (r anything) text() string {
	parts := []string{"a", "é", "日本", "\n", "\r\n", "\"", ",", "\\", "\x00", " ", "\u2028", "<&>", "'", "\ufeff", "{",
		"null", "\U0001F600", ";", "\t"}
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

func (r anything) float() Float {
	switch r.IntN(6) {
	case 0:
		return Float{}
	case 1:
		return Known(0)
	case 2:
		return Known(math.Copysign(0, -1))
	case 3:
		return Known(-r.ExpFloat64() * 100)
	case 4:
		return Known(r.NormFloat64() * math.Pow(10, float64(r.IntN(600)-300)))
	}
	return Known(float64(r.IntN(1 << 20)))
}

func (r anything) id() string {
	return fmt.Sprintf("%d/%s", r.IntN(1e6), strings.ReplaceAll(r.text(), "\x00", ""))
}

func (r anything) err() *RecordError {
	if r.IntN(2) == 0 {
		return nil
	}
	return &RecordError{r.text(), r.text()}
}

func (r anything) metadata() map[string]any {
	return map[string]any{r.text(): r.text(), "n": float64(r.IntN(1e6)), "deep": []any{map[string]any{"x": nil}, true}}
}

// TestEveryWriterReadsBack: whatever is written, by any writer, is read back equal.
func TestEveryWriterReadsBack(t *testing.T) {
	r := anything{rand.New(rand.NewPCG(1, 2))}
	const n = 300
	fill := func(make func() any) (rows []any) {
		for range n {
			rows = append(rows, make())
		}
		return rows
	}
	response := func() any {
		text := r.text()
		out := Response{PromptID: r.id(), Policy: r.text(), DrawIdx: r.IntN(9), Text: &text, FinishReason: r.text(),
			LogProb: r.float(), Model: r.text(), Error: r.err()}
		if r.IntN(2) == 0 {
			out.TokenIDs, out.Usage = []int{r.IntN(1e5), 0}, &Usage{r.IntN(100), r.IntN(100)}
		}
		return out
	}
	logprob := func() any {
		return LogProb{PromptID: r.id(), Policy: r.text(), LogProb: r.float(), Tokens: r.IntN(100),
			TokenLogProbs: Floats{r.float().OrNaN(), r.float().OrNaN()}, Method: r.text(),
			Methods: map[string]MethodResult{r.text(): {r.float(), "ok", r.text()}}, Spread: r.float(),
			Flags: []string{r.text()}, Error: r.err()}
	}
	score := func() any {
		return JudgeScore{PromptID: r.id(), Policy: r.text(), Judge: r.text(), Mean: r.float(), Variance: r.float(),
			Source: r.text(), Calibrated: r.float(), CalibratedVariance: r.float(), Error: r.err()}
	}
	label := func() any {
		return OracleLabel{PromptID: r.id(), Policy: r.text(), Label: r.float(), InclusionProb: Known(r.Float64()),
			Role: r.text(), Oracle: r.text(), Error: r.err()}
	}
	sample := func() any {
		s := Sample{PromptID: r.id(), Prompt: r.text(), Response: r.text(), BasePolicyLogProb: r.float(),
			TargetPolicyLogProbs: map[string]Float{"a": r.float(), "b,\"c": r.float()},
			JudgeScore:           r.float(), OracleLabel: r.float(), InclusionProb: r.float(), Metadata: r.metadata()}
		if r.IntN(2) == 0 {
			s.Extra = map[string]json.RawMessage{"x" + r.text(): json.RawMessage(`{"deep":[1,2]}`)}
		}
		return s
	}
	fresh := func() any {
		return draw(r.id(), r.text(), r.text(), r.float(), r.float(), Known(float64(r.IntN(3))/2), r.IntN(5))
	}
	prompt := func() any { return Prompt{ID: r.id(), Text: r.text() + "x", Metadata: r.metadata()} }
	roundTrip[Response](t, fill(response))
	roundTrip[LogProb](t, fill(logprob))
	roundTrip[JudgeScore](t, fill(score))
	roundTrip[OracleLabel](t, fill(label))
	roundTrip[FreshDraw](t, fill(fresh))
	roundTrip[Prompt](t, fill(prompt))
	roundTrip[Canary](t, fill(func() any {
		return Canary{PromptID: r.id(), Policy: r.text(), Kind: r.text(), Clean: r.float(), Planted: r.float(),
			Judge: r.text(), Error: r.err()}
	}))
	samples := fill(sample)
	roundTrip[Sample](t, samples)

	// CSV, by this package's reader, which the other tests hold to RFC 4180.
	var b bytes.Buffer
	targets := []string{"b,\"c", "a"}
	err := WriteSamplesCSV(&b, targets, func(yield func(Sample) bool) {
		for _, s := range samples {
			if !yield(s.(Sample)) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := NewRowReader(&b, "samples.csv")
	if err != nil || rows.Container() != "csv" {
		t.Fatalf("%s, %v", rows.Container(), err)
	}
	for i, s := range samples {
		s := s.(Sample)
		_, obj, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		var cells map[string]string
		if err := json.Unmarshal(obj, &cells); err != nil {
			t.Fatal(err)
		}
		got := Sample{PromptID: cells["prompt_id"], Prompt: cells["prompt"], Response: cells["response"], Extra: s.Extra,
			TargetPolicyLogProbs: map[string]Float{}}
		number := func(name string) Float {
			if cells[name] == "" {
				return Float{}
			}
			f, err := parseFloat([]byte(cells[name]))
			if err != nil {
				t.Fatal(err)
			}
			return Known(f)
		}
		got.BasePolicyLogProb, got.JudgeScore, got.OracleLabel, got.InclusionProb = number("base_policy_logprob"),
			number("judge_score"), number("oracle_label"), number("inclusion_prob")
		for _, name := range targets {
			got.TargetPolicyLogProbs[name] = number("target_policy_logprobs." + name)
		}
		if err := json.Unmarshal([]byte(cells["metadata"]), &got.Metadata); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got, nans); diff != "" {
			t.Fatalf("CSV row %d: %s", i, diff)
		}
	}
	if err := WriteSamplesCSV(&b, []string{"a"},
		func(yield func(Sample) bool) { yield(samples[0].(Sample)) }); err == nil || !strings.Contains(err.Error(),
		"not among the targets") {
		t.Errorf("a column that would be lost: %v", err)
	}
}

func roundTrip[T any](t *testing.T, rows []any) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	want := make([]T, len(rows))
	for i, row := range rows {
		want[i] = row.(T)
	}
	if err := WriteFile(path, func(w io.Writer) error { return WriteJSONL(w, slices.Values(want)) }); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile[T](path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, nans, cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("%T: %s", want[0], diff)
	}
	if again := through[T](t, []byte(content(t, path))); !bytes.Equal(again, []byte(content(t, path))) {
		t.Errorf("%T: the second writing differs from the first", want[0])
	}
}

// FuzzCJE: a logged row or fresh draw that is read, written and read again is the
// same, and no field of the line is lost.
func FuzzCJE(f *testing.F) {
	f.Add([]byte(`{"prompt":"q","response":"a","base_policy_logprob":-1.5,"target_policy_logprobs":{"b":null},"metadata":{"prompt_id":7,"n":12345678901234567890},"reward":{"mean":0.5}}`))
	f.Add([]byte(`{"prompt_id":"p","judge_score":null,"draw_idx":1,"x":[1e3,"\u2028<"],"metadata":null}`))
	f.Add([]byte(`{"spaced":{"a":2, "b":97009111102 }}`))
	f.Add([]byte(`{"Prompt_ID":"case","prompt_id":"p","target_policy_logprobs":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzCJE[Sample](t, b, sampleFields)
		fuzzCJE[FreshDraw](t, b, drawFields)
	})
}

func fuzzCJE[T any](t *testing.T, b []byte, known map[string]bool) {
	rows, err := readAll[T](bytes.NewReader(b))
	if err != nil || len(rows) != 1 {
		return
	}
	var out bytes.Buffer
	if err := WriteJSONL(&out, slices.Values(rows)); err != nil {
		t.Fatal(err)
	}
	again, err := readAll[T](bytes.NewReader(out.Bytes()))
	if err != nil || len(again) != 1 {
		t.Fatalf("%s: %v", out.Bytes(), err)
	}
	// Spaces between what a field holds are not kept.
	spaces := cmp.Transformer("compact", func(raw json.RawMessage) string {
		var b bytes.Buffer
		if err := json.Compact(&b, raw); err != nil {
			t.Fatal(err)
		}
		return b.String()
	})
	if diff := cmp.Diff(rows, again, nans, spaces); diff != "" {
		t.Fatalf("%s: %s", out.Bytes(), diff)
	}
	before, err := splitObject(bytes.Trim(bytes.TrimPrefix(b, utf8BOM), " \t\r\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	after, err := splitObject(bytes.TrimSpace(out.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range before {
		if !known[m.name] && !sameJSON(before.get(m.name), after.get(m.name)) {
			t.Fatalf("%s: %s became %s", m.name, before.get(m.name), after.get(m.name))
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}
