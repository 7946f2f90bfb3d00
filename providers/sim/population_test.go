package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	"github.com/reweigh/reweigh/offpolicy"
)

// population is testdata/population.json: the judge's score and the two worlds'
// labels, in hundredths, of one response of each policy to each of some
// prompts. TestTruthFile -update writes it with truth.json, whose fingerprint it
// has.
type population struct {
	Fingerprint string            `json:"fingerprint"`
	Policies    map[string]column `json:"policies"`
}

type column struct {
	Score       []int `json:"score"`
	Transported []int `json:"transported"`
	Shifted     []int `json:"shifted"`
}

const (
	populationFile    = "testdata/population.json"
	populationPrompts = 1000
)

func writePopulation(t *testing.T, fingerprint string) {
	t.Helper()
	prompts := arenagen.Prompts(populationPrompts, truthSeed)
	f := population{fingerprint, map[string]column{}}
	for _, p := range truthPolicies() {
		var c column
		for _, r := range simulate(p, prompts, truthSeed) {
			hundredths := func(x float64) int { return int(math.Round(100 * x)) }
			c.Score = append(c.Score, hundredths(r.score))
			c.Transported = append(c.Transported, hundredths(r.transported))
			c.Shifted = append(c.Shifted, hundredths(r.shift))
		}
		f.Policies[p.Name] = c
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(populationFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readPopulation(t *testing.T) population {
	t.Helper()
	b, err := os.ReadFile(populationFile)
	if err != nil {
		t.Fatal(err)
	}
	var f population
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if f.Fingerprint != truth().Fingerprint {
		t.Fatalf("%s is stale: run go generate in this package", populationFile)
	}
	return f
}

func (c column) labels(w World) []int {
	if w == Shifted {
		return c.Shifted
	}
	return c.Transported
}

// coverageEnv asks for all 2,000 repetitions: REWEIGH_COVERAGE=1 go test
// -run=TestResidualCorrectedCoverage ./providers/sim takes about a minute.
const coverageEnv = "REWEIGH_COVERAGE"

// In either world the mean that labels of a policy's own correct lies in its
// 95% interval in 93 to 97 of 100 samples, also where the calibration, learnt
// on P0, misleads. A sample is 100 prompts with P0's labels, every target's own
// responses, and 25 labels of each; it is drawn from the stored population, and
// the truth is that population's mean.
func TestResidualCorrectedCoverage(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	repetitions, low, high := 200, .895, .995 // 3.6 standard errors below .95, 2.9 above
	if os.Getenv(coverageEnv) != "" {
		repetitions, low, high = 2000, .93, .97
	}
	all := readPopulation(t)
	for _, world := range []World{Transported, Shifted} {
		inside := map[string]int{}
		plugIn := map[string]float64{} // mean error of the calibration alone
		var mu sync.Mutex
		var wg sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			wg.Go(func() {
				for rep := w; rep < repetitions; rep += workers {
					s := all.sample(world, uint64(rep))
					r, err := offpolicy.Evaluate(s, offpolicy.Config{
						Estimators: []offpolicy.Estimator{offpolicy.Direct}, Method: offpolicy.InfluenceFunction,
						Seed: uint64(rep), Replicates: 50, // the intervals of comparisons, which nobody reads here
						Concurrency: 1,
					})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for name, c := range all.Policies {
						truth := mean(c.labels(world))
						var lo, hi float64
						if name == "p0" {
							var y []float64
							for _, row := range s.Rows {
								y = append(y, row.Label.OrNaN())
							}
							_, lo, hi = offpolicy.MeanInterval(y)
						} else {
							e := r.Policy(name).Estimate(offpolicy.Direct)
							lo, hi = e.Lower, e.Upper
							for _, d := range s.Draws[name] {
								plugIn[name] += (r.Calibrator.PredictFor(d.PromptID, d.Score.OrNaN()) - truth) /
									float64(len(s.Draws[name])*repetitions)
							}
						}
						if lo <= truth && truth <= hi {
							inside[name]++
						}
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for _, p := range truthPolicies() {
			share := float64(inside[p.Name]) / float64(repetitions)
			t.Logf("%s, %s: %.4f of %d intervals hold the truth; the calibration alone is off by %+.3f", world, p.Name, share,
				repetitions, plugIn[p.Name])
			if share < low || share > high {
				t.Errorf("%s, %s: %.4f of the intervals hold the truth, want %.3f to %.3f", world, p.Name, share, low, high)
			}
		}
		if off := plugIn["pi_bad"]; (math.Abs(off) > .1) != (world == Shifted) {
			t.Errorf("%s: on pi_bad the calibration alone is off by %.3f", world, off)
		}
	}
}

// sample draws 100 prompts with replacement, and 25 of each target's responses
// to be labeled.
func (f population) sample(world World, seed uint64) offpolicy.Samples {
	const n, probes = 100, 25
	rng := rand.New(rand.NewPCG(seed, uint64(world)))
	s := offpolicy.Samples{Logging: "p0", Judge: "sim@1", Draws: map[string][]offpolicy.Draw{}}
	at := make([]int, n)
	for i := range at {
		at[i] = rng.IntN(populationPrompts)
	}
	value := func(v []int, i int) float64 { return float64(v[at[i]]) / 100 }
	p0 := f.Policies["p0"]
	for i := range n {
		s.Rows = append(s.Rows, offpolicy.Row{PromptID: fmt.Sprint(i), Score: dataset.Known(value(p0.Score, i)),
			Label: dataset.Known(value(p0.labels(world), i)), InclusionProb: dataset.Known(1)})
	}
	for _, p := range truthPolicies()[1:] {
		c := f.Policies[p.Name]
		probe := map[int]bool{}
		for _, i := range rng.Perm(n)[:probes] {
			probe[i] = true
		}
		for i := range n {
			d := offpolicy.Draw{PromptID: fmt.Sprint(i), Score: dataset.Known(value(c.Score, i)),
				InclusionProb: dataset.Known(float64(probes) / n)}
			if probe[i] {
				d.Label = dataset.Known(value(c.labels(world), i))
			}
			s.Draws[p.Name] = append(s.Draws[p.Name], d)
		}
	}
	return s
}

func mean(v []int) (m float64) {
	for _, x := range v {
		m += float64(x) / 100 / float64(len(v))
	}
	return m
}
