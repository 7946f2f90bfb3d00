package providertest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// withoutIDs ends a check that needs token ids.
func (s *suite) withoutIDs() {
	s.Helper()
	if s.opt.TokenIDs {
		s.Fatal("Options say that there are token ids, and there are none")
	}
	s.Skip("the server gives no token ids")
}

// counts holds what is billed to what is shown: more may be billed, such as
// hidden reasoning, but not less.
func (s *suite) counts(g providers.Generation) {
	s.Helper()
	if g.Usage == nil {
		return // reported already
	}
	if n := len(g.PromptIDs); g.Usage.PromptTokens < n {
		s.Errorf("Usage has %d prompt tokens, PromptIDs %d", g.Usage.PromptTokens, n)
	}
	if n := len(g.TokenIDs); g.Usage.CompletionTokens < n || g.Text != "" && g.Usage.CompletionTokens <= 0 {
		s.Errorf("Usage has %d completion tokens, for %d ids and the text %q", g.Usage.CompletionTokens, n, g.Text)
	}
	if c := g.Usage.CachedTokens; c < 0 || c > g.Usage.PromptTokens {
		s.Errorf("Usage has %d cached tokens of %d", c, g.Usage.PromptTokens)
	}
	if s.opt.TokenIDs && (len(g.PromptIDs) == 0 || g.TokenIDs == nil) {
		s.Errorf("%d prompt ids, token ids %v: Options say that there are some", len(g.PromptIDs), g.TokenIDs)
	}
}

// checkScore holds a scored text to what was asked for.
func (s *suite) checkScore(req providers.ScoreRequest, got providers.PromptScore) {
	s.Helper()
	if req.Prompt != "" && !spells(got.Tokens, req.Prompt) {
		s.Errorf("the scored tokens do not spell the prompt %q", req.Prompt)
	}
	// No model is certain of every token of a sentence. Zeros throughout are
	// values that were missing.
	zero := func(t providers.Token) bool { return t.LogProb.OrNaN() == 0 }
	if rest := got.Tokens[1:]; len(rest) > 1 &&
		!slices.ContainsFunc(rest, func(t providers.Token) bool { return !zero(t) }) {
		s.Errorf("every log-prob of %d tokens is 0: missing values are NaN, never 0", len(rest))
	}
	if got.Usage == nil || got.Usage.PromptTokens < len(req.PromptIDs) || got.Usage.PromptTokens <= 0 {
		s.Errorf("Usage is %+v for %d tokens: want at least as many prompt tokens as were sent", got.Usage, len(got.Tokens))
	}
}

// spells reports whether the tokens' bytes hold text; a BOS token may stand
// before it and an end-of-turn token behind. Where a token's exact bytes are
// unknown, or the text shows a piece of a character as U+FFFD, only the ASCII
// characters are compared.
func spells(tokens []providers.Token, text string) bool {
	var spelled []byte
	exact := !strings.ContainsRune(text, utf8.RuneError)
	for _, t := range tokens {
		if t.Bytes == nil {
			exact = false
			spelled = append(spelled, t.Text...)
		} else {
			spelled = append(spelled, t.Bytes...)
		}
	}
	want := []byte(text)
	if !exact {
		other := func(r rune) rune {
			if r < utf8.RuneSelf {
				return r
			}
			return -1
		}
		spelled, want = bytes.Map(other, spelled), bytes.Map(other, want)
	}
	return bytes.Contains(spelled, want)
}

// sampled sees settings by their effect: at temperature 0 every seed gives the
// likeliest text, at 1 some of eight differ.
func (s *suite) sampled() {
	texts := func(temperature float64) map[string]bool {
		out := map[string]bool{}
		for seed := range int64(8) {
			req := s.request()
			req.Seed, req.Sampling.Temperature = &seed, temperature
			out[s.generate(req).Text] = true
		}
		return out
	}
	if got := texts(0); len(got) != 1 {
		s.Errorf("temperature 0, eight seeds and %d responses: the temperature is not sent", len(got))
	}
	if got := texts(1); len(got) == 1 {
		s.Error("temperature 1, eight seeds and one response: seed or temperature is not sent")
	}
}

func (s *suite) everyMessage() {
	few, many := s.request(), s.request()
	many.Messages = []dataset.Message{
		{Role: "system", Content: "You are a painter and answer in one short sentence."},
		{Role: "user", Content: "Which colours do you mix?"},
		{Role: "assistant", Content: "Red with a little blue."},
		few.Messages[0],
	}
	a := s.generate(few).Usage
	for i := range len(many.Messages) - 1 {
		req := many
		req.Messages = many.Messages[i:]
		if b := s.generate(req).Usage; a != nil && b != nil && b.PromptTokens <= a.PromptTokens {
			s.Errorf("%d messages are %d prompt tokens, and one of them alone is %d", len(req.Messages), b.PromptTokens,
				a.PromptTokens)
		}
	}
}

// cancelledInFlight cancels calls that would never end.
func (s *suite) cancelledInFlight() {
	p := s.opt.Unanswered(s.T)
	const patience = 3 * time.Second // a call that heeds its context takes none of it
	call := func(what string, f func(context.Context) error) {
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- f(ctx) }()
		select {
		case err := <-done:
			s.Errorf("%s ended before it was cancelled: %v", what, err)
			return
		case <-time.After(20 * time.Millisecond): // under way, or about to be: both must end
		}
		cancel()
		select {
		case err := <-done:
			var e *providers.Error
			if !errors.As(err, &e) || e.Class != providers.ClassCanceled || !errors.Is(err, context.Canceled) {
				s.Errorf("%s: %v: want a *providers.Error of class %q that wraps context.Canceled", what, err,
					providers.ClassCanceled)
			}
		case <-time.After(patience):
			s.Fatalf("%s goes on after its context was cancelled", what)
		}
	}
	call("Generate", func(ctx context.Context) error { _, err := p.Generate(ctx, s.request()); return err })
	if s.opt.Score {
		call("ScorePrompt", func(ctx context.Context) error { _, err := p.ScorePrompt(ctx, s.scoreRequest()); return err })
	}
	if !s.opt.NoListing {
		call("Models", func(ctx context.Context) error { _, err := p.Models(ctx); return err })
	}
}
