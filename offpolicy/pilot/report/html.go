package report

import (
	"bytes"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"

	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

//go:embed page.html.tmpl
var pageSource string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"count":   count,
	"upper":   func(s string) string { return upperFirst(s) },
	"section": func(id string) section { return sections[id] },
}).Parse(pageSource))

// HTML writes v as report.html: one file that fetches nothing and runs no
// script, for screens of any width, light or dark, and for paper. Text that
// strangers or models wrote is escaped by html/template.
func HTML(w io.Writer, v *pilot.Verdict) error {
	d := newPage(v)
	var b bytes.Buffer
	if err := page.Execute(&b, d); err != nil {
		return fmt.Errorf("report: HTML: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// pageView is a view with its drawings.
type pageView struct {
	*view
	Style    template.CSS
	Sections []section // those that are folded

	ForestView    forestView
	CostChart     rows
	LogProbChart  rows
	PerTokenChart rows
	WeightChart   rows
	RankingChart  rows
	Scatter       template.HTML
}

// rows is a stack of row charts over one axis.
type rows struct {
	Title string
	Key   []key
	Rows  []chartRow
	Axis  template.HTML
	Note  string // what a reader must know of the axis
	Wide  bool   // for long names
}

type chartRow struct {
	Name, Value string
	Chart       template.HTML // empty where there was nothing to draw
	Words       string        // what stands there instead; "" for "no values"
}

// key explains one mark of a chart: its class in the style sheet, and the words.
type key struct{ Class, Text string }

func newPage(v *pilot.Verdict) *pageView {
	d := &pageView{view: newView(v), Style: template.CSS(pageStyle)}
	d.ForestView = newForestView(d.Forest)
	for _, id := range folded {
		d.Sections = append(d.Sections, sections[id])
	}
	d.CostChart = costRows(v)
	boxes := []key{{"median", "median"}, {"box", "25 to 75%"}, {"whisker", "5 to 95%"}}
	d.LogProbChart = boxRows("Nats per response", boxes, v,
		func(p pilot.PolicySummary) record.Quantiles { return p.LogProb })
	d.PerTokenChart = boxRows("Nats per token", boxes, v,
		func(p pilot.PolicySummary) record.Quantiles { return p.PerToken })
	d.WeightChart = weightRows(v)
	d.RankingChart = rankingRows(v)
	d.Scatter = scatterChart(v.Calibration)
	return d
}

func tone(v *pilot.Verdict) string {
	if undecided(v) {
		return "info"
	}
	switch v.Decision {
	case record.GO:
		return "pass"
	case record.HOLD:
		return "hold"
	case record.NoGo:
		return "fail"
	}
	return "info"
}

// over finishes a stack of rows with the axis of its scale.
func (r rows) over(sc scale) rows {
	for _, row := range r.Rows {
		if row.Chart != "" {
			r.Axis = axisChart(sc)
			if sc.unit != 0 {
				r.Note = fmt.Sprintf("The axis is even within ±%s and logarithmic beyond: some values lie very far out.",
					number(sc.unit))
			}
			return r
		}
	}
	return rows{Title: r.Title} // nothing was drawn
}

func boxRows(title string, keys []key, v *pilot.Verdict, of func(pilot.PolicySummary) record.Quantiles) rows {
	var all []float64
	for _, p := range v.Policies {
		all = append(all, quantiles(of(p))...)
	}
	sc := newScale(all...)
	out := rows{Title: title, Key: keys}
	for _, p := range v.Policies {
		out.Rows = append(out.Rows, chartRow{Name: clean(p.Name), Value: number(of(p).Q50.OrNaN()),
			Chart: boxChart(sc, of(p))})
	}
	return out.over(sc)
}

func weightRows(v *pilot.Verdict) rows {
	all := []float64{0} // a weight of 1 is always on the axis: it is what the rest is read against
	for _, p := range v.Policies {
		if p.Weights != nil {
			all = append(all, p.Weights.LogWeights...)
		}
	}
	sc := newScale(all...)
	out := rows{Title: "log w of each logged response, in nats",
		Key: []key{{"bin", "count"}, {"median", "median"}, {"zero", "w = 1"}}}
	for _, p := range v.Policies {
		if p.Weights != nil {
			out.Rows = append(out.Rows, chartRow{Name: clean(p.Name), Value: usability(p.Weights),
				Chart: histogramChart(sc, p.Weights.LogWeights)})
		}
	}
	return out.over(sc)
}

func rankingRows(v *pilot.Verdict) rows {
	var all []float64
	for _, p := range v.Policies {
		all = append(all, floats(p.Judge.Lo, p.Judge.Value, p.Judge.Hi, p.Calibrated.Lo, p.Calibrated.Value,
			p.Calibrated.Hi)...)
	}
	sc := newScale(all...)
	out := rows{Title: "Mean score, 0 to 1", Key: []key{{"judge", "judge"}, {"calibrated", "calibrated"}}}
	for _, p := range ranked(v) {
		out.Rows = append(out.Rows, chartRow{Name: clean(p.Name), Value: score(p.Judge.Value.OrNaN()),
			Chart: forestChart(sc, mark{"judge", "judge", p.Judge}, mark{"calibrated", "calibrated", p.Calibrated})})
	}
	return out.over(sc)
}

func costRows(v *pilot.Verdict) rows {
	all := []float64{0}
	for _, s := range v.Cost.Stages {
		all = append(all, s.ExpectedUSD, s.WorstUSD, s.ActualUSD.OrNaN())
	}
	sc := newScale(all...)
	out := rows{Title: "US dollars by stage",
		Key: []key{{"actual", "actual"}, {"median", "expected"}, {"whisker", "at worst"}}}
	for _, s := range v.Cost.Stages {
		if s.ExpectedUSD == 0 && s.WorstUSD == 0 && (s.ActualUSD.OrNaN() == 0 || !s.ActualUSD.Valid()) {
			continue // a stage that buys nothing
		}
		out.Rows = append(out.Rows, chartRow{Name: clean(s.Name), Value: usd(s.ActualUSD.OrNaN()),
			Chart: costChart(sc, s.ExpectedUSD, s.WorstUSD, s.ActualUSD.OrNaN())})
	}
	return out.over(sc)
}
