package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"

	"github.com/reweigh/reweigh/dataset"
)

// service is what Fireworks, OpenAI and Compatible have in common: an
// OpenAI-shaped API, and a dialect that says where they part.
type service struct {
	*transport
	dialect
	// noScore holds why the server, by what its listing showed, scores no text.
	noScore *atomic.Value
	// found is what the listing showed the server to be, where nobody said: a generation then
	// sends what that kind would else take from the model's generation_config.
	found *atomic.Value
}

func newService(t *transport, d dialect) service {
	return service{t, d, &atomic.Value{}, &atomic.Value{}}
}

// scoreless says why the service has no log-probs of a given text, empty if it may.
func (s *service) scoreless() string {
	if why, _ := s.noScore.Load().(string); why != "" {
		return why
	}
	if s.Echo {
		return ""
	}
	return first(s.NoEcho, "the service has no log-probs of given text")
}

// dialect is what a service has and how it spells it: what an importer may say
// of a server of one's own, and what only the providers here differ in.
type dialect struct {
	Quirks
	chatMaxTokens string // the chat field that limits the response
	boolLogProbs  bool   // completions take logprobs: true and answer in the "content" format
	strictSchema  bool   // response_format takes strict
	echoLast      bool   // takes echo_last
	learned       *learned
}

func (s *service) invalid(a attempt, err error) *Error {
	e := s.fail(a, ClassBadRequest, err)
	e.Hint = ""
	return e
}

func (s *service) generateOnce(ctx context.Context, req GenerateRequest) (Generation, error) {
	a, e := s.generateAttempt(req)
	if e != nil {
		return Generation{}, e
	}
	d, e := s.receive(ctx, a, req.wanted())
	if e != nil {
		s.learned.from(a, req.Extra, e)
		return Generation{}, e
	}
	g, e := s.generation(a, req, d)
	if e != nil {
		return Generation{}, e
	}
	return g, nil
}

// generateAttempt is the request for a response, whether it is sent alone or
// as a line of a batch.
func (s *service) generateAttempt(req GenerateRequest) (attempt, *Error) {
	a := attempt{op: opGenerate, model: req.Model, tag: req.Tag, raw: req.Raw, anySampling: req.AnySampling,
		dialect: s.dialect}
	if err := req.Validate(); err != nil {
		return a, s.invalid(a, err)
	}
	if req.Sampling.TopK != 0 && !s.TopK {
		// To leave it out would sample from another policy than the one asked for.
		return a, s.invalid(a, fmt.Errorf("top_k %d: the service has no such setting, use 0: %w", req.Sampling.TopK,
			errors.ErrUnsupported))
	}
	body := map[string]any{
		"model":       req.Model,
		"temperature": req.Sampling.Temperature,
		"top_p":       req.Sampling.TopP,
	}
	if s.TopK {
		body["top_k"] = s.topKOf(req.Sampling.TopK)
	}
	if s.TokenIDs {
		body["return_token_ids"] = true
	}
	if req.Seed != nil {
		body["seed"] = *req.Seed
	}
	if req.Schema != nil {
		schema := map[string]any{"name": req.Schema.Name, "schema": req.Schema.Schema}
		if s.strictSchema {
			schema["strict"] = true
		}
		body["response_format"] = map[string]any{"type": "json_schema", "json_schema": schema}
	}
	if k, ok := s.found.Load().(Kind); ok {
		maps.Copy(body, k.neutral())
		if req.Sampling.TopK != 0 {
			body["top_k"] = s.topKOf(req.Sampling.TopK)
		}
	}
	maps.Copy(body, s.Generate)
	if len(req.Messages) > 0 {
		a.path = pathChat
		body["messages"] = req.Messages
		body[s.learned.limitName(req.Model, s.chatMaxTokens)] = req.Sampling.MaxTokens
	} else {
		a.path = pathCompletions
		_, sent := s.withoutBOS(req.Prompt)
		body["prompt"] = promptOf(sent, req.PromptIDs)
		body["max_tokens"] = req.Sampling.MaxTokens
		maps.Copy(body, s.Completions)
	}
	switch {
	case !req.LogProbs:
	case len(req.Messages) > 0, s.boolLogProbs:
		body["logprobs"] = true
		if req.TopLogProbs > 0 {
			body["top_logprobs"] = req.TopLogProbs
		}
	default: // an integer: 0 is "the token's own" to some servers and an error to others
		body["logprobs"] = max(1, req.TopLogProbs)
	}
	a.defaulted = s.learned.omit(req.Model, body, req.AnySampling)
	maps.Copy(body, req.Extra)
	a.body = body
	return a, nil
}

