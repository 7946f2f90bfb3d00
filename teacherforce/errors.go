package teacherforce

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/providers"
)

// Class is the kind of an [Error]. A call that failed has the class of its
// [providers.Error] instead of one of these.
type Class string

// The classes.
const (
	ClassInvalid     Class = "invalid_logprob" // a log-prob is positive or infinite
	ClassMissing     Class = "missing_logprob" // a log-prob is null
	ClassAltered     Class = "altered"         // the echo does not spell the text that was sent
	ClassSeam        Class = "seam"            // a token spans the seam and the sampled ids cannot be scored
	ClassRetokenised Class = "retokenised"     // the text's tokens are not the sampled ones and those cannot be scored
	ClassRendered    Class = "rendered"        // only the chat method was asked, and the server renders another text
	ClassUnsupported Class = "unsupported"     // the server gives no prompt log-probs
	ClassFiltered    Class = "filtered"        // a filter ended or withheld the response
	ClassEmpty       Class = "empty_response"  // no text, and no end-of-turn token that counts
	ClassContext     Class = "bad_context"     // the context cannot be rendered
	ClassError       Class = "error"           // anything else
)

// Error says why a response has no log-prob.
type Error struct {
	Class   Class
	Message string
	Policy  string                  // policy name
	Prompt  string                  // prompt id
	Methods map[string]MethodResult // the answer of every method
	Flags   []Flag
	Calls   int   // calls made before giving up
	Err     error // cause, if any
}

func (e *Error) Error() string {
	return fmt.Sprintf("teacherforce: score %s under %s: %s: %s", e.Prompt, e.Policy, e.Class, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// asError makes an [*Error] of any error.
func asError(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Class: classOf(err), Message: err.Error(), Err: err}
}

func classOf(err error) Class {
	var p *providers.Error
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return ClassUnsupported
	case errors.As(err, &p):
		return Class(p.Class)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Class(providers.ClassCanceled)
	}
	return ClassError
}
