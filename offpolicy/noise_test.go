package offpolicy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func TestMeasureNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, sigma float64) (d, length []float64) {
		for range n {
			l := float64(50 + rng.IntN(300))
			d, length = append(d, sigma*math.Sqrt(2*l)*rng.NormFloat64()), append(length, l)
		}
		return d, length
	}
	// A standard deviation from n draws has a relative error of 1/√(2n): four of those.
	for _, sigma := range []float64{.001, .01, .03} {
		for _, n := range []int{40, 1000} {
			got := MeasureNoise(draw(n, sigma))
			if off := math.Abs(got.Token/sigma - 1); off > 4/math.Sqrt(2*float64(n)) || got.Upper <= got.Token || got.Rows > n {
				t.Errorf("σ %v from %d rows: %+v", sigma, n, got)
			}
		}
	}
	// The upper limit covers at its level: of 400 measurements 95% ± 4 standard errors.
	covered := 0
	for range 400 {
		if MeasureNoise(draw(40, .01)).Upper >= .01 {
			covered++
		}
	}
	if covered < 360 || covered > 397 {
		t.Errorf("the upper limit covers %d of 400, want about 380", covered)
	}
	d, length := draw(100, .01)
	d[3], d[50] = 8, nan
	if got := MeasureNoise(d, length); got.Rows != 98 || got.Token > .013 {
		t.Errorf("a wrong value and a missing one are no noise: %+v", got)
	}
	for i := range 10 {
		d[i] = 9
	}
	if got := MeasureNoise(d, length); got != (Noise{}) {
		t.Errorf("with 10%% of wrong values nothing is one noise: %+v", got)
	}
	if got := MeasureNoise([]float64{nan}, []float64{1}); got != (Noise{}) {
		t.Errorf("nothing was measured: %+v", got)
	}
	if got := MeasureNoise(make([]float64, 9), ones(9)); got.Token != 0 || got.Upper != 0 || got.Rows != 9 {
		t.Errorf("an endpoint that repeats itself: %+v", got)
	}
}

// noisyWorld draws n prompts with a logging policy, its clone and a target near it. Labels
// follow length by slope, which is what noise, larger on long responses, can move.
func noisyWorld(n int, sigma, slope float64, rng *rand.Rand) (s Samples, truth float64) {
	s = Samples{Logging: "p0", Judge: "j", Scored: map[string]dataset.Scored{}, Draws: map[string][]Draw{}}
	for _, p := range []string{"p0", "clone", "target"} {
		s.Scored[p] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	}
	for i := range n {
		id := fmt.Sprintf("q%05d", i)
		l := math.Exp(math.Log(200) + .5*rng.NormFloat64())
		clean := -.7 * l
		noise := func() float64 { return sigma * math.Sqrt(l) * rng.NormFloat64() }
		z := rng.NormFloat64() // what the target likes better
		shift := .4*z - .08
		y := min(1, max(0, .5+.1*z+slope*(math.Log(l)-math.Log(200))+.1*rng.NormFloat64()))
		s.Rows = append(s.Rows, Row{PromptID: id, Length: dataset.Known(l), Label: dataset.Known(y),
			Score: dataset.Known(min(1, max(0, y+.1*rng.NormFloat64()))), InclusionProb: dataset.Known(1),
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(clean + noise()), "clone": dataset.Known(clean + noise()),
				"target": dataset.Known(clean + shift + noise())}})
		// The target's own response: z has mean 0.4 under it.
		zt := z + .4
		yt := min(1, max(0, .5+.1*zt+slope*.5*rng.NormFloat64()+.1*rng.NormFloat64()))
		s.Draws["target"] = append(s.Draws["target"], Draw{PromptID: id,
			Score: dataset.Known(min(1, max(0, yt+.1*rng.NormFloat64())))})
	}
	return s, .54 // .5 + .1·.4; clipping moves it by less than .001
}

