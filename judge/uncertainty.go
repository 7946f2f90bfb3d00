package judge

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// Labeled is a score whose response has an oracle label.
type Labeled struct {
	PromptID string
	Score    Score
	Label    dataset.Float // in [0, 1]
	// InclusionProb is the design's probability of labeling the response.
	InclusionProb dataset.Float
}

// Uncertainty says how far a label may lie from a calibrated score, by source.
// It holds for the judge, the calibrator and the labeled policy that it was
// fitted on. With S a score, V its own variance, f the calibrator and r the
// out-of-fold residuals label - f(S):
//
//	sampling    f'(S)² V, where V is the variance of asking again (source "repeated"), otherwise 0;
//	calibrator  (G-1)/G Σ_g (f_-g(S) - mean)², f refitted without each of G = 10 groups of prompts;
//	residual    what r² has beyond these two: v(S) g(V)
//
// v is the mean of r² - sampling - calibrator by up to ten classes of equally
// many scores; g is a nondecreasing factor of mean 1 in a variance that a judge
// stated of itself (sources "interval", "tokens" and "panel"), by five classes,
// and 1 for other judges. So the parts do not overlap: they add up to a mean
// squared residual, and what a judge says of its own doubt counts as far as
// labels bear it out.
//
// A response's parts come from a fit that left its prompt's fold out.
type Uncertainty struct {
	calibrator *offpolicy.Calibrator
	groups     []*offpolicy.Isotonic
	folds      []residualModel
}

const (
	uncertaintyFolds  = 5
	jackknifeGroups   = 10
	uncertaintySeed   = 0x756e63 // any value: it only keeps these folds apart from the calibrator's
	scoreClasses      = 10
	minPerClass       = 40
	doubtClasses      = 5
	pooledObservation = 20 // how many labels the mean of all classes counts for in each
	leastShare        = .05
)

// FitUncertainty fits on the labeled scores that cal was fitted on, in the same
// order. It is an error if they are other scores, or if cal was fitted with a
// covariate.
func FitUncertainty(cal *offpolicy.Calibrator, rows []Labeled) (*Uncertainty, error) {
	fail := func(format string, args ...any) (*Uncertainty, error) {
		return nil, fmt.Errorf("judge: uncertainty of %s: "+format, append([]any{cal.Judge()}, args...)...)
	}
	if name := cal.Covariate(); name != "" {
		return fail("the calibrator needs %s, which a score's record lacks: fit one without a covariate", name)
	}
	residuals := cal.Residuals()
	if len(residuals) != len(rows) {
		return fail("%d labeled scores, and the calibrator was fitted on %d: give the same", len(rows), len(residuals))
	}
	u := &Uncertainty{calibrator: cal}
	groups := make([]int, len(rows))
	for i, r := range rows {
		groups[i] = offpolicy.Fold(uncertaintySeed+1, r.PromptID, jackknifeGroups)
	}
	for g := range jackknifeGroups {
		var x, y, w []float64
		for i, r := range rows {
			if groups[i] != g {
				x, y, w = append(x, r.Score.Mean.OrNaN()), append(y, r.Label.OrNaN()), append(w, 1/r.InclusionProb.OrNaN())
			}
		}
		f, err := offpolicy.FitIsotonic(x, y, w)
		if err != nil {
			return fail("all labels are of one group of prompts: label more prompts: %w", err)
		}
		u.groups = append(u.groups, f)
	}
	left := make([]leftover, len(rows))
	for i, r := range rows {
		if !(r.Score.Mean.OrNaN() >= 0 && r.Score.Mean.OrNaN() <= 1) || !(r.InclusionProb.OrNaN() > 0) ||
			math.IsNaN(residuals[i]) ||
			math.Abs(residuals[i]-(r.Label.OrNaN()-cal.PredictFor(r.PromptID, r.Score.Mean.OrNaN()))) > 1e-9 {
			return fail("labeled score %d (%s) is not the one that the calibrator was fitted on", i, r.PromptID)
		}
		left[i] = leftover{
			fold:  offpolicy.Fold(uncertaintySeed, r.PromptID, uncertaintyFolds),
			score: r.Score.Mean.OrNaN(), doubt: doubt(r.Score), weight: 1 / r.InclusionProb.OrNaN(),
			square: residuals[i]*residuals[i] - u.sampling(r.PromptID, r.Score) - u.curve(r.Score.Mean.OrNaN()),
		}
	}
	for k := range uncertaintyFolds {
		m, err := fitResidual(slices.DeleteFunc(slices.Clone(left), func(l leftover) bool { return l.fold == k }))
		if err != nil {
			return fail("%w", err)
		}
		u.folds = append(u.folds, m)
	}
	return u, nil
}

// Parts returns the variance of a label around the calibrated score of a response
// to the prompt.
func (u *Uncertainty) Parts(promptID string, s Score) dataset.VarianceParts {
	return dataset.VarianceParts{
		Sampling: dataset.Known(u.sampling(promptID, s)),
		Residual: dataset.Known(u.folds[offpolicy.Fold(uncertaintySeed, promptID, uncertaintyFolds)].at(s.Mean.OrNaN(),
			doubt(s))),
		Calibrator: dataset.Known(u.curve(s.Mean.OrNaN())),
	}
}

