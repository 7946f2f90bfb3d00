package beam

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdk "github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	pq "github.com/parquet-go/parquet-go"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

func TestMain(m *testing.M) {
	sdk.Init()
	os.Exit(m.Run())
}

// logs are samples of prompts with several rows each, draws of a target, and probes in a
// file of their own.
func logs(prompts, rows int) dataset.Logs {
	rng := rand.New(rand.NewPCG(4, 4))
	out := dataset.Logs{Logging: "base", Judge: "j", Draws: map[string][]dataset.FreshDraw{},
		Probes: map[string][]dataset.FreshDraw{}}
	label := func(s float64) dataset.Float {
		return dataset.Known(min(max(.25+.5*s+.1*rng.NormFloat64(), 0), 1))
	}
	for i := range prompts * rows {
		s := rng.Float64()
		x := dataset.Sample{PromptID: fmt.Sprint("q", i%prompts), Response: strings.Repeat("word ", 1+rng.IntN(40)),
			BasePolicyLogProb: dataset.Known(-40), JudgeScore: dataset.Known(s), Metadata: map[string]any{
				"language": []string{"Welsh", "German"}[i%prompts%2]},
			TargetPolicyLogProbs: map[string]dataset.Float{"near": dataset.Known(-40 + math.Log(.4+1.2*s)),
				"far": dataset.Known(-40 - 9*rng.Float64()), "twin": dataset.Known(-40)}}
		if rng.IntN(4) == 0 {
			x.OracleLabel = label(s)
		}
		out.Samples = append(out.Samples, x)
	}
	for p := range prompts {
		s := math.Sqrt(rng.Float64())
		d := dataset.FreshDraw{PromptID: fmt.Sprint("q", p), Response: "own", JudgeScore: dataset.Known(s)}
		out.Draws["near"] = append(out.Draws["near"], d)
		if p%5 == 0 {
			d.OracleLabel = label(s)
			out.Probes["near"] = append(out.Probes["near"], d)
		}
	}
	out.Scored = dataset.Unstated("base", out.Samples)
	return out
}

