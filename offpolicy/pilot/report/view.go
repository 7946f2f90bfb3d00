package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// view is a verdict whose numbers have become text. Markdown, HTML and Text
// render it and format nothing themselves, so they cannot disagree. Its strings
// are clean but not yet escaped for any of the three.
type view struct {
	Title    string
	Running  bool
	Banner   string // what to know before the decision; empty for a finished run
	Decision string // "GO", "HOLD", "NO-GO", "RUNNING" or "UNDECIDED"
	Subject  subject
	Badges   []badge
	Forest   forest
	Waivers  []fact
	Tally    string  // "2 fail, 1 hold, 3 info, 20 pass"
	Wrong    []group // checks that speak against the full run
	Groups   []group // the others

	Stages          table
	Cost            table
	CostLine        string
	Spending        table
	Assumptions     []string
	LogProbs        table
	Methods         table
	Forcing         table
	Weights         table
	WeightsLine     string
	Refusals        []fact
	Calibration     string
	CalibrationBins table
	Ranking         table
	Estimates       table
	EstimatesLine   string
	Differences     table
	EstimateReasons []fact
	Advice          []fact
	Policies        table // for a terminal: the whole of a policy in a line
	Projection      table
	// Answer says whether the full run would answer, Questions by policy.
	Answer          string
	Questions       table
	QuestionReasons []fact
	Runs            []fact // commands that one could start now
	// ProjectedPolicies bounds what weights can say in the full run.
	ProjectedPolicies table
	Notes             []string
	CannotSay         []string
	Warnings          []string
	Specimens         []pilot.Specimen
	Run               []fact
	Identities        table
	Served            table
	Versions          []fact
}

// fact is a name and its value.
type fact struct{ Name, Value string }

// group is the checks of one status.
type group struct {
	Status string // "fail", …
	Title  string // "Failed", …
	Wrong  bool   // whether it speaks against the full run
	Open   bool   // whether the evidence is shown without being asked for
	Checks []checkView
}

// checkView is a [pilot.Check] as text.
type checkView struct {
	ID, Status, Word, Summary string // Word is the status as people read it
	NotComputed               bool
	Waived                    string
	Figures                   []figureView
	Records                   []string
	More                      int
	Threshold, Remedy         string
}

type figureView struct{ Name, Value, Note string }

// severities are the statuses in order of weight.
var severities = []struct {
	status record.Status
	title  string
}{{record.Fail, "Failed"}, {record.Hold, "Held"}, {record.Info, "For information"},
	{record.Pass, "Passed"}, {record.NotApplicable, "Not applicable"}}

// word is a status as people read it.
func word(s record.Status) string { return clean(strings.ReplaceAll(string(s), "_", " ")) }

// severity is the place of s among the statuses, 0 the gravest, or -1 if it is
// none.
func severity(s record.Status) int {
	for i := range severities {
		if severities[i].status == s {
			return i
		}
	}
	return -1
}

