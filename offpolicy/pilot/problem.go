package pilot

// Problem is one obstacle and what to do about it.
type Problem struct {
	What   string
	Remedy string
	Err    error // cause, may be nil
}
