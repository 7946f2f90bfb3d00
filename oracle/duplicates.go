package oracle

import "github.com/reweigh/reweigh/dataset"

// DuplicateVariance returns how far an oracle's labels of one response lie apart:
// the variance of one label around the response's mean label,
//
//	Σ d² / 2n
//
// over the differences d between the label of role "duplicate" and the other label
// of each of n responses. It is missing if n is 0. No judge can follow an oracle
// more closely than this.
func DuplicateVariance(labels []dataset.OracleLabel) (variance dataset.Float, n int) {
	first := map[dataset.Key]float64{}
	for _, l := range labels {
		if v, ok := l.Label.Get(); ok && l.Role != RoleDuplicate {
			first[l.Key()] = v
		}
	}
	sum := 0.0
	for _, l := range labels {
		v, ok := l.Label.Get()
		if a, both := first[l.Key()]; ok && both && l.Role == RoleDuplicate {
			sum += (v - a) * (v - a) / 2
			n++
		}
	}
	if n == 0 {
		return dataset.Float{}, 0
	}
	return dataset.Known(sum / float64(n)), n
}
