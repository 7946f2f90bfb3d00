package offpolicy

import (
	"fmt"
	"math"
)

// builder makes the statistics of one policy, on all prompts or on some.
type builder struct {
	r       *Result
	c       *Config
	w       *worker // with predictions under equal weights
	policy  string
	weights *Weights
	rel     []float64 // weights by row, in units of the largest; 0 where missing
	in      []bool    // by prompt: whether it takes part; nil means that all do
}

func newBuilder(r *Result, c *Config, w *worker, policy string, weights *Weights, in []bool) *builder {
	return &builder{r: r, c: c, w: w, policy: policy, weights: weights, rel: relative(weights), in: in}
}

// build makes an estimate without numbers, and the statistic that gives them
// unless it is refused.
func (b *builder) build(e Estimator) (Estimate, built) {
	est := emptyEstimate(b.policy, e)
	var made built
	switch e {
	case IPS, SNIPS, ClippedIPS:
		made = b.rewards(&est)
	case LabeledSNIPS:
		made = b.labeled(&est)
	case DR:
		made = b.doublyRobust(&est)
	case Direct:
		made = b.direct(&est)
	}
	return est, made
}

// besselFactor is √(m/(m-1)), by which an error estimated from m deviations from
// their own mean is too small.
func besselFactor(m int) float64 {
	if m < 2 {
		return math.NaN()
	}
	return math.Sqrt(float64(m) / float64(m-1))
}

func (b *builder) logging() bool { return b.policy == b.r.Logging }

func (b *builder) takes(prompt int32) bool { return b.in == nil || b.in[prompt] }

func refusal(rule string, value, threshold float64, format string, args ...any) Refusal {
	return Refusal{Rule: rule, Message: fmt.Sprintf(format, args...), Value: value, Threshold: threshold, Remedy: remedies[rule]}
}

// weighted records what an estimate rests on and refuses what the weights
// cannot carry; it reports whether there is anything to compute.
func (b *builder) weighted(e *Estimate) bool {
	w := b.weights
	e.Basis.Rows, e.Basis.Missing, e.Basis.ESS = w.N, w.Missing, w.ESS
	return e.weighed(w)
}

// weighed refuses what the weights cannot carry; it reports whether there is
// anything to compute.
func (e *Estimate) weighed(w *Weights) bool {
	if w.N == 0 || w.ESS == 0 {
		e.refuse(refusal(RuleWeights, float64(w.N), 1, "no logged response has a weight under %s: %d of %d could not be scored, the others weigh 0",
			e.Policy, w.Missing, w.N+w.Missing))
	}
	e.refuse(w.Refusals()...)
	return w.N > 0 && w.ESS > 0
}

const noCoverage = "claims no coverage: rewards are taken as they are"

func noRewards(policy string) Refusal {
	return refusal(RuleRewards, 0, 1, "no logged response has both a weight under %s and a reward", policy)
}

// rewards builds ips, snips and clipped_ips.
func (b *builder) rewards(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	stat := &ratioMean{num: make([]float64, len(fr.prompts)), den: make([]float64, len(fr.prompts)), scale: 1}
	clip := math.Inf(1)
	e.Basis.Rows, e.Basis.Prompts = 0, 0
	if e.Estimator == ClippedIPS {
		if clip = b.c.Clip; clip == 0 {
			clip = math.Sqrt(float64(b.weights.N))
		}
		e.Basis.Clip = clip
	}
	top := math.Inf(-1)
	for _, l := range b.weights.Log {
		if l > top {
			top = l
		}
	}
	for i := range fr.rows {
		l := b.weights.Log[i]
		if math.IsNaN(l) {
			continue
		}
		reward, fromLabel := b.reward(i)
		if math.IsNaN(reward) {
			e.Basis.Missing++
			continue
		}
		if b.c.Reward == nil {
			if fromLabel {
				e.Basis.FromLabels++
			} else {
				e.Basis.FromJudge++
			}
		}
		e.Basis.Rows++
		p := fr.prompt[i]
		if stat.den[p] == 0 {
			e.Basis.Prompts++
		}
		u := b.rel[i]
		if e.Estimator == ClippedIPS {
			if u = math.Exp(l); u > clip {
				u = clip
				e.Basis.Clipped++
			}
		}
		stat.num[p] += u * reward
		if e.Estimator == SNIPS {
			stat.den[p] += u
		} else {
			stat.den[p]++
		}
	}
	if e.Estimator == IPS {
		stat.scale = math.Exp(top)
	}
	if e.Basis.Rows == 0 {
		e.refuse(noRewards(b.policy))
		return built{}
	}
	e.Notes = append(e.Notes, noCoverage)
	return built{stat, float64(e.Basis.Prompts - 1), false, besselFactor(e.Basis.Prompts)}
}

