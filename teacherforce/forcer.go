package teacherforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
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
	// Templates are templates of the caller's own, by name; those of
	// [chat.Names] are always known, and their names are taken.
	Templates []chat.Template
	// Strategies are the methods to compute, in order of preference: the first
	// that answers gives the value. Nil means [Strategies].
	Strategies []Strategy
	// Tolerance, in nats, is how far the methods may lie apart: a spread above
	// Tolerance·(1 + |log-prob|) is flagged "disagree". 0 means 1e-6, which suits
	// a server that computes a text's log-probs the same way every time. Most
	// do not: there continuation, which compares two calls, is off by the
	// noise of the context's tokens.
	Tolerance float64
	// Noise, in nats per token, is how far two echoes of one text may lie apart
	// before [Forcer.Certify] calls the endpoint unrepeatable. 0 means
	// [ExactNoise]; [ServerNoise] suits a real server.
	Noise float64
}

const defaultTolerance = 1e-6

// Forcer scores given responses under policies, by teacher forcing. It is safe
// for concurrent use.
type Forcer struct {
	scorer     PromptScorer
	templates  map[string]chat.Template
	strategies []Strategy
	tolerance  float64
	noise      float64
	contexts   contexts
}

// New returns a Forcer, or says what is wrong with c.
func New(c Config) (*Forcer, error) {
	f := &Forcer{
		scorer:     c.Scorer,
		templates:  make(map[string]chat.Template),
		strategies: c.Strategies,
		tolerance:  cmp.Or(c.Tolerance, defaultTolerance),
		noise:      cmp.Or(c.Noise, ExactNoise),
	}
	if c.Scorer == nil {
		return nil, errors.New("teacherforce: Config.Scorer is nil: nothing to score with")
	}
	if !(f.tolerance > 0) || !(f.noise > 0) {
		return nil, fmt.Errorf("teacherforce: Config.Tolerance %v and Noise %v: want 0 for the default, or nats above 0", c.Tolerance, c.Noise)
	}
	for _, name := range chat.Names() {
		f.templates[name], _ = chat.Lookup(name)
	}
	for _, t := range c.Templates {
		if t.Name() == "" {
			return nil, errors.New("teacherforce: Config.Templates holds a template without a name; make templates with chat.New")
		}
		// A policy's hash covers the template's name, not its text: two templates
		// of one name would make two policies look like one.
		if _, taken := f.templates[t.Name()]; taken {
			return nil, fmt.Errorf("teacherforce: Config.Templates: the name %q is taken; choose another", t.Name())
		}
		f.templates[t.Name()] = t
	}
	if f.strategies == nil {
		f.strategies = Strategies()
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
	turns := prompt.Turns()
	if p.System != "" {
		turns = append([]dataset.Message{{Role: "system", Content: p.System}}, turns...)
	}
	c, err := t.Render(turns)
	if err != nil {
		return "", fmt.Errorf("teacherforce: render %s under %s: %w", prompt.ID, p.Name, err)
	}
	if !utf8.ValidString(c) {
		return "", fmt.Errorf("teacherforce: render %s under %s: the text is not valid UTF-8 and would reach the server altered", prompt.ID, p.Name)
	}
	return c, nil
}

func (f *Forcer) template(p offpolicy.Policy) (chat.Template, error) {
	t, ok := f.templates[p.Template]
	if !ok {
		names := slices.Sorted(maps.Keys(f.templates))
		return t, fmt.Errorf("teacherforce: policy %s: no chat template %q; known are %s; others go into Config.Templates", p.Name, p.Template, strings.Join(names, ", "))
	}
	return t, nil
}

// GenerateRequest builds the request by which p answers prompt: through
// completions, with the rendering that [Forcer.Score] uses, asking for log-probs.
// The caller sends it.
func (f *Forcer) GenerateRequest(tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt, seed int64) (providers.GenerateRequest, error) {
	if err := p.Validate(); err != nil {
		return providers.GenerateRequest{}, err
	}
	c, err := f.Render(p, prompt)
	if err != nil {
		return providers.GenerateRequest{}, err
	}
	return providers.GenerateRequest{Tag: tag, Model: p.Model, Prompt: c, Sampling: p.Sampling, Seed: &seed, LogProbs: true}, nil
}

// ResponseOf returns what p's generation g is for [Forcer.Score].
func ResponseOf(p offpolicy.Policy, g providers.Generation) Response {
	return Response{Text: g.Text, TokenIDs: g.TokenIDs, Model: p.Model, Ended: g.FinishReason == "stop"}
}

// Score returns log π(a | c) for the response r to prompt under p, in nats. It
// makes two calls, for the joint text and for the context, the latter shared
// with other responses to the same prompt under the same policy (by name: a
// clone makes its own); and a third, with token ids, where the response's text
// is tokenised otherwise than it was sampled.
//
// Every configured method reads its answer from those calls. An error is always
// an [*Error]; it says what each method met, and [FailedRecord] turns it into a
// record. The call for a context carries the key of the prompt's draw 0 whatever
// the tag's, so that the same calls are made whichever response comes first.
func (f *Forcer) Score(ctx context.Context, tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt, r Response) (Result, error) {
	t, err := f.template(p)
	if err == nil {
		var c string
		if c, err = f.Render(p, prompt); err == nil {
			return f.scoreIn(ctx, tag, p, t, prompt.ID, c, r)
		}
	}
	return Result{}, f.fail(p, prompt.ID, ClassContext, ReasonUnsupported, err, 0)
}

// scoreIn scores r after the rendered context c.
func (f *Forcer) scoreIn(ctx context.Context, tag providers.Tag, p offpolicy.Policy, t chat.Template, promptID, c string, r Response) (Result, error) {
	pair := f.pair(t, c, r, p.Model)
	if pair.Joint == c && len(pair.Sampled) == 0 {
		return Result{}, f.fail(p, promptID, ClassEmpty, ReasonEmpty,
			errors.New("the response is empty and has no end-of-turn token that counts: there is nothing to score"), 0)
	}
	calls := 0
	if c != "" { // a text's first token has no log-prob, so nothing could be learned
		var err error
		if calls, err = f.echo(ctx, tag, p, t, promptID, &pair); err != nil {
			reason := ReasonError
			if errors.Is(err, errors.ErrUnsupported) {
				reason = ReasonUnsupported
			}
			return Result{}, f.fail(p, promptID, classOf(err), reason, err, calls)
		}
	}
	return f.judge(p, promptID, pair, calls)
}

func (f *Forcer) pair(t chat.Template, c string, r Response, model string) Pair {
	pair := Pair{Context: c}
	text := r.Text
	if r.Ended {
		pair.EndOfTurn = t.EndOfTurn()
	}
	if r.Model == model && (len(r.TokenIDs) > 0 || r.TokenIDs != nil && text == "") {
		pair.Sampled = r.TokenIDs
	}
	// A server that decodes a response cut inside a character writes U+FFFD for
	// the piece, and JSON has no other way to carry it: the text then stands for
	// something else than was sampled.
	if ctl := f.findControl(t, text); ctl != "" {
		pair.Ambiguous = fmt.Sprintf("the response spells the special token %s, which a server reads as the token", ctl)
	} else if !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) {
		pair.Ambiguous = "the response holds a piece of a character (U+FFFD): its text does not tell which bytes were sampled"
	}
	pair.Joint = c + strings.ToValidUTF8(text, "\uFFFD") + pair.EndOfTurn
	return pair
}

