package judge

import (
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/grading"
	"github.com/reweigh/reweigh/providers"
)

// Reason says why a response is unscored.
type Reason string

// The reasons of an [UnscoredError].
const (
	ReasonUnparsable    Reason = grading.Unparsable    // "unparsable": not one grade that can be read, on the scale
	ReasonRefused       Reason = grading.Refused       // "refused": the model declined to grade
	ReasonFiltered      Reason = grading.Filtered      // "filtered": the service's content filter intervened
	ReasonTruncated     Reason = grading.Truncated     // "truncated": the reply was cut at MaxTokens
	ReasonEmptyResponse Reason = grading.EmptyResponse // "empty_response": the reply is empty
	ReasonTooLong       Reason = grading.TooLong       // "too_long": the material exceeds MaxMaterial; nothing was sent
	ReasonNoLogProbs    Reason = "no_logprobs"         // NewTokens: the reply came without usable log-probs
	ReasonLowMass       Reason = "low_mass"            // NewTokens: the model would rather write something else
	ReasonInvalid       Reason = "invalid"             // a Scorer or Oracle returned a number outside [0, 1]
	ReasonMissing       Reason = "missing"             // the file of labels has none for this response
)

// UnscoredError is an answer of a judge or an oracle that holds no score or
// label. Any other error means that it could not be asked.
type UnscoredError struct {
	Grader string // identity of the judge or oracle
	Key    dataset.Key
	Reason Reason // one of the Reason constants
	Reply  string // the beginning of the reply, at most 200 bytes
	Err    error  // what is wrong with it; nil if Reason says it all
}

var remedies = map[Reason]string{
	ReasonUnparsable: "use a model that keeps to a JSON schema",
	ReasonTruncated:  "raise MaxTokens",
	ReasonTooLong:    "raise MaxMaterial if the model has room for it",
	ReasonNoLogProbs: "use a server that gives log-probs, a scale of one-token numbers, or another kind of judge",
	ReasonLowMass:    "ask for more alternatives, use a scale with fewer values, or another kind of judge",
	ReasonInvalid:    "map its numbers to [0, 1]",
	ReasonMissing:    "add a line for this response to the file of labels",
}

func (e *UnscoredError) Error() string {
	s := fmt.Sprintf("%s [%s]: unscored: %s", e.Grader, e.Key, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if remedy := remedies[e.Reason]; remedy != "" {
		s += "; " + remedy // in front of the reply, which may be cut
	}
	if e.Reply != "" {
		s += fmt.Sprintf(" (reply %q)", e.Reply)
	}
	return s
}

// Unwrap returns the cause.
func (e *UnscoredError) Unwrap() error { return e.Err }

// RecordError returns what a record says of an error that a judge or an oracle
// returned. Its class is the reason of an [*UnscoredError], the class of a
// [*providers.Error], or "error". A record's error is itself.
func RecordError(err error) *dataset.RecordError {
	var own *dataset.RecordError
	if errors.As(err, &own) {
		return own
	}
	var unscored *UnscoredError
	var call *providers.Error
	class := "error"
	switch {
	case errors.As(err, &unscored):
		class = string(unscored.Reason)
	case errors.As(err, &call):
		class = string(call.Class)
	}
	return &dataset.RecordError{Class: class, Message: err.Error()}
}
