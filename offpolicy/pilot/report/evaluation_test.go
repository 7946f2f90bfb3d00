package report

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

func ci(lo, hi float64) [2]dataset.Float {
	return [2]dataset.Float{dataset.Known(lo), dataset.Known(hi)}
}

func answeredEstimate(value float64, claims bool) *offpolicy.EstimateDocument {
	return &offpolicy.EstimateDocument{Value: dataset.Known(value), SE: dataset.Known(.02), CI: ci(value-.04, value+.04),
		Status: offpolicy.StatusOK, DF: dataset.Known(30), Claims: claims, Labels: 40}
}

func refusedEstimate(why ...string) *offpolicy.EstimateDocument {
	none := dataset.Float{}
	return &offpolicy.EstimateDocument{Value: none, SE: none, CI: [2]dataset.Float{none, none}, DF: none,
		Status: offpolicy.StatusRefused, Reasons: why, Claims: true}
}

// fullEvaluation has a policy of every kind: answered, refused, a noisy clone,
// and text of strangers wherever there is text.
func fullEvaluation() *offpolicy.Document {
	none := dataset.Float{}
	nothing := [2]dataset.Float{none, none}
	weights := offpolicy.WeightsDocument{Rows: 400, ESS: dataset.Known(400), MaxShare: dataset.Known(.0025),
		Mean: dataset.Known(1), MeanSE: dataset.Known(0), Divergence: dataset.Known(0), LogEValue: dataset.Known(0),
		Usable: true}
	spoilt := offpolicy.WeightsDocument{Rows: 399, Missing: 1, ESS: dataset.Known(1.3), MaxShare: dataset.Known(.88),
		Mean: dataset.Known(31), MeanSE: dataset.Known(20), Divergence: none, LogEValue: dataset.Known(13),
		Refusals: []string{"too few"}}
	return &offpolicy.Document{
		SchemaVersion: 2, Source: hostile, Logging: "p0", Judge: hostile, Rows: 400, Prompts: 400, Labels: 40, Seed: 42,
		Margin: .05, Reference: "monotone",
		Notes: []string{"The log-probs are noisy: " + hostile}, Estimators: []string{"dr", "snips", "direct"},
		Calibration: offpolicy.CalibrationDocument{Status: "pass", Reasons: []string{"Spearman 0.4"},
			Spearman: dataset.Known(.4), MeanResidual: dataset.Known(0), ResidualSE: dataset.Known(.01)},
		Points: []offpolicy.CalibrationPoint{{Judge: dataset.Known(.2), Label: dataset.Known(.1),
			Calibrated: dataset.Known(.15)},
			{Judge: dataset.Known(.8), Label: dataset.Known(.9), Calibrated: dataset.Known(math.NaN())}},
		LogWeights: map[string][]float64{"target": {0, -1, math.NaN(), math.Inf(-1)}, hostile: {0, 0, 0}},
		Policies: map[string]*offpolicy.PolicyDocument{
			"p0": {
				Role: "logging", Weights: weights,
				Audit: offpolicy.AuditDocument{Status: "NO_PROBES", Residual: none, SE: none, CI: nothing},
				Estimators: map[string]*offpolicy.EstimateDocument{"dr": answeredEstimate(.6, true),
					"snips": answeredEstimate(.61, false), "direct": refusedEstimate("no draws")},
				Answer: offpolicy.AnswerDocument{Estimator: "dr", Reason: "weights are usable; direct refused",
					Value: dataset.Known(.6), CI: ci(.56, .64), Band: ci(.55, .65)},
				Segments: []offpolicy.SegmentDocument{{Kind: "language", Name: "English", Prompts: 300,
					Estimate: answeredEstimate(.62, true)},
					{Kind: "language", Prompts: 2, Estimate: refusedEstimate("too few labels")}},
			},
			"target": {
				Role: "target", Weights: spoilt,
				Audit: offpolicy.AuditDocument{Status: "NOT_GRADED", Probes: 20, Residual: dataset.Known(.01),
					SE: dataset.Known(.02), CI: ci(-.03, .05)},
				Balance: &offpolicy.BalanceDocument{Reweighted: dataset.Known(.9), Fresh: dataset.Known(.2),
					Difference: dataset.Known(.7), SE: dataset.Known(.1)},
				Diagnostics: map[string]dataset.Float{"relative_ess": dataset.Known(.003), "hill": none},
				Estimators: map[string]*offpolicy.EstimateDocument{"dr": refusedEstimate("too few", hostile),
					"snips": refusedEstimate("too few"), "direct": refusedEstimate("not audited")},
				Answer: offpolicy.AnswerDocument{Reason: "nothing can be believed", Value: none, CI: nothing, Band: nothing,
					Advice: []string{"25 labels " + hostile}},
			},
			hostile: {
				Role: "clone", Weights: weights, Clone: &offpolicy.CloneDocument{Status: "fail", Reasons: []string{"e-value"}},
				Audit:      offpolicy.AuditDocument{Status: "NO_PROBES", Residual: none, SE: none, CI: nothing},
				Estimators: map[string]*offpolicy.EstimateDocument{"dr": answeredEstimate(.6, true)},
				Answer: offpolicy.AnswerDocument{Estimator: "dr", Reason: hostile, Value: dataset.Known(.6), CI: ci(.56, .64),
					Band: nothing},
			},
		},
		Comparisons: []offpolicy.ComparisonDocument{{A: hostile, B: "p0", Difference: dataset.Known(0),
			SE: dataset.Known(.01), CI: ci(-.02, .02), P: dataset.Known(1), Holm: dataset.Known(1), AA: true}},
	}
}

