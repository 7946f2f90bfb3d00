package offpolicy

import (
	"maps"
	"slices"
)

// Segment is the value of a policy on the prompts of one group, with an error
// and refusals of its own: what holds for all prompts may be unknown for a few.
// The calibrator is still the one fitted on all prompts; within a group it is a
// mere aid, and the group's own labels correct it.
type Segment struct {
	Kind, Name string // "language", "German"; the name is "" for prompts that state none
	Prompts    int
	Estimate   Estimate // by the estimator that answers for the policy as a whole
}

// segments breaks every answered policy's value down.
func (r *Result) segments(c *Config, w *worker) {
	fr := r.frame
	var all []work
	var owner []*PolicyResult
	var made []*Segment
	for _, kind := range c.Segments {
		groups := map[string][]bool{}
		for i := range fr.prompt {
			name := fr.t.segmentAt(kind, i)
			if groups[name] == nil {
				groups[name] = make([]bool, len(fr.prompts))
			}
			groups[name][fr.prompt[i]] = true
		}
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			in, prompts := groups[name], 0
			for _, ok := range in {
				if ok {
					prompts++
				}
			}
			for i := range r.Policies {
				p := &r.Policies[i]
				if p.Answer.Estimator == "" {
					continue
				}
				weights := r.weightsOn(p, func(i int) bool { return in[fr.prompt[i]] })
				s := &Segment{Kind: kind, Name: name, Prompts: prompts}
				var b built
				s.Estimate, b = newBuilder(r, c, w, p, nil).restricted(weights, in).build(p.Answer.Estimator)
				all = append(all, work{&s.Estimate, b})
				owner, made = append(owner, p), append(made, s)
			}
		}
	}
	r.estimate(all, c, w)
	for i, s := range made {
		owner[i].Segments = append(owner[i].Segments, *s)
	}
}
