package teacherforce

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/providers"
)

// Error says why a response has no log-prob. If a call failed, its reason is the class of
// the [providers.Error].
type Error struct {
	Reason  Reason
	Message string
	Policy  string                  // policy name
	Prompt  string                  // prompt id
	Methods map[string]MethodResult // the answer of every method
	Flags   []Flag
	Calls   int   // calls made before giving up
	Err     error // cause, if any
}

func (e *Error) Error() string {
	return fmt.Sprintf("teacherforce: score %s under %s: %s: %s", e.Prompt, e.Policy, e.Reason, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// asError makes an [*Error] of any error.
func asError(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Reason: reasonOf(err), Message: err.Error(), Err: err}
}

func reasonOf(err error) Reason {
	var p *providers.Error
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return ReasonUnsupported
	case errors.As(err, &p):
		return Reason(p.Class)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Reason(providers.ClassCanceled)
	}
	return ReasonError
}
