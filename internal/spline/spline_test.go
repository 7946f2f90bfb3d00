package spline

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/reweigh/reweigh/internal/shareddata"
)

func near(t *testing.T, name, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(math.Abs(want), 1e-3)) {
		t.Errorf("%s: %s is %v, want %v", name, what, got, want)
	}
}

// Knots and basis to 1e-9, and the ridge regression to 1e-6, of one column as
// scikit-learn has them: the first stage of CJE 0.3.0's two-stage calibration of
// seven evaluations.
func TestGolden(t *testing.T) {
	for _, name := range []string{"dup150", "full100", "mid200", "missing120", "nonmono300", "ties200", "under120"} {
		var g struct {
			Calibration struct {
				Judge  []float64
				Oracle []any
				Full   struct {
					Knots     []float64
					Alpha     float64
					Coef      []float64
					Intercept float64
					Query     []float64
					Design    [][]float64
					G         []float64 `json:"g_query"`
				} `json:"two_stage_full"`
			}
		}
		b, err := os.ReadFile(shareddata.File(t, "goldens/10_estimators030_syn_"+name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &g); err != nil {
			t.Fatal(err)
		}
		var x, y []float64
		for i, v := range g.Calibration.Oracle {
			if label, ok := v.(float64); ok {
				x, y = append(x, g.Calibration.Judge[i]), append(y, label)
			}
		}
		want := g.Calibration.Full
		d, err := New(x)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(d.variables) != 1 || len(d.variables[0].knots) != len(want.Knots) || d.width != len(want.Coef) ||
			len(want.Query) == 0 {
			t.Fatalf("%s: %d basis functions of %d knots, want %d of %d", name, d.width, len(d.variables[0].knots),
				len(want.Coef), len(want.Knots))
		}
		f := d.Fit(y, nil)
		for i, v := range want.Knots {
			near(t, name, "a knot", d.variables[0].knots[i], v, 1e-9)
		}
		near(t, name, "the penalty", f.penalty, want.Alpha, 1e-12)
		near(t, name, "the intercept", f.intercept, want.Intercept, 1e-6)
		for i, v := range want.Coef {
			near(t, name, "a coefficient", f.coef[i], v, 1e-6)
		}
		for i, q := range want.Query {
			row := make([]float64, d.width)
			d.Point(q).add(row, 1)
			for j, v := range want.Design[i] {
				near(t, name, "a basis function", row[j], v, 1e-9)
			}
			near(t, name, "the fit", f.At(q), want.G[i], 1e-6)
		}
	}
}

// Two columns make a sum of two functions, a column that does not vary adds
// nothing, beyond the ends the fit is constant, and under weights it is at the
// minimum.
func TestFit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 400
	a, b, flat, y := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		a[i], b[i], flat[i] = rng.Float64(), 100*rng.Float64(), 3
		y[i] = math.Sin(3*a[i]) - b[i]/200
	}
	d, err := New(a, b)
	if err != nil {
		t.Fatal(err)
	}
	f := d.Fit(y, nil)
	for range 100 {
		u, v := .05+.9*rng.Float64(), 5+90*rng.Float64()
		if got, want := f.At(u, v), math.Sin(3*u)-v/200; math.Abs(got-want) > .01 {
			t.Errorf("the fit is %v at (%v, %v), want about %v", got, u, v, want)
		}
	}
	if f.At(-1, 50) != f.At(-2, 50) || f.At(2, 1e9) != f.At(2, 2e9) {
		t.Error("the fit is not constant beyond its ends")
	}
	for i := range d.rows {
		if got := f.AtPoint(d.Row(i)); got != f.At(a[i], b[i]) {
			t.Fatalf("row %d is %v, at its values %v", i, got, f.At(a[i], b[i]))
		}
	}

	one, err := New(a)
	if err != nil {
		t.Fatal(err)
	}
	with, err := New(flat, a)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := with.Fit(y, nil).At(9, .3), one.Fit(y, nil).At(.3); got != want {
		t.Errorf("with a constant column %v, without %v", got, want)
	}

	weight := make([]float64, n)
	for i := range weight {
		weight[i] = 1 + float64(i%2)
	}
	// Moving any coefficient makes the sum of squares and penalty larger.
	fw := d.Fit(y, weight)
	loss := func(f *Fit) (s float64) {
		for i := range y {
			e := y[i] - f.AtPoint(d.Row(i))
			s += weight[i] * e * e
		}
		for _, c := range f.coef {
			s += f.penalty * c * c
		}
		return s
	}
	least := loss(fw)
	for j := range fw.coef {
		for _, h := range []float64{-1e-3, 1e-3} {
			moved := *fw
			moved.coef = append([]float64(nil), fw.coef...)
			moved.coef[j] += h
			if loss(&moved) <= least {
				t.Errorf("coefficient %d is not at the minimum", j)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	same := make([]float64, 30)
	if _, err := New(same, same); err == nil {
		t.Error("nothing varies: there is no spline")
	}
	if _, err := New(make([]float64, MinRows-1)); err == nil {
		t.Error("too few rows for a spline")
	}
}

func BenchmarkFit(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 250
	x, z, y := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		x[i], z[i], y[i] = rng.Float64(), rng.Float64(), rng.Float64()
	}
	d, err := New(x, z)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d.Fit(y, nil)
	}
}
