package temper_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// TestCoverageOfTemperedTargets logs responses of three tokens of the known model at temperature 1
// and asks what targets that temper and filter would have scored, by weights from 20 alternatives.
// What a response is worth rests on its first token, so that the truth is a sum over the vocabulary.
// REWEIGH_TEMPERED is the number of worlds, each of 200 prompts; 200 take some minutes.
func TestCoverageOfTemperedTargets(t *testing.T) {
	worlds := 1
	if v, err := strconv.Atoi(os.Getenv("REWEIGH_TEMPERED")); err == nil {
		worlds = v
	}
	targets := []offpolicy.Sampling{setting(.7, 1, 0), setting(.7, .9, 0), setting(1, .95, 20), setting(1.3, 1, 0)}
	model := langmodel.New(langmodel.Small)
	tok := model.Tokenizer()
	var contexts [][]int
	for _, q := range []string{"What is the capital of France?", "How do I bake bread?", "Why is the sky blue?",
		"Write a poem.", "Is seven a prime number?", "Explain tides."} {
		contexts = append(contexts, tok.Encode(contextOf(q)))
	}
	worth := func(id int) float64 {
		h := fnv.New32a()
		fmt.Fprint(h, id)
		return .2 + .6*float64(h.Sum32()%1000)/1000
	}
	// first are the first token's distributions by context, the model's own before the targets'.
	first := make([][][]float64, len(contexts))
	truth := make([]float64, len(targets))
	for c, ctx := range contexts {
		p := model.Distribution(ctx, nil)
		first[c] = [][]float64{p}
		for i, s := range targets {
			q := sampled(p, s, temper.TemperatureTopKTopP)
			for id := range q {
				q[id] = math.Exp(q[id])
				truth[i] += q[id] * worth(id) / float64(len(contexts))
			}
			first[c] = append(first[c], q)
		}
	}
	type tally struct{ given, covered, refused int }
	tallies := map[string]*tally{}
	for world := range worlds {
		rng := rand.New(rand.NewPCG(uint64(world), 31))
		pick := func(p []float64) int {
			u := rng.Float64()
			for id, v := range p {
				if u -= v; u < 0 {
					return id
				}
			}
			return 0
		}
		grade := func(id int) (label, score dataset.Float) {
			y := worth(id) + .2*(rng.Float64()-.5)
			return dataset.Known(y), dataset.Known(min(1, max(0, y+.2*(rng.Float64()-.5))))
		}
		s := offpolicy.Samples{Logging: "p0", Judge: "j", Scored: map[string]dataset.Scored{},
			Draws: map[string][]offpolicy.Draw{}}
		s.Scored["p0"] = dataset.Scored{Distribution: dataset.SamplingDistribution}
		for i := range targets {
			s.Scored[fmt.Sprint("t", i)] = dataset.Scored{Distribution: dataset.SamplingDistribution}
		}
		for n := range 240 {
			c := n % len(contexts)
			id := fmt.Sprintf("q%03d", n)
			row := offpolicy.Row{PromptID: id, InclusionProb: dataset.Known(1), Length: dataset.Known(3),
				LogProbs: map[string]dataset.Float{}, Intervals: map[string][2]dataset.Float{}}
			base, at := 0.0, append([]int(nil), contexts[c]...)
			values := make([][]temper.Value, len(targets))
			for k := range 3 {
				p := first[c][0]
				if k > 0 {
					p = model.Distribution(at, nil)
				}
				next := pick(p)
				if k == 0 {
					row.Label, row.Score = grade(next)
				}
				base += math.Log(p[next])
				pos := position(p, next, 20)
				for i, s := range targets {
					values[i] = append(values[i], temper.LogProb(pos, s, temper.TemperatureTopKTopP))
				}
				at = append(at, next)
			}
			row.LogProbs["p0"] = dataset.Known(base)
			for i := range targets {
				name := fmt.Sprint("t", i)
				switch v := temper.Sum(values[i]); {
				case v.Kind == temper.Outside:
					row.LogProbs[name] = dataset.Known(math.Inf(-1))
				case v.Kind == temper.Exact:
					row.LogProbs[name] = dataset.Known(v.Lower)
				case math.IsInf(v.Lower, -1):
					row.Intervals[name] = [2]dataset.Float{{}, dataset.Known(v.Upper)}
				default:
					row.Intervals[name] = [2]dataset.Float{dataset.Known(v.Lower), dataset.Known(v.Upper)}
				}
				_, score := grade(pick(first[c][i+1]))
				s.Draws[name] = append(s.Draws[name], offpolicy.Draw{PromptID: id, Score: score})
			}
			s.Rows = append(s.Rows, row)
		}
		r, err := offpolicy.Evaluate(s, offpolicy.Config{Seed: 1, Replicates: 200,
			Estimators: []offpolicy.Estimator{offpolicy.DR, offpolicy.LabeledSNIPS}})
		if err != nil {
			t.Fatal(err)
		}
		for i, set := range targets {
			for _, by := range []offpolicy.Estimator{offpolicy.DR, offpolicy.LabeledSNIPS} {
				key := fmt.Sprintf("T %v top_p %v top_k %d %s", set.Temperature, set.TopP, set.TopK, by)
				if tallies[key] == nil {
					tallies[key] = &tally{}
				}
				e := r.Policy(fmt.Sprint("t", i)).Estimate(by)
				if e.Refused() {
					tallies[key].refused++
					if world == 0 {
						t.Logf("%s: %v", key, e.Refusals)
					}
					continue
				}
				tallies[key].given++
				if e.Lower <= truth[i] && truth[i] <= e.Upper {
					tallies[key].covered++
				}
			}
		}
	}
	for key, v := range tallies {
		t.Logf("%s: covers %d of %d, refused %d", key, v.covered, v.given, v.refused)
		// Three standard errors below 95%.
		if n := float64(v.given); n > 0 && float64(v.covered) < .95*n-3*math.Sqrt(.05*.95*n)-1 {
			t.Errorf("%s: covers %d of %d", key, v.covered, v.given)
		}
	}
	if len(tallies) != 2*len(targets) {
		t.Errorf("%d estimates, want %d", len(tallies), 2*len(targets))
	}
}
