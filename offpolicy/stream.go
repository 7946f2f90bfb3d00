package offpolicy

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
)

// StreamRow is a logged response under one target policy. NaN is what is not
// known.
type StreamRow struct {
	PromptID      string
	LogRatio      dataset.Float // log w, nats; NaN missing
	Reward        dataset.Float // what ips, snips and clipped_ips average
	Label         dataset.Float // the oracle's, in [0, 1]
	InclusionProb dataset.Float // of the label, in (0, 1]; NaN on every row where none was stated
}

// Accumulator computes what needs weights alone, the estimators ips, snips,
// clipped_ips and labeled_snips with their errors and every figure of [Weights],
// from rows that are seen once and not kept: in constant memory, linear time,
// and to within 1e-9 of what [Evaluate] says of the same rows.
//
// The rows of a prompt must follow one another, as in files sorted by key. A
// prompt that comes back after another one counts as a second cluster, which
// leaves the estimates as they are and makes errors too small.
//
// Accumulators of parts of the rows can be merged ([Accumulator.Merge]) if no
// prompt is in two parts: shard by prompt id. Their state is portable between
// processes ([Accumulator.MarshalBinary]).
type Accumulator struct {
	policy string
	clip   float64

	// Of rows: how many have a log-ratio, how many lack it, how many overflow
	// or weigh 0; Σ log w over those that are finite; the largest log w.
	n, missing, overflow, zero int64
	sumLog                     twofold
	top                        float64
	w, ww                      twofold                  // Σw, Σw², in units of 2^unit and its square
	bets                       [len(evalueBets)]twofold // logarithms of products put away
	products                   [len(evalueBets)]float64 // and those still of moderate size

	// Of prompts, from their sums N and D: ΣN, ΣD, ΣNN, ΣND, ΣDD. Weights are in
	// units of 2^unit but for clipped weights.
	unit    int
	set     bool // unit has been chosen
	snips   moments
	ips     moments
	clipped moments
	labeled moments

	rewarded, clips       int64 // rows with a reward; of them, those clipped
	labels                int64
	labelSquares          twofold // Σ(w/p)²
	labelTop              float64 // largest w/p
	stated, unstated      bool    // whether labels came with and without a probability
	prompts, labelPrompts int64   // prompts with a reward, with a label
	current               streamCluster
}

// streamCluster is the prompt whose rows are being read.
type streamCluster struct {
	id                      string
	open                    bool
	rows, labels            int64 // with a reward, with a label
	w, wr, clippedR, lw, ly float64
}

// NewAccumulator returns an empty accumulator for a policy. clip is the largest
// weight of clipped_ips; 0 leaves that estimator out, since √n is not known
// until the end. It panics if clip is negative or NaN.
func NewAccumulator(policy string, clip float64) *Accumulator {
	if !(clip >= 0) {
		panic(fmt.Sprintf("offpolicy: accumulator: clip %v: want a positive weight, or 0", clip))
	}
	a := &Accumulator{policy: policy, clip: clip, top: math.Inf(-1)}
	for j := range a.products {
		a.products[j] = 1
	}
	return a
}

