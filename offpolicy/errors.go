package offpolicy

import (
	"errors"
	"fmt"
)

// ErrLoggingName is wrapped if a target policy has the name of the logging policy.
var ErrLoggingName = errors.New("is the name of the logging policy")

// RowError is a row of data that cannot be what it claims to be. Row is its
// index in the slice given, so that the caller can name the record.
type RowError struct {
	Op     string  // what was attempted: "log ratios", "weights", …
	Row    int     // index of the first such row
	Rows   int     // how many such rows there are
	Value  float64 // the offending value
	Reason string  // what is wrong with it, and what to do
}

func (e *RowError) Error() string {
	s := fmt.Sprintf("offpolicy: %s: row %d: %v: %s", e.Op, e.Row, e.Value, e.Reason)
	if e.Rows > 1 {
		s += fmt.Sprintf(" (%d such rows)", e.Rows)
	}
	return s
}

// add keeps the first offence and counts the later ones.
func (e *RowError) add(op string, row int, value float64, reason string) *RowError {
	if e == nil {
		return &RowError{Op: op, Row: row, Rows: 1, Value: value, Reason: reason}
	}
	e.Rows++
	return e
}

func mustMatch(op string, a, b int) {
	if a != b {
		panic(fmt.Sprintf("offpolicy: %s: slice length mismatch: %d and %d", op, a, b))
	}
}
