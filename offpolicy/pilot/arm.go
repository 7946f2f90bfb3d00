package pilot

import "github.com/reweigh/reweigh/offpolicy"

// Role is what a policy is in the run.
type Role string

// The roles. Exactly one policy logs; a clone is a target that equals the
// logging policy and therefore must have weights of 1.
const (
	Logging Role = "logging"
	Target  Role = "target"
	Clone   Role = "clone"
)

// Arm is a policy in a run, with what its author expects of it.
type Arm struct {
	Policy offpolicy.Policy
	Role   Role
	// ExpectedTokens is the assumed mean length of its responses, in tokens:
	// the cost estimate's one declared assumption about behaviour.
	ExpectedTokens float64
	// ExpectedRank orders the arms by expected quality, 1 best; arms of equal
	// rank are not compared, 0 leaves the arm out.
	ExpectedRank int
}
