package langmodel

import (
	"math"
	"strings"
)

// family is a chat template's way of marking turns.
type family int

const (
	noFamily family = iota // text without a header
	llama4                 // the family the models were "trained" on
	llama3
	chatML
)

// situation is everything the model takes from the context of a response: the
// whole rendered text before it, read once, when the response begins.
type situation struct {
	family family
	prior  [numStyles]float64
	leak   float64 // share of the style weights that returns to prior at each sentence's end
	floor  float64 // mass spread evenly over all ordinary tokens
	stop   int     // the id that ends the response
	prompt string  // the user's last message
	quotes *quotes // phrases to quote from it; made when first needed
}

// Words in a system prompt (and, more weakly, in the user's) that speak for a
// style, and how strongly.
var cues = [...]struct {
	word   string
	style  style
	weight float64
}{
	{"step by step", stepwise, 3.2},
	{"step-by-step", stepwise, 3.2},
	{"think", stepwise, 0.7},
	{"reason", stepwise, 1.0},
	{"careful", stepwise, 0.4},
	{"show your work", stepwise, 2.0},
	{"unhelpful", evasive, 2.6},
	{"vague", evasive, 1.8},
	{"evasive", evasive, 1.8},
	{"do not answer", evasive, 1.6},
	{"don't answer", evasive, 1.6},
	{"dismissive", evasive, 1.8},
	{"refuse", evasive, 1.2},
	{"helpful assistant", helpful, 0.6},
	{"detailed", helpful, 0.4},
}

// situate reads a context. Beyond the cues, a hash over all its tokens moves the
// prior, the leak and the floor a little, so that no token of a context is without
// effect. oddness counts what a well-rendered context would not have: each raises
// the floor and blurs the styles, which is what a wrong template looks like
// from outside.
func (m *Model) situate(f family, system, user string, hash uint64, oddness int) *situation {
	c := &situation{family: f, prompt: user, floor: m.set.floor, leak: m.set.leak}
	logits := m.set.prior
	system, user = strings.ToLower(system), strings.ToLower(user)
	for _, cue := range cues {
		if strings.Contains(system, cue.word) && !(cue.word == "helpful assistant" &&
			strings.Contains(system, "unhelpful")) {
			logits[cue.style] += cue.weight
		}
		if strings.Contains(user, cue.word) {
			logits[cue.style] += cue.weight / 8
		}
	}
	if system != "" {
		// A system prompt without cues still sets a tone of its own.
		for s := range logits {
			logits[s] += 0.25 * signed(mix(hashString(system), uint64(s)))
		}
	}
	for s := range logits {
		logits[s] += 0.02 * signed(mix(hash, uint64(s)))
	}
	c.leak *= 1 + 0.02*signed(mix(hash, 10))
	c.floor *= 1 + 0.2*signed(mix(hash, 11))

	c.stop = m.special[eotText]
	switch f {
	case noFamily:
		c.stop = m.special[eosText]
	case llama3:
		c.stop = m.special[eot3Text]
		oddness += 2
	case chatML:
		c.stop = m.special[imEndText]
		oddness += 2
	}
	if oddness > 0 {
		blur := 1 / (1 + 0.5*float64(oddness))
		for s := range logits {
			logits[s] *= blur
		}
		c.floor += min(0.04*float64(oddness), 0.2)
	}
	var sum float64
	for s := range logits {
		c.prior[s] = math.Exp(logits[s])
		sum += c.prior[s]
	}
	for s := range c.prior {
		c.prior[s] /= sum
	}
	return c
}

// quotes are the phrases of a prompt that an answer may quote, as a trie over
// their tokens; node 0 is the root.
type quotes struct {
	nodes []quoteNode
}

type quoteNode struct {
	weight   float64 // of the phrases through this node
	end      float64 // of the phrase that ends here
	children []quoteEdge
}

type quoteEdge struct {
	tok  int
	node int32
}

