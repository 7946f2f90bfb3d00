package temper_test

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// Contexts as Llama 4's template renders them.
func contextOf(question string) string {
	return "<|begin_of_text|><|header_start|>user<|header_end|>\n\n" + question + "<|eot|>" +
		"<|header_start|>assistant<|header_end|>\n\n"
}

// Responses of the known language model, valued from the alternatives that a server
// would show, against its exact distribution. REWEIGH_TEMPER is the number of cases;
// 20,000 of them take some minutes, and -v prints the widths.
func TestAgainstTheExactDistribution(t *testing.T) {
	cases := 10
	if v, err := strconv.Atoi(os.Getenv("REWEIGH_TEMPER")); err == nil {
		cases = v
	}
	model := langmodel.New(langmodel.Small)
	tok := model.Tokenizer()
	eot, _ := tok.Special("<|eot|>")
	questions := []string{"What is the capital of France?", "How do I bake bread?", "Why is the sky blue?",
		"Write a poem.", "Is seven a prime number?", "Explain tides."}
	type cell struct {
		T    float64
		k    int
		vocs int
	}
	widths := map[cell][]float64{} // nats a token, of unfiltered values
	kinds := map[int]map[temper.Kind]int{}
	wrong, valued, ties, unseen := 0, 0, 0, 0
	fail := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf(format, args...)
		}
	}
	for i := range cases {
		rng := rand.New(rand.NewPCG(uint64(i), 17))
		s := setting([]float64{.3, .7, 1.3}[rng.IntN(3)], []float64{.8, .9, 1}[rng.IntN(3)], []int{0, 20, 50}[rng.IntN(3)])
		// The logging policy is the model itself or the tempered policy: then the response
		// is within the support.
		from := langmodel.Sampling{Temperature: 1, TopP: 1}
		if i%2 == 0 {
			from = langmodel.Sampling{Temperature: s.Temperature, TopP: s.TopP, TopK: s.TopK}
		}
		ctx := tok.Encode(contextOf(questions[rng.IntN(len(questions))]))
		d := model.Generate(ctx, from, 1+rng.IntN(40), []int{eot}, rng)
		ids := d.IDs
		if d.Stopped {
			ids = append(slices.Clone(ids), d.StopID)
		}
		type sums struct {
			truth  float64
			values []temper.Value
		}
		total := map[[2]int]*sums{}
		at := slices.Clone(ctx)
		for _, id := range ids {
			p := model.Distribution(at, nil)
			at = append(at, id)
			shown := []int{5, 20, len(p)}
			var positions []temper.Position
			for _, k := range shown {
				positions = append(positions, position(p, id, k))
			}
			for oi, o := range orders {
				truth := sampled(p, s, o)[id]
				for ki, k := range shown {
					pos := positions[ki]
					v := temper.LogProb(pos, s, o)
					if !holds(v, truth, 1e-9) {
						fail("case %d, order %d, %+v, %d shown: truth %v, got %+v", i, o, s, k, truth, v)
					}
					undecided := false // tokens tie at a cut, of which engines keep one or all
					for _, by := range readings(o)[1:] {
						if s.TopK == 0 && s.TopP == 1 {
							break // nothing is cut
						}
						all := sampledBy(p, s, o, by)
						differs := !(math.Abs(all[id]-truth) <= 1e-9 || all[id] == truth)
						undecided = undecided || differs
						if differs && kept(all) > k && !tie(pos) {
							unseen++ // they tie out of sight, and nothing that is shown says so
						} else if !holds(v, all[id], 1e-9) {
							fail("case %d, order %d, %+v, %+v, %d shown: truth %v, got %+v", i, o, s, by, k, all[id], v)
						}
					}
					valued++
					if undecided {
						ties++
					}
					if k == len(p) && v.Kind == temper.Interval && !undecided || v.Kind == temper.Unbounded {
						fail("case %d, order %d, %+v, %d shown: %+v", i, o, s, k, v)
					}
					// If the last two shown tie, so may others, and a cut there is wider than the formulas.
					open := undecided || tie(pos) && kept(sampled(p, s, o)) >= k
					if most := widest(pos, s, o); v.Kind == temper.Interval && !math.IsInf(v.Lower, -1) && !open &&
						v.Upper-v.Lower > most+1e-9 {
						fail("case %d, order %d, %+v, %d shown: [%v, %v] is wider than %v", i, o, s, k, v.Lower, v.Upper, most)
					}
					sum := total[[2]int{oi, k}]
					if sum == nil {
						sum = &sums{}
						total[[2]int{oi, k}] = sum
					}
					sum.truth += truth
					sum.values = append(sum.values, v)
				}
			}
			free := s
			free.TopP, free.TopK = 1, 0
			truth := sampled(p, free, orders[0])[id]
			for ki, k := range shown[:2] {
				for _, vocs := range []int{len(p), 150000} {
					pos := positions[ki]
					pos.Vocabulary = vocs
					w := temper.LogProb(pos, free, orders[0])
					c := cell{s.Temperature, k, vocs}
					widths[c] = append(widths[c], w.Upper-w.Lower)
					if !holds(w, truth, 1e-9) {
						fail("case %d, %+v, %d shown, padded to %d: truth %v, got %+v", i, free, k, vocs, truth, w)
					}
				}
			}
		}
		for key, sum := range total {
			v := temper.Sum(sum.values)
			if !holds(v, sum.truth, 1e-9*float64(len(ids))) {
				fail("case %d, order %d, %+v, %d shown: the response's truth %v, got %+v", i, orders[key[0]], s, key[1],
					sum.truth, v)
			}
			if key[1] != 5 && key[1] != 20 {
				key[1] = 0
			}
			if kinds[key[1]] == nil {
				kinds[key[1]] = map[temper.Kind]int{}
			}
			kinds[key[1]][v.Kind]++
		}
	}
	for _, T := range []float64{.3, .7, 1.3} {
		for _, k := range []int{5, 20} {
			for _, vocs := range []int{tok.Size(), 150000} {
				if w := widths[cell{T, k, vocs}]; len(w) > 0 {
					slices.Sort(w)
					t.Logf("T %v, %d shown, vocabulary %d: median width %.2g nats a token, mean %.2g", T, k, vocs,
						w[len(w)/2], mean(w))
				}
			}
		}
	}
	t.Logf("%d of %d tokens' values differ between engines by what they keep of a tie; %d readings of ties out of sight",
		ties, valued, unseen)
	t.Logf("responses by what is shown (0: all) and kind (1 exact, 2 interval, 3 outside): %v", kinds)
}

