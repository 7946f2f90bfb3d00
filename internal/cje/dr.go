package cje

import (
	"errors"
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/offpolicy"
)

// draws are the scores of a policy's fresh draws, for each row those of its
// prompt.
func (ref *Reference) draws(policy string) ([][]float64, error) {
	if len(ref.fresh[policy]) == 0 {
		return nil, errors.New("there are no fresh draws: let the policy respond to the logged prompts")
	}
	fresh := byPrompt(ref.fresh[policy])
	out := make([][]float64, len(ref.promptID))
	missing, first := 0, ""
	for i, id := range ref.promptID {
		if out[i] = fresh[id]; len(out[i]) == 0 {
			if missing == 0 {
				first = id
			}
			missing++
		}
	}
	if missing > 0 {
		return nil, fmt.Errorf("%d of %d logged prompts have no scored fresh draw (first %s), and the reference needs "+
			"all of them", missing, len(out), first)
	}
	return out, nil
}

// byPrompt are the scores of each prompt's draws, in the draws' order.
func byPrompt(draws []offpolicy.Draw) map[string][]float64 {
	out := make(map[string][]float64, len(draws))
	sorted := slices.Clone(draws)
	slices.SortStableFunc(sorted, func(a, b offpolicy.Draw) int { return a.Index - b.Index })
	for _, d := range sorted {
		if d.Score.Valid() {
			out[d.PromptID] = append(out[d.PromptID], d.Score.OrNaN())
		}
	}
	return out
}

// drCPO has the calibrator's own fold fits for its outcome model.
func (ref *Reference) drCPO(w []float64, draws [][]float64) *Estimate {
	fresh := make([]float64, len(draws))
	for i, scores := range draws {
		f := ref.cal.without(ref.fold[i])
		for _, s := range scores {
			fresh[i] += f.predict(s)
		}
		fresh[i] /= float64(len(scores))
	}
	return ref.doublyRobust(w, draws, ref.held, ref.held, fresh)
}

// doublyRobust is mean(fresh) + mean(w (R - g)), with the reference's standard
// error: clusters are the outcome model's folds, and the jackknife over the
// calibration's folds replaces f in the rewards and in the fresh draws, but not
// in gStart, so that it counts the calibration about twice.
func (ref *Reference) doublyRobust(w []float64, draws [][]float64, gStart, g, fresh []float64) *Estimate {
	n := float64(len(w))
	e := &Estimate{N: len(w), Weights: w, Influence: make([]float64, len(w))}
	for i := range w {
		e.Influence[i] = fresh[i] + w[i]*(ref.reward[i]-g[i])
	}
	e.Value = mean(e.Influence)
	for i := range e.Influence {
		e.Influence[i] -= e.Value
	}
	se, df := clusterSE(e.Influence, ref.fold)
	e.SEInfluence = se
	if !ref.allLabel {
		seen := make(map[string]bool, len(w))
		distinct := make([]int, 0, len(w)) // rows that are the first of their prompt
		for i, id := range ref.promptID {
			if !seen[id] {
				seen[id] = true
				distinct = append(distinct, i)
			}
		}
		for _, k := range ref.cal.drJackknife() {
			f := ref.cal.without(k)
			var direct, correction float64
			for _, i := range distinct {
				var sum float64
				for _, s := range draws[i] {
					sum += f.predict(s)
				}
				direct += sum / float64(len(draws[i]))
			}
			for i, s := range ref.score {
				correction += w[i] * (f.predict(s) - gStart[i])
			}
			e.Jackknife = append(e.Jackknife, direct/float64(len(distinct))+correction/n)
		}
		if k := len(e.Jackknife); k >= 2 {
			df = min(df, k-1)
		} else {
			e.Jackknife = nil
		}
	}
	e.VarOracle = jackknifeVariance(e.Jackknife)
	e.finish(max(df, 1))
	return e
}

// tmle targets an isotonic outcome model of reward on the calibration's index.
func (ref *Reference) tmle(w []float64, draws [][]float64) (*Estimate, error) {
	models, err := ref.outcomeIsotonic()
	if err != nil {
		return nil, err
	}
	n := len(w)
	start, h := make([]float64, n), make([]float64, n)
	maps := weightMaps(ref.score, w, ref.fold)
	freshStart, freshH := make([][]float64, n), make([][]float64, n)
	for i, s := range ref.score {
		g, m := models[ref.fold[i]], maps[ref.fold[i]]
		start[i], h[i] = g.Predict(ref.cal.whole.index(s)), m.at(s)
		for _, s := range draws[i] {
			freshStart[i] = append(freshStart[i], g.Predict(ref.cal.whole.index(s)))
			freshH[i] = append(freshH[i], m.at(s))
		}
	}
	shift := fluctuation(start, ref.reward, h)
	g, fresh := make([]float64, n), make([]float64, n)
	for i := range g {
		g[i] = targeted(start[i], shift, h[i])
		for j := range freshStart[i] {
			fresh[i] += targeted(freshStart[i][j], shift, freshH[i][j])
		}
		fresh[i] /= float64(len(freshStart[i]))
	}
	return ref.doublyRobust(w, draws, start, g, fresh), nil
}

// outcomeModels are isotonic regressions of reward on index, without each fold.
// Under two_stage the reference fits on the index of the row's fold and predicts
// on that of the whole fit, and so do we.
func (ref *Reference) outcomeModels() ([]*offpolicy.Isotonic, error) {
	out := make([]*offpolicy.Isotonic, folds)
	index := make([]float64, len(ref.anyScore))
	for i, s := range ref.anyScore {
		index[i] = s // the reference's fallback where the fold has no fit
		if c := ref.cal.fold[ref.anyFold[i]]; c != nil {
			index[i] = c.index(s)
		}
	}
	for k := range folds {
		var x, y []float64
		for i, f := range ref.anyFold {
			if f != k {
				x, y = append(x, index[i]), append(y, ref.anyReward[i])
			}
		}
		if len(x) == 0 {
			return nil, fmt.Errorf("cje: outcome model: all rows fall into fold %d of %d", k, folds)
		}
		var err error
		if out[k], err = offpolicy.FitIsotonic(x, y, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}
