// Package healthy draws the records of a pilot in which nothing is wrong, for tests that
// alter them in one way.
package healthy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// Run is a run whose records can be altered before anything reads them.
type Run struct {
	record.Records // what is no row

	Prompts    []dataset.Prompt
	Responses  []dataset.Response
	LogProbs   []dataset.LogProb
	Labels     []dataset.OracleLabel
	Duplicates []dataset.OracleLabel
	Scores     []dataset.JudgeScore
	Canaries   []dataset.Canary
	Ledger     []providers.Entry
}

// New draws the records of a run in which nothing is wrong: n prompts under
// the plan's policies, responses of 100 to 300 tokens at -0.7 nats each, labels
// that follow the judge, costs at their estimate.
func New(n int, seed uint64) *Run {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := &Run{}
	r.Arms = record.PlanArms()
	r.Cost.ExpectedUSD = 0.01 * float64(n)
	quality := map[string]float64{"p0": 0.7, "pi_clone": 0.7, "pi_cot": 0.74, "pi_bigger_model": 0.78, "pi_bad": 0.3}
	shift := map[string]float64{"pi_cot": -4, "pi_bigger_model": -20, "pi_bad": -15}
	var labeled []offpolicy.LabeledScore
	for i := range n {
		id := fmt.Sprintf("q%04d", i)
		r.Prompts = append(r.Prompts, dataset.Prompt{ID: id, Text: "question " + id})
		tokens := 100 + rng.IntN(200)
		base := -0.7*float64(tokens) + rng.NormFloat64()
		for _, a := range r.Arms {
			name := a.Policy.Name
			text := fmt.Sprintf("%s answers %s with %d", name, id, rng.Uint64())
			r.Responses = append(r.Responses, dataset.Response{
				PromptID: id, Policy: name, Text: &text, FinishReason: "stop", LogProb: dataset.Known(base),
				Model: a.Policy.Model, PolicyHash: a.Policy.Hash(),
			})
			lp := base
			if d, ok := shift[name]; ok {
				lp += d + 2*rng.NormFloat64()
			}
			row := dataset.LogProb{PromptID: id, Policy: name, LogProb: dataset.Known(lp), Tokens: tokens,
				Spread: dataset.Known(0), Distribution: dataset.SamplingDistribution, Method: "token_ids",
				Methods: map[string]dataset.MethodResult{}, PolicyHash: a.Policy.Hash()}
			for range tokens {
				row.TokenLogProbs = append(row.TokenLogProbs, lp/float64(tokens))
			}
			for _, m := range []string{"token_counting", "echo_based", "continuation", "token_ids"} {
				row.Methods[m] = dataset.MethodResult{LogProb: dataset.Known(lp), Status: "ok"}
			}
			r.LogProbs = append(r.LogProbs, row)
			s := min(1, max(0, quality[name]+0.15*rng.NormFloat64()))
			r.Scores = append(r.Scores, dataset.JudgeScore{PromptID: id, Policy: name, Judge: "j@1", Mean: dataset.Known(s),
				Variance: dataset.Known(0.01), Source: "interval", PolicyHash: a.Policy.Hash()})
			if a.Role == record.Logging {
				y := min(1, max(0, 0.05+0.9*s+0.05*rng.NormFloat64()))
				r.Labels = append(r.Labels, dataset.OracleLabel{PromptID: id, Policy: name, Label: dataset.Known(y),
					InclusionProb: dataset.Known(1), Role: "calibration", Oracle: "o@1", PolicyHash: a.Policy.Hash()})
				r.Design = append(r.Design, oracle.Assignment{Key: dataset.Key{PromptID: id, Policy: name},
					InclusionProb: dataset.Known(1), Role: oracle.RoleCalibration})
				labeled = append(labeled, offpolicy.LabeledScore{PromptID: id, Score: dataset.Known(s), Label: dataset.Known(y),
					InclusionProb: dataset.Known(1)})
			}
			r.Ledger = append(r.Ledger, providers.Entry{
				ID: id + name, Stage: record.StageTargets, Key: dataset.Key{PromptID: id, Policy: name}.String(), Policy: name,
				Model: a.Policy.Model, Served: a.Policy.Model, Outcome: "ok", Status: 200, Cost: 0.002, Attempt: 1,
				UsageKnown: true,
			})
		}
	}
	for _, m := range []string{r.Arms[0].Policy.Model, r.Arms[3].Policy.Model} {
		r.Certificates = append(r.Certificates,
			teacherforce.Certificate{Model: m, Template: "llama4", OK: true,
				Probes: []teacherforce.Probe{{Name: "coverage", OK: true}}})
	}
	cal, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "j@1", Seed: seed}, labeled)
	if err != nil {
		panic(err)
	}
	r.Calibrator = cal
	for _, c := range record.Plants(record.Canaries(r.Prompts, seed), slices.Values(r.Scores)) {
		k := c.Score.Key()
		r.CanariesOwed = append(r.CanariesOwed, k)
		r.Canaries = append(r.Canaries,
			dataset.Canary{PromptID: k.PromptID, Policy: k.Policy, Kind: c.Canary.Kind, Judge: "j@1", Clean: c.Score.Mean,
				Planted: dataset.Known(c.Score.Mean.OrNaN() - .02)})
	}
	r.Full, r.StageSeconds = 10_000, map[string]float64{record.WholeRun: 60}
	return r
}

