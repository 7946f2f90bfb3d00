package pilot

import (
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
)

// samples are the records as an evaluation reads them: P0's responses with
// their log-probs under every policy, and the targets' own responses as draws.
func (r *Records) samples(judge string) offpolicy.Samples {
	p0 := r.logging().Policy.Name
	out := offpolicy.Samples{Logging: p0, Judge: judge, Draws: map[string][]offpolicy.Draw{}}
	logprobs, scores := map[string]map[string]dataset.LogProb{}, map[string]map[string]dataset.JudgeScore{}
	for _, a := range r.Arms {
		logprobs[a.Policy.Name], scores[a.Policy.Name] = r.logProbsOf(a.Policy.Name), r.scoresOf(a.Policy.Name)
	}
	labels := make(map[dataset.Key]dataset.OracleLabel, len(r.Labels))
	for _, l := range r.Labels {
		if l.DrawIdx == 0 && l.Label.Valid() && l.Role != oracle.RoleDuplicate {
			labels[l.Key()] = l
		}
	}
	grade := func(policy, prompt string) (score, label, inclusion dataset.Float) {
		if s, ok := scores[policy][prompt]; ok {
			score = s.Mean
		}
		if l, ok := labels[dataset.Key{PromptID: prompt, Policy: policy}]; ok {
			label, inclusion = l.Label, l.InclusionProb
		}
		return score, label, inclusion
	}
	for _, p := range r.Prompts {
		base, ok := logprobs[p0][p.ID]
		if ok && base.LogProb.Valid() {
			row := offpolicy.Row{PromptID: p.ID, LogProb: base.LogProb, Targets: map[string]float64{}, Length: dataset.Known(float64(base.Tokens))}
			row.Score, row.Label, row.InclusionProb = grade(p0, p.ID)
			for _, a := range r.Arms {
				if l, ok := logprobs[a.Policy.Name][p.ID]; ok && a.Role != Logging {
					v := l.LogProb.OrNaN()
					if base.Raw() || l.Raw() {
						v = math.NaN() // no weight comes of it
					}
					row.Targets[a.Policy.Name] = v
				}
			}
			for _, kind := range []string{"language", "category"} {
				if v, ok := p.Metadata[kind].(string); ok && v != "" {
					if row.Segments == nil {
						row.Segments = map[string]string{}
					}
					row.Segments[kind] = v
				}
			}
			out.Rows = append(out.Rows, row)
		}
		for _, a := range r.Arms {
			if a.Role == Logging {
				continue
			}
			d := offpolicy.Draw{PromptID: p.ID}
			if d.Score, d.Label, d.InclusionProb = grade(a.Policy.Name, p.ID); d.Score.Valid() || d.Label.Valid() {
				out.Draws[a.Policy.Name] = append(out.Draws[a.Policy.Name], d)
			}
		}
	}
	return out
}

// evaluate estimates every policy from the records. What cannot be evaluated at
// all, such as a positive log-prob, is told by the check of it.
func (r *Records) evaluate(judge string, seed uint64, margin float64) {
	r.Evaluation, r.EvaluationError = nil, ""
	labelUSD, _ := r.labelUSD()
	c := offpolicy.Config{Seed: seed, Margin: margin, LabelUSD: dataset.Known(labelUSD)}
	for _, a := range r.Arms {
		if a.Role == Clone {
			c.Clones = append(c.Clones, a.Policy.Name)
		}
	}
	result, err := offpolicy.Evaluate(r.samples(judge), c)
	if err != nil {
		r.EvaluationError = err.Error()
		return
	}
	r.Evaluation = result
}

// labelUSD is what one label of the oracle cost on average, and what it would
// have in a batch; NaN where none was bought, or where batches have no price.
func (r *Records) labelUSD() (single, batch float64) {
	n := 0
	for _, e := range r.Ledger {
		if e.Stage != stageOracle {
			continue
		}
		single += float64(e.Cost)
		if factor, ok := r.BatchFactors[e.Model]; !ok {
			batch = math.NaN()
		} else if e.Endpoint != "batch" {
			batch += factor * float64(e.Cost)
		} else {
			batch += float64(e.Cost)
		}
		if e.Outcome == "ok" {
			n++
		}
	}
	return single / float64(n), batch / float64(n)
}

// answers is what the evaluation comes to, for the verdict.
func answers(r *Records) Evaluation {
	out := Evaluation{Policies: []PolicyAnswer{}, Comparisons: []Difference{}}
	if r.Evaluation == nil {
		out.Error = r.EvaluationError
		return out
	}
	for _, p := range r.Evaluation.Policies {
		a := PolicyAnswer{
			Policy: p.Policy, Estimator: string(p.Answer.Estimator), Reason: p.Answer.Reason, Advice: p.Answer.Advice,
			Value: Interval{dataset.Float{}, dataset.Float{}, dataset.Float{}}, Refusals: []string{},
		}
		if e := p.Estimate(p.Answer.Estimator); e != nil {
			a.Value = Interval{dataset.Known(e.Value), dataset.Known(e.Lower), dataset.Known(e.Upper)}
			a.SE = dataset.Known(e.SE)
			out.Answered++
		} else {
			out.Refused++
			for _, e := range p.Estimates {
				if e.Estimator == offpolicy.DR || e.Estimator == offpolicy.Direct {
					for _, ref := range e.Refusals {
						a.Refusals = append(a.Refusals, string(e.Estimator)+": "+ref.Message)
					}
				}
			}
		}
		out.Policies = append(out.Policies, a)
	}
	for _, c := range r.Evaluation.Comparisons {
		out.Comparisons = append(out.Comparisons, Difference{
			A: c.A, B: c.B, Value: Interval{dataset.Known(c.Difference), dataset.Known(c.Lower), dataset.Known(c.Upper)},
			Holm: dataset.Known(c.Holm), AA: c.AA,
		})
	}
	return out
}