func (s *service) scoreOnce(ctx context.Context, req ScoreRequest) (PromptScore, error) {
	a := attempt{op: opScore, model: req.Model, tag: req.Tag, path: pathCompletions, raw: req.Raw, dialect: s.dialect}
	if why := s.scoreless(); why != "" {
		e := s.invalid(a, errors.ErrUnsupported)
		e.Message = why
		e.Hint = "score with a provider that echoes prompts, such as Fireworks or vLLM"
		return PromptScore{}, e
	}
	if err := req.Validate(); err != nil {
		return PromptScore{}, s.invalid(a, err)
	}
	a.stripped, a.scored = s.withoutBOS(req.Prompt)
	body := map[string]any{
		"model":       req.Model,
		"prompt":      promptOf(a.scored, req.PromptIDs),
		"max_tokens":  s.scoreTokens(),
		"echo":        true,
		"temperature": 1,
		"top_p":       1,
		"logprobs":    any(1),
	}
	a.asked = min(req.Top, s.MaxTop)
	switch {
	case s.boolLogProbs && a.asked > 0:
		body["logprobs"], body["top_logprobs"] = true, a.asked
	case s.boolLogProbs:
		body["logprobs"] = true
	case a.asked > 0:
		body["logprobs"] = a.asked
	}
	if s.TopK {
		body["top_k"] = s.topKOf(0)
	}
	if s.echoLast && req.Last > 0 {
		a.last = req.Last
		body["echo_last"] = req.Last
		delete(body, "echo")
	}
	if s.TokenIDs {
		body["return_token_ids"] = true
	}
	maps.Copy(body, s.Completions)
	maps.Copy(body, s.Score)
	maps.Copy(body, req.Extra)
	a.body = body

	d, e := s.receive(ctx, a, req.wanted(s.dialect))
	if e != nil {
		echoRefused(e)
		return PromptScore{}, e
	}
	score, e := s.transport.score(a, req, d)
	if e != nil {
		return PromptScore{}, e
	}
	return score, nil
}

// scoreTokens is max_tokens of a scoring.
func (d dialect) scoreTokens() int {
	if d.ScoreGenerates {
		return 1
	}
	return 0
}

func (s *service) modelsOnce(ctx context.Context) ([]Model, error) {
	a := attempt{op: opModels, tag: modelsTag, path: pathModels}
	var l listing
	got, e := s.json(ctx, a, func(r *reader) { l = r.listing() })
	if e != nil {
		return nil, e
	}
	if e := s.checkKind(a, got, l); e != nil {
		return nil, e
	}
	models, e := s.modelsOf(a, got, l)
	if e != nil {
		return nil, e
	}
	return models, nil
}

func promptOf(text string, ids []int) any {
	if len(ids) > 0 {
		return ids
	}
	return text
}

// Operations as errors name them, and the paths below a base URL.
const (
	opGenerate = "generate"
	opScore    = "score prompt"
	opModels   = "list models"

	pathChat        = "/chat/completions"
	pathCompletions = "/completions"
	pathModels      = "/models"
)

// modelsTag marks listings, which belong to no record.
var modelsTag = Tag{Stage: "preflight", Key: dataset.Key{PromptID: "models"}}
