package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// table is one table of the report, its cells already text.
type table struct {
	Caption string
	Cols    []column
	Rows    [][]string
	Total   []string // the last row, set apart; nil for none
}

type column struct {
	Name string
	Num  bool // aligned to the right, in figures of equal width
	Drop int  // a narrow terminal drops the column of the highest Drop first; 0 stays
}

func text(name string) column { return column{Name: name} }
func num(name string) column  { return column{Name: name, Num: true} }

func (c column) drop(rank int) column { c.Drop = rank; return c }

// Numbers reports whether column i holds numbers, for the HTML template.
func (t table) Numbers(i int) bool { return t.Cols[i].Num }

// Repeats reports whether row i is about the same thing as the row before it:
// the HTML template sets such rows together.
func (t table) Repeats(i int) bool { return i > 0 && t.Rows[i][0] == t.Rows[i-1][0] }

func stagesTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Records owed and missing, calls, cost and time by stage; stages overlap",
		Cols: []column{text("Stage"), num("Items").drop(1), num("Failed"), num("To come").drop(7), num("Calls").drop(2),
			num("Retries").drop(3),
			num("Rate-limited").drop(4), num("Cost"), num("Time"), num("Expected live").drop(5)},
	}
	reference := clean(v.Cost.Reference)
	if reference != "" {
		t.Cols = append(t.Cols, num("Time, "+reference).drop(6))
	}
	expected := map[string]record.StageCost{}
	for _, e := range v.Cost.Stages {
		expected[e.Name] = e
	}
	var sum pilot.Stage
	for _, s := range v.Stages {
		e, ok := expected[s.Name]
		if !ok {
			e.ExpectedSeconds = dataset.Float{}
		}
		t.Rows = append(t.Rows, stageRow(s, e.ExpectedSeconds, reference != "", e.ReferenceTime))
		sum.Items += s.Items
		sum.Failed += s.Failed
		sum.Pending += s.Pending
		sum.Calls += s.Calls
		sum.Retries += s.Retries
		sum.Limited += s.Limited
		sum.CostUSD += s.CostUSD
	}
	if len(t.Rows) > 1 {
		sum.Name, sum.Seconds = "total", v.Run.Seconds
		t.Total = stageRow(sum, v.Cost.ExpectedSeconds, reference != "", "")
	}
	return t
}

func stageRow(s pilot.Stage, expected dataset.Float, hasReference bool, reference string) []string {
	row := []string{clean(s.Name), count(s.Items), count(s.Failed), count(s.Pending), count(s.Calls), count(s.Retries),
		count(s.Limited),
		usd(s.CostUSD), duration(s.Seconds), duration(expected.OrNaN())}
	if hasReference {
		row = append(row, cmp.Or(clean(reference), absent))
	}
	return row
}

func costTable(v *pilot.Verdict) table {
	t := table{
		Caption: "The estimate before the run, and the cost of the run, by stage",
		Cols: []column{text("Stage"), num("Calls expected"), num("Calls made"), num("Prompt tokens"),
			num("Completion tokens"),
			num("Expected"), num("At worst"), num("Actual"), num("Actual against expected")},
	}
	e := v.Cost
	reference := clean(e.Reference)
	if reference != "" {
		t.Cols = append(t.Cols, num("Calls, "+reference), num("Cost, "+reference))
	}
	row := func(name, made string, s record.StageCost) []string {
		row := []string{clean(name), count(s.Calls), made, rounded(s.PromptTokens), rounded(s.CompletionTokens),
			usd(s.ExpectedUSD), usd(s.WorstUSD), usd(s.ActualUSD.OrNaN()), change(s.ActualUSD.OrNaN(), s.ExpectedUSD)}
		if reference != "" {
			row = append(row, count(s.ReferenceCalls), usd(s.ReferenceUSD))
		}
		return row
	}
	made := map[string]string{}
	var allMade int
	for _, s := range v.Stages {
		made[s.Name] = count(s.Calls)
		allMade += s.Calls
	}
	sum := record.StageCost{Calls: e.Calls, ExpectedUSD: e.ExpectedUSD, WorstUSD: e.WorstUSD, ActualUSD: e.ActualUSD}
	for _, s := range e.Stages {
		t.Rows = append(t.Rows, row(s.Name, cmp.Or(made[s.Name], absent), s))
		sum.PromptTokens += s.PromptTokens
		sum.CompletionTokens += s.CompletionTokens
		sum.ReferenceCalls += s.ReferenceCalls
		sum.ReferenceUSD += s.ReferenceUSD
	}
	if len(t.Rows) > 1 {
		t.Total = row("total", count(allMade), sum)
	}
	return t
}

