package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Charts are pure functions from numbers to SVG. They take no text at all, so
// that nothing hostile can reach markup that bypasses the template's escaping;
// names stand beside a chart, in HTML. Colours are classes of the style sheet,
// and so follow the reader's light or dark setting.
//
// A chart of a row (box, histogram, interval, bar) is a band of rowHeight
// pixels; rows that share a scale are stacked above one axis. A chart without
// anything to draw is empty, and the page says so in words.

const (
	rowHeight = 34
	rowMiddle = rowHeight / 2
	tickCount = 5
)

// svg collects the elements of one drawing.
type svg struct{ b strings.Builder }

func newSVG(class string, height int, label string) *svg {
	s := new(svg)
	fmt.Fprintf(&s.b, `<svg class="%s" width="100%%" height="%d" role="img" aria-label="%s">`, class, height, label)
	return s
}

func (s *svg) end() template.HTML {
	s.b.WriteString("</svg>")
	return template.HTML(s.b.String())
}

// pct writes a percentage to a hundredth, which is finer than a pixel.
func pct(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"
}

func (s *svg) line(class string, x1, y1, x2, y2 string) {
	fmt.Fprintf(&s.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, x1, y1, x2, y2)
}

// across draws a horizontal line at y pixels between two positions.
func (s *svg) across(class string, from, to float64, y int) {
	s.line(class, pct(from), px(y), pct(to), px(y))
}

// upright draws a vertical line at a position between two pixels.
func (s *svg) upright(class string, at float64, top, bottom int) {
	s.line(class, pct(at), px(top), pct(at), px(bottom))
}

func (s *svg) bar(class string, from, to float64, top, height int) {
	fmt.Fprintf(&s.b, `<rect class="%s" x="%s" y="%d" width="%s" height="%d"/>`, class, pct(from), top,
		pct(max(to-from, 0)), height)
}

// dot draws a circle; tip is shown where a pointer rests on it.
func (s *svg) dot(class string, x, y string, r float64, tip string) {
	fmt.Fprintf(&s.b, `<circle class="%s" cx="%s" cy="%s" r="%s"><title>%s</title></circle>`, class, x, y,
		strconv.FormatFloat(r, 'f', -1, 64), tip)
}

func (s *svg) grid(sc scale, height int) {
	for _, t := range sc.ticks(tickCount) {
		s.upright("grid", sc.at(t), 0, height)
	}
}

func px(y int) string { return strconv.Itoa(y) }

// axisChart is the ticks of a scale with their numbers.
func axisChart(sc scale) template.HTML {
	ticks := sc.ticks(tickCount)
	s := newSVG("axis", 22, "axis from "+numbersText(ticks))
	for _, t := range ticks {
		s.upright("tick", sc.at(t), 0, 4)
		fmt.Fprintf(&s.b, `<text x="%s" y="17" text-anchor="middle">%s</text>`, pct(sc.at(t)), tickText(t))
	}
	return s.end()
}

// tickText is a short number: axis labels of a phone have 60 pixels each.
func tickText(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 1e5:
		return signed(v, strings.Replace(strconv.FormatFloat(a, 'g', 3, 64), "e+0", "e", 1))
	case a != 0 && a < 1e-3:
		return signed(v, strings.Replace(strconv.FormatFloat(a, 'g', 2, 64), "e-0", "e-", 1))
	}
	return number(v)
}

func numbersText(vs []float64) string {
	if len(vs) == 0 {
		return "nowhere"
	}
	return number(vs[0]) + " to " + number(vs[len(vs)-1])
}

// boxChart draws the 5, 25, 50, 75 and 95% quantiles: a thin line, a box and a
// mark at the median. Missing quantiles leave their part out.
func boxChart(sc scale, q record.Quantiles) template.HTML {
	v := quantiles(q)
	if !slices.ContainsFunc(v, finite) {
		return ""
	}
	s := newSVG("row", rowHeight, fmt.Sprintf("median %s, middle half %s to %s, 5 to 95%% %s to %s",
		number(v[2]), number(v[1]), number(v[3]), number(v[0]), number(v[4])))
	s.grid(sc, rowHeight)
	if finite(v[0]) && finite(v[4]) {
		s.across("whisker", sc.at(v[0]), sc.at(v[4]), rowMiddle)
		s.upright("whisker", sc.at(v[0]), rowMiddle-5, rowMiddle+5)
		s.upright("whisker", sc.at(v[4]), rowMiddle-5, rowMiddle+5)
	}
	if finite(v[1]) && finite(v[3]) {
		s.bar("box", sc.at(v[1]), sc.at(v[3]), rowMiddle-8, 16)
	}
	if finite(v[2]) {
		s.upright("median", sc.at(v[2]), rowMiddle-10, rowMiddle+10)
	}
	return s.end()
}

