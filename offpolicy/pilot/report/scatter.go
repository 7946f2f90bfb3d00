package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/reweigh/reweigh/offpolicy"
)

const (
	scatterDots  = 600 // more points than this are drawn as counts on a grid
	scatterCells = 32
	curveSteps   = 60
)

// point is a calibration point, NaN if a figure is missing.
type point struct{ Judge, Calibrated, Label float64 }

func columns(points []offpolicy.CalibrationPoint) []point {
	out := make([]point, len(points))
	for i, p := range points {
		out[i] = point{p.Judge.OrNaN(), p.Calibrated.OrNaN(), p.Label.OrNaN()}
	}
	return out
}

// scatterChart draws labels against judge scores, the line of equality, and the
// calibrated score as a curve: the mean calibrated value at each judge score,
// or over 60 equal steps where there are more distinct scores than that. Beyond
// 600 points, dots stand for the points of a 32 by 32 grid, their area
// proportional to the count, so that the page does not grow with the run.
func scatterChart(points []offpolicy.CalibrationPoint) template.HTML {
	pts := slices.DeleteFunc(columns(points), func(p point) bool { return !finite(p.Judge) || !finite(p.Label) })
	if len(pts) == 0 {
		return ""
	}
	all := []float64{0, 1} // scores and labels live in [0, 1]; what does not stretches the plot and is seen
	for _, p := range pts {
		all = append(all, p.Judge, p.Label)
		if finite(p.Calibrated) {
			all = append(all, p.Calibrated)
		}
	}
	sc := newScale(all...)
	y := func(v float64) string { return pct(100 - sc.at(v)) }
	s := new(svg)
	fmt.Fprintf(&s.b, `<svg class="scatter" width="100%%" height="100%%" role="img" aria-label="%s against judge score">`,
		plural(len(pts), "label", "labels"))
	for _, t := range sc.ticks(tickCount) {
		s.line("grid", pct(sc.at(t)), "0", pct(sc.at(t)), "100%")
		s.line("grid", "0", y(t), "100%", y(t))
		fmt.Fprintf(&s.b, `<text x="%s" y="100%%" dy="18" text-anchor="middle">%s</text>`, pct(sc.at(t)), tickText(t))
		fmt.Fprintf(&s.b, `<text x="0" y="%s" dx="-8" dy="4" text-anchor="end">%s</text>`, y(t), tickText(t))
	}
	s.line("equal", "0", "100%", "100%", "0")
	if len(pts) <= scatterDots {
		for _, p := range pts {
			tip := fmt.Sprintf("judge %s, label %s, calibrated %s", score(p.Judge), score(p.Label), score(p.Calibrated))
			s.dot("labeled", pct(sc.at(p.Judge)), y(p.Label), 3.5, tip)
		}
	} else {
		s.cells(sc, pts)
	}
	for i, c := 1, curve(sc, pts); i < len(c); i++ {
		s.line("curve", pct(sc.at(c[i-1][0])), y(c[i-1][1]), pct(sc.at(c[i][0])), y(c[i][1]))
	}
	return s.end()
}

// cells draws the points as counts on a grid.
func (s *svg) cells(sc scale, pts []point) {
	cell := func(v float64) int { return min(int(sc.at(v)/100*scatterCells), scatterCells-1) }
	var n [scatterCells][scatterCells]int
	most := 0
	for _, p := range pts {
		i, j := cell(p.Judge), cell(p.Label)
		n[i][j]++
		most = max(most, n[i][j])
	}
	middle := func(i int) float64 { return (float64(i) + 0.5) * 100 / scatterCells }
	for i := range n {
		for j, k := range n[i] {
			if k > 0 {
				r := math.Round(max(6*math.Sqrt(float64(k)/float64(most)), 1)*100) / 100
				s.dot("labeled", pct(middle(i)), pct(100-middle(j)), r, plural(k, "label", "labels"))
			}
		}
	}
}

// curve is the mean calibrated value by judge score, in order of the score.
func curve(sc scale, pts []point) [][2]float64 {
	pts = slices.DeleteFunc(slices.Clone(pts), func(p point) bool { return !finite(p.Calibrated) })
	slices.SortStableFunc(pts, func(a, b point) int { return cmp.Compare(a.Judge, b.Judge) })
	distinct := 0
	for i, p := range pts {
		if i == 0 || p.Judge != pts[i-1].Judge {
			distinct++
		}
	}
	same := func(a, b float64) bool { return a == b }
	if distinct > curveSteps {
		same = func(a, b float64) bool { return int(sc.at(a)/100*curveSteps) == int(sc.at(b)/100*curveSteps) }
	}
	var out [][2]float64
	for from := 0; from < len(pts); {
		to := from
		var x, y float64
		for ; to < len(pts) && same(pts[to].Judge, pts[from].Judge); to++ {
			x += pts[to].Judge
			y += pts[to].Calibrated
		}
		n := float64(to - from)
		out = append(out, [2]float64{x / n, y / n})
		from = to
	}
	return out
}
