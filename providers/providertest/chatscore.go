package providertest

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

const (
	chatQuestion = "Name the three primary colours."
	chatResponse = "Red, yellow and blue."
)

func (s *suite) chatScoreRequest(open bool) providers.ChatScoreRequest {
	return providers.ChatScoreRequest{
		Tag:   providers.Tag{Stage: "conformance", Key: dataset.Key{PromptID: s.Name(), Policy: "p"}, Call: "chat"},
		Model: s.opt.Model, Open: open,
		Messages: []dataset.Message{{Role: "user", Content: chatQuestion}, {Role: "assistant", Content: chatResponse}},
	}
}

func (s *suite) scoreChatOf(p providers.ChatScorer, open bool) []providers.Token {
	s.Helper()
	req := s.chatScoreRequest(open)
	got, err := p.ScoreChat(s.ctx, req)
	if err != nil {
		s.Fatalf("ScoreChat: %v", err)
	}
	if len(got.Tokens) == 0 {
		s.Fatal("Tokens is empty")
	}
	for i, tok := range got.Tokens[1:] {
		if !tok.LogProb.Valid() || tok.LogProb.OrNaN() > 0 || math.IsInf(tok.LogProb.OrNaN(), 0) {
			s.Errorf("Tokens[%d] %q has log-prob %v: want a finite number <= 0", i+1, tok.Text, tok.LogProb)
		}
	}
	for _, m := range req.Messages {
		if !spells(got.Tokens, m.Content) {
			s.Errorf("the scored tokens do not spell the %s's message %q", m.Role, m.Content)
		}
		if got.Text != "" && !strings.Contains(got.Text, m.Content) {
			s.Errorf("Text %q lacks the %s's message %q", got.Text, m.Role, m.Content)
		}
	}
	if got.Usage == nil || got.Usage.PromptTokens < len(got.Tokens) {
		s.Errorf("Usage is %+v for %d tokens: want at least as many prompt tokens", got.Usage, len(got.Tokens))
	}
	return got.Tokens
}

func ends(tokens []providers.Token, text string) bool {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.Text)
	}
	return strings.HasSuffix(b.String(), text)
}

// scoreChat has a conversation scored open and closed, and holds the values to
// those of the same ids, given as a prompt.
func (s *suite) scoreChat() {
	p, ok := s.p.(providers.ChatScorer)
	if !ok {
		s.Fatal("Options say that conversations are scored, and the provider is no ChatScorer")
	}
	open, closed := s.scoreChatOf(p, true), s.scoreChatOf(p, false)
	if !ends(open, chatResponse) {
		s.Errorf("an open conversation does not end with its response: the last of %d tokens is %q", len(open),
			open[len(open)-1].Text)
	}
	if len(closed) <= len(open) {
		s.Fatalf("%d tokens of an open conversation, %d of a closed one: the end of the turn is not scored", len(open),
			len(closed))
	}
	s.equal("open, then closed", open, closed[:len(open)])
	s.equal("scored twice", closed, s.scoreChatOf(p, false))

	ids := make([]int, len(closed))
	for i, tok := range closed {
		if ids[i] = tok.ID; tok.ID < 0 {
			s.withoutIDs()
		}
	}
	if s.opt.Score {
		req := s.scoreRequest()
		req.Prompt, req.PromptIDs = "", ids
		s.equal("by chat, then by ids", closed, s.scoreOf(req).Tokens)
	}
	for reason, spoil := range map[string]func(*providers.ChatScoreRequest){
		"no messages":               func(r *providers.ChatScoreRequest) { r.Messages = nil },
		"no response":               func(r *providers.ChatScoreRequest) { r.Messages = r.Messages[:1] },
		"no model":                  func(r *providers.ChatScoreRequest) { r.Model = "" },
		"text that JSON would bend": func(r *providers.ChatScoreRequest) { r.Messages[1].Content = "\xff" },
	} {
		req := s.chatScoreRequest(false)
		req.Messages = slices.Clone(req.Messages)
		spoil(&req)
		_, err := p.ScoreChat(s.ctx, req)
		var e *providers.Error
		if !errors.As(err, &e) || e.Class != providers.ClassBadRequest || e.Sent {
			s.Errorf("%s: %v: want an unsent *providers.Error of class %q", reason, err, providers.ClassBadRequest)
		}
	}
}

func (s *suite) chatUnsupported() {
	p, ok := s.p.(providers.ChatScorer)
	if !ok {
		return
	}
	if _, err := p.ScoreChat(s.ctx, s.chatScoreRequest(false)); !errors.Is(err, errors.ErrUnsupported) {
		s.Errorf("ScoreChat: %v: want an error that wraps errors.ErrUnsupported", err)
	}
}
