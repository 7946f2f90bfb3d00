package main

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// A small version of the table: what must be refused is, what must be answered
// is, and coverage is not further from 93 to 97% than four standard errors of so
// few repetitions. The full table is in offpolicy/montecarlo.md.
func TestSmall(t *testing.T) {
	const repetitions = 80
	slack := 4 * math.Sqrt(.95*.05/repetitions) // 10 points
	for _, d := range []design{
		{100, 25, "good", true}, {100, 100, "good", false}, {500, 125, "medium", true}, {100, 25, "none", true},
		{500, 500, "none", false},
	} {
		o, err := simulate(d, repetitions, 40, 2)
		if err != nil {
			t.Fatal(err)
		}
		covers := func(name string, x *tally) {
			t.Helper()
			if x.share() < .9 {
				t.Errorf("%+v: %s answers %v", d, name, x.share())
			} else if c := x.coverage(); c < .93-slack || math.Abs(x.meanBias()) > 4*math.Sqrt(x.Squares)/float64(x.Answered) {
				t.Errorf("%+v: %s covers %v, bias %v", d, name, c, x.meanBias())
			}
		}
		covers("direct", &o.Direct)
		covers("the referee with probes", &o.Referee)
		if d.Overlap == "none" {
			if o.RefereeNoProbes.Answered+o.DR.Answered+o.Labeled.Answered > 0 {
				t.Errorf("%+v: the hopeless is answered", d)
			}
			continue
		}
		covers("dr", &o.DR)
		covers("labeled_snips", &o.Labeled)
		if d.Overlap == "good" && o.DR.meanWidth() > 1.02*o.Labeled.meanWidth() {
			t.Errorf("%+v: dr is %v wide, labeled_snips %v", d, o.DR.meanWidth(), o.Labeled.meanWidth())
		}
	}
}

// The truth of every design is the mean of what it draws: 20,000 of the target's
// labels, and as many weighted labels of the logs where weights are bounded.
func TestTruth(t *testing.T) {
	for _, d := range designs() {
		if d.Prompts != 100 || d.Labels != 100 {
			continue
		}
		var sum, squares, w, wy float64
		const n = 20000
		for rep := range n / 100 {
			s := d.samples(rep)
			for i := range s.Rows {
				weight := math.Exp(s.Rows[i].LogProbs["target"].OrNaN() - s.Rows[i].LogProbs["p0"].OrNaN())
				w += weight / n
				wy += weight * s.Rows[i].Label.OrNaN() / n
			}
			for _, draw := range s.Draws["target"] {
				if draw.Label.OrNaN() >= 0 {
					sum += draw.Label.OrNaN() / n * 4 // a quarter is labeled
					squares += draw.Label.OrNaN() * draw.Label.OrNaN() / n * 4
				}
			}
		}
		se := math.Sqrt((squares - sum*sum) / (n / 4))
		// Clipping moves the mean by .0005 at most.
		if math.Abs(sum-d.truth()) > 4*se+.0005 {
			t.Errorf("%+v: the target's labels average %v (SE %v), truth %v", d, sum, se, d.truth())
		}
		if d.Overlap == "good" && (math.Abs(w-1) > .02 || math.Abs(wy-d.truth()) > .02) {
			t.Errorf("%+v: weights average %v, weighted labels %v", d, w, wy)
		}
	}
}

// The referee's answer without probes is taken from the evaluation with them:
// it is what an evaluation without them says.
func TestRefereeWithoutProbes(t *testing.T) {
	for _, d := range []design{{100, 100, "good", true}, {100, 100, "medium", false}, {100, 25, "none", true}} {
		for rep := range 5 {
			s := d.samples(rep)
			with, err := simulate(d, rep+1, 10, 1)
			if err != nil {
				t.Fatal(err)
			}
			draws := s.Draws["target"]
			for i := range draws {
				draws[i].Label = dataset.Float{}
			}
			r, err := evaluate(s, 10, uint64(rep))
			if err != nil {
				t.Fatal(err)
			}
			a := r.Policy("target").Answer
			before := tally{}
			if rep > 0 {
				o, err := simulate(d, rep, 10, 1)
				if err != nil {
					t.Fatal(err)
				}
				before = o.RefereeNoProbes
			}
			if answered := with.RefereeNoProbes.Answered - before.Answered; (answered == 1) != (a.Estimator != "") {
				t.Errorf("%+v, repetition %d: answered %d without probes by the table, by %q in truth", d, rep, answered,
					a.Estimator)
			}
			if a.Estimator != "" {
				if got, want := with.RefereeNoProbes.Bias-before.Bias,
					r.Policy("target").Estimate(a.Estimator).Value-d.truth(); math.Abs(got-want) > 1e-12 {
					t.Errorf("%+v, repetition %d: %v by the table, %v in truth", d, rep, got, want)
				}
			}
		}
	}
}

func TestTable(t *testing.T) {
	o, err := simulate(designs()[0], 5, 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := simulate(designs()[0], 5, 10, 3)
	if err != nil || again != o {
		t.Errorf("concurrency changes the outcome: %+v and %+v (%v)", o, again, err)
	}
	var b bytes.Buffer
	if err := write(&b, []outcome{o}, 5, 10); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5 repetitions a design", "| good | transports | 100 | 25 | 25 |", "| `direct` |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if err := write(failing{}, []outcome{o}, 5, 10); err == nil {
		t.Error("a table that could not be written is no table")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