// Add takes in a row. A row that is not what it claims is a [*RowError] and
// changes nothing; Row is then the number of rows taken in before it.
func (a *Accumulator) Add(r StreamRow) error {
	at := int(a.n + a.missing)
	fail := func(v float64, reason string) error {
		return &RowError{Op: "stream", Row: at, Rows: 1, Value: v, Reason: reason}
	}
	labelled := r.Label.Valid()
	hasP := r.InclusionProb.Valid()
	switch {
	case r.PromptID == "":
		return fail(math.NaN(), "PromptID is empty: rows are clustered by it")
	case math.IsInf(r.LogRatio.OrNaN(), 1):
		return fail(r.LogRatio.OrNaN(), "an infinite weight; a log-ratio is a difference of log-probs")
	case math.IsInf(r.Reward.OrNaN(), 0):
		return fail(r.Reward.OrNaN(), "an infinite reward; a missing one is NaN")
	case r.Label.OrNaN() < 0 || r.Label.OrNaN() > 1:
		return fail(r.Label.OrNaN(), "label of "+r.PromptID+" is not in [0, 1]; an unlabelled response has NaN")
	case labelled && hasP && !(r.InclusionProb.OrNaN() > 0 && r.InclusionProb.OrNaN() <= 1):
		return fail(r.InclusionProb.OrNaN(), "inclusion probability of "+r.PromptID+" is not in (0, 1]")
	case labelled && (hasP && a.unstated || !hasP && a.stated):
		return fail(r.InclusionProb.OrNaN(), "some labels state an inclusion probability, others do not; state all or none")
	}
	if a.current.open && a.current.id != r.PromptID {
		a.close()
	}
	if !a.current.open {
		a.current = streamCluster{id: r.PromptID, open: true}
	}
	if labelled {
		a.stated, a.unstated = a.stated || hasP, a.unstated || !hasP
	}
	l := r.LogRatio.OrNaN()
	if math.IsNaN(l) {
		a.missing++
		return nil
	}
	a.n++
	a.addLog(l)
	u := a.relative(l)
	a.w.add(u)
	a.ww.addProduct(u, u)
	c := &a.current
	if r.Reward.Valid() {
		c.rows++
		c.w += u
		c.wr += u * r.Reward.OrNaN()
		a.rewarded++
		if a.clip > 0 {
			raw := math.Exp(l)
			if raw > a.clip {
				raw = a.clip
				a.clips++
			}
			c.clippedR += raw * r.Reward.OrNaN()
		}
	}
	if labelled {
		if hasP {
			u *= 1 / r.InclusionProb.OrNaN()
		}
		c.labels++
		a.labels++
		c.lw += u
		c.ly += u * r.Label.OrNaN()
		a.labelSquares.addProduct(u, u)
		a.labelTop = max(a.labelTop, u)
	}
	return nil
}

// addLog takes in what depends on log w alone.
func (a *Accumulator) addLog(l float64) {
	if math.IsInf(l, -1) {
		a.zero++
	} else {
		a.sumLog.add(l)
	}
	if l > maxExp {
		a.overflow++
	}
	a.top = max(a.top, l)
	if l > 300 { // 1 - λ is lost beside λw
		for j, bet := range evalueBets {
			a.bets[j].add(l + math.Log(bet))
		}
		return
	}
	x := math.Exp(l) - 1
	for j, bet := range evalueBets {
		p := a.products[j] * (1 + bet*x)
		if p > 1e150 || p < 1e-150 {
			a.bets[j].add(math.Log(p))
			p = 1
		}
		a.products[j] = p
	}
}

// settle puts all products away as logarithms.
func (a *Accumulator) settle() {
	for j, p := range a.products {
		a.bets[j].add(math.Log(p))
		a.products[j] = 1
	}
}

// unitStep is what the unit of the weights is a multiple of, so that it hardly
// ever changes; a change scales by powers of two, which is exact.
const unitStep = 256

// relative returns exp(l) in units of 2^unit, having chosen a unit in which it
// is representable with its fourth power.
func (a *Accumulator) relative(l float64) float64 {
	if math.IsInf(l, -1) {
		return 0
	}
	if e := l / math.Ln2; !a.set || e > float64(a.unit)+unitStep/2+unitStep/8 {
		a.rescale(unitStep * int(math.Round(e/unitStep)))
	}
	if a.unit == 0 {
		return math.Exp(l)
	}
	return math.Exp(l - float64(a.unit)*math.Ln2)
}

func (a *Accumulator) rescale(unit int) {
	by := a.unit - unit
	a.unit = unit
	if !a.set {
		a.set = true
		return
	}
	c := &a.current
	for _, v := range []*float64{&c.w, &c.wr, &c.lw, &c.ly, &a.labelTop} {
		*v = math.Ldexp(*v, by)
	}
	a.w.scale(by)
	a.ww.scale(2 * by)
	a.labelSquares.scale(2 * by)
	a.snips.scale(by, by)
	a.ips.scale(by, 0)
	a.labeled.scale(by, by)
}

