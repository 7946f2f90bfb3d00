package offpolicy

import (
	"iter"
	"math"
)

// arm is one side of a difference: how much each label counts in an estimate.
type arm struct {
	labels []armLabel // by id
	// Of an estimate by weights: the weights, which are kept as their logarithms alone; the
	// largest of these, and the sum in units of it; and by row 1/p of being labeled.
	weights    *Weights
	top, total float64
	invP       []float64
}

// armLabel is a label. Σ c is 1.
type armLabel struct {
	id, prompt int32 // id is that of its prediction, which no other response has
	c          float64
	y, rest    float64 // the label, and less what the judge explains of it: Y - λ f
}

// mean is the weighted mean of the labels' rest.
func (a *arm) mean() float64 {
	var sum float64
	for i := range a.labels {
		sum += a.labels[i].c * a.labels[i].rest
	}
	return sum
}

// bias is that of a weighted mean of labels, whose weights do not sum to what they
// ought to: -Σ c² (R - R̄).
//
// Source: Tin, J. Am. Stat. Assoc. 60 (1965), 294-307.
func (a *arm) bias() float64 {
	mean, sum := a.mean(), 0.0
	for i := range a.labels {
		l := &a.labels[i]
		sum -= l.c * l.c * (l.rest - mean)
	}
	return sum
}

// normalise divides coefficients by their sum, and sums the weights.
func (a *arm) normalise() {
	var labels float64
	for i := range a.labels {
		labels += a.labels[i].c
	}
	for i := range a.labels {
		a.labels[i].c /= labels
	}
	if a.weights == nil {
		return
	}
	a.top, a.total = largest(a.weights.Log), 0
	for _, l := range a.weights.Log {
		a.total += relativeTo(a.top, l)
	}
}

// armed is a statistic that can be one side of a difference: one of labels.
type armed interface {
	arm(w *worker) *arm
	labels() iter.Seq[float64]
}

// oneValue returns the value that all labels have, if there is one.
func oneValue(labels iter.Seq[float64]) (y float64, ok bool) {
	for v := range labels {
		if ok && v != y {
			return 0, false
		}
		y, ok = v, true
	}
	return y, ok
}

// newContrast makes the difference of two estimates that rest on the same prompts.
// replicates is the standard deviation of their difference over replicates, 0 for
// none.
func newContrast(a, b *Estimate, replicates float64) *contrast {
	n := len(a.Influence)
	c := &contrast{value: a.Value - b.Value, df: min(a.DF, b.DF), parts: make([]float64, n),
		slack: slack{a.slack.below + b.slack.above, a.slack.above + b.slack.below}}
	labels := make([]float64, n) // the labels' part of each prompt's
	var drawn, expected float64
	if a.arm != nil && b.arm != nil {
		c.value -= a.arm.bias() - b.arm.bias()
		drawn = c.takeLabels(a.arm, b.arm, labels)
		expected = expectedSpread(a.arm, b.arm)
	}
	var squares, ofLabels, ofJudge float64
	for p := range c.parts {
		c.parts[p] = (a.Influence[p] - b.Influence[p]) / float64(n)
		squares += c.parts[p] * c.parts[p]
		ofLabels += labels[p] * labels[p]
		judge := c.parts[p] - labels[p]
		ofJudge += judge * judge
	}
	c.seParts = math.Sqrt(squares)
	se2 := max(squares, replicates*replicates)
	share := 0.0
	if ofLabels > 0 {
		share = ofLabels / (ofLabels + ofJudge)
	}
	c.judge = (1 - share) * se2
	enlarge := 1.0
	if drawn > 0 && expected > drawn {
		enlarge = expected / drawn
	}
	c.se = math.Sqrt(c.judge + share*se2*enlarge)
	if n > exactPrompts {
		c.parts = nil
	}
	return c
}

// takeLabels fills the groups and the labels' parts by prompt, and returns Σ c².
func (c *contrast) takeLabels(a, b *arm, parts []float64) (squares float64) {
	meanA, meanB := a.mean(), b.mean()
	take := func(id int32, prompt int32, net, y, part float64) {
		parts[prompt] += part
		squares += net * net
		switch {
		case net > 0:
			c.up.add(net, y)
		case net < 0:
			c.down.add(-net, y)
		}
	}
	i, j := 0, 0
	for i < len(a.labels) || j < len(b.labels) {
		switch {
		case j == len(b.labels) || i < len(a.labels) && a.labels[i].id < b.labels[j].id:
			l := &a.labels[i]
			take(l.id, l.prompt, l.c, l.y, l.c*(l.rest-meanA))
			i++
		case i == len(a.labels) || b.labels[j].id < a.labels[i].id:
			l := &b.labels[j]
			take(l.id, l.prompt, -l.c, l.y, -l.c*(l.rest-meanB))
			j++
		default:
			x, y := &a.labels[i], &b.labels[j]
			take(x.id, x.prompt, x.c-y.c, x.y, x.c*(x.rest-meanA)-y.c*(y.rest-meanB))
			i, j = i+1, j+1
		}
	}
	return squares
}

// expectedSpread is what Σ c² is on average over draws of the labels: Σ over all rows
// of (difference of shares)² / p, and the drawn Σ c² of an estimate that has labels of
// its own. NaN where some p is unknown.
func expectedSpread(a, b *arm) (sum float64) {
	for _, x := range []*arm{a, b} {
		if x.weights == nil {
			for i := range x.labels {
				sum += x.labels[i].c * x.labels[i].c
			}
		}
	}
	invP := a.invP
	if invP == nil {
		invP = b.invP
	}
	for i, u := range invP {
		if x, y := a.share(i), b.share(i); x != 0 || y != 0 {
			sum += (x - y) * (x - y) * u
		}
	}
	return sum
}

// share is row i's share of Σ w.
func (a *arm) share(i int) float64 {
	if a.weights == nil {
		return 0
	}
	return relativeTo(a.top, a.weights.Log[i]) / a.total
}
