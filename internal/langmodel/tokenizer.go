package langmodel

import (
	"container/heap"
	"slices"
	"strings"
	"sync"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// Tokenizer is a byte-level byte-pair encoding in the manner of Llama's and
// GPT's: a splitter cuts the text into pieces, and inside each piece pairs of
// tokens are merged in the order in which their merges were learned. Every byte
// is a token, so every text can be encoded and every sequence of ids decodes
// to its exact bytes.
//
// Cutting is a property of two neighbouring bytes (see cuts), and merging never
// looks beyond a piece. Both are local, hence the one law that teacher forcing
// rests on: if the tokens of x+y have a boundary at len(x), they are the tokens
// of x followed by those of y.
//
// A Tokenizer is immutable and safe for concurrent use.
type Tokenizer struct {
	bytes    [][]byte // by id; of a special token its text
	ordinary int      // ids below are bytes and merges, from here on special
	specials []string // texts, in the order of their ids
	special  map[string]int
	whole    map[string]int32 // pieces that are one token
	merges   pairTable
	parents  [][2]int32 // of token 256+i
}

// The special tokens of the families whose templates the simulator renders, in
// the order of their ids.
const (
	bosText = "<|begin_of_text|>"
	eosText = "<|end_of_text|>"

	headerStartText = "<|header_start|>" // Llama 4
	headerEndText   = "<|header_end|>"
	eotText         = "<|eot|>"
	eomText         = "<|eom|>"

	imStartText = "<|im_start|>" // ChatML
	imEndText   = "<|im_end|>"

	header3StartText = "<|start_header_id|>" // Llama 3
	header3EndText   = "<|end_header_id|>"
	eot3Text         = "<|eot_id|>"
)

var specialTexts = []string{
	bosText, eosText, headerStartText, headerEndText, eotText, eomText,
	imStartText, imEndText, header3StartText, header3EndText, eot3Text,
}

// otherSpecialTexts are the special tokens that only [PolyglotTokenizer] has: those
// by which the families of [chat.Names] mark turns, found in a conversation of
// each.
func otherSpecialTexts() []string {
	var texts []string
	for _, name := range chat.Names() {
		t, _ := chat.Lookup(name)
		msgs := []dataset.Message{{Role: "system", Content: "x"}, {Role: "user", Content: "x"},
			{Role: "assistant", Content: "x"}, {Role: "user", Content: "x"}}
		text, err := t.Render(msgs)
		if err != nil { // the family has no system prompt
			text, _ = t.Render(msgs[1:])
		}
		for _, c := range t.Controls() {
			if strings.Contains(text, c) && !slices.Contains(specialTexts, c) && !slices.Contains(texts, c) {
				texts = append(texts, c)
			}
		}
	}
	return texts
}

// numMerges is how many merges are learned: with the 256 bytes and the special
// tokens, a vocabulary of about 1,270.
const numMerges = 1000

var (
	defaultMerges    = sync.OnceValue(func() [][2]int32 { return learnMerges(tokenizerText(), numMerges) })
	defaultTokenizer = sync.OnceValue(func() *Tokenizer {
		return newTokenizer(defaultMerges(), specialTexts)
	})
	polyglotTokenizer = sync.OnceValue(func() *Tokenizer {
		return newTokenizer(defaultMerges(), slices.Concat(specialTexts, otherSpecialTexts()))
	})
)

// DefaultTokenizer returns the tokenizer that both models share. Its merges are
// learned from the bundled text on first use, the same in every process.
func DefaultTokenizer() *Tokenizer { return defaultTokenizer() }

// PolyglotTokenizer is [DefaultTokenizer] with the special tokens of more
// families behind its own: text without them has the same ids in both.
func PolyglotTokenizer() *Tokenizer { return polyglotTokenizer() }

func newTokenizer(merges [][2]int32, specials []string) *Tokenizer {
	t := &Tokenizer{
		ordinary: 256 + len(merges),
		specials: specials,
		special:  make(map[string]int, len(specials)),
		merges:   newPairTable(len(merges)),
		parents:  merges,
	}
	for b := range 256 {
		t.bytes = append(t.bytes, []byte{byte(b)})
	}
	for i, m := range merges {
		joined := append(append([]byte(nil), t.bytes[m[0]]...), t.bytes[m[1]]...)
		t.bytes = append(t.bytes, joined)
		t.merges.put(m[0], m[1], int32(256+i))
	}
	// A piece that is one token needs no merging. A token is listed only if
	// merging does arrive at it, so that the shortcut changes nothing.
	t.whole = make(map[string]int32, t.ordinary)
	for id, b := range t.bytes {
		if ids := t.merge(nil, string(b)); len(ids) == 1 {
			t.whole[string(b)] = int32(id)
		}
	}
	for _, s := range specials {
		t.special[s] = len(t.bytes)
		t.bytes = append(t.bytes, []byte(s))
	}
	return t
}

// Size returns the number of token ids, special ones included.
func (t *Tokenizer) Size() int { return len(t.bytes) }

// Special returns the id of the special token written text, such as "<|eot|>".
func (t *Tokenizer) Special(text string) (id int, ok bool) {
	id, ok = t.special[text]
	return id, ok
}

// isSpecial reports whether id is a special token's.
func (t *Tokenizer) isSpecial(id int) bool { return id >= t.ordinary && id < len(t.bytes) }

// Bytes returns the exact bytes of a token, not always valid UTF-8; of a special
// token, its text. The slice must not be changed. It panics if id is not a
// token.
func (t *Tokenizer) Bytes(id int) []byte {
	t.check(id)
	return t.bytes[id]
}

// Decode returns the concatenated bytes of ids.
func (t *Tokenizer) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		b.Write(t.Bytes(id))
	}
	return b.String()
}

