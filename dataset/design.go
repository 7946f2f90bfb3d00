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

// scoreRanges reads the strata of the labels by policy. A policy whose labels name none
// has none: its responses share one probability.
func scoreRanges(labels []OracleLabel) map[string][]scoreRange {
	type part struct{ policy, stratum string }
	seen := map[part]bool{}
	out := map[string][]scoreRange{}
	for _, l := range labels {
		at := part{l.Policy, l.Stratum}
		if l.Stratum == "" || seen[at] || !l.InclusionProb.Valid() {
			continue
		}
		seen[at] = true
		r := scoreRange{p: l.InclusionProb}
		var end string
		if r.unscored = l.Stratum == "unscored"; !r.unscored {
			if _, err := fmt.Sscanf(l.Stratum, "[%g,%g%s", &r.lo, &r.hi, &end); err != nil {
				continue // of another design: nothing is known of the others
			}
			r.closed = end == "]"
		}
		out[l.Policy] = append(out[l.Policy], r)
	}
	return out
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
