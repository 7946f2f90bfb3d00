package providertest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// mutant is a good provider with one defect.
type mutant struct {
	providers.Provider
	name     func() string
	ask      func(*providers.GenerateRequest) // changes what is sent
	say      func(*providers.Generation)      // changes what is returned
	askScore func(*providers.ScoreRequest)
	sayScore func(*providers.PromptScore)
	ctx      func(context.Context) context.Context
	fail     func(error) error
	models   func([]providers.Model) []providers.Model
	chat     providers.ChatScorer // over the same server
	askChat  func(*providers.ChatScoreRequest)
	sayChat  func(*providers.PromptScore)
}

func (m mutant) Name() string {
	if m.name != nil {
		return m.name()
	}
	return m.Provider.Name()
}

func (m mutant) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	if m.ask != nil {
		m.ask(&req)
	}
	if m.ctx != nil {
		ctx = m.ctx(ctx)
	}
	g, err := m.Provider.Generate(ctx, req)
	if err != nil && m.fail != nil {
		err = m.fail(err)
	}
	if err == nil && m.say != nil {
		m.say(&g)
	}
	return g, err
}

func (m mutant) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	if m.askScore != nil {
		m.askScore(&req)
	}
	if m.ctx != nil {
		ctx = m.ctx(ctx)
	}
	s, err := m.Provider.ScorePrompt(ctx, req)
	if err == nil && m.sayScore != nil {
		m.sayScore(&s)
	}
	return s, err
}

func (m mutant) ScoreChat(ctx context.Context, req providers.ChatScoreRequest) (providers.PromptScore, error) {
	if m.askChat != nil {
		m.askChat(&req)
	}
	s, err := m.chat.ScoreChat(ctx, req)
	if err == nil && m.sayChat != nil {
		m.sayChat(&s)
	}
	return s, err
}

func (m mutant) Models(ctx context.Context) ([]providers.Model, error) {
	list, err := m.Provider.Models(ctx)
	if m.models != nil {
		list = m.models(list)
	}
	return list, err
}

func each(f func(*providers.Token)) func([]providers.Token) {
	return func(tokens []providers.Token) {
		for i := range tokens {
			f(&tokens[i])
		}
	}
}

func scored(f func([]providers.Token)) func(*providers.PromptScore) {
	return func(s *providers.PromptScore) { f(s.Tokens) }
}

func changed(f func(*providers.Error)) func(error) error {
	return func(err error) error {
		var e *providers.Error
		if errors.As(err, &e) {
			f(e)
		}
		return err
	}
}

