package teacherforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

const (
	question = "What is it like at the harbour?"
	answer   = "The harbour wakes before the town does."
)

// inJoint changes the joint echo's last-but-n token.
func inJoint(n int, v float64) func(providers.ScoreRequest, *providers.PromptScore) error {
	return func(req providers.ScoreRequest, s *providers.PromptScore) error {
		if req.Tag.Call == "joint" {
			s.Tokens[len(s.Tokens)-1-n].LogProb = dataset.Known(v)
		}
		return nil
	}
}

func score(t *testing.T, s *fake, p offpolicy.Policy, r Response) (Result, *Error) {
	t.Helper()
	res, err := newForcer(t, s).Score(t.Context(), tag(), p, prompt(question), r)
	if err == nil {
		return res, nil
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is not an *Error", err)
	}
	return res, e
}

// all is one reason for every method that reads text, and one for token_ids.
func all(text, ids Reason) map[string]Reason {
	return map[string]Reason{MethodTokenCounting: text, MethodEchoBased: text, MethodContinuation: text,
		MethodTokenIDs: ids}
}

func TestScoreRefuses(t *testing.T) {
	ended := Response{Text: answer, Ended: true}
	for _, c := range []struct {
		name     string
		fake     *fake
		template string
		prompt   string
		response Response
		class    Reason
		message  string
		methods  map[string]Reason
		flags    []Flag
		calls    int
		reason   string
	}{
		{
			name: "null in the response", fake: &fake{spoil: inJoint(3, math.NaN())}, response: ended,
			class: ReasonMissing, message: "has no log-prob", methods: all(ReasonMissing, ReasonUnsupported),
			flags: []Flag{FlagNull}, calls: 2,
			reason: "skipping a null makes a half-scored response look likelier",
		},
		{
			name: "positive", fake: &fake{spoil: inJoint(2, 0.31)}, response: ended,
			class: ReasonInvalid, message: "+0.31", methods: all(ReasonInvalid, ReasonUnsupported), flags: []Flag{FlagPositive},
			calls:  2,
			reason: "no probability exceeds 1, and the record must name what was seen",
		},
		{
			name: "minus infinity", fake: &fake{spoil: inJoint(2, math.Inf(-1))}, response: ended,
			class: ReasonInvalid, message: "-Inf", methods: all(ReasonInvalid, ReasonUnsupported), flags: []Flag{FlagInfinite},
			calls:  2,
			reason: "a weight of zero or infinity is a claim that no echo can support",
		},
		{
			name: "stand-in for minus infinity", fake: &fake{spoil: inJoint(2, -9999)}, response: ended,
			class: ReasonInvalid, message: "-9999", methods: all(ReasonInvalid, ReasonUnsupported), flags: []Flag{FlagInfinite},
			calls:  2,
			reason: "vLLM clamps -Inf to -9999.0: a clipped value stands for a failure",
		},
		{
			name: "white space trimmed by the server", response: Response{Text: answer + "  \n"},
			fake:  &fake{spoil: altering(func(s string) string { return strings.TrimRight(s, " \n") })},
			class: ReasonAltered, message: "do not spell", methods: all(ReasonAltered, ReasonAltered), calls: 2,
			reason: "the log-prob of another text is not the response's",
		},
		{
			name: "second BOS", fake: &fake{addBOS: true}, response: ended,
			class: ReasonAltered, message: "second <|begin_of_text|>", methods: all(ReasonAltered, ReasonAltered), calls: 2,
			reason: "a doubled BOS changes every log-prob after it",
		},
		{
			name: "markers read as characters", fake: &fake{literal: true}, response: ended,
			class: ReasonAltered, message: "ordinary characters", methods: all(ReasonAltered, ReasonAltered), calls: 2,
			reason: "a text about markers is not a conversation",
		},
		{
			name: "no prompt log-probs", response: ended,
			fake:  &fake{spoil: func(_ providers.ScoreRequest, s *providers.PromptScore) error { s.Tokens = nil; return nil }},
			class: ReasonUnsupported, message: "no prompt log-probs", methods: all(ReasonUnsupported, ReasonUnsupported),
			calls:  1,
			reason: "several servers accept echo and return nothing for the prompt",
		},
		{
			name: "endpoint without echo", response: ended,
			fake: &fake{spoil: func(providers.ScoreRequest, *providers.PromptScore) error {
				return fmt.Errorf("openai: score prompt: %w", errors.ErrUnsupported)
			}},
			class: ReasonUnsupported, methods: all(ReasonUnsupported, ReasonUnsupported), calls: 1,
			reason: "OpenAI's chat models have no echo",
		},
		{
			name: "failed call", response: ended,
			fake: &fake{spoil: func(req providers.ScoreRequest, _ *providers.PromptScore) error {
				if req.Tag.Call == "joint" {
					return &providers.Error{Op: "score prompt", Class: providers.ClassRateLimited, Status: 429}
				}
				return nil
			}},
			class: "rate_limited", message: "429", methods: all(ReasonError, ReasonError), calls: 2,
			reason: "the class of the call's error is the record's",
		},
		{
			name: "token across the seam", template: "raw", prompt: "I walk to th", response: Response{Text: "e town"},
			fake:  &fake{},
			class: ReasonSeam, methods: all(ReasonSeam, ReasonUnsupported), calls: 2,
			reason: "\" the\" is one token of the joint text: it belongs to neither side",
		},
		{
			name: "sampled otherwise", response: Response{Text: "hello", TokenIDs: []int{'h', 'e', 'l', 'l', 'o'},
				Model: "scout"}, fake: &fake{noPromptIDs: true},
			class: ReasonRetokenised, message: "sampled as 5 tokens", methods: all(ReasonRetokenised, ReasonUnsupported),
			calls:  3,
			reason: "the echo scores canonical tokens, which the model did not emit",
		},
		{
			name: "special token's text", response: Response{Text: "Say <|eot|> to end."}, fake: &fake{},
			class: ReasonRetokenised, message: "<|eot|>", methods: all(ReasonRetokenised, ReasonUnsupported), calls: 2,
			reason: "the server reads the text as the token",
		},
		{
			name: "cut inside a character", response: Response{Text: "Caf\xc3"}, fake: &fake{},
			class: ReasonRetokenised, message: "U+FFFD", methods: all(ReasonRetokenised, ReasonUnsupported), calls: 2,
			reason: "JSON carries U+FFFD in place of what was sampled",
		},
		{
			name: "U+FFFD", response: Response{Text: "Caf\uFFFD"}, fake: &fake{},
			class: ReasonRetokenised, message: "U+FFFD", methods: all(ReasonRetokenised, ReasonUnsupported), calls: 2,
			reason: "what a server writes for a response cut inside a character",
		},
		{
			name: "BOS added to one of two texts", template: "raw", response: Response{Text: answer},
			fake: &fake{spoil: func(req providers.ScoreRequest, s *providers.PromptScore) error {
				if req.Tag.Call == "joint" {
					s.Tokens = append([]providers.Token{{Text: "<s>", ID: 1, Offset: -1}}, s.Tokens...)
				}
				return nil
			}},
			class: ReasonAltered, message: "one of the two", methods: all(ReasonAltered, ReasonAltered), calls: 2,
			reason: "the response was scored in another context than the context's own echo",
		},
		{
			name: "empty and cut", response: Response{}, fake: &fake{},
			class: ReasonEmpty, methods: all(ReasonEmpty, ReasonEmpty), calls: 0,
			reason: "an empty sum is 0, which would mean certain",
		},
		{
			name: "empty and ended, raw", template: "raw", response: Response{Ended: true}, fake: &fake{},
			class: ReasonEmpty, methods: all(ReasonEmpty, ReasonEmpty), calls: 0,
			reason: "raw knows no end-of-turn token",
		},
		{
			name: "filtered", response: Response{Text: answer, Filtered: true}, fake: &fake{},
			class: ReasonFiltered, message: "filter", methods: all(ReasonFiltered, ReasonFiltered), calls: 0,
			reason: "the text is not what the policy sampled",
		},
		{
			name: "empty context", template: "raw", prompt: "-", response: Response{Text: answer}, fake: &fake{},
			class: ReasonUnsupported, message: "empty", methods: all(ReasonUnsupported, ReasonUnsupported), calls: 0,
			reason: "nothing precedes the first token, so it has no log-prob",
		},
		{
			name: "marker in the prompt", prompt: "What does <|eot|> mean?", response: ended, fake: &fake{},
			class: ReasonContext, message: "<|eot|>", methods: all(ReasonContext, ReasonContext), calls: 0,
			reason: "sent as text it would end the user's turn",
		},
		{
			name: "unknown template", template: "llama9", response: ended, fake: &fake{},
			class: ReasonContext, message: "known are chatml, deepseek-r1,", methods: all(ReasonContext, ReasonContext),
			calls:  0,
			reason: "no guess at a template",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := policy("llama4")
			if c.template != "" {
				p.Template = c.template
			}
			q := prompt(question)
			if c.prompt != "" {
				q.Text = strings.TrimPrefix(c.prompt, "-")
			}
			_, err := newForcer(t, c.fake).Score(t.Context(), tag(), p, q, c.response)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got error %v, want an *Error: %s", err, c.reason)
			}
			reasons := make(map[string]Reason)
			for name, m := range e.Methods {
				reasons[name] = m.Reason
				if m.Status != Failed || m.LogProb.Valid() {
					t.Errorf("%s: status %s with value %v, want failed and NaN", name, m.Status, m.LogProb.OrNaN())
				}
			}
			if e.Reason != c.class || !strings.Contains(e.Message, c.message) {
				t.Errorf("got %s: %q, want %s and %q: %s", e.Reason, e.Message, c.class, c.message, c.reason)
			}
			if d := cmp.Diff(c.methods, reasons); d != "" {
				t.Errorf("reasons (-want +got): %s\n%s", c.reason, d)
			}
			if !slices.Equal(e.Flags, c.flags) {
				t.Errorf("flags %v, want %v", e.Flags, c.flags)
			}
			if e.Calls != c.calls || len(c.fake.calls) != c.calls {
				t.Errorf("%d calls reported, %d made, want %d", e.Calls, len(c.fake.calls), c.calls)
			}
			rec := FailedRecord(q.ID, p, err)
			if rec.LogProb.Valid() || rec.Error == nil || rec.Error.Class != string(c.class) || len(rec.Methods) != 4 {
				t.Errorf("record %+v: want a null value, the error and all methods", rec)
			}
			if b, err := json.Marshal(rec); err != nil || !strings.Contains(string(b), `"logprob":null`) {
				t.Errorf("record does not marshal: %v %s", err, b)
			}
		})
	}
}

