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
	keys    []uint64 // of each prompt, for replicate weights
	fold    []int    // of each prompt
	rows    []Row
	prompt  []int32   // of each row
	count   []float64 // rows of each prompt
	score   []float64 // of each row, NaN unscored
	label   []float64 // of each row, 0 where there is none
	invP    []float64 // of each row: 1/p where it is labelled, else 0
	allInvP []float64 // of each row: 1/p, labelled or not; NaN where p is unknown
	length  []float64 // of each row, NaN unknown
	lengths []float64 // the same for noise, which needs one of every row
	blanks  *blanks   // nil where every response has a score
	design  LabelDesign
	targets []string
	draws   map[string]*drawFrame
	fits    refits // nil where too few labels calibrate nothing
}

// drawFrame is one target's fresh draws, by prompt.
type drawFrame struct {
	prompt     []int32
	score      []float64 // NaN unscored
	covariate  []float64
	label      []float64 // 0 where there is none
	invP       []float64 // 1/p where it is labelled, else 0
	allInvP    []float64 // 1/p, labelled or not; NaN where p is unknown
	inv        []float64 // 1 / the number of draws of the prompt
	at         int       // of the first in the buffer of predictions
	drawPrompt int       // distinct prompts
	probes     int       // labelled draws
	probed     int       // distinct prompts among them
	unscored   int       // draws without a score
}

