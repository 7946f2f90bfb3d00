package offpolicy

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// plainSamples are 200 responses whose log-prob grows with the length and whose labels, of
// every second one, follow the score.
func plainSamples(change func(i int, y float64, r *Row)) Samples {
	rng := rand.New(rand.NewPCG(7, 11))
	s := Samples{Logging: "p0", Judge: "j", Scored: sampled("p0", "t")}
	for i := range 200 {
		y := rng.Float64()
		length := math.Ceil(20 + 180*rng.Float64())
		own := -1.2*length - 5*rng.Float64()
		r := Row{PromptID: "p" + strconv.Itoa(i), Length: dataset.Known(length),
			Score: dataset.Known(.1 + .8*y + .1*rng.Float64()),
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(own),
				"t": dataset.Known(own + .2*rng.NormFloat64() - .02)}}
		if i%2 == 0 {
			r.Label = dataset.Known(math.Round(1e4*y) / 1e4)
		}
		change(i, y, &r)
		s.Rows = append(s.Rows, r)
	}
	return s
}

func TestDataThatLookLikeSomethingElse(t *testing.T) {
	scaled := func(r *Row, by float64) {
		for name, v := range r.LogProbs {
			r.LogProbs[name] = dataset.Known(v.OrNaN() * by)
		}
	}
	for _, tc := range []struct {
		name, reason string // why it is remarked, or not
		change       func(i int, y float64, r *Row)
		note         string // part of a note; "" for none of these remarks
		refused      string // part of a refusal of p0's dr; "" if it is answered
	}{
		{"plain", "nothing is wrong", func(int, float64, *Row) {}, "", ""},
		{"missing labels as 0", "a table that was filled with zeros",
			func(i int, _ float64, r *Row) {
				if !r.Label.Valid() {
					r.Label = dataset.Known(0)
				}
			}, "", "0 stands for a missing label"},
		{"worst answers at 0", "a scale may end at 0: these have the lowest scores",
			func(_ int, y float64, r *Row) {
				if y < .3 {
					r.Label = dataset.Known(0)
				} else {
					r.Label = dataset.Known(math.Round(1e4*y) / 1e4)
				}
			}, "", ""},
		{"binary labels", "0 and 1 are all there is",
			func(_ int, y float64, r *Row) { r.Label = dataset.Known(math.Round(y)) }, "", ""},
		{"labels copied from the judge", "one column written twice",
			func(_ int, _ float64, r *Row) {
				if r.Label.Valid() {
					r.Label = r.Score
				}
			}, "exactly their judge scores", ""},
		{"means per token", "lm-eval and others normalise by length",
			func(_ int, _ float64, r *Row) { scaled(r, 1/r.Length.OrNaN()) },
			"p0, t do not grow with the length", ""},
		{"exact zeros of responses without a text", "a table without their column: which are empty is not known",
			func(i int, _ float64, r *Row) {
				if r.Length = dataset.Known(0); i == 7 {
					r.LogProbs["t"] = dataset.Known(0)
				}
			}, "log-probs under t are exactly 0", ""},
		{"labels in the middle of the scale", "no mean rank differs",
			func(i int, y float64, r *Row) {
				if r.Label = (dataset.Float{}); y > .3 && y < .7 {
					r.Label = dataset.Known(y)
				}
			}, "distance of the score from the middle", "distance of the score from the middle"},
		{"labels at both ends", "the same, the other way",
			func(i int, y float64, r *Row) {
				if r.Label = (dataset.Float{}); y < .3 || y > .7 {
					r.Label = dataset.Known(y)
				}
			}, "distance of the score from the middle", "distance of the score from the middle"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := Evaluate(plainSamples(tc.change), Config{Estimators: []Estimator{DR}, Method: InfluenceFunction})
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(r.Document().Notes, "\n")
			if tc.note != "" && !strings.Contains(notes, tc.note) {
				t.Errorf("%s: no note says %q:\n%s", tc.reason, tc.note, notes)
			}
			for _, no := range []string{"exactly their judge scores", "do not grow", "from the middle"} {
				if strings.Contains(notes, no) && !strings.Contains(tc.note, no) {
					t.Errorf("%s: a note says %q:\n%s", tc.reason, no, notes)
				}
			}
			e := r.Policy("p0").Estimate(DR)
			var why []string
			for _, f := range e.Refusals {
				why = append(why, f.String())
			}
			all := strings.Join(why, "; ")
			if e.Refused() != (tc.refused != "") || !strings.Contains(all, tc.refused) {
				t.Errorf("%s: refused %v for %q, want it to say %q", tc.reason, e.Refused(), all, tc.refused)
			}
		})
	}
}
