// Package spline fits ridge regressions on cubic B-splines: a smooth sum of
// functions of a few variables, as the first stage of a two-stage calibration
// wants it. It is scikit-learn's SplineTransformer with uniform knots, without
// bias and constant beyond the ends, followed by its RidgeCV.
//
//	d, err := spline.New(score, length)   // knots and basis, once
//	f := d.Fit(label, weight)             // as often as weights change
//	y := f.At(.7, 120)
package spline

import (
	"errors"
	"fmt"
	"math"
)

const (
	degree   = 3
	maxKnots = 8
)

// MinRows is the number of rows from which a spline is fitted: five knots.
const MinRows = 20

// penalties are what a fit chooses from.
var penalties = func() (out [13]float64) {
	for i := range out {
		out[i] = math.Pow(10, -3+float64(i)/2)
	}
	return out
}()

// A Design is the rows that fits are made on: the knots that they decide, and the
// values of the basis at each of them.
type Design struct {
	variables []variable
	inputs    int // columns given, with those that do not vary
	width     int // basis functions
	rows      []Point
}

// variable is a column that varies, with its knots.
type variable struct {
	input  int // which column
	first  int // its first basis function
	count  int // its basis functions: all but the last, as there is an intercept
	lo, hi float64
	knots  []float64 // the base knots and three on either side
}

// A Point is the values of the basis at one place: four of each variable's
// functions are not zero there.
type Point struct {
	at    []int // of the first of the four
	value [][degree + 1]float64
}

// New places min(8, n/4) knots evenly between the smallest and the largest value
// of every column, n being the number of rows. A column that does not vary is left
// out. There is an error if none does, or if there are fewer than [MinRows] rows.
// It panics unless all columns are of one length.
func New(columns ...[]float64) (*Design, error) {
	d := &Design{inputs: len(columns)}
	n := len(columns[0])
	if n < MinRows {
		return nil, fmt.Errorf("spline: no spline can be fitted to %d rows: %d needed", n, MinRows)
	}
	base := min(maxKnots, n/4)
	for j, x := range columns {
		if len(x) != n {
			panic(fmt.Sprintf("spline: slice length mismatch: %d and %d", n, len(x)))
		}
		v := variable{input: j, first: d.width, count: base + degree - 2, lo: x[0], hi: x[0]}
		for _, value := range x {
			v.lo, v.hi = min(v.lo, value), max(v.hi, value)
		}
		if v.lo == v.hi {
			continue
		}
		step := (v.hi - v.lo) / float64(base-1)
		for i := -degree; i < base+degree; i++ {
			v.knots = append(v.knots, v.lo+float64(i)*step)
		}
		v.knots[degree+base-1] = v.hi // as an even division ends, whatever rounding says
		d.width += v.count
		d.variables = append(d.variables, v)
	}
	if len(d.variables) == 0 {
		return nil, errors.New("spline: no spline can be fitted: nothing varies")
	}
	at := make([]float64, len(columns))
	for i := range n {
		for j := range columns {
			at[j] = columns[j][i]
		}
		d.rows = append(d.rows, d.Point(at...))
	}
	return d, nil
}

// Row is the i-th row's point.
func (d *Design) Row(i int) Point { return d.rows[i] }

// Point evaluates the basis. x has a number for every column, of which none may
// be NaN.
func (d *Design) Point(x ...float64) Point {
	if len(x) != d.inputs {
		panic(fmt.Sprintf("spline: %d values for %d columns", len(x), d.inputs))
	}
	p := Point{make([]int, len(d.variables)), make([][degree + 1]float64, len(d.variables))}
	for i := range d.variables {
		v := &d.variables[i]
		p.value[i], p.at[i] = v.basis(x[v.input])
		if p.at[i]+degree == v.count { // the last function of all is none of ours
			p.value[i][degree] = 0
		}
		p.at[i] += v.first
	}
	return p
}

// basis returns the four functions that are not zero at x, clamped to the range
// of the knots, and the index of the first, by de Boor's recurrence.
func (v *variable) basis(x float64) (b [degree + 1]float64, cell int) {
	x = min(max(x, v.lo), v.hi)
	cells := len(v.knots) - 2*degree - 1
	cell = min(max(int((x-v.lo)/(v.hi-v.lo)*float64(cells)), 0), cells-1)
	for cell > 0 && x < v.knots[degree+cell] {
		cell--
	}
	for cell < cells-1 && x >= v.knots[degree+cell+1] {
		cell++
	}
	at := degree + cell // x lies between knots[at] and knots[at+1]
	var left, right [degree + 1]float64
	b[0] = 1
	for d := 1; d <= degree; d++ {
		left[d], right[d] = x-v.knots[at+1-d], v.knots[at+d]-x
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

// dot is Σ p·coef. The function that Point has set to 0 may lie beyond the end.
func (p Point) dot(coef []float64) (sum float64) {
	for i, at := range p.at {
		for k, b := range p.value[i] {
			if b != 0 {
				sum += b * coef[at+k]
			}
		}
	}
	return sum
}
