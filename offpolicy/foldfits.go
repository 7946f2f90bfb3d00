package offpolicy

import (
	"cmp"
	"slices"
)

// refits are the calibrator's folds, to be fitted again under any weights v of the
// prompts: predict writes the predictions of all queries to f.
type refits interface {
	predict(v, f []float64, s *pooled)
}

// predicted are the predictions under equal weights, which are all that is asked for if
// there are no replicates, or no more of them: what fits them again is large.
type predicted []float64

func (p predicted) predict(_, f []float64, _ *pooled) { copy(f, p) }

func newRefits(fr *frame, c *Config) (refits, error) {
	if c.Covariate != "" {
		return newStageFits(fr, c.Folds)
	}
	return newFoldFits(fr, c.Folds), nil
}

// foldFits refits the calibrator of every fold, and predicts every score that
// needs it, under any weights of the prompts: once for the estimate, and again
// in every replicate. Everything that does not depend on the weights (orders,
// ties, who trains which fold) is worked out beforehand, so that a refit is two
// passes over sorted arrays and allocates nothing.
type foldFits struct {
	train []trainSet // by fold: the labeled rows outside of it
	query []querySet // by fold: the scores of its own prompts
	most  int        // the most points that a fit has
}

// trainSet are labeled rows in order of score. Rows of one score are one point.
type trainSet struct {
	x      []float64 // of each point
	end    []int32   // of each point: past its last row
	prompt []int32   // of each row
	w, wy  []float64 // of each row: 1/p and label/p
}

// querySet are scores in ascending order and where their predictions go.
type querySet struct {
	x  []float64
	at []int32
}

func newFoldFits(fr *frame, folds int) *foldFits {
	ff := &foldFits{train: make([]trainSet, folds), query: make([]querySet, folds)}
	labeled := fr.labeledByScore()
	for k := range ff.train {
		t := &ff.train[k]
		n := 0
		for _, i := range labeled {
			if fr.fold[fr.prompt[i]] != int32(k) {
				n++
			}
		}
		t.prompt, t.w, t.wy = make([]int32, 0, n), make([]float64, 0, n), make([]float64, 0, n)
		for _, i := range labeled {
			if fr.fold[fr.prompt[i]] == int32(k) {
				continue
			}
			if n := len(t.x); n == 0 || fr.score[i]-t.x[n-1] >= tieWidth {
				t.x, t.end = append(t.x, fr.score[i]), append(t.end, int32(len(t.w)))
			}
			t.prompt = append(t.prompt, fr.prompt[i])
			t.w, t.wy = append(t.w, fr.invP[i]), append(t.wy, fr.invP[i]*fr.label[i])
			t.end[len(t.end)-1] = int32(len(t.w))
		}
		t.x, t.end = slices.Clone(t.x), slices.Clone(t.end) // of ties there may be few
		ff.most = max(ff.most, len(t.x))
	}
	count := make([]int, folds)
	fr.eachQuery(func(fold int32, _, _ float64, _ int) { count[fold]++ })
	unsorted := make([]querySet, folds)
	for k, n := range count {
		unsorted[k] = querySet{make([]float64, 0, n), make([]int32, 0, n)}
	}
	fr.eachQuery(func(fold int32, x, _ float64, at int) {
		q := &unsorted[fold]
		q.x, q.at = append(q.x, x), append(q.at, int32(at))
	})
	for k := range unsorted {
		q := &unsorted[k]
		order := make([]int32, len(q.x))
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortFunc(order, func(i, j int32) int {
			return cmp.Or(cmp.Compare(q.x[i], q.x[j]), cmp.Compare(q.at[i], q.at[j]))
		})
		ff.query[k] = querySet{permuted(q.x, order), permuted(q.at, order)}
		*q = querySet{}
	}
	return ff
}

// pooled is a stack of blocks, last to first point, with sums of w and w·y.
type pooled struct {
	w, wy, first, last []float64
}

func newPooled(n int) pooled {
	s := make([]float64, 4*n)
	return pooled{s[:n:n], s[n : 2*n : 2*n], s[2*n : 3*n : 3*n], s[3*n:]}
}

// predict fits all folds under prompt weights v and writes predictions to f.
func (ff *foldFits) predict(v, f []float64, s *pooled) {
	if s.w == nil {
		*s = newPooled(ff.most)
	}
	for k := range ff.train {
		n := ff.train[k].fit(v, s)
		ff.query[k].predict(f, s, n)
	}
}

// fit pools adjacent violators, as pool does, and leaves the blocks in s, their
// means in s.wy.
func (t *trainSet) fit(v []float64, s *pooled) int {
	n, row := 0, int32(0)
	for i, x := range t.x {
		var w, wy float64
		for end := t.end[i]; row < end; row++ {
			u := v[t.prompt[row]]
			w += u * t.w[row]
			wy += u * t.wy[row]
		}
		first := x
		// The predecessor is not below this block: its mean is at least ours.
		for n > 0 && s.wy[n-1]*w >= wy*s.w[n-1] {
			n--
			w += s.w[n]
			wy += s.wy[n]
			first = s.first[n]
		}
		s.w[n], s.wy[n], s.first[n], s.last[n] = w, wy, first, x
		n++
	}
	for i := range n {
		s.wy[i] /= s.w[i]
	}
	return n
}

// predict walks the sorted scores along n blocks: flat inside a block, linear
// from one to the next, constant beyond the ends.
func (q *querySet) predict(f []float64, s *pooled, n int) {
	at := q.at
	b := 0 // the first block that ends at or after x
	for i, x := range q.x {
		for b < n && s.last[b] < x {
			b++
		}
		var y float64
		switch {
		case b == n:
			y = s.wy[n-1]
		case b == 0 || x >= s.first[b]:
			y = s.wy[b]
		default:
			x0, y0, y1 := s.last[b-1], s.wy[b-1], s.wy[b]
			y = y0 + (x-x0)/(s.first[b]-x0)*(y1-y0)
		}
		f[at[i]] = y
	}
}
