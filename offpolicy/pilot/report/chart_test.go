package report

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

var percentage = regexp.MustCompile(`(?:x|x1|x2|cx|y|y1|y2|cy|width)="([^"]*)%"`)

// checkChart holds what is true of every drawing: well formed, and every
// position within it.
func checkChart(t *testing.T, name, svg string) {
	t.Helper()
	if svg == "" {
		return
	}
	if _, _, err := parseHTML("<!DOCTYPE html>" + svg); err != nil {
		t.Errorf("%s: %v in %s", name, err, svg)
	}
	for _, m := range percentage.FindAllStringSubmatch(svg, -1) {
		if p, err := strconv.ParseFloat(m[1], 64); err != nil || !(p >= 0 && p <= 100) {
			t.Errorf("%s: the position %s%% is outside", name, m[1])
		}
	}
}

func TestChartsOfAnyData(t *testing.T) {
	nan, inf, huge := math.NaN(), math.Inf(1), math.MaxFloat64
	many := make([]float64, 5000)
	for i := range many {
		many[i] = math.Sin(float64(i)) * 10
	}
	for name, xs := range map[string][]float64{
		"none": {}, "only missing": {nan, nan}, "only infinite": {inf, -inf}, "one": {-3}, "zero": {0}, "equal": {7, 7, 7},
		"two":  {-1, 1},
		"many": many, "huge": {-huge, 0, huge}, "tiny": {5e-324, -5e-324}, "outlier": {-0.1, -0.2, -0.3, -0.15, -1e9},
		"far from zero": {1e16, 1e16 + 2}, "mixed": {nan, 1, inf, -2, nan},
	} {
		sc := newScale(xs...)
		if !(sc.lo < sc.hi) || !finite(sc.lo) || !finite(sc.hi) {
			t.Errorf("%s: the scale runs from %v to %v", name, sc.lo, sc.hi)
		}
		drawn := slices.ContainsFunc(xs, finite)
		q := func(i int) float64 {
			if len(xs) == 0 {
				return nan
			}
			return xs[i%len(xs)]
		}
		v := iv(q(0), q(1), q(2))
		var pts []offpolicy.CalibrationPoint
		for i := range xs {
			pts = append(pts, offpolicy.CalibrationPoint{Judge: dataset.Known(xs[i]), Calibrated: dataset.Known(q(i + 1)),
				Label: dataset.Known(xs[i])})
		}
		charts := map[string]string{
			"axis":      string(axisChart(sc)),
			"box":       string(boxChart(sc, quant(q(0), q(1), q(2), q(3), q(4)))),
			"histogram": string(histogramChart(sc, xs)),
			"forest": string(forestChart(sc, mark{"judge", "judge", v},
				mark{"calibrated", "calibrated", iv(q(2), nan, nan)})),
			"cost":    string(costChart(sc, q(0), q(1), q(2))),
			"scatter": string(scatterChart(pts)),
		}
		for kind, svg := range charts {
			checkChart(t, kind+" of "+name, svg)
			if kind != "axis" && !drawn && svg != "" {
				t.Errorf("%s of %s draws something: %s", kind, name, svg)
			}
		}
		for _, kind := range []string{"histogram", "scatter"} {
			if drawn && charts[kind] == "" {
				t.Errorf("%s of %s draws nothing", kind, name)
			}
		}
	}
}

