package pilot

import (
	"fmt"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// PreflightError lists everything that keeps a run from starting. Nothing was
// spent.
type PreflightError struct {
	Problems []record.Problem
}

// Error lists the problems, each with its remedy.
func (e *PreflightError) Error() string {
	s := "pilot: preflight refused"
	for _, p := range e.Problems {
		s += fmt.Sprintf("\n  - %s\n    %s", p.What, p.Remedy)
	}
	return s
}

// Unwrap returns the causes, for errors.Is and errors.As.
func (e *PreflightError) Unwrap() []error {
	var errs []error
	for _, p := range e.Problems {
		if p.Err != nil {
			errs = append(errs, p.Err)
		}
	}
	return errs
}
