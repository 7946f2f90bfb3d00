package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
)

// labels compares designs of as many labels: at random, and where they count.
func labels(out io.Writer, repetitions int) error {
	fmt.Fprintf(out, `# Labels where they count

Written by `+"`go run ./internal/trials -part labels -out offpolicy/montecarlo.md`"+`. %d repetitions a cell of 500 prompts and 125
labels, or 100 and 25; dr of a target at good and at medium overlap. Labels are drawn at random, by weight
(AssignBySize of LabelSizes), or by weight and how labels vary in each tenth of the judge's scale. Widths are of the
repetitions that both this design and the random one answer. Held to: coverage at least 93%%; width at most .90 of random at medium overlap and
1.00 at good; refused in at most 1%% of what is answered at random.

| world | prompts | ESS/n | design | refused %% | of those answered at random %% | coverage %% | width / random |
| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |
`, repetitions)
	for _, kind := range worldKinds {
		for _, size := range [][2]int{{500, 125}, {100, 25}} {
			for _, tilt := range []float64{.4, 1.35} {
				if err := labelsCell(out, newWorld(kind), size[0], size[1], tilt, repetitions); err != nil {
					return err
				}
			}
		}
	}
	return shares(out, repetitions)
}

// designs are ways to draw the labels of logged responses.
var designs = []string{"random", "by weight", "by weight and spread"}

// spread is how labels of the logging policy vary in each tenth of the judge's scale.
func (w *world) spread() (out [10]float64) {
	var n, sum, squares [10]float64
	for i := range w.prompts {
		p := &w.prompts[i]
		for k, v := range p.probabilities(policy{}) {
			at := tenth(p.score[k])
			n[at] += v
			sum[at] += v * p.label[k]
			squares[at] += v * p.label[k] * p.label[k]
		}
	}
	for i := range out {
		mean := sum[i] / n[i]
		out[i] = math.Sqrt(max(squares[i]/n[i]-mean*mean, 0))
	}
	return out
}

func tenth(score float64) int { return min(int(10*score), 9) }

// drawn labels rows of which all labels are known: m of them, by a design.
func (w *world) drawn(s offpolicy.Samples, design string, m int, seed uint64, target string) offpolicy.Samples {
	var spread []float64
	if design == designs[2] {
		byScore := w.spread()
		for _, r := range s.Rows {
			spread = append(spread, byScore[tenth(r.Score.OrNaN())])
		}
	}
	var sizes []float64
	if design != "random" {
		sizes = offpolicy.LabelSizes(s, spread, offpolicy.Aim{Policy: target})
	}
	bySize, keys := map[dataset.Key]float64{}, make([]dataset.Key, len(s.Rows))
	for i, r := range s.Rows {
		keys[i] = dataset.Key{PromptID: r.PromptID, Policy: s.Logging}
		bySize[keys[i]] = 1
		if sizes != nil {
			bySize[keys[i]] = sizes[i]
		}
	}
	d := oracle.Design{Seed: seed, Shares: map[string]int{s.Logging: m}}
	assigned, p := d.AssignBySize(bySize, s.Logging)
	if design == "random" {
		assigned = d.Assign(keys, s.Logging)
		for _, k := range keys {
			p[k] = assigned[0].InclusionProb
		}
	}
	chosen := map[dataset.Key]bool{}
	for _, a := range assigned {
		chosen[a.Key] = true
	}
	s.Rows = slices.Clone(s.Rows)
	for i := range s.Rows {
		r := &s.Rows[i]
		r.InclusionProb = p[keys[i]]
		if !chosen[keys[i]] {
			r.Label = dataset.Float{}
		}
	}
	return s
}

