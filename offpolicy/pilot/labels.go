package pilot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"sync"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
)

// labelFunc asks for the label of one response.
type labelFunc func(context.Context, oracle.Item) (float64, error)

// labelling is what the oracle is asked.
func (r *run) labelling(label labelFunc) []item {
	var items []item
	prompts, arms := r.prompts(), r.arms()
	for _, as := range r.cfg.assignments() {
		items = append(items, item{key: as.Key, needs: []dataset.Key{as.Key}, done: r.labelled(as), do: func(ctx context.Context) (*dataset.RecordError, error) {
			value, err := math.NaN(), error(&dataset.RecordError{Class: classNoResponse, Message: "there is no response to label"})
			if it, ok := r.labelItem(as, prompts); ok {
				value, err = label(ctx, it)
			}
			if stop := r.fatal(ctx, stageOracle, as.Key, err); stop != nil {
				return nil, stop
			}
			row := oracle.Record(as, arms[as.Key.Policy].Hash(), r.oracle, value, err)
			return row.Error, put(r.store, kindLabel, r.store.labelsOf(as.Role), row)
		}})
	}
	return items
}

// labelled reports whether an assignment has its label.
func (r *run) labelled(as oracle.Assignment) bool {
	row, ok := get(r.store, r.store.labelsOf(as.Role), as.Key)
	return ok && row.Error == nil
}

// labelItem is an assignment with what the oracle is to read; false where the
// response failed.
func (r *run) labelItem(as oracle.Assignment, prompts map[string]dataset.Prompt) (oracle.Item, bool) {
	text := r.text(as.Key)
	if text == nil {
		return oracle.Item{}, false
	}
	tag := providers.Tag{Stage: stageOracle, Key: as.Key.String(), Policy: as.Key.Policy}
	if as.Role == oracle.RoleDuplicate {
		tag.Call = as.Role
	}
	return oracle.Item{Tag: tag, Key: as.Key, Prompt: prompts[as.Key.PromptID], Response: *text}, true
}

func (r *run) labelOne(ctx context.Context, it oracle.Item) (float64, error) {
	return r.oracle.Label(ctx, it.Tag, it.Key, it.Prompt, it.Response)
}

// batchLabeler is the oracle that batches need.
type batchLabeler interface {
	LabelBatch(context.Context, oracle.Batcher, providers.BatchConfig, []oracle.Item) ([]oracle.Outcome, error)
}

// labelBatch labels every response that has no label yet, when the first of them
// is asked for, and hands each its own outcome.
func (r *run) labelBatch() labelFunc {
	var todo []oracle.Item
	at := map[providers.Tag]int{}
	prompts := r.prompts()
	for _, as := range r.cfg.assignments() {
		if it, ok := r.labelItem(as, prompts); ok && !r.labelled(as) {
			at[it.Tag] = len(todo)
			todo = append(todo, it)
		}
	}
	var once sync.Once
	var outcomes []oracle.Outcome
	var err error
	return func(ctx context.Context, it oracle.Item) (float64, error) {
		once.Do(func() {
			c := *r.cfg.BatchLabels
			sum := sha256.Sum256(r.identity)
			c.Store, c.Run = providers.NewJournalBatchStore(r.store.j), hex.EncodeToString(sum[:8])
			outcomes, err = r.oracle.(batchLabeler).LabelBatch(ctx, r.grader, c, todo)
		})
		o := outcomes[at[it.Tag]]
		if err != nil && o.Err != nil {
			return 0, err // the batch's own trouble says more
		}
		return o.Label, o.Err
	}
}

// undrawn counts the labels that an earlier start bought and this design does not
// draw.
func (r *run) undrawn() int {
	drawn := map[dataset.Key]bool{}
	for _, as := range r.cfg.assignments() {
		drawn[as.Key] = true
	}
	n := 0
	for k, row := range r.store.labels {
		if row.Error == nil && !drawn[k] {
			n++
		}
	}
	return n
}

// addLabels gives the records the labels of the run's design. Labels of an
// earlier, smaller run that this design does not draw stay in the journal: their
// probability is not known.
func (r *run) addLabels(rec *Records) {
	for _, as := range r.cfg.assignments() {
		row, ok := get(r.store, r.store.labelsOf(as.Role), as.Key)
		row.InclusionProb = as.InclusionProb // of a run that grew
		if as.Role == oracle.RoleDuplicate {
			rec.DuplicatesOwed = append(rec.DuplicatesOwed, as.Key)
			if ok {
				rec.Duplicates = append(rec.Duplicates, row)
			}
			continue
		}
		rec.LabelsOwed = append(rec.LabelsOwed, as.Key)
		if ok {
			rec.Labels = append(rec.Labels, row)
		}
	}
}

// allLabels are the labels sorted by key, a duplicate after its original.
func (r *Records) allLabels() []dataset.OracleLabel {
	all := append(slices.Clone(r.Labels), r.Duplicates...)
	slices.SortStableFunc(all, func(a, b dataset.OracleLabel) int { return a.Key().Compare(b.Key()) })
	return all
}