// reward is a row's reward, and whether it is the label.
func (b *builder) reward(i int) (float64, bool) {
	fr := b.r.frame
	switch {
	case b.c.Reward != nil:
		return b.c.Reward(fr.rows[i]), false
	case fr.invP[i] > 0:
		return fr.label[i], true
	case fr.fits == nil || math.IsNaN(fr.score[i]):
		return math.NaN(), false
	}
	return b.w.f[i], false
}

// labels refuses what the labels under these weights cannot carry, and returns
// what labelled does. use reports whether a row enters.
func (b *builder) labels(e *Estimate, use func(i int) bool) (ess, factor float64) {
	fr := b.r.frame
	var s1, s2, most float64
	seen := make(map[int32]bool)
	for i := range fr.rows {
		if u := b.rel[i] * fr.invP[i]; fr.invP[i] > 0 && !math.IsNaN(b.weights.Log[i]) && use(i) {
			s1 += u
			s2 += u * u
			most = max(most, u)
			e.Basis.Labels++
			seen[fr.prompt[i]] = true
		}
	}
	e.Basis.Prompts = len(seen)
	return e.labelled(b.weights, s1, s2, most)
}

// labelled records and judges what the labels weigh, from Σ(w/p), Σ(w/p)² and
// the largest w/p of e.Basis.Labels labels. It returns the effective number of
// them: ESS_L, or what m labels are worth by all n weights, m ESS/n, if that is
// less. A draw of labels that happened to miss the heavy rows looks better than
// it is, and its error is too small by the root of the ratio of the two: factor.
func (e *Estimate) labelled(w *Weights, s1, s2, most float64) (ess, factor float64) {
	factor = 1
	if e.Basis.Labels > 0 && s1 > 0 {
		drawn := s1 * s1 / s2
		ess = min(drawn, float64(e.Basis.Labels)*w.ESS/float64(w.N))
		factor = math.Sqrt(drawn / ess)
		e.Basis.LabelShare = most / s1
	}
	e.Basis.ESSLabels = ess
	switch {
	case ess == 0:
		e.refuse(refusal(RuleLabels, float64(e.Basis.Labels), 1, "no label has a weight under %s", e.Policy))
		return 0, factor
	case ess < MinESSLabels:
		e.refuse(refusal(RuleESSLabels, ess, MinESSLabels, "the %d labels count for %.1f under %s's weights, fewer than %.0f", e.Basis.Labels, ess, e.Policy, MinESSLabels))
	}
	if e.Basis.LabelShare > MaxLabelShare {
		e.refuse(refusal(RuleLabelShare, e.Basis.LabelShare, MaxLabelShare, "one label carries %.0f%% of the labels' weight, more than %.0f%%",
			100*e.Basis.LabelShare, 100*MaxLabelShare))
	}
	return ess, factor
}

func (b *builder) labeled(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	ess, factor := b.labels(e, func(int) bool { return true })
	if ess == 0 {
		return built{}
	}
	stat := &ratioMean{num: make([]float64, len(fr.prompts)), den: make([]float64, len(fr.prompts)), scale: 1, leave: true}
	for i := range fr.rows {
		u := b.rel[i] * fr.invP[i]
		stat.num[fr.prompt[i]] += u * fr.label[i]
		stat.den[fr.prompt[i]] += u
	}
	return built{stat, max(ess-1, 1), true, factor}
}

// tuneESS is the relative ESS from which l is tuned; below it tuning biases.
const tuneESS = .5

