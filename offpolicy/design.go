package offpolicy

import "math"

// LabelDesign is what is known of how the logged labels were chosen.
type LabelDesign struct {
	Rows   int
	Labels int
	Stated bool // inclusion probabilities were given; else they are Labels/Rows
	// Z are tests of the labels' being chosen at random, each a standard normal
	// if they were: of score, length, and log weight by policy. NaN where
	// nothing varies, or where probabilities were stated and differ.
	ScoreZ, LengthZ float64
	WeightZ         map[string]float64
}

// testDesign tests whether the labelled rows look chosen at random from all, by
// score, length and log weight.
func (r *Result) testDesign() {
	fr := r.frame
	d := fr.design
	length := make([]float64, len(fr.rows))
	for i := range fr.rows {
		length[i] = fr.rows[i].Length.OrNaN()
	}
	equal := true
	var p float64
	for _, u := range fr.invP {
		if u > 0 {
			equal = equal && (p == 0 || p == u)
			p = u
		}
	}
	z := func(x []float64) float64 {
		if !equal {
			return math.NaN() // chosen unequally on purpose
		}
		return randomLabels(x, fr.invP)
	}
	d.ScoreZ, d.LengthZ = z(fr.score), z(length)
	d.WeightZ = map[string]float64{}
	for i := range r.Policies {
		if p := &r.Policies[i]; p.Policy != r.Logging {
			d.WeightZ[p.Policy] = z(p.Weights.Log)
		}
	}
	r.Labels = d
}

// randomLabels is (mean of x over the m labelled - mean over all n) in units of
// its standard error under simple random sampling, √((1 - m/n) S²/m). NaN where
// nothing varies or x is missing or infinite throughout.
func randomLabels(x, invP []float64) float64 {
	var n, m, sum, part float64
	use := func(i int) bool { return !math.IsNaN(x[i]) && !math.IsInf(x[i], 0) }
	for i, v := range x {
		if !use(i) {
			continue
		}
		n++
		sum += v
		if invP[i] > 0 {
			m++
			part += v
		}
	}
	if m == 0 || m == n || n < 2 {
		return math.NaN()
	}
	mean := sum / n
	var ss float64
	for i, v := range x {
		if use(i) {
			ss += (v - mean) * (v - mean)
		}
	}
	if ss == 0 {
		return math.NaN()
	}
	return (part/m - mean) / math.Sqrt((1-m/n)*ss/(n-1)/m)
}
