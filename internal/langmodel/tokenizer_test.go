package langmodel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func pieces(t *Tokenizer, text string) []string {
	var out []string
	for _, id := range t.Encode(text) {
		out = append(out, string(t.Bytes(id)))
	}
	return out
}

func TestEncode(t *testing.T) {
	tok := DefaultTokenizer()
	for _, tt := range []struct {
		text   string
		want   []string
		reason string
	}{
		{"", nil, "nothing is added, no BOS either"},
		{"\n\n\n", []string{"\n\n\n"}, "newlines of a header and of a response can be one token"},
		{" the", []string{" the"}, "a space leads its word"},
		{" the capital", []string{" the", " capital"}, "a common word is one token, so a text cut inside it has a seam"},
		{"end.\n\n", []string{"end", ".\n\n"}, "marks take the newlines that follow"},
		{"–", []string{"\xe2\x80", "\x93"}, "a three-byte character is always split"},
		{"<|eot|>", []string{"<|eot|>"}, "special text is one token"},
		{"a<|eot|><|eot|>b", []string{"a", "<|eot|>", "<|eot|>", "b"}, "special tokens may touch"},
		{"```", []string{"```"}, "a code fence is one token"},
	} {
		if diff := cmp.Diff(tt.want, pieces(tok, tt.text)); diff != "" {
			t.Errorf("Encode(%q): %s (-want +got):\n%s", tt.text, tt.reason, diff)
		}
	}
}

// TestPolyglot: the wider vocabulary changes nothing that the default one has, and
// its special tokens are found in text one by one.
func TestPolyglot(t *testing.T) {
	tok, plain := PolyglotTokenizer(), DefaultTokenizer()
	for _, text := range []string{"The harbour wakes.\n\n", "<|begin_of_text|>a <b> [c] <|eot|>é", "x < y [ z"} {
		if diff := cmp.Diff(plain.Encode(text), tok.Encode(text)); diff != "" {
			t.Errorf("Encode(%q) differs from the default's (-want +got):\n%s", text, diff)
		}
	}
	for i, a := range tok.specials {
		if diff := cmp.Diff([]string{"a", a, a, "b"}, pieces(tok, "a"+a+a+"b")); diff != "" {
			t.Errorf("Encode(a%s%sb) (-want +got):\n%s", a, a, diff)
		}
		for _, b := range tok.specials[i+1:] {
			if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
				t.Errorf("%s and %s begin alike: the first found would not be the only candidate", a, b)
			}
		}
	}
	// One distribution, and every token of a context matters to it.
	m := Polyglot()
	ctx := tok.Encode("<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n")
	var sum float64
	for _, p := range m.Distribution(ctx, nil) {
		sum += p
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("the distribution sums to %v", sum)
	}
}

func TestEncodeOrdinaryKnowsNoSpecialTokens(t *testing.T) {
	tok := DefaultTokenizer()
	for _, s := range specialTexts {
		ids := tok.EncodeOrdinary("a" + s + "b")
		if slices.ContainsFunc(ids, tok.isSpecial) {
			t.Errorf("EncodeOrdinary(a%sb) has a special token", s)
		}
		if got := tok.Decode(ids); got != "a"+s+"b" {
			t.Errorf("EncodeOrdinary(a%sb) decodes to %q", s, got)
		}
		id, ok := tok.Special(s)
		if !ok || !tok.isSpecial(id) || string(tok.Bytes(id)) != s {
			t.Errorf("Special(%q) = %d, %v", s, id, ok)
		}
	}
	if _, ok := tok.Special("<|nothing|>"); ok {
		t.Error("Special knows <|nothing|>")
	}
}

func TestVocabulary(t *testing.T) {
	tok := DefaultTokenizer()
	if got, want := tok.Size(), 256+numMerges+len(specialTexts); got != want {
		t.Errorf("Size() = %d, want %d: 256 bytes, the merges, the special tokens", got, want)
	}
	seen := make(map[string]bool)
	var multiDigit, partial bool
	for id := range tok.ordinary {
		b := string(tok.Bytes(id))
		if seen[b] {
			t.Errorf("two tokens spell %q", b)
		}
		seen[b] = true
		digits := strings.Trim(b, "0123456789") == ""
		multiDigit = multiDigit || digits && len(b) == 3
		if digits && len(b) > 3 {
			t.Errorf("token %q has more than three digits", b)
		}
		partial = partial || len(b) > 1 && !utf8.ValidString(b)
	}
	if !multiDigit {
		t.Error("no token of three digits")
	}
	if !partial {
		t.Error("no merged token splits a character")
	}
}

