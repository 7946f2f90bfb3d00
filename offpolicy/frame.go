package offpolicy

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// frame is samples in the order and shape that computing wants: prompts sorted
// by id, rows by prompt and then by content, so that no order of the input can
// be seen in any sum.
type frame struct {
	logging string
	scored  map[string]dataset.Scored
	prompts []string
	keys    []uint64  // of each prompt, for replicate weights
	fold    []int32   // of each prompt
	t       *Table    // sorted
	prompt  []int32   // of each row
	count   []float64 // rows of each prompt
	score   []float64 // of each row, NaN unscored
	label   []float64 // of each row, NaN where there is none
	invP    []float64 // of each row: 1/p where it is labeled, else 0
	allInvP []float64 // of each row: 1/p, labeled or not; NaN where p is unknown
	length  []float64 // of each row, NaN unknown
	lengths []float64 // the same for noise, which needs one of every row
	blanks  *blanks   // nil where every response has a score
	labeled []int32   // the rows with a label
	targets []string
	draws   map[string]*drawFrame
	pool    *loggers // nil of one logging policy
	fits    refits   // nil where too few labels calibrate nothing
}

// drawFrame is one target's fresh draws, by prompt.
type drawFrame struct {
	*drawColumns
	allInvP    []float64 // 1/p, labeled or not; NaN where p is unknown
	inv        []float64 // 1 / the number of draws of the prompt
	at         int       // of the first in the buffer of predictions
	drawPrompt int       // distinct prompts
	probes     int       // labeled draws
	probed     int       // distinct prompts among them
	unscored   int       // draws without a score
}

// newFrame takes t over, and sorts it.
func newFrame(t *Table, folds int, seed uint64) *frame {
	t.sort()
	fr := &frame{logging: t.plan.Logging, scored: t.scored(), targets: t.policies(), draws: map[string]*drawFrame{}, t: t,
		prompts: t.prompts, prompt: t.prompt, score: t.score, length: t.lengths()}
	fr.keys, fr.fold, fr.count = make([]uint64, len(fr.prompts)), make([]int32, len(fr.prompts)), make([]float64,
		len(fr.prompts))
	for i, id := range fr.prompts {
		sum := sha256.Sum256([]byte(id))
		fr.keys[i] = binary.BigEndian.Uint64(sum[:8])
		fr.fold[i] = int32(Fold(seed, id, folds))
	}
	for _, p := range fr.prompt {
		fr.count[p]++
	}
	if t.plan.Pooled {
		fr.pool = newLoggers(t)
		fr.scored = maps.Clone(fr.scored)
		fr.scored[fr.logging] = fr.pool.scored(fr.scored)
	}
	fr.labels()
	at := t.rows
	for _, name := range fr.targets {
		d := newDrawFrame(cmp.Or(t.draws[name], &drawColumns{}))
		d.at = at
		at += len(d.score)
		fr.draws[name] = d
	}
	fr.blanks = newBlanks(fr, folds)
	return fr
}

// labels fills in labels and inverse inclusion probabilities. Where no row
// states a probability, the design is taken to be m of n at random.
func (fr *frame) labels() {
	fr.label, fr.invP = fr.t.label, make([]float64, fr.n())
	fr.allInvP = inverse(fr.t.inclusion, fr.label)
	for i, y := range fr.label {
		if !math.IsNaN(y) {
			fr.labeled = append(fr.labeled, int32(i))
			fr.invP[i] = fr.allInvP[i]
		}
	}
}

// n is how many rows there are.
func (fr *frame) n() int { return fr.t.rows }

// logProb is the column of a policy's log-probs, nil if it has none.
func (fr *frame) logProb(policy string) []float64 {
	if fr.pool != nil && policy == fr.logging {
		return fr.pool.log
	}
	return fr.t.logProb[policy]
}

// inverse returns 1/p of every response. Where no label states its p, that is the share of the
// labeled; where all that are stated agree, it is the others' too; else what is not stated is
// NaN.
func inverse(p, label []float64) []float64 {
	stated, labels, one, equal := false, 0, math.NaN(), true
	for i, y := range label {
		if math.IsNaN(y) {
			continue
		}
		labels++
		if v := p[i]; !math.IsNaN(v) {
			stated = true
			equal = equal && (math.IsNaN(one) || v == one)
			one = v
		}
	}
	inv := make([]float64, len(p))
	for i, v := range p {
		switch {
		case !stated:
			v = float64(labels) / float64(len(p))
		case math.IsNaN(v) && equal:
			v = one
		}
		inv[i] = 1 / v
	}
	return inv
}

