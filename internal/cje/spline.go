package cje

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// spline is a ridge regression on a basis of cubic B-splines over uniform
// knots, constant beyond the range that it was fitted on.
type spline struct {
	lo, hi    float64
	knots     []float64 // the base knots and three on either side
	coef      []float64 // of all basis functions but the last
	intercept float64
}

const (
	degree   = 3
	maxKnots = 8
)

// ridges are the penalties that the fit chooses from.
var ridges = func() (out [13]float64) {
	for i := range out {
		out[i] = math.Pow(10, -3+float64(i)/2)
	}
	return out
}()

// fitSpline fits min(8, n/4) knots between the smallest and the largest x. The
// penalty is the one of 13 with the smallest sum of weighted squared
// leave-one-out errors, the smaller of two that tie. weight is nil for all ones.
func fitSpline(x, y, weight []float64) (*spline, error) {
	f := &spline{lo: x[0], hi: x[0]}
	for _, v := range x {
		f.lo, f.hi = min(f.lo, v), max(f.hi, v)
	}
	if f.lo == f.hi {
		return nil, fmt.Errorf("cje: two_stage calibration: all %d scores are %v, so no spline can be fitted: use mode monotone", len(x), f.lo)
	}
	base := min(maxKnots, len(x)/4)
	step := (f.hi - f.lo) / float64(base-1)
	for i := -degree; i < base+degree; i++ {
		f.knots = append(f.knots, f.lo+float64(i)*step)
	}
	f.knots[degree+base-1] = f.hi // as linspace ends, whatever rounding says

	n, p := len(x), base+degree-2
	design := mat.NewDense(n, p, nil)
	for i, v := range x {
		f.basis(v, design.RawRowView(i))
	}
	return f, f.ridge(design, y, weight)
}

// ridge sets the coefficients. In rows multiplied by the root of their weight
// and centred, with the thin singular value decomposition U diag(s) V', the
// prediction of row i under penalty a takes
//
//	h_i = w_i/Σw + Σ_j U_ij² s_j² / (s_j² + a)
//
// of itself, and its leave-one-out error is its residual / (1 - h_i).
func (f *spline) ridge(design *mat.Dense, y, weight []float64) error {
	n, p := design.Dims()
	root, share := make([]float64, n), make([]float64, n)
	total := float64(n)
	if weight != nil {
		total = 0
		for _, w := range weight {
			total += w
		}
	}
	for i := range root {
		w := 1.0
		if weight != nil {
			w = weight[i]
		}
		root[i], share[i] = math.Sqrt(w), w/total
	}
	centre := make([]float64, p)
	for j := range centre {
		centre[j] = stat.Mean(mat.Col(nil, j, design), weight)
	}
	mean := stat.Mean(y, weight)
	target := make([]float64, n)
	scaled := mat.NewDense(n, p, nil)
	for i := range n {
		target[i] = root[i] * (y[i] - mean)
		from, to := design.RawRowView(i), scaled.RawRowView(i)
		for j := range to {
			to[j] = root[i] * (from[j] - centre[j])
		}
	}
	var svd mat.SVD
	if !svd.Factorize(scaled, mat.SVDThin) {
		return fmt.Errorf("cje: two_stage calibration: the spline design of %d rows cannot be decomposed: use mode monotone", n)
	}
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	s := svd.Values(nil)
	uy := mat.NewVecDense(len(s), nil)
	uy.MulVec(u.T(), mat.NewVecDense(n, target))

	best, bestLoss := 0.0, math.Inf(1)
	for _, a := range ridges {
		var loss float64
		for i, row := 0, []float64(nil); i < n; i++ {
			row = u.RawRowView(i)
			fit, h := 0.0, share[i]
			for j, sj := range s {
				shrink := sj * sj / (sj*sj + a)
				fit += row[j] * shrink * uy.AtVec(j)
				h += row[j] * row[j] * shrink
			}
			e := (target[i] - fit) / (1 - h)
			loss += e * e
		}
		if loss < bestLoss {
			best, bestLoss = a, loss
		}
	}
	for j, sj := range s {
		uy.SetVec(j, uy.AtVec(j)*sj/(sj*sj+best))
	}
	coef := mat.NewVecDense(p, nil)
	coef.MulVec(&v, uy)
	f.coef, f.intercept = coef.RawVector().Data, mean
	for j, c := range f.coef {
		f.intercept -= c * centre[j]
	}
	return nil
}

// basis writes the values at x of all basis functions but the last into row,
// which must be zero. x is clamped to the fitted range.
func (f *spline) basis(x float64, row []float64) {
	b, first := f.local(x)
	for i, v := range b {
		if j := first + i; j < len(row) {
			row[j] = v
		}
	}
}

// local returns the four basis functions that are not zero at x, and the index
// of the first, by de Boor's recurrence.
func (f *spline) local(x float64) (b [degree + 1]float64, first int) {
	x = min(max(x, f.lo), f.hi)
	cells := len(f.knots) - 2*degree - 1
	cell := min(max(int((x-f.lo)/(f.hi-f.lo)*float64(cells)), 0), cells-1)
	for cell > 0 && x < f.knots[degree+cell] {
		cell--
	}
	for cell < cells-1 && x >= f.knots[degree+cell+1] {
		cell++
	}
	at := degree + cell // x lies between knots[at] and knots[at+1]
	var left, right [degree + 1]float64
	b[0] = 1
	for d := 1; d <= degree; d++ {
		left[d], right[d] = x-f.knots[at+1-d], f.knots[at+d]-x
		var carry float64
		for r := range d {
			t := b[r] / (right[r+1] + left[d-r])
			b[r] = carry + right[r+1]*t
			carry = left[d-r] * t
		}
		b[d] = carry
	}
	return b, cell
}

func (f *spline) at(x float64) float64 {
	b, first := f.local(x)
	y := f.intercept
	for i, v := range b {
		if j := first + i; j < len(f.coef) {
			y += v * f.coef[j]
		}
	}
	return y
}
