package teacherforce

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestScoreIDs: a response is scored with no template known, as the model's exact
// log-prob of the sampled ids after those that the server makes of the
// conversation, whatever template that is.
func TestScoreIDs(t *testing.T) {
	server := vllm(t, sim.Config{})
	f := newForcer(t, server)
	for _, family := range []string{"gemma3", "kimi-k2-thinking", "deepseek-r1", "mistral-7b-v0.1"} {
		p := policy("unknown here")
		p.Model = sim.PolyglotModelOf(family)
		p, err := Identify(t.Context(), server, p)
		if err != nil {
			t.Fatal(err)
		}
		q := dataset.Prompt{ID: "q1", Text: "Name a river. "}
		ids, err := ContextIDs(t.Context(), server, tag(), p, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{3, 200} { // cut, and ended by itself
			s := p.Sampling
			s.MaxTokens = n
			seed := int64(4)
			g, err := server.Generate(t.Context(), providers.GenerateRequest{Tag: tag(), Model: p.Model, Messages: q.Turns(),
				Sampling: s, Seed: &seed, LogProbs: true})
			if err != nil {
				t.Fatal(err)
			}
			r := ResponseOf(p, g)
			res, err := f.ScoreIDs(t.Context(), tag(), p, q.ID, ids, r)
			if err != nil {
				t.Fatal(err)
			}
			action := r.TokenIDs
			if r.Ended {
				action = append(action[:len(action):len(action)], *r.EndID)
			}
			if want := sim.Exact(p.Model, ids, action); !(math.Abs(res.LogProb.OrNaN()-want) <= 1e-9) ||
				res.Tokens != len(action) || res.Calls != 1 || len(res.Flags) > 0 {
				t.Errorf("%s: %+v, want %v over %d tokens", family, res, want, len(action))
			}
		}
	}
}

// TestScoreIDsRefuses: what is not all of the action has a reason, and no value.
func TestScoreIDsRefuses(t *testing.T) {
	end := 7
	whole := Response{TokenIDs: []int{1, 2}, Model: "scout", Ended: true, EndID: &end}
	without := func(change func(*Response)) Response { r := whole; change(&r); return r }
	for _, c := range []struct {
		name     string
		fake     *fake
		ids      []int
		response Response
		class    Reason
		why      string
	}{
		{"a thought out of sight", &fake{}, []int{5}, without(func(r *Response) { r.TokenIDs = nil }),
			ReasonUnsupported, "thought included"},
		{"another model's ids", &fake{}, []int{5}, without(func(r *Response) { r.Model = "other" }),
			ReasonUnsupported, "ids"},
		{"no end-of-turn id", &fake{}, []int{5}, without(func(r *Response) { r.EndID = nil }), ReasonUnsupported,
			"ended it"},
		{"no context", &fake{}, nil, whole, ReasonUnsupported, "context's"},
		{"filtered", &fake{}, []int{5}, without(func(r *Response) { r.Filtered = true }), ReasonFiltered, "filter"},
		{"empty", &fake{}, []int{5}, Response{TokenIDs: []int{}, Model: "scout"}, ReasonEmpty, "nothing"},
		{"ids are not taken", &fake{noPromptIDs: true}, []int{5}, whole, ReasonUnsupported, ""},
		{"another id comes back", &fake{spoil: func(_ providers.ScoreRequest, s *providers.PromptScore) error {
			s.Tokens[len(s.Tokens)-1].ID = 9
			return nil
		}}, []int{5}, whole, ReasonAltered, "id 9"},
	} {
		f := newForcer(t, c.fake)
		p := policy("server:x")
		p.Model = "scout"
		_, err := f.ScoreIDs(t.Context(), tag(), p, "q1", c.ids, c.response)
		var e *Error
		if !errors.As(err, &e) || e.Reason != c.class || !strings.Contains(e.Message, c.why) {
			t.Errorf("%s: %v, want %s and %q", c.name, err, c.class, c.why)
		}
	}
}

// rendered answers with the ids of a rendering.
type rendered func(msgs []dataset.Message) ([]int, error)

func (r rendered) Generate(_ context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	ids, err := r(req.Messages)
	return providers.Generation{PromptIDs: ids, FinishReason: "length"}, err
}

// TestIdentify: the rendering is part of the policy, and another one is another.
func TestIdentify(t *testing.T) {
	ids := func(mark int, refuse string) rendered {
		return func(msgs []dataset.Message) ([]int, error) {
			var out []int
			for _, m := range msgs {
				if refuse != "" && m.Content == refuse {
					return nil, &providers.Error{Class: providers.ClassBadRequest, Sent: true, Message: "no"}
				}
				out = append(out, mark)
				out = append(out, tok.Encode(m.Content)...)
			}
			return out, nil
		}
	}
	p := policy("unknown")
	first, err := Identify(t.Context(), ids(1, ""), p)
	if err != nil || !strings.HasPrefix(first.Template, "server:") || first.Hash() == p.Hash() {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := Identify(t.Context(), ids(1, ""), first); err != nil || again != first {
		t.Errorf("%+v, %v: want the same policy from the same server", again, err)
	}
	for _, other := range []rendered{ids(2, ""), ids(1, "Two.")} {
		if _, err := Identify(t.Context(), other, first); !errors.Is(err, ErrRenderingChanged) {
			t.Errorf("%v, want ErrRenderingChanged", err)
		}
		if q, err := Identify(t.Context(), other, p); err != nil || q.Hash() == first.Hash() {
			t.Errorf("%+v, %v: want another policy", q, err)
		}
	}
	silent := rendered(func([]dataset.Message) ([]int, error) { return nil, nil })
	if _, err := Identify(t.Context(), silent, p); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, want errors.ErrUnsupported of a server that tells no ids", err)
	}
	var named *providers.Error
	if _, err := Identify(t.Context(), ids(1, "Name a river."), p); !errors.As(err, &named) {
		t.Errorf("%v, want the server's refusal of the simplest conversation", err)
	}
}

// TestContextIDsOfFireworks: its chat endpoint tells the ids of the context too, and
// they are those of the template that it applies.
func TestContextIDsOfFireworks(t *testing.T) {
	server := simulated(t, sim.Config{})
	p, q := simPolicy("llama4"), dataset.Prompt{ID: "q1", Text: "Name a river."}
	ids, err := ContextIDs(t.Context(), server, tag(), p, q)
	if err != nil {
		t.Fatal(err)
	}
	want, err := newForcer(t, server).Render(p, q)
	if err != nil || string(tok.Decode(ids)) != want {
		t.Errorf("%q, %v, want %q", tok.Decode(ids), err, want)
	}
}

// TestHiddenThought: ids that leave a thought out are not the action's.
func TestHiddenThought(t *testing.T) {
	p := offpolicy.Policy{Model: "m"}
	g := providers.Generation{Text: "So.", TokenIDs: []int{1, 2}, FinishReason: "stop", Hidden: "it reasoned",
		Usage: &providers.Usage{CompletionTokens: 9}}
	if r := ResponseOf(p, g); r.TokenIDs != nil {
		t.Errorf("ids %v of 9 tokens", r.TokenIDs)
	}
	g.Usage.CompletionTokens = 3 // the end-of-turn token is among them
	if r := ResponseOf(p, g); len(r.TokenIDs) != 2 {
		t.Errorf("ids %v, want both: thought and answer", r.TokenIDs)
	}
}
