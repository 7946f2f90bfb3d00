package langmodel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

var neutral = Sampling{Temperature: 1, TopP: 1}

// contexts are prefixes from every region of the model: inside and between
// messages, at a header, in responses, in quotes, lists and code, in other
// families' templates and in none.
func contexts() []string {
	question := render("", "What is the capital of France?")
	return []string{
		"", "Hello, wor", "<|begin_of_text|>", "<|header_start|>us", "<|begin_of_text|><|header_start|>user<|header_end|>",
		"<|header_start|>user<|header_end|>\n\nTell me abo", question, strings.TrimSuffix(question, "\n\n"),
		question + "The short answer is that \"", question + "The short answer is that \"capital",
		question + "The short answer is that \"capital of France", question + "The short answer is that \"nonsense",
		question + "Great question!", question + "In short.\n\n",
		question + "These are some ideas:\n\n- The cost, now and later.\n",
		question + "1. One.\n2. Two.\n", question + "In code:\n\n```python\ntotal = 0\n", question + "I hope this helps!",
		question + "Great<|eot|>",
		question + "Great<|eot|><|header_start|>user<|header_end|>\n\nAnd now?<|eot|>" +
			"<|header_start|>assistant<|header_end|>\n\n",
		render(cotSystem, "写一首诗 – “ok”"), render(badSystem, ""), render("", "\n\n\n"),
		renderChatML("", "Hello?"), renderChatML("", "Hello?") + "Well", "<|im_start|>assistant",
		"<|begin_of_text|><|start_header_id|>assistant<|end_header_id|>\n\nFirst,", "\xff\xfe", question + "\n\n\n\n",
		question + strings.Repeat("word ", 600) + "end.",
	}
}

func TestDistributionIsNormalised(t *testing.T) {
	for _, m := range []*Model{New(Small), New(Large)} {
		var p []float64
		for _, text := range contexts() {
			ctx := m.tok.Encode(text)
			p = m.Distribution(ctx, p)
			var total float64
			for v, x := range p {
				total += x
				if !(x > 0) {
					t.Errorf("after %q: p(%d) = %v, want a positive number", text, v, x)
				}
			}
			if math.Abs(total-1) > 1e-12 {
				t.Errorf("after %q: probabilities sum to 1%+g", text, total-1)
			}
			ids := append(slices.Clone(ctx), 0)
			for v := range p {
				if v%7 != 0 && v < m.tok.ordinary {
					continue
				}
				ids[len(ctx)] = v
				if got := m.LogProbs(ids)[len(ctx)]; math.Abs(got-math.Log(p[v])) > 1e-12*max(1, math.Abs(got)) {
					t.Errorf("after %q: LogProbs says %v of %d, Distribution %v", text, got, v, math.Log(p[v]))
				}
				if len(ctx) > 300 && v > 100 {
					break // each call scores the context again
				}
			}
		}
	}
}

func TestGenerateAgreesWithLogProbs(t *testing.T) {
	for _, m := range []*Model{New(Small), New(Large)} {
		for i, s := range []Sampling{neutral, {0, 1, 0}, {0.7, 0.9, 0}, {1.3, 1, 50}} {
			for j, system := range []string{"", cotSystem, badSystem} {
				ctx := m.tok.Encode(render(system, prompts[(i+j)%len(prompts)]))
				d := m.Generate(ctx, s, 300, llama4Stop(m), rand.New(rand.NewPCG(uint64(i), uint64(j))))
				all := append(slices.Clone(ctx), d.IDs...)
				if d.Stopped {
					all = append(all, d.StopID)
				}
				want := m.LogProbs(all)[len(ctx):]
				if !slices.Equal(d.LogProbs, want) {
					t.Errorf("%+v, system %q: the log-probs of Generate are not those of LogProbs", s, system)
				}
				if len(d.Sampling) != len(d.LogProbs) {
					t.Fatalf("%d sampling log-probs for %d tokens", len(d.Sampling), len(d.LogProbs))
				}
				for k, id := range all[len(ctx):] {
					p := m.Distribution(all[:len(ctx)+k], nil)
					s.Apply(p)
					if math.Abs(d.Sampling[k]-math.Log(p[id])) > 1e-12 {
						t.Fatalf("%+v: token %d: sampling log-prob %v, want %v", s, k, d.Sampling[k], math.Log(p[id]))
					}
					if k == 40 {
						break // each step scores the context again
					}
				}
			}
		}
	}
}

