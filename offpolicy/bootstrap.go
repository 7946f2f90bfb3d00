package offpolicy

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// replicateWeights fills v with a replicate's prompt weights: independent
// exponentials of mean 1, each a function of seed, replicate and prompt alone.
// So a prompt keeps its weight whatever other prompts there are, and replicates
// of two policies, or of two runs, are paired.
//
//	u = mix(key ^ mix(seed + (replicate+1) · 0x9e3779b97f4a7c15)),  v = -log((⌊u/2¹¹⌋ + ½) / 2⁵³)
//
// with key the first eight bytes of the SHA-256 of the prompt's id and mix the
// finaliser of SplitMix64 (Steele, Lea and Flood 2014).
func replicateWeights(v []float64, keys []uint64, seed uint64, replicate int) {
	base := mix(seed + (uint64(replicate)+1)*0x9e3779b97f4a7c15)
	for p, key := range keys {
		u := mix(key ^ base)
		v[p] = -math.Log((float64(u>>11) + .5) / (1 << 53))
	}
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// replicates computes every statistic in every replicate, with the fold models
// refitted: out[s][b]. Whatever the concurrency, it is the same.
func replicates(fr *frame, stats []statistic, n int, seed uint64, concurrency int) [][]float64 {
	out := make([][]float64, len(stats))
	for s := range out {
		out[s] = make([]float64, n)
	}
	if len(stats) == 0 {
		return out
	}
	const chunk = 16
	inParallel(concurrency, (n+chunk-1)/chunk, func() *worker { return newWorker(fr) }, func(w *worker, k int) {
		for b := k * chunk; b < min((k+1)*chunk, n); b++ {
			replicateWeights(w.v, fr.keys, seed, b)
			w.predict(fr)
			for s, stat := range stats {
				out[s][b] = stat.value(w)
			}
		}
	})
	return out
}

// inParallel calls f with 0 to n-1, each once, in as many goroutines as
// concurrency says (0: GOMAXPROCS), each with a value of its own.
func inParallel[T any](concurrency, n int, own func() T, f func(T, int)) {
	if concurrency <= 0 {
		concurrency = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	work := func() {
		mine := own()
		for {
			k := int(next.Add(1)) - 1
			if k >= n {
				return
			}
			f(mine, k)
		}
	}
	var wg sync.WaitGroup
	for range min(concurrency, n) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

func standardDeviation(values []float64) float64 {
	_, se := meanSE(values)
	return se * math.Sqrt(float64(len(values)))
}