func (t *Tokenizer) check(id int) {
	if id < 0 || id >= len(t.bytes) {
		panic("langmodel: token id out of range")
	}
}

// Encode returns the token ids of text, where the text of a special token
// becomes that token. Nothing is added.
func (t *Tokenizer) Encode(text string) []int {
	ids := make([]int, 0, len(text)/3+8)
	for text != "" {
		at, id := t.findSpecial(text)
		if at < 0 {
			break
		}
		ids = t.appendOrdinary(ids, text[:at])
		ids = append(ids, id)
		text = text[at+len(t.bytes[id]):]
	}
	return t.appendOrdinary(ids, text)
}

// EncodeOrdinary is [Tokenizer.Encode] for text from strangers: the text of a
// special token is encoded like any other.
func (t *Tokenizer) EncodeOrdinary(text string) []int {
	return t.appendOrdinary(make([]int, 0, len(text)/3+8), text)
}

// findSpecial returns the offset and id of the first special token in text, or
// -1. No special text is a prefix of another and none overlaps another, so the
// first is the only candidate.
func (t *Tokenizer) findSpecial(text string) (at, id int) {
	for from := 0; ; {
		i := strings.IndexAny(text[from:], "<[")
		if i < 0 {
			return -1, 0
		}
		from += i
		for j, s := range t.specials {
			if strings.HasPrefix(text[from:], s) {
				return from, t.ordinary + j
			}
		}
		from++
	}
}

func (t *Tokenizer) appendOrdinary(ids []int, text string) []int {
	for text != "" {
		n := pieceLen(text)
		if id, ok := t.whole[text[:n]]; ok {
			ids = append(ids, int(id))
		} else {
			ids = t.merge(ids, text[:n])
		}
		text = text[n:]
	}
	return ids
}

// Byte classes of the splitter.
const (
	classLetter     = iota // A-Z a-z
	classDigit             // 0-9
	classWide              // any byte of a multi-byte character
	classSpace             // space and tab
	classNewline           // \n and \r
	classPunct             // everything else
	classApostrophe        // ', which a contraction begins with
	numClasses
)

var classes = func() (c [256]uint8) {
	for i := range c {
		b := byte(i)
		switch {
		case 'a' <= b|0x20 && b|0x20 <= 'z':
			c[i] = classLetter
		case '0' <= b && b <= '9':
			c[i] = classDigit
		case b >= 0x80:
			c[i] = classWide
		case b == ' ' || b == '\t':
			c[i] = classSpace
		case b == '\n' || b == '\r':
			c[i] = classNewline
		case b == '\'':
			c[i] = classApostrophe
		default:
			c[i] = classPunct
		}
	}
	return c
}()

// cuts tells, by the classes of two neighbouring bytes, whether a piece ends
// between them. Spaces lead the word or mark that follows; marks take the
// newlines after them (".\n\n" is one piece); an apostrophe leads a contraction;
// digits stand alone. A rule that counted or looked further ahead would break
// the law of the seam.
var cuts = func() (cut [numClasses][numClasses]bool) {
	for i := range cut {
		for j := range cut[i] {
			cut[i][j] = i != j
		}
	}
	for _, joined := range [][2]int{
		{classSpace, classLetter}, {classSpace, classWide}, {classSpace, classNewline},
		{classSpace, classPunct}, {classSpace, classApostrophe},
		{classPunct, classNewline}, {classPunct, classApostrophe},
		{classApostrophe, classLetter}, {classApostrophe, classNewline}, {classApostrophe, classPunct},
	} {
		cut[joined[0]][joined[1]] = false
	}
	return cut
}()

