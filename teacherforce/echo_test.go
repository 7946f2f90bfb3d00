package teacherforce

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

var raw, _ = chat.Lookup("raw")

// pieces makes tokens of which the texts are all that is known.
func pieces(texts ...string) []providers.Token {
	var out []providers.Token
	for _, s := range texts {
		out = append(out, providers.Token{Text: s, ID: -1, Offset: -1})
	}
	return out
}

func TestBoundary(t *testing.T) {
	offsets := func(tokens []providers.Token, at ...int) []providers.Token {
		for i := range tokens {
			tokens[i].Offset = at[i]
		}
		return tokens
	}
	for _, c := range []struct {
		name   string
		sent   string
		tokens []providers.Token
		at     int
		token  int // -1: not certain
		reason string
	}{
		{"between words", "the town", pieces("the", " town"), 3, 1, "texts spell what was sent"},
		{"inside a token", "the town", pieces("the", " town"), 4, -1, "no token begins there"},
		{"after pieces of a character", "日 x", pieces("\uFFFD", "\uFFFD", " x"), 3, 2,
			"what follows the pieces fixes where they end"},
		{"inside a character", "日 x", pieces("\uFFFD", "\uFFFD", " x"), 2, -1, "the cut may be after one byte or two"},
		{"one piece a byte", "éü", pieces("\uFFFD", "\uFFFD", "\uFFFD", "\uFFFD"), 2, 2,
			"four pieces of four bytes have one byte each"},
		{"between characters in pieces", "日本", pieces("\uFFFD", "\uFFFD", "\uFFFD", "\uFFFD"), 3, -1,
			"six bytes in four pieces: any of several tokens may begin there, or none"},
		{"U+FFFD itself", "a\uFFFDb", pieces("a", "\uFFFD", "b"), 4, 2, "a text may hold the character, three bytes long"},
		{"piece with a character", "é日x", pieces("\uFFFD", "\uFFFD日", "x"), 5, 2,
			"a token may end one character and hold the next"},
		{"characters shown late", "日本 x", pieces("", "日", "", "", "本", " x"), 6, 5,
			"what follows the pieces begins where the characters end"},
		{"between characters shown late", "日本 x", pieces("", "日", "", "", "本", " x"), 3, 2,
			"a character is complete where it is shown"},
		{"inside a character shown late", "日 x", pieces("", "日", " x"), 2, -1, "the cut may be after one byte or two"},
		{"shown late, one piece a byte", "日 x", pieces("", "", "日", " x"), 2, 2,
			"three pieces of three bytes have one byte each"},
		{"shown late with what stands before", "a\né", pieces("a", "", "\né"), 3, 2, "only one place is inside a character"},
		{"two characters at once", "日本x", pieces("", "", "日本", "x"), 6, 3,
			"a piece may end one character and begin the next"},
		{"U+FFFD is not shown late, nor at all", "a\uFFFD the", pieces("a", "", "", "", " the"), 4, 4,
			"what follows is not a piece"},
		{"U+FFFD before a character shown late", "a\uFFFDé the", pieces("a", "", "", "é", " the"), 4, -1,
			"the second piece may be all of the first, or the third may"},
		{"U+FFFD at the end", "a\uFFFD", pieces("a", ""), 1, 1, "a token of its own"},
		{"the first character is not shown late", "日本 the", pieces("\uFFFD", "", "", "", "本", " the"), 6, 5,
			"its first piece is shown as a piece"},
		{"inside the first character", "日本 the", pieces("\uFFFD", "", "", "", "本", " the"), 3, -1,
			"the third piece may be the last of it, or the first of the next"},
		{"bytes beat text", "日本", []providers.Token{
			{Text: "\uFFFD", Bytes: []byte("日")[:2]}, {Text: "\uFFFD", Bytes: []byte("日本")[2:4]},
			{Text: "\uFFFD", Bytes: []byte("本")[1:]},
		}, 3, -1, "the middle token holds bytes of both characters"},
		{"opaque entries, byte offsets", "the town", offsets(pieces("#1", "#2"), 0, 3), 3, 1,
			"texts are no help, offsets are"},
		{"opaque entries, characters", "né the town", offsets(pieces("#1", "#2", "#3"), 0, 2, 6), 7, -1,
			"read as bytes a token begins at 6, as characters at 7: not certain"},
		{"opaque entries, past the end in characters", "éé the", offsets(pieces("#1", "#2"), 0, 4), 4, -1,
			"as bytes at 4, as characters at 6"},
		{"opaque entries, two at one place", "ab 日", offsets(pieces("#1", "#2", "#3", "#4"), 0, 2, 3, 3), 3, -1,
			"pieces of one character share its offset"},
		{"opaque entries, bytes only possible", "日日 a", offsets(pieces("#1", "#2"), 0, 6), 6, 1,
			"there are not seven characters"},
	} {
		e := NewEcho(c.sent, providers.PromptScore{Text: c.sent, Tokens: c.tokens}, raw)
		if e.Altered != "" {
			t.Errorf("%s: altered: %s", c.name, e.Altered)
			continue
		}
		if token, _ := e.Boundary(c.at); token != c.token {
			t.Errorf("%s: boundary at byte %d is token %d, want %d: %s", c.name, c.at, token, c.token, c.reason)
		}
	}
}