func (b *builder) doublyRobust(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	scored := func(i int) bool { return !math.IsNaN(fr.score[i]) }
	ess, factor := b.labels(e, scored)
	if fr.fits == nil {
		e.refuse(refusal(RuleLabels, float64(e.Basis.Labels), float64(b.c.MinLabels), "the judge cannot be calibrated: %v", b.r.CalibratorError))
		return built{}
	}
	if ess == 0 {
		return built{}
	}
	n := len(fr.prompts)
	stat := &drStat{den: make([]float64, n), labelDen: make([]float64, n), labelNum: make([]float64, n), drawDen: make([]float64, n)}
	rows := 0
	for i := range fr.rows {
		p, u := fr.prompt[i], b.rel[i]
		if math.IsNaN(b.weights.Log[i]) || !scored(i) {
			continue
		}
		rows++
		if u == 0 {
			continue
		}
		stat.rows = append(stat.rows, rowTerm{p, int32(i), u})
		stat.den[p] += u
		if v := u * fr.invP[i]; v > 0 {
			stat.labelled = append(stat.labelled, labelTerm{p, int32(i), v})
			stat.labelDen[p] += v
			stat.labelNum[p] += v * fr.label[i]
		}
	}
	e.Basis.Missing += e.Basis.Rows - rows
	e.Basis.Rows = rows
	stat.tune = b.logging() || b.weights.ESS >= tuneESS*float64(b.weights.N)
	if d := fr.draws[b.policy]; d != nil && len(d.score) > 0 {
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
		e.refuse(refusal(RuleDraws, 0, 1, "%s has no fresh draws for the logged prompts, and at an ESS of %.0f%% the logs alone cannot replace them",
			b.policy, 100*b.weights.ESS/float64(b.weights.N)))
		return built{}
	}
	if e.Basis.Uncovered > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("%d logged prompts have no fresh draw; the others' stand for them", e.Basis.Uncovered))
	}
	s := stat.means(b.w)
	e.Basis.Lambda[0], e.Basis.Lambda[1] = stat.lambda(b.w, &s)
	return built{stat, max(ess-1, 1), true, factor * besselFactor(e.Basis.Labels)}
}

func (b *builder) direct(e *Estimate) built {
	fr := b.r.frame
	d := fr.draws[b.policy]
	if d == nil || len(d.score) == 0 {
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
	e.Basis.Uncalibrated = fr.fits == nil
	if e.Basis.Probes < MinProbes {
		return b.plugIn(e, stat)
	}
	stat.share = float64(e.Basis.Probes) / float64(e.Basis.DrawPrompts)
	e.Basis.ESSLabels = s1 * s1 / s2
	e.Basis.Labels = len(stat.probes)
	e.Basis.Lambda[0] = stat.lambda(b.w)
	if e.Basis.Uncalibrated {
		e.Notes = append(e.Notes, "the judge is not calibrated: its raw score serves, corrected by the probes")
	}
	// One degree of freedom goes to the mean, one to l.
	return built{stat, max(min(float64(e.Basis.Probes), e.Basis.ESSLabels)-2, 1), false, 1}
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
	n := len(fr.prompts)
	stat := &plugInStat{draws: fresh.draws, drawDen: fresh.drawDen, labelDen: make([]float64, n), labelNum: make([]float64, n)}
	for i, u := range fr.invP {
		if u > 0 && !math.IsNaN(fr.score[i]) {
			p := fr.prompt[i]
			stat.labelled = append(stat.labelled, labelTerm{p, int32(i), u})
			stat.labelDen[p] += u
			stat.labelNum[p] += u * fr.label[i]
			e.Basis.Labels++
		}
	}
	if e.Basis.Labels < MinTransport {
		e.refuse(refusal(RuleLabels, float64(e.Basis.Labels), MinTransport, "an uncorrected estimate needs %d labels behind its calibration, there are %d", MinTransport, e.Basis.Labels))
	}
	outside := 0
	scores := fr.draws[b.policy]
	for _, t := range fresh.draws {
		if !b.r.Calibrator.Supports(scores.score[int(t.f)-scores.at]) {
			outside++
		}
	}
	if share := float64(outside) / float64(len(fresh.draws)); share >= maxOutside {
		e.refuse(refusal(RuleSupport, share, maxOutside, "%.0f%% of %s's scores lie outside the labelled range", 100*share, b.policy))
	}
	e.Notes = append(e.Notes, "claims no coverage: it trusts the calibration on the logs for this policy")
	return built{stat, float64(len(fr.prompts) - 1), true, 1}
}

// maxOutside is the share of a policy's scores beyond the labelled range from
// which the plug-in is refused, as in the reference's boundary card.
const maxOutside = .05
