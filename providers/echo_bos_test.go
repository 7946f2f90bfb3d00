package providers

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// TestReinstateBOS: the tokens that the echo left out are put back where the
// text has them, and nowhere by guess.
func TestReinstateBOS(t *testing.T) {
	tokens := func(texts ...string) []Token {
		out := make([]Token, len(texts))
		for i, s := range texts {
			out[i] = Token{Text: s, ID: -1, Offset: -1, LogProb: dataset.Known(-float64(i + 1))}
		}
		return out
	}
	const bos = "<|im_start|>"
	for _, c := range []struct {
		name   string
		prompt string
		tokens []Token
		want   string // texts, separated by |; "" is an error
		reason string
	}{
		{"two turns", bos + "user\nHi<|im_end|>\n" + bos + "assistant\nHello", tokens("user", "\n", "Hi", "", "\n", "ass",
			"istant", "\n", "Hello"),
			bos + "|user|\n|Hi||\n|" + bos + "|ass|istant|\n|Hello", "another special token shows as nothing"},
		{"pieces of a character", bos + "日x" + bos + "y", tokens("", "", "x", "y"), bos + "|||x|" + bos + "|y",
			"so do pieces of characters"},
		{"another text", bos + "user\nHi", tokens("user", "\n", "Ho"), "", "the entries do not spell the parts"},
		{"one too many", bos + "a" + bos + "b", tokens("a", "b", "c"), "", "an entry belongs to no part"},
		{"two ways", bos + "a" + "日" + bos + "日b", tokens("a", "", "", "b"), "", "whose a piece is cannot be told"},
	} {
		got, err := reinstateBOS(c.tokens, c.prompt, bos)
		var texts []string
		for _, tok := range got {
			texts = append(texts, tok.Text)
			if (tok.Text == bos) != !tok.LogProb.Valid() {
				t.Errorf("%s: %q has log-prob %v", c.name, tok.Text, tok.LogProb.OrNaN())
			}
		}
		if joined := strings.Join(texts, "|"); joined != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q: %s", c.name, joined, err, c.want, c.reason)
		}
	}
	u := &Usage{PromptTokens: 6, CompletionTokens: 1}
	if got, err := echoWithoutBOS(tokens("a", "b", "c", "d", "new"), bos+"ab"+bos+"cd", bos, u); err != nil ||
		len(got) != 6 {
		t.Errorf("%v, %v: want the six tokens of the prompt", got, err)
	}
	if _, err := echoWithoutBOS(tokens("a", "b", "c", "d", "new"), "ab"+bos+"cd", bos,
		&Usage{PromptTokens: 5, CompletionTokens: 1}); err == nil {
		t.Error("a text that does not begin with BOS gets every value of the next token")
	}
}
