package record

import (
	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// unseen is the probability that a response of a target is one that P0's filters
// exclude: 1 - Π (1 - e) over the tokens of P0's responses, e being what the filters
// exclude of the model's own distribution there, on average over the responses. It is
// missing if P0 has no filters, if the target keeps no more than P0 does, or if
// the server shows no alternatives. For a target of another model or prompt it
// takes that one to say at such a place about what P0's model does.
func (r *Records) unseen(target string) dataset.Float {
	p0 := r.Logging().Policy
	for _, a := range r.Arms {
		if a.Policy.Name == target && keepsNoMore(a.Policy, p0) {
			return dataset.Float{}
		}
	}
	sum, n := 0.0, 0
	for _, row := range r.LogProbs.Brief().AllOf(p0.Name) {
		if v, ok := row.Excluded.Get(); ok {
			sum += v
			n++
		}
	}
	if n == 0 || sum == 0 {
		return dataset.Float{}
	}
	return dataset.Known(sum / float64(n))
}

// keepsNoMore reports whether p keeps no token that by does not keep.
func keepsNoMore(p, by offpolicy.Policy) bool {
	s, t := p.Sampling, by.Sampling
	if t.Temperature > 0 && t.TopP == 1 && t.TopK == 0 {
		return true
	}
	return p.Model == by.Model && p.System == by.System && p.Template == by.Template && s.Temperature == t.Temperature &&
		s.TopP <= t.TopP && (t.TopK == 0 || s.TopK > 0 && s.TopK <= t.TopK)
}
