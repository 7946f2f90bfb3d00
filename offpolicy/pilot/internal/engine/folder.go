package engine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

// folderProblem says why a folder cannot take the run.
func folderProblem(dir string, err error) *record.Problem {
	var other *journal.ConfigError
	var damaged *journal.CorruptError
	switch {
	case errors.As(err, &damaged):
		return &record.Problem{What: fmt.Sprintf("%s holds a run whose journal is damaged: %v", dir, err),
			Remedy: record.Do("do as it says, or give another folder; a record that is given up is made, and paid for, again",
				record.FieldDir), Err: err}
	case errors.As(err, &other):
		return &record.Problem{What: fmt.Sprintf("%s holds a run of another configuration: %v", dir, err),
			Remedy: record.Do("give another folder, or the settings that the run was begun with", record.FieldDir), Err: err}
	case errors.Is(err, journal.ErrLocked):
		return &record.Problem{What: fmt.Sprintf("%s is in use by another process", dir),
			Remedy: record.Do("wait for it to end, or give another folder", record.FieldDir), Err: err}
	case errors.Is(err, folder.ErrForeign):
		return &record.Problem{What: fmt.Sprintf("%s cannot be used, because of what stands in it: %v", dir, err),
			Remedy: record.Do("remove it, or give another folder", record.FieldDir), Err: err}
	default:
		return &record.Problem{What: fmt.Sprintf("%s cannot be used: %v", dir, err),
			Remedy: record.Do("give a folder that can be written", record.FieldDir), Err: err}
	}
}

// checkLabels compares the oracle with the labels that the folder has.
func (j *Job) checkLabels(o oracle.Oracle, s *store) *record.Problem {
	drawn := len(s.designs) > 0 // of other numbers of labels, perhaps: they were drawn from the same scores
	oracles := map[string]bool{}
	for k := range s.labels {
		oracles[k.oracle] = true
	}
	_, people := o.(*oracle.File)
	switch id := o.Identity(); {
	case people && j.stratified() && !drawn:
		return &record.Problem{
			What: "which responses are to be labeled follows from judge scores that are not there yet: people cannot have " +
				"labeled them",
			Remedy: record.Do("leave strata out, so that every label of the file is used; or have the responses drawn by a "+
				"start with a model as the oracle, and give the file when people have labeled those of oracle.jsonl",
				record.FieldLabels, record.FieldOracle),
		}
	case !people && len(oracles) > 0 && !oracles[id]:
		return &record.Problem{
			What: fmt.Sprintf("%s holds labels of %s, and %s would be paid to give them all again", j.Dir,
				record.Some(slices.Sorted(maps.Keys(oracles))), id),
			Remedy: record.Do("give another folder, or the oracle that the run was begun with", record.FieldDir,
				record.FieldOracle),
		}
	}
	return nil
}

// foreignFolder refuses a folder that holds other people's files.
func foreignFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, journalDir)); err != nil {
		return errors.New("it is not empty and holds no run of this program: nothing was overwritten")
	}
	return nil
}

// CheckFolder reports what keeps the folder from taking this run, as a [*Problem],
// and leaves it as it was. o is the run's oracle, and tokens what its calls are
// expected to take. What it found is nil if [Open] has to look itself.
func (j *Job) CheckFolder(o oracle.Oracle, tokens float64) (*Found, error) {
	if err := foreignFolder(j.Dir); err != nil {
		return nil, folderProblem(j.Dir, err)
	}
	if err := j.checkPlaces(); err != nil {
		return nil, folderProblem(j.Dir, err)
	}
	found, err := look(j.journalPath(), j.Identity)
	var foreign *foreignRecord
	if errors.As(err, &foreign) {
		return nil, nil // Open says so
	}
	if err != nil {
		return nil, folderProblem(j.Dir, err)
	}
	problem := j.checkLabels(o, found.store)
	if problem == nil {
		problem = checkRoom(j.Dir, tokens)
	}
	if problem != nil {
		return nil, problem
	}
	return found, nil
}

// outside counts the prompts that have records and are not part of this run.
func (r *Run) outside() int {
	here := map[string]bool{}
	for _, p := range r.job.Prompts {
		here[p.ID] = true
	}
	others := map[string]bool{}
	for n := range uint32(len(r.store.responses.place)) {
		row := r.store.responses.at(n)
		if row == nil {
			continue
		}
		if k := r.store.shared.keys.key(row.key); !here[k.PromptID] {
			others[k.PromptID] = true
		}
	}
	return len(others)
}
