package providers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
)

// missingLogProb stands for "no value" in some servers' numbers: OpenAI reports
// it for a token outside the top 20, and vLLM clamps -Inf to it. Neither is a
// log-probability, so it becomes NaN, like null: a sum that meets it is
// missing too, where -9999 would pass for an unlikely text.
const missingLogProb = -9999

// logProb is a log-prob as servers write it: absent, null, a number or the
// sentinel.
func logProb(v *float64) float64 {
	if v == nil || *v == missingLogProb {
		return math.NaN()
	}
	return *v
}

// orNone is a count or id that may be absent or null: then it is -1.
func orNone(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

// wireIDs is a list of token ids. encoding/json would read null as id 0.
type wireIDs []int

func (w *wireIDs) UnmarshalJSON(b []byte) error {
	var list []*int
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("token ids: %w", err)
	}
	if list == nil {
		*w = nil
		return nil
	}
	ids := make([]int, len(list))
	for i, id := range list {
		if id == nil || *id < 0 {
			return fmt.Errorf("token id %d is missing or negative", i)
		}
		ids[i] = *id
	}
	*w = ids
	return nil
}

// wireBytes is a token's bytes as a list of numbers. encoding/json would take
// a []byte for base64.
type wireBytes []byte

// UnmarshalJSON reads b, which is valid JSON, by hand: there is a list for every
// token of every reply.
func (w *wireBytes) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*w = nil
		return nil
	}
	list := make([]byte, 0, 1+bytes.Count(b, []byte(",")))
	if b[0] != '[' {
		return fmt.Errorf("bytes: want a list")
	}
	for n, digits, i := 0, 0, 1; i < len(b); i++ {
		switch c := b[i]; {
		case c >= '0' && c <= '9' && n <= 255:
			n, digits = 10*n+int(c-'0'), digits+1
		case (c == ',' || c == ']') && digits > 0 && n <= 255:
			list = append(list, byte(n))
			n, digits = 0, 0
		case c == ' ', c == '\t', c == '\n', c == '\r', c == ']' && digits == 0 && len(list) == 0:
		default:
			return fmt.Errorf("bytes[%d]: want 0 to 255", len(list))
		}
	}
	*w = list
	return nil
}

// wireLogProbs holds both formats: "content" (OpenAI's chat, Fireworks's new
// one) and parallel arrays (the old completions format; vLLM's, with null for
// the first echoed token).
type wireLogProbs struct {
	Content []wireToken `json:"content"`

	Tokens        []*string             `json:"tokens"`
	TokenLogProbs []*float64            `json:"token_logprobs"`
	TopLogProbs   []map[string]*float64 `json:"top_logprobs"`
	TextOffset    []*int                `json:"text_offset"`
	TokenIDs      []*int                `json:"token_ids"`
}

type wireToken struct {
	wireAlternative
	Sampling   *float64          `json:"sampling_logprob"`
	TextOffset *int              `json:"text_offset"`
	TokenID    *int              `json:"token_id"`
	ID         json.RawMessage   `json:"id"` // llama.cpp's token_id; whatever others write there is ignored
	Top        []wireAlternative `json:"top_logprobs"`
}

type wireAlternative struct {
	Token   string    `json:"token"`
	Bytes   wireBytes `json:"bytes"`
	LogProb *float64  `json:"logprob"`
}

// tokens returns the entries of whichever format is there, nil where none is.
// Arrays whose lengths disagree are an error: no entry of them could be
// trusted to be about its token.
func (w *wireLogProbs) tokens() ([]Token, error) {
	switch {
	case w == nil:
		return nil, nil
	case w.Content != nil:
		out := make([]Token, len(w.Content))
		for i, t := range w.Content {
			if t.TokenID == nil && len(t.ID) > 0 {
				if id, err := strconv.Atoi(string(t.ID)); err == nil {
					t.TokenID = &id
				}
			}
			out[i] = Token{
				Text: t.Token, Bytes: t.Bytes, ID: orNone(t.TokenID), Offset: orNone(t.TextOffset),
				LogProb: dataset.Known(logProb(t.LogProb)), Sampling: dataset.Known(logProb(t.Sampling)),
			}
			for _, a := range t.Top {
				out[i].Top = append(out[i].Top, Alternative{a.Token, a.Bytes, dataset.Known(logProb(a.LogProb))})
			}
		}
		return out, nil
	}
	n := len(w.Tokens)
	if n != len(w.TokenLogProbs) {
		return nil, fmt.Errorf("%d tokens with %d token_logprobs", n, len(w.TokenLogProbs))
	}
	for name, m := range map[string]int{"top_logprobs": len(w.TopLogProbs), "text_offset": len(w.TextOffset), "token_ids": len(w.TokenIDs)} {
		if m != 0 && m != n {
			return nil, fmt.Errorf("%d tokens with %d %s", n, m, name)
		}
	}
	if n == 0 {
		return nil, nil
	}
	out := make([]Token, n)
	for i := range out {
		if w.Tokens[i] == nil {
			return nil, fmt.Errorf("token %d is null", i)
		}
		out[i] = Token{Text: *w.Tokens[i], ID: -1, Offset: -1, LogProb: dataset.Known(logProb(w.TokenLogProbs[i]))}
		if len(w.TokenIDs) > 0 {
			out[i].ID = orNone(w.TokenIDs[i])
		}
		if len(w.TextOffset) > 0 {
			out[i].Offset = orNone(w.TextOffset[i])
		}
		if len(w.TopLogProbs) > 0 {
			out[i].Top = sortedAlternatives(w.TopLogProbs[i])
		}
	}
	return out, nil
}

// sortedAlternatives orders a map, likeliest first and by text between equals,
// because records may not depend on the order in which Go walks it.
func sortedAlternatives(m map[string]*float64) []Alternative {
	var out []Alternative
	for text, lp := range m {
		out = append(out, Alternative{Text: text, LogProb: dataset.Known(logProb(lp))})
	}
	slices.SortFunc(out, func(a, b Alternative) int {
		return cmp.Or(cmp.Compare(b.LogProb.OrNaN(), a.LogProb.OrNaN()), cmp.Compare(a.Text, b.Text))
	})
	return out
}

// spelled is what a token adds to the text: its bytes where they are known.
func (t Token) spelled() []byte {
	if t.Bytes != nil {
		return t.Bytes
	}
	return []byte(t.Text)
}

func spell(tokens []Token) []byte {
	var b []byte
	for _, t := range tokens {
		b = append(b, t.spelled()...)
	}
	return b
}

// fillIDs gives tokens the ids that the reply lists beside them, and reports a
// reply that contradicts itself.
func fillIDs(tokens []Token, ids []int) error {
	for i := range min(len(tokens), len(ids)) {
		switch {
		case tokens[i].ID == -1:
			tokens[i].ID = ids[i]
		case tokens[i].ID != ids[i]:
			return fmt.Errorf("log-prob entry %d is of token %d, but the reply says that token %d stands there", i, tokens[i].ID, ids[i])
		}
	}
	return nil
}

// covers reports whether the entries spell prompt, whatever stands before
// (a BOS token) and behind (generated text). Entries without exact bytes are
// compared in their ASCII characters, because a character that spans two
// tokens shows as U+FFFD in both.
func covers(tokens []Token, prompt string) bool {
	spelled, want := spell(tokens), []byte(prompt)
	if slices.ContainsFunc(tokens, func(t Token) bool { return t.Bytes == nil }) {
		spelled, want = ascii(spelled), ascii(want)
	}
	return bytes.Contains(spelled, want)
}

func ascii(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c < utf8.RuneSelf {
			out = append(out, c)
		}
	}
	return out
}
