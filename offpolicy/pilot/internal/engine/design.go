package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

// assignments are the responses that the oracle labels; false where that follows
// from scores and has not been drawn yet.
func (r *Run) assignments() ([]oracle.Assignment, bool) {
	if r.job.LabelsBudget > 0 {
		return r.budgeted(), true
	}
	if !r.job.stratified() {
		r.drawn.Do(func() {
			if r.job.Assigned == nil {
				r.job.Assigned = r.job.Shard.Assigned(r.job.Labels, r.job.Plan, r.job.Arms)
			}
		})
		return r.job.Assigned, true
	}
	return get(r.store, r.store.designs, r.design)
}

// labelsAfter are the stages that decide what the oracle is asked.
func (r *Run) labelsAfter() []string {
	var after []string
	if _, drawn := r.assignments(); !drawn {
		after = append(after, record.StageJudge) // whose scores are the strata
	}
	if r.job.BatchLabels != nil {
		after = append(after, record.StageP0, record.StageTargets) // a batch takes all that there is
	}
	return after
}

// drawDesign draws the responses to be labeled by their scores and keeps the
// draw. Nothing is labeled before that: a score that is made later, where there
// was none, changes neither what is labeled nor with which probability.
func (r *Run) drawDesign() ([]oracle.Assignment, error) {
	scores := map[dataset.Key]float64{}
	for s := range r.job.slots() {
		k := r.job.keyOf(s)
		scores[k] = math.NaN()
		if row := r.store.heldScore(k); row != nil {
			scores[k] = row.mean.OrNaN()
		}
	}
	return r.store.putDesign(r.design, r.job.Shard.Design(r.job.Labels).AssignByScore(scores, r.job.logging()))
}

// designText is what a design is known by.
func designText(d oracle.Design) string {
	text := fmt.Sprintf("{Seed:%d Fraction:%v Probes:%d Strata:%d Duplicates:%d}", d.Seed, d.Fraction, d.Probes, d.Strata,
		d.Duplicates)
	if d.Shares != nil {
		text += fmt.Sprint(d.Shares)
	}
	return text
}

// designKey names a design and the responses that it is drawn from.
func (r *Run) designKey() string {
	h := sha256.New()
	fmt.Fprintln(h, designText(r.job.Labels))
	for s := range r.job.slots() {
		k := r.job.keyOf(s)
		fmt.Fprintf(h, "%q %q\n", k.PromptID, k.Policy)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
