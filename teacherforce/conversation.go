package teacherforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// ChatScorer returns the log-prob of every token that a server makes of a
// conversation in its own chat template. [providers.Client] is a ChatScorer.
type ChatScorer interface {
	ScoreChat(context.Context, providers.ChatScoreRequest) (providers.PromptScore, error)
}

// Chat has the server render the conversation, response included, and sums the
// tokens after those of the context. It is the one method that does not rest on
// our idea of the template: if the server's tokens are those of our rendering,
// by their ids, the value is exact, and if they are not, it says so and
// nothing else. Templates that trim what an assistant said, for one, make
// another text of a response that begins with white space.
//
// It takes a call of its own, and a server that scores conversations
// ([Config].Chat); it has no answer if the response's text is tokenised
// otherwise than it was sampled, and if [Forcer.ScoreKnown] saves calls.
type chatStrategy struct{}

// Name returns "chat".
func (chatStrategy) Name() string { return MethodChat }

// Score implements [Strategy].
func (chatStrategy) Score(p Pair) Reading {
	want, r, why := p.conversation()
	if r != "" {
		return refuse(r, why)
	}
	if len(p.ChatEcho.Tokens) == 0 {
		return refuse(cmp.Or(p.NoChat, ReasonUnsupported), p.NoChatDetail)
	}
	got := p.ChatEcho.ids()
	if got == nil {
		return refuse(ReasonUnsupported, "the server does not tell the token ids of the conversation")
	}
	n := len(p.ContextEcho.Tokens)
	if len(got) >= len(want) && slices.Equal(got[:len(want)], want) {
		return sum(p.ChatEcho.Tokens[n:len(want)], n)
	}
	at := firstDifference(got, want)
	if !p.contextDiffers(at) {
		return refuse(ReasonRendered, fmt.Sprintf("the server renders the response otherwise, from token %d on: it trims "+
			"it, say, or puts an empty thought before it", at))
	}
	return refuse(ReasonRendered, fmt.Sprintf("the server renders the conversation otherwise than the policy's "+
		"template, from token %d of the context's %d on", at, n), FlagTemplate)
}

// contextDiffers reports whether what the server rendered, whose tokens are other
// ones from at on, is certain to have another context than ours. What announces
// the answer tells nothing: many templates put something else before an answer
// that they are given, an empty thought, say, than before the one that they ask
// for.
func (p Pair) contextDiffers(at int) bool {
	before := strings.TrimSuffix(p.Context, p.Header)
	if p.ChatEcho.Sent != "" {
		return !strings.HasPrefix(p.ChatEcho.Sent, before)
	}
	n, ok := p.ContextEcho.Boundary(len(before))
	return ok && at < n-1 // what follows may change the last token
}

// response is the response's text, as it was sent.
func (p Pair) response() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.Joint, p.Context), p.EndOfTurn)
}

// conversation returns the ids that a server has to make of the conversation
// if it renders as we do. They are those of the joint text, and there is a
// reason if its tokens are not the ones asked for.
func (p Pair) conversation() ([]int, Reason, string) {
	if r, why := p.readable(); r != "" {
		return nil, r, why
	}
	if !p.prefixed() {
		return nil, ReasonSeam, "the context's tokens are not how the joint text's begin"
	}
	if _, r, why := p.sampledTail(len(p.ContextEcho.Tokens)); r != "" {
		return nil, r, why
	}
	ids := p.JointEcho.ids()
	if ids == nil {
		return nil, ReasonUnsupported, "the server's echo has no token ids, by which the response's could be told from " +
			"the conversation's"
	}
	return ids, "", ""
}

// messages are the conversation with the response.
func (s *scoring) messages() []dataset.Message {
	return append(slices.Clone(s.turns), dataset.Message{Role: "assistant", Content: s.pair.response()})
}

// chat has the server score the conversation, if its answer could be one.
func (s *scoring) chat(ctx context.Context) error {
	pair := s.pair
	not := func(r Reason, why string) error {
		pair.NoChat, pair.NoChatDetail = r, why
		return nil
	}
	if _, r, why := pair.conversation(); r != "" {
		return not(r, why)
	}
	if s.turns == nil || s.t.EndOfTurn() == "" {
		return not(ReasonUnsupported, "there is no conversation: the text is scored as it stands")
	}
	if why := s.f.noChat.Load(); why != nil {
		return not(ReasonUnsupported, *why)
	}
	tag := s.tag
	tag.Call = "chat"
	score, err := s.f.chat.ScoreChat(ctx, providers.ChatScoreRequest{Tag: tag, Model: s.p.Model, Messages: s.messages(),
		Open: pair.EndOfTurn == ""})
	var p *providers.Error
	if err == nil || !errors.As(err, &p) || p.Sent {
		s.calls++
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		why := err.Error()
		s.f.noChat.Store(&why) // nor will it score the next
		return not(ReasonUnsupported, why)
	case idsRefused(err): // the template does, if it refuses such a conversation
		return not(ReasonUnsupported, err.Error())
	case err != nil:
		return err
	}
	pair.ChatEcho = Echo{Sent: score.Text, Tokens: score.Tokens}
	return nil
}
