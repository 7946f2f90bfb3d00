package teacherforce

import (
	"bytes"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// alternativesWanted is how many alternatives to each token are asked for under a policy
// that samples otherwise than its model; a server gives as many as it has.
const alternativesWanted = 20

// narrow is the widest interval, in nats, whose middle stands for the log-prob where a
// number is wanted: it is known to 1% then. Weights take the interval.
const narrow = 0.02

// temperedOf is the value of r under p from the alternatives that the server shows. ok is
// false if it shows none: then nothing but the raw value is known.
//
// drawn says that p, or a clone of it, drew the response, so that its tokens are kept.
// excluded is the probability that a response which the model draws from its whole
// distribution leaves what p keeps, at least, if it goes along this one.
func (f *Forcer) temperedOf(p offpolicy.Policy, pair Pair, raw Reading, drawn bool) (total temper.Value,
	tokens []temper.Value, excluded float64, ok bool) {
	for _, e := range []Echo{pair.IDsEcho, pair.JointEcho} {
		n := len(raw.TokenLogProbs)
		if n == 0 || n > len(e.Tokens) || e.Asked == 0 {
			continue
		}
		tail := e.Tokens[len(e.Tokens)-n:]
		same := true
		for i, t := range tail {
			same = same && t.LogProb.OrNaN() == raw.TokenLogProbs[i]
		}
		if !same {
			continue
		}
		shown, stays := false, 1.0
		for _, t := range tail {
			shown = shown || len(t.Top) > 0
			pos := positionOf(t, e.Asked, f.noise)
			pos.Vocabulary, pos.Drawn = f.sizes[p.Model], drawn
			tokens = append(tokens, temper.LogProb(pos, p.Sampling, e.Filters))
			stays *= 1 - temper.Excluded(pos, p.Sampling, e.Filters)
		}
		return temper.Sum(tokens), tokens, 1 - stays, shown
	}
	return temper.Value{}, nil, 0, false
}

// positionOf is what the server shows of a token.
func positionOf(t providers.Token, asked int, noise float64) temper.Position {
	pos := temper.Position{Asked: asked, Noise: noise,
		Scored: temper.Token{ID: t.ID, Text: nameOf(t.Text, t.Bytes), LogProb: t.LogProb.OrNaN()}}
	for _, a := range t.Top {
		pos.Top = append(pos.Top, temper.Token{ID: a.ID, Text: nameOf(a.Text, a.Bytes), LogProb: a.LogProb.OrNaN()})
	}
	slices.SortFunc(pos.Top, func(a, b temper.Token) int { return a.ID - b.ID })
	if n := len(pos.Top); n > 1 && pos.Top[0].ID == pos.Top[n-1].ID { // a provider that sets none
		for i := range pos.Top {
			pos.Top[i].ID = -1
		}
	}
	return pos
}

// nameOf tells a token from others if its id is unknown.
func nameOf(text string, exact []byte) string {
	if exact != nil {
		return string(bytes.Clone(exact))
	}
	return text
}

// temper gives the result of a policy that samples otherwise than its model the log-prob
// of the sampling distribution, as far as it is known: from what the server said
// while the policy, or a clone of it, drew the response; else from the alternatives that
// it shows. Without either the values stay raw, and say so.
func (f *Forcer) temper(res *Result, p offpolicy.Policy, pair Pair, r Response, raw Reading) {
	own := ownSampling(p, pair, r)
	total, tokens, excluded, shown := f.temperedOf(p, pair, raw, r.By.Hash() == res.PolicyHash)
	if shown {
		res.bounds = tokens
		res.Excluded = dataset.Known(excluded)
	}
	switch {
	// A clone is held against its own calls: it takes the value if its alternatives
	// allow that, and has none without them.
	case own.Status == OK && (r.By == p || shown):
		res.LogProb, res.TokenLogProbs, res.Tokens = own.LogProb, own.TokenLogProbs, len(own.TokenLogProbs)
		res.Method, res.Distribution = MethodSampling, dataset.SamplingDistribution
		res.Methods[MethodSampling] = own.MethodResult
		if shown && !allows(total, own.LogProb.OrNaN(), f.noise*float64(res.Tokens)/p.Sampling.Temperature) {
			res.Flags = append(res.Flags, FlagSupport)
		}
		return
	case !shown:
		return
	}
	res.Distribution, res.Method = dataset.SamplingDistribution, MethodTempered
	res.LogProb, res.TokenLogProbs, res.Vocabulary = dataset.Float{}, nil, f.sizes[p.Model]
	switch total.Kind {
	case temper.Outside:
		res.OutsideSupport = true
		res.Methods[MethodTempered] = failed(ReasonOutside)
		if r.By.Hash() == res.PolicyHash { // it drew the response itself
			res.Flags = append(res.Flags, FlagSupport)
		}
		return
	case temper.Unbounded:
		// Some of the tokens' alternatives bound nothing: any log-prob may be right.
		res.Interval = &[2]dataset.Float{{}, dataset.Known(0)}
		res.Methods[MethodTempered] = failed(ReasonUnsupported)
		if total.Why == temper.NoVocabulary {
			res.Methods[MethodTempered] = failed(ReasonVocabulary)
		}
		return
	case temper.Interval:
		res.Interval = &[2]dataset.Float{{}, dataset.Known(total.Upper)}
		if !math.IsInf(total.Lower, -1) {
			res.Interval[0] = dataset.Known(total.Lower)
		}
	}
	if total.Upper-total.Lower > narrow {
		res.Methods[MethodTempered] = failed(ReasonWide)
		return
	}
	res.LogProb = dataset.Known(total.Lower + (total.Upper-total.Lower)/2)
	for _, t := range tokens {
		res.TokenLogProbs = append(res.TokenLogProbs, t.Lower+(t.Upper-t.Lower)/2)
	}
	res.Methods[MethodTempered] = MethodResult{LogProb: res.LogProb, Status: OK}
}

// allows reports whether a value may be v, within slack.
func allows(total temper.Value, v, slack float64) bool {
	switch total.Kind {
	case temper.Unbounded:
		return true
	case temper.Outside:
		return false
	}
	return v >= total.Lower-slack && v <= total.Upper+slack
}
