package teacherforce

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// tok is a real byte-pair encoding: its tokens span seams and split characters.
var tok = langmodel.PolyglotTokenizer()

// exact is the fake model: the log-prob of each token is a hash of the model's
// name and all tokens up to it, in (-5, 0). Nothing about teacher forcing needs
// it to sum to one, and everything needs it to depend on the whole prefix.
func exact(model string, ids []int) []float64 {
	h := uint64(14695981039346656037)
	mix := func(v uint64) {
		h ^= v
		h *= 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	for _, b := range []byte(model) {
		mix(uint64(b))
	}
	out := make([]float64, len(ids))
	for i, id := range ids {
		mix(uint64(id) + 1)
		out[i] = -5 * (float64(h>>11) + 0.5) / (1 << 53)
	}
	return out
}

// exactAfter sums the log-probs of response after ctx.
func exactAfter(model string, ctx, response []int) float64 {
	var sum float64
	for _, v := range exact(model, append(append([]int(nil), ctx...), response...))[len(ctx):] {
		sum += v
	}
	return sum
}

// fake is a server over exact. The zero value gives everything: ids, bytes,
// texts, offsets.
type fake struct {
	noIDs, noBytes, noText bool
	noPromptIDs            bool // refuses prompts of ids
	// "", "bytes", "chars" (a token inside a character is at that one), "next" (… is at the next one)
	offset  string
	addBOS  bool
	literal bool // reads special-token text as ordinary characters
	// spoil changes a reply before it is sent.
	spoil func(req providers.ScoreRequest, s *providers.PromptScore) error
	// noise changes log-probs by the number of the call.
	noise func(call, token int) float64

	mu    sync.Mutex
	calls []providers.ScoreRequest
}

func (f *fake) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	if err := ctx.Err(); err != nil {
		return providers.PromptScore{}, err
	}
	f.mu.Lock()
	f.calls = append(f.calls, req)
	call := len(f.calls)
	f.mu.Unlock()

	ids := req.PromptIDs
	switch {
	case ids != nil && f.noPromptIDs:
		return providers.PromptScore{}, fmt.Errorf("ids: %w", &providers.Error{Op: "score prompt",
			Class: providers.ClassBadRequest, Message: "prompt: want a string"})
	case (ids == nil) == (req.Prompt == ""):
		panic("teacherforce_test: want exactly one of Prompt and PromptIDs")
	case ids == nil && f.literal:
		ids = tok.EncodeOrdinary(req.Prompt)
	case ids == nil:
		ids = tok.Encode(viaJSON(req.Prompt))
		if f.addBOS {
			bos, _ := tok.Special("<|begin_of_text|>")
			ids = append([]int{bos}, ids...)
		}
	}
	s := providers.PromptScore{Text: viaJSON(tok.Decode(ids))}
	lps := exact(req.Model, ids)
	text, bytes := tok.Decode(ids), 0
	for i, id := range ids {
		b := tok.Bytes(id)
		t := providers.Token{Text: viaJSON(string(b)), Bytes: b, ID: id, Offset: -1, LogProb: dataset.Known(lps[i])}
		if i == 0 {
			t.LogProb = dataset.Float{}
		}
		if f.noise != nil {
			t.LogProb = dataset.Known(min(0, t.LogProb.OrNaN()+f.noise(call, i)))
		}
		switch f.offset {
		case "chars", "next":
			t.Offset = utf8.RuneCountInString(text[:start(text, bytes, f.offset == "next")])
		case "bytes":
			t.Offset = bytes
		}
		bytes += len(b)
		if f.noIDs {
			t.ID = -1
		}
		if f.noBytes {
			t.Bytes = nil
		}
		if f.noText {
			t.Text = fmt.Sprintf("Ġ%d", id)
		}
		s.Tokens = append(s.Tokens, t)
	}
	if f.spoil != nil {
		if err := f.spoil(req, &s); err != nil {
			return providers.PromptScore{}, err
		}
	}
	return s, nil
}

// start moves an offset inside a character to where that one begins, or the next.
func start(s string, at int, next bool) int {
	for at < len(s) && !utf8.RuneStart(s[at]) {
		if next {
			at++
		} else {
			at--
		}
	}
	return at
}

// viaJSON is what becomes of s on the wire: U+FFFD for each stray byte.
func viaJSON(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// made is how many calls were made.
func (f *fake) made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func (f *fake) counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := make(map[string]int)
	for _, c := range f.calls {
		n[c.Tag.Call]++
	}
	return n
}

func newForcer(t testing.TB, s PromptScorer) *Forcer {
	t.Helper()
	f, err := New(Config{Scorer: s})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func policy(template string) offpolicy.Policy {
	return offpolicy.Policy{
		Name: "p0", Model: "scout", Template: template,
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 64},
	}
}

func prompt(text string) dataset.Prompt { return dataset.Prompt{ID: "q1", Text: text} }

func tag() providers.Tag {
	return providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: "p0"}}
}
