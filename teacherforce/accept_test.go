package teacherforce

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// chunks make texts whose seams fall everywhere: inside words, inside runs of
// newlines and spaces, before and after characters of one to four bytes, some of
// which no merge was learned for.
var chunks = []string{
	"the harbour", " wakes", " before", " the town", "hel", "lo", " and", ".", ", ", "\n", "\n\n", "\n\n\n", " ", "  ",
	"\t",
	"é", "ü", "naïve", "日本", "東京", "한국어", "🙂", "🚀🚀", "Ω", "—", "“", "”", "1", "23", "2024", "'s", "'t", "!", "?!", "\r\n",
	"I", " think", "ing", "un", "believ", "able", "\u200b", "ÿ", "the", " th", "e",
}

// someText strings chunks together.
func someText(rng *rand.Rand, least, most int) string {
	var b strings.Builder
	for range least + rng.IntN(most-least+1) {
		b.WriteString(chunks[rng.IntN(len(chunks))])
	}
	return b.String()
}

// resample returns another sequence of tokens with the same bytes, as a model
// that samples token by token may emit: some tokens are broken into pieces.
func resample(rng *rand.Rand, ids []int) []int {
	var out []int
	for _, id := range ids {
		b := tok.Bytes(id)
		if len(b) < 2 || rng.IntN(3) > 0 {
			out = append(out, id)
			continue
		}
		cut := 1 + rng.IntN(len(b)-1)
		out = append(out, bytewise(b[:cut])...)
		out = append(out, bytewise(b[cut:])...)
	}
	return out
}

// bytewise is b as one token where it is valid text, else byte by byte.
func bytewise(b []byte) []int {
	if ids := tok.EncodeOrdinary(string(b)); len(ids) == 1 {
		return ids
	}
	out := make([]int, len(b))
	for i, c := range b {
		out[i] = int(c) // the tokenizer's first 256 ids are the bytes
	}
	return out
}

// pairCase is one random (context, response) pair with its truth.
type pairCase struct {
	policy   offpolicy.Policy
	prompt   string
	context  *dataset.TokenDigest // of the context's ids
	response Response
	want     float64
	// plain says that the joint text's own tokens are the ones asked for: every
	// method that reads text has to answer then.
	plain bool
}

func (c pairCase) String() string {
	return fmt.Sprintf("%s prompt %q, response %q ids %v ended %v", c.policy.Template, c.prompt, c.response.Text,
		c.response.TokenIDs, c.response.Ended)
}

// truth is a model's exact log-prob of response ids after context ids.
type truth func(model string, ctx, response []int) float64

// randomPolicy is a policy of any template, "raw" more often than others because
// there the context itself ends anywhere.
func randomPolicy(rng *rand.Rand) offpolicy.Policy {
	p := policy("raw")
	if rng.IntN(4) == 0 {
		return p
	}
	names := chat.Names()
	p.Template = names[rng.IntN(len(names))]
	switch p.Template {
	case "raw", "gemma2": // these have no system prompt
	case "mistral-small-3.1": // has to have one
		p.System = someText(rng, 1, 4)
	default:
		if rng.IntN(3) == 0 {
			p.System = someText(rng, 1, 4)
		}
	}
	return p
}

func randomCase(rng *rand.Rand, f *Forcer, modelOf func(template string) string, truth truth) pairCase {
	c := pairCase{policy: randomPolicy(rng), prompt: someText(rng, 1, 8)}
	model := modelOf(c.policy.Template)
	c.policy.Model = model
	tpl := f.templates[c.policy.Template]
	ids := []int{}
	if rng.IntN(12) > 0 {
		text := someText(rng, 1, 10)
		if rng.IntN(3) == 0 {
			text = []string{"\n", "\n\n", " ", "é", "日"}[rng.IntN(5)] + text
		}
		if rng.IntN(15) == 0 {
			text += cmp.Or(tpl.EndOfTurn(), "<|eot|>") + someText(rng, 0, 2)
		}
		ids = tok.EncodeOrdinary(text)
	}
	sampled := rng.IntN(3) // 0: ids unknown, 1: canonical, 2: as a sampler may have it
	if sampled == 2 {
		ids = resample(rng, ids)
		if len(ids) > 2 && rng.IntN(3) == 0 {
			ids = ids[:len(ids)-1-rng.IntN(2)] // cut by max_tokens, maybe inside a character
		}
	}
	c.response = Response{Text: viaJSON(tok.Decode(ids)), Ended: rng.IntN(2) == 0, Model: model}
	if sampled > 0 {
		c.response.TokenIDs = ids
	} else {
		ids = tok.EncodeOrdinary(c.response.Text)
	}

	context, err := f.Render(c.policy, prompt(c.prompt))
	if err != nil {
		panic(err)
	}
	asked := slices.Clone(ids)
	joint := context + c.response.Text
	if c.response.Ended && tpl.EndOfTurn() != "" {
		eot, ok := tok.Special(tpl.EndOfTurn())
		if !ok {
			panic("the vocabulary has no " + tpl.EndOfTurn())
		}
		asked = append(asked, eot)
		joint += tpl.EndOfTurn()
	}
	ctx := tok.Encode(context)
	c.context = dataset.DigestTokens(ctx)
	c.want = truth(model, ctx, asked)
	c.plain = slices.Equal(tok.Encode(joint), slices.Concat(ctx, asked))
	return c
}

