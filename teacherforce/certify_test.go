package teacherforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// fakeGenerator answers greedily from exact, out of a few dozen words, so that
// its replies are text that a person could have written.
type fakeGenerator struct {
	penalty             float64 // what sampled tokens lose by a setting of the server's own, nats
	template            string  // what chat renders with; "" is llama4
	top                 []providers.Alternative
	noLogProbs, noIDs   bool
	hidden              string // of what it does besides its text
	noChat, completions error
	calls               []providers.GenerateRequest
}

var words = func() (ids []int) {
	for _, w := range strings.Fields("the a of and to in is that it for on was as with at by this from or an be are " +
		"not but") {
		if id := tok.EncodeOrdinary(" " + w); len(id) == 1 {
			ids = append(ids, id[0])
		}
	}
	return ids
}()

func (g *fakeGenerator) Generate(_ context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	g.calls = append(g.calls, req)
	text := req.Prompt
	if req.Messages != nil {
		if g.noChat != nil {
			return providers.Generation{}, g.noChat
		}
		name := g.template
		if name == "" {
			name = "llama4"
		}
		tpl, _ := chat.Lookup(name)
		var err error
		if text, err = tpl.Render(req.Messages); err != nil {
			return providers.Generation{}, err
		}
	} else if g.completions != nil {
		return providers.Generation{}, g.completions
	}
	ids := tok.Encode(text)
	out := providers.Generation{FinishReason: "length", PromptIDs: slices.Clone(ids)}
	for range req.Sampling.MaxTokens {
		best, at := math.Inf(-1), -1
		for _, w := range words {
			if lp := exactAfter(req.Model, ids, []int{w}); lp > best {
				best, at = lp, w
			}
		}
		ids = append(ids, at)
		out.TokenIDs = append(out.TokenIDs, at)
		if req.Sampling.Temperature > 0 {
			best -= g.penalty
		}
		out.Tokens = append(out.Tokens, providers.Token{Text: string(tok.Bytes(at)), ID: at, LogProb: dataset.Known(best),
			Top: g.top})
		out.Text += string(tok.Bytes(at))
	}
	out.Hidden = g.hidden
	if g.noLogProbs {
		out.Tokens = nil
	}
	if g.noIDs {
		out.TokenIDs, out.PromptIDs = nil, nil
	}
	return out, nil
}