// findControl looks for special-token text in a response: the family's own, and
// of any other what is written <|…|>, because a template does not list every
// special token of the models it serves. Under a template without special
// tokens any family's may be the model's.
func (f *Forcer) findControl(t chat.Template, text string) string {
	if c := t.FindControl(text); c != "" {
		return c
	}
	for _, name := range slices.Sorted(maps.Keys(f.templates)) {
		for _, c := range f.templates[name].Controls() {
			if (t.EndOfTurn() == "" || strings.HasPrefix(c, "<|")) && strings.Contains(text, c) {
				return c
			}
		}
	}
	return ""
}

// echo makes the calls that pair needs and returns how many they were.
func (f *Forcer) echo(ctx context.Context, tag providers.Tag, p offpolicy.Policy, t chat.Template, promptID string, pair *Pair) (calls int, err error) {
	text := func(ctx context.Context, tag providers.Tag, call, s string) (Echo, error) {
		tag.Call = call
		score, err := f.scorer.ScorePrompt(ctx, providers.ScoreRequest{Tag: tag, Model: p.Model, Prompt: s})
		if err != nil {
			return Echo{}, err
		}
		if len(score.Tokens) == 0 {
			return Echo{}, fmt.Errorf("the server accepted the request and returned no prompt log-probs: %w", errors.ErrUnsupported)
		}
		return NewEcho(s, score, t), nil
	}
	key := contextKey{p.Name, p.Hash(), promptID, pair.Context}
	var called bool
	pair.ContextEcho, called, err = f.contexts.get(ctx, key, func(ctx context.Context) (Echo, error) {
		tag := tag
		tag.Key = dataset.Key{PromptID: promptID, Policy: p.Name}.String()
		return text(ctx, tag, "context", pair.Context)
	})
	if called {
		calls++
	}
	if err != nil {
		return calls, err
	}
	pair.JointEcho = pair.ContextEcho
	if pair.Joint != pair.Context {
		calls++
		if pair.JointEcho, err = text(ctx, tag, "joint", pair.Joint); err != nil {
			return calls, err
		}
	}

	ids := pair.IDs()
	if ids == nil || pair.JointIsSampled() || !f.wantsIDs() {
		return calls, nil
	}
	if reason, _ := pair.readable(); reason != "" {
		return calls, nil
	}
	calls++
	tag.Call = "ids"
	score, err := f.scorer.ScorePrompt(ctx, providers.ScoreRequest{Tag: tag, Model: p.Model, PromptIDs: ids})
	if err != nil && !idsRefused(err) {
		return calls, err
	}
	pair.IDsEcho = Echo{Tokens: score.Tokens}
	return calls, nil
}