// file writes rows as JSON lines.
func file[T any](t *testing.T, name string, rows []T) string {
	t.Helper()
	err := dataset.WriteFile(name, func(w io.Writer) error { return dataset.WriteJSONL(w, slices.Values(rows)) })
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// scatter writes logs into files, a prompt's rows into different ones, the last as Parquet.
func scatter(t *testing.T, l dataset.Logs, files int) (in Files) {
	t.Helper()
	dir := t.TempDir()
	parts := make([][]dataset.Sample, files)
	for i, x := range l.Samples {
		k := (i + i/7) % files
		parts[k] = append(parts[k], x)
	}
	for k, rows := range parts[:files-1] {
		in.Logged = append(in.Logged, file(t, filepath.Join(dir, fmt.Sprintf("logged%d.jsonl", k)), rows))
	}
	in.Logged = append(in.Logged, file(t, filepath.Join(dir, "empty.jsonl"), []dataset.Sample(nil)))
	in.Logged = append(in.Logged, parquetFile(t, filepath.Join(dir, "logged.parquet"), parts[files-1]))
	for policy, d := range l.Draws {
		half := len(d) / 2
		in.Draws = append(in.Draws, dataset.FreshDrawFile{Policy: policy, Path: file(t, filepath.Join(dir, "a"), d[:half])},
			dataset.FreshDrawFile{Policy: policy, Path: file(t, filepath.Join(dir, "b"), d[half:])})
	}
	for policy, d := range l.Probes {
		in.Probes = append(in.Probes, dataset.FreshDrawFile{Policy: policy, Path: file(t, filepath.Join(dir, "p"), d)})
	}
	return in
}

// parquetFile writes what of samples a warehouse would hold: columns of plain types.
func parquetFile(t *testing.T, name string, rows []dataset.Sample) string {
	t.Helper()
	type row struct {
		PromptID string             `parquet:"prompt_id"`
		Response string             `parquet:"response"`
		Base     float64            `parquet:"base_policy_logprob"`
		Targets  map[string]float64 `parquet:"target_policy_logprobs"`
		Score    float64            `parquet:"judge_score"`
		Label    *float64           `parquet:"oracle_label,optional"`
		Metadata map[string]string  `parquet:"metadata"`
	}
	var out []row
	for _, x := range rows {
		r := row{PromptID: x.PromptID, Response: x.Response, Base: x.BasePolicyLogProb.OrNaN(), Score: x.JudgeScore.OrNaN(),
			Targets: map[string]float64{}, Metadata: map[string]string{"language": x.Metadata["language"].(string)}}
		for policy, v := range x.TargetPolicyLogProbs {
			r.Targets[policy] = v.OrNaN()
		}
		if x.OracleLabel.Valid() {
			v := x.OracleLabel.OrNaN()
			r.Label = &v
		}
		out = append(out, r)
	}
	if err := pq.WriteFile(name, out); err != nil {
		t.Fatal(err)
	}
	return name
}

var outcomes = make(chan Outcome, 1)

func init() { sdk.RegisterFunction(keep) }

func keep(o Outcome) { outcomes <- o }

func evaluated(t *testing.T, in Files, c offpolicy.Config) (Outcome, error) {
	t.Helper()
	p, s := sdk.NewPipelineWithRoot()
	o, err := Evaluate(s, in, Evaluation{Plan: offpolicy.Plan{Logging: "base", Judge: "j"}, Config: c, Source: "logs"})
	if err != nil {
		return Outcome{}, err
	}
	sdk.ParDo0(s, keep, o)
	if _, err := sdk.Run(context.Background(), "prism", p); err != nil {
		return Outcome{}, err
	}
	return <-outcomes, nil
}

// Whatever files rows are in, what Prism computes is what one process computes, to the
// byte: each of the twelve files, of which one is empty, has sent a table of its own.
func TestIsEvaluate(t *testing.T) {
	l := logs(300, 3)
	c := offpolicy.Config{Seed: 42, Margin: .05, Replicates: 20}
	got, err := evaluated(t, scatter(t, l, 8), c)
	if err != nil {
		t.Fatal(err)
	}
	if got.Rows != 900 || got.Tables != 12 {
		t.Errorf("%d rows in %d tables, want 900 in 12", got.Rows, got.Tables)
	}
	s, err := offpolicy.FromRecords(l)
	if err != nil {
		t.Fatal(err)
	}
	c.Clones, c.Segments = []string{"twin"}, []string{"language"}
	r, err := offpolicy.Evaluate(s, c)
	if err != nil {
		t.Fatal(err)
	}
	d := r.Document()
	d.Source = "logs"
	want, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got.Document {
		t.Errorf("the documents differ:\n%s\n%s", want, got.Document)
	}
}

// Beam's own way with a struct is to send its exported fields, of which a table has none: it
// would arrive empty, and nothing would fail.
func TestTablesArrive(t *testing.T) {
	sent := offpolicy.NewTable(offpolicy.Plan{Logging: "base", Judge: "j"})
	for _, x := range logs(2, 2).Samples {
		if err := sent.AddSample(x); err != nil {
			t.Fatal(err)
		}
	}
	of := reflect.TypeFor[*offpolicy.Table]()
	var b bytes.Buffer
	if err := sdk.NewElementEncoder(of).Encode(sent, &b); err != nil {
		t.Fatal(err)
	}
	got, err := sdk.NewElementDecoder(of).Decode(&b)
	if err != nil || got.(*offpolicy.Table).Rows() != 4 {
		t.Errorf("%v (%v), want a table of 4 rows", got, err)
	}
}

// A row that was read and is in no table is an error, and so is no row at all.
func TestRowsAreCounted(t *testing.T) {
	plan, other := offpolicy.Plan{Logging: "base", Judge: "j"}, offpolicy.Plan{Logging: "other", Judge: "j"}
	b, err := json.Marshal(Evaluation{Plan: plan})
	if err != nil {
		t.Fatal(err)
	}
	f := &evaluateFn{Evaluation: string(b)}
	one := func() *offpolicy.Table {
		out := offpolicy.NewTable(plan)
		if err := out.AddSample(logs(1, 1).Samples[0]); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		tables []*offpolicy.Table
		counts []int64
		fails  string
	}{
		{nil, nil, "0 rows arrived of 0"},
		{[]*offpolicy.Table{offpolicy.NewTable(plan)}, []int64{0}, "0 rows arrived of 0"},
		{[]*offpolicy.Table{offpolicy.NewTable(plan)}, []int64{3}, "0 rows arrived of 3"},
		{[]*offpolicy.Table{one()}, []int64{1, 1}, "1 rows arrived of 2"},
		{[]*offpolicy.Table{one(), one()}, []int64{1}, "2 rows arrived of 1"},
		{[]*offpolicy.Table{one(), offpolicy.NewTable(other)}, []int64{1}, "different evaluations"},
		{[]*offpolicy.Table{one(), one()}, []int64{1, 0, 1}, ""},
	} {
		f.StartBundle(nil, nil)
		var o Outcome
		err := f.ProcessElement(0, next(c.tables), next(c.counts), nil)
		if err := f.FinishBundle(nil, func(x Outcome) { o = x }); err != nil {
			t.Error(err)
		}
		if c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) || c.fails == "" && err != nil {
			t.Errorf("%d tables, counts %v: %v, want %q", len(c.tables), c.counts, err, c.fails)
		}
		if c.fails == "" && (o.Rows != 2 || o.Tables != 2) {
			t.Errorf("%d rows in %d tables", o.Rows, o.Tables)
		}
	}
}

