package dataset

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestPublishedSchemas reads rows written for this test to the field lists that
// the data sets' own cards publish.
func TestPublishedSchemas(t *testing.T) {
	rows := []struct {
		file      string
		opt       ReadOptions
		format    string
		container string
		prompts   []string
		dropped   string
		reason    string
	}{
		{"chatbot_arena_conversations.jsonl", ReadOptions{}, "chatbot_arena_conversations", "jsonl", []string{
			"2fb8bd1fb5274f2e8b4dcfe1fc2a1d60: Nenne drei Flüsse.",
			"58210e39b3fd4441a2bd4a518bb44c2d: Which is heavier, a litre of oil or one of water?",
		}, "dropped 1 for flagged by moderation", "the original Arena"},
		{"chatbot_arena_conversations.jsonl", ReadOptions{ConversationLanguages: []string{"english", "german"},
			SingleTurn: true, KeepFlagged: true, MaxModerationScore: 0.9}, "chatbot_arena_conversations", "jsonl",
			[]string{"58210e39b3fd4441a2bd4a518bb44c2d: Which is heavier, a litre of oil or one of water?"},
			"dropped 1 for moderation score, 1 for several turns",
			"filters of one's own: a score of 0.93, and a second question"},
		{"arena-human-preference-100k.jsonl", ReadOptions{}, "chatbot_arena_conversations", "jsonl", []string{
			"22bb: Prove that 7 is prime.\nBriefly.", "c7f9a8d2e1b04f6f: Why do cats purr?",
		}, "dropped 1 for left out by dedup_tag", "a frequent prompt that was not sampled; conversations as lists and " +
			"as text"},
		{"arena-human-preference-100k.jsonl", ReadOptions{KeepSetApart: true, MinBytes: 3},
			"chatbot_arena_conversations", "jsonl", []string{
				"22bb: Prove that 7 is prime.\nBriefly.", "c7f9a8d2e1b04f6f: Why do cats purr?",
			}, "dropped 1 for too short", "the same by length"},
		{"arena-human-preference-140k.jsonl", ReadOptions{}, "chatbot_arena_conversations", "jsonl",
			[]string{"c4b9710c-8d64-4bee-a0b0-94637ae4cc65: Name a noble gas."},
			"dropped 1 for not only text, 1 for goes on from another row",
			"structured content; a picture; the second vote of a session, whose first question is another row's"},
		{"arena-human-preference-55k.csv", ReadOptions{}, "arena-human-preference-55k", "csv", []string{
			"30192: Is it \"moral\" to buy a car,\nor not?", "53567: What is the capital of Chad?",
		}, "dropped 1 for empty prompt", "CSV with JSON in its cells, null turns among them"},
		{"arena-human-preference-55k.csv", ReadOptions{SingleTurn: true}, "arena-human-preference-55k", "csv",
			[]string{"53567: What is the capital of Chad?"},
			"dropped 1 for empty prompt, 1 for several turns", "the user's turns are counted"},
		{"lmsys-chat-1m.jsonl", ReadOptions{}, "conversation", "jsonl",
			[]string{"33f01939a744455c869cb234afca47f1: How long is a Roman mile?"},
			"dropped 1 for flagged by moderation", "moderation by turn"},
		{"WildChat-1M.jsonl", ReadOptions{ConversationLanguages: []string{"en"}}, "conversation", "jsonl",
			[]string{"0a1f9b3c5d7e42f08a6b1c2d3e4f5a6b: How deep is the lake at Puyehue?"},
			"dropped 1 for language, 1 for flagged by moderation", "turns with headers and nulls; toxic as a flag"},
		{"prompts.jsonl", ReadOptions{}, "prompts", "jsonl", []string{
			"arena_0: What is the difference between a fjord and a firth?", "arena_1: and why?",
		}, "dropped ", "plain prompts, with and without messages"},
		{"cje-logged.jsonl", ReadOptions{}, formatCJE, "jsonl", []string{"arena_1574: Write a title.",
			"arena_6024: How much is the nail?"},
			"dropped ", "the id at the top or in the metadata"},
		{"cje-fresh_draws.jsonl", ReadOptions{}, formatCJE, "jsonl", []string{"arena_1574: Write a title.",
			"arena_6024: How much is the nail?"},
			"dropped 1 for duplicate text", "two draws of one prompt are one prompt"},
	}
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			path := filepath.Join("testdata", "schemas", row.file)
			text := content(t, path)
			for container, in := range map[string]string{row.container: text, row.container + "+gzip": zipped(t, text)} {
				got, err := ReadPrompts(strings.NewReader(in), path, row.opt)
				if err != nil {
					t.Fatal(err)
				}
				var prompts []string
				for _, p := range got.Prompts {
					prompts = append(prompts, p.ID+": "+p.Text)
				}
				if diff := cmp.Diff(row.prompts, prompts); diff != "" || got.Format != row.format || got.Container != container {
					t.Errorf("format %s in %s, want %s in %s; prompts (-want +got): %s", got.Format, got.Container, row.format,
						container, diff)
				}
				if d := got.Attrition.summary(); d != row.dropped {
					t.Errorf("%s, want %s", d, row.dropped)
				}
			}
			fromFile, err := File(path).Prompts(row.opt)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(fromFile.Prompts); n != len(row.prompts) || fromFile.Format != row.format {
				t.Errorf("from the file: %d prompts of format %s", n, fromFile.Format)
			}
		})
	}
}