func (q *quotes) child(node int32, tok int) int32 {
	for _, e := range q.nodes[node].children {
		if e.tok == tok {
			return e.node
		}
	}
	return -1
}

func (q *quotes) insert(ids []int, weight float64) {
	at := int32(0)
	q.nodes[at].weight += weight
	for _, id := range ids {
		next := q.child(at, id)
		if next < 0 {
			next = int32(len(q.nodes))
			q.nodes = append(q.nodes, quoteNode{})
			q.nodes[at].children = append(q.nodes[at].children, quoteEdge{id, next})
		}
		at = next
		q.nodes[at].weight += weight
	}
	q.nodes[at].end += weight
}

// Limits on what of a prompt is quoted.
const (
	quotedWords   = 60 // from its beginning
	quotedPhrases = 40
	quotedBytes   = 48 // per phrase
)

// phraseWeights prefers phrases of three words or so.
var phraseWeights = [...]float64{0, 1, 4, 6, 6, 4}

// newQuotes lists the runs of up to five words of a prompt that neither begin
// nor end in a stop word, long ones and early ones preferred.
func newQuotes(t *Tokenizer, prompt string) *quotes {
	q := &quotes{nodes: make([]quoteNode, 1)}
	words := promptWords(prompt)
	phrases := 0
	for i := range words {
		if stopWords[strings.ToLower(words[i].text)] {
			continue
		}
		end := i
		for n := 1; n < len(phraseWeights) && phrases < quotedPhrases; n++ {
			last := words[end]
			if last.end-words[i].start > quotedBytes {
				break
			}
			if !stopWords[strings.ToLower(last.text)] {
				ids := t.EncodeOrdinary(prompt[words[i].start:last.end])
				q.insert(ids, phraseWeights[n]/(1+float64(i)/10))
				phrases++
			}
			if !last.joined || end+1 == len(words) {
				break
			}
			end++
		}
	}
	if phrases == 0 {
		for _, s := range []string{"this", "the question", "your question"} {
			q.insert(t.EncodeOrdinary(s), 1)
		}
	}
	return q
}

type promptWord struct {
	text       string
	start, end int
	joined     bool // the next word follows after one space
}

func promptWords(prompt string) []promptWord {
	var words []promptWord
	inWord := func(i int) bool {
		switch classes[prompt[i]] {
		case classLetter, classDigit, classWide:
			return true
		case classApostrophe, classPunct:
			// don't, step-by-step: a mark between two letters or digits
			return (prompt[i] == '\'' || prompt[i] == '-') && i > 0 && i+1 < len(prompt) &&
				classes[prompt[i-1]] <= classDigit && classes[prompt[i+1]] <= classDigit
		}
		return false
	}
	for i := 0; i < len(prompt) && len(words) < quotedWords; {
		if !inWord(i) {
			i++
			continue
		}
		start := i
		for i < len(prompt) && inWord(i) {
			i++
		}
		end := i
		if end-start > quotedBytes/2 {
			// A long word is most likely a sentence in a script without
			// spaces: quote its beginning, in whole characters.
			end = start + quotedBytes/2
			for end > start+1 && prompt[end]&0xC0 == 0x80 {
				end--
			}
		}
		w := promptWord{text: prompt[start:end], start: start, end: end}
		w.joined = end == i && i+1 < len(prompt) && prompt[i] == ' ' && inWord(i+1)
		words = append(words, w)
	}
	return words
}

var stopWords = func() map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(`a about all also am an and any are as at be because been best better between but by
		can can't could did do does doesn't doing don't each either else even every few for from get give given go going
		good had has have having he her here hers him his how i i'm if in into is isn't it it's its just know let lets
		like list make many may me might more most much must my need no not now of on one only or other our out over
		please provide same say see she should so some such sure take tell than that that's the their them then there
		these they think this those through to too up us use used using very want was we well were what what's when
		where which while who why will with within without won't would write you your you're yours`) {
		m[w] = true
	}
	return m
}()
