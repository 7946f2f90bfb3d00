package main

import (
	"context"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/providers"
)

// toy is a provider of one's own: a model in this process whose tokens are
// bytes and Llama 4's control tokens, the next one nearly certain.
type toy struct{}

func (toy) Name() string { return "toy" }

func (toy) Models(context.Context) ([]providers.Model, error) { return listing, nil }

func (p toy) ScorePrompt(ctx context.Context, r providers.ScoreRequest) (s providers.PromptScore, err error) {
	ids := append(split(r.Prompt), r.PromptIDs...)
	s.Text, s.Usage, s.Meta.Model = r.Prompt, &providers.Usage{PromptTokens: len(ids)}, r.Model
	for i := range ids {
		s.Tokens = append(s.Tokens, token(ids, i))
	}
	return s, refuse(ctx, "score prompt", r.Tag, r.Model, r.Validate())
}

func (p toy) Generate(ctx context.Context, r providers.GenerateRequest) (g providers.Generation, err error) {
	if err := refuse(ctx, "generate", r.Tag, r.Model, r.Validate()); err != nil {
		return g, err
	}
	if len(r.Messages) > 0 {
		r.Prompt, _ = llama4.Render(r.Messages)
	}
	ids, rng := append(split(r.Prompt), r.PromptIDs...), stream(r.Seed)
	g.PromptIDs, g.FinishReason, g.Usage, g.Meta.Model = slices.Clone(ids), "length",
		&providers.Usage{PromptTokens: len(ids)}, r.Model
	for g.FinishReason == "length" && g.Usage.CompletionTokens < r.Sampling.MaxTokens {
		id := next(ids)
		if r.Sampling.Temperature > 0 && rng.Float64() > sure { // any other, evenly
			id = (id + 1 + rng.IntN(255+len(controls))) % (256 + len(controls))
		}
		ids = append(ids, id)
		g.Usage.CompletionTokens++
		if r.LogProbs {
			g.Tokens = append(g.Tokens, token(ids, len(ids)-1))
		}
		if spell(id) == llama4.EndOfTurn() {
			g.FinishReason = "stop"
		} else {
			g.TokenIDs, g.Text = append(g.TokenIDs, id), g.Text+spell(id)
		}
	}
	g.Text = strings.ToValidUTF8(g.Text, "\uFFFD")
	return g, nil
}
