package teacherforce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// serverName is the template's name of a policy that the server renders, and servedPrefix
// begins that of one that is identified.
const (
	serverName   = "server"
	servedPrefix = serverName + ":"
)

// ErrRenderingChanged says that a server renders otherwise than when a policy was
// identified: its contexts are others, and so is the policy.
var ErrRenderingChanged = errors.New("the server renders conversations otherwise than before")

// ServerTemplate is the name of a policy's template if the server renders: "server", and
// behind a space, as JSON, the variables of the model's own template that each request
// states, such as enable_thinking. [Identify] puts the digest of the rendering into it.
// Variables that JSON cannot hold panic.
func ServerTemplate(kwargs map[string]any) string {
	if len(kwargs) == 0 {
		return serverName
	}
	b, err := json.Marshal(kwargs)
	if err != nil {
		panic("teacherforce: ServerTemplate: " + err.Error())
	}
	return serverName + " " + string(b)
}

// Served reports whether a template's name says that the server renders.
func Served(template string) bool {
	name, _, _ := strings.Cut(template, " ")
	return name == serverName || strings.HasPrefix(name, servedPrefix)
}

// kwargsOf are the variables that a served template's name states.
func kwargsOf(template string) (kwargs map[string]any, err error) {
	if _, text, ok := strings.Cut(template, " "); ok && Served(template) {
		err = json.Unmarshal([]byte(text), &kwargs)
	}
	return kwargs, err
}

// chatRenderer is a [Generator] whose service renders conversations.
type chatRenderer interface {
	RenderChat(context.Context, providers.RenderRequest) ([]int, error)
}

// ContextIDs returns the token ids of the context that p answers prompt in, as the
// server renders it in its model's own template: no template is known here, and of
// p.Template only the variables count ([ServerTemplate]). If g renders, as a
// [providers.ChatRenderer] or a [providers.Client] does, that costs nothing. If it or its
// service does not, one token is generated, for which the server has to return the prompt's
// ids (Generation.PromptIDs); if it returns none, the error wraps [errors.ErrUnsupported].
func ContextIDs(ctx context.Context, g Generator, tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt) ([]int,
	error) {
	kwargs, err := kwargsOf(p.Template)
	if err != nil {
		return nil, fmt.Errorf("teacherforce: context of %s under %s: variables of the template: %w", prompt.ID, p.Name, err)
	}
	if r, ok := g.(chatRenderer); ok {
		ids, err := r.RenderChat(ctx, providers.RenderRequest{Tag: tag, Model: p.Model, Messages: turns(p, prompt),
			Kwargs: kwargs})
		if !errors.Is(err, errors.ErrUnsupported) {
			return ids, err
		}
	}
	out, err := g.Generate(ctx, byChat(tag, p, prompt, kwargs))
	if err != nil {
		return nil, err
	}
	if len(out.PromptIDs) == 0 {
		return nil, fmt.Errorf("teacherforce: context of %s under %s: the server does not return the token ids of the "+
			"conversation: %w", prompt.ID, p.Name, errors.ErrUnsupported)
	}
	return out.PromptIDs, nil
}

// byChat asks for one token in the context that the server makes of prompt.
func byChat(tag providers.Tag, p offpolicy.Policy, prompt dataset.Prompt,
	kwargs map[string]any) providers.GenerateRequest {
	req := providers.GenerateRequest{Tag: tag, Model: p.Model, Messages: turns(p, prompt), Sampling: greedy}
	req.Sampling.MaxTokens = 1
	if len(kwargs) > 0 {
		req.Extra = map[string]any{providers.TemplateKwargs: kwargs}
	}
	return req
}

// GenerateAfter builds the request by which p answers in a context that the server
// rendered ([ContextIDs]): through completions, with the ids that [Forcer.ScoreIDs] scores
// after, so that nothing the model says is kept back.
func GenerateAfter(tag providers.Tag, p offpolicy.Policy, contextIDs []int, seed int64) providers.GenerateRequest {
	return providers.GenerateRequest{Tag: tag, Model: p.Model, PromptIDs: contextIDs, Sampling: p.Sampling, Seed: &seed,
		LogProbs: true}
}

// canaries are conversations whose tokens tell one rendering from another: one
// turn, several, white space at both ends, an empty turn, other scripts.
var canaries = [][]dataset.Message{
	{{Role: "user", Content: "Name a river."}},
	{{Role: "user", Content: " \n Name a river, 東京, é 🙂. \n"}, {Role: "assistant", Content: "\n The Rhine. "},
		{Role: "user", Content: ""}, {Role: "assistant", Content: "The Rhone."}, {Role: "user", Content: "Another?"}},
	{{Role: "user", Content: "One."}, {Role: "assistant", Content: "Two."}, {Role: "user", Content: "Three."}},
}

