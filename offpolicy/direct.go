package offpolicy

import "math"

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
	draws             []drawTerm // w is 1 over the prompt's draws
	probes            []labelTerm
	drawDen, probeDen []float64 // by prompt: 1 if it has a draw, Σ 1/p of its probes
	probeNum          []float64 // by prompt: Σ Y/p
	probeOf           []float64 // label of each probe
	share             float64   // probes over prompts, m/N
}

// lambda is Cov(Y, f) / (Var f (1 + m/N)) over the probes, within [0, 1].
func (d *directStat) lambda(w *worker) float64 {
	s := d.sums(w, 0, 0, 0, len(d.probes))
	return d.slope(d.sums(w, s.y/s.w, s.f/s.w, 0, len(d.probes)))
}

// probeSums are weighted sums over probes, of y and f less some number each.
type probeSums struct{ w, y, f, yf, ff float64 }

func (d *directStat) sums(w *worker, y, f float64, from, to int) (s probeSums) {
	for i, t := range d.probes[from:to] {
		u, dy, df := w.v[t.prompt]*t.w, d.probeOf[from+i]-y, w.f[t.f]-f
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

// influence is what leaving each prompt out, with its draws and probes, changes: the
// jackknife, with l fitted to the probes that remain. Where few of these vary in f,
// one of them may decide l, and its residual is next to 0; only without it is seen
// what it did, and that within the bounds of l.
func (d *directStat) influence(w *worker, phi []float64) float64 {
	clear(w.g)
	var g, den float64
	for _, t := range d.draws {
		w.g[t.prompt] += t.w * w.f[t.f]
	}
	for p := range phi {
		g += w.g[p]
		den += d.drawDen[p]
	}
	raw := d.sums(w, 0, 0, 0, len(d.probes))
	y, f := raw.y/raw.w, raw.f/raw.w
	all := d.sums(w, y, f, 0, len(d.probes))
	l, fresh := d.slope(all), g/den
	for p := range phi {
		phi[p] = 0
		if d.drawDen[p] > 0 {
			phi[p] = l * (w.g[p] - fresh*d.drawDen[p]) / (den - d.drawDen[p])
		}
	}
	value := l*fresh + y - l*f
	for i, j := 0, 0; i < len(d.probes); i = j { // by prompt, in whose order they are
		p := d.probes[i].prompt
		for j = i; j < len(d.probes) && d.probes[j].prompt == p; j++ {
		}
		own := d.sums(w, y, f, i, j)
		rest := probeSums{all.w - own.w, all.y - own.y, all.f - own.f, all.yf - own.yf, all.ff - own.ff}
		l := d.slope(rest)
		without := l*(g-w.g[p])/(den-d.drawDen[p]) + y + rest.y/rest.w - l*(f+rest.f/rest.w)
		phi[p] = value - without
	}
	return value
}

func (d *directStat) arm(w *worker) *arm {
	a, l := &arm{}, d.lambda(w)
	for i, t := range d.probes {
		a.labels = append(a.labels, armLabel{t.f, t.prompt, t.w, d.probeOf[i], d.probeOf[i] - l*w.f[t.f]})
	}
	a.normalise()
	return a
}

// plugInStat is the mean prediction over fresh draws, whose error counts the
// cross-fitted residuals of the logged labels.
type plugInStat struct {
	draws    []drawTerm
	drawDen  []float64
	labeled  []labelTerm // w is 1/p
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
	for _, t := range d.labeled {
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

func (b *builder) direct(e *Estimate) built {
	fr := b.r.frame
	d := fr.draws[b.policy]
	if d == nil || d.unscored == len(d.score) && d.probes == 0 {
		e.refuse(refusal(RuleDraws, 0, 1, "%s has no fresh draws with a score", b.policy))
		return built{}
	}
	n := len(fr.prompts)
	stat := &directStat{drawDen: make([]float64, n), probeDen: make([]float64, n), probeNum: make([]float64, n)}
	var s1, s2 float64
	for i := range d.score {
		p := d.prompt[i]
		if !b.takes(p) {
			continue
		}
		stat.draws = append(stat.draws, drawTerm{p, int32(d.at + i), d.inv[i]})
		if stat.drawDen[p] == 0 {
			e.Basis.DrawPrompts++
		}
		stat.drawDen[p] = 1
		u := d.invP[i]
		if u == 0 {
			continue
		}
		if stat.probeDen[p] == 0 {
			e.Basis.Probes++
		}
		stat.probes = append(stat.probes, labelTerm{p, int32(d.at + i), u})
		stat.probeOf = append(stat.probeOf, d.label[i])
		stat.probeDen[p] += u
		stat.probeNum[p] += u * d.label[i]
		s1 += u
		s2 += u * u
	}
	e.Basis.Draws, e.Basis.Prompts = len(stat.draws), e.Basis.DrawPrompts
	for p, c := range fr.count {
		if c > 0 && stat.drawDen[p] == 0 && b.takes(int32(p)) {
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
	prompts := len(fr.prompts)
	stat := &plugInStat{draws: fresh.draws, drawDen: fresh.drawDen, labelDen: make([]float64, prompts),
		labelNum: make([]float64, prompts)}
	for i, u := range fr.invP {
		if u > 0 && !math.IsNaN(fr.score[i]) {
			p := fr.prompt[i]
			stat.labeled = append(stat.labeled, labelTerm{p, int32(i), u})
			stat.labelDen[p] += u
			stat.labelNum[p] += u * fr.label[i]
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
	return built{stat: stat, df: float64(prompts - 1), satterthwaite: true, factor: 1}
}
