package offpolicy

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// drawnSamples are 200 prompts of three responses each, one drawn by p0 and one by t,
// whose weights are exact; the judge scores what a response is worth, with noise.
func drawnSamples(change func(i int, logged *Row, d *Draw)) Samples {
	rng := rand.New(rand.NewPCG(3, 5))
	s := Samples{Logging: "p0", Judge: "j", Scored: sampled("p0", "t"), Draws: map[string][]Draw{}}
	for i := range 200 {
		var worth, p0, t [3]float64
		var sum float64
		for k := range worth {
			worth[k] = rng.Float64()
			p0[k] = 1. / 3
			t[k] = math.Exp(1.2 * worth[k])
			sum += t[k]
		}
		for k := range t {
			t[k] /= sum
		}
		pick := func(p [3]float64) int {
			u := rng.Float64()
			for k := range 2 {
				if u -= p[k]; u < 0 {
					return k
				}
			}
			return 2
		}
		score := func(k int) dataset.Float { return dataset.Known(.1 + .7*worth[k] + .1*rng.Float64()) }
		k := pick(p0)
		id := "p" + strconv.Itoa(i)
		r := Row{PromptID: id, Score: score(k), LogProbs: map[string]dataset.Float{
			"p0": dataset.Known(-30 + math.Log(p0[k])), "t": dataset.Known(-30 + math.Log(t[k]))}}
		if i%2 == 0 {
			r.Label = dataset.Known(worth[k])
		}
		own := pick(t)
		d := Draw{PromptID: id, Score: score(own)}
		if i%5 == 0 {
			d.Label = dataset.Known(worth[own])
		}
		change(i, &r, &d)
		s.Rows = append(s.Rows, r)
		s.Draws["t"] = append(s.Draws["t"], d)
	}
	return s
}

// What weights say of the judge's scores and what the policy's own responses say is one
// figure: where they differ, no estimate may add the one to the other.
func TestLogsAndDrawsThatContradictEachOther(t *testing.T) {
	for _, tc := range []struct {
		name, reason string
		change       func(i int, r *Row, d *Draw)
		dr, labeled  string // part of why t's dr and labeled_snips are refused; "" if answered
		note         string // part of dr's notes
	}{
		{"as they are", "one judge, one policy", func(int, *Row, *Draw) {}, "", "", ""},
		{"another scale", "the draws' scores are halved",
			func(_ int, _ *Row, d *Draw) { d.Score = dataset.Known(d.Score.OrNaN() / 2) },
			"the judge's mean is", "the judge's mean is", ""},
		{"a judge that prefers the target", "+.2 on whatever t says",
			func(_ int, _ *Row, d *Draw) { d.Score = dataset.Known(min(d.Score.OrNaN()+.2, 1)) },
			"the judge's mean is", "the judge's mean is", ""},
		{"one score for all", "a judge that stopped reading",
			func(_ int, _ *Row, d *Draw) { d.Score = dataset.Known(.9) }, "the judge's mean is", "the judge's mean is", ""},
		{"logged responses as draws", "the wrong file: t's responses are p0's",
			func(_ int, r *Row, d *Draw) { d.Score = r.Score }, "the judge's mean is", "the judge's mean is", ""},
		{"a failing judge", "30% of the draws lost their score, none of the logs",
			func(i int, _ *Row, d *Draw) {
				if i%10 < 3 {
					d.Score = dataset.Float{}
				}
			}, "", "", "have no score, against 0% of the logs"},
		{"a judge that fails on both", "alike often: no contradiction",
			func(i int, r *Row, d *Draw) {
				if i%10 < 3 {
					r.Score, d.Score = dataset.Float{}, dataset.Float{}
				}
			}, "", "", ""},
		{"draws for other prompts too", "figures are compared on prompts that both rest on",
			func(i int, _ *Row, d *Draw) {
				if i >= 150 {
					d.PromptID, d.Score = "z"+d.PromptID, dataset.Known(.01)
				}
			}, "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := Evaluate(drawnSamples(tc.change),
				Config{Estimators: []Estimator{DR, LabeledSNIPS, Direct}, Method: InfluenceFunction})
			if err != nil {
				t.Fatal(err)
			}
			for e, want := range map[Estimator]string{DR: tc.dr, LabeledSNIPS: tc.labeled, Direct: ""} {
				got := r.Policy("t").Estimate(e)
				var why []string
				for _, f := range got.Refusals {
					why = append(why, f.Message)
				}
				all := strings.Join(why, "; ")
				if got.Refused() != (want != "") || !strings.Contains(all, want) {
					t.Errorf("%s: %s is refused: %v (%s); want %q", tc.reason, e, got.Refused(), all, want)
				}
			}
			notes := strings.Join(r.Policy("t").Estimate(DR).Notes, "; ")
			if left := strings.Contains(notes, "left out"); left != (tc.note != "") || !strings.Contains(notes, tc.note) {
				t.Errorf("%s: dr notes %q, want %q in them", tc.reason, notes, tc.note)
			}
		})
	}
}
