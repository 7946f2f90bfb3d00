package offpolicy

import "math"

// blanks predict the responses that the judge could not score. "No score" is then one
// more value that a score may have, and f of it the mean label of the labeled
// responses without one, out of fold, with one label of the mean of all added, which
// serves where there are none. Leaving such responses out would leave out what makes
// a judge fail; a prediction that is rough costs width, no bias, since labels that
// are drawn at random correct it as they do any other.
type blanks struct {
	train []blankSet // by fold: the labeled rows outside of it
	at    [][]int32  // by fold: where predictions of its unscored responses go
	// For predictions that are plain scores: the scored among the logged responses
	// and each target's draws, and where the mean of these goes.
	scored, unscored [][]int32
}

// blankSet are labeled rows.
type blankSet struct {
	prompt []int32
	w, wy  []float64 // 1/p and label/p
	blank  []bool    // has no score
}

// newBlanks returns nil if every response has a score.
func newBlanks(fr *frame, folds int) *blanks {
	b := &blanks{train: make([]blankSet, folds), at: make([][]int32, folds)}
	any := false
	add := func(prompt []int32, score []float64, from int) {
		var scored, unscored []int32
		for i, s := range score {
			if !math.IsNaN(s) {
				scored = append(scored, int32(from+i))
				continue
			}
			any = true
			unscored = append(unscored, int32(from+i))
			k := fr.fold[prompt[i]]
			b.at[k] = append(b.at[k], int32(from+i))
		}
		b.scored, b.unscored = append(b.scored, scored), append(b.unscored, unscored)
	}
	add(fr.prompt, fr.score, 0)
	for _, name := range fr.targets {
		if d := fr.draws[name]; d != nil {
			add(d.prompt, d.score, d.at)
		}
	}
	if !any {
		return nil
	}
	for k := range b.train {
		t := &b.train[k]
		for i, u := range fr.invP {
			if p := fr.prompt[i]; u > 0 && fr.fold[p] != int32(k) {
				t.prompt, t.w, t.wy = append(t.prompt, p), append(t.w, u), append(t.wy, u*fr.label[i])
				t.blank = append(t.blank, math.IsNaN(fr.score[i]))
			}
		}
	}
	return b
}

// predict writes the predictions of unscored responses under prompt weights v to f:
// calibrated, or the mean of the other scores.
func (b *blanks) predict(v, f []float64, calibrated bool) {
	if !calibrated {
		for k, to := range b.unscored {
			var mean float64
			for _, i := range b.scored[k] {
				mean += f[i] / float64(len(b.scored[k]))
			}
			for _, i := range to {
				f[i] = mean
			}
		}
		return
	}
	for k := range b.train {
		t := &b.train[k]
		var w, wy, blankW, blankWY float64
		for i, p := range t.prompt {
			u := v[p]
			w += u * t.w[i]
			wy += u * t.wy[i]
			if t.blank[i] {
				blankW += u * t.w[i]
				blankWY += u * t.wy[i]
			}
		}
		one := w / float64(len(t.w)) // what a label weighs
		y := (blankWY + one*wy/w) / (blankW + one)
		for _, i := range b.at[k] {
			f[i] = y
		}
	}
}
