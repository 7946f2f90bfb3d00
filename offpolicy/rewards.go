package offpolicy

import "math"

// RewardMeans are the plain importance-weighted means of rewards, with weights w
// = exp(log-ratio) and sums over the N rows that have both.
//
//	IPS   = Σ w R / N        IPSSE   = sd(w R) / √N
//	SNIPS = Σ w R / Σ w      SNIPSSE = √(N/(N-1) Σ w² (R - SNIPS)²) / Σ w
//
// Rows are taken as independent: for errors by prompt, and refusals, see
// [Evaluate] and [Accumulator]. Errors are NaN below two rows, SNIPS where every
// w is 0, and all of them without a row. IPS and Mean are infinite where they
// exceed a float64.
type RewardMeans struct {
	N, Missing     int
	IPS, IPSSE     float64
	SNIPS, SNIPSSE float64
	ESS            float64 // (Σw)² / Σw²; 0 where every w is 0
	Mean           float64 // Σw / N
}

// rewardBlock is how many rows are summed before their sums are added up, in
// order, so that the result does not depend on how many processors there were.
const rewardBlock = 1 << 13

// rewardSums are sums over a block: of w, w², w(R-c), w²(R-c), w²(R-c)².
type rewardSums struct {
	n                    int
	w, ww, wd, wwd, wwdd float64
	bad                  bool
}

// MeanRewards computes [RewardMeans] in one pass over the rows, on all
// processors where there are many. A log-ratio or reward that is NaN is missing;
// a log-ratio of +Inf or an infinite reward is a [*RowError]. It panics if
// lengths differ.
func MeanRewards(logRatios, rewards []float64) (RewardMeans, error) {
	const op = "mean rewards"
	mustMatch(op, len(logRatios), len(rewards))
	shift := 0.0
	s, center := sumBlocks(logRatios, rewards, shift)
	if !s.bad && !(s.ww >= 1e-250 && s.ww <= 1e250) {
		// Raw weights, squared, leave the range of a float64, or nearly so: take
		// them in units of the largest.
		if top := largest(logRatios); !math.IsInf(top, 0) {
			shift = top
			s, center = sumBlocks(logRatios, rewards, shift)
		}
	}
	if s.bad {
		return RewardMeans{}, rewardError(op, logRatios, rewards)
	}
	nan := math.NaN()
	out := RewardMeans{N: s.n, Missing: len(logRatios) - s.n, IPS: nan, IPSSE: nan, SNIPS: nan, SNIPSSE: nan, Mean: nan}
	if out.N == 0 {
		return out, nil
	}
	n, scale := float64(s.n), math.Exp(shift)
	out.Mean, out.IPS = scale*(s.w/n), scale*((s.wd+center*s.w)/n)
	move := 0.0
	if s.w > 0 {
		move = s.wd / s.w
		out.ESS, out.SNIPS = s.w*s.w/s.ww, center+move
	}
	if out.N < 2 {
		return out, nil
	}
	squares := max(s.wwdd-2*move*s.wwd+move*move*s.ww, 0) // Σ w²(R-ψ)², ψ = SNIPS
	if s.w > 0 {
		out.SNIPSSE = math.Sqrt(n/(n-1)*squares) / s.w
	}
	// wR - its mean is w(R-ψ) + ψ(w - w̄), and Σ w(R-ψ) is 0.
	psi, mean := center+move, s.w/n
	ips := squares + 2*psi*(s.wwd-move*s.ww) + psi*psi*(s.ww-n*mean*mean)
	out.IPSSE = scale * math.Sqrt(max(ips, 0)/(n-1)/n)
	return out, nil
}

func largest(logRatios []float64) float64 {
	top := math.Inf(-1)
	for _, l := range logRatios {
		if l > top {
			top = l
		}
	}
	return top
}

