package teacherforce

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/providers"
)

// The classes of an [Error] that this package itself gives. A call that failed
// has the class of the [providers.Error] instead.
const (
	ClassInvalid     = "invalid_logprob" // a log-prob above 0 or infinite
	ClassMissing     = "missing_logprob" // a null log-prob
	ClassAltered     = "altered"         // the echo does not spell what was sent
	ClassSeam        = "seam"            // a token spans the seam and the sampled ids cannot be scored
	ClassRetokenised = "retokenised"     // the text's tokens are not the sampled ones and those cannot be scored
	ClassRendered    = "rendered"        // the server renders the conversation otherwise, and no other method was asked
	ClassUnsupported = "unsupported"     // the server gives no prompt log-probs
	ClassFiltered    = "filtered"        // a filter ended or withheld the response
	ClassEmpty       = "empty_response"  // no text, and no end-of-turn token that counts
	ClassContext     = "bad_context"     // the context cannot be rendered
	ClassError       = "error"           // anything else
)

// Error is a response that has no log-prob, and why.
type Error struct {
	Class   string
	Message string
	Policy  string // policy name
	Prompt  string // prompt id
	// Methods is what each method said; Flags what was seen on the way.
	Methods map[string]MethodResult
	Flags   []string
	Calls   int   // calls made before giving up
	Err     error // cause, if any
}

func (e *Error) Error() string {
	return fmt.Sprintf("teacherforce: score %s under %s: %s: %s", e.Prompt, e.Policy, e.Class, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// asError gives any error the form that a record needs.
func asError(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Class: classOf(err), Message: err.Error(), Err: err}
}

func classOf(err error) string {
	var p *providers.Error
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return ClassUnsupported
	case errors.As(err, &p):
		return string(p.Class)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return string(providers.ClassCanceled)
	}
	return ClassError
}