func newView(v *pilot.Verdict) *view {
	mustHave(v)
	d := &view{
		Running:         v.State == pilot.Running,
		Decision:        clean(string(v.Decision)),
		Tally:           tally(v.Checks),
		Subject:         newSubject(v),
		Badges:          newBadges(v),
		Forest:          newForest(v),
		Stages:          stagesTable(v),
		Cost:            costTable(v),
		Spending:        spendingTable(v),
		CostLine:        costLine(v),
		LogProbs:        logProbTable(v),
		Methods:         methodTable(v),
		Forcing:         forcingTable(v),
		Weights:         weightTable(v),
		WeightsLine:     weightsLine(v),
		Refusals:        refusals(v),
		Calibration:     calibrationLine(v),
		CalibrationBins: calibrationTable(v),
		Ranking:         rankingTable(v),
		Estimates:       estimateTable(v),
		EstimatesLine:   estimatesLine(v),
		Differences:     differenceTable(v),
		Policies:        policyTable(v),
		Projection:      projectionTable(v),

		Answer:            clean(v.Projection.Answer),
		Questions:         questionTable(v),
		QuestionReasons:   questionReasons(v),
		Runs:              runCommands(v),
		ProjectedPolicies: projectedPolicies(v),
		Assumptions:       cleanAll(v.Cost.Assumptions),
		Notes:             cleanAll(v.Projection.Notes),
		CannotSay:         cleanAll(v.CannotSay),
		Warnings:          cleanAll(v.Warnings),
		Waivers:           cleanFacts(v.Waivers),
		Identities:        identityTable(v),
		Served:            servedTable(v),
		Versions:          cleanFacts(v.Run.Versions),
	}
	switch {
	case d.Decision == "":
		d.Decision = "UNDECIDED"
	case undecided(v):
		d.Decision = "RUNNING"
	}
	for _, g := range groups(v.Checks) {
		if g.Wrong {
			d.Wrong = append(d.Wrong, g)
		} else {
			d.Groups = append(d.Groups, g)
		}
	}
	switch v.State {
	case pilot.Running:
		d.Banner = "The run is still going on. Everything below is what the records said at " +
			instant(v.Run.Updated) + "."
	case pilot.Interrupted:
		d.Banner = "The run was interrupted. Everything below rests on the records it had by then; start it again with " +
			"the same configuration to go on."
	case pilot.Done:
	default:
		d.Banner = fmt.Sprintf("The run's state is %q, which this report does not know.", clean(string(v.State)))
	}
	d.Title = fmt.Sprintf("%s · pilot of %s prompts", d.Decision, count(v.Run.Prompts))
	if d.Running && !undecided(v) {
		d.Title = "Running: " + d.Title
	}
	for _, s := range v.Specimens {
		d.Specimens = append(d.Specimens, pilot.Specimen{
			Key: clean(s.Key), Why: clean(s.Why), Prompt: cleanBlock(s.Prompt), Response: cleanBlock(s.Response),
		})
	}
	d.Run = runFacts(v)
	d.EstimateReasons, d.Advice = estimateFacts(v)
	return d
}

// undecided reports whether a run goes on and nothing but checks that are still
// to come keep it from GO.
func undecided(v *pilot.Verdict) bool {
	if v.State != pilot.Running || v.Decision != record.HOLD {
		return false
	}
	for _, c := range v.Checks {
		if (c.Status == record.Fail || c.Status == record.Hold) && c.Waived == "" && c.State != record.ToCome {
			return false
		}
	}
	return true
}

// waived counts the checks that would have counted in the decision.
func waived(checks []record.Finding) int {
	n := 0
	for _, c := range checks {
		if c.Waived != "" && (c.Status == record.Fail || c.Status == record.Hold) {
			n++
		}
	}
	return n
}

func tally(checks []record.Finding) string {
	if len(checks) == 0 {
		return "no checks yet"
	}
	var parts []string
	other := len(checks)
	for _, s := range severities {
		n := 0
		for _, c := range checks {
			if c.Status == s.status {
				n++
			}
		}
		other -= n
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", count(n), word(s.status)))
		}
	}
	if other > 0 {
		parts = append(parts, fmt.Sprintf("%s of unknown status", count(other)))
	}
	if n := waived(checks); n > 0 {
		parts = append(parts, fmt.Sprintf("%s of them waived", count(n)))
	}
	return strings.Join(parts, ", ")
}

// quiet are the statuses whose evidence is shown only if it is asked for.
var quiet = []string{string(record.Pass), string(record.Info), string(record.NotApplicable), toComeStatus}