func labelsCell(out io.Writer, w *world, n, m int, tilt float64, repetitions int) error {
	all := policies{"p0": {}, "target": {tilt: tilt}}
	truth := w.value(all["target"])
	type tally struct {
		refused, lost, answered, covered int
		width, random                    float64
	}
	tallies := make([]tally, len(designs))
	atRandom, ess := 0, 0.0
	c := quick
	c.Estimators = []offpolicy.Estimator{offpolicy.DR}
	for rep := range repetitions {
		s := w.samples(stream("labels", w.name, n, tilt, rep), all, run{logging: "p0", prompts: n, labels: n, draws: true})
		random := math.NaN()
		for k, design := range designs {
			r, err := offpolicy.Evaluate(w.drawn(s, design, m, uint64(rep), "target"), c)
			if err != nil {
				return err
			}
			t, p := &tallies[k], r.Policy("target")
			e := p.Estimate(offpolicy.DR)
			if k == 0 {
				ess += p.Weights.ESS / float64(n)
				if !e.Refused() {
					random = e.Upper - e.Lower
					atRandom++
				}
			}
			if e.Refused() {
				t.refused++
				if !math.IsNaN(random) {
					t.lost++
				}
				continue
			}
			t.answered++
			if !outside(truth, e.Lower, e.Upper) {
				t.covered++
			}
			if !math.IsNaN(random) {
				t.width += e.Upper - e.Lower
				t.random += random
			}
		}
	}
	for k, design := range designs {
		t := tallies[k]
		fmt.Fprintf(out, "| %s | %d | %.2f | %s | %.1f | %s | %s | %s |\n", w.name, n, ess/float64(repetitions),
			design, 100*float64(t.refused)/float64(repetitions), ratio(1, 100*float64(t.lost), float64(atRandom)),
			ratio(1, 100*float64(t.covered), float64(t.answered)), ratio(2, t.width, t.random))
	}
	return nil
}

// ratio is a over b to so many decimals; a dash of nothing.
func ratio(decimals int, a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f", decimals, a/b)
}

// shared is how a budget fares.
type shared struct {
	answered, covered, policies int
	widest                      float64 // of the runs that answer all
	worst                       float64
}

// shares spends budgets of labels on four policies: the seed plan's hundred, and two hundred
// in equal parts or by what the first hundred showed.
func shares(out io.Writer, repetitions int) error {
	fmt.Fprintf(out, `
%d runs a cell of 100 prompts, their labels divided by oracle.Share among the logging policy and three targets, near, further
and far away; in the second half of the runs 2%% of responses cannot be labeled and give way to others. "By spread" divides what is
beyond 25 each by the residuals of these. Held to: all four answered in 95%% of runs of 100 labels; the widest half-width
with 200 labels at most that of 50 each, and .80 of it where one policy's residuals vary twice as much.

| world | labels | all answered %% | coverage %% | widest half-width | in the worst run | of 50 each |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
`, repetitions)
	for _, c := range []struct {
		kind  world
		noise float64
	}{{worldKinds[0], 0}, {worldKinds[3], 0}, {worldKinds[0], .4}} {
		if err := sharesCell(out, newWorld(c.kind), c.noise, repetitions); err != nil {
			return err
		}
	}
	return nil
}

