package cje

import (
	"fmt"
	"math"
)

// Mean is v0.6.0's calibrated mean of one policy's scores, which replaced the
// estimators of v0.3.0: with some rows labeled, the mean of f(S) over all rows
// plus the mean of Y - f(S) over the labeled ones, f there without the row's
// fold; with all rows labeled, the mean of Y.
type Mean struct {
	Value        float64
	SE           float64
	Lower, Upper float64   // Value ± t(DF) SE; they may leave [0, 1]
	DF           int       // min(prompts, folds) - 1
	SECluster    float64   // the part of SE from the pseudo-outcomes, clustered by prompt
	VarOracle    float64   // the part of SE² from the labels' sampling
	Jackknife    []float64 // the value under each leave-one-fold-out calibration
}

// meanRows are the rows of a calibrated mean with what does not change from one
// weighting to the next.
type meanRows struct {
	mode                   Mode
	score, label           []float64
	cluster                []int // of each row, numbered in order of appearance
	clusters               int
	fold                   []int
	folds                  int
	labeled                []int // rows with a label
	labScore, labY         []float64
	labFold, labelClusters []int
}

func newMeanRows(mode Mode, promptID []string, score, label []float64) (*meanRows, error) {
	if len(promptID) != len(score) || len(score) != len(label) {
		panic(fmt.Sprintf("cje: mean: slice length mismatch: %d, %d and %d", len(promptID), len(score), len(label)))
	}
	m := &meanRows{mode: mode, score: score, label: label, cluster: make([]int, len(score)), folds: folds}
	number := map[string]int{}
	var labeledIDs []string
	distinct := map[string]bool{}
	for i, id := range promptID {
		if _, seen := number[id]; !seen {
			number[id] = len(number)
		}
		m.cluster[i] = number[id]
		if !math.IsNaN(label[i]) {
			m.labeled = append(m.labeled, i)
			labeledIDs = append(labeledIDs, id)
			distinct[id] = true
		}
	}
	m.clusters = len(number)
	if m.complete() {
		return m, nil
	}
	switch n := len(distinct); {
	case n < 4:
		return nil, fmt.Errorf("cje: mean: %d prompts with a label, 4 needed: label more responses", n)
	case n < 2*m.folds:
		m.folds = max(2, n/2)
	}
	m.fold = balancedFolds(promptID, labeledIDs, m.folds)
	for _, i := range m.labeled {
		m.labScore, m.labY, m.labFold = append(m.labScore, score[i]), append(m.labY, label[i]), append(m.labFold, m.fold[i])
		m.labelClusters = append(m.labelClusters, m.cluster[i])
	}
	return m, nil
}

func (m *meanRows) complete() bool { return len(m.labeled) == len(m.label) }

// fit refits all models to weights by cluster, nil for all ones.
func (m *meanRows) fit(weight []float64) (*calibration, error) {
	var w []float64
	if weight != nil {
		w = make([]float64, len(m.labY))
		for i, c := range m.labelClusters {
			w[i] = weight[c]
		}
	}
	c := &calibration{fold: make([]*curve, m.folds)}
	var err error
	if c.whole, err = fitCurve(m.mode, true, ranks060, m.labScore, m.labY, w); err != nil {
		return nil, err
	}
	for k := range m.folds {
		if c.fold[k], err = fitWithout(m.mode, ranks060, m.labScore, m.labY, w, m.labFold, k); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// value is the estimate with weights by cluster, nil for all ones, with the mean
// residual and the labeled share.
func (m *meanRows) value(weight []float64, f func(i int) float64, held func(i int) float64) (value, residual,
	share float64) {
	w := func(i int) float64 {
		if weight == nil {
			return 1
		}
		return weight[m.cluster[i]]
	}
	var sum, total, labSum, labTotal float64
	for i := range m.score {
		sum += w(i) * f(i)
		total += w(i)
	}
	for _, i := range m.labeled {
		labSum += w(i) * (m.label[i] - held(i))
		labTotal += w(i)
	}
	residual = labSum / labTotal
	return sum/total + residual, residual, labTotal / total
}

// Replicate is the value under one set of bootstrap weights by prompt, in order
// of first appearance, every model refitted to them. It panics if their number
// is not that of the prompts.
func (m *meanRows) replicate(weight []float64) (float64, error) {
	if len(weight) != m.clusters {
		panic(fmt.Sprintf("cje: mean: %d weights for %d prompts", len(weight), m.clusters))
	}
	if m.complete() {
		v, _, _ := m.value(weight, func(int) float64 { return 0 }, func(int) float64 { return 0 })
		return v, nil
	}
	c, err := m.fit(weight)
	if err != nil {
		return math.NaN(), err
	}
	v, _, _ := m.value(weight, m.predict(c.whole), m.held(c))
	return v, nil
}

func (m *meanRows) predict(c *curve) func(int) float64 {
	return func(i int) float64 { return c.predict(m.score[i]) }
}

func (m *meanRows) held(c *calibration) func(int) float64 {
	return func(i int) float64 { return c.without(m.fold[i]).predict(m.score[i]) }
}

// CalibratedMean computes [Mean] with the reference's cluster-robust standard
// error. label is NaN where there is none; rows of one prompt are a cluster. It
// needs labels on four prompts at least, and a label on every row otherwise. It
// panics if the lengths differ.
//
// replicates, where there are any, are bootstrap weights by prompt, in order of
// first appearance; values are the estimates with all models refitted to them.
// The reference draws them from an exponential distribution.
func CalibratedMean(mode Mode, promptID []string, score, label []float64, replicates [][]float64) (mean *Mean,
	values []float64, err error) {
	m, err := newMeanRows(mode, promptID, score, label)
	if err != nil {
		return nil, nil, err
	}
	if mean, err = m.estimate(); err != nil {
		return nil, nil, err
	}
	for _, w := range replicates {
		v, err := m.replicate(w)
		if err != nil {
			return nil, nil, err
		}
		values = append(values, v)
	}
	return mean, values, nil
}

func (m *meanRows) estimate() (*Mean, error) {
	e := &Mean{}
	z := make([]float64, len(m.score))
	jackknifed := 0
	if m.complete() {
		copy(z, m.label)
		e.Value = mean(z)
	} else {
		c, err := m.fit(nil)
		if err != nil {
			return nil, err
		}
		f, held := m.predict(c.whole), m.held(c)
		value, residual, share := m.value(nil, f, held)
		e.Value = value
		for i := range z {
			z[i] = f(i) + residual
		}
		for _, i := range m.labeled {
			z[i] += (m.label[i] - held(i) - residual) / share
		}
		for _, fold := range c.fold {
			v, _, _ := m.value(nil, m.predict(fold), m.predict(fold))
			e.Jackknife = append(e.Jackknife, v)
		}
		e.VarOracle = jackknifeVariance(e.Jackknife)
		jackknifed = len(e.Jackknife)
	}
	e.SECluster, e.DF = clusterSE(z, m.cluster)
	if jackknifed >= 2 {
		e.DF = min(e.DF, jackknifed-1)
	}
	e.DF = max(e.DF, 1)
	e.SE = math.Sqrt(e.SECluster*e.SECluster + e.VarOracle)
	half := critical(e.DF) * e.SE
	e.Lower, e.Upper = e.Value-half, e.Value+half
	return e, nil
}
