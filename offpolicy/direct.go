package offpolicy

import (
	"iter"
	"math"
)

// Direct is
//
//	l f' + mean over probes of (Y - l f),   l = Cov(Y, f) / (Var f (1 + m/N)) in [0, 1]
//
// in the notation of [Estimators], with m probes and N prompts. It needs no weights.
// Where the target has at least [MinProbes] labels of its own, the mean residual of
// its probes corrects whatever the judge means elsewhere under this policy. Without
// probes it is the plug-in f', given only where the policy's transport was audited
// before (see [Config.Audited]).
const Direct Estimator = "direct"

// MinProbes is the number of prompts with a label of the target's own from which
// [Direct] is corrected by them, whatever the transport audit says.
const MinProbes = 15

var direct = method{name: Direct, claims: true, draws: true, build: (*builder).direct}

// directStat is the mean prediction over fresh draws, corrected by probes.
type directStat struct {
	drawMean
	probes []probe // by prompt
	share  float64 // probes over prompts, m/N
}

// probe is a labeled draw.
type probe struct {
	prompt, f int32   // f is where its prediction is
	w, y      float64 // 1/p and the label
}

// drawMean is the mean prediction over fresh draws, each prompt's counting as one.
type drawMean struct {
	draws *drawFrame
	drawn []bool // by prompt: whether its draws take part
}

// total is the sum over prompts of their mean prediction, and of 1, under w.v.
func (m *drawMean) total(w *worker) (g, den float64) {
	f := w.f[m.draws.at:]
	for i, p := range m.draws.prompt {
		if m.drawn[p] {
			g += w.v[p] * m.draws.inv[i] * f[i]
		}
	}
	for p, v := range w.v {
		if m.drawn[p] {
			den += v
		}
	}
	return g, den
}

// byPrompt is total where all prompts count 1, with each prompt's part in w.g.
func (m *drawMean) byPrompt(w *worker) (g, den float64) {
	clear(w.g)
	f := w.f[m.draws.at:]
	for i, p := range m.draws.prompt {
		if m.drawn[p] {
			w.g[p] += m.draws.inv[i] * f[i]
		}
	}
	for p, drawn := range m.drawn {
		if g += w.g[p]; drawn {
			den++
		}
	}
	return g, den
}

// lambda is Cov(Y, f) / (Var f (1 + m/N)) over the probes, within [0, 1].
func (d *directStat) lambda(w *worker) float64 {
	s := d.sums(w, 0, 0, 0, len(d.probes))
	return d.slope(d.sums(w, s.y/s.w, s.f/s.w, 0, len(d.probes)))
}

// probeSums are weighted sums over probes, of y and f less some number each.
type probeSums struct{ w, y, f, yf, ff float64 }

func (d *directStat) sums(w *worker, y, f float64, from, to int) (s probeSums) {
	for _, t := range d.probes[from:to] {
		u, dy, df := w.v[t.prompt]*t.w, t.y-y, w.f[t.f]-f
		s.w += u
		s.y += u * dy
		s.f += u * df
		s.yf += u * dy * df
		s.ff += u * df * df
	}
	return s
}

func (d *directStat) slope(s probeSums) float64 {
	cov, vf := s.yf-s.y*s.f/s.w, s.ff-s.f*s.f/s.w
	// f lies in [0, 1]: where it hardly varies, l would be made of rounding.
	if !(cov > 0 && vf > 1e-12*s.w) {
		return 0
	}
	return min(cov/(vf*(1+d.share)), 1)
}

func (d *directStat) value(w *worker) float64 {
	g, den := d.total(w)
	var num, f, probeDen float64
	for i, j := 0, 0; i < len(d.probes); i = j {
		j = d.next(i)
		var ownNum, ownDen float64
		for _, t := range d.probes[i:j] {
			f += w.v[t.prompt] * t.w * w.f[t.f]
			ownNum += t.w * t.y
			ownDen += t.w
		}
		v := w.v[d.probes[i].prompt]
		num += v * ownNum
		probeDen += v * ownDen
	}
	l := d.lambda(w)
	return l*g/den + (num-l*f)/probeDen
}