// histogramBins bounds the rectangles of a histogram, whatever its n.
const histogramBins = 48

// histogramChart draws how values lie over the scale: bars by count above a
// base line, a mark at the median, and a line where zero is (a weight of 1). Up
// to 200 values are also marked one by one below the bars.
func histogramChart(sc scale, values []float64) template.HTML {
	xs := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !finite(v) })
	if len(xs) == 0 {
		return ""
	}
	slices.Sort(xs)
	const base = rowHeight - 8
	median := xs[len(xs)/2]
	if len(xs)%2 == 0 {
		median = xs[len(xs)/2-1]/2 + median/2
	}
	s := newSVG("row", rowHeight, fmt.Sprintf("%s values from %s to %s, median %s",
		count(len(xs)), number(xs[0]), number(xs[len(xs)-1]), number(median)))
	s.grid(sc, rowHeight)
	if z := sc.at(0); z > 0 && z < 100 {
		s.upright("zero", z, 0, rowHeight)
	}
	var bins [histogramBins]int
	most := 0
	for _, x := range xs {
		i := min(int(sc.at(x)/100*histogramBins), histogramBins-1)
		bins[i]++
		most = max(most, bins[i])
	}
	const wide = 100.0 / histogramBins
	for i, n := range bins {
		if n > 0 {
			h := max(int(math.Round(float64(n)/float64(most)*base)), 2)
			s.bar("bin", float64(i)*wide+wide*0.08, float64(i+1)*wide-wide*0.08, base-h, h)
		}
	}
	if len(xs) <= 200 {
		for _, x := range xs {
			s.upright("rug", sc.at(x), base+2, rowHeight)
		}
	}
	s.upright("median", sc.at(median), 0, base)
	return s.end()
}

// mark is one interval of a forest chart. Its class gives it its look.
type mark struct {
	class, label string
	record.Quantity
}

// forestChart draws intervals, one above the other. What is missing is left out:
// an interval without ends is a dot, one without a value is nothing.
func forestChart(sc scale, marks ...mark) template.HTML {
	var words []string
	drawn := false
	for _, m := range marks {
		words = append(words, m.label+" "+interval(m.Quantity, score))
		drawn = drawn || finite(m.Value.OrNaN())
	}
	if !drawn {
		return ""
	}
	s := newSVG("row", rowHeight, strings.Join(words, ", "))
	s.grid(sc, rowHeight)
	const apart = 12
	for k, m := range marks {
		y := rowMiddle + apart*k - apart*(len(marks)-1)/2
		s.interval(sc, m.class, m.Quantity, y, words[k])
	}
	return s.end()
}

// interval draws a dot at a value and a line over its interval, at y pixels.
func (s *svg) interval(sc scale, class string, i record.Quantity, y int, tip string) {
	v := floats(i.Lo, i.Value, i.Hi)
	if !finite(v[1]) {
		return
	}
	if finite(v[0]) && finite(v[2]) {
		s.across("interval "+class, sc.at(v[0]), sc.at(v[2]), y)
	}
	s.dot("point "+class, pct(sc.at(v[1])), px(y), 4.5, tip)
}

// costChart draws one stage's cost: a bar for what it cost, a mark at what was
// expected of it, and a thin line up to the worst case. sc starts at zero.
func costChart(sc scale, expected, worst, actual float64) template.HTML {
	if !finite(expected) && !finite(worst) && !finite(actual) {
		return ""
	}
	s := newSVG("row", rowHeight, fmt.Sprintf("actual %s, expected %s, at worst %s", usd(actual), usd(expected),
		usd(worst)))
	s.grid(sc, rowHeight)
	if finite(worst) {
		s.across("whisker", sc.at(0), sc.at(worst), rowMiddle)
		s.upright("whisker", sc.at(worst), rowMiddle-4, rowMiddle+4)
	}
	if finite(actual) {
		s.bar("actual", sc.at(0), sc.at(actual), rowMiddle-6, 12)
	}
	if finite(expected) {
		s.upright("median", sc.at(expected), rowMiddle-11, rowMiddle+11)
	}
	return s.end()
}
