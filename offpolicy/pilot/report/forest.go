package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// forest is the estimates as people read them: a value and a paired difference a policy,
// and what they come to in sentences.
type forest struct {
	Rows      []forestRow
	Sentences []string
	Caution   string // what to know before any of it
	None      string // why there is nothing; empty if there is something
	Values    scale
	Diffs     scale
	Compared  string // what the differences are from; empty without any
	Truth     string // whose knowledge the true values are; empty without any
}

type forestRow struct {
	Name       string
	Value      record.Quantity
	Difference record.Quantity
	Missing    string // what a policy without a value lacks, in short
	Logging    bool
	// True is the value that is known, TrueDifference that of the differences.
	True, TrueDifference dataset.Float
	Mark                 string // covered or missed: whether the interval holds it
}

func newForest(v *pilot.Verdict) forest {
	e := evaluationOf(v)
	out := forest{None: noEstimates(v)}
	if out.None != "" {
		return out
	}
	var order []string
	for _, p := range v.Policies {
		order = append(order, p.Name)
	}
	f := newFindings(e, order)
	out.Sentences = f.sentences()
	if s := judgeAlone(v, f); s != "" {
		out.Sentences = append(out.Sentences, s)
	}
	if v.Decision == record.NoGo {
		out.Caution = "The sample failed its checks. Do not rely on these figures before what is wrong is fixed."
	}
	if v.Truth != nil {
		out.Truth = clean(v.Truth.Name)
	}
	var values, diffs []float64
	for _, name := range f.names {
		row := forestRow{Name: clean(name), Value: f.value(name), Logging: name == f.logging}
		if !row.Logging {
			row.Difference, _, _ = f.contrast(name, f.logging)
		}
		if row.Difference.Value.Valid() {
			out.Compared = clean(f.logging)
		}
		if !row.Value.Value.Valid() {
			row.Missing = "not estimated"
			if a := e.Policies[name].Answer.Labels; a != nil {
				row.Missing = "needs " + plural(a.Labels, "label", "labels")
				if cost, ok := a.USD.Get(); ok && cost > 0 {
					row.Missing += ", " + price(cost)
				}
			}
		}
		row.know(v.Truth, name, f.logging)
		out.Rows = append(out.Rows, row)
		values = append(values, floats(row.Value.Lo, row.Value.Value, row.Value.Hi, row.True)...)
		diffs = append(diffs, floats(row.Difference.Lo, row.Difference.Value, row.Difference.Hi, row.TrueDifference)...)
	}
	out.Values, out.Diffs = newScale(values...), newScale(append(diffs, 0)...)
	return out
}

// know adds what is known of a policy. An interval misses a true value only if it also
// misses the 95% interval around that: a simulated mean has an error of its own.
func (r *forestRow) know(t *record.Truth, name, logging string) {
	if t == nil {
		return
	}
	known, ok := t.Values[name]
	if !ok {
		return
	}
	r.True = known.Value
	if base, ok := t.Values[logging]; ok && !r.Logging {
		r.TrueDifference = dataset.Known(known.Value.OrNaN() - base.Value.OrNaN())
	}
	lo, hi, within := r.Value.Lo.OrNaN(), r.Value.Hi.OrNaN(), 1.96*known.SE.OrNaN()
	if !known.SE.Valid() {
		within = 0
	}
	switch x := known.Value.OrNaN(); {
	case x >= lo-within && x <= hi+within:
		r.Mark = "covered"
	case x < lo-within || x > hi+within:
		r.Mark = "missed"
	}
}

// truth is what is known, for a cell.
func (r forestRow) truth() string {
	if !r.True.Valid() {
		return absent
	}
	return rounds(r.True.OrNaN(), max(digits(r.Value), 2))
}

