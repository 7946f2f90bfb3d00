package record

import "github.com/reweigh/reweigh/providers"

// StopKind says what kind of end a [Stop] is.
type StopKind string

// The kinds. The zero kind is a failure, whose class says which.
const (
	StopFailed      StopKind = ""
	StopRunning     StopKind = "running"       // no end: the run goes on
	StopInterrupted StopKind = "interrupted"   // from outside; the next start goes on
	StopUncertified StopKind = "certification" // the endpoint's log-probs failed their probes
)

// Stop says where and why a run ended early.
type Stop struct {
	Stage   string
	Kind    StopKind
	Class   string // of a failure, mostly a providers.Class
	Message string
	Key     string // the record that it happened at, if one
	// Open are the stages that still owed records then. Stages overlap, so that
	// it is not those behind Stage.
	Open []string
	// Shards are those of a merged run that have not come to their end.
	Shards []int
}

// Why is the kind, or of a failure its class, in a word.
func (s *Stop) Why() string {
	if s.Kind == StopFailed {
		return s.Class
	}
	return string(s.Kind)
}

// Resumable reports whether what is missing is merely not there yet.
func (s *Stop) Resumable() bool { return s.Running() || s.Kind == StopInterrupted || s.OutOfBudget() }

// Running reports whether the run goes on.
func (s *Stop) Running() bool { return s.Kind == StopRunning }

// OutOfBudget reports whether the money of the run was spent.
func (s *Stop) OutOfBudget() bool {
	return s.Kind == StopFailed && s.Class == string(providers.ClassBudget)
}
