package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// fromSlices is two slices to an answer.
func fromSlices(scores, labels []float64) (*offpolicy.Result, error) {
	samples := offpolicy.FromColumns(offpolicy.Columns{Scores: scores, Labels: labels})
	return offpolicy.Evaluate(samples, offpolicy.Config{})
}

// fromCSV is a file of logged responses to an answer.
func fromCSV(path string) (*offpolicy.Result, error) {
	table, err := dataset.ReadTable(dataset.File(path), dataset.TableOptions{})
	if err != nil {
		return nil, err
	}
	samples, err := offpolicy.FromRecords(table.Logs)
	if err != nil {
		return nil, err
	}
	return offpolicy.Evaluate(samples, offpolicy.Config{})
}

func TestAnswers(t *testing.T) {
	scores, labels := make([]float64, 200), make([]float64, 200)
	csv := "qid,judge,human\n"
	for i := range scores {
		scores[i] = float64(i%10) / 10
		labels[i] = .2 + .5*scores[i] + .01*float64(i%3)
		csv += fmt.Sprintf("q%03d,%v,%v\n", i, scores[i], labels[i])
	}
	file := filepath.Join(t.TempDir(), "my.csv")
	if err := os.WriteFile(file, []byte(csv), 0o666); err != nil {
		t.Fatal(err)
	}
	slices, err := fromSlices(scores, labels)
	if err != nil {
		t.Fatal(err)
	}
	table, err := fromCSV(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*offpolicy.Result{slices, table} {
		if said := r.String(); !strings.Contains(said, "base    0.4") {
			t.Errorf("%q", said)
		}
	}
}