func sharesCell(out io.Writer, w *world, noise float64, repetitions int) error {
	all := policies{"p0": {}, "near": {tilt: .4}, "further": {tilt: -1}, "far": {tilt: 2}}
	totals := map[string]*shared{"100": {}, "200, 50 each": {}, "200, by spread": {}}
	for rep := range repetitions {
		rng := stream("shares", w.name, noise, rep)
		s := w.samples(rng, all, run{logging: "p0", prompts: 100, labels: 100, draws: true, probes: 100})
		disturb(rng, s.Draws["far"], noise)
		failed := map[dataset.Key]bool{}
		counts, keys := map[string]int{"p0": 100}, []dataset.Key(nil)
		for _, r := range s.Rows {
			keys = append(keys, dataset.Key{PromptID: r.PromptID, Policy: "p0"})
		}
		for _, name := range sorted(all) {
			counts[name] = 100
			for _, d := range s.Draws[name] {
				keys = append(keys, dataset.Key{PromptID: d.PromptID, Policy: name})
			}
		}
		for _, k := range keys {
			if rng.Float64() < .02 && 2*rep >= repetitions {
				failed[k] = true
			}
		}
		evaluate := func(shares map[string]int) (*offpolicy.Result, error) {
			d := oracle.Design{Seed: uint64(rep), Shares: shares}
			return offpolicy.Evaluate(labeled(s, d.AssignAround(keys, "p0", failed), failed), quick)
		}
		first, err := evaluate(oracle.Share(100, "p0", counts, nil))
		if err != nil {
			return err
		}
		totals["100"].add(w, all, first)
		pilots := map[string]offpolicy.Planning{"p0": first.Planning()}
		for name := range s.Draws {
			pilots[name] = first.TargetPlanning(name)
		}
		for name, by := range map[string]map[string]offpolicy.Planning{"200, 50 each": nil, "200, by spread": pilots} {
			r, err := evaluate(oracle.Share(200, "p0", counts, by))
			if err != nil {
				return err
			}
			totals[name].add(w, all, r)
		}
	}
	world := w.name
	if noise > 0 {
		world += ", one policy's labels vary more"
	}
	each := totals["200, 50 each"]
	for _, name := range sortedKeys(totals) {
		t := totals[name]
		of := t.widest / float64(t.answered) * float64(each.answered) / each.widest
		fmt.Fprintf(out, "| %s | %s | %.1f | %.1f | %.4f | %.4f | %.2f |\n", world, name,
			100*float64(t.answered)/float64(repetitions), 100*float64(t.covered)/float64(t.policies),
			t.widest/float64(t.answered), t.worst, of)
	}
	return nil
}

// disturb moves labels by a noise that the judge does not see, as far as both ends allow, so
// that means stay.
func disturb(rng *rand.Rand, draws []offpolicy.Draw, noise float64) {
	for i := range draws {
		y := draws[i].Label.OrNaN()
		room := min(noise, y, 1-y)
		if rng.IntN(2) == 0 {
			room = -room
		}
		draws[i].Label = dataset.Known(y + room)
	}
}

// labeled leaves the labels that a design draws and that do not fail.
func labeled(s offpolicy.Samples, assigned []oracle.Assignment, failed map[dataset.Key]bool) offpolicy.Samples {
	chosen, p := map[dataset.Key]bool{}, map[string]dataset.Float{}
	for _, a := range assigned {
		chosen[a.Key] = !failed[a.Key]
		p[a.Key.Policy] = a.InclusionProb
	}
	s.Rows = slices.Clone(s.Rows)
	for i := range s.Rows {
		r := &s.Rows[i]
		r.InclusionProb = p[s.Logging]
		if !chosen[dataset.Key{PromptID: r.PromptID, Policy: s.Logging}] {
			r.Label = dataset.Float{}
		}
	}
	draws := map[string][]offpolicy.Draw{}
	for name, all := range s.Draws {
		for _, d := range all {
			d.InclusionProb = p[name]
			if !chosen[dataset.Key{PromptID: d.PromptID, Policy: name}] {
				d.Label = dataset.Float{}
			}
			draws[name] = append(draws[name], d)
		}
	}
	s.Draws = draws
	return s
}

func (t *shared) add(w *world, all policies, r *offpolicy.Result) {
	answered, widest := true, 0.0
	for name, by := range all {
		p := r.Policy(name)
		e := p.Estimate(p.Answer.Estimator)
		if e == nil {
			answered = false
			continue
		}
		t.policies++
		if !outside(w.value(by), e.Lower, e.Upper) {
			t.covered++
		}
		widest = max(widest, (e.Upper-e.Lower)/2)
	}
	if answered {
		t.answered++
		t.widest += widest
		t.worst = max(t.worst, widest)
	}
}