// TestSchemaMetadata: provenance is kept, and what CJE files say of responses is
// not taken for the prompt's.
func TestSchemaMetadata(t *testing.T) {
	rows := []struct {
		file string
		want map[string]any
	}{
		{"arena-human-preference-140k.jsonl", map[string]any{"source": "chatbot_arena_conversations",
			"source_id": "c4b9710c-8d64-4bee-a0b0-94637ae4cc65",
			"model_a":   "o3-2025-04-16", "model_b": "qwen3-235b-a22b", "winner": "both_bad", "evaluation_session_id": "s-1",
			"evaluation_order": 1.0,
			"language":         "en", "is_code": false, "timestamp": "2025-06-18 12:47:29.684000"}},
		{"arena-human-preference-55k.csv", map[string]any{"source": "arena-human-preference-55k", "source_id": "30192",
			"model_a": "gpt-4-1106-preview", "model_b": "gpt-4-0613", "winner_model_a": "1", "winner_model_b": "0",
			"winner_tie": "0"}},
		{"cje-logged.jsonl", map[string]any{"language": "English"}},
		{"cje-fresh_draws.jsonl", map[string]any{}},
	}
	for _, row := range rows {
		got, err := File(filepath.Join("testdata", "schemas", row.file)).Prompts(ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row.want, got.Prompts[0].Metadata); diff != "" {
			t.Errorf("%s: %s", row.file, diff)
		}
	}
}

