package providers_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

var (
	nan    = math.NaN()
	tokens = cmp.Options{cmpopts.EquateNaNs()}
)

func TestNewFormat(t *testing.T) {
	// "é" (bytes c3 a9) is split between two tokens; the response ended.
	const body = `{"model":"m","choices":[{"text":"é!","finish_reason":"stop","prompt_token_ids":[1,2],"token_ids":[7,8,9,5],
	"logprobs":{"content":[
	{"token":"\ufffd","bytes":[195],"logprob":-0.5,"sampling_logprob":-0.25,"token_id":7,"text_offset":2,"top_logprobs":[{"token":"\ufffd","bytes":[195],"logprob":-0.5},{"token":"x","bytes":null,"logprob":-9999.0}]},
	{"token":"\ufffd","bytes":[169],"logprob":null,"sampling_logprob":null,"token_id":8,"text_offset":2},
	{"token":"!","bytes":[33],"token_id":9,"text_offset":3},
	{"token":"<|eot|>","bytes":[60,124,101,111,116,124,62],"logprob":-9999,"token_id":5}]}}],
	"usage":{"prompt_tokens":2,"completion_tokens":4}}`
	s := providertest.NewServer(t, providertest.Reply{Body: body})
	req := promptRequest()
	req.LogProbs = true
	g, err := fireworks(t, s).Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := []providers.Token{
		{Text: "\ufffd", Bytes: []byte{0xc3}, ID: 7, Offset: 2, LogProb: dataset.Known(-0.5), Sampling: dataset.Known(-0.25),
			Top: []providers.Alternative{{"\ufffd", []byte{0xc3}, dataset.Known(-0.5), -1},
				{"x", nil, dataset.Known(nan), -1}}},
		// null
		{Text: "\ufffd", Bytes: []byte{0xa9}, ID: 8, Offset: 2, LogProb: dataset.Known(nan), Sampling: dataset.Known(nan)},
		// absent
		{Text: "!", Bytes: []byte("!"), ID: 9, Offset: 3, LogProb: dataset.Known(nan), Sampling: dataset.Known(nan)},
		// the sentinel
		{Text: "<|eot|>", Bytes: []byte("<|eot|>"), ID: 5, Offset: -1, LogProb: dataset.Known(nan),
			Sampling: dataset.Known(nan)},
	}
	if diff := cmp.Diff(want, g.Tokens, tokens); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{7, 8, 9}, g.TokenIDs); diff != "" {
		t.Errorf("the end-of-turn token is no part of TokenIDs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2}, g.PromptIDs); diff != "" {
		t.Errorf("PromptIDs (-want +got):\n%s", diff)
	}
}

func TestTokenIDsOfACutResponse(t *testing.T) {
	// The last token adds nothing to the text either, but nothing ended.
	s := providertest.NewServer(t, providertest.Reply{Body: `{"choices":[{"text":"a","finish_reason":"length","token_ids":[1,2],
	"logprobs":{"content":[{"token":"a","bytes":[97],"logprob":-1},{"token":"","bytes":[],"logprob":-1}]}}]}`})
	req := promptRequest()
	req.LogProbs = true
	g, err := fireworks(t, s).Generate(t.Context(), req)
	if err != nil || len(g.TokenIDs) != 2 || g.Tokens[1].ID != 2 {
		t.Errorf("TokenIDs %v, Tokens %v, %v: want both ids, filled in from token_ids", g.TokenIDs, g.Tokens, err)
	}
}

func TestLegacyFormat(t *testing.T) {
	// vLLM's: null for the first echoed token, -9999.0 for -Inf, no bytes.
	const body = `{"choices":[{"text":"","prompt_token_ids":[1,2,3],"token_ids":[],"logprobs":{
	"tokens":["Hi"," the","re"],"token_logprobs":[null,-1.5,-9999.0],"text_offset":[0,2,6],
	"top_logprobs":[null,{" the":-1.5," a":-0.5," b":-0.5},{"re":-9999.0}]}}]}`
	s := providertest.NewServer(t, providertest.Reply{Body: body})
	got, err := vllm(t, s).ScorePrompt(t.Context(), scoreRequest())
	if err != nil {
		t.Fatal(err)
	}
	want := []providers.Token{
		{Text: "Hi", ID: 1, Offset: 0, LogProb: dataset.Known(nan), Sampling: dataset.Known(nan)},
		{Text: " the", ID: 2, Offset: 2, LogProb: dataset.Known(-1.5), Sampling: dataset.Known(nan),
			Top: []providers.Alternative{{" a", nil, dataset.Known(-0.5), -1}, {" b", nil, dataset.Known(-0.5), -1},
				{" the", nil, dataset.Known(-1.5), -1}}},
		{Text: "re", ID: 3, Offset: 6, LogProb: dataset.Known(nan), Sampling: dataset.Known(nan),
			Top: []providers.Alternative{{"re", nil, dataset.Known(nan), -1}}},
	}
	if diff := cmp.Diff(want, got.Tokens, tokens); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBrokenLogProbs(t *testing.T) {
	for reason, logprobs := range map[string]string{
		"one value short":                     `{"tokens":["a","b"],"token_logprobs":[-1]}`,
		"one id short":                        `{"tokens":["a","b"],"token_logprobs":[-1,-1],"token_ids":[1]}`,
		"one offset too many":                 `{"tokens":["a"],"token_logprobs":[-1],"text_offset":[0,1]}`,
		"a log-prob as text":                  `{"content":[{"token":"a","logprob":"-1"}]}`,
		"a byte that is none":                 `{"content":[{"token":"a","logprob":-1,"bytes":[256]}]}`,
		"bytes as text":                       `{"content":[{"token":"a","logprob":-1,"bytes":"YQ=="}]}`,
		"an id that is no integer":            `{"content":[{"token":"a","logprob":-1,"token_id":1.5}]}`,
		"ids beside it that say another word": `{"content":[{"token":"a","logprob":-1,"token_id":1}]}`,
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: `{"choices":[{"text":"a","token_ids":[2],"logprobs":` +
			logprobs + `}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`})
		req := promptRequest()
		req.LogProbs = true
		_, err := fireworks(t, s).Generate(t.Context(), req)
		if err == nil {
			t.Errorf("%s: accepted", reason)
			continue
		}
		wantError(t, err, providers.ClassBrokenReply)
	}
}