func TestCertify(t *testing.T) {
	probes := []ProbeName{ProbeCoverage, ProbeRepeatability, ProbeAdditivity, ProbeSeam, ProbeTemplate, ProbeKnownAnswer,
		ProbeMass, ProbeSampled, ProbeMethods}
	everyToken := func(change func(req providers.ScoreRequest, i, n int, v float64) float64) func(providers.ScoreRequest,
		*providers.PromptScore) error {
		return func(req providers.ScoreRequest, s *providers.PromptScore) error {
			for i := range s.Tokens {
				s.Tokens[i].LogProb = dataset.Known(change(req, i, len(s.Tokens), s.Tokens[i].LogProb.OrNaN()))
			}
			return nil
		}
	}
	for _, c := range []struct {
		name     string
		fake     *fake
		gen      *fakeGenerator
		noise    float64
		template string
		failing  []ProbeName
		detail   string    // in the first failing probe
		skipped  ProbeName // does not apply
		reason   string
	}{
		{name: "honest", fake: &fake{}, gen: &fakeGenerator{}, reason: "a server that tells the truth passes"},
		{name: "honest without ids or bytes", fake: &fake{noIDs: true, noBytes: true}, gen: &fakeGenerator{noIDs: true},
			reason: "text is enough"},
		{name: "honest, refuses ids", fake: &fake{noPromptIDs: true}, gen: &fakeGenerator{},
			reason: "ids are a convenience"},
		{name: "chat without log-probs", fake: &fake{}, gen: &fakeGenerator{noLogProbs: true},
			reason: "a greedy reply that scores well in our rendering is evidence enough"},
		{name: "raw", template: "raw", fake: &fake{}, gen: &fakeGenerator{noChat: errors.ErrUnsupported},
			reason: "raw has no chat to be compared with"},
		{
			name: "no echo", gen: &fakeGenerator{},
			fake: &fake{spoil: func(providers.ScoreRequest, *providers.PromptScore) error {
				return fmt.Errorf("score prompt: %w", errors.ErrUnsupported)
			}},
			failing: []ProbeName{ProbeCoverage}, detail: "no log-probs for a prompt",
			reason: "the finding is about the endpoint, so it is no error",
		},
		{
			name: "nulls", gen: &fakeGenerator{},
			fake: &fake{spoil: everyToken(func(_ providers.ScoreRequest, i, _ int, v float64) float64 {
				if i%10 == 9 {
					return math.NaN()
				}
				return v
			})},
			failing: []ProbeName{ProbeCoverage}, detail: "has no log-prob", reason: "a silent null is common",
		},
		{
			name: "zeros", gen: &fakeGenerator{},
			fake:    &fake{spoil: everyToken(func(providers.ScoreRequest, int, int, float64) float64 { return 0 })},
			failing: []ProbeName{ProbeCoverage}, detail: "certainty of every text",
			reason: "llama.cpp's server made every candidate score 0.0",
		},
		{
			name: "positive", gen: &fakeGenerator{},
			fake:    &fake{spoil: everyToken(func(_ providers.ScoreRequest, _, _ int, v float64) float64 { return -v })},
			failing: []ProbeName{ProbeCoverage}, detail: "probability above 1", reason: "a sign error",
		},
		{
			name: "multi-byte text lost", gen: &fakeGenerator{},
			fake: &fake{spoil: altering(func(s string) string {
				return strings.Map(func(r rune) rune {
					if r > 127 {
						return -1
					}
					return r
				}, s)
			})},
			failing: []ProbeName{ProbeCoverage}, detail: "do not spell",
			reason: "decoding with errors ignored drops characters",
		},
		{
			name: "order", gen: &fakeGenerator{},
			fake:    &fake{noise: func(call, i int) float64 { return 1e-3 * math.Sin(float64(call*i)) }},
			failing: []ProbeName{ProbeRepeatability, ProbeAdditivity, ProbeMethods}, detail: "noise of a token",
			reason: "vLLM with prefix caching has returned values that depend on request order",
		},
		{
			name: "other texts", gen: &fakeGenerator{}, fake: &fake{spoil: dependsOnOthers()},
			failing: []ProbeName{ProbeRepeatability, ProbeAdditivity, ProbeTemplate, ProbeMass, ProbeSampled, ProbeMethods},
			detail:  "0 at once",
			reason:  "the same at once, another value once others were asked",
		},
		{
			name: "a batching server's noise", gen: &fakeGenerator{}, noise: ServerRepeatability,
			fake:   &fake{noise: func(call, i int) float64 { return 1e-3 * math.Sin(float64(call*i)) }},
			reason: "the same noise within the tolerance for real servers",
		},
		{
			name: "looks ahead", gen: &fakeGenerator{},
			fake: &fake{spoil: everyToken(func(_ providers.ScoreRequest, i, n int, v float64) float64 {
				return v - 0.02*float64(n) // the same text gives the same values, another length others
			})},
			failing: []ProbeName{ProbeAdditivity, ProbeTemplate, ProbeMass, ProbeSampled, ProbeMethods}, detail: "log p(ab|c)",
			reason: "a log-prob given the prefix may not depend on what follows",
		},
		{
			name: "wrong template", fake: &fake{}, gen: &fakeGenerator{template: "chatml", noIDs: true},
			failing: []ProbeName{ProbeTemplate}, detail: "chat does not render as template",
			reason: "another family's template gave -150.9 where the right one gave -0.004",
		},
		{
			name: "wrong template, no log-probs", fake: &fake{}, gen: &fakeGenerator{template: "chatml", noIDs: true,
				noLogProbs: true},
			failing: []ProbeName{ProbeTemplate}, detail: "mean log-prob per token",
			reason: "the reply is unlikely in our rendering",
		},
		{
			name: "reasons out of sight", fake: &fake{},
			gen:     &fakeGenerator{hidden: "12 of its 20 tokens are reasoning that the text leaves out"},
			failing: []ProbeName{ProbeTemplate}, detail: "12 of its 20 tokens are reasoning",
			reason: "the log-prob of such a text is not that of what was done",
		},
		{
			name: "no chat", fake: &fake{}, gen: &fakeGenerator{noChat: fmt.Errorf("chat: %w", errors.ErrUnsupported)},
			skipped: ProbeTemplate,
			reason:  "responses are drawn by completions, in the rendering that they are scored in",
		},
		{
			name: "insensitive", gen: &fakeGenerator{noLogProbs: true},
			fake: &fake{spoil: everyToken(func(_ providers.ScoreRequest, i, _ int, _ float64) float64 {
				return -1
			})},
			failing: []ProbeName{ProbeKnownAnswer, ProbeMass}, detail: "its words in reverse",
			reason: "additive and repeatable, and says nothing",
		},
		{
			name: "alternatives", fake: &fake{}, gen: &fakeGenerator{top: alternativesOf(-1, -1.2, -2.4, -3)},
			reason: "0.81 of the probability is within 1",
		},
		{
			name: "logits", fake: &fake{}, gen: &fakeGenerator{top: alternativesOf(-1.4, -1.5, -1.6, -1.7, -1.8)},
			failing: []ProbeName{ProbeMass}, detail: "sum to",
			reason: "five tokens of at least e^-1.8 have more than all the probability",
		},
		{
			name: "shifted", fake: &fake{spoil: shifted}, gen: &fakeGenerator{},
			failing: []ProbeName{ProbeTemplate, ProbeMass, ProbeSampled}, detail: "by chat and by our rendering",
			reason: "additive and repeatable, and each value is of the token before",
		},
		{
			name: "shifted, without a chat", template: "raw", fake: &fake{spoil: shifted}, gen: &fakeGenerator{},
			failing: []ProbeName{ProbeMass, ProbeSampled}, detail: "a value is not that of its own token",
			reason: "a greedy reply's values are known from its generation",
		},
		{
			name: "shifted, and no log-probs of replies", template: "raw", fake: &fake{spoil: shifted},
			gen: &fakeGenerator{noLogProbs: true}, failing: []ProbeName{ProbeMass},
			detail: "both have log-prob", reason: "two texts that part have other tokens, and one value",
		},
		{
			name: "penalty", fake: &fake{}, gen: &fakeGenerator{penalty: .08},
			failing: []ProbeName{ProbeSampled}, detail: "another distribution than the one asked for",
			reason: "a repetition penalty of the server's own is not seen in a greedy reply",
		},
		{
			name: "base 10", template: "raw", gen: &fakeGenerator{},
			fake: &fake{spoil: everyToken(func(_ providers.ScoreRequest, _, _ int, v float64) float64 {
				return v / math.Ln10
			})},
			failing: []ProbeName{ProbeMass, ProbeSampled}, detail: "those that it was generated with",
			reason: "the echo alone is in another unit",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := New(Config{Scorer: c.fake, Repeatability: c.noise})
			if err != nil {
				t.Fatal(err)
			}
			p := policy("llama4")
			if c.template != "" {
				p.Template = c.template
			}
			cert, err := f.Certify(t.Context(), c.gen, p)
			if err != nil {
				t.Fatal(err)
			}
			var failing, ran []ProbeName
			detail := ""
			for _, probe := range cert.Probes {
				ran = append(ran, probe.Name)
				skip := probe.Name == c.skipped || probe.Name == ProbeSampled && c.gen.noLogProbs ||
					probe.Name == ProbeTemplate && c.template == "raw"
				if probe.NotApplicable != skip {
					t.Errorf("%s: not applicable %v: %s", probe.Name, probe.NotApplicable, probe.Detail)
				}
				if !probe.OK {
					if len(failing) == 0 {
						detail = probe.Detail
					}
					failing = append(failing, probe.Name)
				}
			}
			if !slices.Equal(failing, c.failing) || !strings.Contains(detail, c.detail) {
				t.Errorf("failing %v, want %v with %q: %s", failing, c.failing, c.detail, c.reason)
				for _, probe := range cert.Probes {
					t.Logf("%+v", probe)
				}
			}
			if cert.OK != (len(c.failing) == 0) {
				t.Errorf("certificate OK %v with failing probes %v", cert.OK, failing)
			}
			if !slices.Contains(failing, ProbeCoverage) && !slices.Equal(ran, probes) {
				t.Errorf("ran %v, want %v", ran, probes)
			}
			if cert.Calls != len(c.fake.calls)+len(c.gen.calls) || cert.Calls > 40 {
				t.Errorf("%d calls reported, %d made", cert.Calls, len(c.fake.calls)+len(c.gen.calls))
			}
			if cert.OK && !(cert.BytesPerToken.OrNaN() > 1 && cert.BytesPerToken.OrNaN() < 8) {
				t.Errorf("%v bytes a token for English", cert.BytesPerToken.OrNaN())
			}
			seen := map[providers.Tag]bool{}
			for _, call := range c.fake.calls {
				if call.Tag.Stage != "certify" || call.Tag.Key == (dataset.Key{}) || seen[call.Tag] {
					t.Errorf("tag %+v: want stage certify, and no two calls of one tag", call.Tag)
				}
				seen[call.Tag] = true
			}
			b, err := json.Marshal(cert)
			if err != nil {
				t.Fatal(err)
			}
			var back Certificate
			if err := json.Unmarshal(b, &back); err != nil || len(back.Probes) != len(cert.Probes) {
				t.Errorf("does not survive JSON: %v", err)
			}
		})
	}
}

