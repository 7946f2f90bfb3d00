package teacherforce

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// chunks make texts whose seams fall everywhere: inside words, inside runs of
// newlines and spaces, before and after characters of one to four bytes, some of
// which no merge was learned for.
var chunks = []string{
	"the harbour", " wakes", " before", " the town", "hel", "lo", " and", ".", ", ", "\n", "\n\n", "\n\n\n", " ", "  ", "\t",
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
	template string
	prompt   string
	response Response
	want     float64
	// plain says that the joint text's own tokens are the ones asked for: every
	// method that reads text has to answer then.
	plain bool
}

func (c pairCase) String() string {
	return fmt.Sprintf("%s context %q, response %q ids %v ended %v", c.template, c.prompt, c.response.Text, c.response.TokenIDs, c.response.Ended)
}

func randomCase(rng *rand.Rand, f *Forcer) pairCase {
	c := pairCase{template: []string{"raw", "raw", "llama4", "chatml"}[rng.IntN(4)], prompt: someText(rng, 1, 8)}
	ids := []int{}
	if rng.IntN(12) > 0 {
		text := someText(rng, 1, 10)
		if rng.IntN(3) == 0 {
			text = []string{"\n", "\n\n", " ", "é", "日"}[rng.IntN(5)] + text
		}
		if rng.IntN(15) == 0 {
			text += "<|eot|>" + someText(rng, 0, 2)
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
	c.response = Response{Text: viaJSON(tok.Decode(ids)), Ended: rng.IntN(2) == 0, Model: "scout"}
	if sampled > 0 {
		c.response.TokenIDs = ids
	} else {
		ids = tok.EncodeOrdinary(c.response.Text)
	}

	context, err := f.Render(policy(c.template), prompt(c.prompt))
	if err != nil {
		panic(err)
	}
	asked := slices.Clone(ids)
	joint := context + c.response.Text
	if tpl := f.templates[c.template]; c.response.Ended && tpl.EndOfTurn() != "" {
		eot, _ := tok.Special(tpl.EndOfTurn())
		asked = append(asked, eot)
		joint += tpl.EndOfTurn()
	}
	ctx := tok.Encode(context)
	c.want = exactAfter("scout", ctx, asked)
	c.plain = slices.Equal(tok.Encode(joint), slices.Concat(ctx, asked))
	return c
}

// TestExact is the law of the package: on random pairs, a method that answers
// gives the model's exact log-prob of the tokens asked for, and one that does
// not says why. Truth is computed from the tokenizer and the model alone.
func TestExact(t *testing.T) {
	servers := []struct {
		name string
		fake *fake
		ids  bool // the server gives ids
	}{
		{"everything", &fake{}, true},
		{"no ids accepted", &fake{noPromptIDs: true}, true},
		{"ids without bytes", &fake{noBytes: true}, true},
		{"bytes without ids", &fake{noIDs: true}, false},
		{"text alone", &fake{noIDs: true, noBytes: true}, false},
		{"vocabulary entries with character offsets", &fake{noBytes: true, noText: true, offset: "chars"}, true},
		{"vocabulary entries with offsets of the next character", &fake{noBytes: true, noText: true, offset: "next"}, true},
		{"vocabulary entries with byte offsets, no ids", &fake{noIDs: true, noBytes: true, noText: true, offset: "bytes"}, false},
	}
	const pairs = 2000
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			f := newForcer(t, s.fake)
			rng := rand.New(rand.NewPCG(1, 7))
			answered, reasons := map[string]int{}, map[Reason]int{}
			plain, refusedPlain := 0, 0
			for range pairs {
				c := randomCase(rng, f)
				p := policy(c.template)
				res, err := f.Score(t.Context(), tag(), p, prompt(c.prompt), c.response)
				methods := res.Methods
				if err != nil {
					var e *Error
					if !errors.As(err, &e) {
						t.Fatalf("%s: %v is not an *Error", c, err)
					}
					if e.Class == ClassEmpty {
						if c.response.Text != "" || c.response.Ended && p.Template != "raw" {
							t.Fatalf("%s: %v", c, err)
						}
						answered["empty"]++
						continue
					}
					methods = e.Methods
				}
				if c.plain {
					plain++
				}
				for name, m := range methods {
					if m.Status != OK {
						reasons[m.Reason]++
						if c.plain && name != MethodTokenIDs && c.response.TokenIDs != nil {
							refusedPlain++
						}
						if m.Reason != ReasonSeam && m.Reason != ReasonRetokenised && m.Reason != ReasonUnsupported {
							t.Fatalf("%s: %s says %q", c, name, m.Reason)
						}
						continue
					}
					answered[name]++
					// Without ids from the server the text methods cannot see that
					// it reads the response otherwise than it was sampled.
					if !s.ids && !c.plain && slices.Contains(res.Flags, FlagIDsUnverified) {
						continue
					}
					if math.Abs(m.LogProb-c.want) > 1e-9 {
						t.Fatalf("%s: %s says %v, truth is %v", c, name, m.LogProb, c.want)
					}
				}
				if err == nil && (res.Tokens != len(res.TokenLogProbs) || res.Tokens == 0) {
					t.Fatalf("%s: %d tokens and %d log-probs", c, res.Tokens, len(res.TokenLogProbs))
				}
			}
			t.Logf("answered %v, reasons %v, plain %d of %d, refused although plain %d", answered, reasons, plain, pairs, refusedPlain)
			for _, name := range []string{MethodTokenCounting, MethodEchoBased, MethodContinuation} {
				if answered[name] < pairs/5 {
					t.Errorf("%s answered %d of %d pairs", name, answered[name], pairs)
				}
			}
			if s.ids && answered[MethodTokenIDs] < pairs/4 {
				t.Errorf("token_ids answered %d of %d pairs", answered[MethodTokenIDs], pairs)
			}
			for _, r := range []Reason{ReasonSeam, ReasonRetokenised, ReasonUnsupported} {
				if reasons[r] < pairs/20 {
					t.Errorf("reason %s occurred %d times", r, reasons[r])
				}
			}
			if answered["empty"] == 0 {
				t.Error("no empty response among the pairs")
			}
			if exactPlaces := !s.fake.noText && (!s.fake.noBytes); exactPlaces && refusedPlain > 0 {
				t.Errorf("methods refused %d times although the echo's tokens were those asked for", refusedPlain)
			}
		})
	}
}