// altering makes a server that scores another text than the one sent.
func altering(change func(string) string) func(providers.ScoreRequest, *providers.PromptScore) error {
	return func(req providers.ScoreRequest, s *providers.PromptScore) error {
		other, err := new(fake).ScorePrompt(context.Background(), providers.ScoreRequest{Model: req.Model,
			Prompt: change(req.Prompt)})
		*s = other
		return err
	}
}

func TestEndOfTurnCountsIffEnded(t *testing.T) {
	p := policy("llama4")
	cut, e1 := score(t, &fake{}, p, Response{Text: answer})
	ended, e2 := score(t, &fake{}, p, Response{Text: answer, Ended: true})
	if e1 != nil || e2 != nil {
		t.Fatal(e1, e2)
	}
	eot, _ := tok.Special("<|eot|>")
	c, err := newForcer(t, &fake{}).Render(p, prompt(question))
	if err != nil {
		t.Fatal(err)
	}
	ids := append(tok.Encode(c), tok.EncodeOrdinary(answer)...)
	want := exactAfter(p.Model, ids, []int{eot})
	if got := ended.LogProb.OrNaN() - cut.LogProb.OrNaN(); math.Abs(got-want) > 1e-9 || ended.Tokens != cut.Tokens+1 {
		t.Errorf("end of turn adds %v and %d tokens, want %v and 1", got, ended.Tokens-cut.Tokens, want)
	}
	// An empty response that ended is the end-of-turn token alone.
	empty, e := score(t, &fake{}, p, Response{Ended: true})
	if e != nil {
		t.Fatal(e)
	}
	if want := exactAfter(p.Model, tok.Encode(c), []int{eot}); math.Abs(empty.LogProb.OrNaN()-want) > 1e-9 ||
		empty.Tokens != 1 {
		t.Errorf("empty response: %v in %d tokens, want %v in 1", empty.LogProb.OrNaN(), empty.Tokens, want)
	}
	raw, e := score(t, &fake{}, policy("raw"), Response{Text: " " + answer, Ended: true})
	if e != nil {
		t.Fatal(e)
	}
	if want := len(tok.EncodeOrdinary(" " + answer)); raw.Tokens != want {
		t.Errorf("raw: %d tokens, want %d: there is no end-of-turn token to count", raw.Tokens, want)
	}
}

