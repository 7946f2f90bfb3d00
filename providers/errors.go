package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class is what kind of failure an [Error] is; it alone decides whether a call
// is tried again.
type Class string

// The classes. Those that a later attempt may cure are marked (retried).
const (
	ClassAuth        Class = "auth"         // key missing, refused or without rights
	ClassQuota       Class = "quota"        // balance or spend limit exhausted
	ClassRateLimited Class = "rate_limited" // too many requests (retried)
	ClassOverloaded  Class = "overloaded"   // server error or load shedding (retried)
	ClassTimeout     Class = "timeout"      // no answer in time (retried)
	ClassNetwork     Class = "network"      // connection refused, reset or torn (retried)
	ClassBrokenReply Class = "broken_reply" // an answer that does not parse (retried)
	// the server named another spelling of a field, which the provider now sends (retried)
	ClassAdapted       Class = "adapted"
	ClassBadRequest    Class = "bad_request"     // the server rejects the request itself
	ClassModelNotFound Class = "model_not_found" // unknown or withdrawn model
	ClassTooLong       Class = "context_too_long"
	ClassFiltered      Class = "content_filtered"
	ClassBudget        Class = "budget"   // the call would have passed the budget; nothing was sent
	ClassCanceled      Class = "canceled" // the caller's context ended; never retried, and no verdict on the item
	ClassLedger        Class = "ledger"   // the ledger could not be written
	ClassUnknown       Class = "unknown"  // the Provider returned an error of no class
)

// Retryable reports whether another attempt may succeed.
func (c Class) Retryable() bool {
	switch c {
	case ClassRateLimited, ClassOverloaded, ClassTimeout, ClassNetwork, ClassBrokenReply, ClassAdapted:
		return true
	}
	return false
}

// Stops reports whether no other call of the same kind can succeed either, so that a
// caller should stop and show the error: a refused key, an empty balance, a spent
// budget, an unknown model, a ledger that cannot be written, a context that ended.
func (c Class) Stops() bool {
	switch c {
	case ClassAuth, ClassQuota, ClassBudget, ClassModelNotFound, ClassLedger, ClassCanceled:
		return true
	}
	return false
}

// ContextClass is the class of an attempt that a context ended: err is the
// context's error. A deadline is [ClassTimeout], anything else [ClassCanceled].
func ContextClass(err error) Class {
	if errors.Is(err, context.DeadlineExceeded) {
		return ClassTimeout
	}
	return ClassCanceled
}

// Error is a failed call: what was attempted, where, why, and what to do.
type Error struct {
	Op       string // "generate", "score prompt", "list models"
	Provider string
	Model    string
	Tag      Tag
	Class    Class
	Status   int    // HTTP status, 0 where no answer came
	Code     string // the server's own code, if any
	Param    string // the request field that the server objects to, if it names one
	Message  string // the server's own words, at most 1 KiB, never a credential
	Hint     string // what a person can do about it
	// RetryAfter is the server's wish, 0 where it has none.
	RetryAfter time.Duration
	// Sent reports that the request reached the wire, so that it may be billed
	// although no usage was seen.
	Sent  bool
	Usage *Usage // usage seen despite the failure
	Meta  Meta
	Err   error // cause
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "providers: %s %s", e.Provider, e.Op)
	if e.Model != "" {
		fmt.Fprintf(&b, " %s", e.Model)
	}
	if key := e.Tag.record(); key != "" {
		fmt.Fprintf(&b, " [%s %s]", e.Tag.Stage, key)
	}
	fmt.Fprintf(&b, ": %s", e.Class)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Meta.Attempts > 1 {
		fmt.Fprintf(&b, " after %d attempts", e.Meta.Attempts)
	}
	switch {
	case e.Message != "":
		fmt.Fprintf(&b, ": %s", e.Message)
	case e.Err != nil:
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause, so that errors.Is sees context.Canceled,
// io.ErrUnexpectedEOF and the like.
func (e *Error) Unwrap() error { return e.Err }
