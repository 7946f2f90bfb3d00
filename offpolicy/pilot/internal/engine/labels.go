package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
)

// labelFunc asks for the label of one response.
type labelFunc func(context.Context, oracle.Item) (float64, error)

// labeling is what the oracle is asked.
func (r *Run) labeling() (d duty, err error) {
	assigned, ok := r.assignments()
	if !ok {
		assigned, err = r.drawDesign()
	}
	label := r.labelOne
	if err == nil && r.job.BatchLabels != nil {
		label, err = r.labelBatch(assigned)
	}
	if err != nil {
		return d, err
	}
	d = duty{needs: about, do: func(ctx context.Context, it item) (*dataset.RecordError, error) {
		return r.labelIt(ctx, assigned[it.at], label)
	}}
	replaced := r.replaced()
	for _, as := range assigned {
		if err := d.list(&r.job, as.Key, r.labeled(as) || replaced[as.Key]); err != nil {
			return d, err
		}
	}
	return d, nil
}

// labelIt asks for the label of one response.
func (r *Run) labelIt(ctx context.Context, as oracle.Assignment, label labelFunc) (*dataset.RecordError, error) {
	value, err := math.NaN(), error(&dataset.RecordError{Class: record.ClassNoResponse,
		Message: "there is no response to label"})
	it, ok, broken := r.labelItem(as)
	if broken != nil {
		return nil, broken
	}
	if ok {
		value, err = label(ctx, it)
	}
	if stop := r.fatal(ctx, record.StageOracle, as.Key, err); stop != nil {
		return nil, stop
	}
	row := oracle.Record(as, r.arms()[as.Key.Policy].Hash(), r.oracle, value, err)
	return row.Error, r.store.putLabel(row)
}

// label is what the run's oracle said of an assignment.
func (r *Run) label(as oracle.Assignment) (dataset.OracleLabel, bool) {
	l := r.store.heldLabel(as.Key, as.Role == oracle.RoleDuplicate, r.graders.oracle)
	if l == nil {
		return dataset.OracleLabel{}, false
	}
	return l.row(as.Key), true
}

// labeled reports whether an assignment has its label.
func (r *Run) labeled(as oracle.Assignment) bool {
	row, ok := r.label(as)
	return ok && row.Error == nil
}

// labelItem is an assignment with what the oracle is to read; false where the
// response failed.
func (r *Run) labelItem(as oracle.Assignment) (oracle.Item, bool, error) {
	text, err := r.store.text(as.Key)
	if text == nil || err != nil {
		return oracle.Item{}, false, err
	}
	return oracle.Item{Tag: labelTag(as), Prompt: r.prompt(as.Key.PromptID), Response: *text}, true, nil
}

func labelTag(as oracle.Assignment) providers.Tag {
	tag := providers.Tag{Stage: record.StageOracle, Key: as.Key}
	if as.Role == oracle.RoleDuplicate {
		tag.Call = as.Role
	}
	return tag
}

func (r *Run) labelOne(ctx context.Context, it oracle.Item) (float64, error) {
	return r.oracle.Label(ctx, it.Tag, it.Prompt, it.Response)
}

// BatchLabeler is the oracle that batches need.
type BatchLabeler interface {
	LabelBatch(context.Context, oracle.Batcher, batch.Config, []oracle.Item) ([]oracle.Outcome, error)
}

