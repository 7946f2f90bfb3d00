package cje

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/reweigh/reweigh/offpolicy"
)

// Estimator is one of the reference's, under the id that the command line gives
// it.
type Estimator string

// The estimators, with the reference's own names and the defaults of its
// factory.
const (
	SNIPS         Estimator = "cje_snips"          // raw-ips: Hajek weights, clipped at 100
	CalibratedIPS Estimator = "cje_calibrated_ips" // calibrated-ips
	DRCPO         Estimator = "cje_dr_cpo"         // dr-cpo
	TMLE          Estimator = "cje_tmle"           // tmle, logit link
)

// Estimators returns all of them, in the order in which they are listed.
func Estimators() []Estimator { return []Estimator{SNIPS, CalibratedIPS, DRCPO, TMLE} }

// Estimate is what the reference says of one policy. Its interval claims no
// coverage: the package's doc says why.
type Estimate struct {
	Value        float64
	SE           float64
	Lower, Upper float64 // Value ± the 97.5% quantile · SE; they may leave [0, 1]
	DF           int     // of t; 0 stands for the normal distribution
	SEInfluence  float64 // the part of SE from the influence function
	VarOracle    float64 // the part of SE² from the labels' sampling
	N            int     // rows that enter
	Weights      []float64
	Influence    []float64 // one for each of [Reference.Rows]
	Jackknife    []float64 // the value under each leave-one-fold-out calibration, where the reference makes them
}

// Reference is the reference's view of some samples: calibrated, with its folds
// and its choice of rows.
type Reference struct {
	policies []string
	rows     []int // of the samples: those with all log-probs
	promptID []string
	score    []float64 // by row
	reward   []float64 // f(score), or the label where every sample has one
	held     []float64 // f(score) by the fit without the row's fold
	fold     []int
	base     []float64
	target   map[string][]float64
	length   []float64
	fresh    map[string][]offpolicy.Draw
	cal      *calibration
	allLabel bool
	labeled  support

	// The outcome model of TMLE is fitted to rows that have the log-prob of any
	// one policy.
	anyScore, anyReward []float64
	anyFold             []int

	// What only some estimators want, made when they do.
	outer           func() *outerFolds // of standalone calibrated IPS
	inner           func() *outerFolds // of the doubly robust estimators
	leftRewards     func() [][]float64 // under each fit of cal.jackknife
	outcomeIsotonic func() ([]*offpolicy.Isotonic, error)
}

// New calibrates the judge as the reference does, on all rows that have a label.
// Its targets are the policies with a log-prob on any row; it drops a row that
// lacks one of them, for all of them, and a row without a score is an error, as
// are fewer than 10 labels.
func New(mode Mode, s offpolicy.Samples) (*Reference, error) {
	if mode != Monotone && mode != TwoStage {
		return nil, fmt.Errorf("cje: mode %q: want %q or %q", mode, Monotone, TwoStage)
	}
	all, err := readColumns(s)
	if err != nil {
		return nil, err
	}
	ref := &Reference{policies: targets(s), allLabel: all.labels == len(all.label), fresh: s.Draws}
	if len(ref.policies) == 0 {
		return nil, errors.New("cje: no row has the log-prob of a target policy")
	}
	fold := foldsOf(all.promptID, seed)
	if ref.cal, err = calibrate(mode, all.score, all.label, fold); err != nil {
		return nil, err
	}
	ref.labeled = newSupport(ref.cal, all.score, all.label)
	reward := all.label
	if !ref.allLabel {
		reward = make([]float64, len(all.score))
		for i, v := range all.score {
			reward[i] = ref.cal.whole.predict(v)
		}
	}
	var some []int // rows with any one log-prob
	for i := range s.Rows {
		n := 0
		for _, name := range ref.policies {
			if finite(s.Rows[i].LogProbs[name].OrNaN()) && finite(all.base[i]) {
				n++
			}
		}
		if n > 0 {
			some = append(some, i)
		}
		if n == len(ref.policies) {
			ref.rows = append(ref.rows, i)
		}
	}
	if len(ref.rows) == 0 {
		return nil, fmt.Errorf("cje: no row has the log-probs of all of %q: the reference drops the others", ref.policies)
	}
	ref.promptID, ref.score, ref.reward = pick(all.promptID, ref.rows), pick(all.score, ref.rows), pick(reward, ref.rows)
	ref.fold, ref.base, ref.length = pick(fold, ref.rows), pick(all.base, ref.rows), pick(all.length, ref.rows)
	ref.anyScore, ref.anyReward, ref.anyFold = pick(all.score, some), pick(reward, some), pick(fold, some)
	ref.target = make(map[string][]float64, len(ref.policies))
	for _, name := range ref.policies {
		lp := make([]float64, len(ref.rows))
		for j, i := range ref.rows {
			lp[j] = s.Rows[i].LogProbs[name].OrNaN()
		}
		ref.target[name] = lp
	}
	ref.held = ref.cal.predictEach(ref.score, ref.fold)
	byReward := sync.OnceValue(func() []int { return sortedBy(ref.held) })
	ref.outer = sync.OnceValue(func() *outerFolds { return ref.split(foldsOf(ref.promptID, seedOuter), byReward()) })
	ref.inner = sync.OnceValue(func() *outerFolds { return ref.split(ref.fold, byReward()) })
	ref.leftRewards = sync.OnceValue(ref.jackknifeRewards)
	ref.outcomeIsotonic = sync.OnceValues(ref.outcomeModels)
	return ref, nil
}

