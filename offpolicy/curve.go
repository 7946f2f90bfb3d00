package offpolicy

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/internal/spline"
)

// curve is one fit of a calibrator: an isotonic regression of label on score, or,
// where there is a covariate, on g(score, covariate).
type curve struct {
	iso *Isotonic
	g   *spline.Fit
}

// fitCurve fits to the rows that keep says, in an order of its own.
func fitCurve(twoStage bool, rows []LabeledScore, keep func(LabeledScore) bool) (*curve, error) {
	if twoStage {
		rows = slices.Clone(rows)
		slices.SortFunc(rows, func(a, b LabeledScore) int {
			return cmp.Or(cmp.Compare(a.Score.OrNaN(), b.Score.OrNaN()), cmp.Compare(a.Covariate.OrNaN(),
				b.Covariate.OrNaN()), cmp.Compare(a.Label.OrNaN(), b.Label.OrNaN()),
				cmp.Compare(a.InclusionProb.OrNaN(), b.InclusionProb.OrNaN()))
		})
	}
	var x, c, y, w []float64
	for _, r := range rows {
		if keep(r) {
			x, c, y, w = append(x, r.Score.OrNaN()), append(c, r.Covariate.OrNaN()), append(y, r.Label.OrNaN()),
				append(w, 1/r.InclusionProb.OrNaN())
		}
	}
	if !twoStage {
		iso, err := FitIsotonic(x, y, w)
		return &curve{iso: iso}, err
	}
	if len(x) < spline.MinRows {
		return nil, fmt.Errorf("two stages need %d labels in every fit, there are %d", spline.MinRows, len(x))
	}
	design, err := spline.New(x, c)
	if err != nil {
		return nil, err
	}
	return fitStages(design, y, w)
}

// fitStages fits g and then f of g. Weights are brought to a mean of 1, in place,
// so that g's penalties are as strong whatever the labels' inclusion probabilities.
func fitStages(design *spline.Design, y, w []float64) (*curve, error) {
	var sum float64
	for _, u := range w {
		sum += u
	}
	for i := range w {
		w[i] *= float64(len(w)) / sum
	}
	g := design.Fit(y, w)
	x := make([]float64, len(y))
	for i := range x {
		x[i] = g.AtPoint(design.Row(i))
	}
	iso, err := FitIsotonic(x, y, w)
	return &curve{iso, g}, err
}

func finite(v float64) bool { return v-v == 0 }

func (c *curve) predict(score, covariate float64) float64 {
	switch {
	case c.g == nil:
		return c.iso.Predict(score)
	case math.IsNaN(score) || math.IsNaN(covariate):
		return math.NaN()
	}
	return c.iso.step(c.g.At(score, covariate))
}

// stageFits are foldFits where there is a covariate. The design of every fold is
// made beforehand, the order of g is not: it changes with the weights.
type stageFits struct {
	train []stageSet   // by fold
	query []stageQuery // by fold
}

type stageSet struct {
	design *spline.Design
	prompt []int32
	y, w   []float64 // w is 1/p
}

type stageQuery struct {
	point []spline.Point
	at    []int32
}

func newStageFits(fr *frame, folds int) (*stageFits, error) {
	sf := &stageFits{make([]stageSet, folds), make([]stageQuery, folds)}
	labeled := fr.labeledByScore()
	for k := range sf.train {
		t := &sf.train[k]
		var x, c []float64
		for _, i := range labeled {
			if p := fr.prompt[i]; fr.fold[p] != int32(k) {
				x, c = append(x, fr.score[i]), append(c, fr.t.covariate[i])
				t.prompt, t.y, t.w = append(t.prompt, p), append(t.y, fr.label[i]), append(t.w, fr.invP[i])
			}
		}
		var err error
		if t.design, err = spline.New(x, c); err != nil {
			return nil, err
		}
	}
	fr.eachQuery(func(fold int32, score, covariate float64, at int) {
		q := &sf.query[fold]
		q.point, q.at = append(q.point, sf.train[fold].design.Point(score, covariate)), append(q.at, int32(at))
	})
	return sf, nil
}

func (sf *stageFits) predict(v, f []float64, _ *pooled) {
	for k := range sf.train {
		t := &sf.train[k]
		w := make([]float64, len(t.w))
		for i, u := range t.w {
			w[i] = u * v[t.prompt[i]]
		}
		c, err := fitStages(t.design, t.y, w)
		if err != nil {
			panic("offpolicy: two-stage calibration: " + err.Error()) // never: labels and weights were checked
		}
		q := &sf.query[k]
		for i, p := range q.point {
			f[q.at[i]] = c.iso.step(c.g.AtPoint(p))
		}
	}
}