// soup draws text that is hard on a tokenizer: words of the bundled text, runs
// of whitespace and marks, digits, contractions, split characters, raw bytes and
// special tokens, glued without regard to sense.
func soup(rng *rand.Rand, n int) string {
	atoms := []string{
		" the", "the", " cap", "ital", " capital", "cap", "a", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", " \n", "\r\n", "\t",
		".", ".\n", "!?", ",", ":", "\"", " \"", "'", "'s", "don't", "1", "12", "2024", "999", "é", "–", "“", "你好", "😊", "→",
		"\xff", "\xe2", "\x80", "<|eot|>", "<|", "|>", "<|eot", "_", "{", "A", " I", "step by step", "```", "ing", "ly",
	}
	var b strings.Builder
	for range n {
		b.WriteString(atoms[rng.IntN(len(atoms))])
	}
	return b.String()
}

// checkSeams fails if a token boundary of text does not split it into two texts
// with the tokens on either side.
func checkSeams(t *testing.T, text string, encode func(string) []int) {
	t.Helper()
	tok := DefaultTokenizer()
	ids := encode(text)
	at := 0
	for i, id := range ids {
		at += len(tok.Bytes(id))
		if got := encode(text[:at]); !slices.Equal(got, ids[:i+1]) {
			t.Fatalf("%q cut at %d: the left part has tokens %v, jointly %v", text, at, got, ids[:i+1])
		}
		if got := encode(text[at:]); !slices.Equal(got, ids[i+1:]) {
			t.Fatalf("%q cut at %d: the right part has tokens %v, jointly %v", text, at, got, ids[i+1:])
		}
	}
}

func TestSeams(t *testing.T) {
	tok := DefaultTokenizer()
	rng := rand.New(rand.NewPCG(1, 2))
	spanned := 0
	for range 400 {
		text := soup(rng, 1+rng.IntN(25))
		checkSeams(t, text, tok.Encode)
		checkSeams(t, text, tok.EncodeOrdinary)
		cut := rng.IntN(len(text) + 1)
		if !slices.Equal(tok.Encode(text), append(tok.Encode(text[:cut]), tok.Encode(text[cut:])...)) {
			spanned++
		}
	}
	if spanned < 40 {
		t.Errorf("tokens spanned %d of 400 random cuts: too few to be of use in tests", spanned)
	}
}

// Invariants: Encode and EncodeOrdinary lose no byte, the two agree where there
// is no special text, and tokens split at any of their boundaries are the tokens
// of the parts.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "Hello, world!\n\n\nIt's 2024.", "你好 😊 é–“”", "<|eot|><|header_start|",
		"\xff\xfe \xe2\x80", strings.Repeat("ab", 60)} {
		f.Add(s)
	}
	tok := DefaultTokenizer()
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 300 {
			s = s[:300]
		}
		ids, plain := tok.Encode(s), tok.EncodeOrdinary(s)
		if got := tok.Decode(ids); got != s {
			t.Errorf("Decode(Encode(%q)) = %q", s, got)
		}
		if got := tok.Decode(plain); got != s {
			t.Errorf("Decode(EncodeOrdinary(%q)) = %q", s, got)
		}
		if !strings.Contains(s, "<|") && !slices.Equal(ids, plain) {
			t.Errorf("%q without special text: %v and %v", s, ids, plain)
		}
		checkSeams(t, s, tok.Encode)
	})
}

// The heap for long pieces must do what the scan for short ones does.
func TestMergeLong(t *testing.T) {
	tok := DefaultTokenizer()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		piece := make([]byte, 1+rng.IntN(longPiece))
		for i := range piece {
			piece[i] = " aeinorstthe"[rng.IntN(12)]
		}
		want := tok.merge(nil, string(piece))
		if got := tok.mergeLong(nil, string(piece)); !slices.Equal(got, want) {
			t.Fatalf("%q: heap %v, scan %v", piece, got, want)
		}
	}
	for _, c := range []string{"a", "\n", " ", "\xff"} {
		long := strings.Repeat(c, 5000)
		if got := tok.Decode(tok.EncodeOrdinary(long)); got != long {
			t.Errorf("5000 times %q does not survive", c)
		}
	}
}

func TestLearningIsDeterministic(t *testing.T) {
	a, b := learnMerges(tokenizerText(), numMerges), learnMerges(tokenizerText(), numMerges)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("two runs learned different merges (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(a, DefaultTokenizer().parents); diff != "" {
		t.Errorf("the default tokenizer has other merges:\n%s", diff)
	}
}

func TestTokenizerIsSafeForConcurrentUse(t *testing.T) {
	tok := DefaultTokenizer()
	text := soup(rand.New(rand.NewPCG(5, 6)), 200)
	want := tok.Encode(text)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got := tok.Encode(text); !slices.Equal(got, want) {
				t.Error("concurrent Encode differs")
			}
		})
	}
	wg.Wait()
}

func TestBytesPanicsOnAnUnknownID(t *testing.T) {
	for _, id := range []int{-1, DefaultTokenizer().Size()} {
		func() {
			defer func() {
				if r := recover(); r == nil {
					t.Errorf("Bytes(%d) did not panic", id)
				}
			}()
			DefaultTokenizer().Bytes(id)
		}()
	}
}
