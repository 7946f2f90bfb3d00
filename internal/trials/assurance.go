package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sort"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

var quick = offpolicy.Config{Method: offpolicy.InfluenceFunction, Replicates: 2, Concurrency: 1,
	Estimators: []offpolicy.Estimator{offpolicy.DR, offpolicy.Direct, offpolicy.LabeledSNIPS}}

// met counts runs that are as narrow as planned.
type met struct {
	runs, met                   int
	width, prompts, labels, not float64
}

func (m *met) add(e *offpolicy.Estimate, width float64, prompts, labels int) {
	m.runs++
	if e.Refused() {
		m.not++
		return
	}
	h := (e.Upper - e.Lower) / 2 / width
	if h <= 1 {
		m.met++
	}
	m.width += h
	m.prompts += float64(prompts)
	m.labels += float64(labels)
}

func (m *met) row(out io.Writer, world, what string, share float64) {
	n := float64(m.runs) - m.not
	asked := "–"
	if share > 0 {
		asked = fmt.Sprintf("%.0f", 100*share)
	}
	fmt.Fprintf(out, "| %s | %s | %s | %d | %.0f | %.1f | %.2f | %.0f | %.0f |\n", world, what, asked, m.runs, m.not,
		100*float64(m.met)/float64(m.runs), m.width/n, m.prompts/n, m.labels/n)
}

// assurance plans from pilots of 100 prompts, all labeled, with 25 labels of a target far
// away, and evaluates runs of the planned size.
func assurance(out io.Writer, repetitions int) error {
	fmt.Fprintf(out, `# Planned from a pilot

Written by `+"`go run ./internal/trials -part assurance -out offpolicy/montecarlo.md`"+`. %d plans a world, each from a pilot of
100 prompts with 100 labels of P0's and 25 of a far target's responses, by Pilot; then one run of the planned size, half
of its prompts labeled. An Assurance of 80%% is held to 75-92%% of runs; without one the plan is for the expected width.
"near" is by weights (ESS/n about .9), by Result.WeightedPlanning. A plan that no run of 20,000 prompts or 2,000 draws keeps is left
out. The runs of arena are resamples of the labeled rows of real logs.

| world | value | asked %% | plans | refused | met %% | width / planned | prompts | labels |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`, repetitions)
	for _, kind := range worldKinds {
		if err := assureWorld(out, newWorld(kind), repetitions); err != nil {
			return err
		}
	}
	return arenaRuns(out, repetitions)
}

func assureWorld(out io.Writer, w *world, repetitions int) error {
	all := policies{"p0": {}, "near": {tilt: .3}, "far": {tilt: 2}}
	const most, draws = 20_000, 2000
	for _, share := range []float64{0, .8} {
		var logging, far, near met
		for rep := range repetitions {
			rng := stream("plan", w.name, rep)
			one := func(r run) (*offpolicy.Result, error) {
				r.logging, r.draws = "p0", true
				return offpolicy.Evaluate(w.samples(rng, all, r), quick)
			}
			r, err := one(run{prompts: 100, labels: 100, probes: 25})
			if err != nil {
				return err
			}
			p, own, weighted := r.Planning(), r.TargetPlanning("far"), r.WeightedPlanning("near")
			p.Assurance, own.Assurance, weighted.Assurance = share, share, share
			if n, m := p.LoggingRun(w.width, .5, most); n > 0 {
				run, err := one(run{prompts: n, labels: m})
				if err != nil {
					return err
				}
				logging.add(run.Policy("p0").Estimate(offpolicy.DR), w.width, n, m)
			}
			if m := own.DirectRun(1.6*w.width, draws); m > 0 {
				run, err := one(run{prompts: draws, labels: draws / 4, probes: m})
				if err != nil {
					return err
				}
				far.add(run.Policy("far").Estimate(offpolicy.Direct), 1.6*w.width, draws, m)
			}
			ess := r.Policy("near").Weights.ESS / 100
			n := 60 + sort.Search(most, func(i int) bool { return weighted.DRHalfWidth(60+i, 30+i/2, ess) <= w.width })
			run, err := one(run{prompts: n, labels: n / 2})
			if err != nil {
				return err
			}
			near.add(run.Policy("near").Estimate(offpolicy.DR), w.width, n, n/2)
		}
		logging.row(out, w.name, "P0, by its labels", share)
		far.row(out, w.name, "far, by labels of its own", share)
		near.row(out, w.name, "near, by weights", share)
	}
	return nil
}

// arenaRuns plans from resamples of real logs, and sees what runs of the planned size,
// resampled as well, are as wide as.
func arenaRuns(out io.Writer, repetitions int) error {
	dir := os.Getenv("REWEIGH_SHARED")
	if dir == "" {
		dir = "../shared"
	}
	logged, err := dataset.ReadFile[dataset.Sample](dir + "/data/arena/logged.jsonl")
	if err != nil {
		return err
	}
	all, err := offpolicy.FromRecords(dataset.Logs{Logging: "base", Judge: "gpt-4.1-nano", Samples: logged,
		Scored: dataset.Unstated("base", logged)})
	if err != nil {
		return err
	}
	rows := slices.DeleteFunc(all.Rows, func(r offpolicy.Row) bool { return !r.Label.Valid() })
	resample := func(rng *rand.Rand, n, labels int) offpolicy.Samples {
		s := all
		s.Rows = nil
		for i := range n {
			r := rows[rng.IntN(len(rows))]
			r.PromptID = fmt.Sprint("prompt ", i)
			r.LogProbs = map[string]dataset.Float{"base": r.LogProbs["base"]}
			if i >= labels {
				r.Label = dataset.Float{}
			}
			s.Rows = append(s.Rows, r)
		}
		return s
	}
	for _, share := range []float64{0, .8} {
		var base met
		const width = .02
		for rep := range repetitions {
			rng := stream("arena", rep)
			r, err := offpolicy.Evaluate(resample(rng, 100, 100), quick)
			if err != nil {
				return err
			}
			p := r.Planning()
			p.Assurance = share
			n, m := p.LoggingRun(width, .5, 100_000)
			if r, err = offpolicy.Evaluate(resample(rng, n, m), quick); err != nil {
				return err
			}
			base.add(r.Policy("base").Estimate(offpolicy.DR), width, n, m)
		}
		base.row(out, "arena", "base, by its labels", share)
	}
	return nil
}