// noEstimates says why there are no estimates, if there are none.
func noEstimates(v *pilot.Verdict) string {
	switch e := evaluationOf(v); {
	case e.Error != "":
		return "Nothing has been estimated: " + clean(e.Error) + "."
	case len(e.Policies) == 0:
		return "Nothing has been estimated yet."
	}
	return ""
}

// judgeAlone says whom the judge puts first if a policy has no estimate: it is all that
// is known of it. Policies that were not scored on every prompt are not compared: means of
// different prompts differ by the prompts.
func judgeAlone(v *pilot.Verdict, f *findings) string {
	if f.answered == len(f.names) {
		return ""
	}
	best := ranked(v)
	if len(best) < 2 || !best[1].Judge.Value.Valid() || slices.ContainsFunc(best, func(p pilot.PolicySummary) bool {
		return p.Judge.Value.Valid() && p.Scored != v.Run.Prompts
	}) {
		return ""
	}
	return fmt.Sprintf("The judge alone puts %s first (%s), then %s (%s); labels have not confirmed that.",
		clean(best[0].Name), rounds(best[0].Judge.Value.OrNaN(), 2), clean(best[1].Name),
		rounds(best[1].Judge.Value.OrNaN(), 2))
}

// table is the plot in figures.
func (f forest) table() table {
	t := table{Caption: "Score: the mean label of each policy's own responses, 0 to 1, with 95% intervals",
		Cols: []column{text("Policy"), num("Score")}}
	if f.Compared != "" {
		t.Caption += "; differences are paired, prompt by prompt"
		t.Cols = append(t.Cols, num("Difference from "+f.Compared).drop(1))
	}
	if f.Truth != "" {
		t.Cols = append(t.Cols, num(upperFirst(f.Truth)).drop(2))
	}
	for _, r := range f.Rows {
		row := []string{r.Name, r.score()}
		if f.Compared != "" {
			row = append(row, r.difference())
		}
		if f.Truth != "" {
			row = append(row, strings.TrimSpace(r.truth()+" "+r.Mark))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (r forestRow) score() string {
	if !r.Value.Value.Valid() {
		return r.Missing
	}
	return brief(r.Value)
}

func (r forestRow) difference() string {
	if !r.Difference.Value.Valid() {
		return absent
	}
	return brief(r.Difference)
}

// forestView is the plot for a page.
type forestView struct {
	Rows           []forestLine
	Axis, DiffAxis template.HTML
	Compared       string
	Truth          string
	Caption        string
}

type forestLine struct {
	Name, Score, Difference string
	Missing                 string
	Truth, Mark             string
	Value, Diff             template.HTML
}

func newForestView(f forest) forestView {
	out := forestView{Compared: f.Compared, Truth: upperFirst(f.Truth), Caption: f.table().Caption,
		Axis: axisChart(f.Values), DiffAxis: axisChart(f.Diffs)}
	for _, r := range f.Rows {
		line := forestLine{Name: r.Name, Score: r.score(), Missing: r.Missing, Difference: r.difference(),
			Truth: r.truth(), Mark: r.Mark}
		line.Value = pointChart(f.Values, r.Value, r.True, "score "+r.score(), false)
		line.Diff = pointChart(f.Diffs, r.Difference, r.TrueDifference, "difference "+r.difference(), true)
		out.Rows = append(out.Rows, line)
	}
	return out
}

// pointChart is a value with its interval, and the value that is known; of a difference,
// with the line at 0.
func pointChart(sc scale, i record.Quantity, known dataset.Float, label string, zero bool) template.HTML {
	if known.Valid() {
		label += ", truth " + rounds(known.OrNaN(), 3)
	}
	s := newSVG("row", rowHeight-8, label)
	s.grid(sc, rowHeight-8)
	if zero {
		s.upright("zero", sc.at(0), 0, rowHeight-8)
	}
	s.interval(sc, "judge", i, rowMiddle-4, label)
	if known.Valid() {
		s.upright("known", sc.at(known.OrNaN()), rowMiddle-12, rowMiddle+4)
	}
	return s.end()
}
