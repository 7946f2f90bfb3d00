package spline

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// A Fit is a regression of some y on a design.
type Fit struct {
	design    *Design
	coef      []float64
	intercept float64
	penalty   float64
}

// At evaluates the fit; see [Design.Point].
func (f *Fit) At(x ...float64) float64 { return f.AtPoint(f.design.Point(x...)) }

// AtPoint evaluates the fit at a point of its design.
func (f *Fit) AtPoint(p Point) float64 { return f.intercept + p.dot(f.coef) }

// Fit minimises Σ w (y - f)² + a |coef|², the intercept being free, under the one of
// 13 penalties a from .001 to 1,000 with the smallest sum of weighted squared
// leave-one-out errors, the smaller of two that tie. weight is nil for all ones.
//
// With rows x and y less their weighted means, X'WX = V diag(s) V' and z = V'x, a
// row's prediction takes h = w/Σw + w Σ_j z_j²/(s_j + a) of itself, and its
// leave-one-out error is its residual over 1 - h.
func (d *Design) Fit(y, weight []float64) *Fit {
	n, p := len(d.rows), d.width
	w := func(i int) float64 {
		if weight == nil {
			return 1
		}
		return weight[i]
	}
	f := &Fit{design: d, coef: make([]float64, p)}
	var total float64
	centre := make([]float64, p)
	for i, r := range d.rows {
		total += w(i)
		f.intercept += w(i) * y[i]
		r.add(centre, w(i))
	}
	mean := f.intercept / total
	for j := range centre {
		centre[j] /= total
	}
	x, gram := mat.NewDense(n, p, nil), mat.NewSymDense(p, nil)
	for i, r := range d.rows {
		row := x.RawRowView(i)
		for j, c := range centre {
			row[j] = -c
		}
		r.add(row, 1)
		gram.SymRankOne(gram, w(i), mat.NewVecDense(p, row))
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(gram, true) {
		panic("spline: the eigenvalues of a symmetric matrix did not converge") // never: its entries are finite
	}
	var v, z mat.Dense
	eigen.VectorsTo(&v)
	z.Mul(x, &v)
	s, zy := eigen.Values(nil), make([]float64, p)
	for i := range n {
		for j, u := range z.RawRowView(i) {
			zy[j] += w(i) * u * (y[i] - mean)
		}
	}
	least := math.Inf(1)
	shrink, along := make([]float64, p), mat.NewVecDense(p, nil)
	for _, a := range penalties {
		for j := range shrink {
			shrink[j] = 1 / (max(s[j], 0) + a)
		}
		var loss float64
		for i := range n {
			e, h := y[i]-mean, w(i)/total
			for j, u := range z.RawRowView(i) {
				t := u * shrink[j]
				e -= t * zy[j]
				h += w(i) * t * u
			}
			loss += w(i) * e * e / ((1 - h) * (1 - h))
		}
		if loss < least {
			least, f.penalty = loss, a
			for j := range shrink {
				along.SetVec(j, shrink[j]*zy[j])
			}
		}
	}
	mat.NewVecDense(p, f.coef).MulVec(&v, along)
	f.intercept = mean
	for j, c := range f.coef {
		f.intercept -= c * centre[j]
	}
	return f
}

// add adds u times the point to a row of the design.
func (p Point) add(row []float64, u float64) {
	for i, at := range p.at {
		for k, b := range p.value[i] {
			if b != 0 {
				row[at+k] += u * b
			}
		}
	}
}