// mutants are the defects, and the check of the suite that has to see each.
func mutants() map[string]struct {
	m     mutant
	check string
} {
	type row = struct {
		m     mutant
		check string
	}
	var count atomic.Int64
	swap := func(tokens []providers.Token) {
		if n := len(tokens); n > 3 {
			tokens[1], tokens[n-2] = tokens[n-2], tokens[1]
		}
	}
	return map[string]row{
		"honest":              {mutant{}, ""},
		"name changes":        {mutant{name: func() string { return strings.Repeat("x", 1+int(count.Add(1))) }}, "name"},
		"usage dropped":       {mutant{say: func(g *providers.Generation) { g.Usage = nil }}, "chat"},
		"nothing consumed":    {mutant{say: func(g *providers.Generation) { g.Usage = &providers.Usage{} }}, "chat"},
		"completion not paid": {mutant{say: func(g *providers.Generation) { g.Usage.CompletionTokens = 0 }}, "chat"},
		"one token short": {mutant{say: func(g *providers.Generation) { g.Usage.PromptTokens = len(g.PromptIDs) - 1 }},
			"completion"},
		"too much cached": {mutant{say: func(g *providers.Generation) {
			g.Usage.CachedTokens = g.Usage.PromptTokens +
				1
		}}, "chat"},
		"no finish reason":  {mutant{say: func(g *providers.Generation) { g.FinishReason = "" }}, "chat"},
		"text dropped":      {mutant{say: func(g *providers.Generation) { g.Text = "" }}, "max_tokens_limits"},
		"other text":        {mutant{say: func(g *providers.Generation) { g.Text += "!?" }}, "chat"},
		"log-probs dropped": {mutant{say: func(g *providers.Generation) { g.Tokens = nil }}, "chat"},
		"token ids dropped": {mutant{say: func(g *providers.Generation) { g.TokenIDs = nil }}, "completion"},
		"prompt ids dropped": {mutant{say: func(g *providers.Generation) { g.PromptIDs = nil }},
			"score_agrees_with_generation"},
		"generated swapped": {mutant{say: func(g *providers.Generation) { swap(g.Tokens) }}, "completion"},
		"null is 0": {mutant{sayScore: scored(each(func(t *providers.Token) { t.LogProb = dataset.Known(0) }))},
			"score"},
		"null unnoticed": {mutant{sayScore: func(s *providers.PromptScore) {
			s.Tokens[len(s.Tokens)-1].LogProb = dataset.Float{}
		}}, "score"},
		"sign lost": {mutant{sayScore: scored(each(func(t *providers.Token) {
			t.LogProb = dataset.Known(-t.LogProb.OrNaN())
		}))}, "score"},
		"generated sign lost": {mutant{say: func(g *providers.Generation) {
			each(func(t *providers.Token) { t.LogProb = dataset.Known(-t.LogProb.OrNaN()) })(g.Tokens)
		}}, "chat"},
		"tokens swapped": {mutant{sayScore: scored(swap)}, "score"},
		"last token lost": {mutant{sayScore: func(s *providers.PromptScore) { s.Tokens = s.Tokens[:len(s.Tokens)-1] }},
			"score"},
		"off by one": {mutant{sayScore: scored(func(tokens []providers.Token) {
			for i := range len(tokens) - 1 {
				tokens[i].LogProb = tokens[i+1].LogProb
			}
		})}, "score_agrees_with_generation"},
		"float32": {mutant{sayScore: scored(each(func(t *providers.Token) {
			t.LogProb = dataset.Known(float64(float32(t.LogProb.OrNaN())))
		}))}, "score_agrees_with_generation"},
		"tempered": {mutant{say: func(g *providers.Generation) {
			each(func(t *providers.Token) { t.LogProb = dataset.Known(0.9 * t.LogProb.OrNaN()) })(g.Tokens)
		}}, "score_agrees_with_generation"},
		"unsteady": {mutant{sayScore: scored(each(func(t *providers.Token) {
			t.LogProb = dataset.Known(t.LogProb.OrNaN() - float64(count.Add(1))/1e6)
		}))}, "score"},
		"score unpaid":   {mutant{sayScore: func(s *providers.PromptScore) { s.Usage = nil }}, "score"},
		"score ids lost": {mutant{sayScore: scored(each(func(t *providers.Token) { t.ID = -1 }))}, "score_by_ids"},
		"other ids scored": {mutant{askScore: func(r *providers.ScoreRequest) {
			if n := len(r.PromptIDs); n > 2 {
				r.PromptIDs = slices.Clone(r.PromptIDs)
				r.PromptIDs[n-1], r.PromptIDs[n-2] = r.PromptIDs[n-2], r.PromptIDs[n-1]
			}
		}}, "score_by_ids"},
		"log-probs always": {mutant{ask: func(r *providers.GenerateRequest) { r.LogProbs = true }},
			"logprobs_are_given_only_when_asked_for"},
		"limit ignored": {mutant{ask: func(r *providers.GenerateRequest) { r.Sampling.MaxTokens += 20 }},
			"max_tokens_limits"},
		"seed ignored": {mutant{ask: func(r *providers.GenerateRequest) { r.Seed = nil }},
			"sampling_settings_are_sent"},
		"seed varies": {mutant{ask: func(r *providers.GenerateRequest) { n := count.Add(1); r.Seed = &n }},
			"equal_seeds,_equal_responses"},
		"zero not sent": {mutant{ask: func(r *providers.GenerateRequest) { r.Sampling.Temperature = 1 }},
			"sampling_settings_are_sent"},
		"temperature always 0": {mutant{ask: func(r *providers.GenerateRequest) { r.Sampling.Temperature = 0 }},
			"sampling_settings_are_sent"},
		"system dropped": {mutant{ask: func(r *providers.GenerateRequest) {
			if len(r.Messages) > 1 {
				r.Messages = r.Messages[len(r.Messages)-1:]
			}
		}}, "every_message_is_sent"},
		"cancellation ignored": {mutant{ctx: context.WithoutCancel}, "cancelled"},
		"cancellation seen only at the start": {mutant{ctx: func(ctx context.Context) context.Context {
			if ctx.Err() != nil {
				return ctx
			}
			return context.WithoutCancel(ctx)
		}}, "cancelled_in_flight"},
		"untyped errors": {mutant{fail: func(err error) error { return errors.New(err.Error()) }}, "unknown_model"},
		"one class for all": {mutant{fail: changed(func(e *providers.Error) { e.Class = providers.ClassBadRequest })},
			"unknown_model"},
		"errors unnamed": {mutant{fail: changed(func(e *providers.Error) { e.Tag = providers.Tag{} })}, "unknown_model"},
		"cause lost":     {mutant{fail: changed(func(e *providers.Error) { e.Err = nil })}, "deadline"},
		"says it was sent": {mutant{fail: changed(func(e *providers.Error) { e.Sent = true })},
			"invalid_requests_are_not_sent"},
		"invalid mended": {mutant{ask: func(r *providers.GenerateRequest) {
			if r.Sampling.MaxTokens == 0 {
				r.Sampling.MaxTokens, r.Sampling.TopP = 16, 1
			}
		}}, "invalid_requests_are_not_sent"},
		"always closed": {mutant{askChat: func(r *providers.ChatScoreRequest) { r.Open = false }}, "score_chat"},
		"always open":   {mutant{askChat: func(r *providers.ChatScoreRequest) { r.Open = true }}, "score_chat"},
		"chat not checked": {mutant{askChat: func(r *providers.ChatScoreRequest) {
			if len(r.Messages) == 1 {
				r.Messages = append(r.Messages, dataset.Message{Role: "assistant"})
			}
		}}, "score_chat"},
		"chat off by one": {mutant{sayChat: scored(func(tokens []providers.Token) {
			for i := range len(tokens) - 1 {
				tokens[i].LogProb = tokens[i+1].LogProb
			}
		})}, "score_chat"},
		"chat null is 0": {mutant{sayChat: scored(each(func(t *providers.Token) { t.LogProb = dataset.Known(0) }))},
			"score_chat"},
		"chat unpaid": {mutant{sayChat: func(s *providers.PromptScore) { s.Usage = nil }}, "score_chat"},
		"question lost": {mutant{askChat: func(r *providers.ChatScoreRequest) {
			if n := len(r.Messages); n > 1 {
				r.Messages = []dataset.Message{{Role: "user", Content: "Hm?"}, r.Messages[n-1]}
			}
		}}, "score_chat"},
		"listing empty": {mutant{models: func([]providers.Model) []providers.Model { return nil }}, "models"},
	}
}

