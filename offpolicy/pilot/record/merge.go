package record

// MergeError says why folders cannot be put together as one run. Nothing was written then
// but, perhaps, an empty folder.
type MergeError struct{ Err error }

// Error says it.
func (e *MergeError) Error() string { return "pilot: merge: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *MergeError) Unwrap() error { return e.Err }