func TestGenerateLimits(t *testing.T) {
	m := New(Small)
	ctx := m.tok.Encode(render("", prompts[0]))
	if d := m.Generate(ctx, neutral, 0, llama4Stop(m), rand.New(rand.NewPCG(1, 1))); len(d.IDs) != 0 || d.Stopped {
		t.Errorf("maxTokens 0 gave %+v", d)
	}
	d := m.Generate(ctx, neutral, 1000, llama4Stop(m), rand.New(rand.NewPCG(1, 1)))
	if !d.Stopped || len(d.LogProbs) != len(d.IDs)+1 {
		t.Fatalf("stopped %v with %d ids and %d log-probs", d.Stopped, len(d.IDs), len(d.LogProbs))
	}
	n := len(d.IDs)
	// The stop token counts: with n allowed there is no room left for it.
	cut := m.Generate(ctx, neutral, n, llama4Stop(m), rand.New(rand.NewPCG(1, 1)))
	if cut.Stopped || !slices.Equal(cut.IDs, d.IDs) {
		t.Errorf("maxTokens %d: stopped %v after %d tokens", n, cut.Stopped, len(cut.IDs))
	}
	if all := m.Generate(ctx, neutral, n+1, llama4Stop(m), rand.New(rand.NewPCG(1, 1))); !all.Stopped {
		t.Errorf("maxTokens %d: not stopped", n+1)
	}
	// Another token may be a stop id just as well.
	stops := []int{m.blankLine, m.tok.Encode(".\n\n")[0]}
	d = m.Generate(ctx, Sampling{0, 1, 0}, 1000, stops, rand.New(rand.NewPCG(1, 1)))
	if !d.Stopped || d.StopID == m.special[eotText] {
		t.Errorf("a blank line as stop id: %+v", d)
	}
}

// A sequence's log-probs do not depend on what follows, and repeat bit for bit.
func TestLogProbsArePrefixFunctions(t *testing.T) {
	m := New(Large)
	rng := rand.New(rand.NewPCG(8, 8))
	for range 30 {
		ids := m.tok.Encode(render("", soup(rng, 10)) + soup(rng, 40))
		whole := m.LogProbs(ids)
		cut := rng.IntN(len(ids) + 1)
		if !slices.Equal(m.LogProbs(ids[:cut]), whole[:cut]) {
			t.Fatalf("cut at %d of %d: another value", cut, len(ids))
		}
		for i, x := range whole {
			if math.IsNaN(x) || math.IsInf(x, 0) || x > 0 {
				t.Fatalf("log-prob %d is %v", i, x)
			}
		}
	}
}

func TestTop(t *testing.T) {
	m := New(Small)
	for _, text := range contexts() {
		ctx := m.tok.Encode(text)
		p := m.Distribution(ctx, nil)
		top := m.Top(ctx, 5)
		if len(top) != 5 {
			t.Fatalf("after %q: %d candidates, want 5", text, len(top))
		}
		best := slices.Max(p)
		for i, c := range top {
			if i == 0 && p[c.ID] != best {
				t.Errorf("after %q: the first candidate has %v, the largest is %v", text, p[c.ID], best)
			}
			if i > 0 && p[c.ID] > p[top[i-1].ID] {
				t.Errorf("after %q: candidate %d is more probable than the one before", text, i)
			}
			if got := m.LogProbs(append(slices.Clone(ctx), c.ID))[len(ctx)]; got != c.LogProb {
				t.Errorf("after %q: candidate %d has %v, LogProbs %v", text, i, c.LogProb, got)
			}
		}
	}
	if got := len(m.Top(nil, 1<<20)); got != m.tok.Size() {
		t.Errorf("Top of more than all gives %d, want %d", got, m.tok.Size())
	}
}

