package offpolicy

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func refusedBy(e *Estimate, rule Rule) bool {
	for _, f := range e.Refusals {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

// A handful of draws contradicts nothing: the error of their mean is unknown.
func TestBalanceNeedsPrompts(t *testing.T) {
	for _, draws := range []int{1, 2, MinProbes - 1} {
		s := drawnSamples(func(int, *Row, *Draw) {})
		s.Draws["t"] = s.Draws["t"][:draws]
		for i := range s.Draws["t"] {
			s.Draws["t"][i].Score = dataset.Known(.01) // far from what the weights say
		}
		r := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 20})
		if e := r.Policy("t").Estimate(LabeledSNIPS); refusedBy(e, RuleBalance) {
			t.Errorf("%d draws: %v", draws, e.Refusals)
		}
	}
}

// Log-probs that are known as intervals contradict nothing that lies within these.
func TestBalanceWithinIntervals(t *testing.T) {
	for _, c := range []struct {
		width float64
		want  bool
	}{{0, true}, {.6, false}} {
		s := drawnSamples(func(_ int, _ *Row, d *Draw) { d.Score = dataset.Known(min(d.Score.OrNaN()+.09, 1)) })
		for i := range s.Rows {
			r := &s.Rows[i]
			v := r.LogProbs["t"].OrNaN()
			if c.width > 0 {
				delete(r.LogProbs, "t")
				r.Intervals = map[string][2]dataset.Float{"t": {dataset.Known(v - c.width/2), dataset.Known(v + c.width/2)}}
			}
		}
		r := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 20})
		if e := r.Policy("t").Estimate(LabeledSNIPS); refusedBy(e, RuleBalance) != c.want {
			t.Errorf("width %v: refused for balance %v, want %v: %v", c.width, !c.want, c.want, e.Refusals)
		}
	}
}

// Many rows of one prompt are one prompt that was answered or not.
func TestDrawGapCountsPrompts(t *testing.T) {
	z := func(rows int) float64 {
		s := Samples{Logging: "p0", Judge: "j", Scored: sampled("p0", "t"), Draws: map[string][]Draw{}}
		for i := range 100 {
			id := fmt.Sprint("p", i)
			score := dataset.Known(float64(i*37%100) / 100)
			for range rows {
				s.Rows = append(s.Rows, Row{PromptID: id, Score: score, Label: score, LogProbs: map[string]dataset.Float{
					"p0": dataset.Known(-9), "t": dataset.Known(-9)}})
			}
			if i%100 < 60 {
				s.Draws["t"] = append(s.Draws["t"], Draw{PromptID: id, Score: score})
			}
		}
		for _, g := range evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 20}).Policy("t").gaps {
			if g.Kind == gapOfDraws && g.Tests[0].By == "score" {
				return g.Tests[0].Z
			}
		}
		return math.NaN()
	}
	if one, ten := z(1), z(10); !near(one, ten, 1e-9) {
		t.Errorf("z of one row a prompt is %v, of ten %v", one, ten)
	}
}

// So early that no quantile is finite, an interval for any time is all that a value can be.
func TestAnytimeSaysNothingYet(t *testing.T) {
	s := drawnSamples(func(int, *Row, *Draw) {})
	r := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 20, Anytime: 1_000_000})
	e := r.Policy("t").Estimate(LabeledSNIPS)
	if e.Refused() || !(e.AnytimeLower <= e.Lower && e.AnytimeUpper >= e.Upper) {
		t.Errorf("[%v, %v] at any time, [%v, %v] once", e.AnytimeLower, e.AnytimeUpper, e.Lower, e.Upper)
	}
	for _, c := range r.Comparisons {
		if !c.Refused() && !(c.AnytimeLower <= c.Lower && c.AnytimeUpper >= c.Upper && c.AnytimeP <= 1) {
			t.Errorf("%s − %s: [%v, %v] p %v at any time", c.A, c.B, c.AnytimeLower, c.AnytimeUpper, c.AnytimeP)
		}
	}
}

func TestSamplesThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name, says string
		change     func(s *Samples)
	}{
		{"a probability above 1 of a row without a label", "not in (0, 1]",
			func(s *Samples) { s.Rows[1].InclusionProb = dataset.Known(2) }},
		{"a negative one", "not in (0, 1]", func(s *Samples) { s.Rows[1].InclusionProb = dataset.Known(-.5) }},
		{"a target without a name", "a policy has no name",
			func(s *Samples) { s.Rows[1].LogProbs[""] = dataset.Known(-1) }},
		{"draws of a policy without a name", "a policy has no name",
			func(s *Samples) { s.Draws = map[string][]Draw{"": {{PromptID: "p1"}}} }},
	} {
		s := plainSamples(func(int, float64, *Row) {})
		s.Scored[""] = dataset.Scored{Distribution: dataset.SamplingDistribution}
		c.change(&s)
		if _, err := Evaluate(s, Config{Replicates: 2}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// A probe's inclusion probability is kept, whichever of the two files has the label.
func TestProbesKeepTheirProbability(t *testing.T) {
	label := dataset.Known(1)
	join := func(draw, probe Draw) ([]Draw, error) {
		table := NewTable(Plan{Logging: "p0"})
		table.AddDraw("t", draw)
		columnsOf(table.probes, "t").add(table.promptCode(probe.PromptID), probe)
		s, err := table.Samples()
		return s.Draws["t"], err
	}
	draws, err := join(Draw{PromptID: "q", Label: label},
		Draw{PromptID: "q", Label: label, InclusionProb: dataset.Known(.1), Covariate: dataset.Known(7)})
	if err != nil || len(draws) != 1 || draws[0].InclusionProb != dataset.Known(.1) ||
		draws[0].Covariate != dataset.Known(7) {
		t.Errorf("%+v, %v", draws, err)
	}
	if _, err := join(Draw{PromptID: "q", InclusionProb: dataset.Known(.2)},
		Draw{PromptID: "q", InclusionProb: dataset.Known(.1)}); err == nil {
		t.Error("two probabilities of one draw are taken")
	}
}

// A value in common on one row makes no clone.
func TestOneRowMakesNoClone(t *testing.T) {
	s := plainSamples(func(i int, _ float64, r *Row) {
		r.LogProbs["twin"] = r.LogProbs["p0"]
		if i == 0 {
			r.LogProbs["rare"] = r.LogProbs["p0"]
		}
	})
	if got := fmt.Sprint(TableOf(s).Clones()); got != "[twin]" {
		t.Errorf("clones %s, want twin alone", got)
	}
}

func TestEmptyColumnsPanic(t *testing.T) {
	for name, c := range map[string]Columns{
		"Labels":   {Scores: []float64{1, 0}, Labels: []float64{}},
		"PromptID": {Scores: []float64{1, 0}, PromptID: []string{}},
		"LogProbs": {Scores: []float64{1, 0}, LogProbs: map[string][]float64{"t": {}}},
	} {
		func() {
			defer func() {
				if s := fmt.Sprint(recover()); !strings.Contains(s, "offpolicy: columns: "+name) {
					t.Errorf("%s of no entry: %s", name, s)
				}
			}()
			FromColumns(c)
		}()
	}
}

// What logs and own responses say of a policy that cannot both be right stands before any figure.
func TestContradictionsAreNotes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Draw)
		want   string
	}{
		{"both agree", func(*Draw) {}, ""},
		{"the labels of its own are of a stricter oracle", func(d *Draw) {
			if v, ok := d.Label.Get(); ok {
				d.Label = dataset.Known(v * .6)
			}
		}, "further apart than luck explains"},
		{"its draws were scored by a milder judge", func(d *Draw) { d.Score = dataset.Known(min(d.Score.OrNaN()+.15, 1)) },
			"answered by its own draws, but the judge's mean is"},
	} {
		s := drawnSamples(func(_ int, _ *Row, d *Draw) { c.change(d) })
		doc := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 20}).Document()
		notes := strings.Join(doc.Notes, "\n")
		if told := strings.Contains(notes, "find out why"); told != (c.want != "") || !strings.Contains(notes, c.want) {
			t.Errorf("%s: %q is in the notes: %s", c.name, c.want, notes)
		}
		if a := doc.Policies["t"].Answer; c.want != "" && a.Estimator != string(Direct) {
			t.Errorf("%s: answered by %s", c.name, a.Estimator)
		}
	}
}

// A policy of which no response is to a logged prompt cannot be compared, which is said, with what
// two spellings of one id look like.
func TestNoPromptInCommon(t *testing.T) {
	for spelling, want := range map[string]string{"P%d": `"P`, " p%d": `" p`, "p00%d": `"p00`, "p%d.0": `.0" here`, "other %d": ""} {
		s := drawnSamples(func(i int, _ *Row, d *Draw) { d.PromptID = fmt.Sprintf(spelling, i) })
		r := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 20})
		notes := strings.Join(r.Document().Notes, "\n")
		if !strings.Contains(notes, "No response of t is to a prompt that was logged") || !strings.Contains(notes, want) ||
			strings.Contains(notes, "spell ids alike") != (want != "") {
			t.Errorf("ids like %q: %s", spelling, notes)
		}
	}
	for _, common := range []bool{true, false} {
		s := drawnSamples(func(_ int, r *Row, d *Draw) {
			delete(r.LogProbs, "t") // so that its draws alone can answer
			if !common {
				d.PromptID += " "
			}
		})
		r := evaluate(t, s, Config{Method: InfluenceFunction, Replicates: 20})
		if notes := strings.Join(r.Document().Notes, "\n"); strings.Contains(notes, "No response of") == common {
			t.Error(notes)
		}
		d := r.Comparisons[0]
		if d.Refused() == common || !common && !strings.Contains(d.Refusals[0].Message, "no prompt in common") {
			t.Errorf("prompts in common %v: the comparison is refused for %v", common, d.Refusals)
		}
	}
}
