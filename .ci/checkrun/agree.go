package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// checkAgreement compares what analyze said of a run with the evaluation in its
// report, digit by digit: every value that stands in both.
func checkAgreement(f *faults, run, analysis string) {
	var said map[string]any
	var report struct {
		Evaluation map[string]any `json:"evaluation"`
	}
	if !decodeExact(f, analysis, &said) || !decodeExact(f, filepath.Join(run, "report.json"), &report) {
		return
	}
	delete(said, "source") // what was read
	numbers := 0
	agree(f, "", said, report.Evaluation, &numbers)
	if numbers < 100 {
		f.add("%s and the report of %s share %d numbers: nothing was compared", analysis, run, numbers)
	}
}

func decodeExact(f *faults, path string, to any) bool {
	in, err := os.Open(path)
	if err != nil {
		f.add("%v", err)
		return false
	}
	defer in.Close()
	dec := json.NewDecoder(in)
	dec.UseNumber() // every digit counts
	if err := dec.Decode(to); err != nil {
		f.add("%s: %v", path, err)
		return false
	}
	return true
}

func agree(f *faults, at string, a, b any, numbers *int) {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			f.add("%s: an object in one, not in the other", at)
			return
		}
		for k, v := range a {
			if w, ok := b[k]; ok {
				agree(f, at+"/"+k, v, w, numbers)
			}
		}
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			f.add("%s: lists of different length", at)
			return
		}
		for i := range a {
			agree(f, fmt.Sprintf("%s/%d", at, i), a[i], b[i], numbers)
		}
	default:
		if _, ok := a.(json.Number); ok {
			*numbers++
		}
		if a != b {
			f.add("%s: analyze says %v, the report %v", at, a, b)
		}
	}
}
