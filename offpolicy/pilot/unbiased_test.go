package pilot_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
)

// The weights 1/p reach the estimates: over seeded draws of a stratified design among
// responses whose labels are all known, the mean of each policy by its labels is that of all
// labels. Strata that share the labels equally would pull an unweighted mean far off, and do.
func TestStratifiedEstimatesAreUnbiased(t *testing.T) {
	const n, evaluated = 40, 100
	draws := 500
	if testing.Short() || raceEnabled {
		draws = evaluated
	}
	// Labels that follow the scores, above them where scores are low.
	scores, value, truth := map[dataset.Key]float64{}, map[dataset.Key]float64{}, map[string]float64{}
	rng := rand.New(rand.NewPCG(1, 2))
	for j, policy := range []string{"p0", "pi_clone", "pi_bad"} {
		level := []float64{.7, .7, .3}[j]
		for i := range n {
			k := dataset.Key{PromptID: fmt.Sprintf("q%02d", i), Policy: policy}
			s := math.Round(100*min(max(level+.2*rng.NormFloat64(), 0), 1)) / 100
			scores[k], value[k] = s, min(max(.2+.7*s+.1*rng.NormFloat64(), 0), 1)
			truth[policy] += value[k] / n
		}
	}
	type sums struct{ n, weighted, squares, bare float64 }
	byLabels, estimated := map[string]*sums{}, map[string]*sums{}
	note := func(in map[string]*sums, policy string, v, bare float64) {
		if in[policy] == nil {
			in[policy] = &sums{}
		}
		s := in[policy]
		s.n++
		s.weighted += v
		s.squares += v * v
		s.bare += bare
	}
	for seed := range draws {
		d := oracle.Design{Seed: uint64(seed), Fraction: .6, Probes: 20, Strata: 5}
		weighted, bare, count := map[string]float64{}, map[string]float64{}, map[string]float64{}
		p := map[dataset.Key]float64{}
		for _, a := range d.AssignByScore(scores, "p0") {
			p[a.Key] = a.InclusionProb.OrNaN()
			weighted[a.Key.Policy] += value[a.Key] / a.InclusionProb.OrNaN() / n
			bare[a.Key.Policy] += value[a.Key]
			count[a.Key.Policy]++
		}
		for policy := range truth {
			note(byLabels, policy, weighted[policy], bare[policy]/count[policy])
		}
		if seed >= evaluated {
			continue
		}
		// A design states the probability of those that were not drawn, too.
		inStratum := map[string]float64{}
		for k, q := range p {
			inStratum[stratumOf(k.Policy, scores[k])] = q
		}
		in := offpolicy.Samples{Logging: "p0", Judge: "j", Draws: map[string][]offpolicy.Draw{}}
		for k, s := range scores {
			label, prob := math.NaN(), inStratum[stratumOf(k.Policy, s)]
			if _, ok := p[k]; ok {
				label = value[k]
			}
			if k.Policy == "p0" {
				in.Rows = append(in.Rows, offpolicy.Row{PromptID: k.PromptID, Score: dataset.Known(s), Label: dataset.Known(label),
					InclusionProb: dataset.Known(prob), Length: dataset.Known(1)})
			} else {
				in.Draws[k.Policy] = append(in.Draws[k.Policy],
					offpolicy.Draw{PromptID: k.PromptID, Score: dataset.Known(s), Label: dataset.Known(label),
						InclusionProb: dataset.Known(prob)})
			}
		}
		r, err := offpolicy.Evaluate(in,
			offpolicy.Config{Seed: uint64(seed), Method: offpolicy.InfluenceFunction,
				Estimators: []offpolicy.Estimator{offpolicy.LabeledSNIPS, offpolicy.Direct}})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range r.Policies {
			est := offpolicy.Direct
			if q.Policy == "p0" {
				est = offpolicy.LabeledSNIPS
			}
			if e := q.Estimate(est); e == nil || e.Refused() {
				t.Fatalf("%s: %+v", q.Policy, e)
			} else {
				note(estimated, q.Policy, e.Value, e.Value)
			}
		}
	}
	off := 0
	for policy, want := range truth {
		for what, s := range map[string]*sums{"labels": byLabels[policy], "the estimator": estimated[policy]} {
			mean := s.weighted / s.n
			se := math.Sqrt(max(s.squares/s.n-mean*mean, 0) / s.n)
			t.Logf("%s by %s: %.5f, want %.5f (SE %.5f); unweighted %.5f", policy, what, mean, want, se, s.bare/s.n)
			// Self-normalised means of m labels have a bias of order 1/m.
			slack := map[string]float64{"labels": 1e-12, "the estimator": .003}[what]
			if math.Abs(mean-want) > 4.5*se+slack {
				t.Errorf("%s by %s: %.5f on average, %.5f (SE %.5f) is right", policy, what, mean, want, se)
			}
			if what == "labels" && math.Abs(s.bare/s.n-want) > 4.5*se+.003 {
				off++
			}
		}
	}
	if off == 0 {
		t.Error("unweighted means are right too: this shows nothing")
	}
}

// stratumOf names one of five ranges of a policy's scores.
func stratumOf(policy string, score float64) string {
	return fmt.Sprint(policy, min(int(score*5), 4))
}