// TestSetAside: what is malformed is written down and named by its line, and the
// rest is read, whatever the rows are stored as.
func TestSetAside(t *testing.T) {
	rows := []struct {
		in     string
		ids    string
		aside  []string // parts of the lines set aside
		reason string
		counts string // in the attrition table
	}{
		{lines(`{"prompt_id":"a","prompt":"x"}`, `{"prompt_id":"b","pro`, `[1]`, `{"prompt_id":"c","prompt":7}`,
			`{"prompt_id":"d","prompt":"w"}`, "{\"prompt_id\":\"e\",\"prompt\":\"\xff\"}",
			`{"text":1}`, arenaRow("q", "x", "English", false, false)), "a d",
			[]string{`"line":2,"row":"{\"prompt_id\":\"b\",\"pro"`, `"line":3`, `field \"prompt\" is no text`, `"line":6`,
				`"line":7`, `are of format prompts`}, "JSON lines", "5 for malformed, 1 for not UTF-8"},
		{"[" + `{"prompt_id":"a","prompt":"x"},` + "\n" + `{"prompt_id":"b","prompt":tru},{"prompt_id":"c","prompt":"y"}]`,
			"a c", []string{`"line":2`}, "an array", ""},
		{"prompt_id,prompt\na,x\nb\nc,y,z\nd,\"v\"w\ne,u\n", "a e", []string{`"line":3`, `"line":4,"row":"c,y,z"`,
			`"line":5`}, "CSV", "3 for malformed"},
		{lines(`{"prompt_id":"a","prompt":"x"}`, `{"prompt_id":"a","prompt":"y"}`, `{"prompt_id":"b","prompt":"z"}`), "a b",
			[]string{`prompt_id \"a\" is that of another row`}, "an id that occurs twice", "1 for malformed"},
		{lines(`{"prompt_id":"a","prompt":"x"}`, `{"prompt_id":"b","prompt":"y \ud83d"}`,
			`{"prompt_id":"c","messages":[{"role":"user","content":"y"},{"role":"tool","content":"7"}]}`,
			`{"prompt_id":"d","messages":[{"role":"developer","content":"y"}]}`,
			`{"prompt_id":"e","messages":[{"role":"user","content":"y"}],"tools":[{"type":"function"}]}`,
			"{\"prompt_id\":\"f\",\"prompt\":\"\xe9t\xe9\"}",
			`{"prompt_id":"g","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]}`,
			`{"prompt_id":"h","prompt":"z","note":"\udc00"}`), "a",
			[]string{`half a surrogate pair`, `what a tool said`, `role \"developer\"`, `declares tools`,
				`"row_base64":"eyJwcm9tcHRfaWQiOiJmIiwicHJvbXB0Ijoi6XTpIn0="`, `not only text`, `field \"note\": half`},
			"what a prompt cannot hold, by name",
			"2 for use of tools, 1 for unknown role, 2 for half a surrogate pair, 1 for not UTF-8, 1 for not only text"},
	}
	for _, row := range rows {
		var aside bytes.Buffer
		got, err := ReadPrompts(strings.NewReader(row.in), "in.jsonl", ReadOptions{SetAside: &aside})
		if err != nil {
			t.Errorf("%s: %v", row.reason, err)
			continue
		}
		var ids []string
		for _, p := range got.Prompts {
			ids = append(ids, p.ID)
		}
		dropped := 0
		for _, a := range got.Attrition {
			dropped += a.Dropped
		}
		if strings.Join(ids, " ") != row.ids || dropped != len(row.aside) || got.Rows != dropped+len(ids) {
			t.Errorf("%s: %v of %d rows; want %s and %d set aside: %s", row.reason, ids, got.Rows, row.ids, len(row.aside),
				got.Attrition.summary())
		}
		if row.counts != "" && got.Attrition.summary() != "dropped "+row.counts {
			t.Errorf("%s: %s, want %s", row.reason, got.Attrition.summary(), row.counts)
		}
		written := strings.Split(strings.TrimSpace(aside.String()), "\n")
		for i, want := range row.aside {
			if i >= len(written) || !strings.Contains(written[i], want) {
				t.Errorf("%s: set aside\n%s\nwhich does not say %s", row.reason, aside.String(), want)
			}
		}
		// Without a place for it the first of them is an error, and so is a sample's.
		if _, err := ReadPrompts(strings.NewReader(row.in), "in.jsonl", ReadOptions{}); err == nil {
			t.Errorf("%s: accepted", row.reason)
		}
	}
	// What cannot be gone on from is an error all the same.
	for _, in := range []string{"[" + `{"prompt_id":"a","prompt":"x"},{"prompt`, "prompt_id,prompt\na,\"x\n"} {
		if _, err := ReadPrompts(strings.NewReader(in), "in.jsonl", ReadOptions{SetAside: io.Discard}); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
	full := failingWriter{io.ErrShortWrite}
	if _, err := ReadPrompts(strings.NewReader("{\n"), "in.jsonl", ReadOptions{SetAside: full}); err == nil ||
		!strings.Contains(err.Error(), "set aside line 1") {
		t.Errorf("a row that cannot be set aside: %v", err)
	}
}

// TestStreamedSample: a sample taken while a file streams is the one that is
// taken from all its prompts, whatever the order of the rows.
func TestStreamedSample(t *testing.T) {
	var rows []string
	for i := range 3000 {
		rows = append(rows, fmt.Sprintf(`{"prompt_id":"a%d","prompt":"Text %d %s","language":%q}`, i, i/2,
			strings.Repeat("x", i%700), []string{"English", "German", "Thai", ""}[i%7%4]))
		if i%50 == 0 {
			rows = append(rows, `{"prompt_id":"bad`)
		}
	}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	write := func() Source {
		if err := os.WriteFile(path, []byte(lines(rows...)), 0o666); err != nil {
			t.Fatal(err)
		}
		return File(path)
	}
	opt := ReadOptions{SetAside: io.Discard}
	all, err := write().Prompts(opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"", "language"} {
		o := SampleOptions{N: 100, Seed: 42, By: by}
		want, err := SampleStrata(all.Prompts, o)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(3) {
			got, err := write().Sample(opt, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Prompts); diff != "" {
				t.Fatalf("by %q, order %d: %s", by, seed, diff)
			}
			got.Prompts, all.Prompts = nil, nil
			if diff := cmp.Diff(all, got, cmpopts.IgnoreFields(Ingest{}, "SHA256"), cmpopts.IgnoreFields(AttritionRow{},
				"Examples")); diff != "" {
				t.Fatalf("by %q, order %d: %s", by, seed, diff)
			}
			rand.New(rand.NewPCG(seed, 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		}
		if all, err = write().Prompts(opt); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := File(path).Sample(opt, SampleOptions{N: 100000}); err == nil || !strings.Contains(err.Error(),
		"cannot sample 100000") {
		t.Errorf("too large a sample: %v", err)
	}
}

// TestSourceThatChanges: a file that is written to between the two readings is
// noticed.
func TestSourceThatChanges(t *testing.T) {
	first := lines(`{"prompt_id":"a","prompt":"x"}`, `{"prompt_id":"b","prompt":"y"}`)
	for _, second := range []string{lines(`{"prompt_id":"b","prompt":"y"}`, `{"prompt_id":"a","prompt":"x"}`),
		lines(`{"prompt_id":"a","prompt":"x"}`), lines(`{"prompt_id":"a","prompt":"x"}`, `{`)} {
		texts := []string{first, second}
		src := Source{"in.jsonl", func() (RowReader, error) {
			text := texts[0]
			texts = texts[1:]
			return NewRowReader(strings.NewReader(text), "in.jsonl")
		}}
		if _, err := src.Sample(ReadOptions{}, SampleOptions{N: 2}); err == nil {
			t.Errorf("%q passed for %q", second, first)
		}
	}
}

// TestStrata: places are shared in proportion, and a larger sample contains the
// smaller one.
func TestStrata(t *testing.T) {
	var prompts []Prompt
	for i := range 1000 {
		p := Prompt{ID: fmt.Sprintf("id%d", i), Metadata: map[string]any{}}
		switch {
		case i < 600:
			p.Metadata["language"] = "English"
		case i < 900:
			p.Metadata["language"] = "German"
		case i < 990:
			p.Metadata["language"] = "Thai"
		}
		prompts = append(prompts, p)
	}
	before := map[string]bool{}
	for n := range 120 {
		got, err := SampleStrata(prompts, SampleOptions{N: n, Seed: 1, By: "language"})
		if err != nil || len(got) != n {
			t.Fatalf("%d of %d, %v", len(got), n, err)
		}
		now, count := map[string]bool{}, map[any]int{}
		for _, p := range got {
			now[p.ID] = true
			count[p.Metadata["language"]]++
		}
		for id := range before {
			if !now[id] {
				t.Fatalf("%s is in the sample of %d and not in that of %d", id, n-1, n)
			}
		}
		before = now
		if n == 100 && (count["English"] != 60 || count["German"] != 30 || count["Thai"] != 9 || count[nil] != 1) {
			t.Errorf("of 100: %v, want 60, 30, 9 and 1", count)
		}
		if n == 6 && (count["English"] != 3 || count["German"] != 2 || count["Thai"] != 1) {
			t.Errorf("of 6: %v, want 3, 2 and 1: 600/1, 300/1, 600/3, 600/5, 300/3 and 90/1 are the six largest quotients",
				count)
		}
	}
}

// FuzzCSV: reading never panics; what a row holds, written as RFC 4180 says and
// read again, is the same, and bad rows do not hide good ones.
func FuzzCSV(f *testing.F) {
	f.Add("a", "x", "y\r\nz")
	f.Add("", "\"", ",")
	f.Add("b\n", "\r", " ")
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	f.Fuzz(func(t *testing.T, id, prompt, other string) {
		head := "prompt_id,prompt,other\r\n"
		in := head + quote(id) + "," + quote(prompt) + "," + quote(other) + "\r\n"
		rows, err := NewRowReader(strings.NewReader(in), "in.csv")
		if err != nil {
			t.Fatal(err)
		}
		_, obj, err := rows.Next()
		if err == nil {
			fs, err := splitRow(obj, "in.csv", 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"prompt_id": id, "prompt": prompt, "other": other} {
				if got, err := unquote(fs.get(name)); err != nil || got != want {
					t.Fatalf("%s %q reads as %q, %v", name, want, got, err)
				}
			}
			if _, _, err := rows.Next(); err != io.EOF {
				t.Fatalf("after the last row: %v", err)
			}
		} else if !skippable(err) {
			t.Fatal(err)
		}
		// The same text without quotes, whatever it then means, between good rows.
		in = head + "a,b,c\n" + id + "," + prompt + "," + other
		rows, err = NewRowReader(strings.NewReader(in), "in.csv")
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			_, _, err := rows.Next()
			if n == 0 && err != nil {
				t.Fatal(err)
			}
			if !skippable(err) {
				break
			}
			if n > len(in) {
				t.Fatal("it does not end")
			}
		}
	})
}
