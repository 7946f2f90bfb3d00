package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// conversing is a fake that renders conversations in a template of its own.
type conversing struct {
	*fake
	template string
	silent   bool // does not tell what it rendered
	// render changes what it makes of the context and the response.
	render func(context, response string) string
	spoil  func(s *providers.PromptScore) error
	asked  []providers.ChatScoreRequest
}

func (c *conversing) ScoreChat(_ context.Context, req providers.ChatScoreRequest) (providers.PromptScore, error) {
	c.asked = append(c.asked, req)
	tpl, ok := chat.Lookup(c.template)
	if !ok {
		panic("no template " + c.template)
	}
	n := len(req.Messages) - 1
	before, err := tpl.Render(req.Messages[:n])
	if err != nil {
		return providers.PromptScore{}, &providers.Error{Class: providers.ClassBadRequest, Sent: true, Message: err.Error()}
	}
	after := req.Messages[n].Content
	if tpl.Assistant().Trim {
		after = strings.TrimSpace(after)
	}
	text := before + after
	if c.render != nil {
		text = c.render(before, after)
	}
	if !req.Open {
		text += tpl.Assistant().After
	}
	ids := tok.Encode(text)
	s := providers.PromptScore{Text: text}
	if c.silent {
		s.Text = ""
	}
	for i, v := range exact(req.Model, ids) {
		s.Tokens = append(s.Tokens, providers.Token{Text: viaJSON(string(tok.Bytes(ids[i]))), ID: ids[i], Offset: -1,
			LogProb: dataset.Known(v)})
	}
	s.Tokens[0].LogProb = dataset.Float{}
	if c.spoil != nil {
		if err := c.spoil(&s); err != nil {
			return providers.PromptScore{}, err
		}
	}
	return s, nil
}

