package providertest

import (
	"context"
	"errors"

	"github.com/reweigh/reweigh/providers"
)

// Func is a [providers.Provider] made of functions. A nil function is a method
// that the service lacks.
type Func struct {
	ProviderName string // "func" where empty
	OnGenerate   func(context.Context, providers.GenerateRequest) (providers.Generation, error)
	OnScore      func(context.Context, providers.ScoreRequest) (providers.PromptScore, error)
	OnScoreChat  func(context.Context, providers.ChatScoreRequest) (providers.PromptScore, error)
	OnRenderChat func(context.Context, providers.RenderRequest) ([]int, error)
	OnModels     func(context.Context) ([]providers.Model, error)
}

var (
	_ providers.ChatScorer   = Func{}
	_ providers.ChatRenderer = Func{}
)

// Name returns ProviderName.
func (f Func) Name() string {
	if f.ProviderName == "" {
		return "func"
	}
	return f.ProviderName
}

// Generate calls OnGenerate.
func (f Func) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	if f.OnGenerate == nil {
		return providers.Generation{}, errors.ErrUnsupported
	}
	return f.OnGenerate(ctx, req)
}

// ScorePrompt calls OnScore.
func (f Func) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	if f.OnScore == nil {
		return providers.PromptScore{}, errors.ErrUnsupported
	}
	return f.OnScore(ctx, req)
}

// ScoreChat calls OnScoreChat.
func (f Func) ScoreChat(ctx context.Context, req providers.ChatScoreRequest) (providers.PromptScore, error) {
	if f.OnScoreChat == nil {
		return providers.PromptScore{}, errors.ErrUnsupported
	}
	return f.OnScoreChat(ctx, req)
}

// RenderChat calls OnRenderChat.
func (f Func) RenderChat(ctx context.Context, req providers.RenderRequest) ([]int, error) {
	if f.OnRenderChat == nil {
		return nil, errors.ErrUnsupported
	}
	return f.OnRenderChat(ctx, req)
}

// Models calls OnModels.
func (f Func) Models(ctx context.Context) ([]providers.Model, error) {
	if f.OnModels == nil {
		return nil, errors.ErrUnsupported
	}
	return f.OnModels(ctx)
}