func renderEvaluation(t testing.TB, f func(io.Writer, *offpolicy.Document) error, e *offpolicy.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, e); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEvaluationHTML(t *testing.T) {
	page := renderEvaluation(t, EvaluationHTML, fullEvaluation())
	text := checkHTML(t, page)
	for _, want := range []string{
		"2 of 3 policies", "The log-probs are noisy", "A/A: ought to be 0", "nothing can be believed", "dr, snips: too few",
		"language: English",
		"language: not stated", "not graded", "<script>alert(1)</script>", "refused",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	elements, _, _ := parseHTML(page)
	seen := map[string]bool{}
	charts := map[string]int{}
	for _, e := range elements {
		if id := e.attrs["id"]; id != "" {
			if seen[id] {
				t.Errorf("the id %s twice", id)
			}
			seen[id] = true
		}
		if e.name == "svg" {
			charts[e.attrs["class"]]++
		}
	}
	for _, e := range elements {
		if to, ok := strings.CutPrefix(e.attrs["href"], "#"); ok && !seen[to] {
			t.Errorf("a link to #%s, which is not there", to)
		}
	}
	// Three intervals and two histograms, an axis under each, and the scatter.
	if charts["row"] != 5 || charts["axis"] != 2 || charts["scatter"] != 1 {
		t.Errorf("charts: %v", charts)
	}
	for _, s := range []string{"ZgotmplZ", "<no value>", "%!", "NaN", "Inf%"} {
		if strings.Contains(page, s) {
			t.Errorf("the page holds %s", s)
		}
	}
}

// An evaluation of nothing is still a page, a table and JSON.
func TestEvaluationEmpty(t *testing.T) {
	for _, e := range []*offpolicy.Document{{},
		{Policies: map[string]*offpolicy.PolicyDocument{"p": {}}, Estimators: []string{"dr"}}} {
		checkHTML(t, renderEvaluation(t, EvaluationHTML, e))
		if renderEvaluation(t, EvaluationJSON, e) == "" ||
			renderEvaluation(t, func(w io.Writer, e *offpolicy.Document) error { return EvaluationText(w, e, 0) }, e) == "" {
			t.Error("nothing is written")
		}
	}
}

func TestEvaluationText(t *testing.T) {
	for _, width := range []int{40, 80, 100, 200} {
		text := renderEvaluation(t, func(w io.Writer, e *offpolicy.Document) error { return EvaluationText(w, e, width) },
			fullEvaluation())
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("a line of %d characters at width %d: %q", n, width, line)
			}
		}
		for _, r := range []rune{0x1b, 0x07, 0x202e, '\r'} {
			if strings.ContainsRune(text, r) {
				t.Errorf("the text holds %U", r)
			}
		}
		if !strings.Contains(text, "Refused") || !strings.Contains(text, "noisy") {
			t.Errorf("width %d: neither refusals nor notes:\n%s", width, text)
		}
	}
}

func TestEvaluationJSON(t *testing.T) {
	e := fullEvaluation()
	var got struct {
		Policies map[string]struct {
			Estimators map[string]struct {
				Value, SE *float64
				CI        [2]*float64
				Status    string
				Reasons   []string
			}
			Diagnostics, Audit map[string]any
		}
		Comparisons []map[string]any
	}
	if err := json.Unmarshal([]byte(renderEvaluation(t, EvaluationJSON, e)), &got); err != nil {
		t.Fatal(err)
	}
	dr := got.Policies["target"].Estimators["dr"]
	if dr.Status != "refused" || dr.Value != nil || dr.SE != nil || dr.CI[0] != nil || dr.CI[1] != nil ||
		len(dr.Reasons) != 2 {
		t.Errorf("a refused estimate: %+v", dr)
	}
	ok := got.Policies["p0"].Estimators["dr"]
	if ok.Status != "ok" || ok.Value == nil || *ok.Value != .6 || *ok.CI[1] != .64 {
		t.Errorf("an estimate: %+v", ok)
	}
	if got.Policies["target"].Audit["status"] != "NOT_GRADED" || len(got.Comparisons) != 1 {
		t.Errorf("audit %v, comparisons %v", got.Policies["target"].Audit, got.Comparisons)
	}
	// A refused number must not leave the program, whoever made it.
	e.Policies["target"].Estimators["dr"].Value = dataset.Known(.5)
	if err := EvaluationJSON(io.Discard, e); err == nil || !strings.Contains(err.Error(), "dr of target") {
		t.Errorf("a refused estimate with a number: %v", err)
	}
	e.Policies["target"].Estimators["dr"].Value = dataset.Known(math.Inf(1))
	e.Policies["target"].Estimators["dr"].Status = offpolicy.StatusOK
	if err := EvaluationJSON(io.Discard, e); err == nil {
		t.Error("infinity has no JSON form")
	}
}

func TestEValue(t *testing.T) {
	for _, tt := range []struct {
		log    float64
		want   string
		reason string
	}{
		{math.NaN(), "—", "missing"},
		{0, "1", "no evidence"},
		{math.Log(1000), "1,000", "the threshold, in plain figures"},
		{16, "10^6.9", "beyond a million"},
		{1e6, "10^434294.5", "beyond a float64"},
		{math.Inf(-1), "0", "a weight of 0 under a stake of 1"},
		{math.Inf(1), "∞", "no number at all"},
	} {
		if got := eValue(tt.log); got != tt.want {
			t.Errorf("e-value of log %v: %q, want %q: %s", tt.log, got, tt.want, tt.reason)
		}
	}
}
