package record

import (
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// Quantity is a value with its interval, of 95% where nothing else is said; Lo
// and Hi are null where none can be given.
type Quantity struct {
	Value dataset.Float `json:"value"`
	Lo    dataset.Float `json:"lo"`
	Hi    dataset.Float `json:"hi"`
}

// Quantiles describes a distribution: 5, 25, 50, 75 and 95%.
type Quantiles struct {
	Q05 dataset.Float `json:"q05"`
	Q25 dataset.Float `json:"q25"`
	Q50 dataset.Float `json:"q50"`
	Q75 dataset.Float `json:"q75"`
	Q95 dataset.Float `json:"q95"`
}

// MeanOf is the mean of values with a t-interval of 95%; missing if there are none.
func MeanOf(xs []float64) Quantity {
	missing := Quantity{dataset.Float{}, dataset.Float{}, dataset.Float{}}
	if len(xs) == 0 {
		return missing
	}
	mean, lo, hi := offpolicy.MeanInterval(xs)
	return Quantity{dataset.Known(mean), dataset.Known(lo), dataset.Known(hi)}
}

// Unit is i without what lies outside [0, 1], for the mean of scores or labels: it
// covers as much, since the mean is never there.
func (i Quantity) Unit() Quantity {
	for _, x := range []*dataset.Float{&i.Value, &i.Lo, &i.Hi} {
		if v, ok := x.Get(); ok {
			*x = dataset.Known(min(max(v, 0), 1))
		}
	}
	return i
}

// QuantilesOf describes values; missing if there are none.
func QuantilesOf(xs []float64) Quantiles {
	m := dataset.Float{}
	if len(xs) == 0 {
		return Quantiles{m, m, m, m, m}
	}
	q := offpolicy.Quantiles(xs, 0.05, 0.25, 0.5, 0.75, 0.95)
	return Quantiles{dataset.Known(q[0]), dataset.Known(q[1]), dataset.Known(q[2]), dataset.Known(q[3]),
		dataset.Known(q[4])}
}

// Finite is x, or missing if it is NaN or infinite.
func Finite(x float64) dataset.Float {
	if math.IsInf(x, 0) {
		return dataset.Float{}
	}
	return dataset.Known(x)
}
