package langmodel

import (
	"slices"
)

// ngram is an interpolated n-gram model with absolute discounting. With c(h,v)
// the count of token v after history h, C(h) their sum and N(h) the number of
// distinct v,
//
//	q(v | h) = max(c(h,v) - d, 0)/C(h) + d N(h)/C(h) q(v | h')
//
// where h' drops the oldest symbol of h and d depends on the length of h; q of
// the empty history is the relative frequency. An h never seen leaves q(v | h').
// Each level's mass is exact, so q sums to 1 whatever h is. (Ney, Essen and
// Kneser, On structuring probabilistic dependences in stochastic language
// modelling, 1994, section 3.)
//
// That the response ends is not among the tokens; it has a probability of its
// own, E(h) = (e(h) + b E(h'))/(e(h) + C(h) + b), with e(h) the ends seen after h and
// b = endBackoff.
type ngram struct {
	table   []contextSlot
	mask    uint64
	nodes   []node
	toks    []uint16
	counts  []float32
	unigram []float64
	order   int
}

const endBackoff = 0.05

type contextSlot struct {
	key  uint64
	node int32 // plus 1; 0 is empty
}

// node is a history: its tokens are toks[from:to], by rising id.
type node struct {
	from, to int32
	total    float64 // C(h)
	end      float64 // e(h)
	backoff  float64 // d N(h)/C(h)
	discount float64
}

// observation is one token of the training text after one history.
type observation struct {
	node int32
	tok  uint16
}

// endMark is the observed "token" at the end of a response.
const endMark = 1<<16 - 1

type ngramBuilder struct {
	n         *ngram
	discounts []float64 // by length of history, from 1
	seen      []observation
}

// newNgramBuilder returns a builder that has room for a text of so many tokens.
func newNgramBuilder(vocab int, discounts []float64, tokens int) *ngramBuilder {
	size := 1 << 10
	for size < 2*tokens {
		size *= 2
	}
	return &ngramBuilder{
		n: &ngram{
			table: make([]contextSlot, size), mask: uint64(size - 1),
			nodes:   make([]node, 0, tokens/2),
			unigram: make([]float64, vocab), order: len(discounts),
		},
		discounts: discounts,
		seen:      make([]observation, 0, tokens*len(discounts)),
	}
}

// observe counts tok (or endMark) after every suffix of the history.
func (b *ngramBuilder) observe(hist []int32, tok int) {
	if tok != endMark {
		b.n.unigram[tok]++
	}
	key := uint64(0)
	for k := range min(len(hist), b.n.order) {
		key = contextKey(key, hist[k])
		b.seen = append(b.seen, observation{b.insert(key, k), uint16(tok)})
	}
}

func (b *ngramBuilder) insert(key uint64, k int) int32 {
	if 2*len(b.n.nodes) >= len(b.n.table) {
		b.grow()
	}
	i := key & b.n.mask
	for b.n.table[i].node != 0 {
		if b.n.table[i].key == key {
			return b.n.table[i].node - 1
		}
		i = (i + 1) & b.n.mask
	}
	b.n.nodes = append(b.n.nodes, node{discount: b.discounts[k]})
	id := int32(len(b.n.nodes))
	b.n.table[i] = contextSlot{key, id}
	return id - 1
}

func (b *ngramBuilder) grow() {
	old := b.n.table
	b.n.table = make([]contextSlot, 2*len(old))
	b.n.mask = uint64(len(b.n.table) - 1)
	for _, s := range old {
		if s.node == 0 {
			continue
		}
		i := s.key & b.n.mask
		for b.n.table[i].node != 0 {
			i = (i + 1) & b.n.mask
		}
		b.n.table[i] = s
	}
}

// finish sorts the observations into nodes.
func (b *ngramBuilder) finish() *ngram {
	n := b.n
	starts := make([]int32, len(n.nodes)+1)
	for _, o := range b.seen {
		starts[o.node+1]++
	}
	for i := range n.nodes {
		starts[i+1] += starts[i]
	}
	toks := make([]uint16, len(b.seen))
	fill := slices.Clone(starts[:len(n.nodes)])
	for _, o := range b.seen {
		toks[fill[o.node]] = o.tok
		fill[o.node]++
	}
	for i := range n.nodes {
		nd := &n.nodes[i]
		list := toks[starts[i]:starts[i+1]]
		slices.Sort(list)
		nd.from = int32(len(n.toks))
		for j := 0; j < len(list); {
			run := j + 1
			for run < len(list) && list[run] == list[j] {
				run++
			}
			if c := float64(run - j); list[j] == endMark {
				nd.end = c
			} else {
				n.toks = append(n.toks, list[j])
				n.counts = append(n.counts, float32(c))
				nd.total += c
			}
			j = run
		}
		nd.to = int32(len(n.toks))
		if nd.total > 0 {
			nd.backoff = nd.discount * float64(nd.to-nd.from) / nd.total
		}
	}
	n.nodes, n.toks, n.counts = slices.Clone(n.nodes), slices.Clone(n.toks), slices.Clone(n.counts)
	var sum float64
	for _, c := range n.unigram {
		sum += c
	}
	for v := range n.unigram {
		n.unigram[v] /= sum
	}
	return n
}

// contextKey extends the key of a history by its next older symbol. Two
// histories of one 64-bit key would share their counts: q would still be exact.
func contextKey(key uint64, sym int32) uint64 { return mix(key+1, uint64(sym)) }

// chain is a history's nodes, from the shortest to the longest that was seen.
type chain struct {
	nodes [maxOrder]int32
	n     int
	end   float64 // E(h)
}

// lookup finds the nodes of a history, given most recent symbol first. A longer
// history than one never seen was never seen either.
func (n *ngram) lookup(hist []int32, c *chain) {
	c.n, c.end = 0, 0
	key := uint64(0)
	for k := range min(len(hist), n.order) {
		key = contextKey(key, hist[k])
		i := key & n.mask
		for n.table[i].node != 0 && n.table[i].key != key {
			i = (i + 1) & n.mask
		}
		if n.table[i].node == 0 {
			return
		}
		id := n.table[i].node - 1
		c.nodes[c.n] = id
		c.n++
		nd := &n.nodes[id]
		c.end = (nd.end + endBackoff*c.end) / (nd.end + nd.total + endBackoff)
	}
}

// prob returns q(v | h).
func (n *ngram) prob(c *chain, v int) float64 {
	q := n.unigram[v]
	for _, id := range c.nodes[:c.n] {
		nd := &n.nodes[id]
		if nd.total == 0 {
			continue
		}
		q *= nd.backoff
		if i := n.find(nd, v); i >= 0 {
			q += (float64(n.counts[i]) - nd.discount) / nd.total
		}
	}
	return q
}

func (n *ngram) find(nd *node, v int) int32 {
	lo, hi := nd.from, nd.to
	for lo < hi {
		mid := int32(uint32(lo+hi) >> 1)
		if int(n.toks[mid]) < v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < nd.to && int(n.toks[lo]) == v {
		return lo
	}
	return -1
}

// add adds scale*q(. | h) to dst.
func (n *ngram) add(c *chain, scale float64, dst []float64) {
	for k := c.n - 1; k >= 0; k-- {
		nd := &n.nodes[c.nodes[k]]
		if nd.total == 0 {
			continue
		}
		unit := scale / nd.total
		for i := nd.from; i < nd.to; i++ {
			dst[n.toks[i]] += unit * (float64(n.counts[i]) - nd.discount)
		}
		scale *= nd.backoff
	}
	for v, q := range n.unigram {
		dst[v] += scale * q
	}
}
