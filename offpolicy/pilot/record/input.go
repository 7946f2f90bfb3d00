package record

// Input says where the prompts came from.
type Input struct {
	Name   string
	SHA256 string
	// Notes are lines for the report: the format found, what was dropped.
	Notes []string
	// Held is how many prompts the input has, and so the most that a larger run of it can
	// take; 0 if there are as many as are asked for.
	Held int
}

// SchemaVersion is that of the run directory and of report.json.
const SchemaVersion = 2