func TestEchoOfMarkersShownAsNothing(t *testing.T) {
	llama4, _ := chat.Lookup("llama4")
	sent := "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHi<|eot|>"
	e := NewEcho(sent, providers.PromptScore{Tokens: pieces("", "", "user", "", "\n\n", "Hi", "")}, llama4)
	if e.Altered != "" {
		t.Fatal(e.Altered)
	}
	if at, ok := e.Boundary(len(sent) - len("<|eot|>")); !ok || at != 6 {
		t.Errorf("end of turn at token %d, %v; want 6", at, ok)
	}
	// One more nothing than there are markers is a token that was not sent.
	e = NewEcho(sent, providers.PromptScore{Tokens: pieces("", "", "", "user", "", "\n\n", "Hi", "")}, llama4)
	if e.Altered == "" {
		t.Error("a second BOS shown as nothing went unnoticed")
	}
	// Pieces of which nothing is ever shown.
	e = NewEcho("日本", providers.PromptScore{Tokens: pieces("", "", "本")}, raw)
	if !strings.Contains(e.Altered, "2 of them are shown as nothing") {
		t.Errorf("a character that is never shown: %q", e.Altered)
	}
}

// TestPiecesAcrossTheSeam: the context's tokens read the same in both echoes,
// U+FFFD twice, and yet the joint text's second token holds the first byte of
// the response.
func TestPiecesAcrossTheSeam(t *testing.T) {
	p := Pair{
		Context:     "日",
		Joint:       "日本",
		ContextEcho: NewEcho("日", providers.PromptScore{Tokens: pieces("\uFFFD", "\uFFFD")}, raw), // E6 97, A5
		JointEcho:   NewEcho("日本", providers.PromptScore{Tokens: pieces("\uFFFD", "\uFFFD", "\uFFFD")}, raw),
	}
	for _, s := range []Strategy{tokenCounting{}, echoBased{}, continuation{}} {
		if a := s.Score(p); a.Reason != ReasonSeam {
			t.Errorf("%s: %+v, want seam", s.Name(), a)
		}
	}
}

func TestEchoWithAddedBOS(t *testing.T) {
	llama4, _ := chat.Lookup("llama4")
	for _, c := range []struct {
		sent     string
		template chat.Template
		tokens   []providers.Token
		added    int
		altered  bool
		reason   string
	}{
		{"Hi there", raw, pieces("<s>", "Hi", " there"), 1, false, "a text without a BOS gets one"},
		{"<s>Hi there", raw, pieces("<s>", "<s>", "Hi", " there"), 0, true,
			"the caller wrote the BOS into a raw prompt, and the server added another"},
		{"<|begin_of_text|>Hi", llama4, pieces("<|begin_of_text|>", "<|begin_of_text|>", "Hi"), 0, true,
			"the template has put it there"},
		{"<|begin_of_text|>“Hi", llama4, pieces("<|begin_of_text|>", "", "“", "Hi"), 0, false,
			"a piece of what follows the BOS, not the BOS itself shown as nothing"},
		{"Hi there", raw, pieces("Hi", " there", "!"), 0, true, "generated text behind is not an added token in front"},
		{"Hi there", raw, nil, 0, true, "no tokens spell nothing"},
		{"Hi there", raw, pieces("<s>", "Hi", "Ġthere"), 1, false, "the rest as a vocabulary spells it"},
		{"日x", raw, pieces("", "", "", "日", "x"), 0, true, "four pieces do not fit into three bytes"},
		{"a b", raw, pieces("a", "", " b"), 0, true, "there is nothing that a piece could be of"},
		{"日本", raw, pieces("日", "", ""), 0, true, "a character that is never shown"},
		{"日 the", raw, pieces("", "", " the"), 0, true, "nor is the first"},
		{"\uFFFD0", raw, pieces("", "\uFFFD\uFFFD0"), 0, true,
			"the first token was added, or is a piece of a character that is shown in two ways"},
		{"é there", raw, pieces("", "<s>", "é", " there"), 0, true, "nothing in a text says what the first token is"},
		{"\n\n", raw, pieces("#1"), 0, true, "a single token that cannot be placed is not an added one before nothing"},
	} {
		e := NewEcho(c.sent, providers.PromptScore{Tokens: c.tokens}, c.template)
		if e.Added != c.added || (e.Altered != "") != c.altered {
			t.Errorf("%q as %d tokens: added %d, altered %q; want %d and %v: %s", c.sent, len(c.tokens), e.Added, e.Altered,
				c.added, c.altered, c.reason)
		}
	}
}