func (f *Forcer) wantsIDs() bool {
	return slices.ContainsFunc(f.strategies, func(s Strategy) bool { return s.Name() == MethodTokenIDs })
}

// idsRefused reports whether a server that just scored a text will not score
// ids. A server that never heard of them answers with a bad request.
func idsRefused(err error) bool {
	var p *providers.Error
	return errors.Is(err, errors.ErrUnsupported) || errors.As(err, &p) && p.Class == providers.ClassBadRequest
}

// judge puts the pair to every method and picks the value.
func (f *Forcer) judge(p offpolicy.Policy, promptID string, pair Pair, calls int) (Result, error) {
	res := Result{Methods: make(map[string]MethodResult), PolicyHash: p.Hash(), Calls: calls}
	answers := make([]Answer, len(f.strategies))
	var used *Answer
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, s := range f.strategies {
		a := s.Score(pair)
		answers[i] = a
		res.Methods[s.Name()] = a.MethodResult
		res.Flags = append(res.Flags, a.Flags...)
		if a.Status != OK {
			continue
		}
		lo, hi = min(lo, a.LogProb), max(hi, a.LogProb)
		if used == nil {
			used = &answers[i]
			res.Method = s.Name()
		}
	}
	if used == nil {
		class, why := verdict(answers)
		e := f.fail(p, promptID, class, "", errors.New(why), calls)
		e.Err = nil
		e.Methods, e.Flags = res.Methods, tidy(res.Flags)
		return Result{}, e
	}
	res.LogProb, res.TokenLogProbs, res.Tokens = used.LogProb, used.TokenLogProbs, len(used.TokenLogProbs)
	res.Spread = hi - lo
	if res.Spread > f.tolerance*(1+math.Abs(res.LogProb)) {
		res.Flags = append(res.Flags, FlagDisagree)
	}
	if res.Tokens > 3 && !slices.ContainsFunc(res.TokenLogProbs, func(v float64) bool { return v != 0 }) {
		res.Flags = append(res.Flags, FlagZero)
	}
	if !p.Sampling.Neutral() {
		res.Flags = append(res.Flags, FlagRaw)
	}
	if pair.Sampled != nil && pair.JointEcho.ids() == nil {
		res.Flags = append(res.Flags, FlagIDsUnverified)
	}
	if pair.ContextEcho.Added > 0 {
		res.Flags = append(res.Flags, FlagBOSAdded)
	}
	res.Flags = tidy(res.Flags)
	return res, nil
}

// classes orders the reasons by how much they say about what is wrong: where the
// methods failed for several, the first of these names the error.
var classes = []struct {
	reason Reason
	class  string
}{
	{ReasonInvalid, ClassInvalid},
	{ReasonMissing, ClassMissing},
	{ReasonAltered, ClassAltered},
	{ReasonSeam, ClassSeam},
	{ReasonRetokenised, ClassRetokenised},
	{ReasonUnsupported, ClassUnsupported},
}

func verdict(answers []Answer) (class, why string) {
	for _, c := range classes {
		for _, a := range answers {
			if a.Reason == c.reason {
				return c.class, a.Detail
			}
		}
	}
	return ClassError, answers[0].Detail
}

// fail makes the error of a response without a value. Every configured method
// is in it, so that counts of methods and their failures add up to the pairs.
func (f *Forcer) fail(p offpolicy.Policy, promptID, class string, reason Reason, err error, calls int) *Error {
	e := &Error{Class: class, Message: err.Error(), Policy: p.Name, Prompt: promptID, Methods: make(map[string]MethodResult), Calls: calls, Err: err}
	for _, s := range f.strategies {
		e.Methods[s.Name()] = failed(reason)
	}
	return e
}

func tidy(flags []string) []string {
	slices.Sort(flags)
	return slices.Compact(flags)
}
