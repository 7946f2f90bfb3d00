package dataset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/internal/shareddata"
)

// arenaRow has the fields of lmsys/chatbot_arena_conversations as its data card
// lists them.
func arenaRow(id, text, language string, flagged, toxic bool) string {
	turns := fmt.Sprintf(`[{"content":%q,"role":"user"},{"content":"An answer.","role":"assistant"},{"content":"Thanks","role":"user"},{"content":"Bye","role":"assistant"}]`, text)
	return fmt.Sprintf(`{"question_id":%q,"model_a":"alpha","model_b":"beta","winner":"tie (bothbad)","judge":"arena_user_1","conversation_a":%s,"conversation_b":%s,"turn":2,"anony":true,"language":%q,"tstamp":1682351591.1322,`+
		`"openai_moderation":{"categories":{"hate":false},"category_scores":{"hate":1e-6},"flagged":%v},"toxic_chat_tag":{"roberta-large":{"flagged":false,"probability":0.01},"t5-large":{"flagged":%v,"score":0}}}`,
		id, turns, turns, language, flagged, toxic)
}

func ingest(t *testing.T, in string, opt ReadOptions) *Ingest {
	t.Helper()
	got, err := ReadPrompts(strings.NewReader(in), "in.jsonl", opt)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func lines(rows ...string) string { return strings.Join(rows, "\n") + "\n" }

func TestReadArena(t *testing.T) {
	in := lines(
		arenaRow("q1", "What is  the moon?", "English", false, false),
		arenaRow("q2", "what is the\tMOON? ", "English", false, false),
		arenaRow("q3", "Was ist der Mond?", "German", false, false),
		arenaRow("q4", "Something vile", "English", true, false),
		arenaRow("q5", "Something toxic", "English", false, true),
		arenaRow("q6", " \n ", "English", false, false),
		arenaRow("q7", strings.Repeat("long ", 30), "English", false, false),
		arenaRow("q8", "Was ist der Mond?", "english", false, false),
	)
	got := ingest(t, in, ReadOptions{ConversationLanguages: []string{"English"}, MaxBytes: 100})
	sum := sha256.Sum256([]byte(in))
	want := &Ingest{
		Format: "chatbot_arena_conversations", Container: "jsonl", Rows: 8, Eligible: 2, SHA256: hex.EncodeToString(sum[:]),
		Attrition: Attrition{
			{"malformed", 0, 8, []string{}},
			{"use of tools", 0, 8, []string{}},
			{"unknown role", 0, 8, []string{}},
			{"half a surrogate pair", 0, 8, []string{}},
			{"not UTF-8", 0, 8, []string{}},
			{"empty prompt", 1, 7, []string{"q6"}},
			{"not only text", 0, 7, []string{}},
			{"goes on from another row", 0, 7, []string{}},
			{"language", 1, 6, []string{"q3"}},
			{"flagged by moderation", 2, 4, []string{"q4", "q5"}},
			{"moderation score", 0, 4, []string{}},
			{"too short", 0, 4, []string{}},
			{"too long", 1, 3, []string{"q7"}},
			{"several turns", 0, 3, []string{}},
			{"left out by dedup_tag", 0, 3, []string{}},
			{"duplicate text", 1, 2, []string{"q1"}}, // of q1 and q2, q2's SHA-256 is the smaller: bee9… against c75d…
		},
	}
	meta := func(id, language string) map[string]any {
		return map[string]any{
			"source": "chatbot_arena_conversations", "source_id": id, "language": language, "model_a": "alpha",
			"model_b": "beta",
			"winner":  "tie (bothbad)", "judge": "arena_user_1", "turn": 2.0, "anony": true, "tstamp": 1682351591.1322,
		}
	}
	want.Prompts = []Prompt{
		{ID: "q2", Text: "what is the\tMOON? ", Metadata: meta("q2", "English")},
		{ID: "q8", Text: "Was ist der Mond?", Metadata: meta("q8", "english")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	table := got.Attrition.String()
	if !strings.Contains(table, "flagged by moderation          2 dropped       4 left  (q4, q5)\n") ||
		strings.Count(table, "\n") != 5 {
		t.Errorf("the table reads\n%s", table)
	}
	if got := ingest(t, in, ReadOptions{KeepFlagged: true}); len(got.Prompts) != 5 {
		t.Errorf("without filters %d prompts are left, want 5 texts", len(got.Prompts))
	}
}

func TestReadConversations(t *testing.T) {
	// lmsys-chat-1m has one moderation result a turn.
	in := lines(
		`{"conversation_id":"c1","model":"m","conversation":[{"role":"system","content":"Be nice."},{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}],"turn":1,"language":"English","openai_moderation":[{"flagged":false},{"flagged":false}],"redacted":false}`,
		`{"conversation_id":"c2","model":"m","conversation":[{"role":"user","content":"Boo"}],"openai_moderation":[{"flagged":false},{"flagged":true}]}`,
		`{"conversation_id":"c3","model":"m","conversation":[{"role":"assistant","content":"No user here"}]}`,
		`{"conversation_id":"c4","model":"m","conversation":[{"role":"human","content":"Older spelling"}],"openai_moderation":null}`,
		`{"model":"m","conversation":[{"role":"user","content":"No  id"}]}`,
	)
	got := ingest(t, in, ReadOptions{})
	sum := sha256.Sum256([]byte("no id"))
	want := []Prompt{
		{ID: "c1", Text: "Hi", Messages: []Message{{"system", "Be nice."}, {"user", "Hi"}},
			Metadata: map[string]any{"source": "conversation", "source_id": "c1", "model": "m",
				"turn": 1.0, "language": "English", "redacted": false}},
		{ID: "c4", Text: "Older spelling", Metadata: map[string]any{"source": "conversation", "source_id": "c4",
			"model": "m"}},
		{ID: "p" + hex.EncodeToString(sum[:8]), Text: "No  id", Metadata: map[string]any{"source": "conversation",
			"model": "m"}},
	}
	if diff := cmp.Diff(want, got.Prompts); diff != "" || got.Format != "conversation" {
		t.Errorf("format %s: %s", got.Format, diff)
	}
}

func TestReadPlainPrompts(t *testing.T) {
	in := lines(
		`{"prompt_id":"a","prompt":"Hi <b>","language":"English","n":1.50,"big":12345678901234567890,"list":[1,{"x":null}]}`,
		`{"prompt_id":"b","prompt":"and?","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"and?"}]}`,
		`{"prompt_id":"c","messages":[{"role":"user","content":"only one"}],"metadata":{"language":"German","k":1},"k":2}`,
		`{"prompt_id":7,"prompt":"a number for an id"}`,
		`{"prompt_id":12345678901234567890,"prompt":"a large one"}`,
		`{"id":"x","prompt":"another name for the id"}`,
		`{"prompt_id":null,"id":" ","prompt":"No ID "}`,
		`{"prompt_id":"d","prompt":"and?"}`,
		`{"prompt_id":"e","prompt":null}`,
	)
	got := ingest(t, in, ReadOptions{})
	sum := sha256.Sum256([]byte("no id"))
	none := map[string]any{}
	want := []Prompt{
		{ID: "12345678901234567890", Text: "a large one", Metadata: none},
		{ID: "7", Text: "a number for an id", Metadata: none},
		{ID: "a", Text: "Hi <b>", Metadata: map[string]any{"language": "English", "n": 1.5, "big": "12345678901234567890",
			"list": []any{1.0, map[string]any{"x": nil}}}},
		{ID: "b", Text: "and?", Messages: []Message{{"user", "Hi"}, {"assistant", "Hello"}, {"user", "and?"}},
			Metadata: none},
		{ID: "c", Text: "only one", Metadata: map[string]any{"language": "German", "k": 2.0}},
		{ID: "d", Text: "and?", Metadata: none}, // not a duplicate of b: other turns go before
		{ID: "p" + hex.EncodeToString(sum[:8]), Text: "No ID ", Metadata: map[string]any{"prompt_id": nil, "id": " "}},
		{ID: "x", Text: "another name for the id", Metadata: none},
	}
	if diff := cmp.Diff(want, got.Prompts); diff != "" || got.Format != "prompts" {
		t.Errorf("format %s: %s", got.Format, diff)
	}

	// What a run writes as prompts.jsonl reads back as it was.
	var b bytes.Buffer
	if err := WriteJSONL(&b, slices.Values(got.Prompts)); err != nil {
		t.Fatal(err)
	}
	again := ingest(t, b.String(), ReadOptions{})
	if diff := cmp.Diff(got.Prompts, again.Prompts); diff != "" {
		t.Errorf("read back: %s", diff)
	}
}

func TestLanguageOptions(t *testing.T) {
	plain := lines(`{"prompt_id":"a","prompt":"Hallo","language":"German"}`,
		`{"prompt_id":"b","prompt":"Hi","language":"English"}`, `{"prompt_id":"c","prompt":"?"}`)
	arena := lines(arenaRow("a", "Hallo", "German", false, false), arenaRow("b", "Hi", "English", false, false))
	rows := []struct {
		in     string
		opt    ReadOptions
		want   string
		reason string
	}{
		{plain, ReadOptions{}, "a b c", "all languages by default"},
		{plain, ReadOptions{Languages: []string{"english"}}, "b", "case does not count; unknown is not English"},
		{plain, ReadOptions{Languages: []string{"English", "German"}}, "a b", "a list"},
		{plain, ReadOptions{ConversationLanguages: []string{"English"}}, "a b c", "plain prompts are no conversations"},
		{arena, ReadOptions{}, "a b", "all languages by default"},
		{arena, ReadOptions{Languages: []string{"English"}}, "b", "Languages is for every format"},
		{arena, ReadOptions{Languages: []string{"English"}, ConversationLanguages: []string{"German"}}, "a",
			"the narrower option counts"},
	}
	for _, row := range rows {
		var ids []string
		for _, p := range ingest(t, row.in, row.opt).Prompts {
			ids = append(ids, p.ID)
		}
		if got := strings.Join(ids, " "); got != row.want {
			t.Errorf("%s: %s left, want %s", row.reason, got, row.want)
		}
	}
}

func zipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestContainers: however the rows are stored, the prompts are the same.
func TestContainers(t *testing.T) {
	a, b := `{"prompt_id":"a","prompt":"x]},\" y"}`, `{"prompt_id":"b","prompt":"z","m":[{"k":["}"]}]}`
	want := ingest(t, lines(a, b), ReadOptions{}).Prompts
	rows := []struct{ in, container string }{
		{a + "\n" + b, "jsonl"},
		{"\ufeff\n\n" + a + "\r\n" + b, "jsonl"},
		{strings.Repeat("\n", 200_000) + a + "\n" + b, "jsonl"},
		{"[" + a + "," + b + "]", "json array"},
		{"\ufeff \n[\n" + a + "\n,\r\n" + strings.ReplaceAll(b, ":", " :\n ") + "\n]\n\n", "json array"},
		{zipped(t, a+"\n"+b), "jsonl+gzip"},
		{zipped(t, "["+a+","+b+"]"), "json array+gzip"},
		{zipped(t, a+"\n") + zipped(t, b), "jsonl+gzip"}, // as cat joins them
	}
	for _, row := range rows {
		got := ingest(t, row.in, ReadOptions{})
		if diff := cmp.Diff(want, got.Prompts); diff != "" || got.Container != row.container {
			t.Errorf("%.40q: container %s, want %s; %s", row.in, got.Container, row.container, diff)
		}
		if sum := sha256.Sum256([]byte(row.in)); got.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%.40q: the checksum is not that of the bytes as stored", row.in)
		}
	}
}

func TestReadPromptsRefuses(t *testing.T) {
	ok := `{"prompt_id":"a","prompt":"x"}`
	rows := []struct {
		in     string
		line   int // 0: the error is about the whole input
		say    string
		is     error
		reason string
	}{
		{"", 0, "no rows", ErrNoPrompts, "empty file"},
		{"\n\n", 0, "no rows", ErrNoPrompts, "blank file"},
		{"[]", 0, "no rows", ErrNoPrompts, "empty array"},
		{zipped(t, ""), 0, "no rows", ErrNoPrompts, "empty file, compressed"},
		{lines(`{"prompt_id":"a","prompt":" "}`, `{"prompt_id":"b","prompt":""}`), 0, "2 for empty prompt", ErrNoPrompts,
			"nothing left"},
		{lines(ok, `{"prompt_id":"b","prompt":"y"`), 2, "", nil, "bad JSON"},
		{lines(ok, "", `{"prompt_id":"a","prompt":"y"}`), 3, `prompt_id "a" is on line 1`, ErrDuplicateID,
			"duplicate id, blank lines counted"},
		{lines(ok, ok), 2, `prompt_id "a" is on line 1`, ErrDuplicateID, "a row that is there twice"},
		{lines(arenaRow("q", "x", "English", false, false), arenaRow("q", "y", "German", true, false)), 2,
			`question_id "q" is on line 1`, ErrDuplicateID,
			"duplicate conversation id, even of rows that a filter drops"},
		{"[" + ok + ",\n\n" + ok + "]", 3, "line 1", ErrDuplicateID, "in an array"},
		{lines(`{"prompt_id":"pa1fce4363854ff88","prompt":"x"}`, `{"prompt":"Y"}`), 0, "pa1fce4363854ff88", ErrDuplicateID,
			"a made-up id that another row has: SHA-256 of y is a1fce4363854ff88…"},
		{lines(ok, `{"text":"y"}`), 2, "has: text", nil, "no known field"},
		{`{"rows":[` + ok + "]}", 1, "has: rows", nil, "wrapped rows"},
		{lines(ok, arenaRow("q", "x", "English", false, false)), 2, "format chatbot_arena_conversations", nil,
			"mixed formats"},
		{"{\n\"prompt_id\":\"a\"\n}", 1, "does not end on its line", nil, "a pretty-printed object"},
		{"What is the moon?\nAnd the sun?\n", 1, "neither JSON nor CSV", nil, "texts, a line each"},
		{"prompt_id,prompt\na,x\nb,y,z\n", 3, "3 cells, the header has 2", nil, "a cell too many"},
		{"prompt_id,prompt\na,x\nb,y\"z\n", 3, "a quote inside", nil, "a bare quote"},
		{"prompt_id,prompt\na,\"x\n", 2, "does not end", nil, "CSV that is cut short"},
		{"prompt,prompt\na,x\n", 1, "two columns", nil, "columns of one name"},
		{lines(`{"prompt":3}`), 1, `field "prompt" is no text`, nil, "type of prompt"},
		{lines(`{"prompt_id":[1],"prompt":"x"}`), 1, `field "prompt_id"`, nil, "type of id"},
		{lines(`{"prompt_id":1.5,"prompt":"x"}`), 1, "integer", nil, "fractional id"},
		{lines(`{"prompt_id":"a\nb","prompt":"x"}`), 1, "control", nil, "a line break in an id would tear request headers"},
		{lines(`{"prompt":"x","metadata":[1]}`), 1, "metadata", nil, "metadata is a list"},
		{lines(`{"prompt":"x","v":1e999}`), 1, "out of range", nil, "a number that float64 cannot hold"},
		{lines(`{"prompt":"x","messages":[{"role":"user","content":"y"}]}`), 1, "differs", nil,
			"prompt and messages disagree"},
		{lines(`{"messages":[{"role":"system","content":"y"}]}`), 1, "last turn", nil, "nothing to answer"},
		{lines(`{"messages":[{"role":"assistant","content":"z"}]}`), 1, "no turn of the user's", nil, "nothing was asked"},
		{lines(`{"messages":[{"role":"tool","content":"y"}]}`), 1, `role "tool"`, nil, "unknown role"},
		{lines(`{"conversation":[{"role":"user","content":[{"type":"image"}]}]}`), 0, "1 for not only text", ErrNoPrompts,
			"content that is no text"},
		{lines(`{"conversation":"[]"}`), 0, "1 for empty prompt", ErrNoPrompts, "a conversation as text, without a turn"},
		{lines(`{"conversation":"[{'role': 'user'}]"}`), 1, "conversation", nil, "a conversation as Python prints it"},
		{lines(`{"conversation":[{"role":"user","content":7}]}`), 1, "neither text nor a list", nil,
			"content of another type"},
		{lines(`{"prompt":"not a list","response_a":"[]","winner_model_a":1}`), 1, "no JSON list of turns", nil,
			"arena-55k without its lists"},
		{lines(`{"prompt":"x","response":"y","judge_score":1,"prompt_id":"a"}`,
			`{"prompt":"z","response":"y","judge_score":1,"prompt_id":"a"}`), 2, `"a" is on line 1`, ErrDuplicateID,
			"two prompts of one id, in CJE's layout"},
		{lines(`{"prompt":"x","openai_moderation":{"flagged":"yes"}}`), 1, "flagged is \"yes\"", nil,
			"a flag that is neither true nor false"},
		{"[" + ok, 1, "does not end", nil, "cut array"},
		{"[\n" + ok + ",\n{\"prompt", 3, "does not end", nil, "array cut inside an object"},
		{"[\n" + ok + "\n" + ok + "]", 3, "comma", nil, "missing comma"},
		{"[" + ok + ",]", 1, "comma before the array's end", nil, "trailing comma"},
		{"[" + ok + "]\n" + ok, 2, "after the array's end", nil, "rows after the array"},
		{"[1]", 1, "object's {", nil, "array of numbers"},
		{"[\n" + ok + ",\n{\"prompt\" 1}]", 3, "invalid character", nil, "bad JSON in an array"},
		{"PAR1\x15\x04", 1, "Parquet", nil, "the data set's own container"},
		{"PK\x03\x04", 1, "zip", nil, "an archive"},
		{zipped(t, strings.Repeat(ok, 9))[:30], 0, "cut short", nil, "compressed file cut"},
		{"\x1f\x8bnonsense", 0, "gzip", nil, "compressed file damaged"},
	}
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			got, err := ReadPrompts(strings.NewReader(row.in), "in.jsonl", ReadOptions{})
			if got != nil || err == nil {
				t.Fatalf("accepted: %v", got)
			}
			if row.line > 0 {
				checkLineError(t, row.reason, err, row.line, row.say)
			} else if !strings.Contains(err.Error(), "in.jsonl") || !strings.Contains(err.Error(), row.say) ||
				!strings.HasSuffix(err.Error(), ")") {
				t.Errorf("%v; want the file, %q and what to do", err, row.say)
			}
			for _, is := range []error{ErrNoPrompts, ErrDuplicateID} {
				if errors.Is(err, is) != (is == row.is) {
					t.Errorf("errors.Is(%v, %v) is %v", err, is, is != row.is)
				}
			}
		})
	}
}