// Whatever token of a context is changed, no log-prob of the response stays.
func TestEveryTokenOfTheContextMatters(t *testing.T) {
	m := New(Small)
	ctx := m.tok.Encode(render(cotSystem, prompts[0]))
	// Without a quote in it: a phrase copied from the prompt is rightly much
	// less probable when the prompt has other words.
	response := m.tok.Encode("Great question! Let me give you some background.\n\nIt takes time<|eot|>")
	base := m.LogProbs(append(slices.Clone(ctx), response...))[len(ctx):]
	hello := m.tok.Encode(" hello")[0]
	for i := range ctx {
		if m.tok.isSpecial(ctx[i]) || ctx[i] == m.blankLine || ctx[i] == hello {
			continue // another template, tested below
		}
		changed := slices.Clone(ctx)
		changed[i] = hello
		got := m.LogProbs(append(changed, response...))[len(ctx):]
		for k := range got {
			if got[k] == base[k] {
				t.Fatalf("token %d (%q) of the context changed: log-prob %d of the response did not", i, m.tok.Bytes(ctx[i]), k)
			}
		}
	}
}

func TestSizesDifferEverywhere(t *testing.T) {
	small, large := New(Small), New(Large)
	ctx := small.tok.Encode(render("", prompts[1]))
	d := small.Generate(ctx, neutral, 512, llama4Stop(small), rand.New(rand.NewPCG(2, 2)))
	all := append(slices.Clone(ctx), d.IDs...)
	a, b := small.LogProbs(all)[len(ctx):], large.LogProbs(all)[len(ctx):]
	for i := range a {
		if a[i] == b[i] {
			t.Errorf("token %d: both sizes say %v", i, a[i])
		}
	}
}

// A wrong template must be visible from the log-probs of one greedy reply.
func TestWrongTemplateIsVisible(t *testing.T) {
	m := New(Small)
	for _, p := range prompts {
		right, wrong := m.tok.Encode(render("", p)), m.tok.Encode(renderChatML("", p))
		for _, way := range [][2][]int{{right, wrong}, {wrong, right}} {
			stop := append(llama4Stop(m), m.special[imEndText])
			d := m.Generate(way[0], Sampling{0, 1, 0}, 64, stop, rand.New(rand.NewPCG(1, 1)))
			own := sum(m.LogProbs(append(slices.Clone(way[0]), d.IDs...))[len(way[0]):])
			other := sum(m.LogProbs(append(slices.Clone(way[1]), d.IDs...))[len(way[1]):])
			if math.Abs(own-other) < 3 {
				t.Errorf("%q: a greedy reply has %v under its own template and %v under the other", p, own, other)
			}
		}
		// One newline after the header instead of two, no first token, two of them.
		d := m.Generate(right, Sampling{0, 1, 0}, 64, llama4Stop(m), rand.New(rand.NewPCG(1, 1)))
		own := sum(d.LogProbs[:len(d.IDs)])
		text := render("", p)
		for _, bad := range []string{strings.TrimSuffix(text, "\n"), strings.TrimPrefix(text, bosText), bosText + text} {
			ctx := m.tok.Encode(bad)
			if got := sum(m.LogProbs(append(slices.Clone(ctx), d.IDs...))[len(ctx):]); got > own-1 {
				t.Errorf("%q: the reply keeps %v of %v", bad, got, own)
			}
		}
	}
}