// shifted moves every value by one token to the right.
func shifted(_ providers.ScoreRequest, s *providers.PromptScore) error {
	for i := len(s.Tokens) - 1; i > 0; i-- {
		s.Tokens[i].LogProb = s.Tokens[i-1].LogProb
	}
	s.Tokens[1].LogProb = dataset.Float{}
	return nil
}

func alternativesOf(values ...float64) (out []providers.Alternative) {
	for i, v := range values {
		out = append(out, providers.Alternative{Text: string(rune('a' + i)), LogProb: dataset.Known(v)})
	}
	return out
}

// TestCertifyCompany: a server that computes a text otherwise when it batches it
// with others. The others' calls do not return before the text's has come: were
// they not made at once, the bubble would be stuck.
func TestCertifyCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batch := make(chan struct{})
		s := &fake{spoil: func(req providers.ScoreRequest, s *providers.PromptScore) error {
			if !strings.HasSuffix(req.Tag.Key.PromptID, "/"+string(ProbeRepeatability)) {
				return nil
			}
			switch req.Tag.Call {
			case "6", "7", "8":
				<-batch
			case "9":
				for i := range s.Tokens {
					s.Tokens[i].LogProb = dataset.Known(s.Tokens[i].LogProb.OrNaN() - 0.01)
				}
				close(batch)
			}
			return nil
		}}
		cert, err := newForcer(t, s).Certify(t.Context(), &fakeGenerator{}, policy("llama4"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range cert.Probes {
			bad := p.Name == ProbeRepeatability // 0.01/√2
			if p.OK == bad || bad && !strings.Contains(p.Detail, "0.00707 in their company") {
				t.Errorf("%s: OK %v: %s", p.Name, p.OK, p.Detail)
			}
		}
	})
}