// The prompt is "Hi there": tokens 1 "Hi", 2 " there".
func TestScoreMustCoverThePrompt(t *testing.T) {
	entry := func(text string, id int, lp string) string {
		return fmt.Sprintf(`{"token":%q,"logprob":%s,"token_id":%d}`, text, lp, id)
	}
	content := func(entries ...string) string { return `{"content":[` + strings.Join(entries, ",") + `]}` }
	hi, there, gen, bos := entry("Hi", 1, "0"), entry(" there", 2, "-2"), entry("!", 3, "-1"), entry("<bos>", 0, "null")
	for _, c := range []struct {
		reason   string
		ids      string // prompt_token_ids
		logprobs string
		want     []int // ids of the tokens returned; nil: refused
	}{
		{"as it should be", `[1,2]`, content(hi, there), []int{1, 2}},
		{"the server put BOS in front", `[0,1,2]`, content(bos, hi, there), []int{0, 1, 2}},
		{"what was generated is no part of the score", `[1,2]`, content(hi, there, gen), []int{1, 2}},
		{"without ids the text tells", `null`, content(hi, there), []int{1, 2}},
		{"a null at one position is for others to judge", `[0,1,2]`, content(bos, hi, entry(" there", 2, "null")),
			[]int{0, 1, 2}},
		{"echo accepted, log-probs null", `[1,2]`, `null`, nil},
		{"echo accepted, log-probs empty", `[1,2]`, content(), nil},
		{"log-probs of the generated token alone", `[1,2]`, content(gen), nil},
		{"the same, without ids", `null`, content(gen), nil},
		{"the first token is missing", `[1,2]`, content(there), nil},
		{"the last token is missing, without ids", `null`, content(hi), nil},
		{"entries of other tokens", `[1,2]`, content(hi, gen), nil},
		{"every value is null", `[1,2]`, content(entry("Hi", 1, "null"), entry(" there", 2, "null")), nil},
		{"every value is the sentinel", `[1,2]`, content(entry("Hi", 1, "-9999.0"), entry(" there", 2, "-9999.0")), nil},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: `{"choices":[{"text":"Hi there","prompt_token_ids":` +
			c.ids + `,"logprobs":` + c.logprobs + `}],"usage":{"prompt_tokens":2,"completion_tokens":0}}`})
		got, err := fireworks(t, s).ScorePrompt(t.Context(), scoreRequest())
		if c.want == nil {
			if err == nil {
				t.Errorf("%s: accepted: %+v", c.reason, got.Tokens)
				continue
			}
			// Not retried: it would be paid for again and come out the same.
			e := wantError(t, err, providers.ClassBadRequest)
			if !errors.Is(e, errors.ErrUnsupported) || e.Usage == nil || !strings.Contains(e.Hint, "no prompt log-probs") {
				t.Errorf("%s: usage %v, %v", c.reason, e.Usage, e)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		var ids []int
		for _, tok := range got.Tokens {
			ids = append(ids, tok.ID)
		}
		if diff := cmp.Diff(c.want, ids); diff != "" || got.Text != "Hi there" {
			t.Errorf("%s: text %q, ids (-want +got):\n%s", c.reason, got.Text, diff)
		}
	}
}

func TestScoreOfSplitCharacters(t *testing.T) {
	// Without bytes, two halves of "é" read as U+FFFD; the rest still tells.
	req := scoreRequest()
	req.Prompt = "é is e"
	for text, ok := range map[string]bool{" is e": true, " is f": false} {
		s := providertest.NewServer(t,
			providertest.Reply{Body: fmt.Sprintf(`{"choices":[{"logprobs":{"tokens":["\ufffd","\ufffd",%q],"token_logprobs":[null,-1,-1]}}]}`, text)})
		if _, err := vllm(t, s).ScorePrompt(t.Context(), req); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestScoreByIDs(t *testing.T) {
	const reply = `{"choices":[{"prompt_token_ids":[%s],"logprobs":{"content":[{"token":"a","logprob":-1},{"token":"b","logprob":-2}]}}]}`
	req := scoreRequest()
	req.Prompt, req.PromptIDs = "", []int{1, 2}
	s := providertest.NewServer(t, providertest.Reply{Body: fmt.Sprintf(reply, "1,2")},
		providertest.Reply{Body: fmt.Sprintf(reply, "1,3")})
	got, err := fireworks(t, s).ScorePrompt(t.Context(), req)
	if err != nil || got.Tokens[1].ID != 2 || got.Tokens[1].LogProb.OrNaN() != -2 {
		t.Errorf("%+v, %v", got.Tokens, err)
	}
	_, err = fireworks(t, s).ScorePrompt(t.Context(), req)
	if e := wantError(t, err, providers.ClassBadRequest); !errors.Is(e, errors.ErrUnsupported) {
		t.Errorf("ids were changed: %v", e)
	}
}
