package temper_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// orders are the engines' orders, each by how it picks what is kept.
var orders = []temper.Order{temper.TemperatureTopKTopP, temper.TemperatureBoth, temper.TopKTopPTemperature}

// sampled is the log of the distribution that an engine of the given order draws from,
// step by step over the whole vocabulary. Equal probabilities rank by id.
func sampled(p []float64, s offpolicy.Sampling, o temper.Order) []float64 {
	return sampledBy(p, s, o, cuts{})
}

// cuts say where an engine keeps all that is as likely as the last token kept: vLLM's top-k in
// PyTorch does, FlashInfer's kernels do in both, vLLM's Triton kernel and llama.cpp in neither.
type cuts struct{ topK, topP bool }

func readings(o temper.Order) []cuts {
	if o == temper.TopKTopPTemperature {
		return []cuts{{}}
	}
	return []cuts{{}, {topK: true}, {topK: true, topP: true}}
}

func sampledBy(p []float64, s offpolicy.Sampling, o temper.Order, tied cuts) []float64 {
	tempered := make([]float64, len(p))
	peak := slices.Max(p)
	for i, v := range p {
		tempered[i] = math.Pow(v/peak, 1/s.Temperature)
	}
	look := tempered // what the filters look at
	if o == temper.TopKTopPTemperature {
		look = p
	}
	ranks := ranked(p)
	k := len(p)
	if s.TopK > 0 {
		k = min(k, s.TopK)
	}
	for last := max(0, k-1); tied.topK && k < len(p) && alike(p[ranks[k]], p[ranks[last]]); {
		k++
	}
	whole := 0.0
	for i, id := range ranks {
		if o == temper.TemperatureBoth || i < k {
			whole += look[id]
		}
	}
	out := make([]float64, len(p))
	for i := range out {
		out[i] = math.Inf(-1)
	}
	reached, sum, end := 0.0, 0.0, -1
	for i, id := range ranks {
		full := s.TopP < 1 && reached >= s.TopP*whole
		if full && end < 0 {
			end = i - 1
		}
		if i >= k || full && !(tied.topP && alike(p[id], p[ranks[end]])) {
			break
		}
		out[id] = math.Log(p[id]/peak) / s.Temperature
		reached += look[id]
		sum += tempered[id]
	}
	for i := range out {
		out[i] -= math.Log(sum)
	}
	return out
}

// alike are probabilities that differ by rounding alone.
func alike(a, b float64) bool { return math.Abs(a-b) <= 1e-12*b }

// ranked are the tokens by falling probability, equal ones by id.
func ranked(p []float64) []int {
	if len(p) == len(lastRanked.p) && &p[0] == &lastRanked.p[0] {
		return lastRanked.ids // of one distribution, under another setting
	}
	ids := make([]int, len(p))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int { return cmp.Compare(p[b], p[a]) })
	lastRanked.p, lastRanked.ids = p, ids
	return ids
}

var lastRanked struct {
	p   []float64
	ids []int
}

func normalise(p []float64) {
	sum := 0.0
	for _, v := range p {
		sum += v
	}
	for i := range p {
		p[i] /= sum
	}
}

// position is what a server shows of p at a token: the k likeliest, and the token.
func position(p []float64, scored, k int) temper.Position {
	ids := ranked(p)
	k = min(k, len(p))
	pos := temper.Position{Scored: temper.Token{ID: scored, LogProb: math.Log(p[scored])}, Asked: k, Vocabulary: len(p)}
	for _, id := range ids[:k] {
		pos.Top = append(pos.Top, temper.Token{ID: id, LogProb: math.Log(p[id])})
	}
	return pos
}

// holds reports whether v says what is true of a token of log-prob truth.
func holds(v temper.Value, truth, slack float64) bool {
	switch v.Kind {
	case temper.Unbounded:
		return true
	case temper.Outside:
		return math.IsInf(truth, -1)
	case temper.Exact:
		return math.Abs(v.Lower-truth) <= slack
	}
	return v.Lower-slack <= truth && truth <= v.Upper+slack
}

// draw is a distribution over n tokens: a Dirichlet draw, its shape from nearly one
// token to nearly even.
func draw(rng *rand.Rand, n int) []float64 {
	p := make([]float64, n)
	shape := math.Exp(rng.Float64()*6 - 2)
	for i := range p {
		p[i] = math.Exp(shape * rng.NormFloat64())
	}
	normalise(p)
	return p
}

var (
	temperatures = []float64{0.05, 0.3, 0.7, 1, 1.3, 3}
	topPs        = []float64{0.3, 0.8, 0.9, 0.99, 1}
)