// Identify returns p with the name of the server's rendering as its template:
// "server:" and a digest of the ids of fixed conversations, so that the rendering
// is part of the policy's hash. If p has such a name already, and the server now
// renders otherwise, the error wraps [ErrRenderingChanged]. A server that returns no
// ids is refused as by [ContextIDs].
func Identify(ctx context.Context, g Generator, p offpolicy.Policy) (offpolicy.Policy, error) {
	rendered := make([][]int, len(canaries))
	known := false
	for i, msgs := range canaries {
		tag := providers.Tag{Stage: "identify", Key: dataset.Key{PromptID: fmt.Sprintf("canary %d", i), Policy: p.Name}}
		ids, err := ContextIDs(ctx, g, tag, p, dataset.Prompt{ID: tag.Key.PromptID, Messages: msgs})
		switch {
		case err == nil:
			known = true
		case i > 0 && known && idsRefused(err) && !errors.Is(err, errors.ErrUnsupported):
			ids = nil // the template refuses such a conversation, which belongs to it
		default:
			return p, fmt.Errorf("teacherforce: identify %s: %w", p.Name, err)
		}
		rendered[i] = ids
	}
	b, err := json.Marshal(rendered)
	if err != nil {
		panic("teacherforce: identify: " + err.Error()) // ids are numbers
	}
	h := sha256.Sum256(b)
	name := servedPrefix + hex.EncodeToString(h[:8])
	if _, kwargs, ok := strings.Cut(p.Template, " "); ok && Served(p.Template) {
		name += " " + kwargs
	}
	if strings.HasPrefix(p.Template, servedPrefix) && p.Template != name {
		return p, fmt.Errorf("teacherforce: identify %s: its contexts were %s and are %s: %w; keep the server and its "+
			"template as they were, or start again", p.Name, p.Template, name, ErrRenderingChanged)
	}
	p.Template = name
	return p, nil
}

// ScoreIDs returns log π(a | c) where no template is known: of the ids that r was
// sampled as, and of the end-of-turn token's if it ended, after the context's ids
// ([ContextIDs]). It makes one call. The response's text is not read: if the model
// thought, the ids are those of the thought and the answer, which together are
// the action. A response without all of its ids is refused as "unsupported".
func (f *Forcer) ScoreIDs(ctx context.Context, tag providers.Tag, p offpolicy.Policy, promptID string,
	contextIDs []int, r Response) (Result, error) {
	by := &Forcer{scorer: f.scorer, templates: f.templates, strategies: []Strategy{tokenIDs{}}, tolerance: f.tolerance,
		noise: f.noise, sizes: f.sizes}
	refused := func(reason Reason, why string) (Result, error) {
		return Result{}, by.fail(p, promptID, reason, errors.New(why), 0)
	}
	switch {
	case r.Filtered:
		return refused(ReasonFiltered, "a filter ended or withheld the response")
	case len(contextIDs) == 0:
		return refused(ReasonUnsupported, "the context's token ids are not known")
	case r.TokenIDs == nil || r.Model != p.Model:
		return refused(ReasonUnsupported, "the ids of all that was sampled, the model's thought "+
			"included, are not known, or another model drew them, and without a template nothing else can be scored")
	case r.Ended && r.EndID == nil:
		return refused(ReasonUnsupported, "the response ended, and the server did not return the id of "+
			"the token that ended it")
	case len(r.TokenIDs) == 0 && !r.Ended:
		return refused(ReasonEmpty, "the response is empty: there is nothing to score")
	}
	pair := Pair{Context: servedPrefix, Sampled: r.TokenIDs}
	pair.ContextEcho = Echo{Tokens: make([]providers.Token, len(contextIDs))}
	for i, id := range contextIDs {
		pair.ContextEcho.Tokens[i].ID = id
	}
	ids := append(append([]int(nil), contextIDs...), r.TokenIDs...)
	if r.Ended {
		ids, pair.EndOfTurn = append(ids, *r.EndID), servedPrefix
	}
	tag.Call = "ids"
	top := (&scoring{p: p}).alternatives()
	score, err := f.scorer.ScorePrompt(ctx, providers.ScoreRequest{Tag: tag, Model: p.Model, PromptIDs: ids, Top: top})
	if err != nil {
		if idsRefused(err) {
			return Result{}, by.fail(p, promptID, ReasonUnsupported, err, 1)
		}
		e := by.fail(p, promptID, ReasonError, err, 1)
		e.Reason = reasonOf(err)
		return Result{}, e
	}
	// As in a third call of Score: what came back has to be what was sent.
	pair.IDsEcho = Echo{Tokens: score.Tokens, Asked: score.Asked, Filters: score.Filters}
	pair.JointEcho = Echo{Tokens: []providers.Token{{ID: -1}}}
	if r.Ended {
		pair.JointEcho.Tokens[0].ID = *r.EndID
	}
	res, err := by.decide(p, promptID, pair, r, 1)
	if err != nil {
		return Result{}, err
	}
	res.Flags = slices.DeleteFunc(res.Flags, func(f Flag) bool { return f == FlagIDsUnverified })
	if pair.IDsEcho.ids() == nil {
		res.Flags = tidy(append(res.Flags, FlagIDsUnverified))
	}
	return res, nil
}
