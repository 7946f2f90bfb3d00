package providertest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// Options says what the provider under test can do. Every call of the suite is
// small, but those against a paid service cost money.
type Options struct {
	Model string // required: a model that is served
	// Prompt is the text for completions and scoring, rendered as the model
	// wants it; empty means a plain sentence.
	Prompt string
	// ChatOnly: completions are not served.
	ChatOnly bool
	// CompletionsOnly: chat is not served. The suite demands that the error says so,
	// and asks everything by completions.
	CompletionsOnly bool
	// LogProbs: generated tokens come with log-probs.
	LogProbs bool
	// Score: ScorePrompt is supported. Without it the suite demands that the
	// error says so.
	Score bool
	// ChatScore: the provider is a providers.ChatScorer whose server scores
	// conversations. Without it the suite demands that a ChatScorer says so.
	ChatScore bool
	// Seeded: equal seeds give equal responses at temperature 1, and some of
	// several seeds another one; at temperature 0 no seed matters.
	Seeded bool
	// TokenIDs: responses and scores come with token ids. Without it the checks
	// that need ids are skipped where there are none.
	TokenIDs bool
	// Unanswered, where not nil, returns the provider over a server that takes
	// requests and never answers, such as a Server with a Reply that hangs:
	// only there can it be seen that a call in flight ends with its context.
	Unanswered func(t *testing.T) providers.Provider
	// Tolerance is how far, in nats, two scorings of one token may differ, and
	// a generated token's log-prob from its score. 0 means exactly equal.
	Tolerance float64
	// NoListing: Models is not supported.
	NoListing bool
	// Timeout bounds each call; 0 means 60 s.
	Timeout time.Duration
}

// Run checks that the providers that newProvider returns keep the contract of
// [providers.Provider]. newProvider is called for every subtest.
func Run(t *testing.T, newProvider func(t *testing.T) providers.Provider, opt Options) {
	t.Helper()
	if opt.Model == "" {
		t.Fatal("providertest: Options.Model is empty")
	}
	if opt.ChatOnly && opt.CompletionsOnly {
		t.Fatal("providertest: Options say that neither chat nor completions are served")
	}
	if opt.Prompt == "" {
		opt.Prompt = "The three primary colours are red,"
	}
	if opt.Timeout == 0 {
		opt.Timeout = time.Minute
	}
	for _, c := range []struct {
		name string
		skip bool
		run  func(*suite)
	}{
		{"name", false, (*suite).name},
		{"chat", opt.CompletionsOnly, (*suite).chat},
		{"chat is unsupported", !opt.CompletionsOnly, (*suite).noChat},
		{"completion", opt.ChatOnly, (*suite).completion},
		{"logprobs are given only when asked for", false, (*suite).unasked},
		{"max_tokens limits", false, (*suite).limit},
		{"equal seeds, equal responses", !opt.Seeded, (*suite).seeded},
		{"sampling settings are sent", !opt.Seeded, (*suite).sampled},
		{"every message is sent", opt.CompletionsOnly, (*suite).everyMessage},
		{"score", !opt.Score, (*suite).score},
		{"score by ids", !opt.Score, (*suite).scoreIDs},
		{"score agrees with generation", !opt.Score || !opt.LogProbs || opt.ChatOnly, (*suite).agreement},
		{"score is unsupported", opt.Score, (*suite).unsupported},
		{"score chat", !opt.ChatScore, (*suite).scoreChat},
		{"score chat is unsupported", opt.ChatScore, (*suite).chatUnsupported},
		{"models", opt.NoListing, (*suite).models},
		{"unknown model", false, (*suite).unknownModel},
		{"invalid requests are not sent", false, (*suite).invalid},
		{"cancelled", false, (*suite).cancelled},
		{"cancelled in flight", opt.Unanswered == nil, (*suite).cancelledInFlight},
		{"deadline", false, (*suite).deadline},
		{"concurrent calls", false, (*suite).concurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.skip {
				t.Skip("Options say that this does not apply")
			}
			ctx, cancel := context.WithTimeout(context.Background(), opt.Timeout)
			defer cancel()
			c.run(&suite{t, ctx, newProvider(t), opt})
		})
	}
}

type suite struct {
	*testing.T
	ctx context.Context
	p   providers.Provider
	opt Options
}

// request is one by chat, or by completions if there is no chat.
func (s *suite) request() providers.GenerateRequest {
	if s.opt.CompletionsOnly {
		return s.completionRequest()
	}
	return s.chatRequest()
}

func (s *suite) chatRequest() providers.GenerateRequest {
	return providers.GenerateRequest{
		Tag:      providers.Tag{Stage: "conformance", Key: dataset.Key{PromptID: s.Name(), Policy: "p"}},
		Model:    s.opt.Model,
		Messages: []dataset.Message{{Role: "user", Content: "Name the three primary colours."}},
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 16},
		LogProbs: s.opt.LogProbs,
	}
}

func (s *suite) completionRequest() providers.GenerateRequest {
	req := s.chatRequest()
	req.Messages, req.Prompt = nil, s.opt.Prompt
	return req
}