func TestChartsShowTheirData(t *testing.T) {
	sc := scale{lo: 0, hi: 10}
	box := string(boxChart(sc, quant(1, 2, 4, 6, 9)))
	for _, want := range []string{`x="20%"`, `width="40%"`, `x1="10%"`, `x2="90%"`, `x1="40%"`,
		"median 4, middle half 2 to 6, 5 to 95% 1 to 9"} {
		if !strings.Contains(box, want) {
			t.Errorf("no %s in the box plot %s", want, box)
		}
	}
	partial := string(boxChart(sc, quant(math.NaN(), 2, 4, 6, 9)))
	if strings.Contains(partial, "whisker") || !strings.Contains(partial, "rect") {
		t.Errorf("without its 5%% quantile a box keeps its box and loses its whisker: %s", partial)
	}
	forest := string(forestChart(sc, mark{"judge", "judge", iv(5, 4, 6)},
		mark{"calibrated", "calibrated", iv(math.NaN(), 1, 2)}))
	if strings.Count(forest, "<circle") != 1 || !strings.Contains(forest, `x1="40%"`) ||
		!strings.Contains(forest, `cx="50%"`) {
		t.Errorf("one interval and nothing for the missing one, want that in %s", forest)
	}
	if h := string(histogramChart(sc, make([]float64, 100))); strings.Count(h, "<rect") != 1 ||
		strings.Count(h, `class="rug"`) != 100 {
		t.Errorf("100 equal values are one bar and 100 marks: %s", h)
	}
	if h := string(histogramChart(sc, make([]float64, 201))); strings.Contains(h, "rug") {
		t.Error("more than 200 values are marked one by one")
	}
	cost := string(costChart(sc, 2, 8, math.NaN()))
	if strings.Contains(cost, "rect") || !strings.Contains(cost, "actual —") {
		t.Errorf("an unknown cost has no bar: %s", cost)
	}
}

func TestScatter(t *testing.T) {
	pts := []offpolicy.CalibrationPoint{{Judge: dataset.Known(0.5), Calibrated: dataset.Known(0.2),
		Label: dataset.Known(1)}, {Judge: dataset.Known(0.5), Calibrated: dataset.Known(0.4), Label: dataset.Known(0)},
		{Judge: dataset.Known(1), Calibrated: dataset.Known(0.9), Label: dataset.Known(1)}}
	s := string(scatterChart(pts))
	if strings.Count(s, "<circle") != 3 || strings.Count(s, `class="curve"`) != 1 {
		t.Errorf("3 points and a curve of one piece, got %s", s)
	}
	// The curve passes through the mean of equal scores.
	if got := curve(newScale(0, 1), columns(pts)); len(got) != 2 || math.Abs(got[0][1]-0.3) > 1e-12 {
		t.Errorf("curve %v, want it to start at (0.5, 0.3)", got)
	}
	var many []offpolicy.CalibrationPoint
	for i := range 5000 {
		x := float64(i) / 5000
		many = append(many, offpolicy.CalibrationPoint{
			Judge: dataset.Known(x), Calibrated: dataset.Known(x * x), Label: dataset.Known(math.Mod(float64(i)*0.618, 1)),
		})
	}
	s = string(scatterChart(many))
	if n := strings.Count(s, "<circle"); n > scatterCells*scatterCells {
		t.Errorf("%d dots for 5,000 points", n)
	}
	if n := strings.Count(s, `class="curve"`); n > curveSteps+1 {
		t.Errorf("%d pieces of curve", n)
	}
}

func TestScale(t *testing.T) {
	if s := newScale(-200, -120, -80, -40, -5); s.unit != 0 {
		t.Error("ordinary log-probs do not get a linear scale")
	}
	s := newScale(-0.1, -0.2, -0.3, -0.15, -0.25, -1e9)
	if s.unit == 0 {
		t.Fatal("an outlier of 1e9 leaves a linear scale on which nothing else can be told apart")
	}
	if d := s.at(-0.1) - s.at(-0.3); d < 2 {
		t.Errorf("the others lie within %.3f%% of the width", d)
	}
	for _, s := range []scale{newScale(-200, -5), newScale(0, 1), s, newScale(-1e300, 1, 2, 3, 1e300), newScale(3)} {
		ticks := s.ticks(tickCount)
		if len(ticks) < 1 || len(ticks) > 2*tickCount {
			t.Errorf("%d ticks: %v", len(ticks), ticks)
		}
		if !slices.IsSorted(ticks) || len(slices.Compact(slices.Clone(ticks))) != len(ticks) {
			t.Errorf("ticks out of order, or twice: %v", ticks)
		}
		last := -1.0
		for _, v := range ticks {
			if p := s.at(v); p <= last || p > 100 {
				t.Errorf("tick %v at %v%% after %v%%", v, p, last)
			} else {
				last = p
			}
		}
	}
	if got := newScale(0, 1).ticks(5); !slices.EqualFunc(got, []float64{0, 0.2, 0.4, 0.6, 0.8, 1},
		func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
		t.Errorf("ticks of [0, 1]: %v", got)
	}
}
