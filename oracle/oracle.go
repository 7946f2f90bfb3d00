package oracle

import (
	"context"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Generator is the one method a [Labeler] needs; *providers.Client has it.
type Generator interface {
	Generate(context.Context, providers.GenerateRequest) (providers.Generation, error)
}

// Oracle labels responses. Its methods are safe for concurrent use.
type Oracle interface {
	// Identity is the oracle's name and a hash over what changes its labels.
	Identity() string
	// Label returns the label, in [0, 1], of one response to one prompt. The tag
	// names the record in the ledger and in errors. An [*UnlabeledError] means
	// that the oracle gave no label; any other error, that it could not be asked.
	Label(ctx context.Context, tag providers.Tag, key dataset.Key, prompt dataset.Prompt, response string) (float64, error)
}

// Reasons for which a response is unlabelled.
const (
	ReasonUnparsable    = "unparsable"     // not the object asked for, or a value off the scale
	ReasonRefused       = "refused"        // the model declined to label
	ReasonFiltered      = "filtered"       // the service's content filter intervened
	ReasonTruncated     = "truncated"      // the oracle's reply was cut at MaxTokens
	ReasonEmptyResponse = "empty_response" // the oracle replied with nothing
	ReasonTooLong       = "too_long"       // conversation and response pass MaxMaterial; nothing was sent
	ReasonMissing       = "missing"        // the file of labels has none for this key
)

// UnlabeledError is an oracle's answer that holds no label.
type UnlabeledError struct {
	Oracle string // identity
	Key    string // the record's key
	Reason string // one of the Reason constants
	Reply  string // the beginning of the reply, at most 200 bytes
	Err    error  // what was wrong with it; nil where Reason says it all
}

func (e *UnlabeledError) Error() string {
	s := fmt.Sprintf("oracle: %s [%s]: unlabelled: %s", e.Oracle, e.Key, e.Reason)
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
	case ReasonUnparsable:
		s += "; use a model that keeps to a JSON schema"
	case ReasonMissing:
		s += "; add a line for this response to the file of labels"
	}
	return s
}

// Unwrap returns the cause.
func (e *UnlabeledError) Unwrap() error { return e.Err }
