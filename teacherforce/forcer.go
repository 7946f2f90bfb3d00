package teacherforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// PromptScorer returns the log-prob of every token of a given text.
// [providers.Provider] and [providers.Client] are PromptScorers.
type PromptScorer interface {
	ScorePrompt(context.Context, providers.ScoreRequest) (providers.PromptScore, error)
}

// Generator asks a model for one response.
type Generator interface {
	Generate(context.Context, providers.GenerateRequest) (providers.Generation, error)
}

// Config configures a [Forcer].
type Config struct {
	// Scorer is where texts are scored. Required.
	Scorer PromptScorer
	// Chat scores conversations in the server's own rendering, for the method
	// chat. Nil leaves that method out. Forcer.Score makes one more call for it
	// for every pair, and Forcer.ScoreKnown none.
	Chat ChatScorer
	// Templates are templates of the caller's own, by name; those of
	// chat.Names are always known, and their names are taken.
	Templates []chat.Template
	// Strategies are the methods to compute, in order of preference: the first
	// that answers gives the value. Nil means Strategies, without chat if
	// Config.Chat is nil.
	Strategies []Strategy
	// Tolerance, in nats, is how far the methods may lie apart: a spread above
	// Tolerance·(1 + |log-prob|) is flagged "disagree". 0 means 1e-6, which suits
	// a server that computes a text's log-probs the same way every time. Most
	// do not: there continuation, which compares two calls, is off by the
	// noise of the context's tokens, and ServerTolerance suits.
	Tolerance float64
	// Repeatability, in nats per token, is how far two echoes of one text may lie apart
	// before Forcer.Certify calls the endpoint unrepeatable. 0 means
	// ExactRepeatability; ServerRepeatability suits a real server.
	Repeatability float64
	// Vocabularies are how many tokens a model can emit, by model, or any larger number. A
	// policy that samples at a temperature above 1 needs that of its model: see package temper.
	Vocabularies map[string]int
	// Concurrency is how many responses Forcer.ScoreAll scores at once, at most; 0
	// means 16.
	Concurrency int
}

const defaultTolerance = 1e-6

// ServerTolerance is a [Config].Tolerance for servers that batch requests.
// Noise of 0.01 nats a token, within Fireworks' own acceptance, adds up over 300
// tokens of context to 0.2 nats and more.
const ServerTolerance = 0.05

// Forcer scores given responses under policies, by teacher forcing. It is safe
// for concurrent use.
type Forcer struct {
	scorer     PromptScorer
	templates  map[string]chat.Template
	strategies []Strategy
	tolerance  float64
	noise      float64
	sizes      map[string]int // of vocabularies, by model
	// of ScoreAll
	concurrency int
	contexts    contexts
	chat        ChatScorer
	noChat      atomic.Pointer[string] // why the server scores no conversation, once that is known
}

// New returns a Forcer, or says what is wrong with c.
func New(c Config) (*Forcer, error) {
	f := &Forcer{
		scorer:     c.Scorer,
		chat:       c.Chat,
		templates:  make(map[string]chat.Template),
		strategies: c.Strategies,
		tolerance:  cmp.Or(c.Tolerance, defaultTolerance),
		noise:      cmp.Or(c.Repeatability, ExactRepeatability),
		sizes:      c.Vocabularies,

		concurrency: cmp.Or(c.Concurrency, 16),
	}
	if c.Scorer == nil {
		return nil, errors.New("teacherforce: Config.Scorer is nil: nothing to score with")
	}
	if !(f.tolerance > 0) || !(f.noise > 0) {
		return nil, fmt.Errorf("teacherforce: Config.Tolerance %v and Noise %v: want 0 for the default, or nats above 0",
			c.Tolerance, c.Repeatability)
	}
	for model, n := range c.Vocabularies {
		if n < 0 {
			return nil, fmt.Errorf("teacherforce: Config.Vocabularies: %d tokens of %s: want how many it can emit, or 0 for "+
				"not known", n, model)
		}
	}
	if f.concurrency < 1 {
		return nil, fmt.Errorf("teacherforce: Config.Concurrency %d: want a positive number, or 0 for 16", c.Concurrency)
	}
	for _, name := range chat.Names() {
		f.templates[name], _ = chat.Lookup(name)
	}
	for _, t := range c.Templates {
		if t.Name() == "" {
			return nil, errors.New("teacherforce: Config.Templates holds a template without a name; make templates with " +
				"chat.New")
		}
		// A policy's hash covers the template's name, not its text: two templates
		// of one name would make two policies look like one.
		if _, taken := f.templates[t.Name()]; taken {
			return nil, fmt.Errorf("teacherforce: Config.Templates: the name %q is taken; choose another", t.Name())
		}
		f.templates[t.Name()] = t
	}
	if f.strategies == nil {
		f.strategies = textStrategies()
		if c.Chat != nil {
			f.strategies = append(f.strategies, chatStrategy{})
		}
	}
	if len(f.strategies) == 0 {
		return nil, errors.New("teacherforce: Config.Strategies is empty; nil means all")
	}
	seen := make(map[string]bool)
	for _, s := range f.strategies {
		if seen[s.Name()] {
			return nil, fmt.Errorf("teacherforce: Config.Strategies holds two methods named %q", s.Name())
		}
		seen[s.Name()] = true
	}
	if seen[MethodChat] && c.Chat == nil {
		return nil, fmt.Errorf("teacherforce: Config.Strategies has the method %q, and Config.Chat is nil: nothing to "+
			"score conversations with", MethodChat)
	}
	return f, nil
}