// tally counts what the methods said of many pairs.
type tally struct {
	mu       sync.Mutex
	answered map[string]int
	reasons  map[Reason]int
	empty    int
	saved    int            // pairs scored without a call for the context
	complete map[string]int // pairs that every text method answered, by template
	// conversed are the pairs that chat answered, by template.
	conversed map[string]int
	plain     int // pairs whose joint tokens are those asked for …
	refused   int // … and methods that refused them although the ids were known
}

// score scores c and reports a method that breaks the law: one that answers
// must be right, one that does not must have one of three reasons.
func (n *tally) score(t *testing.T, f *Forcer, c pairCase) {
	p := c.policy
	res, err := f.Score(t.Context(), tag(), p, prompt(c.prompt), c.response)
	n.look(t, c, res, err)
	// With the context's ids known beforehand the same value takes a call less.
	known, err2 := f.ScoreKnown(t.Context(), tag(), p, prompt(c.prompt), c.context, c.response)
	if (err == nil) != (err2 == nil) || err == nil && (math.Abs(res.LogProb.OrNaN()-known.LogProb.OrNaN()) > 1e-9 ||
		res.Method != known.Method) {
		t.Errorf("%s: %v by %s (%v) with the context known, %v by %s (%v) without", c, known.LogProb.OrNaN(), known.Method,
			err2, res.LogProb.OrNaN(), res.Method, err)
	}
	if err2 == nil && known.Methods[MethodContinuation].Reason == ReasonNotCompared {
		n.mu.Lock()
		n.saved++
		n.mu.Unlock()
	}
}

func (n *tally) look(t *testing.T, c pairCase, res Result, err error) {
	p, methods := c.policy, res.Methods
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v is not an *Error", c, err)
			return
		}
		if e.Reason == ReasonEmpty {
			if c.response.Text != "" || c.response.Ended && p.Template != "raw" {
				t.Errorf("%s: %v", c, err)
			}
			n.empty++
			return
		}
		methods = e.Methods
	} else if res.Tokens != len(res.TokenLogProbs) || res.Tokens == 0 || res.Method == "" ||
		res.LogProb != methods[res.Method].LogProb {
		t.Errorf("%s: result %+v contradicts itself", c, res)
	}
	if c.plain {
		n.plain++
	}
	if methods[MethodTokenCounting].Status == OK && methods[MethodEchoBased].Status == OK &&
		methods[MethodContinuation].Status == OK {
		n.complete[p.Template]++
	}
	for name, m := range methods {
		switch {
		case m.Status == OK:
			n.answered[name]++
			if name == MethodChat {
				n.conversed[p.Template]++
			}
			// Where the server gives no ids, nobody can see that it reads the
			// response otherwise than it was sampled; the flag says so.
			if !c.plain && slices.Contains(res.Flags, FlagIDsUnverified) {
				continue
			}
			if !(math.Abs(m.LogProb.OrNaN()-c.want) <= 1e-9) {
				t.Errorf("%s: %s says %v, truth is %v", c, name, m.LogProb.OrNaN(), c.want)
			}
		case name == MethodChat && m.Reason == ReasonNotCompared: // its call was saved
		case name == MethodChat && m.Reason == ReasonRendered:
			n.reasons[m.Reason]++
			tpl, _ := chat.Lookup(p.Template)
			if !tpl.Assistant().Trim && answersStand(tpl) && !strings.Contains(tpl.ResponseHeader(), "</think>") {
				t.Errorf("%s: %s says %q, and this template leaves a response as it is", c, name, m.Reason)
			}
		case m.Reason != ReasonSeam && m.Reason != ReasonRetokenised && m.Reason != ReasonUnsupported:
			t.Errorf("%s: %s says %q: %v", c, name, m.Reason, err)
		default:
			n.reasons[m.Reason]++
			if c.plain && name != MethodTokenIDs && name != MethodChat && c.response.TokenIDs != nil {
				n.refused++
			}
		}
	}
}

