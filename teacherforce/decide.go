package teacherforce

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// decide puts the pair to every method and takes the value of the first that answers.
func (f *Forcer) decide(p offpolicy.Policy, promptID string, pair Pair, r Response, calls int) (Result, error) {
	res := Result{Methods: make(map[string]MethodResult), PolicyHash: p.Hash(), Calls: calls,
		Distribution: dataset.RawDistribution, State: stateOf(r)}
	answers := make([]Reading, len(f.strategies))
	var used *Reading
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, s := range f.strategies {
		a := checked(s.Score(pair), pair)
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
		cause, why := commonCause(answers)
		e := f.fail(p, promptID, cause, errors.New(why), calls)
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
	} else {
		f.temper(&res, p, pair, r, *used)
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

// checked returns the answer of a strategy if it keeps what [Strategy] promises,
// and a failure otherwise. A caller's own strategy gets no further than this with a
// value that is no log-probability.
func checked(a Reading, pair Pair) Reading {
	v, known := a.LogProb.Get()
	broken := func(r Reason, format string, args ...any) Reading {
		flags := a.Flags
		if known && v > positiveSlack {
			flags = append(slices.Clone(flags), FlagPositive)
		}
		return refuse(r, "the method's answer breaks its contract: "+fmt.Sprintf(format, args...), flags...)
	}
	switch {
	case a.Status == Failed && a.Reason != "" && !known:
		return a
	case a.Status == Failed:
		return broken(ReasonInvalid, "it failed with the value %v and the reason %q; want no value, and a reason", a.LogProb,
			a.Reason)
	case a.Status != OK:
		return broken(ReasonInvalid, "its status is %q; want %q or %q", a.Status, OK, Failed)
	case !known:
		return broken(ReasonMissing, "its status is %q and it has no value", OK)
	case math.IsInf(v, 0) || v > positiveSlack:
		return broken(ReasonInvalid, "its value is %+g nats; want a finite value up to 0", v)
	case len(a.TokenLogProbs) == 0:
		return broken(ReasonInvalid, "it sums no tokens")
	case pair.Sampled != nil && len(a.TokenLogProbs) != pair.sampledTokens():
		return broken(ReasonInvalid, "it sums %d tokens, and %d were sampled", len(a.TokenLogProbs), pair.sampledTokens())
	}
	for i, t := range a.TokenLogProbs {
		if bad := check(providers.Token{LogProb: dataset.Known(t)}, i); bad.Reason != "" {
			return broken(bad.Reason, "%s", bad.Detail)
		}
	}
	return a
}

// ownSampling is what the server said while p drew r: the log-prob under p's
// tempered and filtered distribution, which no echo can give.
func ownSampling(p offpolicy.Policy, pair Pair, r Response) Reading {
	if r.By.Hash() != p.Hash() || pair.Sampled == nil || len(r.Sampling) == 0 || len(r.Sampling) != pair.sampledTokens() {
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

// causes orders the reasons by how much they say about what is wrong: if the
// methods failed for several, the first of these is the error's.
var causes = []Reason{ReasonInvalid, ReasonMissing, ReasonAltered, ReasonSeam, ReasonRetokenised, ReasonRendered,
	ReasonUnsupported}

func commonCause(answers []Reading) (cause Reason, why string) {
	for _, c := range causes {
		for _, a := range answers {
			if a.Reason == c {
				return c, a.Detail
			}
		}
	}
	return ReasonError, answers[0].Detail
}

// fail makes the error of a response without a value. Every configured method
// is in it, so that counts of methods and their failures add up to the pairs.
func (f *Forcer) fail(p offpolicy.Policy, promptID string, reason Reason, err error, calls int) *Error {
	e := &Error{Reason: reason, Message: err.Error(), Policy: p.Name, Prompt: promptID,
		Methods: make(map[string]MethodResult), Calls: calls, Err: err}
	for _, s := range f.strategies {
		e.Methods[s.Name()] = failed(reason)
	}
	return e
}

func tidy(flags []Flag) []Flag {
	slices.Sort(flags)
	return slices.Compact(flags)
}
