package teacherforce

import (
	"errors"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// judge puts the pair to every method and picks the value.
func (f *Forcer) judge(p offpolicy.Policy, promptID string, pair Pair, r Response, calls int) (Result, error) {
	res := Result{Methods: make(map[string]MethodResult), PolicyHash: p.Hash(), Calls: calls, Distribution: dataset.RawDistribution, State: stateOf(r)}
	answers := make([]Answer, len(f.strategies))
	var used *Answer
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, s := range f.strategies {
		a := s.Score(pair)
		answers[i] = a
		res.Methods[s.Name()] = a.MethodResult
		res.Flags = append(res.Flags, a.Flags...)
		if a.Status != OK {
			continue
		}
		lo, hi = min(lo, a.LogProb.OrNaN()), max(hi, a.LogProb.OrNaN())
		if used == nil {
			used = &answers[i]
			res.Method = s.Name()
		}
	}
	if used == nil {
		class, why := verdict(answers)
		e := f.fail(p, promptID, class, "", errors.New(why), calls)
		e.Err = nil
		e.Methods, e.Flags = res.Methods, tidy(res.Flags)
		return Result{}, e
	}
	res.LogProb, res.TokenLogProbs, res.Tokens = used.LogProb, used.TokenLogProbs, len(used.TokenLogProbs)
	res.Spread = dataset.Known(hi - lo)
	if res.Spread.OrNaN() > f.tolerance*(1+math.Abs(res.LogProb.OrNaN())) {
		res.Flags = append(res.Flags, FlagDisagree)
	}
	res.Flags = append(res.Flags, anomalies(pair, res.TokenLogProbs)...)
	if p.Sampling.Neutral() {
		res.Distribution = dataset.SamplingDistribution
	} else if own := ownSampling(p, pair, r); own.Status == OK {
		res.LogProb, res.TokenLogProbs, res.Tokens = own.LogProb, own.TokenLogProbs, len(own.TokenLogProbs)
		res.Method, res.Distribution = MethodSampling, dataset.SamplingDistribution
		res.Methods[MethodSampling] = own.MethodResult
	}
	if pair.Sampled != nil && pair.JointEcho.ids() == nil {
		res.Flags = append(res.Flags, FlagIDsUnverified)
	}
	if pair.ContextEcho.Added > 0 {
		res.Flags = append(res.Flags, FlagBOSAdded)
	}
	res.Flags = tidy(res.Flags)
	return res, nil
}

// ownSampling is what the server said while p drew r: the log-prob under p's
// tempered and filtered distribution, which no echo can give.
func ownSampling(p offpolicy.Policy, pair Pair, r Response) Answer {
	want := len(pair.Sampled)
	if pair.EndOfTurn != "" {
		want++
	}
	if r.By != p || pair.Sampled == nil || len(r.Sampling) == 0 || len(r.Sampling) != want {
		return refuse(ReasonUnsupported, "the log-probs that the response was drawn with are not known")
	}
	tokens := make([]providers.Token, len(r.Sampling))
	for i, v := range r.Sampling {
		tokens[i].LogProb = dataset.Known(v)
	}
	return sum(tokens, 0)
}

func stateOf(r Response) State {
	switch {
	case !r.Ended:
		return StateTruncated
	case r.Text == "":
		return StateEmpty
	}
	return StateEnded
}

// classes orders the reasons by how much they say about what is wrong: where the
// methods failed for several, the first of these names the error.
var classes = []struct {
	reason Reason
	class  string
}{
	{ReasonInvalid, ClassInvalid},
	{ReasonMissing, ClassMissing},
	{ReasonAltered, ClassAltered},
	{ReasonSeam, ClassSeam},
	{ReasonRetokenised, ClassRetokenised},
	{ReasonRendered, ClassRendered},
	{ReasonUnsupported, ClassUnsupported},
}

func verdict(answers []Answer) (class, why string) {
	for _, c := range classes {
		for _, a := range answers {
			if a.Reason == c.reason {
				return c.class, a.Detail
			}
		}
	}
	return ClassError, answers[0].Detail
}

// fail makes the error of a response without a value. Every configured method
// is in it, so that counts of methods and their failures add up to the pairs.
func (f *Forcer) fail(p offpolicy.Policy, promptID, class string, reason Reason, err error, calls int) *Error {
	e := &Error{Class: class, Message: err.Error(), Policy: p.Name, Prompt: promptID, Methods: make(map[string]MethodResult), Calls: calls, Err: err}
	for _, s := range f.strategies {
		e.Methods[s.Name()] = failed(reason)
	}
	return e
}

func tidy(flags []string) []string {
	slices.Sort(flags)
	return slices.Compact(flags)
}
