package offpolicy

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
	flush := func() {
		r.estimate(all, c, w)
		for i, s := range made {
			if s.Estimate.arm = nil; len(r.Prompts) > exactPrompts {
				s.Estimate.Influence = nil
			}
			owner[i].Segments = append(owner[i].Segments, *s)
		}
		all, owner, made = nil, nil, nil
	}
	in := make([]bool, len(fr.prompts))
	for _, kind := range c.Segments {
		for _, name := range fr.t.segmentNames(kind) {
			in, prompts := in, 0
			if c.Method == Bootstrap {
				in = make([]bool, len(in)) // it is kept until all are computed
			}
			clear(in)
			for i, p := range fr.prompt {
				if fr.t.segmentAt(kind, i) == name && !in[p] {
					in[p] = true
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
				s.Estimate, b = newBuilder(r, c, w, p, weights, in).build(p.Answer.Estimator)
				all, owner, made = append(all, work{&s.Estimate, b}), append(owner, p), append(made, s)
				if c.Method == InfluenceFunction { // nothing is shared: one at a time
					flush()
				}
			}
		}
	}
	flush()
}
