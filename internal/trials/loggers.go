package main

import (
	"fmt"
	"io"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// pooled draws logs of several policies, in turn, each prompt by one of them.
func (w *world) pooled(rep int, tag string, loggers []string, all policies, prompts, labels int) offpolicy.Samples {
	rng := stream("loggers", tag, w.name, rep)
	s := offpolicy.Samples{Logging: "logs", Pooled: true, Judge: "judge", Scored: map[string]dataset.Scored{}}
	for name := range all {
		s.Scored[name] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	}
	for i := range prompts {
		p, logger := &w.prompts[rng.IntN(population)], loggers[i%len(loggers)]
		k := choose(rng, p.probabilities(all[logger]))
		row := offpolicy.Row{PromptID: fmt.Sprint("prompt ", i), Logger: logger, Score: dataset.Known(p.score[k]),
			LogProbs: map[string]dataset.Float{}, InclusionProb: dataset.Known(float64(labels) / float64(prompts))}
		for name, by := range all {
			row.LogProbs[name] = dataset.Known(math.Log(p.probabilities(by)[k]))
		}
		if spread(i/len(loggers), labels/len(loggers), prompts/len(loggers)) {
			row.Label = dataset.Known(p.label[k])
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// loggerTally is what became of one way to weigh.
type loggerTally struct {
	answered, covered      int
	values, se, width, ess float64
	squares                float64
	errors                 []float64 // by repetition, NaN where refused
}

func (t *loggerTally) add(e *offpolicy.Estimate, truth float64) {
	if e.Refused() {
		t.errors = append(t.errors, math.NaN())
		return
	}
	t.answered++
	d := e.Value - truth
	t.errors = append(t.errors, d)
	t.values += d
	t.squares += d * d
	t.se += e.SE
	t.width += e.Upper - e.Lower
	t.ess += e.Basis.ESS
	if d >= 0 && e.Lower <= truth || d < 0 && e.Upper >= truth {
		t.covered++
	}
}

func (t *loggerTally) sd() float64 {
	n := float64(t.answered)
	return math.Sqrt(t.squares/n - t.values*t.values/n/n)
}

// loggersPart compares the mixture's weights with each logger's alone.
func loggersPart(out io.Writer, repetitions int) error {
	fmt.Fprintf(out, `# Several loggers

Written by `+"`go run ./internal/trials -part loggers -out offpolicy/montecarlo.md`"+`. %d repetitions a case of 400 prompts, half
logged by each of two policies, half labeled; labeled_snips, the baseline, of the mixture's weights and of each logger's rows alone
(Samples.Of; refused ones are computed all the same for their spread). Held to: coverage 93-97%%; in the case between, the
mixture's sd at most .6 of the best single logger's; where one logger is the target and the other far away, at most 1.02 of it.

| case | world | weights | answered %% | coverage %% | sd | of the best single | SE/sd | ESS |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
`, repetitions)
	for _, c := range []struct {
		name      string
		low, high policy
		target    policy
	}{
		{"between", policy{tilt: -1.1}, policy{tilt: 1.1}, policy{}},
		{"one is the target", policy{tilt: .5}, policy{tilt: -6}, policy{tilt: .5}},
	} {
		for _, kind := range worldKinds[:2] {
			if err := loggersCase(out, c.name, newWorld(kind), policies{"low": c.low, "high": c.high, "target": c.target},
				repetitions); err != nil {
				return err
			}
		}
	}
	return nil
}

func loggersCase(out io.Writer, name string, w *world, all policies, repetitions int) error {
	truth := w.value(all["target"])
	ways := []string{"mixture", "low", "high"}
	tallies := map[string]*loggerTally{}
	for _, way := range ways {
		tallies[way] = &loggerTally{}
	}
	c := quick
	c.Estimators = []offpolicy.Estimator{offpolicy.LabeledSNIPS}
	for rep := range repetitions {
		s := w.pooled(rep, name, []string{"low", "high"}, all, 400, 200)
		for _, way := range ways {
			part := s
			if way != "mixture" {
				part = s.Of(way)
			}
			r, err := offpolicy.Evaluate(part, c)
			if err != nil {
				return err
			}
			e := r.Policy("target").Estimate(offpolicy.LabeledSNIPS)
			if e.Refused() && way != "mixture" {
				e = r.Despite("target", offpolicy.LabeledSNIPS)
				e.Refusals = nil
			}
			tallies[way].add(e, truth)
		}
	}
	best := math.Min(tallies["low"].sd(), tallies["high"].sd())
	for _, way := range ways {
		t := tallies[way]
		n := float64(t.answered)
		fmt.Fprintf(out, "| %s | %s | %s | %.1f | %.1f | %.4f | %.2f | %.2f | %.0f |\n", name, w.name, way,
			100*n/float64(repetitions), 100*float64(t.covered)/n, t.sd(), t.sd()/best, t.se/n/t.sd(), t.ess/n)
	}
	return nil
}
