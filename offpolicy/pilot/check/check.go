package check

import (
	"fmt"
	"slices"
	"sync"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Check is one question put to the records of a run. A check is one literal, in the
// file of its family: it adds itself to the list of all of them.
type Check struct {
	// ID is a contract: reports and waivers name it. That of a check PerTarget has
	// the target's name behind it.
	ID string
	// After is the id of the check behind which it is listed; empty for the first.
	After string
	// Needs is the stage whose records it reads, record.WholeRun for all of them,
	// and empty if it can say something of any run. A check whose records are not
	// all there is not computed.
	Needs string
	// Readiness marks what judges the estimates and not the pipeline: without its
	// records it informs.
	Readiness bool
	// OfSample marks what is asked of a sample as a whole: of a shard it is not, but
	// when the shards are merged.
	OfSample bool
	// PerTarget asks the question of every target by itself.
	PerTarget bool
	// InPlace says that another start in the same folder can clear it: what it
	// misses is made then, or it compares the run with its settings.
	InPlace bool
	// Threshold says in a sentence what passes.
	Threshold func(*Input) string
	// Remedy is what to do unless it passes.
	Remedy record.Remedy
	// Find reads the records and sets the finding's status, summary and evidence,
	// and its remedy if it knows a better one.
	Find func(*Input, *record.Finding)

	target string // of one PerTarget
}

// Input is what a check reads.
type Input struct {
	Records    *record.Records
	Thresholds Thresholds
	Projection record.Projection // to the full run
	Target     string            // the policy that a check PerTarget asks after
}

// says is a threshold that no number of [Thresholds] is part of.
func says(s string) func(*Input) string { return func(*Input) string { return s } }

// shareThreshold is that of records that may be missing, by policy.
func shareThreshold(what string) func(*Input) string {
	return func(in *Input) string {
		t := in.Thresholds
		return fmt.Sprintf("per policy: at most %.0f%% %s passes, %.0f%% holds, more fails", 100*t.MissingPass, what,
			100*t.MissingHold)
	}
}

var added []Check

// add takes a check into the list.
func add(c Check) struct{} {
	added = append(added, c)
	return struct{}{}
}

// all are the checks in the order of a report, which is that of a run.
var all = sync.OnceValue(func() []Check { return ordered(added) })

// ordered lists every check behind the one that its After names. Of several behind one, those
// with the fewest behind themselves come first: a new check stands at once behind the one that
// it names, and the others go on after it.
func ordered(checks []Check) []Check {
	behind := map[string][]Check{}
	for _, c := range checks {
		behind[c.After] = append(behind[c.After], c)
	}
	var list func(id string) []Check
	list = func(id string) []Check {
		var parts [][]Check
		for _, c := range behind[id] {
			parts = append(parts, append([]Check{c}, list(c.ID)...))
		}
		slices.SortStableFunc(parts, func(a, b []Check) int { return len(a) - len(b) })
		return slices.Concat(parts...)
	}
	out := list("")
	for _, c := range checks {
		if !slices.ContainsFunc(out, func(o Check) bool { return o.ID == c.ID }) {
			panic("check: " + c.ID + " is listed after " + c.After + ", which is no check")
		}
	}
	return out
}

// For lists the checks of a run with these policies, in the order of a report: one
// PerTarget is there once for each target, by the id that its findings have.
func For(arms record.Arms) []Check {
	var out []Check
	for _, c := range all() {
		if !c.PerTarget {
			out = append(out, c)
			continue
		}
		for _, a := range arms.Targets() {
			one := c
			one.ID, one.target = c.ID+"."+a.Policy.Name, a.Policy.Name
			out = append(out, one)
		}
	}
	return out
}

// Run puts every check to the records. A check whose records are not all there
// fails, or holds if the run can simply go on; it is never left out. Waived maps the
// ids that do not count to the reason for it.
func Run(in Input, waived map[string]string) []record.Finding {
	checks := For(in.Records.Arms)
	out := make([]record.Finding, len(checks))
	for i, c := range checks {
		f := &out[i]
		*f = record.Finding{ID: c.ID, Waived: waived[c.ID]}
		if c.OfSample && !in.Records.Shard.Whole() {
			f.NotApply("asked of the whole run, when its shards are merged")
			f.Threshold = "the run is not a part of another"
		} else if c.Needs != "" && !in.Records.Reached(c.Needs) {
			notComputed(f, in.Records.Stop, c.Readiness)
		} else {
			in := in
			in.Target = c.target
			f.Threshold = c.Threshold(&in)
			f.SetRemedy(c.Remedy)
			c.Find(&in, f)
		}
		switch f.Status {
		case record.Pass, record.Info, record.NotApplicable:
			f.SetRemedy(record.Remedy{})
		}
		if f.Evidence.Figures == nil {
			f.Evidence.Figures = []record.Figure{}
		}
		if f.Evidence.Records == nil {
			f.Evidence.Records = []string{}
		}
	}
	return out
}

func notComputed(f *record.Finding, s *record.Stop, readiness bool) {
	switch {
	case readiness:
		f.Status = record.Info
	case s.Resumable():
		f.Status = record.Hold
	default:
		f.Status = record.Fail
	}
	f.Threshold = "its records are complete"
	if s.Running() {
		f.State, f.Remedy = record.ToCome, "wait"
		f.Summary = "not computed: the run goes on, in stage " + s.Stage
		return
	}
	f.State = record.NotComputed
	f.Summary = fmt.Sprintf("not computed: the run stopped in stage %s (%s)", s.Stage, s.Why())
	f.Remedy = "see run.errors; start the run again once the cause is fixed, it goes on from there"
	if s.Kind == record.StopUncertified {
		f.Remedy = "see endpoint.certified"
	}
}

// shareStatus grades bad of n against a pass and a hold share: at most
// floor(n·pass), but always one once n·pass reaches one, passes.
func shareStatus(bad, n int, pass, hold float64) record.Status {
	switch {
	case float64(bad) <= pass*float64(n):
		return record.Pass
	case float64(bad) <= hold*float64(n):
		return record.Hold
	default:
		return record.Fail
	}
}
