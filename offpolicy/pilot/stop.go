package pilot

import (
	"github.com/reweigh/reweigh/providers"
)

// Stop says where and why a run ended early.
type Stop struct {
	Stage   string
	Class   string // a [providers.Class], or "certification", "interrupted", "running"
	Message string
	Key     string // the record that it happened at, if one
	// Open are the stages that still owed records then. Stages overlap, so that
	// it is not those behind Stage.
	Open []string
}

// resumable reports whether what is missing is merely not there yet.
func (s *Stop) resumable() bool {
	switch s.Class {
	case string(providers.ClassBudget), "interrupted", "running":
		return true
	}
	return false
}

// running reports whether the run goes on.
func (s *Stop) running() bool { return s.Class == "running" }