// groups orders the checks by severity. Within a group waived checks come last;
// else the verdict's own order, that of the run, is kept. A status that nobody
// knows comes first: it must not pass unseen.
func groups(checks []record.Finding) []group {
	var out []group
	add := func(status, title string, member func(record.Finding) bool) {
		loud := !slices.Contains(quiet, status)
		g := group{Status: status, Title: title, Wrong: loud, Open: loud && title != notComputed}
		for _, c := range checks {
			if member(c) {
				g.Checks = append(g.Checks, newCheckView(c))
			}
		}
		slices.SortStableFunc(g.Checks,
			func(a, b checkView) int { return boolRank(a.Waived != "") - boolRank(b.Waived != "") })
		if len(g.Checks) > 0 {
			out = append(out, g)
		}
	}
	add("unknown", "Of unknown status", func(c record.Finding) bool { return severity(c.Status) < 0 })
	toCome := func(c record.Finding) bool {
		return c.Status == record.Hold && c.Waived == "" && c.State == record.ToCome
	}
	// What was not computed follows from what stopped the run.
	skipped := func(c record.Finding) bool {
		return c.State == record.NotComputed && c.Waived == "" && (c.Status == record.Fail || c.Status == record.Hold)
	}
	for _, s := range severities {
		add(string(s.status), s.title, func(c record.Finding) bool {
			return c.Status == s.status && !toCome(c) && !skipped(c)
		})
		if s.status == record.Hold {
			worst := record.Hold
			if slices.ContainsFunc(checks, func(c record.Finding) bool { return skipped(c) && c.Status == record.Fail }) {
				worst = record.Fail
			}
			add(string(worst), notComputed, skipped)
			add(toComeStatus, "Still to come", toCome)
		}
	}
	return out
}

// notComputed is the title of the checks that had nothing to go by.
const notComputed = "Not computed"

// toComeStatus groups the checks that hold a run only until it is through.
const toComeStatus = "to come"

func newCheckView(c record.Finding) checkView {
	out := checkView{
		NotComputed: c.State == record.NotComputed || c.State == record.ToCome,
		ID:          clean(c.ID), Status: clean(string(c.Status)), Word: word(c.Status), Summary: clean(c.Summary),
		Waived: clean(c.Waived), Threshold: clean(c.Threshold), Remedy: clean(c.Advice()),
		Records: cleanAll(c.Evidence.Records), More: c.Evidence.MoreRecords,
	}
	for _, f := range c.Evidence.Figures {
		out.Figures = append(out.Figures, figureView{Name: clean(f.Name), Value: figure(f), Note: clean(f.Note)})
	}
	return out
}

func servers(live bool) string {
	if live {
		return "live"
	}
	return "simulated, no real money"
}

func runFacts(v *pilot.Verdict) []fact {
	r := v.Run
	budget := "none set"
	if r.Budget.Valid() {
		budget = usd(r.Budget.OrNaN())
	}
	facts := []fact{
		{"State", clean(string(v.State))},
		{"Started", instant(r.Started)},
		{"Updated", instant(r.Updated)},
		{"Prompts", count(r.Prompts)},
		{"Input", clean(r.Input)},
		{"Input SHA-256", clean(r.InputSHA)},
		{"Seed", fmt.Sprint(r.Seed)},
		{"Servers", servers(r.Live)},
		{"Budget", budget},
		{"Spent", usd(r.Spent)},
		{"Prices of", clean(r.Prices)},
		{"Judge", clean(r.Judge)},
		{"Oracle", clean(r.Oracle)},
		{"Schema version", fmt.Sprint(v.SchemaVersion)},
	}
	if r.Note != "" {
		facts = append(facts, fact{"Note", clean(r.Note)})
	}
	for i := range facts {
		if facts[i].Value == "" {
			facts[i].Value = absent
		}
	}
	return facts
}

// usable counts the targets whose weights may carry an estimate, and those whose
// weights may not.
func usable(v *pilot.Verdict) (yes, no int) {
	for _, p := range v.Policies {
		switch {
		case p.Weights == nil:
		case p.Weights.Usable:
			yes++
		default:
			no++
		}
	}
	return yes, no
}

func cleanAll(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = clean(s)
	}
	return out
}

func cleanFacts(m map[string]string) []fact {
	var out []fact
	for _, k := range sortedKeys(m) {
		out = append(out, fact{clean(k), clean(m[k])})
	}
	return out
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
