package providers

import "testing"

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		reason string
		tokens []string
		prompt string
		want   bool
	}{
		{"the text alone", []string{"Hi", " there"}, "Hi there", true},
		{"behind a token of the server's", []string{"<s>", "Hi", " there"}, "Hi there", true},
		{"behind two", []string{"[gMASK]", "<sop>", "Hi"}, "Hi", true},
		{"behind a sentence", []string{"You", " are", " kind", "Hi"}, "Hi", false},
		{"before what was generated", []string{"Hi", " there", "!", " Hi"}, "Hi there", true},
		{"twice its own token, as where a template has one too", []string{"<s>", "<s>", "Hi"}, "<s>Hi", true},
		{"a space that the tokenizer adds", []string{"<s>", " Hi", " there"}, "Hi there", true},
		{"a character in four tokens", []string{"<s>", "\ufffd", "\ufffd", "\ufffd", "\ufffd", " hi"}, "🙂 hi", true},
		{"the same, shown as nothing", []string{"<s>", "", "", "", "", " hi"}, "🙂 hi", true},
		{"nothing in ASCII", []string{"<s>", "\ufffd", "\ufffd"}, "你", true},
		{"pieces that repeat what precedes them", []string{"Hi", "Hi there"}, "Hi there", false},
		{"from their BOS on", []string{"<s>", "<s>Hi", "<s>Hi there"}, "Hi there", false},
		{"by character", []string{"H", "Hi", "Hi ", "Hi t"}, "Hi t", false},
		{"another text", []string{"Ho", " there"}, "Hi there", false},
		{"half of it", []string{" there"}, "Hi there", false},
		{"no tokens", nil, "Hi", false},
	} {
		var tokens []Token
		for _, s := range c.tokens {
			tokens = append(tokens, Token{Text: s})
		}
		if got := covers(tokens, spell(tokens), c.prompt); got != c.want {
			t.Errorf("%s: %q in %q: %v", c.reason, c.prompt, c.tokens, got)
		}
	}
}