// next is past the last probe of the prompt of probe i.
func (d *directStat) next(i int) int {
	j := i
	for j < len(d.probes) && d.probes[j].prompt == d.probes[i].prompt {
		j++
	}
	return j
}

// influence is what leaving each prompt out, with its draws and probes, changes: the
// jackknife, with l fitted to the probes that remain. Where few of these vary in f,
// one of them may decide l, and its residual is next to 0; only without it is seen
// what it did, and that within the bounds of l.
func (d *directStat) influence(w *worker, phi []float64) float64 {
	g, den := d.byPrompt(w)
	raw := d.sums(w, 0, 0, 0, len(d.probes))
	y, f := raw.y/raw.w, raw.f/raw.w
	all := d.sums(w, y, f, 0, len(d.probes))
	l, fresh := d.slope(all), g/den
	for p := range phi {
		phi[p] = 0
		if d.drawn[p] {
			phi[p] = l * (w.g[p] - fresh) / (den - 1)
		}
	}
	value := l*fresh + y - l*f
	for i, j := 0, 0; i < len(d.probes); i = j {
		p := d.probes[i].prompt
		j = d.next(i)
		own := d.sums(w, y, f, i, j)
		rest := probeSums{all.w - own.w, all.y - own.y, all.f - own.f, all.yf - own.yf, all.ff - own.ff}
		l := d.slope(rest)
		without := l*(g-w.g[p])/(den-1) + y + rest.y/rest.w - l*(f+rest.f/rest.w)
		phi[p] = value - without
	}
	return value
}

func (d *directStat) arm(w *worker) *arm {
	a, l := &arm{}, d.lambda(w)
	for _, t := range d.probes {
		a.labels = append(a.labels, armLabel{t.f, t.prompt, t.w, t.y, t.y - l*w.f[t.f]})
	}
	a.normalise()
	return a
}

func (d *directStat) labels() iter.Seq[float64] {
	return func(yield func(y float64) bool) {
		for _, t := range d.probes {
			if !yield(t.y) {
				return
			}
		}
	}
}

// plugInStat is the mean prediction over fresh draws, whose error counts the
// cross-fitted residuals of the logged labels.
type plugInStat struct {
	drawMean
	fr *frame
}

func (d *plugInStat) value(w *worker) float64 {
	g, den := d.total(w)
	return g / den
}

func (d *plugInStat) influence(w *worker, phi []float64) float64 {
	g, den := d.byPrompt(w)
	// By prompt: Σ f/p over its labeled and scored rows, Σ Y/p and Σ 1/p.
	clear(w.lf)
	num, inv := make([]float64, len(phi)), make([]float64, len(phi))
	fr := d.fr
	for _, i := range fr.labeled {
		if u, p := fr.invP[i], fr.prompt[i]; !math.IsNaN(fr.score[i]) {
			w.lf[p] += u * w.f[i]
			num[p] += u * fr.label[i]
			inv[p] += u
		}
	}
	var r, labelDen float64
	for p := range phi {
		r += num[p] - w.lf[p]
		labelDen += inv[p]
	}
	fresh, residual := g/den, r/labelDen
	for p := range phi {
		phi[p] = (num[p] - w.lf[p] - residual*inv[p]) / labelDen
		if d.drawn[p] {
			phi[p] = (w.g[p]-fresh)/den + phi[p]
		}
	}
	return fresh
}

