package providers

import (
	"bytes"
	"fmt"
	"strings"
)

// reinstateBOS puts a BOS token back at each place where the prompt has its text.
// llama-cpp-python leaves it out of the echo wherever it stands, and with it its
// log-prob, which is not known therefore; every other value is its token's. The
// entries have to be cut into the parts between in one way only.
func reinstateBOS(tokens []Token, prompt, bos string) ([]Token, error) {
	parts := strings.Split(prompt, bos)[1:] // nothing stands before the first
	cuts := make([]int, len(parts))
	ways := 0
	var found []int
	var cut func(part, from int)
	cut = func(part, from int) {
		if part == len(parts) {
			if from == len(tokens) {
				ways++
				found = append([]int(nil), cuts...)
			}
			return
		}
		for to := from; to <= len(tokens) && ways < 2; to++ {
			if spellsAll(tokens[from:to], parts[part]) {
				cuts[part] = to
				cut(part+1, to)
			}
		}
	}
	cut(0, 0)
	if ways != 1 {
		return nil, &echoFault{
			fmt.Sprintf("the echo leaves out %q, and its entries can be cut where it stands in %s ways", bos,
				map[bool]string{true: "no", false: "several"}[ways == 0]),
			"use vLLM or SGLang for this model",
		}
	}
	out := make([]Token, 0, len(tokens)+len(parts))
	from := 0
	for _, to := range found {
		out = append(out, Token{Text: bos, ID: -1, Offset: -1})
		out = append(out, tokens[from:to]...)
		from = to
	}
	return out, nil
}

// spellsAll reports whether the entries spell text from its beginning to its end,
// where an empty entry stands for any text. Only ASCII is compared.
func spellsAll(tokens []Token, text string) bool {
	rest := ascii([]byte(text))
	wild := false
	for _, t := range tokens {
		if t.Text == "" {
			wild = true
			continue
		}
		piece := ascii([]byte(t.Text))
		at := 0
		if wild {
			if at = bytes.Index(rest, piece); at < 0 {
				return false
			}
		}
		if !bytes.HasPrefix(rest[at:], piece) {
			return false
		}
		rest, wild = rest[at+len(piece):], false
	}
	return wild || len(rest) == 0
}