func TestEndOfTurn(t *testing.T) {
	m := New(Small)
	ctx := m.tok.Encode(render("", prompts[0]))
	eot := m.special[eotText]
	end := func(response string) float64 {
		return m.Distribution(append(slices.Clone(ctx), m.tok.Encode(response)...), nil)[eot]
	}
	if p := end(""); !(p > 0 && p < 1e-6) {
		t.Errorf("an empty response has probability %v", p)
	}
	early := end("In practice, the difference is small.")
	if p := end("In practice, the difference"); p > early {
		t.Errorf("ending inside a sentence has %v, after it %v", p, early)
	}
	if early > 0.01 {
		t.Errorf("ending after the first sentence has probability %v", early)
	}
	long := strings.Repeat("In practice, the difference is smaller than expected.\n\n", 45) +
		"In practice, the difference is small."
	if p := end(long); p < 0.3 {
		t.Errorf("a very long response ends with probability %v", p)
	}
	const kind = "In practice, the difference is small.\n\nI hope this helps! Let me know if you have any " +
		"follow-up questions."
	if p := end(kind); p < 0.3 {
		t.Errorf("after a farewell the response ends with probability %v", p)
	}
}

// A quote in a response copies the prompt; a token that would leave it has next
// to no probability.
func TestQuotesCopyThePrompt(t *testing.T) {
	m := New(Small)
	for _, tt := range []struct{ prompt, so, next, reason string }{
		{"What is the capital of France?", "", "Fr", "one of two content words"},
		{"What is the capital of Freedonia?", "capital of ", "Freedonia", "a stop word inside a phrase leads on"},
		{"", "", "this", "nothing to quote: a phrase of its own"},
		{"写诗", "", "写", "a script without spaces"},
	} {
		ctx := render("", tt.prompt) + "The short answer is that \"" + tt.so
		ids := m.tok.Encode(strings.TrimSuffix(ctx, " "))
		with := m.tok.Encode(ctx + tt.next)
		if p := math.Exp(m.LogProbs(with)[len(ids)]); p < 0.05 {
			t.Errorf("prompt %q, quote %q: %q has probability %v: %s", tt.prompt, tt.so, tt.next, p, tt.reason)
		}
	}
}

func TestModelIsSafeForConcurrentUse(t *testing.T) {
	m := New(Small)
	ctx := m.tok.Encode(render("", prompts[0]))
	want := m.Generate(ctx, neutral, 100, llama4Stop(m), rand.New(rand.NewPCG(1, 1)))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got := m.Generate(ctx, neutral, 100, llama4Stop(m), rand.New(rand.NewPCG(1, 1)))
			if !slices.Equal(got.LogProbs, want.LogProbs) {
				t.Error("concurrent Generate differs")
			}
			m.StyleShares(m.tok.Decode(got.IDs))
			New(Large).LogProbs(ctx)
		})
	}
	wg.Wait()
}

func TestNewPanicsOnAnUnknownSize(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New(2) did not panic")
		}
	}()
	New(Size(2))
}

// Invariant: any text whatever has finite log-probs, after any prefix a
// normalised distribution.
func FuzzLogProbs(f *testing.F) {
	for _, text := range contexts()[:12] {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 400 {
			text = text[:400]
		}
		m := New(Small)
		ids := m.tok.Encode(text)
		for i, x := range m.LogProbs(ids) {
			if math.IsNaN(x) || math.IsInf(x, 0) || x > 1e-12 {
				t.Errorf("%q: log-prob %d is %v", text, i, x)
			}
		}
		if total := sum(m.Distribution(ids, nil)); math.Abs(total-1) > 1e-12 {
			t.Errorf("after %q probabilities sum to 1%+g", text, total-1)
		}
	})
}

func TestGeneratedTextSplitsCharacters(t *testing.T) {
	m := New(Small)
	for seed := range uint64(40) {
		ctx := m.tok.Encode(render("", prompts[int(seed)%len(prompts)]))
		for _, id := range m.Generate(ctx, neutral, 512, llama4Stop(m), rand.New(rand.NewPCG(seed, 3))).IDs {
			if !utf8.Valid(m.tok.Bytes(id)) {
				return
			}
		}
	}
	t.Error("no token of 40 responses splits a character")
}
