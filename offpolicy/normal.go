package offpolicy

import (
	"math"
	"math/rand/v2"
)

// normalReplicates gives estimates whose errors come from influences the replicates that
// bands are made of: draws of the normal distribution with the influences' covariance
//
//	C_ij = Σ_p φ_i φ_j / n²
//
// each of them Value + (L z)_i, with L the Cholesky factor of C, z standard normal. It is
// what a bootstrap over so many prompts converges to, for the price of sums.
func normalReplicates(all []*Estimate, c *Config) {
	var es []*Estimate
	for _, e := range all {
		if !e.Refused() {
			es = append(es, e)
		}
	}
	l := cholesky(covariance(es))
	rng := make([]*rand.Rand, len(es))
	for i := range rng {
		rng[i] = rand.New(rand.NewPCG(c.Seed, uint64(i)))
		es[i].replicates = make([]float64, c.Replicates)
	}
	z := make([]float64, len(es))
	for b := range c.Replicates {
		for i, e := range es {
			z[i] = rng[i].NormFloat64()
			e.replicates[b] = e.Value
			for j, v := range l[i][:i+1] {
				e.replicates[b] += v * z[j]
			}
		}
	}
}

func covariance(es []*Estimate) [][]float64 {
	out := make([][]float64, len(es))
	for i, a := range es {
		out[i] = make([]float64, len(es))
		n := float64(len(a.Influence))
		for j, b := range es[:i+1] {
			var sum float64
			for p, v := range a.Influence {
				sum += v * b.Influence[p]
			}
			out[i][j] = sum / (n * n)
		}
	}
	return out
}

// cholesky returns the lower triangle L with L L' = c, whose lower triangle is read. What
// depends on the rows before it (two estimates may be one) adds nothing of its own.
func cholesky(c [][]float64) [][]float64 {
	l := make([][]float64, len(c))
	for i := range c {
		l[i] = make([]float64, len(c))
		for j := range i {
			if l[j][j] == 0 {
				continue
			}
			sum := c[i][j]
			for k := range j {
				sum -= l[i][k] * l[j][k]
			}
			l[i][j] = sum / l[j][j]
		}
		rest := c[i][i]
		for k := range i {
			rest -= l[i][k] * l[i][k]
		}
		if rest > 1e-12*c[i][i] {
			l[i][i] = math.Sqrt(rest)
		}
	}
	return l
}
