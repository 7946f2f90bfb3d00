package offpolicy

import "math"

// A statistic is an estimator applied to one policy, as a function of how much
// each prompt counts. Every one of them is a combination of weighted means
//
//	Σ_p v_p N_p / Σ_p v_p D_p
//
// over prompts p, where N_p and D_p are the prompt's own sums, so that one
// prompt's part in the error is (N_p - mean D_p) / Σ v D: the influence
// function, in which a prompt's rows and draws stand together.
type statistic interface {
	// value computes the estimate under w.v, with the predictions w.f that were
	// fitted under it.
	value(w *worker) float64
	// influence writes the prompts' parts to phi, such that their sum is about
	// value - truth, and returns the value. All prompts must count 1.
	influence(w *worker, phi []float64) float64
}

// worker is what one goroutine computes in.
type worker struct {
	v, f []float64 // prompt weights; predictions, by query
	fit  pooled
	// Sums by prompt: of weighted predictions over labeled rows, over all
	// rows, and over draws.
	lf, wf, g []float64
}

func newWorker(fr *frame) *worker {
	p := len(fr.prompts)
	w := &worker{
		v: make([]float64, p), f: make([]float64, fr.queries()),
		lf: make([]float64, p), wf: make([]float64, p), g: make([]float64, p),
	}
	return w
}

// ones makes every prompt count 1 and predicts.
func (w *worker) ones(fr *frame) {
	for i := range w.v {
		w.v[i] = 1
	}
	w.predict(fr)
}

// predict fits under w.v; where nothing can be calibrated, f is the score. Responses
// without a score have one prediction for all; see [blanks].
func (w *worker) predict(fr *frame) {
	if fr.fits != nil {
		fr.fits.predict(w.v, w.f, &w.fit)
	} else {
		copy(w.f, fr.score)
		for _, d := range fr.draws {
			copy(w.f[d.at:], d.score)
		}
	}
	if fr.blanks != nil {
		fr.blanks.predict(w.v, w.f, fr.fits != nil)
	}
}

// clusterSE is the cluster-robust standard error √(Σ φ²) of a sum of prompts'
// parts, and Satterthwaite's degrees of freedom of its square, 2 (Σφ²)² / Σφ⁴: that
// parts are 0 by chance, where no label was drawn, counts as spread.
func clusterSE(phi []float64) (se, df float64) {
	var s2, s4 float64
	for _, x := range phi {
		s2 += x * x
		s4 += x * x * x * x
	}
	if len(phi) < 2 {
		return math.NaN(), math.NaN()
	}
	return math.Sqrt(s2), 2 * s2 * s2 / s4
}
