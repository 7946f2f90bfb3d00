package offpolicy

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"sort"
)

// Isotonic is a nondecreasing function fitted by [FitIsotonic].
type Isotonic struct {
	x, y []float64 // knots: x strictly increasing, y nondecreasing
}

// tieWidth is how close two x are that count as one, the resolution of a
// float64 near 1 as scikit-learn has it. It suits scores in [0, 1].
const tieWidth = 1e-15

// maxMagnitude bounds x and y so that no sum or difference of them overflows.
const maxMagnitude = 1e150

// FitIsotonic returns the nondecreasing f that minimises
//
//	Σ weights[i] (y[i] - f(x[i]))²
//
// by pooling adjacent violators. The rows may be in any order, and the result
// does not depend on it. Rows whose x agree to 1e-15 are one point with the
// weighted mean of their y. weights is nil for all ones; a row of weight 0 is
// left out.
//
// f is the weighted mean of y over each pooled block, from the block's first x
// to its last, linear between blocks and constant beyond the ends: the
// interpolation of scikit-learn's IsotonicRegression, not a step function. The
// weighted mean of f over the rows equals that of y, and f stays within the
// range of y.
//
// It takes O(n log n) time. There is an error if no row has a positive weight,
// and a [*RowError] for an x or y that is not a number of magnitude below 1e150
// or a weight that is negative or not a number. It panics if the lengths
// differ.
//
// Source: Barlow, Bartholomew, Bremner and Brunk, "Statistical Inference under
// Order Restrictions" (1972), section 1.2.
func FitIsotonic(x, y, weights []float64) (*Isotonic, error) {
	const op = "isotonic fit"
	mustMatch(op, len(x), len(y))
	if weights != nil {
		mustMatch(op, len(x), len(weights))
	}
	var bad *RowError
	heaviest := 1.0
	if len(weights) > 0 {
		heaviest = 0
	}
	for i := range x {
		switch {
		case !(math.Abs(x[i]) < maxMagnitude):
			bad = bad.add(op, i, x[i], "x is not a number of moderate size; leave the row out and count it")
		case !(math.Abs(y[i]) < maxMagnitude):
			bad = bad.add(op, i, y[i], "y is not a number of moderate size; leave the row out and count it")
		case weights != nil && !(weights[i] >= 0 && weights[i] <= math.MaxFloat64):
			bad = bad.add(op, i, weights[i], "a weight must be a number >= 0")
		case weights != nil:
			heaviest = max(heaviest, weights[i])
		}
	}
	if bad != nil {
		return nil, bad
	}
	rows := make([]isoRow, 0, len(x))
	for i := range x {
		w := 1.0
		if weights != nil {
			// Only ratios matter; in units of the heaviest no sum overflows.
			w = weights[i] / heaviest
		}
		if w > 0 {
			rows = append(rows, isoRow{x[i], y[i], w})
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("offpolicy: isotonic fit: no row with a positive weight; nothing can be fitted")
	}
	sortRows(rows)
	return pool(rows), nil
}

// compare orders rows by x, and by y and weight too: that makes the sums over
// ties, and so every bit of the result, independent of the order of the rows.
func (r isoRow) compare(o isoRow) int {
	switch {
	case r.x < o.x:
		return -1
	case r.x > o.x:
		return 1
	}
	return cmp.Or(cmp.Compare(r.y, o.y), cmp.Compare(r.w, o.w))
}

// radixRows is from how many rows a radix sort is the faster.
const radixRows = 1 << 12

func sortRows(rows []isoRow) {
	if slices.IsSortedFunc(rows, isoRow.compare) {
		return
	}
	if len(rows) < radixRows {
		slices.SortFunc(rows, isoRow.compare)
		return
	}
	sorted := make([]isoRow, len(rows))
	for i, k := range radix(rows) {
		sorted[i] = rows[k.row]
	}
	copy(rows, sorted)
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[j].x == rows[i].x {
			j++
		}
		slices.SortFunc(rows[i:j], isoRow.compare)
		i = j
	}
}

type isoKey struct {
	bits uint64 // orders as x does
	row  int
}