// pieceLen returns the length of text's first piece.
func pieceLen(text string) int {
	for i := 1; i < len(text); i++ {
		if cuts[classes[text[i-1]]][classes[text[i]]] {
			return i
		}
	}
	return len(text)
}

// merge appends the tokens of one piece: from its bytes, the pair that was
// learned earliest (the leftmost of equals) is merged until none is left.
func (t *Tokenizer) merge(ids []int, piece string) []int {
	if len(piece) > longPiece {
		return t.mergeLong(ids, piece)
	}
	var buf [longPiece]int32
	s := buf[:len(piece)]
	for i := range s {
		s[i] = int32(piece[i])
	}
	for {
		best, at := int32(-1), -1
		for i := 0; i+1 < len(s); i++ {
			if id := t.merges.get(s[i], s[i+1]); id >= 0 && (at < 0 || id < best) {
				best, at = id, i
			}
		}
		if at < 0 {
			break
		}
		s[at] = best
		s = append(s[:at+1], s[at+2:]...)
	}
	for _, id := range s {
		ids = append(ids, int(id))
	}
	return ids
}

// longPiece is the length above which merge's quadratic scan gives way to a
// heap: a megabyte of one letter is a piece, too.
const longPiece = 40

// mergeLong does what merge does in O(n log n).
func (t *Tokenizer) mergeLong(ids []int, piece string) []int {
	n := len(piece)
	sym, next, prev := make([]int32, n), make([]int32, n), make([]int32, n)
	for i := range n {
		sym[i], next[i], prev[i] = int32(piece[i]), int32(i+1), int32(i-1)
	}
	var h mergeHeap
	candidate := func(i int32) {
		if i < 0 || int(next[i]) >= n {
			return
		}
		if id := t.merges.get(sym[i], sym[next[i]]); id >= 0 {
			heap.Push(&h, pendingMerge{id, i, sym[i], sym[next[i]]})
		}
	}
	for i := range n - 1 {
		candidate(int32(i))
	}
	for h.Len() > 0 {
		m := heap.Pop(&h).(pendingMerge)
		// Stale if either side has been merged away or has grown since.
		if sym[m.at] != m.left || int(next[m.at]) >= n || sym[next[m.at]] != m.right {
			continue
		}
		gone := next[m.at]
		sym[m.at], sym[gone] = m.id, -1
		next[m.at] = next[gone]
		if int(next[gone]) < n {
			prev[next[gone]] = m.at
		}
		candidate(prev[m.at])
		candidate(m.at)
	}
	for i := int32(0); int(i) < n; i = next[i] {
		ids = append(ids, int(sym[i]))
	}
	return ids
}

type pendingMerge struct {
	id, at      int32
	left, right int32
}

// mergeHeap is ordered by merge, then by position: the order of merge.
type mergeHeap []pendingMerge

func (h mergeHeap) Len() int { return len(h) }
func (h mergeHeap) Less(i, j int) bool {
	if h[i].id != h[j].id {
		return h[i].id < h[j].id
	}
	return h[i].at < h[j].at
}
func (h mergeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *mergeHeap) Push(x any)   { *h = append(*h, x.(pendingMerge)) }
func (h *mergeHeap) Pop() any {
	old := *h
	m := old[len(old)-1]
	*h = old[:len(old)-1]
	return m
}

// pairTable maps a pair of tokens to the token they merge into: open
// addressing, because it is asked several times for every byte encoded.
type pairTable struct {
	keys []uint32 // left<<16 | right, plus 1; 0 is empty
	ids  []int32
	mask uint32
}

func newPairTable(n int) pairTable {
	size := 1024
	for size < 4*n {
		size *= 2
	}
	return pairTable{make([]uint32, size), make([]int32, size), uint32(size - 1)}
}

func (p *pairTable) slot(key uint32) uint32 {
	i := key * 0x9E3779B1 >> 12 & p.mask
	for p.keys[i] != 0 && p.keys[i] != key {
		i = (i + 1) & p.mask
	}
	return i
}

func (p *pairTable) put(left, right, id int32) {
	key := uint32(left)<<16 | uint32(right) + 1
	i := p.slot(key)
	p.keys[i], p.ids[i] = key, id
}

// get returns the merged token, or -1.
func (p *pairTable) get(left, right int32) int32 {
	key := uint32(left)<<16 | uint32(right) + 1
	i := p.slot(key)
	if p.keys[i] == 0 {
		return -1
	}
	return p.ids[i]
}
