package oracle

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// sizeFloor is the part of a simple random draw's probability that a response keeps
// whatever its size: see [Design.AssignBySize].
const sizeFloor = .2

// AssignBySize draws labels where they count: with probabilities about in proportion to a
// size, such as what a label of the response is worth to an estimate,
// [offpolicy.LabelSizes]. It returns the drawn ones, and the probability of every response,
// drawn or not, which an estimate needs of both.
//
// Within each policy the responses are divided by size into d.Strata strata, 10 if that is
// 0, of equal sums of
//
//	.8 size/Σ size + .2/n
//
// which share the labels equally as far as each has responses: a stratum of large sizes has
// few responses and so a large probability. No probability is below .2 times that of a
// simple random draw of as many labels, up to the rounding of labels to whole numbers, so
// that no size, however wrong, makes a label weigh more than about 5 times what it
// would. There are no more strata than half the labels. A response of size NaN is taken
// for one of average size.
//
// Probabilities are exact, m of n in a stratum, and missing of policies that have no label. More
// labels contain fewer if the fewer are at least two for each of d.Strata.
// It panics if d is not valid, or a size is negative or infinite.
//
// Source: probability proportional to size, Hansen and Hurwitz, Ann. Math. Stat. 14 (1943);
// in proportion to weight times residual spread, Neyman (1934); as active labeling for
// prediction-powered inference, arXiv 2506.07949; the floor is a defensive mixture,
// Hesterberg, Technometrics 37 (1995).
func (d Design) AssignBySize(sizes map[dataset.Key]float64,
	logging string) (drawn []Assignment, probability map[dataset.Key]dataset.Float) {
	if err := d.Validate(); err != nil {
		panic(err.Error())
	}
	byPolicy := map[string][]dataset.Key{}
	for k, s := range sizes {
		if s < 0 || math.IsInf(s, 1) {
			panic(fmt.Sprintf("oracle: design: size %v of %s: want a finite number of 0 or more", s, k))
		}
		byPolicy[k.Policy] = append(byPolicy[k.Policy], k)
	}
	probability = make(map[dataset.Key]dataset.Float, len(sizes))
	for policy, pool := range byPolicy {
		m, twice, role := d.labels(policy, logging, len(pool))
		strata := d.bySize(pool, sizes, m)
		labeled := draw(strata, m, role, nil)
		drawn = append(append(drawn, labeled...), draw(strata, twice, RoleDuplicate, nil)...)
		of := map[string]dataset.Float{}
		for _, a := range labeled {
			of[a.Stratum] = a.InclusionProb
		}
		for _, s := range strata {
			for _, k := range s.keys {
				probability[k] = of[s.name]
			}
		}
	}
	return inOrder(drawn), probability
}

// bySize divides a policy's responses.
func (d Design) bySize(pool []dataset.Key, sizes map[dataset.Key]float64, labels int) []stratum {
	var sum, known float64
	slices.SortFunc(pool, dataset.Key.Compare) // the order of a sum must not depend on that of a map
	for _, k := range pool {
		if s := sizes[k]; !math.IsNaN(s) {
			sum += s
			known++
		}
	}
	size := func(k dataset.Key) float64 {
		s := sizes[k]
		if math.IsNaN(s) || sum == 0 {
			return 1
		}
		return (1-sizeFloor)*s/sum*known + sizeFloor
	}
	slices.SortFunc(pool, func(a, b dataset.Key) int {
		return cmp.Or(cmp.Compare(size(a), size(b)), a.Compare(b))
	})
	total := 0.0
	for _, k := range pool {
		total += size(k)
	}
	n := max(min(cmp.Or(d.Strata, 10), labels/2), 1)
	out := make([]stratum, n)
	at := 0.0
	for _, k := range pool {
		at += size(k)
		i := min(int(float64(n)*at/total), n-1) // by its end: the largest are not among smaller ones
		out[i].keys = append(out[i].keys, k)
	}
	out = slices.DeleteFunc(out, func(s stratum) bool { return len(s.keys) == 0 })
	for i := range out {
		out[i].name = fmt.Sprintf("size %d of %d", i+1, len(out))
		d.rank(out[i].keys)
	}
	slices.Reverse(out) // the first turn is of the largest
	return out
}