// close takes the current prompt into the sums over prompts.
func (a *Accumulator) close() {
	c := &a.current
	if c.rows > 0 {
		a.prompts++
		count := float64(c.rows)
		a.snips.add(c.wr, c.w, false)
		a.ips.add(c.wr, count, false)
		if a.clip > 0 {
			a.clipped.add(c.clippedR, count, false)
		}
	}
	if c.labels > 0 {
		a.labelPrompts++
		a.labeled.add(c.ly, c.lw, true)
	}
	a.current = streamCluster{}
}

// Merge takes in everything that o has seen, as if its rows had been added to a.
// o may not be used afterwards. They must be of one policy and clip, and have no
// prompt in common, but that the last prompt of both may be the same.
func (a *Accumulator) Merge(o *Accumulator) error {
	switch {
	case a.policy != o.policy:
		return fmt.Errorf("offpolicy: merge: accumulators of %q and %q: merge those of one policy", a.policy, o.policy)
	case a.clip != o.clip:
		return fmt.Errorf("offpolicy: merge: accumulators that clip at %v and %v: choose one clip", a.clip, o.clip)
	case a.stated && o.unstated || a.unstated && o.stated:
		return fmt.Errorf("offpolicy: merge: some labels state an inclusion probability, others do not; state all or none")
	}
	if o.set {
		switch {
		case !a.set || o.unit > a.unit:
			a.rescale(o.unit)
		case o.unit < a.unit:
			o.rescale(a.unit)
		}
	}
	if a.current.open && o.current.open && a.current.id == o.current.id {
		c, d := &a.current, &o.current
		c.rows, c.labels = c.rows+d.rows, c.labels+d.labels
		c.w, c.wr, c.clippedR, c.lw, c.ly = c.w+d.w, c.wr+d.wr, c.clippedR+d.clippedR, c.lw+d.lw, c.ly+d.ly
	} else if o.current.open {
		o.close()
	}
	a.n, a.missing, a.overflow, a.zero = a.n+o.n, a.missing+o.missing, a.overflow+o.overflow, a.zero+o.zero
	a.rewarded, a.clips, a.labels = a.rewarded+o.rewarded, a.clips+o.clips, a.labels+o.labels
	a.prompts, a.labelPrompts = a.prompts+o.prompts, a.labelPrompts+o.labelPrompts
	a.stated, a.unstated = a.stated || o.stated, a.unstated || o.unstated
	a.top, a.labelTop = max(a.top, o.top), max(a.labelTop, o.labelTop)
	a.settle()
	o.settle()
	a.eachSum(o, func(x, y *twofold) { x.merge(*y) })
	return nil
}

// eachSum calls f with every twofold sum of a and its counterpart of o.
func (a *Accumulator) eachSum(o *Accumulator, f func(x, y *twofold)) {
	f(&a.sumLog, &o.sumLog)
	f(&a.w, &o.w)
	f(&a.ww, &o.ww)
	f(&a.labelSquares, &o.labelSquares)
	for j := range a.bets {
		f(&a.bets[j], &o.bets[j])
	}
	a.snips.each(&o.snips, f)
	a.ips.each(&o.ips, f)
	a.clipped.each(&o.clipped, f)
	a.labeled.each(&o.labeled, f)
}

// Finish returns the weights' figures (with Log nil) and the estimates of what
// has been added so far, refused where they would be refused by [Evaluate].
// Influences are not kept, so that [Estimate.Influence] is nil. More rows may be
// added afterwards.
func (a *Accumulator) Finish() (*Weights, []Estimate) {
	done := *a // an accumulator holds no pointers: the copy is another one
	a = &done
	a.close()
	a.settle()
	w := a.weights()
	var out []Estimate
	for _, e := range []Estimator{LabeledSNIPS, SNIPS, IPS, ClippedIPS} {
		if e == ClippedIPS && a.clip == 0 {
			continue
		}
		out = append(out, a.estimate(e, w))
	}
	return w, out
}