// TestNoise is the table of decisions beside the measured harm: few worlds here, 200 a
// cell with REWEIGH_NOISE=200. No cell whose harm is under the gate fails, and estimates
// that are given cover.
func TestNoise(t *testing.T) {
	seeds, sizes := 6, []int{40, 100}
	if v := os.Getenv("REWEIGH_NOISE"); v != "" {
		seeds, _ = strconv.Atoi(v)
		sizes = []int{40, 100, 1000}
	}
	var table strings.Builder
	for _, sigma := range []float64{0, .003, .006, .01, .0132, .03} { // .0132: twice the gate of ips
		for _, n := range sizes {
			statuses := map[Status]int{}
			covered, given, ips, noised, meanOne := 0, 0, 0, 0, 0
			for seed := range seeds {
				rng := rand.New(rand.NewPCG(uint64(seed), uint64(n)))
				s, truth := noisyWorld(n, sigma, 0, rng)
				r, err := Evaluate(s, Config{Clones: []string{"clone"}, Seed: 1, Replicates: 200,
					Estimators: []Estimator{DR, LabeledSNIPS, IPS}})
				if err != nil {
					t.Fatal(err)
				}
				statuses[r.Policy("clone").Clone.Status]++
				p := r.Policy("target")
				if e := p.Estimate(DR); !e.Refused() {
					given++
					if e.Lower <= truth && truth <= e.Upper {
						covered++
					}
				} else if e.Refusals[0].Rule == RuleNoise {
					noised++
				}
				for _, why := range p.Weights.Refusals() {
					if why.Rule == RuleMeanOne {
						meanOne++
					}
				}
				if p.Estimate(IPS).Refused() {
					ips++
				}
				if c := r.Policy("clone").Clone; c.Status != StatusPass {
					t.Logf("σ %v, n %d: clone %s: %q", sigma, n, c.Status, c.Reasons)
				}
			}
			harm := 100 * (math.Exp(sigma*sigma*226) - 1) // E[L] of the world is 226.6
			fmt.Fprintf(&table, "σ %.3f n %4d: exp(s²/2)-1 %5.2f%%  clone %v  dr given %d of %d, covers %d, refused for "+
				"noise %d; ips refused %d; mean above 1 %d\n", sigma, n, harm, statuses, given, seeds, covered, noised, ips,
				meanOne)
			if statuses[StatusFail] > 0 {
				t.Errorf("σ %v, n %d: honest noise fails the clone %d times", sigma, n, statuses[StatusFail])
			}
			if meanOne > seeds/50 {
				t.Errorf("σ %v, n %d: honest noise convicts the weights %d times", sigma, n, meanOne)
			}
			if harm > 4 && ips*100 < 95*seeds {
				t.Errorf("σ %v, n %d: ips, at twice its gate, is refused %d of %d times", sigma, n, ips, seeds)
			}
			if seeds >= 200 && (given >= 100 && covered*100 < 93*given || noised > seeds/10) {
				t.Errorf("σ %v, n %d: dr covers %d of %d, refused %d", sigma, n, covered, given, noised)
			}
		}
	}
	t.Log("\n" + table.String())
}

// TestNoiseThatMovesAValue: noise grows with length, and so it moves a value that
// depends on length.
func TestNoiseThatMovesAValue(t *testing.T) {
	refused := 0
	for seed := range uint64(5) {
		s, _ := noisyWorld(400, .06, .25, rand.New(rand.NewPCG(seed, 5)))
		r, err := Evaluate(s, Config{Clones: []string{"clone"}, Seed: 1, Replicates: 200, Estimators: []Estimator{SNIPS,
			LabeledSNIPS, Direct}})
		if err != nil {
			t.Fatal(err)
		}
		for _, why := range r.Policy("target").Estimate(LabeledSNIPS).Refusals {
			if why.Rule == RuleNoise {
				refused++
			}
		}
		if e := r.Policy("target").Estimate(Direct); len(e.Refusals) > 0 && e.Refusals[0].Rule == RuleNoise {
			t.Error("a value of the target's own responses does not depend on log-probs")
		}
	}
	if refused < 4 {
		t.Errorf("a value that noise moves is refused %d of 5 times", refused)
	}
	s, _ := noisyWorld(100, 0, 0, rand.New(rand.NewPCG(1, 5)))
	r, err := Evaluate(s, Config{Noise: dataset.Known(.02), Seed: 1, Replicates: 100, Estimators: []Estimator{IPS}})
	if err != nil || r.Noise != (Noise{Token: .02, Upper: .02}) {
		t.Errorf("stated noise: %+v, %v", r.Noise, err)
	}
	if _, err := Evaluate(s, Config{Noise: dataset.Known(-1)}); err == nil {
		t.Error("a negative noise was taken")
	}
}

// A noise of 0 is stated, and nothing is measured; without one the clone shows it.
func TestNoNoiseIsAStatement(t *testing.T) {
	s := world{prompts: 120, labels: 60, draws: 1}.samples(1)
	s.Scored["again"] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	for i := range s.Rows {
		s.Rows[i].LogProbs["again"] = dataset.Known(s.Rows[i].LogProbs["p0"].OrNaN() + .05*float64(i%3-1))
	}
	for _, c := range []struct {
		stated dataset.Float
		none   bool
	}{{dataset.Known(0), true}, {dataset.Float{}, false}} {
		r := evaluate(t, s, Config{Replicates: 20, Clones: []string{"again"}, Noise: c.stated})
		if (r.Noise.Token == 0) != c.none {
			t.Errorf("stated %v: noise %+v", c.stated, r.Noise)
		}
		clone := CloneCheck(r.Policy("again").Weights, r.frame.lengths, c.stated)
		if (clone.Spread == 0) != c.none {
			t.Errorf("stated %v: the clone's spread is %v", c.stated, clone.Spread)
		}
	}
}
