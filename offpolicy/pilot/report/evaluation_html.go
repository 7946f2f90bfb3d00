package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/reweigh/reweigh/offpolicy"
)

//go:embed evaluation.html.tmpl
var evaluationSource string

//go:embed evaluation.css
var evaluationStyle string

// evaluationPage shares the parts of the verdict's page: tables, rows of charts,
// lists and icons.
var evaluationPage = template.Must(template.Must(page.Clone()).New("evaluation").Parse(evaluationSource))

// EvaluationHTML writes e as one file that fetches nothing and runs no script, as
// [HTML] does.
func EvaluationHTML(w io.Writer, e *offpolicy.Document) error {
	d := struct {
		*evaluationView
		Style   template.CSS
		Forest  rows
		Weigh   rows
		Scatter template.HTML
	}{newEvaluationView(e), template.CSS(pageStyle + evaluationStyle), forestRows(e), evaluatedWeightRows(e),
		scatterChart(e.Points)}
	var b bytes.Buffer
	if err := evaluationPage.Execute(&b, d); err != nil {
		return fmt.Errorf("report: evaluation: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// forestRows draws every estimate that has a number, by policy, and names in one
// line those that have none.
func forestRows(e *offpolicy.Document) rows {
	var all []float64
	for _, p := range e.Policies {
		for _, x := range p.Estimators {
			all = append(all, floats(x.Value, x.CI[0], x.CI[1])...)
		}
	}
	sc := newScale(all...)
	out := rows{Title: "Value, with 95% intervals", Wide: true,
		Key: []key{{"judge", "claims coverage"}, {"calibrated", "claims none"}}}
	for _, name := range e.PolicyNames() {
		p := e.Policies[name]
		var refused []string
		for _, id := range e.Estimators {
			x := p.Estimators[id]
			switch {
			case x == nil:
			case x.Status != offpolicy.StatusOK:
				refused = append(refused, clean(id))
			default:
				class := "calibrated"
				if x.Claims {
					class = "judge"
				}
				label := clean(name) + " " + clean(id)
				if id == p.Answer.Estimator {
					label += "\u00a0✓"
				}
				out.Rows = append(out.Rows, chartRow{Name: label, Value: score(x.Value.OrNaN()),
					Chart: forestChart(sc, mark{class, clean(id), pilotInterval(x.Value, x.CI)})})
			}
		}
		if len(refused) > 0 {
			out.Rows = append(out.Rows, chartRow{Name: clean(name), Value: "refused", Words: strings.Join(refused, ", ")})
		}
	}
	out.Note = "✓ marks the estimate that answers for its policy."
	return out.over(sc)
}

func evaluatedWeightRows(e *offpolicy.Document) rows {
	all := []float64{0} // a weight of 1 is always on the axis
	for _, l := range e.LogWeights {
		all = append(all, l...)
	}
	sc := newScale(all...)
	out := rows{Title: "log w of each logged response, in nats",
		Key: []key{{"bin", "count"}, {"median", "median"}, {"zero", "w = 1"}}}
	for _, name := range e.PolicyNames() {
		l, ok := e.LogWeights[name]
		if !ok {
			continue
		}
		use := "usable"
		if !e.Policies[name].Weights.Usable {
			use = "refused"
		}
		out.Rows = append(out.Rows, chartRow{Name: clean(name), Value: use, Chart: histogramChart(sc, l)})
	}
	return out.over(sc)
}
