package record

// Input says where the prompts came from.
type Input struct {
	Name   string
	SHA256 string
	// Notes are lines for the report: the format found, what was dropped.
	Notes []string
}

// SchemaVersion is that of the run directory and of report.json.
const SchemaVersion = 2
