package judge

import (
	"context"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Generator is the one method a judge needs; *providers.Client has it.
type Generator interface {
	Generate(context.Context, providers.GenerateRequest) (providers.Generation, error)
}

// The sources of a [Score]'s variance.
const (
	SourceDeterministic = "deterministic" // 0: of repeated reading, not of error
	SourceRepeated      = "repeated"      // s²/k over k readings
	SourceInterval      = "interval"      // the model's own 95% interval, (width/3.92)²
	SourceTokens        = "tokens"        // the spread of the score token's distribution
	SourcePanel         = "panel"         // s²/m over m judges
)

// Score is a judge's opinion of one response.
type Score struct {
	Mean     dataset.Float // in [0, 1]
	Variance dataset.Float // of Mean, in squared units of Mean; missing if a scorer of one's own knows none
	Source   string        // where Variance comes from
	// Readings are the single readings behind Mean, in order, where there are
	// several: those of one judge, or the means of a panel's members.
	Readings []float64
	// Repaired reports that a reply was not in the form asked for, and yet left
	// no choice: see the package comment.
	Repaired bool
}

// Scorer scores responses. Its methods are safe for concurrent use.
type Scorer interface {
	// Identity is the judge's name and a hash over what changes its scores.
	Identity() string
	// Score scores one response to one prompt. The tag names the record in the
	// ledger and in errors. An [*UnscoredError] means that the judge answered and
	// gave no score; any other error, that it could not be asked.
	Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (Score, error)
}

// Reasons for which a response is unscored.
const (
	ReasonUnparsable    = "unparsable"     // not the object asked for, or a value off the scale
	ReasonRefused       = "refused"        // the model declined to judge
	ReasonFiltered      = "filtered"       // the service's content filter intervened
	ReasonTruncated     = "truncated"      // the judge's reply was cut at MaxTokens
	ReasonEmptyResponse = "empty_response" // the judge replied with nothing
	ReasonTooLong       = "too_long"       // conversation and response pass MaxMaterial; nothing was sent
	ReasonNoLogProbs    = "no_logprobs"    // a Tokens judge's reply came without usable log-probs
	ReasonLowMass       = "low_mass"       // a Tokens judge's model is elsewhere than on the scale
)

// UnscoredError is a judge's reply that holds no score.
type UnscoredError struct {
	Judge  string // identity
	Key    string // the record's key
	Reason string // one of the Reason constants
	Reply  string // the beginning of the reply, at most 200 bytes
	Err    error  // what was wrong with it; nil where Reason says it all
}

func (e *UnscoredError) Error() string {
	s := fmt.Sprintf("judge: %s [%s]: unscored: %s", e.Judge, e.Key, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Reply != "" {
		s += fmt.Sprintf(" (reply %q)", e.Reply)
	}
	switch e.Reason {
	case ReasonTruncated:
		s += "; raise MaxTokens"
	case ReasonTooLong:
		s += "; raise MaxMaterial if the model has room for it"
	case ReasonNoLogProbs:
		s += "; use a server that gives log-probs and a scale of numbers that are one token each, or another kind of judge"
	case ReasonLowMass:
		s += "; ask for more alternatives, use a scale with fewer values, or another kind of judge"
	case ReasonUnparsable:
		s += "; use a model that keeps to a JSON schema"
	}
	return s
}

// Unwrap returns the cause.
func (e *UnscoredError) Unwrap() error { return e.Err }