// Render returns the context c that p answers prompt in: p's system prompt and
// the prompt's turns through p's template, up to the header of the answer. Both
// [Forcer.GenerateRequest] and [Forcer.Score] use it, so that a response is
// scored in the context that it was drawn in.
func (f *Forcer) Render(p offpolicy.Policy, prompt dataset.Prompt) (string, error) {
	t, err := f.template(p)
	if err != nil {
		return "", err
	}
	c, err := t.Render(turns(p, prompt))
	if err != nil {
		return "", fmt.Errorf("teacherforce: render %s under %s: %w", prompt.ID, p.Name, err)
	}
	if !utf8.ValidString(c) {
		return "", fmt.Errorf("teacherforce: render %s under %s: the text is not valid UTF-8 and would reach the server "+
			"altered", prompt.ID, p.Name)
	}
	return c, nil
}

// turns are the messages that p answers prompt after.
func turns(p offpolicy.Policy, prompt dataset.Prompt) []dataset.Message {
	turns := prompt.Turns()
	if p.System != "" {
		turns = append([]dataset.Message{{Role: "system", Content: p.System}}, turns...)
	}
	return turns
}

func (f *Forcer) template(p offpolicy.Policy) (chat.Template, error) {
	t, ok := f.templates[p.Template]
	if !ok {
		t, ok = chat.Lookup(p.Template) // one with a day in its name
	}
	if !ok {
		names := slices.Sorted(maps.Keys(f.templates))
		return t, fmt.Errorf("teacherforce: policy %s: no chat template %q; known are %s; others go into Config.Templates",
			p.Name, p.Template, strings.Join(names, ", "))
	}
	return t, nil
}

// GenerateRequest builds the request by which p answers prompt: through
// completions, with the rendering that [Forcer.Score] uses, asking for log-probs.
// The caller sends it.
func (f *Forcer) GenerateRequest(tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt,
	seed int64) (providers.GenerateRequest, error) {
	if err := p.Validate(); err != nil {
		return providers.GenerateRequest{}, err
	}
	c, err := f.Render(p, prompt)
	if err != nil {
		return providers.GenerateRequest{}, err
	}
	return providers.GenerateRequest{Tag: tag, Model: p.Model, Prompt: c, Sampling: p.Sampling, Seed: &seed,
		LogProbs: true}, nil
}

// ResponseOf returns what p's generation g is for [Forcer.Score].
func ResponseOf(p offpolicy.Policy, g providers.Generation) Response {
	r := Response{
		Text: g.Text, TokenIDs: g.TokenIDs, Model: p.Model, By: p,
		Ended: g.FinishReason == "stop", Filtered: Filtered(g.FinishReason),
	}
	r.Sampling = SamplingOf(g)
	if r.Ended && r.TokenIDs == nil && g.Text == "" && len(g.Tokens) == 1 && g.Tokens[0].ID >= 0 {
		r.TokenIDs = []int{} // it ended at once
	}
	n := len(g.TokenIDs)
	if r.Ended && r.TokenIDs != nil && len(g.Tokens) == n+1 && g.Tokens[n].ID >= 0 {
		r.EndID = &g.Tokens[n].ID
	}
	if g.Hidden != "" && (g.Usage == nil || n < g.Usage.CompletionTokens-1) {
		r.TokenIDs = nil // there is more to the action than these
	}
	return r
}

// Filtered reports whether a finish reason says that a filter ended or withheld
// the response.
func Filtered(finishReason string) bool { return finishReason == "content_filter" }

// SamplingOf returns the log-probs of g's tokens under the distribution that
// they were drawn from, the end-of-turn token's last if the response ended;
// nil if the server does not give all of them.
func SamplingOf(g providers.Generation) []float64 {
	want := len(g.TokenIDs)
	if g.FinishReason == "stop" {
		want++
	}
	if g.TokenIDs == nil || len(g.Tokens) != want {
		return nil
	}
	out := make([]float64, len(g.Tokens))
	for i, t := range g.Tokens {
		if !t.Sampling.Valid() {
			return nil
		}
		out[i] = t.Sampling.OrNaN()
	}
	return out
}