func (s *suite) generate(req providers.GenerateRequest) providers.Generation {
	s.Helper()
	g, err := s.p.Generate(s.ctx, req)
	if err != nil {
		s.Fatalf("Generate: %v", err)
	}
	if g.Usage == nil || g.Usage.PromptTokens <= 0 {
		s.Errorf("Usage is %+v: want a positive number of prompt tokens", g.Usage)
	}
	if g.FinishReason == "" {
		s.Error("FinishReason is empty")
	}
	if g.Text == "" && g.FinishReason != "stop" {
		s.Errorf("no text, and FinishReason is %q", g.FinishReason)
	}
	s.counts(g)
	return g
}

func (s *suite) name() {
	if n := s.p.Name(); n == "" || n != s.p.Name() {
		s.Errorf("Name is %q, then %q: want a constant", n, s.p.Name())
	}
}

func (s *suite) checkGenerated(g providers.Generation) {
	s.Helper()
	if !s.opt.LogProbs {
		return
	}
	if len(g.Tokens) == 0 {
		s.Fatal("log-probs were asked for and Tokens is empty")
	}
	for i, tok := range g.Tokens {
		if !tok.LogProb.Valid() || tok.LogProb.OrNaN() > 0 || math.IsInf(tok.LogProb.OrNaN(), 0) {
			s.Errorf("Tokens[%d] %q has log-prob %v: want a finite number <= 0", i, tok.Text, tok.LogProb)
		}
	}
	if g.TokenIDs != nil && len(g.TokenIDs) > len(g.Tokens) {
		s.Errorf("%d token ids, %d tokens", len(g.TokenIDs), len(g.Tokens))
	}
	if !spells(g.Tokens, g.Text) {
		s.Errorf("the tokens do not spell the text %q", g.Text)
	}
}

func (s *suite) chat()       { s.checkGenerated(s.generate(s.request())) }
func (s *suite) completion() { s.checkGenerated(s.generate(s.completionRequest())) }

func (s *suite) unasked() {
	req := s.request()
	req.LogProbs = false
	if g := s.generate(req); g.Tokens != nil {
		s.Errorf("log-probs were not asked for and Tokens has %d entries: want nil", len(g.Tokens))
	}
}

func (s *suite) limit() {
	req := s.request()
	req.Sampling.MaxTokens = 1
	g := s.generate(req)
	if g.Usage != nil && g.Usage.CompletionTokens > 1 {
		s.Errorf("max_tokens 1, and %d completion tokens", g.Usage.CompletionTokens)
	}
	if g.FinishReason != "length" && g.FinishReason != "stop" {
		s.Errorf("FinishReason is %q: want length, or stop", g.FinishReason)
	}
}

func (s *suite) seeded() {
	req := s.request()
	seed := int64(7)
	req.Seed = &seed
	if a, b := s.generate(req), s.generate(req); a.Text != b.Text {
		s.Errorf("one seed, two responses:\n%q\n%q", a.Text, b.Text)
	}
}

func (s *suite) scoreRequest() providers.ScoreRequest {
	return providers.ScoreRequest{
		Tag:   providers.Tag{Stage: "conformance", Key: dataset.Key{PromptID: s.Name(), Policy: "p"}, Call: "joint"},
		Model: s.opt.Model, Prompt: s.opt.Prompt,
	}
}

func (s *suite) scoreOf(req providers.ScoreRequest) providers.PromptScore {
	s.Helper()
	got, err := s.p.ScorePrompt(s.ctx, req)
	if err != nil {
		s.Fatalf("ScorePrompt: %v", err)
	}
	if len(got.Tokens) == 0 {
		s.Fatal("Tokens is empty")
	}
	for i, tok := range got.Tokens[1:] {
		if !tok.LogProb.Valid() || tok.LogProb.OrNaN() > 0 || math.IsInf(tok.LogProb.OrNaN(), 0) {
			s.Errorf("Tokens[%d] %q has log-prob %v: want a finite number <= 0", i+1, tok.Text, tok.LogProb)
		}
	}
	s.checkScore(req, got)
	return got
}

func (s *suite) equal(what string, a, b []providers.Token) {
	s.Helper()
	if len(a) != len(b) {
		s.Fatalf("%s: %d tokens, then %d", what, len(a), len(b))
	}
	for i := 1; i < len(a); i++ {
		if d := math.Abs(a[i].LogProb.OrNaN() - b[i].LogProb.OrNaN()); !(d <= s.opt.Tolerance) {
			s.Errorf("%s: token %d %q: %v, then %v", what, i, a[i].Text, a[i].LogProb, b[i].LogProb)
		}
	}
}

func (s *suite) score() {
	a := s.scoreOf(s.scoreRequest())
	s.equal("scored twice", a.Tokens, s.scoreOf(s.scoreRequest()).Tokens)
}

func (s *suite) scoreIDs() {
	a := s.scoreOf(s.scoreRequest())
	ids := make([]int, len(a.Tokens))
	for i, tok := range a.Tokens {
		if ids[i] = tok.ID; tok.ID < 0 {
			s.withoutIDs()
		}
	}
	req := s.scoreRequest()
	req.Prompt, req.PromptIDs = "", ids
	s.equal("by text, then by ids", a.Tokens, s.scoreOf(req).Tokens)
}