// TestChat: the server's own rendering answers where it is ours, token for token,
// and says why it does not where it is not.
func TestChat(t *testing.T) {
	refusal := fmt.Errorf("score chat: %w", errors.ErrUnsupported)
	sampled := func(text string) Response {
		return Response{Text: text, TokenIDs: tok.EncodeOrdinary(text), Model: "scout", Ended: true}
	}
	for _, c := range []struct {
		name     string
		template string // the policy's
		server   *conversing
		system   string
		response Response
		reason   Reason // empty: it answers
		flagged  bool
		asked    int
		why      string
	}{
		{"ended", "llama4", &conversing{template: "llama4"}, "", sampled("Short waves scatter."), "", false, 1,
			"the end of the turn is the template's"},
		{"cut", "llama4", &conversing{template: "llama4"}, "", Response{Text: "Short waves",
			TokenIDs: tok.EncodeOrdinary("Short waves"), Model: "scout"}, "", false, 1, "left open"},
		{"ids unknown", "chatml", &conversing{template: "chatml"}, "Be brief.", Response{Text: "Short waves.", Ended: true},
			"", false, 1, "the text's tokens are asked for"},
		{"empty", "qwen3", &conversing{template: "qwen3"}, "", Response{TokenIDs: []int{}, Model: "scout", Ended: true}, "",
			false, 1, "the end-of-turn token alone"},
		{"white space kept", "llama4", &conversing{template: "llama4"}, "", sampled(" Short waves. \n"), "", false, 1,
			"this template trims nothing"},
		{"white space trimmed", "llama3", &conversing{template: "llama3"}, "", sampled(" Short waves."), ReasonRendered,
			false, 1, "another text is scored"},
		{"white space trimmed at the end", "llama3", &conversing{template: "llama3"}, "", sampled("Short waves. "),
			ReasonRendered, false, 1, "the end of the turn comes too early"},
		{"white space trimmed, not told", "llama3", &conversing{template: "llama3", silent: true}, "",
			sampled(" Short waves."), ReasonRendered, false, 1, "the context is the same"},
		{"another template", "llama4", &conversing{template: "chatml"}, "", sampled("Short waves."), ReasonRendered, true, 1,
			"its value is of another context"},
		{"another template, not told", "llama4", &conversing{template: "chatml", silent: true}, "", sampled("Short waves."),
			ReasonRendered, true, 1, "the ids say it too"},
		{"a default system prompt", "chatml", &conversing{template: "qwen2.5"}, "", sampled("Short waves."), ReasonRendered,
			true, 1, "the server adds one"},
		{"a thought", "chatml", &conversing{template: "qwen3"}, "", sampled("Short waves."), ReasonRendered, false, 1,
			"a template may put one before an answer that it is given, and not before the one that it asks for"},
		{"a thought, not told", "qwen3-thinking", &conversing{template: "qwen3", silent: true}, "", sampled("Short waves."),
			ReasonRendered, false, 1, "the tokens before the header are the same"},
		{"no thought", "deepseek-r1", &conversing{template: "deepseek-r1", render: func(c, r string) string {
			return strings.TrimSuffix(c, "<think>\n") + r
		}}, "", sampled("Short waves."), ReasonRendered, false, 1, "it opens one for the new answer alone"},
		{"no thought, in another template", "deepseek-r1", &conversing{template: "deepseek-v3.1"}, "Be brief.",
			sampled("Short waves."), ReasonRendered, false, 1, "the two differ in what announces the answer alone"},
		{"a second BOS", "llama4", &conversing{template: "llama4",
			render: func(c, r string) string { return "<|begin_of_text|>" + c + r }}, "", sampled("Short waves."),
			ReasonRendered, true, 1, "every log-prob after it is another"},
		{"a prefix of the response", "llama4", &conversing{template: "llama4", render: func(c, r string) string {
			return c +
				r[:len(r)/2]
		}}, "", Response{Text: "Short waves scatter.", Model: "scout"}, ReasonRendered, false, 1,
			"half of it is missing, and the context is ours"},
		{"a space before it", "llama4", &conversing{template: "llama4", render: func(c, r string) string {
			return c + " " +
				r
		}}, "", sampled("Short waves."), ReasonRendered, false, 1, "another first token"},
		{"sampled otherwise", "llama4", &conversing{template: "llama4"}, "",
			Response{Text: "hello", TokenIDs: []int{'h', 'e', 'l', 'l', 'o'}, Model: "scout", Ended: true}, ReasonRetokenised,
			false, 0, "a text cannot say it: no call is made"},
		{"spells a special token", "llama4", &conversing{template: "llama4"}, "", Response{Text: "<|eot|>", Model: "scout",
			Ended: true}, ReasonRetokenised, false, 0, "the server would read the token"},
		{"a null", "llama4", &conversing{template: "llama4",
			spoil: func(s *providers.PromptScore) error { s.Tokens[len(s.Tokens)-2].LogProb = dataset.Float{}; return nil }},
			"", sampled("Short waves."), ReasonMissing, false, 1, "a sum with a hole"},
		{"a positive", "llama4", &conversing{template: "llama4",
			spoil: func(s *providers.PromptScore) error { s.Tokens[len(s.Tokens)-2].LogProb = dataset.Known(1); return nil }},
			"", sampled("Short waves."), ReasonInvalid, false, 1, "no probability"},
		{"no ids", "llama4", &conversing{template: "llama4",
			spoil: func(s *providers.PromptScore) error { s.Tokens[3].ID = -1; return nil }}, "", sampled("Short waves."),
			ReasonUnsupported, false, 1, "the response cannot be told from the context"},
		{"echo without ids", "llama4", &conversing{fake: &fake{noIDs: true}, template: "llama4"}, "",
			sampled("Short waves."), ReasonUnsupported, false, 0, "nothing to compare with"},
		{"not to be had", "llama4", &conversing{template: "llama4",
			spoil: func(*providers.PromptScore) error { return refusal }}, "", sampled("Short waves."), ReasonUnsupported,
			false, 1, "the server scores no conversation"},
		{"refused", "chatml", &conversing{template: "gemma2"}, "Be brief.", sampled("Short waves."), ReasonUnsupported,
			false, 1, "its template has no system prompt"},
		{"raw", "raw", &conversing{template: "llama4"}, "", sampled("Short waves."), ReasonUnsupported, false, 0,
			"there is no conversation"},
	} {
		if c.server.fake == nil {
			c.server.fake = &fake{}
		}
		f, err := New(Config{Scorer: c.server, Chat: c.server})
		if err != nil {
			t.Fatal(err)
		}
		p := policy(c.template)
		p.System = c.system
		res, err := f.Score(t.Context(), tag(), p, prompt(question), c.response)
		methods, flags := res.Methods, res.Flags
		var e *Error
		if errors.As(err, &e) {
			methods, flags = e.Methods, e.Flags
		}
		got := methods[MethodChat]
		if got.Reason != c.reason || len(c.server.asked) != c.asked || slices.Contains(flags, FlagTemplate) != c.flagged {
			t.Errorf("%s: %+v after %d calls, flags %v (%v): want reason %q after %d: %s", c.name, got, len(c.server.asked),
				flags, err, c.reason, c.asked, c.why)
		}
		if c.reason == "" {
			if want := methods[MethodTokenCounting].LogProb.OrNaN(); got.Status != OK ||
				!(math.Abs(got.LogProb.OrNaN()-want) <= 1e-9) {
				t.Errorf("%s: %+v, want %v", c.name, got, want)
			}
			req := c.server.asked[0]
			if last := req.Messages[len(req.Messages)-1]; last.Role != "assistant" || last.Content != c.response.Text ||
				req.Open == c.response.Ended || req.Tag.Call != "chat" {
				t.Errorf("%s: asked %+v", c.name, req)
			}
		} else if got.Status == OK || got.LogProb.Valid() {
			t.Errorf("%s: %+v is an answer", c.name, got)
		}
	}
}

