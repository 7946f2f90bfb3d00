package offpolicy

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The reference is scikit-learn 1.2.1, agreed with to 1e-12. A decreasing fit is
// the increasing fit of -y; bounds on y, which FitIsotonic does not offer, are
// applied to the knots as the reference applies them.
func TestFitIsotonicGolden(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name       string
			X, Y, W    []float64
			Increasing bool
			YMin       *float64  `json:"y_min"`
			YMax       *float64  `json:"y_max"`
			XKnots     []float64 `json:"x_thresholds"`
			YKnots     []float64 `json:"y_thresholds"`
			FitAtX     []float64 `json:"fit_at_x"`
			Query      []float64
			Predict    []float64
		}
	}
	readShared(t, "goldens/02_isotonic.json", &golden)
	if len(golden.Cases) != 14 {
		t.Fatalf("%d cases, want 14", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		sign := 1.0
		if !c.Increasing {
			sign = -1
		}
		y := slices.Clone(c.Y)
		for i := range y {
			y[i] *= sign
		}
		f, err := FitIsotonic(c.X, y, c.W)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		for i := range f.y {
			if c.YMin != nil {
				f.y[i] = max(f.y[i], *c.YMin)
			}
			if c.YMax != nil {
				f.y[i] = min(f.y[i], *c.YMax)
			}
		}
		check := func(what string, at, want []float64) {
			for i, x := range at {
				if got := sign * f.Predict(x); !near(got, want[i], 1e-12) {
					t.Errorf("%s: %s: f(%v) = %v, reference %v", c.Name, what, x, got, want[i])
				}
			}
		}
		check("fit", c.X, c.FitAtX)
		check("prediction", c.Query, c.Predict)
		if c.Name == "near_dup_x" {
			continue // a tie's width is kept here as two knots, in the reference as one
		}
		kx, ky := f.Knots()
		for i := range ky {
			ky[i] *= sign
		}
		if diff := cmp.Diff([][]float64{c.XKnots, c.YKnots}, [][]float64{kx, ky},
			cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("%s: knots (-reference +got):\n%s", c.Name, diff)
		}
	}
}

func TestFitIsotonic(t *testing.T) {
	tests := []struct {
		name    string
		x, y, w []float64
		at      []float64
		want    []float64
		reason  string
	}{
		{"one point", []float64{.5}, []float64{.3}, nil, []float64{0, .5, 1}, []float64{.3, .3, .3}, "constant everywhere"},
		{"between", []float64{0, 1}, []float64{0, 1}, nil, []float64{-1, .25, 2}, []float64{0, .25, 1},
			"linear inside, flat outside"},
		{"violator", []float64{0, 1, 2, 3}, []float64{0, 2, 1, 3}, nil, []float64{1, 1.5, 2, 2.5},
			[]float64{1.5, 1.5, 1.5, 2.25}, "a block is flat from its first x to its last"},
		{"tie", []float64{1, 1, 2}, []float64{0, 1, 2}, []float64{3, 1, 1}, []float64{1, 2}, []float64{.25, 2},
			"ties take their weighted mean"},
		{"zero weight", []float64{0, 1, 2}, []float64{0, 9, 1}, []float64{1, 0, 1}, []float64{1}, []float64{.5},
			"a row of weight 0 is not there"},
		{"missing", []float64{0, 1}, []float64{0, 1}, nil, []float64{nan, inf, -inf}, []float64{nan, 1, 0},
			"no prediction for what is missing"},
		{"cascade", []float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, nil, []float64{1, 4}, []float64{2.5, 2.5}, "all pooled"},
		{"huge weights", []float64{0, 1}, []float64{1, 0}, []float64{1.7e308, 1.7e308}, []float64{0}, []float64{.5},
			"only ratios of weights matter"},
	}
	for _, tt := range tests {
		f, err := FitIsotonic(tt.x, tt.y, tt.w)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for i, x := range tt.at {
			if got := f.Predict(x); !near(got, tt.want[i], 1e-15) {
				t.Errorf("%s: f(%v) = %v, want %v: %s", tt.name, x, got, tt.want[i], tt.reason)
			}
		}
	}
	if f, _ := FitIsotonic([]float64{3, 1, 2}, []float64{3, 1, 2}, nil); f != nil {
		if lo, hi := f.Support(); lo != 1 || hi != 3 {
			t.Errorf("support [%v, %v], want [1, 3]", lo, hi)
		}
	}
}

func TestFitIsotonicRefuses(t *testing.T) {
	tests := []struct {
		name    string
		x, y, w []float64
		row     int // -1: an error that is no RowError
		reason  string
	}{
		{"nothing", nil, nil, nil, -1, "no rows"},
		{"no weights", []float64{1}, []float64{1}, []float64{0}, -1, "no row counts"},
		{"NaN x", []float64{1, nan}, []float64{1, 1}, nil, 1, "a missing score is no score"},
		{"NaN y", []float64{1, 2}, []float64{nan, 1}, nil, 0, "a missing label is no label"},
		{"infinite", []float64{1, inf}, []float64{1, 1}, nil, 1, "no score is infinite"},
		{"overflowing", []float64{1, 2}, []float64{1, 1e200}, nil, 1, "sums would overflow"},
		{"negative weight", []float64{1, 2}, []float64{1, 1}, []float64{1, -1}, 1, "not a weight"},
		{"NaN weight", []float64{1, 2}, []float64{1, 1}, []float64{nan, 1}, 0, "not a weight"},
		{"infinite weight", []float64{1, 2}, []float64{1, 1}, []float64{1, inf}, 1, "not a weight"},
	}
	for _, tt := range tests {
		f, err := FitIsotonic(tt.x, tt.y, tt.w)
		var bad *RowError
		if f != nil || err == nil || errors.As(err, &bad) != (tt.row >= 0) || bad != nil && bad.Row != tt.row {
			t.Errorf("%s: fit %v, error %v: %s", tt.name, f, err, tt.reason)
		}
	}
	mustPanic(t, "x and y differ in length", func() { _, _ = FitIsotonic([]float64{1}, nil, nil) })
	mustPanic(t, "x and weights differ in length",
		func() { _, _ = FitIsotonic([]float64{1}, []float64{1}, []float64{1, 2}) })
}

func TestFitIsotonicIgnoresRowOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const n = 500
	x, y, w := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		x[i] = float64(rng.IntN(50)) / 50 // many ties
		y[i], w[i] = x[i]+rng.NormFloat64(), rng.Float64()
	}
	first, err := FitIsotonic(x, y, w)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		rng.Shuffle(n, func(i, j int) { x[i], x[j], y[i], y[j], w[i], w[j] = x[j], x[i], y[j], y[i], w[j], w[i] })
		again, err := FitIsotonic(x, y, w)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(first.x, again.x) || !slices.Equal(first.y, again.y) {
			t.Fatal("the fit depends on the order of the rows in its last bits")
		}
	}
}

// Many rows are sorted by radix, few by comparison: the order is the same one,
// ties, signs and zeros included.
func TestSortRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	rows := make([]isoRow, 3*radixRows)
	for i := range rows {
		x := rng.NormFloat64() * math.Pow(10, float64(rng.IntN(9)-4))
		switch rng.IntN(4) {
		case 0:
			x = float64(rng.IntN(21)-10) / 10
		case 1:
			x = math.Copysign(0, x)
		}
		rows[i] = isoRow{x, float64(rng.IntN(5)), float64(1 + rng.IntN(2))}
	}
	want := slices.Clone(rows)
	slices.SortFunc(want, isoRow.compare)
	sortRows(rows)
	if !slices.Equal(want, rows) { // -0 equals 0
		t.Error("the two sorts disagree")
	}
}

// checkIsotonic asserts what every fit must satisfy.
func checkIsotonic(t *testing.T, x, y, w []float64, f *Isotonic) {
	t.Helper()
	lo, hi := inf, -inf
	var wantMean, mean, sum, scale float64
	for i := range y {
		if w[i] == 0 {
			continue
		}
		lo, hi = min(lo, y[i]), max(hi, y[i])
		wantMean += w[i] * y[i]
		mean += w[i] * f.Predict(x[i])
		sum += w[i]
		scale = max(scale, math.Abs(y[i]))
	}
	if math.Abs(mean-wantMean) > 1e-9*scale*sum {
		t.Errorf("weighted mean %v, of y %v", mean/sum, wantMean/sum)
	}
	grid := slices.Clone(x)
	for i := range x {
		grid = append(grid, x[i]+.37*(x[(i+1)%len(x)]-x[i]))
	}
	slices.Sort(grid)
	last := -inf
	for _, at := range grid {
		v := f.Predict(at)
		if !(v >= last) {
			t.Errorf("f(%v) = %v is below %v, its value further left", at, v, last)
		}
		if !(v >= lo && v <= hi) {
			t.Errorf("f(%v) = %v is outside the range [%v, %v] of y", at, v, lo, hi)
		}
		last = v
	}
}

// FuzzFitIsotonic: whatever the rows, a fit is nondecreasing, stays within the
// range of y, and preserves the weighted mean.
func FuzzFitIsotonic(f *testing.F) {
	f.Add([]byte("00000000"))
	f.Add([]byte("\x01\x00\x09\x01\x02\x00\x03\x05\x02\x00\x08\x00\x03\x00\x01\x07"))
	f.Add([]byte("the quick brown fox jumps over the lazy dog, twice over"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var x, y, w []float64
		for ; len(data) >= 4; data = data[4:] {
			x = append(x, float64(data[0])/16)
			y = append(y, float64(int16(binary.LittleEndian.Uint16(data[1:])))/100)
			w = append(w, float64(data[3]%8)*math.Pow(10, float64(data[3]%5)-2))
		}
		fit, err := FitIsotonic(x, y, w)
		if err != nil {
			if slices.Max(append(w, 0)) > 0 {
				t.Fatal(err)
			}
			return
		}
		checkIsotonic(t, x, y, w, fit)
	})
}

// FuzzFitIsotonicFloats: any floats at all are refused or fitted with the same
// invariants, near ties and subnormals included.
func FuzzFitIsotonicFloats(f *testing.F) {
	f.Add(0.1, 0.1+1e-16, 0.3, 1.0, -1.0, 0.5)
	f.Add(1e149, -1e149, 0.0, 1e149, -1e149, 5e-324)
	f.Add(0.0, math.Copysign(0, -1), 1e-15, 3.0, 2.0, 1.0)
	f.Fuzz(func(t *testing.T, x1, x2, x3, y1, y2, y3 float64) {
		x, y, w := []float64{x1, x2, x3, x1}, []float64{y1, y2, y3, y2}, []float64{1, 1, 1, 1}
		if fit, err := FitIsotonic(x, y, nil); err == nil {
			checkIsotonic(t, x, y, w, fit)
		}
	})
}