func newFrame(s *Samples, folds int, seed uint64) *frame {
	fr := &frame{logging: s.Logging, scored: s.Scored, targets: s.targets(), draws: map[string]*drawFrame{}}
	fr.rows = slices.Clone(s.Rows)
	slices.SortFunc(fr.rows, func(a, b Row) int { return compareRows(&a, &b, s.Logging, fr.targets) })
	set := make(map[string]int32, len(fr.rows))
	for _, r := range fr.rows {
		set[r.PromptID] = 0
	}
	for _, ds := range s.Draws {
		for _, d := range ds {
			set[d.PromptID] = 0
		}
	}
	fr.prompts = slices.Sorted(maps.Keys(set))
	fr.keys, fr.fold, fr.count = make([]uint64, len(fr.prompts)), make([]int, len(fr.prompts)), make([]float64,
		len(fr.prompts))
	for i, id := range fr.prompts {
		set[id] = int32(i)
		sum := sha256.Sum256([]byte(id))
		fr.keys[i] = binary.BigEndian.Uint64(sum[:8])
		fr.fold[i] = Fold(seed, id, folds)
	}
	n := len(fr.rows)
	fr.prompt, fr.score, fr.label, fr.invP = make([]int32, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, r := range fr.rows {
		fr.prompt[i], fr.score[i] = set[r.PromptID], r.Score.OrNaN()
		fr.length = append(fr.length, r.Length.OrNaN())
		fr.count[fr.prompt[i]]++
	}
	fr.labels()
	at := n
	for _, name := range fr.targets {
		if name == s.Logging {
			continue // its draws would be the logged responses again
		}
		d := newDrawFrame(s.Draws[name], set)
		d.at = at
		at += len(d.score)
		fr.draws[name] = d
	}
	fr.blanks = newBlanks(fr, folds)
	return fr
}

func compareRows(a, b *Row, logging string, targets []string) int {
	if c := cmp.Compare(a.PromptID, b.PromptID); c != 0 {
		return c
	}
	compare := func(a, b dataset.Float) int { return cmp.Compare(a.OrNaN(), b.OrNaN()) }
	if c := cmp.Or(compare(a.Score, b.Score), compare(a.Label, b.Label), compare(a.LogProbs[logging],
		b.LogProbs[logging]),
		compare(a.InclusionProb, b.InclusionProb), compare(a.Length, b.Length), compare(a.Covariate, b.Covariate)); c != 0 {
		return c
	}
	for _, t := range targets {
		if c := compare(a.LogProbs[t], b.LogProbs[t]); c != 0 {
			return c
		}
	}
	return 0
}

// labels fills in labels and inverse inclusion probabilities. Where no row
// states a probability, the design is taken to be m of n at random.
func (fr *frame) labels() {
	d := &fr.design
	d.Rows = len(fr.rows)
	p := make([]float64, d.Rows)
	for i, r := range fr.rows {
		p[i] = r.InclusionProb.OrNaN()
		fr.label[i] = r.Label.OrNaN()
		if r.Label.Valid() {
			d.Labels++
		}
	}
	fr.allInvP, d.Stated = inverse(p, fr.label)
	for i, y := range fr.label {
		if math.IsNaN(y) {
			fr.label[i] = 0
		} else {
			fr.invP[i] = fr.allInvP[i]
		}
	}
}

// inverse returns 1/p of every response, and whether a label states its p. Where none
// does, p is the share of the labelled; where all that are stated agree, it is the
// others' too; else what is not stated is NaN.
func inverse(p, label []float64) (inv []float64, stated bool) {
	labels, one, equal := 0, math.NaN(), true
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
	inv = make([]float64, len(p))
	for i, v := range p {
		switch {
		case !stated:
			v = float64(labels) / float64(len(p))
		case math.IsNaN(v) && equal:
			v = one
		}
		inv[i] = 1 / v
	}
	return inv, stated
}

func newDrawFrame(draws []Draw, index map[string]int32) *drawFrame {
	sorted := slices.Clone(draws)
	slices.SortFunc(sorted, func(a, b Draw) int {
		return cmp.Or(cmp.Compare(a.PromptID, b.PromptID),
			cmp.Compare(a.Index, b.Index))
	})
	f := &drawFrame{}
	var p []float64
	for _, d := range sorted {
		f.prompt, f.score, f.label = append(f.prompt, index[d.PromptID]), append(f.score, d.Score.OrNaN()),
			append(f.label, d.Label.OrNaN())
		f.covariate = append(f.covariate, d.Covariate.OrNaN())
		p = append(p, d.InclusionProb.OrNaN())
		if !d.Score.Valid() {
			f.unscored++
		}
	}
	f.allInvP, _ = inverse(p, f.label)
	f.invP = make([]float64, len(sorted))
	for i := 0; i < len(sorted); {
		j, probed := i, false
		for ; j < len(sorted) && f.prompt[j] == f.prompt[i]; j++ {
			if math.IsNaN(f.label[j]) {
				f.label[j] = 0
				continue
			}
			probed = true
			f.probes++
			f.invP[j] = f.allInvP[j]
		}
		for range j - i {
			f.inv = append(f.inv, 1/float64(j-i))
		}
		f.drawPrompt++
		if probed {
			f.probed++
		}
		i = j
	}
	return f
}

// labelledByScore are the rows with a label and a score, by score.
func (fr *frame) labelledByScore() []int {
	var out []int
	for i := range fr.rows {
		if fr.invP[i] > 0 && !math.IsNaN(fr.score[i]) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(i, j int) int { return cmp.Or(cmp.Compare(fr.score[i], fr.score[j]), cmp.Compare(i, j)) })
	return out
}

// eachQuery calls f with every score there is, its prompt's fold, and where its
// prediction goes.
func (fr *frame) eachQuery(f func(fold int, score, covariate float64, at int)) {
	for i, x := range fr.score {
		if !math.IsNaN(x) {
			f(fr.fold[fr.prompt[i]], x, fr.rows[i].Covariate.OrNaN(), i)
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
	n := len(fr.rows)
	for _, d := range fr.draws {
		n += len(d.score)
	}
	return n
}

// logRatios are a policy's, by row: 0 for the logging policy itself, and missing if
// one of the two has raw log-probs, of which no weight comes.
func (fr *frame) logRatios(policy string) []float64 {
	out := make([]float64, len(fr.rows))
	if policy == fr.logging {
		return out
	}
	raw := fr.raw(policy) != "" || fr.bounded(policy) != ""
	for i := range fr.rows {
		r := &fr.rows[i]
		out[i] = r.LogProbs[policy].OrNaN() - r.LogProbs[fr.logging].OrNaN()
		if raw {
			out[i] = math.NaN()
		}
	}
	return out
}

// bounded names the policies that have log-probs which are no numbers, "" if there are
// none.
func (fr *frame) bounded(policy string) string {
	var names []string
	for _, name := range []string{policy, fr.logging} {
		if fr.scored[name].Bounded > 0 && policy != fr.logging {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
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
