package record

import (
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// maxEvidenceRecords bounds the record keys that a check lists.
const maxEvidenceRecords = 20

// State says whether a finding was computed.
type State string

// The states. The zero state is that of a finding that was.
const (
	Computed    State = ""
	NotComputed State = "not_computed" // its records are not all there
	ToCome      State = "to_come"      // its records are being made
)

// SetRemedy sets what to do about the finding.
func (c *Finding) SetRemedy(r Remedy) { c.Remedy, c.Changes = r.Do, r.Changes }

// Advice is the remedy with the settings that it speaks of, in the words of the
// program that was started.
func (c *Finding) Advice() string { return withChanges(c.Remedy, c.Changes) }

// AddFigure appends one number to the check's evidence.
func (c *Finding) AddFigure(name string, value float64, unit string) {
	c.Evidence.Figures = append(c.Evidence.Figures, Figure{Name: name, Value: dataset.Known(value), Unit: unit})
}

// NameRecords sets the check's evidence to the named records, in order, cut at
// maxEvidenceRecords.
func (c *Finding) NameRecords(keys []string) {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) > maxEvidenceRecords {
		c.Evidence.MoreRecords = len(keys) - maxEvidenceRecords
		keys = keys[:maxEvidenceRecords]
	}
	c.Evidence.Records = keys
}

// NotApply says that the check has nothing to ask of this run, and why.
func (c *Finding) NotApply(why string) { c.Status, c.Summary = NotApplicable, why }

// Worsen raises the check's status to s if s is more severe.
func (c *Finding) Worsen(s Status) {
	order := []Status{"", NotApplicable, Info, Pass, Hold, Fail}
	if slices.Index(order, s) > slices.Index(order, c.Status) {
		c.Status = s
	}
}

// Inform makes a passing check an information.
func (c *Finding) Inform() {
	if c.Status == Pass {
		c.Status = Info
	}
}

// Status is how one check came out.
type Status string

// The statuses. Only Hold and Fail weigh on the decision; Info is a figure that
// gates nothing, and NotApplicable a question that does not arise in this run.
const (
	Pass          Status = "pass"
	Hold          Status = "hold"
	Fail          Status = "fail"
	Info          Status = "info"
	NotApplicable Status = "not_applicable"
)

// Evidence is what a check rests on. A reader can recompute the figures from
// the named records.
type Evidence struct {
	Figures []Figure `json:"figures"`
	// Records are keys (prompt_id/policy/draw) of the records that made the
	// check leave pass, at most 20 of them; MoreRecords
	// counts the rest.
	Records     []string `json:"records"`
	MoreRecords int      `json:"more_records,omitempty"`
}

// Figure is one named number of the evidence, with its unit if it has one.
type Figure struct {
	Name  string        `json:"name"`
	Value dataset.Float `json:"value"`
	Unit  string        `json:"unit,omitempty"` // "USD", "nats", "tokens", "s", "share"
	Note  string        `json:"note,omitempty"`
}

// Finding is what a check found.
type Finding struct {
	ID string `json:"id"`
	// State says whether it was computed; what was not has a status all the same.
	State     State    `json:"state,omitempty"`
	Status    Status   `json:"status"`
	Summary   string   `json:"summary"`
	Evidence  Evidence `json:"evidence"`
	Threshold string   `json:"threshold"`
	Remedy    string   `json:"remedy"`            // empty if the check passed
	Changes   []Change `json:"changes,omitempty"` // the settings that the remedy speaks of
	Waived    string   `json:"waived"`            // the reason it was waived for; empty if it was not
}