// showLate shows pieces as vLLM does: one that leaves a character open as nothing, the
// one that completes it as all that was not shown, where at most four before it say
// what that is. Others are shown as they are, with U+FFFD for what is no character.
func showLate(pieces []string, first bool) []providers.Token {
	open := func(s string) bool { return strings.HasSuffix(viaJSON(s), "\uFFFD") }
	out := make([]providers.Token, len(pieces))
	for i, piece := range pieces {
		text := viaJSON(piece)
		if open(piece) && !(first && i == 0) {
			text = ""
			least := max(0, i-4)
			if first {
				least = max(1, i-4)
			}
			for k := i - 1; k >= least; k-- {
				all := strings.Join(pieces[k:i+1], "")
				if open(all) {
					continue
				}
				clean := i
				for clean > k && open(pieces[clean-1]) {
					clean--
				}
				text = strings.TrimPrefix(viaJSON(all), viaJSON(strings.Join(pieces[k:clean], "")))
				break
			}
		}
		out[i] = providers.Token{Text: text, ID: -1, Offset: -1}
	}
	return out
}

// FuzzPlaceLate cuts a text as FuzzPlace does and shows the pieces late.
// Invariant: whatever NewEcho is certain of is true, and an echo in which every
// character is shown is not taken for an altered one, unless one is U+FFFD itself.
func FuzzPlaceLate(f *testing.F) {
	f.Add("日本 the town", uint64(0b1011))
	f.Add("ééé\uFFFD\uFFFDx🙂🙂", uint64(0xffff))
	f.Add("a日 the town", uint64(0b11010))
	f.Add("日本x", uint64(0b1111110))
	f.Add("0\uFFFDé", uint64(0b100000))
	f.Add("plain", uint64(3))
	f.Fuzz(func(t *testing.T, s string, cuts uint64) {
		s = viaJSON(s)
		if s == "" || len(s) > 60 {
			t.Skip()
		}
		var pieces []string
		starts := map[int]int{0: 0}
		from := 0
		for i := 1; i <= len(s); i++ {
			if i == len(s) || cuts>>(i%64)&1 == 1 {
				pieces = append(pieces, s[from:i])
				starts[i], from = len(pieces), i
			}
		}
		for _, first := range []bool{false, true} {
			tokens := showLate(pieces, first)
			var all strings.Builder
			for _, token := range tokens {
				all.WriteString(token.Text)
			}
			e := NewEcho(s, providers.PromptScore{Tokens: tokens}, raw)
			if all.String() == s && !strings.Contains(s, "\uFFFD") && e.Altered != "" {
				t.Fatalf("%q as %+v: altered %q", s, tokens, e.Altered)
			}
			if e.Altered != "" {
				continue
			}
			for at := range len(s) {
				token, ok := e.Boundary(at)
				if true1, is := starts[at]; ok && (!is || token != true1) {
					t.Fatalf("%q as %+v: claims token %d begins at byte %d; true starts %v", s, tokens, token, at, starts)
				}
			}
		}
	})
}

// FuzzPlace cuts a text anywhere, inside characters too, and shows the pieces as
// a server without bytes would. Invariant: whatever NewEcho is certain of is
// true, and it never takes an honest echo for an altered one.
func FuzzPlace(f *testing.F) {
	f.Add("日本 the town", uint64(0b1011))
	f.Add("ééé\uFFFD\uFFFDx🙂🙂", uint64(0xffff))
	f.Add("plain", uint64(3))
	f.Add("a\xffb", uint64(5))
	f.Fuzz(func(t *testing.T, s string, cuts uint64) {
		s = viaJSON(s)
		if s == "" || len(s) > 60 {
			t.Skip()
		}
		var tokens []providers.Token
		starts := map[int]int{}
		from := 0
		for i := 1; i <= len(s); i++ {
			if i == len(s) || cuts>>(i%64)&1 == 1 {
				starts[from] = len(tokens)
				tokens = append(tokens, providers.Token{Text: viaJSON(s[from:i]), ID: -1, Offset: -1})
				from = i
			}
		}
		e := NewEcho(s, providers.PromptScore{Tokens: tokens}, raw)
		if e.Altered != "" || e.Added != 0 {
			t.Fatalf("%q in %d pieces: altered %q, added %d", s, len(tokens), e.Altered, e.Added)
		}
		for at := range len(s) {
			token, ok := e.Boundary(at)
			if true1, is := starts[at]; ok && (!is || token != true1) {
				t.Fatalf("%q: claims token %d begins at byte %d; true starts %v", s, token, at, starts)
			}
		}
	})
}