// spendingTable attributes the cost.
func spendingTable(v *pilot.Verdict) table {
	t := table{
		Caption: "What was spent, by stage, policy, model and outcome; unseen is the part held at its reservation",
		Cols: []column{text("Stage"), text("Policy"), text("Model"), text("Outcome"), num("Attempts"), num("Prompt tokens"),
			num("Completion tokens"),
			num("Cost"), num("Unseen")},
	}
	for _, s := range v.Spending {
		t.Rows = append(t.Rows, []string{
			clean(s.Stage), cmp.Or(clean(s.Policy), absent), clean(s.Model), clean(s.Outcome), count(s.Attempts),
			count(s.PromptTokens), count(s.CompletionTokens),
			usd(s.CostUSD), usd(s.UnseenUSD),
		})
	}
	return t
}

// costLine is the cost in a sentence.
func costLine(v *pilot.Verdict) string {
	e := v.Cost
	var reference float64
	for _, s := range e.Stages {
		reference += s.ReferenceUSD
	}
	actual := "not known yet"
	if e.ActualUSD.Valid() {
		actual = usd(e.ActualUSD.OrNaN())
		if c := change(e.ActualUSD.OrNaN(), e.ExpectedUSD); c != absent {
			actual += " (" + c + ")"
		}
	}
	s := fmt.Sprintf("Expected %s, %s at worst; actual %s.", usd(e.ExpectedUSD), usd(e.WorstUSD), actual)
	if e.WorstUSD == 0 && e.Calls > 0 {
		prompt, completion := 0, 0
		for _, x := range v.Spending {
			prompt, completion = prompt+x.PromptTokens, completion+x.CompletionTokens
		}
		s = fmt.Sprintf("The models of this run cost nothing; actual %s, %s prompt tokens, %s completion tokens, %s.",
			actual, count(prompt), count(completion), duration(v.Run.Seconds))
	}
	if reference > 0 {
		s += fmt.Sprintf(" By %s: %s.", clean(e.Reference), usd(reference))
	}
	return s
}

func logProbTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Log-probs of the logged responses under each policy, in nats",
		Cols:    []column{text("Policy"), text("Of"), num("5%"), num("25%"), num("Median"), num("75%"), num("95%")},
	}
	for _, p := range v.Policies {
		t.Rows = append(t.Rows,
			append([]string{clean(p.Name), "response"}, quantileCells(p.LogProb)...),
			append([]string{clean(p.Name), "token"}, quantileCells(p.PerToken)...))
	}
	return t
}

func quantiles(q record.Quantiles) []float64 { return floats(q.Q05, q.Q25, q.Q50, q.Q75, q.Q95) }

func quantileCells(q record.Quantiles) []string {
	out := make([]string, 0, 5)
	for _, x := range quantiles(q) {
		out = append(out, number(x))
	}
	return out
}

func methodTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Teacher-forcing methods: how often each answered, was used, and why it could not answer",
		Cols:    []column{text("Policy"), text("Method"), num("Answered"), num("Used"), text("Could not answer")},
	}
	for _, p := range v.Policies {
		for _, m := range p.Methods {
			t.Rows = append(t.Rows, []string{clean(p.Name), clean(m.Method), count(m.Answered), count(m.Used),
				reasonCounts(m.Reasons)})
		}
	}
	return t
}