// next hands out values as Beam's iterators do.
func next[T any](values []T) func(*T) bool {
	return func(v *T) bool {
		if len(values) == 0 {
			return false
		}
		*v, values = values[0], values[1:]
		return true
	}
}

func TestLargeFilesAreSeveralTables(t *testing.T) {
	name := file(t, filepath.Join(t.TempDir(), "large"), logs(10, 3).Samples)
	f := &readFn{Plan: `{"Logging": "base", "Judge": "j"}`}
	for size, want := range map[int][]int{7: {7, 7, 7, 7, 2}, 15: {15, 15, 0}, 30: {30, 0}, 31: {30}} {
		var got []int
		var rows int64
		err := f.read(context.Background(), source{Name: name, Kind: logged}, size,
			func(t *offpolicy.Table) { got = append(got, t.Rows()) }, func(n int64) { rows += n })
		if err != nil || rows != 30 || !slices.Equal(got, want) {
			t.Errorf("%d rows a table: %v of %d (%v), want %v", size, got, rows, err, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.jsonl")
	if err := os.WriteFile(broken, []byte(`{"prompt_id": "a"`), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain.parquet")
	if err := os.WriteFile(plain, []byte(`{"prompt_id": "a"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	reward := offpolicy.Config{Reward: func(offpolicy.Row) float64 { return 0 }}
	for _, c := range []struct {
		what  string
		in    Files
		c     offpolicy.Config
		fails string
	}{
		{"a function does not go to workers", Files{Logged: []string{broken}}, reward, "Config.Reward"},
		{"rows that count twice", Files{Logged: []string{broken, plain, broken}}, offpolicy.Config{}, "is named twice"},
		{"by another name", Files{Logged: []string{broken, dir + "/./broken.jsonl"}}, offpolicy.Config{}, "is named twice"},
		{"no logged rows", Files{Draws: []dataset.FreshDrawFile{{Policy: "p", Path: broken}}}, offpolicy.Config{},
			"Files.Logged"},
		{"a file that does not exist", Files{Logged: []string{filepath.Join(dir, "none")}}, offpolicy.Config{}, "none"},
		{"half a line", Files{Logged: []string{broken}}, offpolicy.Config{}, "broken.jsonl"},
		{"a name that lies", Files{Logged: []string{plain}}, offpolicy.Config{}, "plain.parquet"},
	} {
		if _, err := evaluated(t, c.in, c.c); err == nil || !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q", c.what, err, c.fails)
		}
	}
}

func TestWrites(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new", "out.json")
	if err := (&writeFn{Name: name}).ProcessElement(context.Background(), Outcome{Document: "{}"}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "{}\n" {
		t.Errorf("%q, %v", b, err)
	}
}