// labelBatch labels every response that has no label yet, when the first of them
// is asked for, and hands each its own outcome.
func (r *Run) labelBatch(assigned []oracle.Assignment) (labelFunc, error) {
	c := *r.job.BatchLabels
	sum := sha256.Sum256(append(slices.Clone(r.job.Identity), r.oracle.Identity()...))
	c.Store, c.Run = batch.NewJournalStore(r.store.j), hex.EncodeToString(sum[:8])
	sent, err := inUnfinishedBatches(c.Store)
	if err != nil {
		return nil, err
	}
	var todo []oracle.Item
	at := map[providers.Tag]int{}
	replaced := r.replaced()
	add := func(as oracle.Assignment, owed bool) {
		tag := labelTag(as)
		if _, twice := at[tag]; twice || !owed && !sent[providers.RequestID(tag)] {
			return
		}
		it, ok, broken := r.labelItem(as)
		err = errors.Join(err, broken)
		if ok {
			at[tag] = len(todo)
			todo = append(todo, it)
		}
	}
	for _, as := range assigned {
		add(as, !r.labeled(as) && !replaced[as.Key])
	}
	// A batch that is on its way is finished as it was sent, also where a run that
	// has grown since draws others.
	for _, k := range r.job.keys() {
		add(oracle.Assignment{Key: k, Role: oracle.RoleCalibration}, false)
		add(oracle.Assignment{Key: k, Role: oracle.RoleDuplicate}, false)
	}
	if err != nil {
		return nil, err
	}
	var once sync.Once
	var outcomes []oracle.Outcome
	return func(ctx context.Context, it oracle.Item) (float64, error) {
		once.Do(func() { outcomes, err = r.oracle.(BatchLabeler).LabelBatch(ctx, batch.New(r.grader), c, todo) })
		o := outcomes[at[it.Tag]]
		if err != nil && o.Err != nil {
			return 0, err // the batch's own trouble says more
		}
		return o.Label.OrNaN(), o.Err
	}, nil
}

// inUnfinishedBatches are the ids of the requests that batches on their way hold.
func inUnfinishedBatches(store batch.Store) (map[string]bool, error) {
	states, err := store.Load()
	ids := map[string]bool{}
	for _, s := range states {
		for _, l := range s.Lines {
			if !s.Done {
				ids[l.ID] = true
			}
		}
	}
	return ids, err
}

// undrawn counts the targets' own labels that an earlier start bought of this
// oracle and this design does not draw.
func (r *Run) undrawn() int {
	assigned, ok := r.assignments()
	if !ok {
		return 0 // the draw is still to come
	}
	drawn := map[dataset.Key]bool{}
	for _, as := range assigned {
		drawn[as.Key] = true
	}
	n, p0 := 0, r.job.logging()
	for k, l := range r.store.labels {
		of := r.store.shared.keys.key(k.key)
		if l.err == nil && of.Policy != p0 && k.oracle == r.graders.oracle && !drawn[of] {
			n++
		}
	}
	return n
}

// addLabels gives the records the labels of the run's design. Labels of an
// earlier, smaller run that this design does not draw stay in the journal: their
// probability is not known.
func (r *Run) addLabels(rec *record.Records) {
	assigned, _ := r.assignments()
	rec.Design = assigned
	replaced := r.replaced()
	labels, duplicates := make([]drawnLabel, 0, len(assigned)), []drawnLabel(nil)
	for i := range assigned {
		as := &assigned[i]
		l := r.store.heldLabel(as.Key, as.Role == oracle.RoleDuplicate, r.graders.oracle)
		if as.Role == oracle.RoleDuplicate {
			if l != nil {
				duplicates = append(duplicates, drawnLabel{l, as})
			}
			continue
		}
		if replaced[as.Key] {
			rec.LabelsReplaced = append(rec.LabelsReplaced, as.Key)
		}
		if l != nil {
			labels = append(labels, drawnLabel{l, as})
		}
	}
	rec.Labels, rec.Duplicates = labelRows(labels), labelRows(duplicates)
}

// drawnLabel is a label and what it was drawn as.
type drawnLabel struct {
	*label
	as *oracle.Assignment
}

func (d drawnLabel) row() dataset.OracleLabel {
	row := d.label.row(d.as.Key)
	row.InclusionProb, row.Stratum = d.as.InclusionProb, d.as.Stratum // of a run that grew
	return row
}

// labelRows are labels in the order of their keys.
func labelRows(labels []drawnLabel) record.Rows[dataset.OracleLabel] {
	key := func(d drawnLabel) dataset.Key { return d.as.Key }
	slices.SortStableFunc(labels, func(a, b drawnLabel) int { return key(a).Compare(key(b)) })
	return record.RowsOf(labels, key, drawnLabel.row)
}
