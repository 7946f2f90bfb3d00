package offpolicy

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// StreamRow is a logged response under one target policy.
type StreamRow struct {
	PromptID string
	LogRatio dataset.Float // log w, nats
	Reward   dataset.Float // what ips, snips and clipped_ips average
	Label    dataset.Float // the oracle's, in [0, 1]
	// InclusionProb is the probability, in (0, 1], with which the design chose this
	// response for labeling, whether it was chosen or not; missing on every row if
	// none was stated.
	InclusionProb dataset.Float
	// Logger names the policy that wrote the response, of logs of several; LogRatio is then
	// that to the mixture of all of them (MixtureLogProb).
	Logger string
}

// Accumulator computes what needs weights alone, the estimators ips, snips,
// clipped_ips and labeled_snips with their errors and every figure of [Weights],
// from rows that are seen once and not kept: in constant memory, linear time,
// and to within 1e-9 of what [Evaluate] says of the same rows if none lacks its
// weight. [Evaluate] models weights that are missing, for which rows must be seen twice;
// here they are left out, and everything is refused if they are more than 20% of the
// rows or their labels differ.
//
// The rows of a prompt must follow one another, as in files sorted by key. A
// prompt that comes back after another one counts as a second cluster, which
// leaves the estimates as they are and makes errors too small.
//
// Logs of several policies ([Samples.Pooled]) are rows that name their Logger and have their
// log-ratio to the mixture, for which the rows of each logger are counted before. A prompt has
// one row then, whose logger's part in the error is taken out as [Evaluate] does.
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
	// Weights are in units of 2^unit.
	unit int
	set  bool // unit has been chosen
	ww   twofold
	// Of prompts that have a weight: sums of N = Σ w and D = rows; how many they are,
	// the largest N; and the e-value of their mean weights, rows without one being 0.
	mass    moments
	prompts int64
	heavy   float64
	bets    evalue

	sums []streamSum // by streamed method

	// Of labels: all of them, those on rows with a weight, Σ (w/p) of a prompt at most,
	// Σ w²/p of rows that state p, Σ w² of those that do not; whether labels came with
	// and without p, and whether with several.
	allLabels, labels      int64
	labelTop               float64
	designSquares, squares twofold
	stated, unstated       bool
	oneP                   float64
	least, most            float64 // label that has a weight
	severalP               bool
	lost                   lostLabels

	// loggers are the sums by logger, of pooled logs.
	loggers map[string]*loggerSum

	current streamCluster
}

// streamSum is what one estimator adds up.
type streamSum struct {
	moments             moments
	prompts, rows, clip int64 // that enter; weights that were clipped
}

// lostLabels are sums of labels on all rows, and on rows without a weight.
type lostLabels struct{ n, y, yy, lostN, lostY float64 }

// streamTerm is a row as the streamed methods take it.
type streamTerm struct {
	log, w              float64 // log w; w in units of 2^unit
	reward, label, invP float64
}

// streamed is how an estimator that is a weighted mean is computed from a stream.
type streamed struct {
	// row is what a row adds to its prompt's N and D; ok whether it enters.
	row   func(a *Accumulator, r *streamTerm) (n, d float64, ok bool)
	units [2]int // powers of the weights' unit in N and D
	leave bool   // see ratioMean
	// rest fills in what the estimate rests on and refuses what cannot be carried. It
	// returns the factor of the error.
	rest func(a *Accumulator, e *Estimate, s *streamSum) float64
}

// streamedMethods are those that a stream computes, in the order in which they are listed.
var streamedMethods = slices.DeleteFunc(slices.Clone(methods), func(m *method) bool { return m.stream == nil })

// streamCluster is the prompt whose rows are being read.
type streamCluster struct {
	id, logger     string
	open           bool
	rows, weighted int64
	w, labels      float64 // Σ w, Σ_L w/p
	parts          []streamPart
}

type streamPart struct {
	n, d float64
	rows int64
}

// NewAccumulator returns an empty accumulator for a policy. clip is the largest
// weight of clipped_ips; 0 leaves that estimator out, since √n is not known
// until the end. It panics if clip is negative or NaN.
func NewAccumulator(policy string, clip float64) *Accumulator {
	if !(clip >= 0) {
		panic(fmt.Sprintf("offpolicy: accumulator: clip %v: want a positive weight, or 0", clip))
	}
	k := len(streamedMethods)
	return &Accumulator{policy: policy, clip: clip, top: math.Inf(-1), bets: newEvalue(), least: math.Inf(1),
		most: math.Inf(-1), sums: make([]streamSum, k), current: streamCluster{parts: make([]streamPart, k)}}
}

