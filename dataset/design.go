package dataset

import (
	"fmt"
	"slices"
)

// scoreRange is a part of a policy's responses by judge score, and the probability with
// which each of them was labeled.
type scoreRange struct {
	lo, hi   float64
	closed   bool // hi is in it
	unscored bool
	p        Float
}

// strata are those of labels, by policy. A policy whose labels name none has none: its
// responses share one probability.
type strata struct {
	ranges map[string][]scoreRange
	seen   map[stratum]bool
}

type stratum struct{ policy, name string }

func newStrata() strata { return strata{map[string][]scoreRange{}, map[stratum]bool{}} }

// add takes the stratum of a label.
func (s strata) add(l OracleLabel) {
	at := stratum{l.Policy, l.Stratum}
	if l.Stratum == "" || s.seen[at] || !l.InclusionProb.Valid() {
		return
	}
	s.seen[at] = true
	r := scoreRange{p: l.InclusionProb}
	var end string
	if r.unscored = l.Stratum == "unscored"; !r.unscored {
		if _, err := fmt.Sscanf(l.Stratum, "[%g,%g%s", &r.lo, &r.hi, &end); err != nil {
			return // of another design: nothing is known of the others
		}
		r.closed = end == "]"
	}
	s.ranges[l.Policy] = append(s.ranges[l.Policy], r)
}

// inclusionOf is the probability with which a response that has no label might have had
// one, missing if the labels do not tell.
func inclusionOf(ranges []scoreRange, score Float) Float {
	s, scored := score.Get()
	i := slices.IndexFunc(ranges, func(r scoreRange) bool {
		return r.unscored && !scored || !r.unscored && scored && s >= r.lo && (s < r.hi || r.closed && s <= r.hi)
	})
	if i < 0 {
		return Float{}
	}
	return ranges[i].p
}
