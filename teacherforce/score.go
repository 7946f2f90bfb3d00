package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// Score returns log π(a | c) for the response r to prompt under p, in nats. It
// makes two calls, for the joint text and for the context, the latter shared
// with other responses to the same prompt under the same policy (by name: a
// clone makes its own); and a third, with token ids, if the response's text
// is tokenised otherwise than it was sampled. If [Config].Chat is set, another
// has the server score the conversation in its own rendering.
//
// Every configured method reads its answer from those calls. An error is always
// an [*Error]; it says what each method met, and [FailedRecord] turns it into a
// record. The call for a context carries the key of the prompt's draw 0 whatever
// the tag's, so that the same calls are made whichever response comes first.
func (f *Forcer) Score(ctx context.Context, tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt,
	r Response) (Result, error) {
	return f.ScoreKnown(ctx, tag, p, prompt, nil, r)
}

// ScoreKnown is [Forcer.Score] without the call for the context. known identifies
// the token ids that the server made of the context when p itself answered the
// prompt (Generation.PromptIDs): if the joint echo begins with exactly these,
// it tells the context's tokens from the response's by itself. Only continuation,
// which compares two calls, has no answer then, and Chat, which takes one of
// its own; their reason is "not_compared".
//
// If the echo has no ids or begins otherwise, ScoreKnown makes the calls that
// the value takes; if known is nil, all that Score makes.
func (f *Forcer) ScoreKnown(ctx context.Context, tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt,
	known *dataset.TokenDigest, r Response) (Result, error) {
	t, err := f.template(p)
	if err == nil {
		var c string
		if c, err = f.Render(p, prompt); err == nil {
			return f.scoreIn(ctx, tag, p, t, prompt.ID, c, turns(p, prompt), known, r)
		}
	}
	return Result{}, f.fail(p, prompt.ID, ReasonContext, err, 0)
}

// scoreIn scores r after the context c, which is what t makes of the messages; nil
// messages are a context that is no conversation.
func (f *Forcer) scoreIn(ctx context.Context, tag providers.Tag, p offpolicy.Policy, t chat.Template, promptID,
	c string, msgs []dataset.Message, known *dataset.TokenDigest, r Response) (Result, error) {
	if r.Filtered {
		return Result{}, f.fail(p, promptID, ReasonFiltered,
			errors.New("a filter ended or withheld the response: what was sampled is not what is there to score"), 0)
	}
	pair := f.pair(t, c, r, p.Model)
	if pair.Joint == c && len(pair.Sampled) == 0 {
		return Result{}, f.fail(p, promptID, ReasonEmpty,
			errors.New("the response is empty and has no end-of-turn token that counts: there is nothing to score"), 0)
	}
	s := scoring{f: f, tag: tag, p: p, t: t, promptID: promptID, turns: msgs, pair: &pair}
	if c != "" { // a text's first token has no log-prob, so nothing could be learned
		if err := s.echo(ctx, known); err != nil {
			reason := ReasonError
			if errors.Is(err, errors.ErrUnsupported) {
				reason = ReasonUnsupported
			}
			e := f.fail(p, promptID, reason, err, s.calls)
			e.Reason = reasonOf(err)
			return Result{}, e
		}
	}
	return f.decide(p, promptID, pair, r, s.calls)
}

func (f *Forcer) pair(t chat.Template, c string, r Response, model string) Pair {
	pair := Pair{Context: c, Header: t.ResponseHeader()}
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
		pair.Ambiguous = "the response holds a piece of a character (U+FFFD): its text does not tell which bytes were " +
			"sampled"
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

// scoring is one pair on its way through the server.
type scoring struct {
	f        *Forcer
	tag      providers.Tag
	p        offpolicy.Policy
	t        chat.Template
	promptID string
	turns    []dataset.Message // nil if the context is no conversation
	pair     *Pair
	calls    int
}

// echo makes the calls that the pair needs.
func (s *scoring) echo(ctx context.Context, known *dataset.TokenDigest) error {
	pair := s.pair
	if known != nil && pair.Joint != pair.Context {
		if err := s.joint(ctx); err != nil {
			return err
		}
		pair.ContextEcho, pair.Borrowed = pair.JointEcho.head(pair.Context, known)
	}
	if !pair.Borrowed {
		if err := s.context(ctx); err != nil {
			return err
		}
		if pair.Joint == pair.Context {
			pair.JointEcho = pair.ContextEcho
		} else if len(pair.JointEcho.Tokens) == 0 {
			if err := s.joint(ctx); err != nil {
				return err
			}
		}
	}

	switch {
	case !s.f.wants(MethodChat):
	case known != nil:
		pair.NoChat, pair.NoChatDetail = ReasonNotCompared, "the call for the comparison was saved"
	default:
		if err := s.chat(ctx); err != nil {
			return err
		}
	}

	ids := pair.ids()
	if ids == nil || pair.jointIsSampled() || !s.f.wants(MethodTokenIDs) {
		return nil
	}
	if reason, _ := pair.readable(); reason != "" {
		return nil
	}
	s.calls++
	tag := s.tag
	tag.Call = "ids"
	score, err := s.f.scorer.ScorePrompt(ctx, providers.ScoreRequest{Tag: tag, Model: s.p.Model, PromptIDs: ids,
		Top: s.alternatives()})
	if err != nil && !idsRefused(err) {
		return err
	}
	pair.IDsEcho = Echo{Tokens: score.Tokens, Asked: score.Asked, Filters: score.Filters}
	return nil
}

// alternatives is how many are asked for beside the tokens that the value is of.
func (s *scoring) alternatives() int {
	if s.p.Sampling.Neutral() {
		return 0
	}
	return alternativesWanted
}

func (s *scoring) joint(ctx context.Context) (err error) {
	s.calls++
	s.pair.JointEcho, err = s.text(ctx, s.tag, "joint", s.pair.Joint)
	return err
}

func (s *scoring) context(ctx context.Context) (err error) {
	key := contextKey{s.p.Name, s.p.Hash(), s.promptID, s.pair.Context}
	var called bool
	s.pair.ContextEcho, called, err = s.f.contexts.get(ctx, key, func(ctx context.Context) (Echo, error) {
		tag := s.tag
		tag.Key = dataset.Key{PromptID: s.promptID, Policy: s.p.Name}
		return s.text(ctx, tag, "context", s.pair.Context)
	})
	if called {
		s.calls++
	}
	return err
}

func (s *scoring) text(ctx context.Context, tag providers.Tag, call, text string) (Echo, error) {
	tag.Call = call
	req := providers.ScoreRequest{Tag: tag, Model: s.p.Model, Prompt: text}
	if call == "joint" || s.pair.Joint == s.pair.Context {
		req.Top = s.alternatives()
	}
	score, err := s.f.scorer.ScorePrompt(ctx, req)
	if err != nil {
		return Echo{}, err
	}
	if len(score.Tokens) == 0 {
		return Echo{}, fmt.Errorf("the server accepted the request and returned no prompt log-probs: %w",
			errors.ErrUnsupported)
	}
	return NewEcho(text, score, s.t), nil
}

func (f *Forcer) wants(method string) bool {
	return slices.ContainsFunc(f.strategies, func(s Strategy) bool { return s.Name() == method })
}

// idsRefused reports whether a server that just scored a text will not score
// ids. A server that never heard of them answers with a bad request.
func idsRefused(err error) bool {
	var p *providers.Error
	return errors.Is(err, errors.ErrUnsupported) || errors.As(err, &p) && p.Class == providers.ClassBadRequest
}
