package offpolicy

// Status is how a check of package offpolicy came out: the clone check, the transport
// audit, the check of the calibration.
type Status string

// The statuses.
const (
	StatusPass         Status = "pass"
	StatusHold         Status = "hold" // it may be right, and may not
	StatusFail         Status = "fail"
	StatusInfo         Status = "info"         // it says nothing either way
	StatusInconclusive Status = "inconclusive" // too few probes to tell
	StatusNotGraded    Status = "not_graded"   // nobody said how much is allowed
	StatusNoProbes     Status = "no_probes"    // there is nothing to audit
)
