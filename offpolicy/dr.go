package offpolicy

import (
	"fmt"
	"math"
	"slices"
)

// DR is
//
//	y_w + l1 (f' - f_wL) + l2 (f_w - f_wL),   l >= 0, l1 + l2 <= 1
//
// in the notation of [Estimators]. The l minimise the variance of the influence
// function where ESS/n >= 0.5; else they are (1, 0), because tuning at low ESS biases.
// (0, 0) is labeled-rows SNIPS, (1, 0) the usual doubly robust estimator, (0, 1) SNIPS
// on the calibrated score. Its residuals are real labels minus predictions that never
// saw their prompt. It is right if the weights are; if they are not, it still is where
// E[Y - f | S, w] = 0.
const DR Estimator = "dr"

var doublyRobust = method{name: DR, claims: true, build: (*builder).doublyRobust}

// drStat is the tuned doubly robust estimator.
type drStat struct {
	*weightedLabels
	den     []float64  // by prompt: Σ w
	draws   *drawFrame // nil if none takes part
	drawDen []float64  // by prompt: its rows, if it has a draw
	tune    bool
}

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
	prompt, invP := d.fr.prompt, d.fr.invP
	for _, i := range d.fr.labeled {
		if u := d.rel[i]; u != 0 {
			w.lf[prompt[i]] += u * invP[i] * w.f[i]
		}
	}
	if d.draws != nil {
		f := w.f[d.draws.at:]
		for i, p := range d.draws.prompt {
			w.g[p] += d.drawDen[p] * d.draws.inv[i] * f[i]
		}
	}
	if d.tune {
		for i, u := range d.rel {
			if u != 0 {
				w.wf[prompt[i]] += u * w.f[i]
			}
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
	if d.draws != nil {
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
	if d.draws != nil {
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
	if d.draws != nil {
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
	return minimise(a1, a2, b11, b12, b22, d.draws != nil)
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

func (d *drStat) arm(w *worker) *arm {
	s := d.means(w)
	l1, l2 := d.lambda(w, &s)
	return d.explained(w, l1+l2)
}

func uncovered(n int) string {
	return fmt.Sprintf("%d logged prompts have no fresh draw; the others' stand for them", n)
}

// tuneESS is the relative ESS from which l is tuned; below it tuning biases.
const tuneESS = .5

func (b *builder) doublyRobust(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	ess, factor := b.labels(e)
	if fr.fits == nil {
		e.refuse(refusal(RuleLabels, float64(e.Basis.Labels), float64(b.c.MinLabels),
			"the judge cannot be calibrated: %v", b.r.CalibratorError))
		return built{}
	}
	if ess == 0 {
		return built{}
	}
	b.supported(e, ess)
	n := len(fr.prompts)
	stat := &drStat{weightedLabels: b.weightedLabels(), den: make([]float64, n), drawDen: fr.count}
	for i, u := range b.rel {
		stat.den[fr.prompt[i]] += u
	}
	stat.tune = b.logging() || b.weights.ESS >= tuneESS*float64(b.weights.N)
	draws := slices.Concat(b.p.drawRefusals, b.p.lost)
	if d := fr.draws[b.policy]; len(draws) > 0 && !b.lenient {
		if !stat.tune {
			e.refuse(draws...)
			return built{}
		}
		e.Notes = append(e.Notes, "fresh draws are left out: "+draws[0].Message)
	} else if d != nil && d.unscored < len(d.score) {
		drawn := make([]float64, n)
		for _, p := range d.prompt {
			if fr.count[p] == 0 || !b.takes(p) {
				continue // where nothing was logged it is another population
			}
			e.Basis.Draws++
			if drawn[p] == 0 {
				e.Basis.DrawPrompts++
			}
			drawn[p] = fr.count[p]
		}
		if e.Basis.Draws > 0 {
			stat.draws = d
		}
		for p, c := range fr.count {
			if c > 0 && drawn[p] == 0 && b.takes(int32(p)) {
				e.Basis.Uncovered++
			}
		}
		if !slices.Equal(drawn, fr.count) {
			stat.drawDen = drawn
		}
	}
	if stat.draws == nil && !stat.tune {
		e.refuse(refusal(RuleDraws, 0, 1,
			"%s has no fresh draws for the logged prompts, and at an ESS of %.0f%% the logs alone cannot replace them",
			b.policy, 100*b.weights.ESS/float64(b.weights.N)))
		return built{}
	}
	if e.Basis.Uncovered > 0 {
		e.Notes = append(e.Notes, uncovered(e.Basis.Uncovered))
	}
	if !b.logging() {
		e.Notes = append(e.Notes,
			"right if the weights are; if they are wrong, only where labels miss the judge's calibrated score alike at "+
				"every weight")
	}
	s := stat.means(b.w)
	e.Basis.Lambda[0], e.Basis.Lambda[1] = stat.lambda(b.w, &s)
	return built{stat: stat, df: max(ess-1, 1), satterthwaite: true, factor: factor * besselFactor(e.Basis.Labels),
		slack: b.openDR(e.Basis.Lambda[0], e.Basis.Lambda[1])}
}

// openDR is the slack of y_w - (l1 + l2) f_wL and of l2 f_w, each by itself, at the l that were
// chosen.
func (b *builder) openDR(l1, l2 float64) slack {
	fr, unit := b.r.frame, largest(b.weights.Log)
	out := b.open(unit, math.Inf(1), 0, func(i int) (num, den float64, ok bool) {
		return fr.invP[i] * (fr.label[i] - (l1+l2)*b.w.f[i]), fr.invP[i], fr.invP[i] > 0
	})
	if l2 == 0 {
		return out
	}
	return out.plus(b.open(unit, math.Inf(1), 0, func(i int) (num, den float64, ok bool) {
		return l2 * b.w.f[i], 1, true
	}))
}