// Rows are the records as checks read them.
func (r *Run) Rows() *record.Records {
	out := r.Records
	out.Prompts, out.Ledger = record.PromptRows(r.Prompts), record.NewAttempts(slices.Values(r.Ledger))
	out.Responses, out.LogProbs = record.ResponseRows(r.Responses), record.NewRows(r.LogProbs, dataset.LogProb.Key)
	out.Scores, out.Canaries = record.NewRows(r.Scores, dataset.JudgeScore.Key),
		record.NewRows(r.Canaries, dataset.Canary.Key)
	out.Labels, out.Duplicates = record.NewRows(r.Labels, dataset.OracleLabel.Key),
		record.NewRows(r.Duplicates, dataset.OracleLabel.Key)
	return &out
}

// Evaluated are the records with what a run computes from them, by a tenth of its replicates.
func (r *Run) Evaluated() *record.Records {
	out := r.Rows()
	c := out.EvaluationConfig(1, 0.05)
	c.Replicates = 200
	out.Evaluate("j@1", c)
	return out
}

// ScoresOf are one policy's scores by prompt.
func (r *Run) ScoresOf(policy string) map[string]dataset.JudgeScore {
	out := map[string]dataset.JudgeScore{}
	for _, s := range r.Scores {
		if s.Policy == policy {
			out[s.PromptID] = s
		}
	}
	return out
}

// WorldsOr is how many worlds a test draws: few, unless the environment asks
// for all of them.
func WorldsOr(t *testing.T, few int) int {
	s := os.Getenv("REWEIGH_WORLDS")
	if s == "" && testing.Short() {
		return few / 4 // the race detector looks for races, and these draw in one goroutine
	}
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("REWEIGH_WORLDS: %v", err)
	}
	return n
}

// LogprobRow returns a pointer to one row, for altering it.
func LogprobRow(r *Run, prompt int, policy string) *dataset.LogProb {
	for i, row := range r.LogProbs {
		if row.PromptID == r.Prompts[prompt].ID && row.Policy == policy {
			return &r.LogProbs[i]
		}
	}
	panic("no such row")
}

// OwnLabels labels n of a target's own responses, by what healthy labels follow,
// moved by a bias.
func OwnLabels(r *Run, policy string, n int, bias float64) {
	scores := r.ScoresOf(policy)
	for i, p := range r.Prompts[:n] {
		y := 0.05 + 0.9*scores[p.ID].Mean.OrNaN() + bias + 0.04*float64(i%3-1)
		r.Labels = append(r.Labels, dataset.OracleLabel{PromptID: p.ID, Policy: policy,
			Label: dataset.Known(min(1, max(0, y))), InclusionProb: dataset.Known(float64(n) / float64(len(r.Prompts))),
			Role: "probe", Oracle: "o@1"})
		r.Design = append(r.Design, oracle.Assignment{Key: dataset.Key{PromptID: p.ID, Policy: policy},
			InclusionProb: dataset.Known(float64(n) / float64(len(r.Prompts))), Role: oracle.RoleProbe})
	}
}

// FailLogProb makes a row one that failed.
func FailLogProb(row *dataset.LogProb, class string) {
	row.LogProb, row.TokenLogProbs = dataset.Float{}, nil
	row.Error = &dataset.RecordError{Class: class, Message: "altered by a test"}
}