// TestCertifyLlamaCpp: llama.cpp's own server takes echo and log-probs, and gives
// the log-probs of what it generated; others give an empty list, or null. None of
// them scores a text, and the certificate has to say so in these words.
func TestCertifyLlamaCpp(t *testing.T) {
	for _, c := range []struct {
		name, body string
		quirks     providers.Quirks
	}{
		{"generated tokens alone",
			`{"choices":[{"text":" The","finish_reason":"length","logprobs":{"content":[{"id":785,"token":" The","bytes":[32,84,104,101],"logprob":-0.4,"top_logprobs":[]}]}}],"usage":{"prompt_tokens":40,"completion_tokens":1}}`, providers.Quirks{Echo: true, TokenIDs: true}},
		{"an empty list", `{"choices":[{"text":"","finish_reason":"length","logprobs":{"content":[]}}],"usage":{"prompt_tokens":40,"completion_tokens":0}}`, providers.Quirks{Echo: true}},
		{"null", `{"choices":[{"text":"","finish_reason":"length","logprobs":null}],"usage":{"prompt_tokens":40,"completion_tokens":0}}`, providers.Quirks{Echo: true}},
		{"known to have none", `{}`, providers.LlamaCpp()},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, c.body)
		}))
		p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: server.URL +
			"/v1", HTTP: server.Client()}, Quirks: c.quirks})
		if err != nil {
			t.Fatal(err)
		}
		f, err := New(Config{Scorer: p})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := f.Certify(t.Context(), p, policy("chatml"))
		server.Close()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if cert.OK || len(cert.Probes) != 1 || cert.Probes[0].Name != ProbeCoverage ||
			!strings.Contains(cert.Probes[0].Detail, "the endpoint gives no log-probs for a prompt") {
			t.Errorf("%s: %+v", c.name, cert)
		}
	}
}

