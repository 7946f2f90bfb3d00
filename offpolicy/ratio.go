package offpolicy

import "math"

// ratioMean is a weighted mean whose parts do not depend on the fit: of rewards
// or of labels.
type ratioMean struct {
	num, den []float64 // by prompt
	scale    float64   // of the mean
	// leave makes a prompt's part nearly what leaving the prompt out changes,
	// 1/(1-h) times the linear part with h the prompt's share of Σ D: where few
	// heavy rows decide, the linear part is too small. The factor is taken as
	// √(1 + 2h + 3h²), whose square is the expansion of that of 1/(1-h), so that
	// sums of powers suffice for it (see [Accumulator]).
	leave bool
}

// labelMean is the weighted mean of labels.
type labelMean struct {
	ratioMean
	*weightedLabels
}

func (m *labelMean) arm(w *worker) *arm { return m.explained(w, 0) }

func (r *ratioMean) value(w *worker) float64 {
	var num, den float64
	for p, v := range w.v {
		num += v * r.num[p]
		den += v * r.den[p]
	}
	return r.scale * num / den
}

func (r *ratioMean) influence(w *worker, phi []float64) float64 {
	var num, den float64
	for p := range r.num {
		num += r.num[p]
		den += r.den[p]
	}
	mean := num / den
	for p := range phi {
		phi[p] = r.scale * (r.num[p] - mean*r.den[p]) / den
		if r.leave {
			phi[p] *= leaving(r.den[p] / den)
		}
	}
	return r.scale * mean
}

// leaving is about 1/(1-h); see ratioMean.
func leaving(h float64) float64 { return math.Sqrt(1 + 2*h + 3*h*h) }
