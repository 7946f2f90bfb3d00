package offpolicy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// CalibrationCheck is what the labels say of a [Calibrator] on the policy that
// they were taken from. It says nothing of another policy.
type CalibrationCheck struct {
	Status  Status   // pass, hold or info
	Reasons []string // why, in words

	N       int // labeled rows
	Prompts int // distinct prompts among them
	// Spearman is the rank correlation of score and label, ties averaged, with
	// one-sided 97.5% bounds; NaN, all three, where scores or labels are all
	// equal.
	Spearman, SpearmanLower, SpearmanUpper float64
	// MeanResidual is the mean out-of-fold residual, weighted by 1/InclusionProb,
	// and ResidualSE its standard error, clustered by prompt.
	MeanResidual, ResidualSE float64
}

// Check judges the calibration by cross-fitted figures:
//
//	pass  if the lower bound of Spearman's correlation is above 0 and
//	      |mean out-of-fold residual| <= 3.29 SE;
//	hold  if the upper bound is below .3, or the correlation is undefined;
//	info  otherwise.
//
// The bounds are tanh(atanh ρ ± 1.96 √(1.06/(n-3))), n the number of distinct
// prompts; below four prompts they are -1 and 1.
//
// Source of 1.06: Fieller, Hartley and Pearson, "Tests for rank correlation
// coefficients. I", Biometrika 44 (1957), 470-481.
func (c *Calibrator) Check() CalibrationCheck {
	k := c.check
	k.Reasons = slices.Clone(k.Reasons)
	return k
}

// checkCalibration judges a calibration by the rows that it was fitted to and their residuals out
// of fold.
func checkCalibration(rows []LabeledScore, oof []float64) CalibrationCheck {
	var score, label []float64
	var sum, sumW float64
	type cluster struct{ wr, w float64 }
	prompts := map[string]cluster{}
	var order []string // so that sums do not follow the map's order
	for i, r := range rows {
		score, label = append(score, r.Score.OrNaN()), append(label, r.Label.OrNaN())
		w := 1 / r.InclusionProb.OrNaN()
		sum += w * oof[i]
		sumW += w
		t, seen := prompts[r.PromptID]
		if !seen {
			order = append(order, r.PromptID)
		}
		prompts[r.PromptID] = cluster{t.wr + w*oof[i], t.w + w}
	}
	k := CalibrationCheck{N: len(rows), Prompts: len(prompts)}
	k.MeanResidual = sum / sumW
	k.ResidualSE = math.NaN()
	if g := float64(k.Prompts); g > 1 {
		var ss float64
		for _, id := range order {
			d := prompts[id].wr - k.MeanResidual*prompts[id].w
			ss += d * d
		}
		k.ResidualSE = math.Sqrt(g/(g-1)*ss) / sumW
	}
	k.Spearman = Spearman(score, label)
	k.SpearmanLower, k.SpearmanUpper = spearmanBounds(k.Spearman, k.Prompts)

	say := func(status Status, format string, args ...any) {
		k.Status = status
		k.Reasons = append(k.Reasons, fmt.Sprintf(format, args...))
	}
	biased := !(math.Abs(k.MeanResidual) <= 3.29*k.ResidualSE)
	switch {
	case math.IsNaN(k.Spearman):
		say(StatusHold, "scores or labels are all equal: nothing can be calibrated")
	case k.SpearmanUpper < .3:
		say(StatusHold, "the judge hardly follows the oracle: Spearman %.2f, at most %.2f", k.Spearman, k.SpearmanUpper)
	case k.SpearmanLower > 0 && !biased:
		say(StatusPass, "Spearman %.2f (%.2f to %.2f), mean out-of-fold residual %+.3f (SE %.3f)",
			k.Spearman, k.SpearmanLower, k.SpearmanUpper, k.MeanResidual, k.ResidualSE)
	default:
		if !(k.SpearmanLower > 0) {
			say(StatusInfo, "Spearman %.2f (%.2f to %.2f) cannot be told from 0 with %d labels",
				k.Spearman, k.SpearmanLower, k.SpearmanUpper, k.N)
		}
		if biased {
			say(StatusInfo, "mean out-of-fold residual %+.3f is beyond 3.29 SE of %.3f", k.MeanResidual, k.ResidualSE)
		}
	}
	return k
}

func spearmanBounds(rho float64, n int) (lo, hi float64) {
	switch {
	case math.IsNaN(rho):
		return math.NaN(), math.NaN()
	case n < 4:
		return -1, 1
	}
	// atanh is infinite at ±1, and tanh takes it back there: a perfect
	// correlation has a degenerate interval, as Fisher's z does.
	z, half := math.Atanh(rho), 1.959963984540054*math.Sqrt(1.06/float64(n-3))
	return math.Tanh(z - half), math.Tanh(z + half)
}

// Spearman returns the rank correlation of a and b: Pearson's correlation of
// their ranks, those of equal values averaged. It is NaN where either side is
// constant or empty, or where any value is NaN. It panics if the lengths differ.
func Spearman(a, b []float64) float64 {
	mustMatch("spearman", len(a), len(b))
	if slices.ContainsFunc(a, math.IsNaN) || slices.ContainsFunc(b, math.IsNaN) {
		return math.NaN()
	}
	ra, rb := averageRanks(a), averageRanks(b)
	mid := float64(len(a)+1) / 2
	var ab, aa, bb float64
	for i := range ra {
		da, db := ra[i]-mid, rb[i]-mid
		ab += da * db
		aa += da * da
		bb += db * db
	}
	if aa == 0 || bb == 0 {
		return math.NaN()
	}
	return min(max(ab/math.Sqrt(aa*bb), -1), 1)
}

// averageRanks returns the ranks of v from 1, those of equal values averaged.
func averageRanks(v []float64) []float64 {
	order := make([]int32, len(v))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return cmp.Compare(v[i], v[j]) })
	ranks := make([]float64, len(v))
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && v[order[j]] == v[order[i]] {
			j++
		}
		for _, row := range order[i:j] {
			ranks[row] = float64(i+1+j) / 2
		}
		i = j
	}
	return ranks
}