func (b *builder) direct(e *Estimate) built {
	fr := b.r.frame
	d := fr.draws[b.policy]
	if d == nil || d.unscored == len(d.score) && d.probes == 0 {
		e.refuse(refusal(RuleDraws, 0, 1, "%s has no fresh draws with a score", b.policy))
		return built{}
	}
	stat := &directStat{drawMean: drawMean{d, make([]bool, len(fr.prompts))}}
	var s1, s2 float64
	for i, p := range d.prompt {
		if !b.takes(p) {
			continue
		}
		e.Basis.Draws++
		if !stat.drawn[p] {
			e.Basis.DrawPrompts++
		}
		stat.drawn[p] = true
		u, y := d.allInvP[i], d.label[i]
		if math.IsNaN(y) {
			continue
		}
		if n := len(stat.probes); n == 0 || stat.probes[n-1].prompt != p {
			e.Basis.Probes++
		}
		stat.probes = append(stat.probes, probe{p, int32(d.at + i), u, y})
		s1 += u
		s2 += u * u
	}
	e.Basis.Prompts = e.Basis.DrawPrompts
	for p, c := range fr.count {
		if c > 0 && !stat.drawn[p] && b.takes(int32(p)) {
			e.Basis.Uncovered++
		}
	}
	if e.Basis.Draws == 0 {
		e.refuse(refusal(RuleDraws, 0, 1, "%s has no fresh draws with a score", b.policy))
		return built{}
	}
	b.refuseGap(e, b.p.drawRefusals)
	if e.Basis.Uncovered > 0 {
		e.Notes = append(e.Notes, uncovered(e.Basis.Uncovered))
	}
	e.Basis.Uncalibrated = fr.fits == nil
	if e.Basis.Probes < MinProbes {
		return b.plugIn(e, stat)
	}
	b.refuseGap(e, b.p.probeRefusals)
	stat.share = float64(e.Basis.Probes) / float64(e.Basis.DrawPrompts)
	e.Basis.ESSLabels = s1 * s1 / s2
	e.Basis.Labels = len(stat.probes)
	e.Basis.Lambda[0] = stat.lambda(b.w)
	if e.Basis.Uncalibrated {
		e.Notes = append(e.Notes, "the judge is not calibrated: its raw score serves, corrected by the probes")
	}
	// One degree of freedom goes to the mean, one to l.
	return built{stat: stat, df: max(min(float64(e.Basis.Probes), e.Basis.ESSLabels)-2, 1), satterthwaite: true,
		labels: float64(e.Basis.Probes), factor: 1}
}

// plugIn is direct without probes, which is refused unless the policy's
// transport was audited before.
func (b *builder) plugIn(e *Estimate, fresh *directStat) built {
	fr := b.r.frame
	e.Claims, e.Basis.PlugIn = false, true
	if fr.fits == nil {
		e.refuse(refusal(RuleLabels, 0, float64(b.c.MinLabels), "the judge cannot be calibrated: %v", b.r.CalibratorError))
		return built{}
	}
	if judge := b.c.Audited[b.policy]; judge != b.r.Judge {
		e.refuse(refusal(RuleTransport, float64(e.Basis.Probes), MinProbes,
			"transport not checked: %d labels of %s's own, and no earlier audit under this judge", e.Basis.Probes, b.policy))
	}
	for _, i := range fr.labeled {
		if !math.IsNaN(fr.score[i]) {
			e.Basis.Labels++
		}
	}
	if e.Basis.Labels < minTransport {
		e.refuse(refusal(RuleLabels, float64(e.Basis.Labels), minTransport,
			"an uncorrected estimate needs %d labels behind its calibration, there are %d", minTransport, e.Basis.Labels))
	}
	out, n := b.r.outside(b.policy, b.takes)
	if share := float64(out) / float64(n); share >= MaxOutside {
		e.refuse(refusal(RuleSupport, share, MaxOutside, "%.0f%% of %s's scores lie outside the labeled range",
			100*share, b.policy))
	}
	e.Notes = append(e.Notes, "claims no coverage: it trusts the calibration on the logs for this policy")
	return built{stat: &plugInStat{fresh.drawMean, fr}, df: float64(len(fr.prompts) - 1), satterthwaite: true, factor: 1}
}
