package record

import "errors"

// ErrShortened says that a run would leave out prompts that its folder has records of.
var ErrShortened = errors.New("a run can be extended and not shortened")

// Problem is one obstacle to starting a run, and what to do about it. As an error it
// says both.
type Problem struct {
	What   string
	Remedy Remedy
	Err    error // cause, may be nil
}

// Error says the problem and its remedy.
func (p *Problem) Error() string { return p.What + ": " + p.Remedy.String() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }
