package providers

import "testing"

// FuzzDialectReply reads arbitrary replies as those of every make. Whatever a
// server sends, nothing panics, an error has a class, and a score is never
// empty.
func FuzzDialectReply(f *testing.F) {
	for _, seed := range []string{
		`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}`,
		`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`,
		`{"choices":[{"text":"<s>Hi there","logprobs":{"tokens":["<s>",""," there"],"token_logprobs":[null,-1,-2]}}]}`,
		`{"prompt":[{"text":"Hi there","logprobs":{"tokens":["Hi"," there"],"token_logprobs":[0.7,-1],"token_ids":[1,2]}}],"choices":[{"text":" you"}]}`,
		`{"prompt":[{"logprobs":{"tokens":[]}}],"choices":[{}]}`,
		`{"choices":[{"message":{"content":"","tool_calls":{},"reasoning":[]},"prompt_token_ids":[1,2]}],"usage":{"prompt_tokens":1,"completion_tokens":-1,"reasoning_tokens":3}}`,
		`{"choices":[{"text":" there","prompt_token_ids":[1,2],"logprobs":{"content":[{"token":" there","logprob":-1,"id":2}]}}]}`,
	} {
		f.Add([]byte(seed))
	}
	tr, err := newTransport("p", "KEY", "", HTTPConfig{BaseURL: "http://h.invalid/v1"})
	if err != nil {
		f.Fatal(err)
	}
	dialects := []attempt{
		{body: map[string]any{"max_tokens": 0}},
		{body: map[string]any{"max_tokens": 1}},
		{body: map[string]any{"max_tokens": 1}, dialect: dialect{Quirks: Quirks{EchoDropsBOS: true, AddsBOS: "<s>"}},
			stripped: "<s>", scored: "Hi there"},
		{body: map[string]any{"max_tokens": 1}, dialect: dialect{Quirks: Quirks{AddsBOS: "<s>"}}, stripped: "<s>",
			scored: "Hi there"},
		{body: map[string]any{"max_tokens": 1}, dialect: dialect{Quirks: Quirks{PromptList: true, FirstAbsurd: true}}},
		{last: 1},
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for i, a := range dialects {
			a.op, a.model = opScore, "m"
			for _, req := range []ScoreRequest{{Model: "m", Prompt: "Hi there"}, {Model: "m", PromptIDs: []int{1, 2}}} {
				s, e := scoreOf(tr, a, req, body)
				switch {
				case e != nil && e.Class == "":
					t.Fatalf("dialect %d: an error of no class: %v", i, e)
				case e == nil && len(s.Tokens) == 0:
					t.Fatalf("dialect %d: a score of no tokens", i)
				case e == nil && s.Skipped < 0:
					t.Fatalf("dialect %d: %d skipped", i, s.Skipped)
				}
			}
		}
	})
}
