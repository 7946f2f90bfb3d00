package oracle

import (
	"math"

	"github.com/reweigh/reweigh/dataset"
)

// Noise is how far an oracle's labels of one response lie apart.
type Noise struct {
	Pairs int // responses with two labels
	// Variance is that of one label around the response's mean label,
	// Σ d²/2n over the differences d of n pairs; missing without pairs.
	Variance dataset.Float
}

// SD is the standard deviation of a label, √Variance.
func (n Noise) SD() float64 { return math.Sqrt(n.Variance.OrNaN()) }

// MeasureNoise compares the labels of role "duplicate" with the other labels of
// the same responses. No judge can follow an oracle closer than its noise.
func MeasureNoise(labels []dataset.OracleLabel) Noise {
	first := map[dataset.Key]float64{}
	for _, l := range labels {
		if l.Role != RoleDuplicate && l.Label.Valid() {
			first[l.Key()] = l.Label.OrNaN()
		}
	}
	pairs, sum := 0, 0.0
	for _, l := range labels {
		if a, ok := first[l.Key()]; ok && l.Role == RoleDuplicate && l.Label.Valid() {
			d := l.Label.OrNaN() - a
			sum += d * d / 2
			pairs++
		}
	}
	return Noise{pairs, dataset.Known(sum / float64(pairs))}
}