// Add takes in a row. A row that is not what it claims is a [*RowError] and
// changes nothing; Row is then the number of rows taken in before it.
func (a *Accumulator) Add(r StreamRow) error {
	at := int(a.n + a.missing)
	wrong := a.whose(r)
	fail := func(v float64, reason string) error {
		return &RowError{Op: "stream", Row: at, Rows: 1, Value: v, Reason: reason}
	}
	labeled := r.Label.Valid()
	hasP := r.InclusionProb.Valid()
	switch {
	case r.PromptID == "":
		return fail(math.NaN(), "PromptID is empty: rows are clustered by it")
	case wrong != "":
		return fail(math.NaN(), wrong)
	case math.IsInf(r.LogRatio.OrNaN(), 1):
		return fail(r.LogRatio.OrNaN(), "an infinite weight; a log-ratio is a difference of log-probs")
	case math.IsInf(r.Reward.OrNaN(), 0):
		return fail(r.Reward.OrNaN(), "an infinite reward; a missing one is NaN")
	case r.Label.OrNaN() < 0 || r.Label.OrNaN() > 1:
		return fail(r.Label.OrNaN(), "label of "+r.PromptID+" is not in [0, 1]; an unlabeled response has NaN")
	case labeled && hasP && !(r.InclusionProb.OrNaN() > 0 && r.InclusionProb.OrNaN() <= 1):
		return fail(r.InclusionProb.OrNaN(), "inclusion probability of "+r.PromptID+" is not in (0, 1]")
	case labeled && (hasP && a.unstated || !hasP && a.stated):
		return fail(r.InclusionProb.OrNaN(), "some labels state an inclusion probability, others do not; state all or none")
	}
	if a.current.open && a.current.id != r.PromptID {
		a.close()
	}
	if !a.current.open {
		a.current.id, a.current.logger, a.current.open = r.PromptID, r.Logger, true
	}
	if labeled {
		a.stated, a.unstated = a.stated || hasP, a.unstated || !hasP
	}
	a.take(r, labeled, hasP)
	return nil
}

