package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// The folders in a run's folder.
const (
	journalDir  = "journal" // private
	drawsDir    = "fresh_draws"
	unscoredDir = "unscored" // in drawsDir
)

// outputFiles are the files that a run puts into its folder.
func outputFiles() []string {
	return []string{"manifest.json", "prompts.jsonl", "responses.jsonl", "logprobs.jsonl", "oracle.jsonl", "judge.jsonl",
		"canaries.jsonl", "samples.jsonl", "ledger.jsonl", "report.json", "report.md", "report.html"}
}

// drawFiles are the files of fresh draws.
func (j *Job) drawFiles() []string {
	var names []string
	for _, a := range j.Arms {
		if a.Role != record.Logging {
			names = append(names, a.Policy.Name+"_responses.jsonl")
		}
	}
	return names
}

// checkPlaces reports what stands where the run will put its files and is none of
// them, and a folder of the run that cannot be written: before anything is spent,
// because most files are written at the end.
func (j *Job) checkPlaces() error {
	in, err := folder.Open(j.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	err = checkFiles(in, outputFiles())
	for _, name := range []string{journalDir, drawsDir} {
		err = errors.Join(err, checkSub(in, name, func(sub *folder.Folder) error {
			if name == journalDir {
				return nil // package journal knows its files
			}
			return errors.Join(checkFiles(sub, j.drawFiles()),
				checkSub(sub, unscoredDir, func(sub *folder.Folder) error { return checkFiles(sub, j.drawFiles()) }))
		}))
	}
	return err
}

func checkFiles(in *folder.Folder, names []string) (err error) {
	for _, name := range names {
		err = errors.Join(err, in.Check(name, false))
	}
	return err
}

func checkSub(in *folder.Folder, name string, check func(*folder.Folder) error) error {
	if err := in.Check(name, true); err != nil {
		return err
	}
	sub, err := in.Sub(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer sub.Close()
	return errors.Join(sub.Writable(), check(sub))
}

// makeFolder makes the run's folder, if it is not there.
func (r *Run) makeFolder() error {
	_, err := os.Stat(r.job.Dir)
	if err == nil {
		return nil // its permissions are its maker's
	}
	in, err := folder.Make(r.job.Dir)
	if err != nil {
		return err
	}
	defer in.Close()
	if r.job.Share {
		return in.Share(".")
	}
	return nil
}

// settle gives what is in the folder the permissions that the run is to have.
func (r *Run) settle() error {
	in, err := folder.Open(r.job.Dir)
	if err != nil {
		return fmt.Errorf("pilot: %w", err)
	}
	defer in.Close()
	if err := r.settleIn(in, outputFiles()); err != nil {
		return fmt.Errorf("pilot: %w", err)
	}
	draws, err := in.Sub(drawsDir)
	if err == nil {
		defer draws.Close()
		err = errors.Join(r.settleIn(in, []string{drawsDir}), r.settleIn(draws, r.job.drawFiles()))
		if aside, subErr := draws.Sub(unscoredDir); subErr == nil {
			err = errors.Join(err, r.settleIn(draws, []string{unscoredDir}), r.settleIn(aside, r.job.drawFiles()))
			aside.Close()
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pilot: %w", err)
	}
	return nil
}

func (r *Run) settleIn(in *folder.Folder, names []string) (err error) {
	for _, name := range names {
		if !r.job.Share {
			in.Hide(name)
		} else if shareErr := in.Share(name); !errors.Is(shareErr, fs.ErrNotExist) {
			err = errors.Join(err, shareErr)
		}
	}
	return err
}

// rowsOf are the rows of one of a run's files, which ends at its first error.
func rowsOf[T any](in *folder.Folder, name string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		f, err := in.Read(name)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		defer f.Close()
		n := 0
		for row, err := range dataset.ReadJSONL[T](f, f.Name()) {
			n++
			if err == nil {
				if err = checkRow(row); err != nil {
					err = fmt.Errorf("%s: row %d: %w", f.Name(), n, err)
				}
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// readFile reads all rows of one of a run's files.
func readFile[T any](in *folder.Folder, name string) ([]T, error) {
	var rows []T
	for row, err := range rowsOf[T](in, name) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}
