package offpolicy

import (
	"iter"
	"math"
)

// LabeledSNIPS is y_w, the weighted mean of the logged labels: the baseline that [DR]
// and [Direct] must beat.
const LabeledSNIPS Estimator = "labeled_snips"

var labeledSNIPS = method{
	name: LabeledSNIPS, claims: true, build: (*builder).labeled,
	stream: &streamed{
		leave: true, units: [2]int{1, 1},
		row: func(a *Accumulator, r *streamTerm) (n, d float64, ok bool) {
			return r.w * r.invP * r.label, r.w * r.invP, !math.IsNaN(r.label)
		},
		rest: (*Accumulator).restOfLabels,
	},
}

// weightedLabels are the labeled rows of a policy, under its weights.
type weightedLabels struct {
	fr                 *frame
	weights            *Weights
	rel                []float64 // by row: its weight, 0 if it has none
	labelDen, labelNum []float64 // by prompt: Σ_L w/p, Σ_L (w/p) Y
}

// weightedLabels are made once for all estimates of a policy.
func (b *builder) weightedLabels() *weightedLabels {
	if b.sums != nil {
		return b.sums
	}
	fr := b.r.frame
	l := &weightedLabels{fr: fr, weights: b.weights, rel: b.rel, labelDen: make([]float64, len(fr.prompts)),
		labelNum: make([]float64, len(fr.prompts))}
	for _, i := range fr.labeled {
		if u := b.rel[i]; u != 0 {
			p, v := fr.prompt[i], u*fr.invP[i]
			l.labelDen[p] += v
			l.labelNum[p] += v * fr.label[i]
		}
	}
	b.sums = l
	return l
}

// labels are those that have a weight.
func (l *weightedLabels) labels() iter.Seq[float64] {
	return func(yield func(y float64) bool) {
		for _, i := range l.fr.labeled {
			if l.rel[i] != 0 && !yield(l.fr.label[i]) {
				return
			}
		}
	}
}

// explained is the arm of an estimate by these labels, which the judge explains by lambda.
func (l *weightedLabels) explained(w *worker, lambda float64) *arm {
	fr := l.fr
	a := &arm{weights: l.weights, invP: fr.allInvP, labels: make([]armLabel, 0, len(fr.labeled))}
	for _, i := range fr.labeled {
		if u := l.rel[i]; u != 0 {
			y := fr.label[i]
			rest := y
			if lambda != 0 {
				rest -= lambda * w.f[i]
			}
			a.labels = append(a.labels, armLabel{i, fr.prompt[i], u * fr.invP[i], y, rest})
		}
	}
	a.normalise()
	return a
}

func (b *builder) labeled(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	ess, factor := b.labels(e)
	if ess == 0 {
		return built{}
	}
	labels := b.weightedLabels()
	stat := &labelMean{ratioMean{num: labels.labelNum, den: labels.labelDen, scale: 1, leave: true}, labels}
	open := b.open(largest(b.weights.Log), math.Inf(1), 0, func(i int) (num, den float64, ok bool) {
		return fr.invP[i] * fr.label[i], fr.invP[i], fr.invP[i] > 0
	})
	return built{stat: stat, df: max(ess-1, 1), satterthwaite: true, factor: factor, slack: open}
}
