package langmodel

import (
	"container/heap"
	"slices"
)

// learnMerges learns up to n merges from text by byte-pair encoding: again and
// again, the most frequent pair of neighbouring tokens inside a piece becomes a
// token (the pair of lowest ids among equals). It is a pure function of text.
func learnMerges(text string, n int) [][2]int32 {
	l := &learner{where: make(map[uint32][]int32), count: make(map[uint32]int)}
	for b := range 256 {
		l.bytes = append(l.bytes, []byte{byte(b)})
	}
	l.readPieces(text)
	// Runs of newlines and spaces and code fences are too rare to be learned, but are
	// what real vocabularies span seams and indent code with.
	for _, m := range [][2]string{{"\n", "\n"}, {"\n\n", "\n"}, {" ", " "}, {"  ", "  "}, {"`", "`"}, {"``", "`"}} {
		l.apply(l.find(m[0]), l.find(m[1]))
	}
	for key, c := range l.count {
		l.queue = append(l.queue, pairCount{key, c})
	}
	heap.Init(&l.queue)
	for len(l.merges) < n && l.queue.Len() > 0 {
		top := heap.Pop(&l.queue).(pairCount)
		if now := l.count[top.key]; now != top.count {
			if now > 1 {
				heap.Push(&l.queue, pairCount{top.key, now})
			}
			continue
		}
		left, right := int32(top.key>>16), int32(top.key&0xffff)
		if top.count < 2 || !mayMerge(l.bytes[left], l.bytes[right]) {
			continue
		}
		l.apply(left, right)
	}
	return l.merges
}

// mayMerge keeps the vocabulary like a real one's: numbers of at most three
// digits, no indentation glued to a word, and at most two bytes of multi-byte
// characters, so that é can be a token while – and 你 are always split.
func mayMerge(left, right []byte) bool {
	joined := append(append([]byte(nil), left...), right...)
	var digits, wide, spaces int
	for _, b := range joined {
		switch classes[b] {
		case classDigit:
			digits++
		case classWide:
			wide++
		case classSpace:
			spaces++
		}
	}
	return len(joined) <= 16 && digits <= 3 && wide <= 2 && (spaces < 2 || spaces == len(joined))
}

type learner struct {
	bytes  [][]byte
	merges [][2]int32
	words  []learnWord
	count  map[uint32]int     // by left<<16 | right
	where  map[uint32][]int32 // words that had the pair at some time
	queue  pairQueue
}

// learnWord is one distinct piece of the text.
type learnWord struct {
	syms  []int32
	count int
}

func (l *learner) readPieces(text string) {
	counts := make(map[string]int)
	for text != "" {
		n := pieceLen(text)
		counts[text[:n]]++
		text = text[n:]
	}
	pieces := make([]string, 0, len(counts))
	for p := range counts {
		pieces = append(pieces, p)
	}
	slices.Sort(pieces)
	for _, p := range pieces {
		w := learnWord{count: counts[p]}
		for i := range len(p) {
			w.syms = append(w.syms, int32(p[i]))
		}
		l.words = append(l.words, w)
		l.tally(int32(len(l.words)-1), +1, false)
	}
}

// tally adds (or, with sign -1, removes) one word's pairs.
func (l *learner) tally(word int32, sign int, enqueue bool) {
	w := l.words[word]
	for i := 0; i+1 < len(w.syms); i++ {
		key := uint32(w.syms[i])<<16 | uint32(w.syms[i+1])
		l.count[key] += sign * w.count
		if sign > 0 {
			if at := l.where[key]; len(at) == 0 || at[len(at)-1] != word {
				l.where[key] = append(at, word)
			}
			if enqueue {
				heap.Push(&l.queue, pairCount{key, l.count[key]})
			}
		}
	}
}

func (l *learner) apply(left, right int32) {
	id := int32(len(l.bytes))
	l.bytes = append(l.bytes, append(append([]byte(nil), l.bytes[left]...), l.bytes[right]...))
	l.merges = append(l.merges, [2]int32{left, right})
	key := uint32(left)<<16 | uint32(right)
	words := l.where[key]
	for _, word := range words {
		w := &l.words[word]
		if !hasPair(w.syms, left, right) {
			continue
		}
		l.tally(word, -1, false)
		out := w.syms[:0]
		for i := 0; i < len(w.syms); i++ {
			if i+1 < len(w.syms) && w.syms[i] == left && w.syms[i+1] == right {
				out = append(out, id)
				i++
			} else {
				out = append(out, w.syms[i])
			}
		}
		w.syms = out
		l.tally(word, +1, true)
	}
	delete(l.where, key)
	delete(l.count, key)
}

func hasPair(syms []int32, left, right int32) bool {
	for i := 0; i+1 < len(syms); i++ {
		if syms[i] == left && syms[i+1] == right {
			return true
		}
	}
	return false
}

func (l *learner) find(s string) int32 {
	for id, b := range l.bytes {
		if string(b) == s {
			return int32(id)
		}
	}
	panic("langmodel: no token for a seed merge")
}

type pairCount struct {
	key   uint32
	count int
}

// pairQueue yields the most frequent pair, the lowest ids first among equals.
type pairQueue []pairCount

func (q pairQueue) Len() int { return len(q) }
func (q pairQueue) Less(i, j int) bool {
	if q[i].count != q[j].count {
		return q[i].count > q[j].count
	}
	return q[i].key < q[j].key
}
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(pairCount)) }
func (q *pairQueue) Pop() any {
	old := *q
	p := old[len(old)-1]
	*q = old[:len(old)-1]
	return p
}