// unanswering is a transport on which nothing comes back until it is closed.
type unanswering chan struct{}

func (u unanswering) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-u:
		return nil, io.ErrUnexpectedEOF
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

const mutantsEnv = "PROVIDERTEST_MUTANTS"

// TestMutants is run by the test below, in a process of its own: it has to fail.
func TestMutants(t *testing.T) {
	if os.Getenv(mutantsEnv) == "" {
		t.Skip("run by TestSuiteSeesBadProviders")
	}
	s := sim.New(sim.Config{})
	defer s.Close()
	done := make(chan struct{})
	defer close(done) // lets go of the calls that do not end when cancelled
	hangs := &http.Client{Transport: unanswering(done)}
	over := func(t *testing.T, c providers.HTTPConfig, m mutant) providers.Provider {
		c.Key = providers.NewSecret("dummy")
		p, err := providers.NewFireworks(c)
		if err != nil {
			t.Fatal(err)
		}
		c.BaseURL = strings.Replace(c.BaseURL, "/inference/", "/vllm/", 1)
		chat, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: c, Quirks: providers.VLLM()})
		if err != nil {
			t.Fatal(err)
		}
		m.Provider, m.chat = p, chat
		return m
	}
	for name, row := range mutants() {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providers.Provider {
				return over(t, providers.HTTPConfig{BaseURL: s.URL() + "/inference/v1", HTTP: s.Client()}, row.m)
			}, providertest.Options{
				Model: sim.ScoutModel, LogProbs: true, Score: true, ChatScore: true, Seeded: true, TokenIDs: true,
				Unanswered: func(t *testing.T) providers.Provider {
					return over(t, providers.HTTPConfig{BaseURL: "http://hangs.invalid/v1", HTTP: hangs}, row.m)
				},
			})
		})
	}
}

// TestSuiteSeesBadProviders: each defect makes the check fail that is there for
// it, and the provider without one passes.
func TestSuiteSeesBadProviders(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMutants$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), mutantsEnv+"=1")
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err == nil || strings.Contains(out, "panic:") || !strings.Contains(out, "\n--- FAIL: TestMutants ") {
		t.Fatalf("the mutants' run did not fail as tests do: %v\n%.4000s", err, out)
	}
	for name, row := range mutants() {
		prefix := "--- FAIL: TestMutants/" + strings.ReplaceAll(name, " ", "_")
		if row.check == "" {
			if strings.Contains(out, prefix) {
				t.Errorf("the suite fails a good provider:\n%.4000s", out)
			}
			continue
		}
		if !strings.Contains(out, prefix+"/"+row.check+" (") {
			t.Errorf("%q: the check %q did not fail", name, row.check)
		}
	}
	t.Logf("%d mutants, %d failed checks", len(mutants())-1, strings.Count(out, "        --- FAIL: "))
}