func (a *Accumulator) weights() *Weights {
	n, nan := float64(a.n), math.NaN()
	w := &Weights{N: int(a.n), Missing: int(a.missing), Overflow: int(a.overflow), MaxShare: nan, Mean: nan, MeanSE: nan, LogMean: nan, Divergence: nan}
	top := math.Inf(-1)
	for _, b := range a.bets {
		top = max(top, b.value())
	}
	var sum float64
	for _, b := range a.bets {
		sum += math.Exp(b.value() - top)
	}
	w.LogEValue = top + math.Log(sum/float64(len(a.bets)))
	if a.n == 0 {
		return w
	}
	if w.Divergence = -a.sumLog.value() / n; a.zero > 0 {
		w.Divergence = math.Inf(1)
	}
	if math.IsInf(a.top, -1) {
		w.Mean, w.LogMean = 0, math.Inf(-1)
		if a.n > 1 {
			w.MeanSE = 0
		}
		return w
	}
	s1, s2 := a.w.value(), a.ww.value()
	shift := float64(a.unit) * math.Ln2
	w.ESS = s1 * s1 / s2
	w.MaxShare = math.Exp(a.top-shift) / s1
	w.LogMean = shift + math.Log(s1/n)
	if w.Mean = s1 / n; a.unit != 0 {
		w.Mean = math.Exp(w.LogMean)
	}
	if a.n > 1 {
		// Σ(w - mean)² = Σw² - mean Σw, in two float64 since it cancels.
		w.MeanSE = 0
		if ss := a.ww.plus(-s1/n, a.w).value(); ss > 0 {
			w.MeanSE = math.Exp(shift + math.Log(ss/(n-1)/n)/2)
		}
	}
	return w
}

// estimate makes one estimate from sums over prompts.
func (a *Accumulator) estimate(e Estimator, w *Weights) Estimate {
	out := emptyEstimate(a.policy, e)
	out.Method = InfluenceFunction
	out.Basis.Rows, out.Basis.Missing, out.Basis.ESS = w.N, w.Missing, w.ESS
	out.weighed(w)
	if w.N == 0 || w.ESS == 0 {
		out.blank()
		return out
	}
	m, scale, factor, leave := &a.snips, 1.0, besselFactor(int(a.prompts)), false
	switch e {
	case LabeledSNIPS:
		m, leave = &a.labeled, true
		out.Basis.Labels, out.Basis.Prompts = int(a.labels), int(a.labelPrompts)
		var ess float64
		ess, factor = out.labelled(w, m.d.value(), a.labelSquares.value(), a.labelTop)
		out.DF = max(ess-1, 1)
	case IPS:
		m, scale = &a.ips, math.Exp(float64(a.unit)*math.Ln2)
	case ClippedIPS:
		m = &a.clipped
		out.Basis.Clip, out.Basis.Clipped = a.clip, int(a.clips)
	}
	if e != LabeledSNIPS {
		out.Basis.Rows, out.Basis.Prompts, out.DF = int(a.rewarded), int(a.prompts), float64(a.prompts-1)
		out.Basis.Missing += w.N - int(a.rewarded)
		out.Notes = append(out.Notes, noCoverage)
		if a.rewarded == 0 {
			out.refuse(noRewards(a.policy))
		}
	}
	if out.Refused() {
		out.blank()
		return out
	}
	den := m.d.value()
	mean := m.n.value() / den
	squares, satterthwaite := m.squares(mean, den, leave)
	out.Value, out.SE = scale*mean, scale*factor*math.Sqrt(squares)/den
	if leave {
		out.DF = min(out.DF, satterthwaite)
	}
	out.interval()
	out.spread()
	return out
}