// radix sorts rows by x, eleven bits at a time from the lowest.
func radix(rows []isoRow) []isoKey {
	const digits, size = 6, 1 << 11
	from, to := make([]isoKey, len(rows)), make([]isoKey, len(rows))
	var counts [digits][size]int
	for i, r := range rows {
		// Negative numbers order backwards by their bits, and before the others;
		// adding 0 makes -0 the same as 0.
		bits := math.Float64bits(r.x + 0)
		bits ^= uint64(int64(bits)>>63) | 1<<63
		from[i] = isoKey{bits, i}
		for d := range digits {
			counts[d][bits>>(11*d)%size]++
		}
	}
	for d := range digits {
		count := &counts[d]
		if count[from[0].bits>>(11*d)%size] == len(rows) {
			continue // all agree in this digit
		}
		at := 0
		for v := range count {
			count[v], at = at, at+count[v]
		}
		for _, k := range from {
			v := k.bits >> (11 * d) % size
			to[count[v]] = k
			count[v]++
		}
		from, to = to, from
	}
	return from
}

type isoRow struct{ x, y, w float64 }

// isoBlock is a run of rows that share one fitted value.
type isoBlock struct {
	first, last float64 // x
	sum, w      float64 // of w·y and w
	lo, hi      float64 // range of y
	mean        float64
}

func (b *isoBlock) absorb(o isoBlock) {
	b.last = o.last
	b.sum += o.sum
	b.w += o.w
	b.lo, b.hi = min(b.lo, o.lo), max(b.hi, o.hi)
	// A mean lies within the range of what it averages; its rounding must too.
	b.mean = min(max(b.sum/b.w, b.lo), b.hi)
}

// pool runs the pool-adjacent-violators algorithm over sorted rows: each point
// joins the stack of blocks, and takes in its predecessor as long as that is
// not below it. A block is taken in at most once, so the pass is linear.
func pool(rows []isoRow) *Isotonic {
	var stack []isoBlock
	for i := 0; i < len(rows); {
		point := rows[i].block()
		for i++; i < len(rows) && rows[i].x-point.first < tieWidth; i++ {
			point.absorb(rows[i].block())
		}
		for len(stack) > 0 && stack[len(stack)-1].mean >= point.mean {
			before := stack[len(stack)-1]
			before.absorb(point)
			point = before
			stack = stack[:len(stack)-1]
		}
		stack = append(stack, point)
	}
	f := &Isotonic{}
	for _, b := range stack {
		f.x, f.y = append(f.x, b.first), append(f.y, b.mean)
		if b.last > b.first {
			f.x, f.y = append(f.x, b.last), append(f.y, b.mean)
		}
	}
	return f
}

func (r isoRow) block() isoBlock {
	return isoBlock{first: r.x, last: r.x, sum: r.w * r.y, w: r.w, lo: r.y, hi: r.y, mean: r.y}
}

// Predict returns f(x); NaN at NaN, for what is missing stays missing.
func (f *Isotonic) Predict(x float64) float64 {
	n := len(f.x)
	switch {
	case math.IsNaN(x):
		return math.NaN()
	case x <= f.x[0]:
		return f.y[0]
	case x >= f.x[n-1]:
		return f.y[n-1]
	}
	i := sort.SearchFloat64s(f.x, x) // x is in (f.x[i-1], f.x[i]]
	x0, x1, y0, y1 := f.x[i-1], f.x[i], f.y[i-1], f.y[i]
	if x == x1 || y0 == y1 {
		return y1
	}
	return min(y0+(x-x0)/(x1-x0)*(y1-y0), y1)
}

// step is f of the greatest x fitted that is not above x, and f of the least where
// all are: f without interpolation.
func (f *Isotonic) step(x float64) float64 {
	i := sort.Search(len(f.x), func(i int) bool { return f.x[i] > x })
	return f.y[max(i-1, 0)]
}

// Knots returns the points between which f is linear, x strictly increasing.
// The slices are new.
func (f *Isotonic) Knots() (x, y []float64) { return slices.Clone(f.x), slices.Clone(f.y) }

// Support returns the smallest and largest x fitted. Beyond them f is constant:
// an extrapolation, not a fit.
func (f *Isotonic) Support() (lo, hi float64) { return f.x[0], f.x[len(f.x)-1] }