// columns are the rows of samples as the reference reads them.
type columns struct {
	promptID                   []string
	score, label, base, length []float64
	labels                     int
}

func readColumns(s offpolicy.Samples) (*columns, error) {
	n := len(s.Rows)
	c := &columns{promptID: make([]string, n), score: make([]float64, n), label: make([]float64, n),
		base: make([]float64, n), length: make([]float64, n)}
	for i := range s.Rows {
		r := &s.Rows[i]
		switch {
		case r.PromptID == "":
			return nil, fmt.Errorf("cje: row %d has no prompt id: rows are dealt to folds by it", i)
		case !(r.Score.OrNaN() >= 0 && r.Score.OrNaN() <= 1):
			return nil, fmt.Errorf("cje: row %d (%s): score %v is not in [0, 1], and the reference needs the judge's score "+
				"of every row: score the response, or leave the row out", i, r.PromptID, r.Score)
		case r.Label.OrNaN() < 0 || r.Label.OrNaN() > 1:
			return nil, fmt.Errorf("cje: row %d (%s): label %v is not in [0, 1]: correct it, or leave it out", i, r.PromptID,
				r.Label)
		}
		c.promptID[i], c.score[i], c.label[i], c.base[i], c.length[i] = r.PromptID, r.Score.OrNaN(), r.Label.OrNaN(),
			r.LogProbs[s.Logging].OrNaN(), r.Length.OrNaN()
		if r.Label.Valid() {
			c.labels++
		}
	}
	return c, nil
}

// targets are the names of all policies with a log-prob on any row, but the
// logging one.
func targets(s offpolicy.Samples) (out []string) {
	seen := map[string]bool{s.Logging: true}
	for i := range s.Rows {
		for name := range s.Rows[i].LogProbs {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// jackknifeRewards are the rewards under each leave-one-fold-out calibration.
func (ref *Reference) jackknifeRewards() (out [][]float64) {
	for _, k := range ref.cal.jackknife {
		f, r := ref.cal.without(k), make([]float64, len(ref.score))
		for i, s := range ref.score {
			r[i] = f.predict(s)
		}
		out = append(out, r)
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Estimate computes one estimator for one policy. There is an error, and no
// number, where the reference has none: no row with a weight, or, for [DRCPO]
// and [TMLE], a logged prompt without a fresh draw.
func (ref *Reference) Estimate(id Estimator, policy string) (*Estimate, error) {
	if !slices.Contains(ref.policies, policy) {
		return nil, fmt.Errorf("cje: %s: no log-probs of policy %q; there are those of %q", id, policy, ref.policies)
	}
	hajek := ref.hajek(policy)
	if hajek == nil {
		return nil, fmt.Errorf("cje: %s of %s: every weight is 0: the policy and the logs do not overlap", id, policy)
	}
	switch id {
	case SNIPS:
		return ref.snips(clipped(hajek, clip)), nil
	case CalibratedIPS:
		return ref.calibratedIPS(hajek), nil
	case DRCPO, TMLE:
		draws, err := ref.draws(policy)
		if err != nil {
			return nil, fmt.Errorf("cje: %s of %s: %w", id, policy, err)
		}
		w, _ := ref.stabilized(hajek, ref.inner())
		if id == DRCPO {
			return ref.drCPO(w, draws), nil
		}
		return ref.tmle(w, draws)
	}
	return nil, fmt.Errorf("cje: no estimator %q; there are %q", id, Estimators())
}

// finish sets the standard error and the interval from their parts.
func (e *Estimate) finish(df int) {
	e.DF = df
	e.SE = math.Sqrt(e.SEInfluence*e.SEInfluence + e.VarOracle)
	half := critical(df) * e.SE
	e.Lower, e.Upper = e.Value-half, e.Value+half
}