func TestFlags(t *testing.T) {
	zeros := func(call string) func(providers.ScoreRequest, *providers.PromptScore) error {
		return func(req providers.ScoreRequest, s *providers.PromptScore) error {
			for i := range s.Tokens {
				if call == "" || req.Tag.Call == call {
					s.Tokens[i].LogProb = dataset.Known(0)
				}
			}
			return nil
		}
	}
	inContext := func(v float64) func(providers.ScoreRequest, *providers.PromptScore) error {
		return func(_ providers.ScoreRequest, s *providers.PromptScore) error {
			s.Tokens[2].LogProb = dataset.Known(v)
			return nil
		}
	}
	// lastZero makes the last n tokens of the joint echo certain.
	lastZero := func(n int) func(providers.ScoreRequest, *providers.PromptScore) error {
		return func(req providers.ScoreRequest, s *providers.PromptScore) error {
			for i := len(s.Tokens) - n; req.Tag.Call == "joint" && i < len(s.Tokens); i++ {
				s.Tokens[i].LogProb = dataset.Known(0)
			}
			return nil
		}
	}
	ids := tok.EncodeOrdinary(answer)
	long := strings.Repeat(answer+" ", 6)
	word := tok.EncodeOrdinary("hello")
	for _, c := range []struct {
		name         string
		fake         *fake
		policy       offpolicy.Policy
		response     Response
		flags        []Flag
		continuation Reason
		reason       string
	}{
		{"clean", &fake{}, policy("llama4"), Response{Text: answer, Ended: true}, nil, "", "nothing to say"},
		{"all zero", &fake{spoil: zeros("")}, policy("llama4"), Response{Text: answer}, []Flag{FlagZero}, "",
			"a long response of probability 1 is a defect; the value is kept so that a check can name the row"},
		{"short and zero", &fake{spoil: lastZero(1)}, policy("llama4"), Response{Text: "8"}, []Flag{FlagCertain}, "",
			"9 of 5,000 real values are 0.0 and right: one-token answers"},
		{"a word repeated and zero", &fake{spoil: lastZero(len(word))}, policy("llama4"), Response{Text: "hello"},
			[]Flag{FlagCertain}, "",
			"those that are right have 19 characters on average"},
		{"short and zero, like its context", &fake{spoil: zeros("")}, policy("llama4"), Response{Text: "8"},
			[]Flag{FlagZero}, "",
			"no model is certain of what a user writes: the zeros are the server's"},
		{"long and zero", &fake{spoil: lastZero(len(tok.EncodeOrdinary(long)))}, policy("llama4"), Response{Text: long},
			[]Flag{FlagZero}, "",
			"the context's log-probs do not excuse a whole paragraph of certainty"},
		{"a run of zeros", &fake{spoil: lastZero(30)}, policy("llama4"), Response{Text: long}, []Flag{FlagZeroRun}, "",
			"half a response of certainty"},
		{"a short run of zeros", &fake{spoil: lastZero(8)}, policy("llama4"), Response{Text: long}, nil, "",
			"single precision rounds to 0 what is nearly certain"},
		{"zero in the joint echo", &fake{spoil: zeros("joint")}, policy("llama4"), Response{Text: answer},
			[]Flag{FlagPositiveDifference, FlagZero}, ReasonInvalid,
			"the joint total cannot exceed the context's"},
		{"logits", &fake{spoil: func(_ providers.ScoreRequest, s *providers.PromptScore) error {
			s.Tokens[3].Top = alternativesOf(-1.4, -1.5, -1.6, -1.7, -1.8)
			return nil
		}}, policy("llama4"), Response{Text: answer}, []Flag{FlagMass}, "",
			"where a server shows alternatives, they say that the values are no log-probs"},
		{"null in the context", &fake{spoil: inContext(math.NaN())}, policy("llama4"), Response{Text: answer},
			[]Flag{FlagNull}, ReasonMissing,
			"only continuation sums the context"},
		{"positive in the context", &fake{spoil: inContext(0.5)}, policy("llama4"), Response{Text: answer},
			[]Flag{FlagPositive}, ReasonInvalid,
			"only continuation sums the context"},
		{"no value for the second token of any text",
			&fake{spoil: func(_ providers.ScoreRequest, s *providers.PromptScore) error {
				s.Tokens[1].LogProb = dataset.Float{}
				return nil
			}}, policy("llama4"), Response{Text: answer}, nil, "",
			"both totals begin one token later, and their difference is the same"},
		{"no value for the second token of one text",
			&fake{spoil: func(req providers.ScoreRequest, s *providers.PromptScore) error {
				if req.Tag.Call == "joint" {
					s.Tokens[1].LogProb = dataset.Float{}
				}
				return nil
			}}, policy("llama4"), Response{Text: answer}, []Flag{FlagNull}, ReasonMissing,
			"the two totals are of different tokens"},
		{"noise", &fake{noise: func(call, i int) float64 { return float64(call*i%7) * 1e-4 }}, policy("llama4"),
			Response{Text: answer}, []Flag{FlagDisagree}, "",
			"continuation compares two calls"},
		{"server's own BOS", &fake{addBOS: true}, policy("raw"), Response{Text: " " + answer}, []Flag{FlagBOSAdded}, "",
			"right for a text that has none"},
		{"ids unverified", &fake{noIDs: true}, policy("llama4"), Response{Text: answer, TokenIDs: ids, Model: "scout"},
			[]Flag{FlagIDsUnverified}, "",
			"the echo cannot say whether it read the sampled tokens"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, e := score(t, c.fake, c.policy, c.response)
			if e != nil {
				t.Fatal(e)
			}
			if !slices.Equal(res.Flags, c.flags) {
				t.Errorf("flags %v, want %v: %s", res.Flags, c.flags, c.reason)
			}
			if got := res.Methods[MethodContinuation].Reason; got != c.continuation {
				t.Errorf("continuation says %q, want %q: %s", got, c.continuation, c.reason)
			}
		})
	}
}