// kept is how many tokens a distribution keeps.
func kept(logprobs []float64) (n int) {
	for _, v := range logprobs {
		if !math.IsInf(v, -1) {
			n++
		}
	}
	return n
}

// tie reports whether the last two tokens that are shown tie.
func tie(pos temper.Position) bool {
	n := min(len(pos.Top), pos.Asked)
	return n > 1 && pos.Top[n-1].LogProb == pos.Top[n-2].LogProb
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// widest is the width that the bounds give, written down again from their formulas in
// plain probabilities, for a token that is kept for certain.
func widest(pos temper.Position, s offpolicy.Sampling, o temper.Order) float64 {
	a := 1 / s.Temperature
	scored := math.Exp(pos.Scored.LogProb)
	appended := !slices.ContainsFunc(pos.Top, func(t temper.Token) bool { return t.ID == pos.Scored.ID })
	K := len(pos.Top)
	cs := make([]float64, K+1) // C_j
	r, q := 1.0, 1.0
	for i, t := range pos.Top {
		p := math.Exp(t.LogProb)
		cs[i+1] = cs[i] + math.Pow(p, a)
		r -= p
		q = p
	}
	tail := r
	sum, m := cs[K], float64(pos.Vocabulary-K)
	if appended {
		sum += math.Pow(scored, a)
		r -= scored
		m--
	}
	r = max(r, 0) + 2e-15*float64(K)
	qr := min(q, r)
	n := math.Floor(r / qr)
	u, c := math.Pow(m, 1-a)*math.Pow(r, a), n*math.Pow(qr, a)+math.Pow(max(0, r-n*qr), a)
	if m <= 0 {
		u, c = 0, 0
	}
	zLo, zHi := sum+min(u, c), sum+max(u, c)
	kLo, kHi := zLo, zHi
	if k := s.TopK; k > 0 && k <= K {
		kLo, kHi = cs[k], cs[k]
	} else if k > K {
		h := float64(k - K)
		qt := min(q, tail)
		rest := min(tail, h*qt)
		if a > 1 {
			rest *= math.Pow(qt, a-1)
		} else {
			rest = math.Pow(h, 1-a) * math.Pow(rest, a)
		}
		kLo, kHi = cs[K], min(cs[K]+rest, zHi)
	}
	nucleus := func(zLo, zHi float64) (lo, hi float64) {
		end := func(want float64) int {
			return slices.IndexFunc(cs, func(c float64) bool { return c >= want })
		}
		lo, hi = max(cs[K], s.TopP*zLo), min(zHi, s.TopP*zHi+math.Pow(q, a))
		if j := end(s.TopP * zLo); j >= 0 {
			lo = cs[j]
		}
		if j := end(s.TopP * zHi); j >= 0 {
			hi = cs[j]
		}
		return lo, hi
	}
	lo, hi := kLo, kHi
	switch {
	case s.TopP == 1:
	case o == temper.TemperatureTopKTopP:
		lo, hi = nucleus(kLo, kHi)
	case o == temper.TemperatureBoth:
		nLo, nHi := nucleus(zLo, zHi)
		lo, hi = min(kLo, nLo), min(kHi, nHi)
	default:
		return math.Inf(1) // the bounds name no normaliser for a nucleus that ends out of sight
	}
	return math.Log(hi / lo)
}
