package offpolicy

import "math"

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

func (b *builder) labeled(e *Estimate) built {
	if !b.weighted(e) {
		return built{}
	}
	fr := b.r.frame
	ess, factor := b.labels(e)
	if ess == 0 {
		return built{}
	}
	stat := &ratioMean{num: make([]float64, len(fr.prompts)), den: make([]float64, len(fr.prompts)), scale: 1,
		leave: true, weights: b.weights, invP: fr.allInvP}
	for i, inv := range fr.invP {
		if inv == 0 || b.rel[i] == 0 {
			continue
		}
		p, u := fr.prompt[i], b.rel[i]*inv
		stat.labeled, stat.labelOf = append(stat.labeled, labelTerm{p, int32(i), u}), append(stat.labelOf, fr.label[i])
		stat.num[p] += u * fr.label[i]
		stat.den[p] += u
	}
	open := b.open(largest(b.weights.Log), math.Inf(1), 0, func(i int) (num, den float64, ok bool) {
		return fr.invP[i] * fr.label[i], fr.invP[i], fr.invP[i] > 0
	})
	return built{stat: stat, df: max(ess-1, 1), satterthwaite: true, factor: factor, slack: open}
}