// sumBlocks adds up all rows. Squares are taken around center, the first block's
// SNIPS, so that nothing cancels where rewards hardly vary.
func sumBlocks(logRatios, rewards []float64, shift float64) (s rewardSums, center float64) {
	n := len(logRatios)
	first := sumRewards(logRatios[:min(n, rewardBlock)], rewards, shift, 0)
	if c := first.wd / first.w; c-c == 0 {
		center = c
	}
	blocks := make([]rewardSums, (n+rewardBlock-1)/rewardBlock)
	inParallel(len(blocks), func(b int) {
		from, to := b*rewardBlock, min((b+1)*rewardBlock, n)
		blocks[b] = sumRewards(logRatios[from:to], rewards[from:to], shift, center)
	})
	for _, b := range blocks {
		s.n += b.n
		s.w, s.ww, s.wd, s.wwd, s.wwdd = s.w+b.w, s.ww+b.ww, s.wd+b.wd, s.wwd+b.wwd, s.wwdd+b.wwdd
		s.bad = s.bad || b.bad
	}
	return s, center
}

func sumRewards(logRatios, rewards []float64, shift, center float64) rewardSums {
	if s, ok := sumOrdinary(logRatios, rewards, shift, center); ok {
		return s
	}
	var s rewardSums
	for i, l := range logRatios {
		w, d := math.Exp(l-shift), rewards[i]-center
		wd := w * d
		s.bad = s.bad || math.IsInf(l, 1) || math.IsInf(d, 0)
		if math.IsNaN(l) || math.IsNaN(d) || s.bad {
			continue
		}
		s.n++
		s.w += w
		s.ww += w * w
		s.wd += wd
		s.wwd += w * wd
		s.wwdd += wd * wd
	}
	return s
}

// sumOrdinary is sumRewards where nothing is missing, infinite, or so large or
// small that a weight is not a normal float64; ok says that it was so.
func sumOrdinary(logRatios, rewards []float64, shift, center float64) (s rewardSums, ok bool) {
	rewards = rewards[:len(logRatios)]
	var sw, sww, swd, swwd, swwdd float64
	for i, l := range logRatios {
		x := l - shift
		if !(math.Abs(x) < 700) {
			return s, false
		}
		// exp, written out, since a call costs more than it does: e^x = 2^(k/64) e^r
		// with |r| <= ln2/128, and e^r to the fifth power, which is right to within
		// 2 units in the last place.
		t := x*(64/math.Ln2) + expRound
		k := int64(math.Float64bits(t) - expRoundBits)
		t -= expRound
		r := (x - t*expHi) - t*expLo
		rr := r * r
		p := r + rr*((.5+r*(1./6))+rr*((1./24)+r*(1./120)))
		e := expTable[k&63]
		w := math.Float64frombits(math.Float64bits(e+e*p) + uint64(k>>6)<<52)
		wd := w * (rewards[i] - center)
		sw += w
		sww += w * w
		swd += wd
		swwd += w * wd
		swwdd += wd * wd
	}
	return rewardSums{n: len(logRatios), w: sw, ww: sww, wd: swd, wwd: swwd, wwdd: swwdd}, swwdd-swwdd == 0
}

// Adding expRound rounds a float64 of moderate size to a whole number, which then
// stands in its low bits. expHi + expLo is ln2/64, the former with so few digits
// that k·expHi is exact (Tang 1989).
const (
	expRound     = 3 << 51
	expRoundBits = 0x4338000000000000
	expHi        = 0x1.62e42fefap-7
	expLo        = 0x1.cf79abc9e3b3ap-46
)

// expTable is 2^(j/64).
var expTable = func() (t [64]float64) {
	for j := range t {
		t[j] = math.Exp2(float64(j) / 64)
	}
	return t
}()

func rewardError(op string, logRatios, rewards []float64) error {
	var bad *RowError
	for i, l := range logRatios {
		switch r := rewards[i]; {
		case math.IsInf(l, 1):
			bad = bad.add(op, i, l, "an infinite weight; make log-ratios with LogRatios")
		case math.IsInf(r, 0):
			bad = bad.add(op, i, r, "an infinite reward; a missing one is NaN")
		}
	}
	return bad
}
