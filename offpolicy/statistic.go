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
	// Sums by prompt: of weighted predictions over labelled rows, over all
	// rows, and over draws.
	lf, wf, g []float64
}

func newWorker(fr *frame) *worker {
	p := len(fr.prompts)
	w := &worker{
		v: make([]float64, p), f: make([]float64, fr.queries()),
		lf: make([]float64, p), wf: make([]float64, p), g: make([]float64, p),
	}
	if fr.fits != nil {
		w.fit = newPooled(fr.fits.most)
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

// predict fits under w.v; where nothing can be calibrated, f is the score.
func (w *worker) predict(fr *frame) {
	if fr.fits != nil {
		fr.fits.predict(w.v, w.f, &w.fit)
		return
	}
	copy(w.f, fr.score)
	for _, d := range fr.draws {
		copy(w.f[d.at:], d.score)
	}
}

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

// drStat is the tuned doubly robust estimator.
type drStat struct {
	rows          []rowTerm   // every row with a weight and a score
	labelled      []labelTerm // those with a label
	draws         []drawTerm
	den, labelDen []float64 // by prompt: Σ w, Σ_L w/p
	labelNum      []float64 // by prompt: Σ_L (w/p) Y
	drawDen       []float64 // by prompt: its rows, if it has a draw
	tune          bool
	hasDraws      bool
}

type rowTerm struct {
	prompt, f int32
	w         float64
}

type labelTerm = rowTerm // w is w/p

type drawTerm = rowTerm // w is the prompt's rows over its draws

// sums are the four means and their denominators.
type drSums struct {
	yw, fwL, fw, fresh  float64
	denL, denW, denDraw float64
}

// means computes the four weighted means, leaving the sums by prompt in w.
func (d *drStat) means(w *worker) drSums {
	clear(w.lf)
	clear(w.wf)
	clear(w.g)
	for _, t := range d.labelled {
		w.lf[t.prompt] += t.w * w.f[t.f]
	}
	for _, t := range d.draws {
		w.g[t.prompt] += t.w * w.f[t.f]
	}
	if d.tune {
		for _, t := range d.rows {
			w.wf[t.prompt] += t.w * w.f[t.f]
		}
	}
	n := len(w.v)
	lf, wf, gs := w.lf[:n], w.wf[:n], w.g[:n]
	labelDen, labelNum, den, drawDen := d.labelDen[:n], d.labelNum[:n], d.den[:n], d.drawDen[:n]
	var s drSums
	var y, fL, f, g float64
	for p, v := range w.v {
		if labelDen[p] != 0 {
			s.denL += v * labelDen[p]
			y += v * labelNum[p]
			fL += v * lf[p]
		}
		s.denW += v * den[p]
		s.denDraw += v * drawDen[p]
		f += v * wf[p]
		g += v * gs[p]
	}
	s.yw, s.fwL, s.fw = y/s.denL, fL/s.denL, f/s.denW
	if d.hasDraws {
		s.fresh = g / s.denDraw
	}
	return s
}

// parts are a prompt's entries of the influence functions of y_w, f' - f_wL and
// f_w - f_wL.
func (d *drStat) parts(w *worker, s *drSums, p int) (a, b1, b2 float64) {
	fL := (w.lf[p] - s.fwL*d.labelDen[p]) / s.denL
	a = (d.labelNum[p] - s.yw*d.labelDen[p]) / s.denL
	b2 = (w.wf[p]-s.fw*d.den[p])/s.denW - fL
	if d.hasDraws {
		b1 = (w.g[p]-s.fresh*d.drawDen[p])/s.denDraw - fL
	}
	return a, b1, b2
}

// lambda minimises the variance of a + l1 b1 + l2 b2 over l >= 0, l1 + l2 <= 1.
func (d *drStat) lambda(w *worker, s *drSums) (l1, l2 float64) {
	if !d.tune {
		return 1, 0
	}
	// What parts does, written out: this loop is most of a replicate.
	perL, perW, perDraw := 1/s.denL, 1/s.denW, 0.0
	if d.hasDraws {
		perDraw = 1 / s.denDraw
	}
	n := len(w.v)
	lf, wf, g := w.lf[:n], w.wf[:n], w.g[:n]
	labelDen, labelNum, den, drawDen := d.labelDen[:n], d.labelNum[:n], d.den[:n], d.drawDen[:n]
	var a1, a2, b11, b12, b22 float64
	for p, v := range w.v {
		var fL, va float64
		if labelDen[p] != 0 {
			fL = (lf[p] - s.fwL*labelDen[p]) * perL
			va = v * (labelNum[p] - s.yw*labelDen[p]) * perL
		}
		b1 := (g[p]-s.fresh*drawDen[p])*perDraw - fL
		b2 := (wf[p]-s.fw*den[p])*perW - fL
		a1 += va * b1
		a2 += va * b2
		b11 += v * b1 * b1
		b12 += v * b1 * b2
		b22 += v * b2 * b2
	}
	return minimise(a1, a2, b11, b12, b22, d.hasDraws)
}

// minimise returns the l >= 0 with l1 + l2 <= 1 at which
//
//	2 (a1 l1 + a2 l2) + b11 l1² + 2 b12 l1 l2 + b22 l2²
//
// is least: at the stationary point if it is inside, else on the best edge.
func minimise(a1, a2, b11, b12, b22 float64, first bool) (l1, l2 float64) {
	at := func(x, y float64) float64 { return 2*(a1*x+a2*y) + b11*x*x + 2*b12*x*y + b22*y*y }
	best := 0.0 // at (0, 0)
	try := func(x, y float64) {
		if v := at(x, y); v < best {
			best, l1, l2 = v, x, y
		}
	}
	clamp := func(x float64) float64 { return min(max(x, 0), 1) } // NaN stays and is never less
	try(0, clamp(-a2/b22))
	if !first {
		return l1, l2
	}
	try(clamp(-a1/b11), 0)
	x := clamp((b22 - b12 + a2 - a1) / (b11 - 2*b12 + b22)) // on l1 + l2 = 1
	try(x, 1-x)
	if det := b11*b22 - b12*b12; det > 0 {
		x, y := (b12*a2-b22*a1)/det, (b12*a1-b11*a2)/det
		if x >= 0 && y >= 0 && x+y <= 1 {
			try(x, y)
		}
	}
	return l1, l2
}

func (d *drStat) value(w *worker) float64 {
	s := d.means(w)
	l1, l2 := d.lambda(w, &s)
	return d.combine(&s, l1, l2)
}

func (d *drStat) combine(s *drSums, l1, l2 float64) float64 {
	psi := s.yw
	if l1 != 0 {
		psi += l1 * (s.fresh - s.fwL)
	}
	if l2 != 0 {
		psi += l2 * (s.fw - s.fwL)
	}
	return psi
}

func (d *drStat) influence(w *worker, phi []float64) float64 {
	s := d.means(w)
	l1, l2 := d.lambda(w, &s)
	for p := range phi {
		a, b1, b2 := d.parts(w, &s, p)
		phi[p] = a + l1*b1 + l2*b2
		if h := d.labelDen[p] / s.denL; h > 0 {
			// The labels' part, as in ratioMean.
			residual := a - (l1+l2)*(w.lf[p]-s.fwL*d.labelDen[p])/s.denL
			phi[p] += residual * (leaving(h) - 1)
		}
	}
	return d.combine(&s, l1, l2)
}

// directStat is the mean prediction over fresh draws, corrected by probes.
type directStat struct {
	draws             []drawTerm // w is 1 over the prompt's draws
	probes            []labelTerm
	drawDen, probeDen []float64 // by prompt: 1 if it has a draw, Σ 1/p of its probes
	probeNum          []float64 // by prompt: Σ Y/p
	probeOf           []float64 // label of each probe
	share             float64   // probes over prompts, m/N
}

// lambda is Cov(Y, f) / (Var f (1 + m/N)) over the probes, within [0, 1].
func (d *directStat) lambda(w *worker) float64 {
	var sw, sy, sf float64
	for i, t := range d.probes {
		u := w.v[t.prompt] * t.w
		sw += u
		sy += u * d.probeOf[i]
		sf += u * w.f[t.f]
	}
	y, f := sy/sw, sf/sw
	var cov, vf float64
	for i, t := range d.probes {
		u, df := w.v[t.prompt]*t.w, w.f[t.f]-f
		cov += u * df * (d.probeOf[i] - y)
		vf += u * df * df
	}
	// f lies in [0, 1]: where it hardly varies, l would be made of rounding.
	if !(cov > 0 && vf > 1e-12*sw) {
		return 0
	}
	return min(cov/(vf*(1+d.share)), 1)
}

func (d *directStat) value(w *worker) float64 {
	var g, den, num, f, probeDen float64
	for _, t := range d.draws {
		g += w.v[t.prompt] * t.w * w.f[t.f]
	}
	for p, v := range w.v {
		den += v * d.drawDen[p]
		num += v * d.probeNum[p]
		probeDen += v * d.probeDen[p]
	}
	for _, t := range d.probes {
		f += w.v[t.prompt] * t.w * w.f[t.f]
	}
	l := d.lambda(w)
	return l*g/den + (num-l*f)/probeDen
}

func (d *directStat) influence(w *worker, phi []float64) float64 {
	clear(w.g)
	clear(w.lf)
	var g, den, num, f, probeDen float64
	for _, t := range d.draws {
		w.g[t.prompt] += t.w * w.f[t.f]
	}
	for _, t := range d.probes {
		w.lf[t.prompt] += t.w * w.f[t.f]
	}
	for p := range phi {
		g += w.g[p]
		f += w.lf[p]
		den += d.drawDen[p]
		num += d.probeNum[p]
		probeDen += d.probeDen[p]
	}
	l := d.lambda(w)
	fresh, correction := g/den, (num-l*f)/probeDen
	// A probe's residual as it would be without that probe: the fit of mean and
	// l pulls both towards it, by its leverage (HC3; MacKinnon and White 1985).
	// Where l was cut to 0 or 1 it is not fitted, and only the mean pulls.
	mean, fitted := f/probeDen, l > 0 && l < 1
	var vf float64
	for _, t := range d.probes {
		vf += t.w * (w.f[t.f] - mean) * (w.f[t.f] - mean)
	}
	for p := range phi {
		phi[p] = l * (w.g[p] - fresh*d.drawDen[p]) / den
	}
	for i, t := range d.probes {
		x := w.f[t.f]
		part, leverage := t.w/probeDen, t.w/probeDen
		if fitted {
			part += t.w * (x - mean) * (fresh - mean) / vf
			leverage += t.w * (x - mean) * (x - mean) / vf
		}
		r := d.probeOf[i] - l*x - correction
		if leverage < 1-1e-9 {
			r /= 1 - leverage
		}
		phi[t.prompt] += part * r
	}
	return l*fresh + correction
}

// plugInStat is the mean prediction over fresh draws, whose error counts the
// cross-fitted residuals of the logged labels.
type plugInStat struct {
	draws    []drawTerm
	drawDen  []float64
	labelled []labelTerm // w is 1/p
	labelDen []float64   // by prompt: Σ 1/p
	labelNum []float64   // by prompt: Σ Y/p
}

func (d *plugInStat) value(w *worker) float64 {
	var g, den float64
	for _, t := range d.draws {
		g += w.v[t.prompt] * t.w * w.f[t.f]
	}
	for p, v := range w.v {
		den += v * d.drawDen[p]
	}
	return g / den
}

func (d *plugInStat) influence(w *worker, phi []float64) float64 {
	clear(w.g)
	clear(w.lf)
	for _, t := range d.draws {
		w.g[t.prompt] += t.w * w.f[t.f]
	}
	for _, t := range d.labelled {
		w.lf[t.prompt] += t.w * w.f[t.f]
	}
	var g, den, r, labelDen float64
	for p := range phi {
		g += w.g[p]
		den += d.drawDen[p]
		r += d.labelNum[p] - w.lf[p]
		labelDen += d.labelDen[p]
	}
	fresh, residual := g/den, r/labelDen
	for p := range phi {
		phi[p] = (w.g[p]-fresh*d.drawDen[p])/den + (d.labelNum[p]-w.lf[p]-residual*d.labelDen[p])/labelDen
	}
	return fresh
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
