package cje

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// clusterSE is the standard error of a mean with influence values x, clustered,
// with the small-sample factor G/(G-1) of G clusters (CRV1):
//
//	√( G/(G-1) Σ_g (T_g - T̄)² ) / n,    T_g the sum of x - x̄ over cluster g
//
// with G-1 degrees of freedom. Below two clusters it is, as in the reference,
// that of independent rows. cluster holds small numbers from 0.
func clusterSE(x []float64, cluster []int) (se float64, df int) {
	var sums []float64
	var used []bool
	m := mean(x)
	for i, g := range cluster {
		for len(sums) <= g {
			sums, used = append(sums, 0), append(used, false)
		}
		sums[g] += x[i] - m
		used[g] = true
	}
	totals := sums[:0]
	for g, t := range sums {
		if used[g] {
			totals = append(totals, t)
		}
	}
	if len(totals) < 2 {
		return sampleSE(x), max(len(x)-1, 1)
	}
	g, n := float64(len(totals)), float64(len(x))
	return math.Sqrt(g/(g-1)*g*variance(totals)) / n, len(totals) - 1
}

// jackknifeVariance is that of leave-one-fold-out values: (K-1)/K Σ (ψ_k - ψ̄)²,
// 0 below two.
func jackknifeVariance(values []float64) float64 {
	k := float64(len(values))
	if k < 2 {
		return 0
	}
	return (k - 1) * variance(values)
}

// sampleSE is sd / √n, n-1 in the variance's denominator.
func sampleSE(v []float64) float64 {
	n := float64(len(v))
	return math.Sqrt(variance(v) / (n - 1))
}

// critical is the 97.5% quantile of t, of the normal distribution for df 0.
func critical(df int) float64 {
	if df == 0 {
		return distuv.UnitNormal.Quantile(.975)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(df)}.Quantile(.975)
}