// take takes in a row that has been checked.
func (a *Accumulator) take(r StreamRow, labeled, hasP bool) {
	c, l, y := &a.current, r.LogRatio.OrNaN(), r.Label.OrNaN()
	c.rows++
	if r.Logger != "" {
		by := a.logger(r.Logger)
		if by.rows++; l > math.Inf(-1) {
			by.finite++
			by.log.add(l)
		}
	}
	missing := math.IsNaN(l)
	if labeled {
		a.allLabels++
		a.lost.n++
		a.lost.y += y
		a.lost.yy += y * y
		if missing {
			a.lost.lostN++
			a.lost.lostY += y
		}
		if hasP {
			p := r.InclusionProb.OrNaN()
			a.severalP = a.severalP || a.oneP != 0 && a.oneP != p
			a.oneP = p
		}
	}
	if missing {
		a.missing++
		return
	}
	a.n++
	if math.IsInf(l, -1) {
		a.zero++
	} else {
		a.sumLog.add(l)
	}
	if l > maxExp {
		a.overflow++
	}
	a.top = max(a.top, l)
	t := streamTerm{log: l, w: a.relative(l), reward: r.Reward.OrNaN(), label: y, invP: 1}
	a.ww.addProduct(t.w, t.w)
	c.weighted++
	c.w += t.w
	if hasP {
		t.invP = 1 / r.InclusionProb.OrNaN()
		a.designSquares.addProduct(t.w, t.w*t.invP)
	} else {
		a.squares.addProduct(t.w, t.w)
	}
	if labeled {
		a.labels++
		c.labels += t.w * t.invP
		if t.w > 0 {
			a.least, a.most = min(a.least, y), max(a.most, y)
		}
	}
	for k, m := range streamedMethods {
		if n, d, ok := m.stream.row(a, &t); ok {
			p := &c.parts[k]
			p.n += n
			p.d += d
			p.rows++
			if m.name == ClippedIPS && math.Exp(l) > a.clip {
				a.sums[k].clip++
			}
		}
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
	for _, v := range []*float64{&c.w, &c.labels, &a.labelTop, &a.heavy} {
		*v = math.Ldexp(*v, by)
	}
	for _, v := range []*twofold{&a.ww, &a.designSquares, &a.squares} {
		v.scale(2 * by)
	}
	a.mass.scale(by, 0)
	for k, m := range streamedMethods {
		u := m.stream.units
		a.sums[k].moments.scale(u[0]*by, u[1]*by)
		c.parts[k].n = math.Ldexp(c.parts[k].n, u[0]*by)
		c.parts[k].d = math.Ldexp(c.parts[k].d, u[1]*by)
		for _, l := range a.loggers {
			l.sums[k].scale(u[0]*by, u[1]*by)
		}
	}
}

// close takes the current prompt into the sums over prompts.
func (a *Accumulator) close() {
	c := &a.current
	if c.rows > 0 {
		a.bets.add(math.Log(c.w/float64(c.rows)) + float64(a.unit)*math.Ln2)
	}
	if c.weighted > 0 {
		a.prompts++
		a.mass.add(c.w, float64(c.weighted), false)
		a.heavy = max(a.heavy, c.w)
		a.labelTop = max(a.labelTop, c.labels)
	}
	for k, m := range streamedMethods {
		if p := c.parts[k]; p.rows > 0 {
			s := &a.sums[k]
			s.prompts++
			s.rows += p.rows
			s.moments.add(p.n, p.d, m.stream.leave)
			if l := a.loggers[c.logger]; l != nil {
				l.sums[k].add(p.n, p.d, m.stream.leave)
			}
		}
		c.parts[k] = streamPart{}
	}
	a.current = streamCluster{parts: c.parts}
}

// Merge takes in everything that o has seen, as if its rows had been added to a.
// o is another one, and may not be used afterwards. They must be of one policy and clip, and have no
// prompt in common, but that the last prompt of both may be the same.
func (a *Accumulator) Merge(o *Accumulator) error {
	switch {
	case a == o:
		return errors.New("offpolicy: merge: an accumulator with itself: its rows would count twice; merge another")
	case a.policy != o.policy:
		return fmt.Errorf("offpolicy: merge: accumulators of %q and %q: merge those of one policy", a.policy, o.policy)
	case a.clip != o.clip:
		return fmt.Errorf("offpolicy: merge: accumulators that clip at %v and %v: choose one clip", a.clip, o.clip)
	case a.stated && o.unstated || a.unstated && o.stated:
		return fmt.Errorf("offpolicy: merge: some labels state an inclusion probability, others do not; state all or none")
	case (len(a.loggers) > 0) != (len(o.loggers) > 0) && a.n+a.missing > 0 && o.n+o.missing > 0:
		return fmt.Errorf("offpolicy: merge: some rows name their logger, others do not; name it of all or of none")
	case len(o.loggers) > 0 && a.current.open && o.current.open && a.current.id == o.current.id:
		return fmt.Errorf("offpolicy: merge: prompt %s is in both; shard by prompt", a.current.id)
	}
	if o.set {
		switch {
		case !a.set || o.unit > a.unit:
			a.rescale(o.unit)
		case o.unit < a.unit:
			o.rescale(a.unit)
		}
	}
	if c, d := &a.current, &o.current; c.open && d.open && c.id == d.id {
		c.rows, c.weighted, c.w, c.labels = c.rows+d.rows, c.weighted+d.weighted, c.w+d.w, c.labels+d.labels
		for k := range c.parts {
			p, q := &c.parts[k], d.parts[k]
			p.n, p.d, p.rows = p.n+q.n, p.d+q.d, p.rows+q.rows
		}
	} else if d.open {
		o.close()
	}
	for _, name := range slices.Sorted(maps.Keys(o.loggers)) {
		a.logger(name).merge(o.loggers[name])
	}
	a.severalP = a.severalP || o.severalP || a.oneP != 0 && o.oneP != 0 && a.oneP != o.oneP
	a.oneP = max(a.oneP, o.oneP)
	a.least, a.most = min(a.least, o.least), max(a.most, o.most)
	a.stated, a.unstated = a.stated || o.stated, a.unstated || o.unstated
	a.top, a.labelTop, a.heavy = max(a.top, o.top), max(a.labelTop, o.labelTop), max(a.heavy, o.heavy)
	theirs := o.counts()
	for k, x := range a.counts() {
		*x += *theirs[k]
	}
	l, m := &a.lost, o.lost
	l.n, l.y, l.yy, l.lostN, l.lostY = l.n+m.n, l.y+m.y, l.yy+m.yy, l.lostN+m.lostN, l.lostY+m.lostY
	a.bets.merge(o.bets)
	sums := o.twofolds()
	for k, x := range a.twofolds() {
		x.merge(*sums[k])
	}
	return nil
}

// counts are all counters but those of the current prompt.
func (a *Accumulator) counts() []*int64 {
	out := []*int64{&a.n, &a.missing, &a.overflow, &a.zero, &a.prompts, &a.allLabels, &a.labels}
	for k := range a.sums {
		s := &a.sums[k]
		out = append(out, &s.prompts, &s.rows, &s.clip)
	}
	return out
}

// twofolds are all sums that are kept in two float64, but those of the e-value.
func (a *Accumulator) twofolds() []*twofold {
	out := []*twofold{&a.sumLog, &a.ww, &a.designSquares, &a.squares}
	add := func(m *moments) {
		for k := range m {
			out = append(out, &m[k])
		}
	}
	add(&a.mass)
	for k := range a.sums {
		add(&a.sums[k].moments)
	}
	return out
}
