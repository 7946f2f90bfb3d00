package engine

import (
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
)

// budgeted are the responses that a budget of labels goes to, as far as that is known:
// around those that were found to have no label.
func (r *Run) budgeted() []oracle.Assignment {
	d := r.job.Labels
	d.Shares = r.shares()
	return d.AssignAround(r.job.keys(), r.job.logging(), r.unlabelable())
}

// shares are how many labels each policy has: the least of each until that is labeled,
// and what was kept then.
func (r *Run) shares() map[string]int {
	kept, ok := get(r.store, r.store.designs, r.design)
	if !ok {
		return r.share(min(r.job.LabelsBudget, r.leastLabels()), nil)
	}
	out := map[string]int{}
	for _, as := range kept {
		if as.Role != oracle.RoleDuplicate {
			out[as.Key.Policy]++
		}
	}
	return out
}

func (r *Run) share(budget int, pilots map[string]offpolicy.Planning) map[string]int {
	return oracle.Share(budget, r.job.logging(), record.LabelPools(r.job.Prompts, r.job.Arms), pilots)
}

// leastLabels is the budget beyond which policies have more than they need.
func (r *Run) leastLabels() int { return record.LeastLabels(r.job.Arms) }

// divide shares out what the budget has beyond the least of each, by how the labels of that
// vary, and keeps the draw, so that no later start draws another.
func (r *Run) divide() error {
	if _, ok := get(r.store, r.store.designs, r.design); ok || r.job.LabelsBudget <= r.leastLabels() {
		return nil
	}
	var pilots map[string]offpolicy.Planning
	if rec, _ := r.records(nil); rec.Evaluation != nil {
		pilots = map[string]offpolicy.Planning{r.job.logging(): rec.Evaluation.Planning()}
		for _, a := range r.job.Arms.Targets() {
			pilots[a.Policy.Name] = rec.Evaluation.TargetPlanning(a.Policy.Name)
		}
	}
	d := r.job.Labels
	d.Shares = r.share(r.job.LabelsBudget, pilots)
	_, err := r.store.putDesign(r.design, d.Assign(r.job.keys(), r.job.logging()))
	return err
}

// moreLabels reports whether the labels that have come leave others to be asked for.
func (r *Run) moreLabels() (bool, error) {
	if r.job.LabelsBudget == 0 {
		return false, nil
	}
	if err := r.divide(); err != nil {
		return false, err
	}
	replaced := r.replaced()
	return slices.ContainsFunc(r.budgeted(), func(as oracle.Assignment) bool {
		row, asked := r.label(as)
		return !replaced[as.Key] && (!asked || lacked(row.Error) && r.store.hasText(as.Key))
	}), nil
}

// lacked reports whether a label failed because there was no response.
func lacked(err *dataset.RecordError) bool { return err != nil && err.Class == record.ClassNoResponse }

// unlabelable are the responses of which the run's oracle has said that they have no label,
// for a reason of their own that another start does not change. There are none if it has
// labeled nothing: the reason is then the oracle's, and all others would fail as well.
func (r *Run) unlabelable() map[dataset.Key]bool {
	out, labels := map[dataset.Key]bool{}, false
	s := r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, l := range s.labels {
		switch response := s.responses.at(k.key); {
		case k.oracle != r.graders.oracle || k.second:
		case l.err == nil:
			labels = true
		case lacked(l.err) && response != nil && response.text:
			// A later start has made the response: it can be labeled now.
		case slices.Contains(ownReasons, l.err.Class):
			out[s.shared.keys.key(k.key)] = true
		}
	}
	if !labels {
		return nil
	}
	return out
}

// replaced are the responses that gave way to others.
func (r *Run) replaced() map[dataset.Key]bool {
	if r.job.LabelsBudget == 0 {
		return nil
	}
	return r.unlabelable()
}

// ownReasons are classes of errors that lie in the response and not in the service.
var ownReasons = []string{
	record.ClassNoResponse, string(judge.ReasonUnparsable), string(judge.ReasonRefused), string(judge.ReasonFiltered),
	string(judge.ReasonTruncated), string(judge.ReasonEmptyResponse), string(judge.ReasonTooLong),
	string(providers.ClassFiltered), string(providers.ClassTooLong), string(providers.ClassBadRequest),
}