// Whatever the distribution, the setting, the order and the part that is shown, the
// truth lies in what is said.
func TestBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	kinds := map[temper.Kind]int{}
	for range 10000 {
		n := 2 + rng.IntN(40)
		p := draw(rng, n)
		k := []int{1, 3, 5, 20, n}[rng.IntN(5)]
		tell := true // what is shown tells whether tokens tie that are not
		switch rng.IntN(6) {
		case 0: // ties
			for range n / 2 {
				p[rng.IntN(n)] = p[rng.IntN(n)]
			}
			tell = k >= n
			normalise(p)
		case 1: // logits of few bits
			for i, v := range p {
				p[i] = math.Exp(math.Round(16*math.Log(v)) / 16)
			}
			tell = k > 3
			normalise(p)
		}
		scored := rng.IntN(n)
		pos := position(p, scored, k)
		switch rng.IntN(3) {
		case 0:
			pos.Vocabulary = 0
		case 1:
			pos.Vocabulary = n + rng.IntN(1000) // a number above the true one is safe
		}
		if rng.IntN(2) == 0 && !slices.ContainsFunc(pos.Top, func(t temper.Token) bool { return t.ID == scored }) {
			pos.Top = append(pos.Top, pos.Scored) // as vLLM appends it
		}
		slack := 1e-9
		if rng.IntN(3) == 0 { // in 32 bits
			slack = 1e-5 // a few units of 1e-6 nats, over a temperature of 0.05 at most; see below
			pos.Scored.LogProb = float64(float32(pos.Scored.LogProb))
			for i := range pos.Top {
				pos.Top[i].LogProb = float64(float32(pos.Top[i].LogProb))
			}
			pos.Noise = 1e-6
		}
		s := offpolicy.Sampling{Temperature: temperatures[rng.IntN(len(temperatures))],
			TopP: topPs[rng.IntN(len(topPs))], TopK: []int{0, 1, 2, 5, 20, 50}[rng.IntN(6)], MaxTokens: 1}
		if slack > 1e-9 {
			slack *= max(1, 1/s.Temperature)
		}
		any := temper.LogProb(pos, s, temper.AnyOrder)
		for _, o := range orders {
			v := temper.LogProb(pos, s, o)
			kinds[v.Kind]++
			for i, tied := range readings(o) {
				if i > 0 && !tell {
					break
				}
				truth := sampledBy(p, s, o, tied)[scored]
				if !holds(v, truth, slack) || !holds(any, truth, slack) {
					t.Fatalf("order %d, %+v, %+v, %d of %d shown, vocabulary %d: truth %v, got %+v; any order %+v\n%v", o, tied, s,
						k, n, pos.Vocabulary, truth, v, any, p)
				}
			}
			truth := sampled(p, s, o)[scored]
			if !math.IsInf(truth, -1) { // the policy may have drawn it, which narrows what is said
				drawn := pos
				drawn.Drawn = true
				w, a := temper.LogProb(drawn, s, o), temper.LogProb(drawn, s, temper.AnyOrder)
				if !holds(w, truth, slack) || !holds(a, truth, slack) || w.Kind == temper.Interval && math.IsInf(w.Lower, -1) ||
					w.Kind != temper.Unbounded && (w.Lower < v.Lower || w.Upper > v.Upper) {
					t.Fatalf("order %d, %+v, %d of %d shown, drawn by the policy: truth %v, got %+v, else %+v; any order %+v\n%v", o,
						s, k, n, truth, w, v, a, p)
				}
			}
			if v.Kind == temper.Unbounded && (s.Temperature <= 1 || pos.Vocabulary > 0) {
				t.Fatalf("order %d, %+v, %d of %d shown, vocabulary %d: %+v", o, s, k, n, pos.Vocabulary, v)
			}
		}
	}
	for _, k := range []temper.Kind{temper.Unbounded, temper.Exact, temper.Interval, temper.Outside} {
		if kinds[k] < 150 {
			t.Errorf("kind %d: %d of 30,000 values; the draws do not try it", k, kinds[k])
		}
	}
	t.Log(kinds)
}

// Distributions that attain the bounds: the rest spread evenly, and as concentrated as
// the least of the alternatives allows.
func TestBoundsAreAttained(t *testing.T) {
	for _, test := range []struct {
		name string
		rest []float64 // probabilities that are not shown
		vocs int       // the vocabulary's size that is stated
	}{
		{"even", []float64{.05, .05, .05, .05}, 6},
		{"concentrated", []float64{.1, .1, 0, 0}, 6},
	} {
		p := append([]float64{.7, .1}, test.rest...)
		p[0], p[1] = .7, .1
		for _, T := range []float64{.5, 2} {
			s := offpolicy.Sampling{Temperature: T, TopP: 1, MaxTokens: 1}
			pos := position(p, 0, 2)
			pos.Vocabulary = test.vocs
			v := temper.LogProb(pos, s, temper.AnyOrder)
			truth := sampled(p, s, temper.TemperatureTopKTopP)[0]
			lower := (test.name == "concentrated") == (T < 1) // a larger rest is a lower value
			near := v.Upper
			if lower {
				near = v.Lower
			}
			if math.Abs(near-truth) > 1e-12 {
				t.Errorf("%s at T %v: truth %v is not an end of [%v, %v]", test.name, T, truth, v.Lower, v.Upper)
			}
		}
	}
}
