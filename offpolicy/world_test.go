package offpolicy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// world says what to simulate: scores uniform on the logs, labels .25 + .5 S +
// N(0, .08), and targets whose weights are exactly .4 + 1.2 S ("near") or
// log-normal in the latent quality ("far", ESS/n = exp(-25)).
type world struct {
	prompts, rows int // rows a prompt
	labels        int // labeled rows, spread over the prompts
	draws         int // fresh draws a prompt
	probes        int // labeled draws a target
	bias          float64
	missing       int // every missing-th row lacks the near target's log-prob; 0 none
}

func (w world) samples(seed uint64) Samples {
	rng := rand.New(rand.NewPCG(seed, 99))
	s := Samples{Logging: "p0", Judge: "j@1", Scored: sampled("p0", "near", "far"), Draws: map[string][]Draw{}}
	label := func(score, bias float64) float64 {
		return min(max(.25+.5*score+bias+.08*rng.NormFloat64(), 0), 1)
	}
	n := w.prompts * max(w.rows, 1)
	labeled := make([]bool, n)
	for _, i := range rand.New(rand.NewPCG(seed, 100)).Perm(n)[:w.labels] {
		labeled[i] = true
	}
	for i := range n {
		z := rng.NormFloat64()
		score := math.Erfc(-z/math.Sqrt2) / 2
		y := label(score, 0)
		r := Row{
			PromptID: fmt.Sprintf("prompt %d", i%w.prompts), Score: dataset.Known(score), Label: dataset.Known(nan),
			InclusionProb: dataset.Known(nan), Length: dataset.Known(float64(50 + rng.IntN(50))),
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(-100), "near": dataset.Known(-100 + math.Log(.4+1.2*score)),
				"far": dataset.Known(-100 - 5*z - 12.5)},
			Segments: map[string]string{"language": []string{"English", "German",
				"Welsh"}[min(i%w.prompts%10/6+i%w.prompts%100/99, 2)]},
		}
		if labeled[i] {
			r.Label = dataset.Known(y)
		}
		if w.missing > 0 && i%w.missing == 0 {
			r.LogProbs["near"] = dataset.Known(nan)
		}
		s.Rows = append(s.Rows, r)
	}
	for _, target := range []string{"near", "far"} {
		for i := range w.prompts {
			for k := range w.draws {
				score := rng.Float64()
				for rng.Float64()*1.6 > .4+1.2*score {
					score = rng.Float64()
				}
				if target == "far" {
					score = math.Erfc(-(rng.NormFloat64()-5)/math.Sqrt2) / 2
				}
				d := Draw{PromptID: fmt.Sprintf("prompt %d", i), Index: k, Score: dataset.Known(score), Label: dataset.Known(nan),
					InclusionProb: dataset.Known(nan)}
				if k == 0 && i < w.probes {
					d.Label = dataset.Known(label(score, w.bias))
				}
				s.Draws[target] = append(s.Draws[target], d)
			}
		}
	}
	return s
}

// shuffled is the same evaluation in another order.
func (s Samples) shuffled(seed uint64) Samples {
	rng := rand.New(rand.NewPCG(seed, 5))
	s.Rows = slices.Clone(s.Rows)
	rng.Shuffle(len(s.Rows), func(i, j int) { s.Rows[i], s.Rows[j] = s.Rows[j], s.Rows[i] })
	draws := map[string][]Draw{}
	for name, d := range s.Draws {
		d = slices.Clone(d)
		rng.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] })
		draws[name] = d
	}
	s.Draws = draws
	return s
}

// numbers are an estimate's.
func (e *Estimate) numbers() []float64 { return []float64{e.Value, e.SE, e.Lower, e.Upper, e.DF} }

// sampled says of the policies that their log-probs are of what they sample from.
func sampled(policies ...string) map[string]dataset.Scored {
	out := map[string]dataset.Scored{}
	for _, p := range policies {
		out[p] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	}
	return out
}

func weightsOf(t testing.TB, logRatios []float64) *Weights {
	t.Helper()
	w, err := WeightsFromLogRatios(logRatios)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