// dependsOnOthers makes a server whose log-probs depend on how many other texts
// it has seen.
func dependsOnOthers() func(providers.ScoreRequest, *providers.PromptScore) error {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(req providers.ScoreRequest, s *providers.PromptScore) error {
		mu.Lock()
		defer mu.Unlock()
		seen[s.Text] = true
		for i := range s.Tokens {
			s.Tokens[i].LogProb = dataset.Known(s.Tokens[i].LogProb.OrNaN() - 0.05*float64(len(seen)))
		}
		return nil
	}
}

// TestCertifyCallFailed: a call that failed says nothing about log-probs, so it
// is an error that names the cause and not a failed probe.
func TestCertifyCallFailed(t *testing.T) {
	auth := &providers.Error{Op: "score prompt", Class: providers.ClassAuth, Status: 401}
	after := func(n int) *fake {
		f := &fake{}
		f.spoil = func(providers.ScoreRequest, *providers.PromptScore) error {
			if f.made() > n {
				return auth
			}
			return nil
		}
		return f
	}
	for n := range 20 {
		_, err := newForcer(t, after(n)).Certify(t.Context(), &fakeGenerator{}, policy("llama4"))
		var got *providers.Error
		if !errors.As(err, &got) || got.Class != providers.ClassAuth || !strings.Contains(err.Error(), "probe ") {
			t.Fatalf("failing from call %d on: error %v, want the provider's", n+1, err)
		}
	}
	for _, g := range []*fakeGenerator{{noChat: auth}, {completions: auth}} {
		if _, err := newForcer(t, &fake{}).Certify(t.Context(), g, policy("llama4")); !errors.Is(err, auth) {
			t.Errorf("error %v, want the generator's", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newForcer(t, &fake{}).Certify(ctx, &fakeGenerator{}, policy("llama4")); !errors.Is(err,
		context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestCertifySmallTemplateDifference: a reply so confident that its log-probs
// hide the difference of the contexts; the prompt's ids show it.
func TestCertifySmallTemplateDifference(t *testing.T) {
	s := &fake{spoil: func(_ providers.ScoreRequest, s *providers.PromptScore) error {
		for i := range s.Tokens {
			s.Tokens[i].LogProb = dataset.Known(-0.01)
		}
		return nil
	}}
	g := &confident{fakeGenerator{template: "chatml"}}
	cert, err := newForcer(t, s).Certify(t.Context(), g, policy("llama4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range cert.Probes {
		if p.Name == ProbeTemplate && (p.OK || !strings.Contains(p.Detail, "differ from token 0 on")) {
			t.Errorf("probe %+v: want it failed by the ids", p)
		}
	}
}

type confident struct{ fakeGenerator }

func (g *confident) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	out, err := g.fakeGenerator.Generate(ctx, req)
	for i := range out.Tokens {
		out.Tokens[i].LogProb = dataset.Known(-0.01)
	}
	return out, err
}