// TestRowOrderDoesNotMatter shuffles an input with duplicates of every kind.
func TestRowOrderDoesNotMatter(t *testing.T) {
	var rows []string
	for i := range 40 {
		rows = append(rows, fmt.Sprintf(`{"prompt_id":"a%d","prompt":"Text %d","v":%d}`, i, i/3, i))
		rows = append(rows, fmt.Sprintf(`{"prompt":"%s %d","v":%d}`, []string{"Other", "other", "OTHER"}[i%3], i/4, i))
	}
	want := ingest(t, lines(rows...), ReadOptions{})
	for seed := range uint64(20) {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		got := ingest(t, lines(rows...), ReadOptions{})
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Ingest{}, "SHA256")); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

func TestNormalize(t *testing.T) {
	rows := []struct{ in, want string }{
		{"", ""}, {" \t\n", ""}, {" A  b\u00a0C\n", "a b c"}, {"ÄÖ\u3000Σ", "äö σ"},
	}
	for _, row := range rows {
		if got := Normalize(row.in); got != row.want {
			t.Errorf("Normalize(%q) is %q, want %q", row.in, got, row.want)
		}
	}
}

// TestSharedPrompts reads 3,500 real prompts. That 3,481 of them are distinct
// is the data's own count.
func TestSharedPrompts(t *testing.T) {
	f, err := os.Open(shareddata.File(t, "data/arena_prompts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := ReadPrompts(f, "arena_prompts.jsonl", ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Rows != 3500 || len(got.Prompts) != 3481 || got.Format != "prompts" {
		t.Errorf("%d rows of format %s, %d prompts; want 3500 and 3481", got.Rows, got.Format, len(got.Prompts))
	}
	if got.Prompts[0].Metadata["language"] != "English" {
		t.Errorf("metadata is %v", got.Prompts[0].Metadata)
	}
}

// FuzzReadPrompts: reading never panics; it fails or it accounts for every row,
// with unique ids in order, non-empty texts that are distinct, and prompts that
// survive being written and read again.
func FuzzReadPrompts(f *testing.F) {
	f.Add([]byte(lines(arenaRow("a", "x", "English", false, false), arenaRow("b", "X ", "English", true, false))))
	f.Add([]byte(`[{"prompt_id":"a","prompt":"x","n":1e300},{"prompt":"y","metadata":{"a":[12345678901234567890]}}]`))
	// written without a point, must read back the same
	f.Add([]byte(`{"prompt":"x","a":[12345678901234567.8,12345678901234567,12345678901234568,1e20,-0]}`))
	f.Add([]byte(`{"conversation":[{"role":"human","content":"\ud800 \u0000"}],"turn":-0}`))
	f.Add([]byte(`{"messages":[{"role":"system","content":""},{"role":"user","content":"q"}]}`))
	f.Add([]byte(zipped(f, `{"prompt":"x"}`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ReadPrompts(bytes.NewReader(b), "in.jsonl", ReadOptions{})
		if err != nil {
			return
		}
		dropped := 0
		for _, row := range got.Attrition {
			dropped += row.Dropped
		}
		if len(got.Prompts) == 0 || dropped+len(got.Prompts) != got.Rows {
			t.Fatalf("%d rows, %d dropped, %d left", got.Rows, dropped, len(got.Prompts))
		}
		texts := make(map[string]bool)
		for i, p := range got.Prompts {
			if p.ID == "" || i > 0 && p.ID <= got.Prompts[i-1].ID {
				t.Fatalf("id %q is empty or out of order", p.ID)
			}
			turns, _ := json.Marshal(p.Messages)
			text := Normalize(p.Text) + string(turns)
			if strings.TrimSpace(p.Text) == "" || texts[text] {
				t.Fatalf("text %q is empty or there twice", p.Text)
			}
			texts[text] = true
		}
		var out bytes.Buffer
		if err := WriteJSONL(&out, slices.Values(got.Prompts)); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPrompts(bytes.NewReader(out.Bytes()), "out.jsonl", ReadOptions{KeepFlagged: true})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
		if diff := cmp.Diff(got.Prompts, again.Prompts); diff != "" {
			t.Fatal(diff)
		}
	})
}
