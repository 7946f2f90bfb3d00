package providers

import (
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"
)

// written is one entry as a server means it.
type written struct {
	text    string
	logprob any // float64 or nil
	id      any
	offset  any
}

// FuzzLogProbs writes one list of entries in both formats, as different servers
// would, and reads them back. Invariant: every entry has the value that was
// written for it and no other's; null, what is absent, and the -9999 that stands
// for -Inf are NaN, never 0; unknown ids and offsets are -1.
func FuzzLogProbs(f *testing.F) {
	f.Add("Hi there", []byte{0, 1, 2, 3, 250, 17, 99})
	f.Add("日本", []byte{4, 4, 4, 4})
	f.Add("", []byte{})
	f.Add("a\"\\\u2028b", []byte{7, 8, 129, 64, 31})
	f.Fuzz(func(t *testing.T, text string, choices []byte) {
		if !utf8.ValidString(text) || len(choices) > 200 {
			t.Skip()
		}
		var entries []written
		for i, c := range choices {
			e := written{text: text[:min(len(text), i%7)], logprob: -float64(c) / 8, id: int(c), offset: i}
			if !utf8.ValidString(e.text) {
				e.text = text
			}
			switch c % 5 {
			case 1:
				e.logprob = nil
			case 2:
				e.logprob = -9999.0
			case 3:
				e.id, e.offset = nil, nil
			}
			entries = append(entries, e)
		}
		check := func(format string, body []byte, some bool) {
			t.Helper()
			tokens, err := read(body, func(r *reader) []Token { return r.logprobs(want{most: 1000}) })
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if len(tokens) != len(entries) {
				t.Fatalf("%s: %d tokens of %d", format, len(tokens), len(entries))
			}
			for i, e := range entries {
				got := tokens[i]
				want, isNumber := e.logprob.(float64)
				if !isNumber || want == -9999 {
					want = math.NaN()
				}
				if !got.LogProb.Valid() != math.IsNaN(want) || !math.IsNaN(want) && got.LogProb.OrNaN() != want {
					t.Fatalf("%s: entry %d has %v, written was %v", format, i, got.LogProb.OrNaN(), e.logprob)
				}
				id, offset := -1, -1
				if v, ok := e.id.(int); ok && some {
					id, offset = v, e.offset.(int)
				}
				if got.ID != id || got.Offset != offset || got.Text != e.text {
					t.Fatalf("%s: entry %d is %+v, written was %+v", format, i, got, e)
				}
			}
		}
		for _, some := range []bool{true, false} { // ids and offsets given or not
			content := []map[string]any{}
			legacy := map[string]any{"tokens": []string{}, "token_logprobs": []any{}}
			var tokens []string
			var values, ids, offsets []any
			for _, e := range entries {
				entry := map[string]any{"token": e.text}
				if e.logprob != nil || some {
					entry["logprob"] = e.logprob // absent and null are one
				}
				if some {
					entry["token_id"], entry["text_offset"] = e.id, e.offset
				}
				content = append(content, entry)
				tokens, values, ids, offsets = append(tokens, e.text), append(values, e.logprob), append(ids, e.id),
					append(offsets, e.offset)
			}
			if len(entries) > 0 {
				legacy["tokens"], legacy["token_logprobs"] = tokens, values
				if some {
					legacy["token_ids"], legacy["text_offset"] = ids, offsets
				}
			}
			for format, v := range map[string]any{"content": map[string]any{"content": content}, "legacy": legacy} {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				check(format, b, some)
			}
		}
	})
}