// forcingTable is what scoring the logged responses came to, by policy.
func forcingTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Scoring by policy: how far from P0 the policy lies, in nats per token, with a standard error; the rows " +
			"that one effective row takes by that; how far two scorings of one response lie apart",
		Cols: []column{text("Policy"), num("Scored"), text("Not scored"), text("Flagged"), num("KL from P0, nats a token"),
			num("Rows per effective row"),
			num("Scored twice"), num("RMS difference a token"), num("Largest")},
	}
	for _, p := range v.Policies {
		f := p.Forcing
		if f == nil {
			continue
		}
		kl := number3(f.KLPerToken.OrNaN())
		if f.KLSE.Valid() {
			kl += " ± " + number3(f.KLSE.OrNaN())
		}
		t.Rows = append(t.Rows, []string{
			clean(p.Name), count(f.Scored), reasonCounts(f.Failures), reasonCounts(f.Flags), kl,
			number3(f.RowsPerEffective.OrNaN()),
			count(f.RepeatabilityN), number3(f.RepeatabilityRMS.OrNaN()), number3(f.RepeatabilityMax.OrNaN()),
		})
	}
	return t
}

// reasonCounts lists failures, the most frequent first and equals by name.
func reasonCounts(m map[string]int) string {
	keys := sortedKeys(m)
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(m[b], m[a]) })
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = clean(k) + " " + count(m[k])
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func weightTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Importance weights of the targets on the logged responses",
		Cols: []column{text("Policy"), text("Weights"), num("Rows"), num("ESS"), num("ESS of rows"), num("Mean weight"),
			num("Largest share"),
			num("Divergence, nats")},
	}
	for _, p := range v.Policies {
		w := p.Weights
		if w == nil {
			continue
		}
		t.Rows = append(t.Rows, []string{
			clean(p.Name), usability(w), count(w.N), number(w.ESS.OrNaN()), share(ratio(w.ESS, w.N)), number(w.Mean.OrNaN()),
			share(w.MaxShare.OrNaN()), number(w.Divergence.OrNaN()),
		})
	}
	return t
}

// refusals are the reasons by policy. They are too long for a cell.
func refusals(v *pilot.Verdict) []fact {
	var out []fact
	for _, p := range v.Policies {
		if p.Weights != nil && len(p.Weights.Reasons) > 0 {
			out = append(out, fact{clean(p.Name), strings.Join(cleanAll(p.Weights.Reasons), "; ")})
		}
	}
	return out
}

func usability(w *record.WeightSummary) string {
	switch {
	case w == nil:
		return absent
	case w.Usable:
		return "usable"
	}
	return "refused"
}

func ratio(x dataset.Float, n int) float64 {
	if n == 0 {
		return math.NaN()
	}
	return x.OrNaN() / float64(n)
}

func weightsLine(v *pilot.Verdict) string {
	yes, no := usable(v)
	if yes+no == 0 {
		return "No target has weights yet."
	}
	return fmt.Sprintf("Of %s, %s usable and %s refused. A refused weight keeps its policy's estimate from being made; "+
		"it does not weigh on the decision.",
		plural(yes+no, "target", "targets"), count(yes), count(no))
}

func calibrationLine(v *pilot.Verdict) string {
	n := len(v.Calibration)
	if n == 0 {
		return "No response has both a judge score and a label yet."
	}
	var raw, calibrated float64
	for _, p := range columns(v.Calibration) {
		raw += math.Abs(p.Judge - p.Label)
		calibrated += math.Abs(p.Calibrated - p.Label)
	}
	return fmt.Sprintf("%s. The mean distance from the label is %s for the judge's own score and %s once calibrated, "+
		"out of fold.",
		plural(n, "labeled response", "labeled responses"), score(raw/float64(n)), score(calibrated/float64(n)))
}

