package dataset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNeighbours: what files hold that are close to the usual ones. What is right is what
// somebody expects who has the file and pays for its prompts.
func TestNeighbours(t *testing.T) {
	const ask = `{"prompt":"b?"}`
	turns := func(user, reply string) string {
		return `{"messages":[{"role":"user","content":` + user + `},{"role":"assistant","content":` + reply +
			`},{"role":"user","content":"and?"}]}`
	}
	for _, c := range []struct{ in, prompts, say, reason string }{
		{`{"\u0070rompt":"a?"}`, "a?", "", "a name may be written with escapes"},
		{`{"prompt":"a?","\u0070rompt":"b?"}`, "", `"prompt" is there twice`, "and is the same name"},
		{`{"id":"1","\u0069d":"2","prompt":"a?"}`, "", `"id" is there twice`, "two ids"},
		{`{"prompt":"a?","\ud83d":1}`, "", "a field's name: half a surrogate pair", "a name is text, too"},
		{lines("{\"prompt\":\"\u00a0\u200b\u2060\"}", ask), "b?", "1 for empty prompt", "nothing that is seen"},
		{lines(`{"prompt":" \t\n"}`, ask), "b?", "1 for empty prompt", "white space"},
		{lines(`{"prompt":null}`, ask), "b?", "1 for empty prompt", "a missing value"},
		{`{"prompt":"\u200bWhere?"}`, "\u200bWhere?", "", "a mark beside a question stays: it is other tokens"},
		{lines(`{"image":"a.jpg","conversations":[{"from":"human","value":"<image>\nWhat is it?"},{"from":"gpt","value":"A"}]}`,
			`{"conversations":[{"from":"human","value":"b?"},{"from":"gpt","value":"A"}]}`), "b?", "1 for not only text",
			"LLaVA: a picture beside the turns"},
		{lines(`{"question":"What is it?","image":{"bytes":"x","path":null}}`, `{"question":"b?","image":null}`), "b?",
			"1 for not only text", "a column of pictures, empty in a row"},
		{lines(`{"prompt":"a?","images":[]}`), "a?", "", "no pictures"},
		{lines(`{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]}`, ask), "b?",
			"1 for not only text", "a sound"},
		{turns(`"a?"`, "null"), "", "turn 2: has no content", "a reply that is missing is not an empty one"},
		{turns(`"a?"`, `"x","refusal":null`), "user: a?\nassistant: x\nuser: and?", "", "OpenAI's null refusal"},
		{turns(`"a?"`, `"x","reasoning_content":"hm"`), "user: a?\nassistant: x\nuser: and?", "",
			"thoughts are no part of a context: templates leave them out"},
		{turns(`"a?","name":"ann"`, `"x"`), "user: a?\nassistant: x\nuser: and?", "", "a name beside a role"},
		{`{"messages":"[{\"role\": \"user\", \"content\": \"a?\"}]"}`, "a?", "", "messages as text"},
		{`{"conversations":"[{\"from\": \"human\", \"value\": \"a?\"}, {\"from\": \"gpt\", \"value\": \"x\"}]"}`, "a?", "",
			"turns of ShareGPT as text"},
		{`{"conversation":{"messages":[{"role":"user","content":"a?"}]}}`, "", "no list of {role, content} turns",
			"turns one level further down"},
		{`{"conversation":["a?","b"]}`, "", "turn 1: it is a text", "texts for turns: whose is the first?"},
		{`{"conversation":[["a?","b"]]}`, "", "turn 1: it is a list", "pairs for turns"},
		{`{"prompt":["a?","b?"],"id":[1,2]}`, "", "a whole table, by columns", "columns where rows should be"},
		{`{"Prompt":"a?"}`, "", `"Prompt" would be read if it were called "prompt"`, "JSON's names have their case"},
		{`{"prompt ":"a?"}`, "", `"prompt " would be read`, "and their spaces"},
		{`{prompt: "a?"}`, "", "name without quotes", "JavaScript"},
		{`{"id":007,"prompt":"a?"}`, "", "begins with 0", "an id that lost its quotes"},
		{`{"id":-0,"prompt":"a?"}`, "a?", "", "a number all the same"},
		{`{"id":true,"prompt":"a?"}`, "", `"id" must be text or an integer`, "no id"},
		{`{"id":{"$oid":"5f"},"prompt":"a?"}`, "", `"id" must be text or an integer`, "MongoDB's"},
		{lines(`{"id":"A","prompt":"a?"}`, `{"id":"a","prompt":"b?"}`), "a?|b?", "", "ids are compared to the letter"},
		{lines(`{"id":"1","prompt":"a?"}`, `{"id":1,"prompt":"b?"}`), "", `id "1" is on line 1 already`, "they collide"},
		{lines(`{"id":"1","prompt":"a?"}`, `{"id":"1","prompt":"a?"}`), "", `id "1" is on line 1 already`, "even for one text"},
		{lines(`{"id":"1","prompt":"a?"}`, `{"id":"2","prompt":"A?"}`), "a?", "1 for duplicate text", "one prompt of two ids"},
		{"{\"prompt\":\"a?\"}\r\n{\"prompt\":\"b?\"}\n{\"prompt\":\"c?\"}\r", "a?|b?|c?", "", "line ends of every kind"},
		{"{\"prompt\":\"a\u2028b?\"}\n", "a\u2028b?", "", "a break of Unicode ends no line"},
		{"{\"prompt\":\"a?\"}\n\x1a", "", `'\x1a'`, "the end mark of DOS is named"},
		{"\xef\xbb\xbf[{\"prompt\":\"a?\"}]", "a?", "", "a mark before an array"},
		{"\ufeffid;prompt\r\n1;a?\r\n", "a?", "", "a mark before semicolons"},
		{"id,prompt\r1,\"a\rb?\"\r", "a\rb?", "", "CR in a cell of a file that ends its lines so"},
		{"id,prompt,\n1,a?,\n", "a?", "", "a comma at every line's end"},
		{",prompt\n0,a?\n", "a?", "", "an index without a name"},
		{"id,prompt\n1,a?\n2,b?,c\n", "", "3 cells, the header has 2", "a cell too many"},
		{"1,Where is Fez?\n", "", "neither JSON nor CSV with a header that names", "no header"},
		{`["a?","b?"]`, "", "a text where an object should be", "texts alone"},
		{lines(ask, `{"conversation":[{"role":"user","content":"c?"}]}`), "", "of format conversation, those before it",
			"two files in one"},
		{lines(`{"conversation":[{"role":"user","content":"a?"}],"language":"en-GB"}`,
			`{"conversation":[{"role":"user","content":"b?"}],"language":"pt-BR"}`,
			`{"conversation":[{"role":"user","content":"c?"}],"language":""}`), "a?", "2 for language",
			"a region; another language; none stated"},
	} {
		got, err := ReadPrompts(strings.NewReader(c.in), "in", ReadOptions{ConversationLanguages: []string{"English"}})
		if c.prompts == "" {
			if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "invalid character") {
				t.Errorf("%s: %v, want a refusal that says %q", c.reason, err, c.say)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		texts := map[string]bool{}
		for _, p := range got.Prompts {
			texts[shown(p)] = true
		}
		for _, want := range strings.Split(c.prompts, "|") {
			if !texts[want] {
				t.Errorf("%s: %q is not among %v", c.reason, want, texts)
			}
			delete(texts, want)
		}
		if d := strings.TrimPrefix(got.Attrition.summary(), "dropped "); len(texts) > 0 || d != c.say {
			t.Errorf("%s: %v beside, dropped %q, want %q", c.reason, texts, d, c.say)
		}
	}
}

// An id is one id, whichever way a file writes the number; one that was rounded is none.
func TestIDsThatAreNumbers(t *testing.T) {
	for raw, want := range map[string]string{`7`: "7", `7.0`: "7", `"7"`: "7", `7e0`: "7",
		`1152921504606846977`: "1152921504606846977"} {
		for _, line := range []string{`{"prompt_id": ` + raw + `}`, `{"metadata": {"prompt_id": ` + raw + `}}`} {
			var d FreshDraw
			if err := json.Unmarshal([]byte(line), &d); err != nil || d.PromptID != want {
				t.Errorf("%s: %q, %v", line, d.PromptID, err)
			}
		}
	}
	for raw, want := range map[string]string{`1.1529215046068470e18`: "lost the last digits", `7.5`: "must be text or an integer"} {
		var s Sample
		if err := json.Unmarshal([]byte(`{"prompt_id": `+raw+`}`), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %q", raw, s.PromptID, err, want)
		}
		_, err := table(t, `{"qid": `+raw+`, "label": 1, "response": "r"}`+"\n", TableOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a table with %s: %v, want %q", raw, err, want)
		}
	}
}

// A line that names another policy than its file belongs to that one.
func TestDrawsOfAnotherPolicy(t *testing.T) {
	dir := t.TempDir()
	lines := `{"prompt_id":"a","policy":"near","judge_score":1}` + "\n\n" +
		`{"prompt_id":"b","policy":"far","judge_score":1}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "near_responses.jsonl"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadFreshDraws(dir)
	if err == nil || !strings.Contains(err.Error(), `near_responses.jsonl:3: field "policy" is "far" in a file of "near"`) {
		t.Error(err)
	}
}