// answersStand reports whether the simulator writes an answer that it is given
// behind what announces one.
func answersStand(t chat.Template) bool {
	return t.EndOfTurn() != "" && (t.ResponseHeader() == t.Assistant().Before || strings.Contains(t.ResponseHeader(),
		"</think>"))
}

// check demands that every method and every reason was seen often enough for
// the law to have been tested. ids: whether token_ids can answer at all.
func (n *tally) check(t *testing.T, pairs, echo int, ids bool) {
	t.Helper()
	t.Logf("%d pairs: saved %d calls, answered %v, reasons %v, empty %d, plain %d, refused although plain %d", pairs,
		n.saved, n.answered, n.reasons, n.empty, n.plain, n.refused)
	least := map[string]int{MethodTokenCounting: pairs / 5, MethodEchoBased: echo, MethodContinuation: pairs / 5}
	if ids {
		least[MethodTokenIDs] = pairs / 4
	}
	if echo >= pairs/5 {
		for _, name := range chat.Names() {
			if n.complete[name] < pairs/150 {
				t.Errorf("template %s: %d of %d pairs were answered by every text method", name, n.complete[name], pairs)
			}
		}
	}
	for name, least := range least {
		if n.answered[name] < least {
			t.Errorf("%s answered %d of %d pairs, want at least %d", name, n.answered[name], pairs, least)
		}
	}
	for _, r := range []Reason{ReasonSeam, ReasonRetokenised, ReasonUnsupported} {
		if n.reasons[r] < pairs/20 {
			t.Errorf("reason %s occurred %d times in %d pairs", r, n.reasons[r], pairs)
		}
	}
	if ids && echo >= pairs/5 && n.saved < pairs/2 {
		t.Errorf("%d of %d pairs were scored without a call for the context", n.saved, pairs)
	}
	if n.empty == 0 {
		t.Error("no empty response among the pairs")
	}
}

func newTally() *tally {
	return &tally{answered: map[string]int{}, reasons: map[Reason]int{}, complete: map[string]int{},
		conversed: map[string]int{}}
}

// TestExact is the law of the package: on random pairs, a method that answers
// gives the model's exact log-prob of the tokens asked for, and one that does
// not says why. Truth is computed from the tokenizer and the model alone.
func TestExact(t *testing.T) {
	for _, s := range []struct {
		name  string
		fake  *fake
		pairs int
		ids   bool // the server gives ids
		echo  int  // pairs that echo_based answers at least
	}{
		{"everything", &fake{}, 2000, true, 400},
		{"no ids accepted", &fake{noPromptIDs: true}, 500, true, 100},
		{"ids without bytes", &fake{noBytes: true}, 1000, true, 200},
		{"bytes without ids", &fake{noIDs: true}, 500, false, 100},
		{"text alone", &fake{noIDs: true, noBytes: true}, 2000, false, 400},
		{"vocabulary entries with character offsets", &fake{noBytes: true, noText: true, offset: "chars"}, 500, true, 50},
		{"vocabulary entries with offsets of the next character", &fake{noBytes: true, noText: true, offset: "next"}, 500,
			true, 50},
		{"vocabulary entries with byte offsets, no ids", &fake{noIDs: true, noBytes: true, noText: true, offset: "bytes"},
			500, false, 50},
	} {
		t.Run(s.name, func(t *testing.T) {
			f := newForcer(t, s.fake)
			rng := rand.New(rand.NewPCG(1, 7))
			n := newTally()
			for range s.pairs {
				c := randomCase(rng, f, func(string) string { return "scout" }, exactAfter)
				n.score(t, f, c)
				if t.Failed() {
					return
				}
			}
			n.check(t, s.pairs, s.echo, s.ids)
			if !s.fake.noText && n.refused > 0 {
				t.Errorf("methods refused %d times although the echo's tokens were those asked for", n.refused)
			}
		})
	}
}