// newDrawFrame takes draws that are sorted.
func newDrawFrame(draws *drawColumns) *drawFrame {
	n := len(draws.prompt)
	f := &drawFrame{drawColumns: draws, allInvP: inverse(draws.inclusion, draws.label), inv: make([]float64, 0, n)}
	for i := 0; i < n; {
		j, probes := i, f.probes
		for ; j < n && f.prompt[j] == f.prompt[i]; j++ {
			if math.IsNaN(f.score[j]) {
				f.unscored++
			}
			if !math.IsNaN(f.label[j]) {
				f.probes++
			}
		}
		for range j - i {
			f.inv = append(f.inv, 1/float64(j-i))
		}
		f.drawPrompt++
		if f.probes > probes {
			f.probed++
		}
		i = j
	}
	return f
}

// unscored reports whether no response has a score, the targets' own included.
func (fr *frame) unscored() bool {
	for _, d := range fr.draws {
		if d.unscored < len(d.score) {
			return false
		}
	}
	return !slices.ContainsFunc(fr.score, func(s float64) bool { return !math.IsNaN(s) })
}

// labeledByScore are the rows with a label and a score, by score.
func (fr *frame) labeledByScore() []int {
	var out []int
	for i := range fr.invP {
		if fr.invP[i] > 0 && !math.IsNaN(fr.score[i]) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(i, j int) int { return cmp.Or(cmp.Compare(fr.score[i], fr.score[j]), cmp.Compare(i, j)) })
	return out
}

// eachQuery calls f with every score there is, its prompt's fold, and where its
// prediction goes.
func (fr *frame) eachQuery(f func(fold int32, score, covariate float64, at int)) {
	for i, x := range fr.score {
		if !math.IsNaN(x) {
			f(fr.fold[fr.prompt[i]], x, fr.t.covariate[i], i)
		}
	}
	for _, name := range fr.targets {
		d := fr.draws[name]
		for i, x := range d.score {
			if !math.IsNaN(x) {
				f(fr.fold[d.prompt[i]], x, d.covariate[i], d.at+i)
			}
		}
	}
}

// queries is how many predictions a fit makes: rows first, then draws.
func (fr *frame) queries() int {
	n := fr.n()
	for _, d := range fr.draws {
		n += len(d.score)
	}
	return n
}

// logRatios are a policy's, by row, as bounds that are equal where a log-ratio is a number:
// 0 for the logging policy itself, and missing if one of the two has raw log-probs, of
// which no weight comes.
func (fr *frame) logRatios(policy string) (lower, upper []float64) {
	upper = make([]float64, fr.n())
	if lower = upper; policy == fr.logging {
		return lower, upper
	}
	if fr.t.lower[policy] != nil || fr.t.lower[fr.logging] != nil || fr.pool != nil {
		lower = make([]float64, fr.n())
	}
	raw := fr.raw(policy) != ""
	for i := range lower {
		if lower[i], upper[i] = math.NaN(), math.NaN(); !raw {
			lower[i], upper[i] = LogRatioBounds(fr.t.bounds(policy, i), fr.loggedBounds(i))
		}
	}
	return lower, upper
}

// loggedBounds are those of a row's log-prob under the logging policy, or under the mixture
// of several.
func (fr *frame) loggedBounds(row int) [2]float64 {
	if fr.pool != nil {
		return [2]float64{fr.pool.lower[row], fr.pool.log[row]}
	}
	return fr.t.bounds(fr.logging, row)
}

// LogRatioBounds returns the bounds of a log-ratio, nats, from those of the log-probs
// [lower, upper] under the target and under the logging policy. Both are NaN if a side is
// missing, and both -Inf outside the target's support.
func LogRatioBounds(target, base [2]float64) (lower, upper float64) {
	switch {
	case math.IsNaN(target[0]) || math.IsNaN(base[0]):
		return math.NaN(), math.NaN()
	case math.IsInf(target[1], -1):
		return math.Inf(-1), math.Inf(-1)
	}
	return target[0] - base[1], target[1] - base[0]
}

// raw names the policies whose raw log-probs leave a policy without a weight, ""
// if there are none.
func (fr *frame) raw(policy string) string {
	var names []string
	for _, name := range []string{policy, fr.logging} {
		if fr.scored[name].Distribution == dataset.RawDistribution && policy != fr.logging {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}
