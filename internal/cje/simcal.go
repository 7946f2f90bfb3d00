package cje

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/reweigh/reweigh/offpolicy"
)

// stabilizer is the configuration of the reference's weight calibration,
// SIMCal. Its estimators use stabilizerDefault.
type stabilizer struct {
	essFloor float64 // ESS/n to be reached at least; 0 is none
	varCap   float64 // variance of the weights at most; 0 is none
	baseline bool    // the weights themselves are a candidate too
	shrink   float64 // share of the weights themselves in the result
}

var stabilizerDefault = stabilizer{essFloor: .2, varCap: 1}

const (
	weightFloor = 1e-9
	mixRidge    = 1e-8
)

// The functions whose variance the mixture of candidates minimises.
type targetKind int

const (
	targetReward   targetKind = iota // w (r - ψ) - ψ (w - mean w), over mean w
	targetResidual                   // w e, over mean w
)

// stable is a fitted stabilizer: weights as a function of an index, the mixture
// of a nondecreasing and a nonincreasing regression of weight on index that has
// the least out-of-fold variance, drawn towards 1 as far as the caps demand.
type stable struct {
	cfg      stabilizer
	up, down *offpolicy.Isotonic // of weight, and of -weight
	mix      []float64           // of the candidates: the weights themselves if baseline, up, down
	gamma    float64             // how far towards 1
}

var errWeight = errors.New("cje: weight calibration: a weight is not positive and finite")

// fit fits to weights over the index s of their rows. target are rewards or
// residuals by row, fold the rows' folds, 0 to folds-1.
func (cfg stabilizer) fit(w []float64, s *index, target []float64, kind targetKind, fold []int) (*stable, error) {
	for _, v := range w {
		if !(v > 0) || math.IsInf(v, 1) {
			return nil, errWeight
		}
	}
	f := &stable{cfg: cfg}
	w = meanOne(slices.Clone(w))
	y := s.means(w)
	var err error
	if f.up, err = offpolicy.FitIsotonic(s.x, y, s.n); err != nil {
		return nil, err
	}
	for i := range y {
		y[i] = -y[i]
	}
	if f.down, err = offpolicy.FitIsotonic(s.x, y, s.n); err != nil {
		return nil, err
	}
	candidates := f.candidates(w, s)
	influence := make([][]float64, len(candidates))
	for k, c := range candidates {
		influence[k] = outOfFold(c, target, kind, fold)
	}
	f.mix = leastVariance(covariance(influence))
	v := variance(f.blend(candidates))
	bound := func(limit float64) {
		if v > limit {
			f.gamma = max(f.gamma, 1-math.Sqrt(limit/v))
		}
	}
	if cfg.essFloor > 0 {
		bound(1/cfg.essFloor - 1)
	}
	if cfg.varCap > 0 {
		bound(cfg.varCap)
	}
	return f, nil
}

// predict returns weights of mean 1 for new rows, beyond the fitted range of the
// index those of its ends; w enters only where the configuration keeps the
// weights themselves.
func (f *stable) predict(w []float64, s *index) []float64 {
	w = meanOne(slices.Clone(w))
	out := f.blend(f.candidates(w, s))
	if f.gamma > 0 {
		for i, v := range out {
			out[i] = max(1+(1-f.gamma)*(v-1), weightFloor)
		}
		meanOne(out)
	}
	if f.cfg.shrink > 0 {
		for i, v := range out {
			out[i] = (1-f.cfg.shrink)*v + f.cfg.shrink*w[i]
		}
		meanOne(out)
	}
	return out
}

func (f *stable) candidates(w []float64, s *index) [][]float64 {
	up, down := make([]float64, len(s.x)), make([]float64, len(s.x))
	for k, x := range s.x {
		up[k] = max(f.up.Predict(x), weightFloor)
		down[k] = max(-f.down.Predict(x), weightFloor)
	}
	out := [][]float64{meanOne(s.rows(up)), meanOne(s.rows(down))}
	if f.cfg.baseline {
		out = append([][]float64{slices.Clone(w)}, out...)
	}
	return out
}

func (f *stable) blend(candidates [][]float64) []float64 {
	out := make([]float64, len(candidates[0]))
	for k, c := range candidates {
		for i, v := range c {
			out[i] += f.mix[k] * v
		}
	}
	return out
}

// outOfFold is a candidate's influence function, with mean and value taken from
// the other folds. The second term of targetReward is one that the reference
// dropped from its estimator, and not here.
func outOfFold(c, target []float64, kind targetKind, fold []int) []float64 {
	out := make([]float64, len(c))
	var n, sw, swr [folds]float64
	var nAll, swAll, swrAll float64
	for i, k := range fold {
		n[k]++
		sw[k] += c[i]
		swr[k] += c[i] * target[i]
	}
	for k := range folds {
		nAll, swAll, swrAll = nAll+n[k], swAll+sw[k], swrAll+swr[k]
	}
	for i, k := range fold {
		if nAll-n[k] < 2 {
			continue
		}
		w, psi := swAll-sw[k], 0.0
		mean := w / (nAll - n[k])
		if kind == targetReward {
			psi = (swrAll - swr[k]) / max(w, 1e-12)
		}
		out[i] = (c[i]*(target[i]-psi) - psi*(c[i]-mean)) / max(mean, 1e-12)
	}
	return out
}

