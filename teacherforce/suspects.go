package teacherforce

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// Value is one log-prob among many, for [Suspects].
type Value struct {
	Response string // which response: values of one response support each other
	Policy   string
	LogProb  dataset.Float // nats
	// Length is the response's in tokens, or in bytes if those are unknown; in
	// one unit for all values of a policy.
	Length int
	// Second is what another method says of the same value: the log-prob given
	// while the response was generated, say. Missing if there is none.
	Second dataset.Float
}

// Suspect is a value that is probably wrong.
type Suspect struct {
	Index  int // into the values
	Flag   Flag
	Detail string
}

const (
	// residualLimit is how many robust standard deviations a value may lie above
	// the line. Log-probs scatter about evenly on a logarithmic scale: of good
	// values one in 30,000 is beyond 4, and it then needs to be alone.
	residualLimit = 4
	// support is how near another policy's value has to be to excuse one: at most
	// so many times as many nats, and one more.
	support      = 4
	supportNats  = 1
	leastForLine = 20 // values that a line is drawn through
	floorNats    = 1e-3
	noiseNats    = -13 // below what a token has that is drawn evenly from 400,000
)

// Suspects finds the values of a run that cannot be right or probably are not.
// A null, a positive or an infinite one cannot. A log-prob near 0 for a long
// response may well be right: texts that are recited, refusals, lists of numbers
// are certain, and exactly 0 is no worse than nearly 0. So none is suspect by
// its size. For each policy a line is drawn through log(-log-prob) against
// log(length), by medians of thirds, and a value far above it is suspect if
// nothing supports it: neither another policy's value of the same response, which
// calls of its own have given, nor Second. If there is a Second, it has to
// agree.
//
// A server that answers 0 to everything is not found here, since its values
// support each other, but by certification and by [FlagZero].
func Suspects(values []Value) []Suspect {
	var out []Suspect
	byPolicy := map[string][]int{}
	for i, v := range values {
		if s, bad := impossible(i, v); bad {
			out = append(out, s)
			continue
		}
		byPolicy[v.Policy] = append(byPolicy[v.Policy], i)
		// never if Second is NaN
		if d := math.Abs(v.Second.OrNaN() - v.LogProb.OrNaN()); d > 0.05*(1+math.Abs(v.LogProb.OrNaN())) {
			out = append(out, Suspect{i, FlagSecondDisagrees, fmt.Sprintf("%.4g nats, and %.4g by another method",
				v.LogProb.OrNaN(), v.Second.OrNaN())})
		}
	}
	above := map[int]float64{}       // values far above their policy's line, few
	byResponse := map[string][]int{} // all values of those responses
	for _, rows := range byPolicy {
		residual, ok := residuals(values, rows)
		for k, i := range rows {
			if ok && residual[k] <= -residualLimit {
				above[i], byResponse[values[i].Response] = -residual[k], nil
			}
		}
	}
	for i, v := range values {
		if same, ok := byResponse[v.Response]; ok {
			if _, bad := impossible(i, v); !bad {
				byResponse[v.Response] = append(same, i)
			}
		}
	}
	for i, by := range above {
		if v := values[i]; !supported(values, i, byResponse[v.Response]) {
			out = append(out, Suspect{i, FlagTooLikely, fmt.Sprintf("%.4g nats for a length of %d is %.1f robust standard "+
				"deviations above the policy's other values, and no other value of this response is near",
				v.LogProb.OrNaN(), v.Length, by)})
		}
	}
	slices.SortFunc(out, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index),
			cmp.Compare(a.Flag, b.Flag))
	})
	return out
}

func impossible(i int, value Value) (Suspect, bool) {
	switch v := value.LogProb.OrNaN(); {
	case math.IsNaN(v):
		return Suspect{i, FlagNull, "there is no value"}, true
	case math.IsInf(v, 0), v <= infiniteLogProb && v < noiseNats*float64(value.Length):
		return Suspect{i, FlagInfinite, fmt.Sprintf("%v for a length of %d: an infinite value or a stand-in for one", v,
			value.Length)}, true
	case v > positiveSlack:
		return Suspect{i, FlagPositive, fmt.Sprintf("%+g is a probability above 1", v)}, true
	}
	return Suspect{}, false
}

// supported reports whether anything else says that value i is as large as it is.
func supported(values []Value, i int, same []int) bool {
	v := values[i]
	near := func(other float64) bool { return other >= support*v.LogProb.OrNaN()-supportNats }
	if near(v.Second.OrNaN()) { // false for NaN
		return true
	}
	return slices.ContainsFunc(same, func(j int) bool {
		return values[j].Policy != v.Policy &&
			near(values[j].LogProb.OrNaN())
	})
}

// residuals are the rows' distances from a resistant line, in robust standard
// deviations; below 0 is likelier than the line.
func residuals(values []Value, rows []int) ([]float64, bool) {
	if len(rows) < leastForLine {
		return nil, false
	}
	type point struct{ x, y float64 }
	points := make([]point, len(rows))
	for k, i := range rows {
		points[k] = point{math.Log(float64(1 + values[i].Length)), math.Log(max(-values[i].LogProb.OrNaN(), floorNats))}
	}
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, func(a, b point) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y)) })
	third := len(sorted) / 3
	middle := func(ps []point) point {
		xs, ys := make([]float64, len(ps)), make([]float64, len(ps))
		for i, p := range ps {
			xs[i], ys[i] = p.x, p.y
		}
		return point{median(xs), median(ys)}
	}
	left, right := middle(sorted[:third]), middle(sorted[len(sorted)-third:])
	slope := 0.0
	if right.x > left.x {
		slope = (right.y - left.y) / (right.x - left.x)
	}
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = p.y - slope*p.x
	}
	center := median(slices.Clone(out))
	spread := make([]float64, len(out))
	for i := range out {
		out[i] -= center
		spread[i] = math.Abs(out[i])
	}
	scale := 1.4826 * median(spread) // of a normal distribution, its standard deviation
	if scale == 0 {
		return nil, false
	}
	for i := range out {
		out[i] /= scale
	}
	return out, true
}

// median sorts xs.
func median(xs []float64) float64 {
	slices.Sort(xs)
	n := len(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}
