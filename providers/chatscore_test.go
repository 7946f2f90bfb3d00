package providers_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// chatScored is vLLM's answer: ids beside the positions, of which each has the
// token that stands there and the likeliest one.
const chatScored = `{"model":"m-served","choices":[{"index":0,"message":{"role":"assistant","content":"!"},"finish_reason":"length"}],
"usage":{"prompt_tokens":4,"completion_tokens":1},"prompt_token_ids":[5,71,9,2],"prompt_text":"<s>Hi there</s>",
"prompt_logprobs":[null,{"71":{"logprob":-1.5,"rank":2,"decoded_token":"Hi"},"8":{"logprob":-0.5,"rank":1,"decoded_token":"Ho"}},
 {"7":{"logprob":-0.25,"rank":1,"decoded_token":" you"},"9":{"logprob":-2.5,"rank":9,"decoded_token":" there"}},
 {"2":{"logprob":-9999.0,"rank":7,"decoded_token":"</s>"}}]}`

func TestScoreChat(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Body: chatScored})
	req := chatScoreRequest()
	req.Open, req.Raw = true, true
	got, err := vllm(t, s).ScoreChat(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		id   int
		text string
		lp   float64 // NaN: none
		why  string
	}{
		{5, "", math.NaN(), "nothing precedes it"},
		{71, "Hi", -1.5, "not the likeliest, which comes behind it"},
		{9, " there", -2.5, "nor the one in front of it"},
		{2, "</s>", math.NaN(), "-9999 stands for minus infinity, and is no log-prob"},
	}
	if len(got.Tokens) != len(want) || got.Text != "<s>Hi there</s>" || got.Meta.Model != "m-served" ||
		got.Usage == nil || got.Usage.PromptTokens != 4 || got.Meta.Raw == nil {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		g := got.Tokens[i]
		if g.ID != w.id || g.Text != w.text || !g.LogProb.Valid() != math.IsNaN(w.lp) || !math.IsNaN(w.lp) &&
			g.LogProb.OrNaN() != w.lp {
			t.Errorf("token %d is %+v, want id %d %q %v: %s", i, g, w.id, w.text, w.lp, w.why)
		}
	}
	body := s.Requests()[0].Body
	for k, v := range map[string]any{"continue_final_message": true, "add_generation_prompt": false,
		"add_special_tokens": false, "max_tokens": 1.0} {
		if body[k] != v {
			t.Errorf("%s is sent as %v, want %v", k, body[k], v)
		}
	}
	if s.Requests()[0].Path != "/v1/chat/completions" {
		t.Errorf("sent to %s", s.Requests()[0].Path)
	}
}

// TestScoreChatRefuses: what cannot be read is an error that says so, never a
// score with a hole or another token's value in it.
func TestScoreChatRefuses(t *testing.T) {
	reply := func(old, new string) string {
		if !strings.Contains(chatScored, old) {
			t.Fatalf("no %q in the reply", old)
		}
		return strings.Replace(chatScored, old, new, 1)
	}
	for reason, body := range map[string]string{
		"no prompt_logprobs": okChat,
		"null": strings.ReplaceAll(reply(`"prompt_logprobs":[`,
			`"prompt_logprobs":null,"x":[`), "\n", ""),
		"an empty list":                      reply(`"prompt_logprobs":[`, `"prompt_logprobs":[],"x":[`),
		"more ids than positions":            reply("[5,71,9,2]", "[5,71,9,2,3]"),
		"fewer ids than positions":           reply("[5,71,9,2]", "[5,71,9]"),
		"another token stands there":         reply("[5,71,9,2]", "[5,70,9,2]"),
		"which token stands there is unsaid": reply(`"prompt_token_ids":[5,71,9,2],`, ""),
		"no list":                            reply(`"prompt_logprobs":[`, `"prompt_logprobs":"x","x":[`),
		"one position twice in an object":    reply(`"8":{`, `"71":{`),
		"every one null":                     `{"choices":[{"message":{"content":""}}],"prompt_token_ids":[1,2],"prompt_logprobs":[null,null],"usage":{"prompt_tokens":2,"completion_tokens":1}}`,
		"ids unsaid, and usage counts more":  `{"choices":[{"message":{"content":""}}],"prompt_logprobs":[null,{"3":{"logprob":-1}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`,
		"the key":                            reply("<s>Hi there</s>", key),
		"the key, in tokens":                 reply(`" there"`, `"`+key+`"`),
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: body})
		got, err := vllm(t, s).ScoreChat(t.Context(), chatScoreRequest())
		var e *providers.Error
		if !errors.As(err, &e) || !e.Sent || strings.Contains(e.Error(), key) {
			t.Errorf("%s: %+v, %v: want an error", reason, got, err)
			continue
		}
		if broken := strings.HasPrefix(reason, "the key") || reason == "one position twice in an object"; !broken &&
			!errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v: want an error that wraps errors.ErrUnsupported", reason, err)
		}
	}
	// Where each position has one entry, no ids are needed.
	s := providertest.NewServer(t,
		providertest.Reply{Body: `{"choices":[{"message":{"content":""}}],"prompt_logprobs":[null,{"3":{"logprob":-1,"decoded_token":"x"}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}`})
	got, err := vllm(t, s).ScoreChat(t.Context(), chatScoreRequest())
	if err != nil || got.Tokens[1].ID != 3 || got.Tokens[1].LogProb.OrNaN() != -1 {
		t.Errorf("one entry a position: %+v, %v", got.Tokens, err)
	}
}