// calibrationTable is the reliability of the judge by fifths of the range of
// scores: the mean label of the responses in each beside their mean score, raw
// and calibrated. A fifth without responses has no row.
func calibrationTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Labeled responses by judge score",
		Cols: []column{text("Judge score"), num("Responses"), num("Mean score"), num("Mean calibrated"),
			num("Mean label")},
	}
	const bins = 5
	name := func(i int) string { return fmt.Sprintf("%.1f to %.1f", float64(i)/bins, float64(i+1)/bins) }
	var n [bins]int
	var sum [bins][3]float64
	for _, p := range columns(v.Calibration) {
		i := 0
		if p.Judge > 0 { // what is out of range, or NaN, goes to the nearest end, where its mean shows it
			i = int(min(p.Judge*bins, bins-1))
		}
		n[i]++
		sum[i][0] += p.Judge
		sum[i][1] += p.Calibrated
		sum[i][2] += p.Label
	}
	for i, k := range n {
		if k > 0 {
			f := float64(k)
			t.Rows = append(t.Rows, []string{name(i), count(k), score(sum[i][0] / f), score(sum[i][1] / f),
				score(sum[i][2] / f)})
		}
	}
	return t
}

// ranked orders the policies by mean judge score, best first; equal means keep
// the verdict's order and a policy without a mean comes last.
func ranked(v *pilot.Verdict) []pilot.PolicySummary {
	out := slices.Clone(v.Policies)
	slices.SortStableFunc(out, func(a, b pilot.PolicySummary) int {
		x, y := a.Judge.Value, b.Judge.Value
		switch {
		case x.Valid() && y.Valid():
			return cmp.Compare(y.OrNaN(), x.OrNaN())
		default:
			return boolRank(!x.Valid()) - boolRank(!y.Valid())
		}
	})
	return out
}

func rankingTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Mean judge score by policy, best first, with 95% intervals",
		Cols: []column{text("Policy"), text("Role"), num("Responses"), num("Truncated"), num("Scored"),
			num("Judge score"), num("Calibrated")},
	}
	for _, p := range ranked(v) {
		t.Rows = append(t.Rows, []string{
			clean(p.Name), clean(string(p.Role)), count(p.Responses), count(p.Truncated), count(p.Scored),
			interval(p.Judge, score), interval(p.Calibrated, score),
		})
	}
	return t
}

func policyTable(v *pilot.Verdict) table {
	t := table{
		Caption: "Policies, best judge score first",
		Cols: []column{text("Policy"), num("Responses").drop(4), num("Judge score"), num("Log-prob").drop(3),
			num("ESS").drop(2),
			text("Weights").drop(1)},
	}
	for _, p := range ranked(v) {
		t.Rows = append(t.Rows, []string{
			clean(p.Name), count(p.Responses), interval(p.Judge, score), number(p.LogProb.Q50.OrNaN()), ess(p), weightWord(p),
		})
	}
	return t
}

func ess(p pilot.PolicySummary) string {
	if p.Weights == nil {
		return absent
	}
	return number(p.Weights.ESS.OrNaN())
}

func weightWord(p pilot.PolicySummary) string {
	if p.Weights == nil && p.Role == record.Logging {
		return "logging"
	}
	return usability(p.Weights)
}

// identityTable says what the policies' names stand for.
func identityTable(v *pilot.Verdict) table {
	t := table{Caption: "Policies", Cols: []column{text("Policy"), text("Role"), text("Model"), text("Hash")}}
	for _, p := range v.Policies {
		t.Rows = append(t.Rows, []string{clean(p.Name), clean(string(p.Role)), clean(p.Model), clean(p.Hash)})
	}
	return t
}

func servedTable(v *pilot.Verdict) table {
	t := table{Caption: "Models asked for and models that answered", Cols: []column{text("Asked for"), text("Answered")}}
	for _, k := range sortedKeys(v.Run.Served) {
		t.Rows = append(t.Rows, []string{clean(k), clean(v.Run.Served[k])})
	}
	return t
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