// covariance is that of the columns, n-1 in the denominator, with a ridge of
// mixRidge times the mean variance.
func covariance(columns [][]float64) *mat.SymDense {
	k := len(columns)
	means := make([]float64, k)
	for j, c := range columns {
		means[j] = mean(c)
	}
	out := mat.NewSymDense(k, nil)
	var trace float64
	for a := range k {
		for b := a; b < k; b++ {
			var sum float64
			for i := range columns[a] {
				sum += (columns[a][i] - means[a]) * (columns[b][i] - means[b])
			}
			out.SetSym(a, b, sum/float64(len(columns[a])-1))
		}
		trace += out.At(a, a)
	}
	for a := range k {
		out.SetSym(a, a, out.At(a, a)+mixRidge*trace/float64(k))
	}
	return out
}

// leastVariance minimises π'Σπ over π >= 0 with Σπ = 1 by an active set: solve
// without the bounds, drop the most negative, repeat.
func leastVariance(sigma *mat.SymDense) []float64 {
	k := sigma.SymmetricDim()
	active := make([]int, k)
	for i := range active {
		active[i] = i
	}
	for len(active) > 0 {
		part := unbounded(sigma, active)
		if low := slices.Min(part); low < -1e-10 {
			active = slices.Delete(active, slices.Index(part, low), slices.Index(part, low)+1)
			continue
		}
		out, sum := make([]float64, k), 0.0
		for j, i := range active {
			out[i] = max(part[j], 0)
			sum += out[i]
		}
		for i := range out {
			out[i] /= sum
		}
		return out
	}
	return slices.Repeat([]float64{1 / float64(k)}, k)
}

// unbounded is Σ⁻¹1 / 1'Σ⁻¹1 over the active indices, equal shares where that
// cannot be told.
func unbounded(sigma *mat.SymDense, active []int) []float64 {
	n := len(active)
	equal := slices.Repeat([]float64{1 / float64(n)}, n)
	part := mat.NewDense(n, n, nil)
	for a, i := range active {
		for b, j := range active {
			part.Set(a, b, sigma.At(i, j))
		}
	}
	var x mat.VecDense
	if err := x.SolveVec(part, mat.NewVecDense(n, slices.Repeat([]float64{1}, n))); err != nil {
		// A matrix that is merely ill-conditioned is solved all the same.
		var condition mat.Condition
		if !errors.As(err, &condition) || math.IsInf(float64(condition), 1) {
			return equal
		}
	}
	sum := mat.Sum(&x)
	if math.Abs(sum) < 1e-10 {
		return equal
	}
	for i := range equal {
		equal[i] = x.AtVec(i) / sum
	}
	return equal
}

// index is a number by row, sorted into its distinct values: what a function of
// it needs to see of the rows.
type index struct {
	x, n []float64 // distinct values in order, and how many rows have each
	of   []int     // each row's value, as an index of x
}

func newIndex(s []float64) *index { return indexIn(sortedBy(s), s) }

// sortedIndex is for s in increasing order.
func sortedIndex(s []float64) *index {
	order := make([]int, len(s))
	for i := range order {
		order[i] = i
	}
	return indexIn(order, s)
}

func indexIn(order []int, s []float64) *index {
	ix := &index{of: make([]int, len(s)), x: make([]float64, 0, len(s)), n: make([]float64, 0, len(s))}
	for _, i := range order {
		if k := len(ix.x); k == 0 || ix.x[k-1] != s[i] {
			ix.x, ix.n = append(ix.x, s[i]), append(ix.n, 0)
		}
		ix.of[i] = len(ix.x) - 1
		ix.n[len(ix.x)-1]++
	}
	return ix
}

// means are those of w over the rows of each value.
func (ix *index) means(w []float64) []float64 {
	out := make([]float64, len(ix.x))
	for i, k := range ix.of {
		out[k] += w[i]
	}
	for k := range out {
		out[k] /= ix.n[k]
	}
	return out
}

// rows spreads a number by value over the rows.
func (ix *index) rows(v []float64) []float64 {
	out := make([]float64, len(ix.of))
	for i, k := range ix.of {
		out[i] = v[k]
	}
	return out
}

// sortedBy are the indices of v in increasing order of its values.
func sortedBy(v []float64) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case v[a] < v[b]:
			return -1
		case v[a] > v[b]:
			return 1
		}
		return a - b
	})
	return order
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// variance has n in the denominator.
func variance(v []float64) float64 {
	m, ss := mean(v), 0.0
	for _, x := range v {
		ss += (x - m) * (x - m)
	}
	return ss / float64(len(v))
}

// meanOne divides v by its mean, in place.
func meanOne(v []float64) []float64 {
	m := mean(v)
	for i := range v {
		v[i] /= m
	}
	return v
}