// TestScoreChatUnsupported: who does not score conversations says so, and
// nothing is sent.
func TestScoreChatUnsupported(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Body: chatScored})
	other, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.URL(),
		HTTP: s.Client()}, Quirks: providers.SGLang()})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]providers.Provider{"sglang": other, "fireworks": fireworks(t, s)} {
		if providers.ScoresChats(p) {
			t.Errorf("%s is said to score conversations", name)
		}
		ledger := &providers.MemoryLedger{}
		c, err := providers.NewClient(p,
			providers.ClientConfig{Prices: providers.Prices{Models: map[string]providers.Price{"m": {}}}, Ledger: ledger})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.ScoreChat(t.Context(), chatScoreRequest())
		var e *providers.Error
		if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) || e.Sent || e.Op != "score chat" ||
			!strings.Contains(err.Error(), "conversation") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !providers.ScoresChats(vllm(t, s)) ||
		!providers.ScoresChats(providertest.Func{OnScoreChat: vllm(t, s).ScoreChat}) ||
		providers.ScoresChats(providertest.Func{}) {
		t.Error("ScoresChats is wrong about vLLM")
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A conversation is priced, reserved and written to the ledger like any call.
func TestScoreChatIsAccounted(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Status: 503, Body: `{"error":{"message":"busy"}}`},
		providertest.Reply{Body: chatScored})
	ledger := &providers.MemoryLedger{}
	c, err := providers.NewClient(vllm(t, s), providers.ClientConfig{
		Prices: providers.Prices{Models: map[string]providers.Price{"m": {Input: 1, Output: 10}}}, Ledger: ledger,
		Retry: providers.Retry{Base: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ScoreChat(t.Context(), chatScoreRequest())
	if err != nil || got.Meta.Attempts != 2 {
		t.Fatalf("%+v, %v", got.Meta, err)
	}
	entries := ledger.Entries()
	last := entries[len(entries)-1]
	if len(entries) != 2 || last.Endpoint != "chat/completions" || last.Call != "chat" || last.PromptTokens != 4 ||
		math.Abs(float64(last.Cost)-14e-6) > 1e-15 {
		t.Errorf("%+v", entries)
	}
}

func ExampleClient_ScoreChat() {
	server := sim.New(sim.Config{})
	defer server.Close()
	vllm, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: server.VLLMURL(), Key: providers.NewSecret("any"), HTTP: server.Client()},
		Quirks:     providers.VLLM(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	free := providers.Prices{Models: map[string]providers.Price{sim.ScoutModel: {}}} // a server of one's own
	client, err := providers.NewClient(vllm, providers.ClientConfig{Prices: free})
	if err != nil {
		fmt.Println(err)
		return
	}
	score, err := client.ScoreChat(context.Background(), providers.ChatScoreRequest{
		Tag:      providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: "p0"}, Call: "chat"},
		Model:    sim.ScoutModel,
		Messages: []dataset.Message{{Role: "user", Content: "What is 2+2?"}, {Role: "assistant", Content: "4"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", score.Text)
	for _, t := range score.Tokens[len(score.Tokens)-2:] {
		fmt.Printf("%q %.3f\n", t.Text, t.LogProb.OrNaN())
	}
	// Output:
	// "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhat is 2+2?<|eot|><|header_start|>assistant<|header_end|>\n\n4<|eot|>"
	// "4" -16.233
	// "<|eot|>" -16.108
}