// Calibrate sets a record's calibrated score and its variance. It is an error if
// another judge gave the score. A record without one is left as it is.
func (u *Uncertainty) Calibrate(r *dataset.JudgeScore) error {
	if r.Judge != u.calibrator.Judge() {
		return fmt.Errorf("judge: calibrate %s: %s gave the score, and the calibrator is for %s: fit one for each",
			r.Key(), r.Judge, u.calibrator.Judge())
	}
	if !r.Mean.Valid() {
		return nil
	}
	s := ScoreOf(*r)
	p := u.Parts(r.PromptID, s)
	r.Calibrated = dataset.Known(u.calibrator.PredictFor(r.PromptID, s.Mean.OrNaN()))
	r.CalibratedVariance, r.VarianceParts = p.Total(), &p
	return nil
}

// ScoreOf is the score that a record holds.
func ScoreOf(r dataset.JudgeScore) Score {
	return Score{Mean: r.Mean, Variance: r.Variance, Source: Source(r.Source), Readings: r.Readings, Repaired: r.Repaired}
}

// sampling is the variance that asking the judge again would give f.
func (u *Uncertainty) sampling(promptID string, s Score) float64 {
	if s.Source != SourceRepeated || !(s.Variance.OrNaN() > 0) {
		return 0
	}
	// f is flat between jumps, so its slope means something only over a range:
	// two standard errors to either side, and no less than a twentieth.
	h := max(2*math.Sqrt(s.Variance.OrNaN()), .05)
	lo, hi := max(0, s.Mean.OrNaN()-h), min(1, s.Mean.OrNaN()+h)
	slope := (u.calibrator.PredictFor(promptID, hi) - u.calibrator.PredictFor(promptID, lo)) / (hi - lo)
	return slope * slope * s.Variance.OrNaN()
}

// curve is the jackknife variance of f at a score.
func (u *Uncertainty) curve(score float64) float64 {
	values := make([]float64, len(u.groups))
	for i, f := range u.groups {
		values[i] = f.Predict(score)
	}
	_, variance := moments(values)
	g := float64(len(values))
	return variance * (g - 1) * (g - 1) / g
}

// doubt is what a judge states of its own uncertainty beyond sampling, NaN if it
// states nothing.
func doubt(s Score) float64 {
	switch s.Source {
	case SourceInterval, SourceTokens, SourcePanel:
		return s.Variance.OrNaN()
	}
	return math.NaN()
}

// leftover is a squared residual without what other parts explain.
type leftover struct {
	fold                         int
	score, doubt, weight, square float64
}

// residualModel is v(S) g(V).
type residualModel struct {
	ends   []float64 // the largest score of each class but the last
	levels []float64 // v by class
	factor *offpolicy.Isotonic
}

func fitResidual(rows []leftover) (residualModel, error) {
	if len(rows) == 0 {
		return residualModel{}, errors.New("no labels are left outside of a fold: label more prompts")
	}
	// So that sums, to the last bit, do not follow the order of the labels.
	slices.SortFunc(rows, func(a, b leftover) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.square, b.square), cmp.Compare(a.doubt, b.doubt),
			cmp.Compare(a.weight, b.weight))
	})
	var m residualModel
	all := mean(rows, func(r leftover) float64 { return r.square })
	// All of the residual may be explained; a variance is still no less than a
	// trace of what is seen.
	floor := leastShare * mean(rows, func(r leftover) float64 { return math.Abs(r.square) })
	for _, c := range classes(rows, min(max(len(rows)/minPerClass, 1), scoreClasses),
		func(r leftover) float64 { return r.score }) {
		level := (mean(c, func(r leftover) float64 { return r.square })*float64(len(c)) +
			all*pooledObservation) / (float64(len(c)) + pooledObservation)
		m.levels = append(m.levels, max(level, floor))
		m.ends = append(m.ends, c[len(c)-1].score)
	}
	m.ends = m.ends[:len(m.ends)-1]

	stated := slices.DeleteFunc(slices.Clone(rows), func(r leftover) bool { return math.IsNaN(r.doubt) })
	if len(stated) < len(rows) || len(rows) < doubtClasses*minPerClass {
		return m, nil // what a judge says cannot be checked, or not by so few labels
	}
	var x, y, w []float64
	for _, c := range classes(stated, doubtClasses, func(r leftover) float64 { return r.doubt }) {
		seen := mean(c, func(r leftover) float64 { return r.square })
		base := mean(c, func(r leftover) float64 { return m.level(r.score) })
		n := float64(len(c))
		x = append(x, mean(c, func(r leftover) float64 { return r.doubt }))
		y = append(y, max((seen/base*n+pooledObservation)/(n+pooledObservation), leastShare))
		w = append(w, n)
	}
	var err error
	m.factor, err = offpolicy.FitIsotonic(x, y, w)
	return m, err
}

func (m residualModel) level(score float64) float64 {
	i, _ := slices.BinarySearch(m.ends, score)
	return m.levels[i]
}

func (m residualModel) at(score, doubt float64) float64 {
	v := m.level(score)
	if m.factor != nil && !math.IsNaN(doubt) {
		v *= m.factor.Predict(doubt)
	}
	return v
}

// classes divides rows by a value into n classes of about equally many. Equal
// values share a class.
func classes(rows []leftover, n int, value func(leftover) float64) [][]leftover {
	rows = slices.SortedStableFunc(slices.Values(rows),
		func(a, b leftover) int { return cmp.Compare(value(a), value(b)) })
	var out [][]leftover
	start := 0
	for i := range n {
		end := max(start, (i+1)*len(rows)/n)
		for end > start && end < len(rows) && value(rows[end]) == value(rows[end-1]) {
			end++
		}
		if end > start {
			out = append(out, rows[start:end])
		}
		start = end
	}
	return out
}

func mean(rows []leftover, f func(leftover) float64) float64 {
	var sum, w float64
	for _, r := range rows {
		sum += r.weight * f(r)
		w += r.weight
	}
	return sum / w
}
