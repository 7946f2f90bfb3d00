package main

import (
	"errors"
	"io"

	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

// merge puts the folders of shards together and reports on the whole.
func merge(o options, stdout, stderr io.Writer) int {
	v, err := pilot.Merge(o.out, o.merge.dirs...)
	if err != nil {
		clean.Error(stderr, "sample1pct", err)
		return exitPreflight
	}
	inWords := func(changes []record.Change) {
		for i := range changes {
			changes[i].As = words(changes[i])
		}
	}
	for _, c := range v.Checks {
		inWords(c.Changes)
	}
	inWords(v.Next.Changes)
	if err := report.WriteFiles(o.out, v); err != nil {
		clean.Error(stderr, "sample1pct", err)
		return exitNoReport
	}
	if v.State == pilot.Interrupted {
		err = errors.New("some shards have not come to their end: start them again, and merge again")
	}
	return conclude(o, v, err, stdout, stderr)
}
