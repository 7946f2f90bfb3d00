package main

import (
	"errors"
	"io"

	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

// merge puts the folders of shards together and reports on the whole.
func merge(o options, stdout, stderr io.Writer) int {
	v, err := pilot.Merge(o.out, o.merge.dirs...)
	if err != nil {
		clean.Error(stderr, "sample1pct", err)
		var refused *pilot.MergeError
		if errors.As(err, &refused) {
			return exitPreflight
		}
		return exitNoReport
	}
	v.Spell(words)
	if err := report.WriteFiles(o.out, v); err != nil {
		clean.Error(stderr, "sample1pct", err)
		return exitNoReport
	}
	if v.State == pilot.Interrupted {
		err = errors.New(v.Next.Do)
	}
	return conclude(o, v, err, stdout, stderr)
}
