package cje

import "math"

// clip is the weight at which raw-ips clips.
const clip = 100

// hajek are the self-normalised weights, of mean 1; nil where all are 0.
func (ref *Reference) hajek(policy string) []float64 {
	out := make([]float64, len(ref.base))
	top := math.Inf(-1)
	for i, t := range ref.target[policy] {
		out[i] = t - ref.base[i]
		top = max(top, out[i])
	}
	if math.IsInf(top, -1) {
		return nil
	}
	for i, l := range out {
		out[i] = math.Exp(l - top)
	}
	return meanOne(out)
}

func clipped(w []float64, limit float64) []float64 {
	out := make([]float64, len(w))
	for i, v := range w {
		out[i] = min(v, limit)
	}
	return meanOne(out)
}

// raw are the weights as they are, with exponents bounded so that none is
// infinite.
func (ref *Reference) raw(policy string) []float64 {
	out := make([]float64, len(ref.base))
	for i, t := range ref.target[policy] {
		out[i] = math.Exp(min(t-ref.base[i], math.Log(math.MaxFloat64)))
	}
	return out
}

// ratio is Σ w r / Σ w.
func ratio(w, r []float64) float64 {
	var sw, swr float64
	for i := range w {
		sw += w[i]
		swr += w[i] * r[i]
	}
	return swr / sw
}

// snips is Σ w R / Σ w with the influence function of the ratio.
func (ref *Reference) snips(w []float64) *Estimate {
	e := &Estimate{Value: ratio(w, ref.reward), N: len(w), Weights: w, Influence: make([]float64, len(w))}
	m := mean(w)
	for i := range w {
		e.Influence[i] = w[i] * (ref.reward[i] - e.Value) / m
	}
	centre(e.Influence)
	e.SEInfluence = sampleSE(e.Influence)
	e.finish(0)
	return e
}

// calibratedIPS is Σ w R / Σ w for stabilized weights. Each outer fold's
// influence takes value and mean weight from the other folds' Hajek weights.
func (ref *Reference) calibratedIPS(hajek []float64) *Estimate {
	outer := ref.outer()
	w, others := ref.stabilized(hajek, outer)
	e := &Estimate{Value: ratio(w, ref.reward), N: len(w), Weights: w, Influence: make([]float64, len(w))}
	r := ref.held
	if ref.allLabel {
		r = ref.reward
	}
	for i, v := range outer.fold {
		e.Influence[i] = w[i] * (r[i] - others[v].value) / others[v].weight
	}
	centre(e.Influence)
	se, df := clusterSE(e.Influence, outer.fold)
	e.SEInfluence = se
	if !ref.allLabel {
		for _, left := range ref.leftRewards() {
			var sum float64
			for i, r := range left {
				sum += w[i] * r
			}
			e.Jackknife = append(e.Jackknife, sum/float64(len(w)))
		}
	}
	e.VarOracle = jackknifeVariance(e.Jackknife)
	e.finish(max(min(df, len(ref.cal.jackknife)-1), 1))
	return e
}

// otherFolds is what an outer fold's influence takes from the rest.
type otherFolds struct{ value, weight float64 }

// stabilized calibrates weights by an outer cross-validation: those of fold v
// are predicted by the fit to the others. A fold with fewer than 2 rows, or
// fewer than 10 outside, and one whose fit fails, as it does on a weight of 0,
// keeps its Hajek weights.
func (ref *Reference) stabilized(hajek []float64, outer *outerFolds) (w []float64, others [folds]otherFolds) {
	w = make([]float64, len(hajek))
	for v := range outer.splits {
		o := &outer.splits[v]
		r := o.held
		small := len(o.train) < 10 || len(o.test) < 2
		if small {
			r = pick(ref.reward, o.train)
		}
		wTrain, wTest := pick(hajek, o.train), pick(hajek, o.test)
		switch m := mean(wTrain); {
		case len(wTrain) == 0:
			others[v] = otherFolds{0, 1}
		case m > 0:
			others[v] = otherFolds{ratio(wTrain, r), m}
		default:
			others[v] = otherFolds{mean(r), 1}
		}
		if !small {
			if fit, err := stabilizerDefault.fit(wTrain, o.trainIndex, r, targetReward, o.inner); err == nil {
				wTest = fit.predict(wTest, o.testIndex)
			}
		}
		for j, i := range o.test {
			w[i] = wTest[j]
		}
	}
	return meanOne(w), others
}

// outerFolds are the folds of an outer cross-validation.
type outerFolds struct {
	fold   []int // of each row
	splits [folds]split
}

// split is one outer fold, test, and the others, train: what weight calibration
// wants to know of them, whatever the weights. Rows are in the order of the
// index.
type split struct {
	train, test           []int
	trainIndex, testIndex *index
	held                  []float64 // of train: the held-out rewards, the index itself
	inner                 []int     // of train: the folds, counted from 0 without gaps
}

// split cuts the rows, given in the order of their held-out rewards.
func (ref *Reference) split(outer, order []int) *outerFolds {
	out := &outerFolds{fold: outer}
	for v := range out.splits {
		o := &out.splits[v]
		o.train, o.test = make([]int, 0, len(order)), make([]int, 0, len(order)/2)
		for _, i := range order {
			if outer[i] == v {
				o.test = append(o.test, i)
			} else {
				o.train = append(o.train, i)
			}
		}
		o.held = pick(ref.held, o.train)
		o.trainIndex, o.testIndex = sortedIndex(o.held), sortedIndex(pick(ref.held, o.test))
		o.inner = renumbered(ref.fold, o.train)
	}
	return out
}

func pick[T any](v []T, at []int) []T {
	out := make([]T, len(at))
	for j, i := range at {
		out[j] = v[i]
	}
	return out
}

// renumbered are the folds of some rows, counted from 0 without gaps.
func renumbered(fold, at []int) []int {
	var used, number [folds]int
	for _, i := range at {
		used[fold[i]] = 1
	}
	for k := 1; k < folds; k++ {
		number[k] = number[k-1] + used[k-1]
	}
	out := make([]int, len(at))
	for j, i := range at {
		out[j] = number[fold[i]]
	}
	return out
}

func centre(v []float64) {
	m := mean(v)
	for i := range v {
		v[i] -= m
	}
}
