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
	prompt        []int32 // of each row
	weights       *Weights
	rel, invP     []float64   // by row: its weight, 0 if it has none, and 1/p
	labeled       []labelTerm // rows with a weight and a label
	draws         []drawTerm
	den, labelDen []float64 // by prompt: Σ w, Σ_L w/p
	labelNum      []float64 // by prompt: Σ_L (w/p) Y
	labelOf       []float64 // label of each of labeled
	drawDen       []float64 // by prompt: its rows, if it has a draw
	tune          bool
	hasDraws      bool
}

// labelTerm is a labeled row: w is w/p.
type labelTerm struct {
	prompt, f int32 // f is where its prediction is
	w         float64
}

type drawTerm = labelTerm // w is the prompt's rows over its draws

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
	for _, t := range d.labeled {
		w.lf[t.prompt] += t.w * w.f[t.f]
	}
	for _, t := range d.draws {
		w.g[t.prompt] += t.w * w.f[t.f]
	}
	if d.tune {
		for i, u := range d.rel {
			if u != 0 {
				w.wf[d.prompt[i]] += u * w.f[i]
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

func (d *drStat) arm(w *worker) *arm {
	s := d.means(w)
	l1, l2 := d.lambda(w, &s)
	return labelArm(w, d.weights, d.invP, d.labeled, d.labelOf, l1+l2)
}

// labelArm is the arm of an estimate by weights, which the judge explains by lambda.
func labelArm(w *worker, weights *Weights, invP []float64, labeled []labelTerm, labelOf []float64,
	lambda float64) *arm {
	a := &arm{weights: weights, invP: invP, labels: make([]armLabel, len(labeled))}
	for i, t := range labeled {
		a.labels[i] = armLabel{t.f, t.prompt, t.w, labelOf[i], labelOf[i]}
		if lambda != 0 {
			a.labels[i].rest -= lambda * w.f[t.f]
		}
	}
	a.normalise()
	return a
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
	stat := &drStat{den: make([]float64, n), labelDen: make([]float64, n), labelNum: make([]float64, n),
		drawDen: make([]float64, n), prompt: fr.prompt, weights: b.weights, rel: b.rel, invP: fr.allInvP}
	for i := range fr.invP {
		p, u := fr.prompt[i], b.rel[i]
		if math.IsNaN(b.weights.Log[i]) || u == 0 {
			continue
		}
		stat.den[p] += u
		if v := u * fr.invP[i]; v > 0 {
			stat.labeled = append(stat.labeled, labelTerm{p, int32(i), v})
			stat.labelOf = append(stat.labelOf, fr.label[i])
			stat.labelDen[p] += v
			stat.labelNum[p] += v * fr.label[i]
		}
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
		for i := range d.score {
			p := d.prompt[i]
			if fr.count[p] == 0 || !b.takes(p) {
				continue // where nothing was logged it is another population
			}
			stat.draws = append(stat.draws, drawTerm{p, int32(d.at + i), fr.count[p] * d.inv[i]})
			if stat.drawDen[p] == 0 {
				e.Basis.DrawPrompts++
			}
			stat.drawDen[p] = fr.count[p]
		}
		e.Basis.Draws = len(stat.draws)
		stat.hasDraws = e.Basis.Draws > 0
		for p, c := range fr.count {
			if c > 0 && stat.drawDen[p] == 0 && b.takes(int32(p)) {
				e.Basis.Uncovered++
			}
		}
	}
	if !stat.hasDraws && !stat.tune {
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
