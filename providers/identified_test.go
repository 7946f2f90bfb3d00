package providers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// vLLM's completions list a prompt's alternatives twice: in a map by text, in which two tokens that
// decode alike are one, and by id. The ids count where both lists are of the same tokens and values.
func TestAlternativesByID(t *testing.T) {
	// The last token is no whole character, as two of its alternatives are not.
	const echo = `{"model":"m","choices":[{"index":0,"text":"","finish_reason":"length","stop_reason":null,"token_ids":[],` +
		`"prompt_token_ids":[4,70],"logprobs":{"text_offset":[0,2],"tokens":["Hi","\ufffd"],"token_logprobs":[null,-1.5],` +
		`"top_logprobs":[null,{"\ufffd":-2.5," a":-0.9}]},"prompt_logprobs":[null,{"70":{"logprob":-1.5,"rank":2,` +
		`"decoded_token":"\ufffd"},"5":{"logprob":-0.9,"rank":1,"decoded_token":" a"},"71":{"logprob":-2.5,"rank":3,` +
		`"decoded_token":"\ufffd"}}]}],"usage":{"prompt_tokens":2,"completion_tokens":0,"total_tokens":2}}`
	byID := []int{5, 70, 71}
	byText := []int{-1, -1}
	for _, test := range []struct {
		reason, from, to string
		want             []int
	}{
		{"as it is", "", "", byID},
		{"null, as without echo", `"prompt_logprobs":[`, `"prompt_logprobs":null,"other":[`, byText},
		{"a list of other values", `{"logprob":-1.5,"rank"`, `{"logprob":-1.4,"rank"`, byText},
		{"a list of another length", `"prompt_logprobs":[null,`, `"prompt_logprobs":[`, byText},
		{"a list without the token that stands there", `{"70":`, `{"72":`, byText},
		{"a list by text", `"71":`, `"x":`, byText},
		{"an alternative without a value", `{"logprob":-2.5,"rank"`, `{"logprob":null,"rank"`, byText},
		{"a list of something else", `"prompt_logprobs":[null,{`, `"prompt_logprobs":["a",7,{`, byText},
	} {
		body := strings.Replace(echo, test.from, test.to, 1)
		s := providertest.NewServer(t, providertest.Reply{Body: body})
		p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.URL()},
			Quirks: providers.VLLM()})
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.ScorePrompt(t.Context(), providers.ScoreRequest{Model: "m", PromptIDs: []int{4, 70}, Top: 3})
		if err != nil {
			t.Errorf("%s: %v", test.reason, err)
			continue
		}
		var ids []int
		for _, a := range got.Tokens[1].Top {
			ids = append(ids, a.ID)
		}
		if !slices.Equal(ids, test.want) || got.Tokens[1].LogProb != dataset.Known(-1.5) {
			t.Errorf("%s: alternatives %v of %v, want %v", test.reason, ids, got.Tokens[1].LogProb, test.want)
		}
	}
}

// vLLM that was started to show ids in the place of texts: nobody could say which text it scored, and
// ids that were sent are scored all the same.
func TestTokensNamedByID(t *testing.T) {
	const echo = `{"model":"m","choices":[{"index":0,"text":"Hi there","finish_reason":"length","prompt_token_ids":[4,70],` +
		`"logprobs":{"text_offset":[0,10],"tokens":["token_id:4","token_id:70"],"token_logprobs":[null,-1.5],` +
		`"top_logprobs":[null,{"token_id:70":-1.5}]}}],"usage":{"prompt_tokens":2,"completion_tokens":0,"total_tokens":2}}`
	for _, req := range []providers.ScoreRequest{{Model: "m", Prompt: "Hi there"},
		{Model: "m", PromptIDs: []int{4, 70}}} {
		s := providertest.NewServer(t, providertest.Reply{Body: echo})
		p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.URL()},
			Quirks: providers.VLLM()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.ScorePrompt(t.Context(), req)
		if byText := req.Prompt != ""; byText != (err != nil) ||
			byText && !strings.Contains(err.Error(), "return-tokens-as-token-ids") {
			t.Errorf("by text %v: %v", byText, err)
		}
	}
}