// agreement scores what was generated: the two must be the same numbers, or
// weights would compare two different models.
func (s *suite) agreement() {
	g := s.generate(s.completionRequest())
	if g.PromptIDs == nil || g.TokenIDs == nil {
		s.withoutIDs()
	}
	req := s.scoreRequest()
	req.Prompt, req.PromptIDs = "", slices.Concat(g.PromptIDs, g.TokenIDs)
	scored := s.scoreOf(req).Tokens
	if len(scored) < len(req.PromptIDs) {
		s.Fatalf("%d ids sent, %d tokens scored", len(req.PromptIDs), len(scored))
	}
	if len(g.Tokens) < len(g.TokenIDs) {
		s.Fatalf("%d token ids, %d tokens", len(g.TokenIDs), len(g.Tokens))
	}
	for i := range g.TokenIDs {
		want, got := g.Tokens[i].LogProb.OrNaN(), scored[len(g.PromptIDs)+i].LogProb.OrNaN()
		if d := math.Abs(want - got); !(d <= s.opt.Tolerance) {
			s.Errorf("token %d %q: generated at %v, scored %v", i, g.Tokens[i].Text, want, got)
		}
	}
}

func (s *suite) unsupported() {
	if _, err := s.p.ScorePrompt(s.ctx, s.scoreRequest()); !errors.Is(err, errors.ErrUnsupported) {
		s.Errorf("ScorePrompt: %v: want an error that wraps errors.ErrUnsupported", err)
	}
}

func (s *suite) models() {
	list, err := s.p.Models(s.ctx)
	if err != nil {
		s.Fatalf("Models: %v", err)
	}
	if !slices.ContainsFunc(list, func(m providers.Model) bool { return m.ID == s.opt.Model }) {
		s.Errorf("%d models, and %q is not among them", len(list), s.opt.Model)
	}
}

// failure demands an *Error that names the call.
func (s *suite) failure(req providers.GenerateRequest, ctx context.Context, want providers.Class) *providers.Error {
	s.Helper()
	_, err := s.p.Generate(ctx, req)
	var e *providers.Error
	if !errors.As(err, &e) {
		s.Fatalf("Generate: %v: want a *providers.Error", err)
	}
	if e.Class != want {
		s.Errorf("class %q, want %q: %v", e.Class, want, e)
	}
	if e.Op == "" || e.Provider != s.p.Name() || e.Model != req.Model || e.Tag != req.Tag {
		s.Errorf("the error does not name its call: Op %q, Provider %q, Model %q, Tag %+v", e.Op, e.Provider, e.Model, e.Tag)
	}
	return e
}

func (s *suite) unknownModel() {
	req := s.request()
	req.Model = "no-such-model-anywhere"
	s.failure(req, s.ctx, providers.ClassModelNotFound)
}

func (s *suite) invalid() {
	for reason, spoil := range map[string]func(*providers.GenerateRequest){
		"no context":                func(r *providers.GenerateRequest) { r.Messages, r.Prompt = nil, "" },
		"two contexts":              func(r *providers.GenerateRequest) { r.Prompt, r.PromptIDs = "x", []int{1} },
		"no sampling settings":      func(r *providers.GenerateRequest) { r.Sampling = offpolicy.Sampling{} },
		"text that JSON would bend": bend,
	} {
		req := s.request()
		spoil(&req)
		if e := s.failure(req, s.ctx, providers.ClassBadRequest); e.Sent {
			s.Errorf("%s: the request was sent", reason)
		}
	}
}

// bend puts into a request what is no UTF-8.
func bend(r *providers.GenerateRequest) {
	if len(r.Messages) > 0 {
		r.Messages[0].Content = "\xff"
		return
	}
	r.Prompt = "\xff"
}

// noChat: a provider without chat says so, and sends nothing.
func (s *suite) noChat() {
	_, err := s.p.Generate(s.ctx, s.chatRequest())
	var e *providers.Error
	if !errors.Is(err, errors.ErrUnsupported) {
		s.Errorf("Generate by chat: %v: want an error that wraps errors.ErrUnsupported", err)
	}
	if errors.As(err, &e) && e.Sent {
		s.Error("a chat request was sent to a server that has no chat")
	}
}

func (s *suite) cancelled() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if e := s.failure(s.request(), ctx, providers.ClassCanceled); !errors.Is(e, context.Canceled) {
		s.Errorf("%v: want an error that wraps context.Canceled", e)
	}
}

func (s *suite) deadline() {
	ctx, cancel := context.WithTimeout(s.ctx, -time.Second)
	defer cancel()
	if e := s.failure(s.request(), ctx, providers.ClassTimeout); !errors.Is(e, context.DeadlineExceeded) {
		s.Errorf("%v: want an error that wraps context.DeadlineExceeded", e)
	}
}

func (s *suite) concurrent() {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.p.Generate(s.ctx, s.request()); err != nil {
				s.Errorf("Generate: %v", err)
			}
		})
	}
	wg.Wait()
}