// TestChatCalls: a server that scores no conversation is asked once; and no call
// is made where the context is known, nor without the configuration.
func TestChatCalls(t *testing.T) {
	s := &conversing{fake: &fake{}, template: "llama4",
		spoil: func(*providers.PromptScore) error { return errors.ErrUnsupported }}
	r := Response{Text: answer, TokenIDs: tok.EncodeOrdinary(answer), Model: "scout", Ended: true}
	score := func(s *conversing, c Config, known *dataset.TokenDigest) Result {
		t.Helper()
		f, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		var res Result
		for range 2 {
			if res, err = f.ScoreKnown(t.Context(), tag(), policy("llama4"), prompt(question), known, r); err != nil {
				t.Fatal(err)
			}
		}
		return res
	}
	score(s, Config{Scorer: s, Chat: s}, nil)
	if len(s.asked) != 1 {
		t.Errorf("a server that scores no conversations was asked %d times", len(s.asked))
	}
	s = &conversing{fake: &fake{}, template: "llama4"}
	res := score(s, Config{Scorer: s, Chat: s}, &dataset.TokenDigest{})
	if m := res.Methods[MethodChat]; len(s.asked) != 0 || m.Reason != ReasonNotCompared {
		t.Errorf("where calls are saved: %+v after %d", m, len(s.asked))
	}
	if m := res.Methods[MethodContinuation]; m.Status != OK { // the context had to be asked for
		t.Errorf("continuation says %+v", m)
	}
	res = score(s, Config{Scorer: s}, nil)
	if _, ok := res.Methods[MethodChat]; ok || len(s.asked) != 0 {
		t.Errorf("without the configuration: %v after %d calls", res.Methods, len(s.asked))
	}
	res = score(s, Config{Scorer: s, Chat: s, Strategies: []Strategy{chatStrategy{}}}, nil)
	if res.Method != MethodChat || len(s.asked) != 2 || res.Calls != 2 {
		t.Errorf("alone: %v by %s after %d calls, %d of the second pair's", res.LogProb.OrNaN(), res.Method, len(s.asked),
			res.Calls)
	}
	if _, err := New(Config{Scorer: s, Strategies: []Strategy{chatStrategy{}}}); err == nil ||
		!strings.Contains(err.Error(), "Config.Chat") {
		t.Errorf("New: %v", err)
	}
	// A failed call is the pair's failure, as of any other call: a later start
	// tries again.
	s.spoil = func(*providers.PromptScore) error {
		return &providers.Error{Class: providers.ClassOverloaded, Sent: true}
	}
	f, err := New(Config{Scorer: s, Chat: s})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Score(t.Context(), tag(), policy("llama4"), prompt(question), r)
	var e *Error
	if !errors.As(err, &e) || e.Reason != Reason(providers.ClassOverloaded) ||
		e.Methods[MethodChat].Reason != ReasonError {
		t.Errorf("%v: want class %s", err, providers.ClassOverloaded)
	}
}
