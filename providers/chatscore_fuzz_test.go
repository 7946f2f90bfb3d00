package providers

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
	"unicode/utf8"
)

// FuzzPromptLogProbs writes a list of positions as vLLM does, with alternatives
// before and behind the token that stands there, and reads it back. Invariant:
// every position has the id, text and value that were written for its token and
// never an alternative's; null, what is absent and -9999 are NaN, never 0; and
// where ids are not told, a position with alternatives is an error.
func FuzzPromptLogProbs(f *testing.F) {
	f.Add("Hi there", []byte{0, 1, 2, 3, 250, 17, 99})
	f.Add("日本", []byte{4, 4, 4, 4})
	f.Add("", []byte{})
	f.Add("a\"\\\u2028b", []byte{7, 8, 129, 64, 31})
	f.Fuzz(func(t *testing.T, text string, choices []byte) {
		if !utf8.ValidString(text) || len(choices) > 200 {
			t.Skip()
		}
		type entry struct {
			LogProb any    `json:"logprob,omitempty"`
			Rank    int    `json:"rank"`
			Decoded string `json:"decoded_token"`
		}
		var list []map[string]entry
		var ids []int
		var want []float64
		alternatives := false
		for i, c := range choices {
			id, v := int(c)+300*(i%3), -float64(c)/8
			p := map[string]entry{}
			switch e := (entry{v, i, text}); c % 6 {
			case 0:
				p, v = nil, math.NaN()
			case 1:
				e.LogProb, v = -9999.0, math.NaN()
				p[strconv.Itoa(id)] = e
			case 2:
				e.LogProb, v = nil, math.NaN()
				p[strconv.Itoa(id)] = e
			case 3:
				p[strconv.Itoa(id)] = e
				p[strconv.Itoa(id+1)] = entry{-0.125, 1, "likelier"}
				p[strconv.Itoa(id+7)] = entry{0.0, 2, ""}
				alternatives = true
			default:
				p[strconv.Itoa(id)] = e
			}
			list, ids, want = append(list, p), append(ids, id), append(want, v)
		}
		raw, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		check := func(known []int) {
			tokens, err := conversation(raw, known)
			if known == nil && alternatives {
				if err == nil {
					t.Fatal("a position with alternatives was read without ids")
				}
				return
			}
			if err != nil || len(tokens) != len(list) {
				t.Fatalf("%d tokens of %d: %v", len(tokens), len(list), err)
			}
			for i, tok := range tokens {
				id, shown := ids[i], text
				if list[i] == nil {
					shown = ""
					if known == nil {
						id = -1
					}
				}
				if !tok.LogProb.Valid() != math.IsNaN(want[i]) || !math.IsNaN(want[i]) && tok.LogProb.OrNaN() != want[i] ||
					tok.ID != id || tok.Text != shown {
					t.Fatalf("position %d is %+v, written was id %d, %v, %q", i, tok, ids[i], want[i], shown)
				}
			}
		}
		if len(list) > 0 {
			check(ids)
		}
		check(nil)
		for i := range ids { // an id that has no entry
			if list[i] == nil {
				continue
			}
			other := append([]int(nil), ids...)
			other[i] += 5
			if _, err := conversation(raw, other); err == nil {
				t.Fatalf("position %d was read as of another token", i)
			}
		}
	})
}

func conversation(raw []byte, ids []int) ([]Token, error) {
	list, err := read(raw, func(r *reader) []position { return r.positions(want{most: 1000}) })
	if err != nil {
		return nil, err
	}
	return standing(list, ids)
}