func TestTolerance(t *testing.T) {
	noisy := &fake{noise: func(call, i int) float64 { return float64(call*i%7) * 1e-4 }}
	f, err := New(Config{Scorer: noisy, Tolerance: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Score(t.Context(), tag(), policy("llama4"), prompt(question), Response{Text: answer})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Flags) > 0 || res.Spread.OrNaN() == 0 {
		t.Errorf("flags %v at spread %v, want none: it is within 0.1·(1 + |%v|)", res.Flags, res.Spread.OrNaN(),
			res.LogProb.OrNaN())
	}
}

func TestPreferenceAndRecord(t *testing.T) {
	ids := tok.EncodeOrdinary(answer)
	res, e := score(t, &fake{}, policy("llama4"), Response{Text: answer, TokenIDs: ids, Model: "scout", Ended: true})
	if e != nil {
		t.Fatal(e)
	}
	if res.Method != MethodTokenIDs || res.Calls != 2 {
		t.Errorf("method %s after %d calls, want token_ids after 2: the joint echo already scores the ids", res.Method,
			res.Calls)
	}
	rec := res.Record("q1", "p0")
	if rec.Key() != (dataset.Key{PromptID: "q1", Policy: "p0"}) || rec.Tokens != len(ids)+1 ||
		len(rec.TokenLogProbs) != rec.Tokens || rec.Error != nil {
		t.Errorf("record %+v", rec)
	}
	b, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"flags":[]`, `"method":"token_ids"`, `"echo_based":{"logprob":-`, `"policy_hash":"` +
		policy("llama4").Hash()} {
		if !strings.Contains(string(b), want) {
			t.Errorf("record lacks %s: %s", want, b)
		}
	}
	// Another model's ids are no ids.
	res, e = score(t, &fake{}, policy("llama4"), Response{Text: answer, TokenIDs: ids, Model: "maverick"})
	if e != nil {
		t.Fatal(e)
	}
	if res.Method != MethodTokenCounting || res.Methods[MethodTokenIDs].Reason != ReasonUnsupported {
		t.Errorf("method %s, token_ids %+v: want token_counting and unsupported", res.Method, res.Methods[MethodTokenIDs])
	}
}

func TestCalls(t *testing.T) {
	s := &fake{}
	f := newForcer(t, s)
	p0 := policy("llama4")
	clone := p0
	clone.Name = "pi_clone"
	do := func(p offpolicy.Policy, r Response) Result {
		t.Helper()
		res, err := f.Score(t.Context(), providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: p.Name,
			DrawIdx: 3}}, p, prompt(question), r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	a := do(p0, Response{Text: answer})
	b := do(p0, Response{Text: "Quiet."})
	c := do(clone, Response{Text: answer})
	if a.Calls != 2 || b.Calls != 1 || c.Calls != 2 {
		t.Errorf("%d, %d, %d calls; want 2 for a pair, 1 for another response to the context, 2 for the clone", a.Calls,
			b.Calls, c.Calls)
	}
	if d := cmp.Diff(map[string]int{"joint": 3, "context": 2}, s.counts()); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
	if a.LogProb != c.LogProb || a.PolicyHash != c.PolicyHash {
		t.Errorf("clone has %v under %s, want %v under %s", c.LogProb.OrNaN(), c.PolicyHash, a.LogProb.OrNaN(), a.PolicyHash)
	}
	var keys []string
	for _, call := range s.calls {
		keys = append(keys, call.Tag.Call+" "+call.Tag.Key.String())
	}
	want := []string{"context q1/p0/0", "joint q1/p0/3", "joint q1/p0/3", "context q1/pi_clone/0", "joint q1/pi_clone/3"}
	if d := cmp.Diff(want, keys); d != "" {
		t.Errorf("tags (-want +got): a shared context must not carry the key of whoever came first\n%s", d)
	}
	s.calls = nil
	// Ids that the text does not spell canonically cost a third call.
	r := do(p0, Response{Text: "hello", TokenIDs: []int{'h', 'e', 'l', 'l', 'o'}, Model: "scout"})
	if d := cmp.Diff(map[string]int{"joint": 1, "ids": 1}, s.counts()); d != "" || r.Method != MethodTokenIDs {
		t.Errorf("method %s, calls (-want +got):\n%s", r.Method, d)
	}
}

func TestContextsSharedConcurrently(t *testing.T) {
	s := &fake{}
	f := newForcer(t, s)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if _, err := f.Score(t.Context(), tag(), policy("llama4"), prompt(question),
				Response{Text: strings.Repeat("so ", i+1)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.counts()["context"]; n != 1 {
		t.Errorf("%d context calls for one context, want 1", n)
	}
}

func TestContextsBounded(t *testing.T) {
	s := &fake{}
	f := newForcer(t, s)
	do := func(i int) {
		t.Helper()
		q := dataset.Prompt{ID: fmt.Sprint(i), Text: question}
		if _, err := f.Score(t.Context(), tag(), policy("llama4"), q, Response{Text: answer}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 * contextsKept {
		do(i)
		do(0) // in use all along, so never the least recently used
	}
	if n := len(f.contexts.m); n != contextsKept || f.contexts.recent.Len() != n {
		t.Errorf("%d contexts held, %d in order of use, want %d", n, f.contexts.recent.Len(), contextsKept)
	}
	if n := s.counts()["context"]; n != 2*contextsKept {
		t.Errorf("%d context calls, want %d", n, 2*contextsKept)
	}
}

// TestContextLeaderCanceled: whoever waits for a context that another caller
// gave up on fetches it himself; a failure of another kind is everybody's.
func TestContextLeaderCanceled(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		fails error
		own   bool // the follower makes a call of its own
	}{{context.Canceled, true}, {context.DeadlineExceeded, true}, {broken, false}} {
		synctest.Test(t, func(t *testing.T) {
			var shared contexts
			release := make(chan struct{})
			go func() {
				_, called, err := shared.get(t.Context(), contextKey{}, func(context.Context) (Echo, error) {
					<-release
					return Echo{}, c.fails
				})
				if !called || err != c.fails {
					t.Errorf("leader: called %v, error %v", called, err)
				}
			}()
			synctest.Wait()
			go func() {
				e, called, err := shared.get(t.Context(), contextKey{}, func(context.Context) (Echo,
					error) {
					return Echo{Sent: "mine"}, nil
				})
				if called != c.own || c.own && (err != nil || e.Sent != "mine") || !c.own && err != c.fails {
					t.Errorf("leader failed with %v; follower: called %v, got %q, error %v", c.fails, called, e.Sent, err)
				}
			}()
			given, cancel := context.WithCancel(t.Context())
			go func() {
				if _, _, err := shared.get(given, contextKey{}, nil); !errors.Is(err, context.Canceled) {
					t.Errorf("impatient follower: error %v", err)
				}
			}()
			synctest.Wait() // all wait for the leader
			cancel()
			synctest.Wait()
			close(release)
			synctest.Wait()
		})
	}
}

func TestContextFetchPanics(t *testing.T) {
	var c contexts
	func() {
		defer func() { _ = recover() }()
		_, _, _ = c.get(t.Context(), contextKey{}, func(context.Context) (Echo, error) { panic("boom") })
	}()
	if _, called, err := c.get(t.Context(), contextKey{}, func(context.Context) (Echo, error) {
		return Echo{},
			nil
	}); !called || err != nil {
		t.Errorf("after a panic: called %v, error %v; want a call of its own", called, err)
	}
}

func TestRenderIsWhatIsGeneratedFrom(t *testing.T) {
	s := &fake{}
	f := newForcer(t, s)
	p := policy("llama4")
	p.System = " Think step by step. "
	q := dataset.Prompt{ID: "q1", Text: "And now?", Messages: []dataset.Message{
		{Role: "user", Content: "Hello"}, {Role: "assistant", Content: "Hi."}, {Role: "user", Content: "And now?"},
	}}
	req, err := f.GenerateRequest(tag(), p, q, 42)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Score(t.Context(), tag(), p, q, Response{Text: answer}); err != nil {
		t.Fatal(err)
	}
	if got := s.calls[0]; got.Tag.Call != "context" || got.Prompt != req.Prompt {
		t.Errorf("scored in %q, generated in %q", got.Prompt, req.Prompt)
	}
	if req.Messages != nil || req.Sampling != p.Sampling || req.Seed == nil || *req.Seed != 42 || !req.LogProbs ||
		req.Model != p.Model {
		t.Errorf("request %+v", req)
	}
	if !strings.Contains(req.Prompt, "system<|header_end|>\n\nThink step by step.<|eot|>") {
		t.Errorf("prompt %q lacks the system turn", req.Prompt)
	}
	p.Sampling.MaxTokens = 0
	if _, err := f.GenerateRequest(tag(), p, q, 42); err == nil {
		t.Error("a policy without max_tokens was accepted")
	}
	if _, err := f.Render(policy("llama4"), prompt("caf\xc3")); err == nil {
		t.Error("a prompt that is not UTF-8 was rendered")
	}
}

func TestNewRefuses(t *testing.T) {
	own, err := chat.New(chat.Format{Name: "llama4", User: chat.Turn{Before: "[", After: "]"},
		Assistant: chat.Turn{After: "[end]"}, EndOfTurn: "[end]"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		c    Config
	}{
		{"no scorer", Config{}},
		{"negative tolerance", Config{Scorer: &fake{}, Tolerance: -1}},
		{"tolerance NaN", Config{Scorer: &fake{}, Tolerance: math.NaN()}},
		{"a built-in template's name", Config{Scorer: &fake{}, Templates: []chat.Template{own}}},
		{"zero template", Config{Scorer: &fake{}, Templates: []chat.Template{{}}}},
		{"no methods", Config{Scorer: &fake{}, Strategies: []Strategy{}}},
		{"a method twice", Config{Scorer: &fake{}, Strategies: []Strategy{echoBased{}, echoBased{}}}},
	} {
		if _, err := New(c.c); err == nil || !strings.HasPrefix(err.Error(), "teacherforce: ") {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}

// TestOwnStrategy: a method of the caller's own stands beside the others.
func TestOwnStrategy(t *testing.T) {
	f, err := New(Config{Scorer: &fake{}, Strategies: []Strategy{always{-1}, echoBased{}}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Score(t.Context(), tag(), policy("llama4"), prompt(question), Response{Text: answer})
	if err != nil {
		t.Fatal(err)
	}
	if res.Method != "always" || res.LogProb.OrNaN() != -1 || !slices.Contains(res.Flags, FlagDisagree) ||
		len(res.Methods) != 2 {
		t.Errorf("got %+v", res)
	}
}

type always struct{ v float64 }

func (always) Name() string { return "always" }
func (a always) Score(Pair) Reading {
	return Reading{MethodResult: MethodResult{dataset.Known(a.v), OK, ""}, TokenLogProbs: []float64{a.v}}
}
