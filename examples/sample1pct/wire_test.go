package main

import (
	"io"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// What is known is of the bundled conversations as they are.
func TestSimulatorsTruth(t *testing.T) {
	for _, c := range []struct {
		args  string
		known bool
	}{
		{"", true},
		{"-n 60 -seed 7 -set-aside aside.jsonl", true},
		{"-input prompts.jsonl", false},
		{"-faults zero=0.02", true},
		{"-languages English", false},
		{"-keep-flagged", false},
		{"-max-moderation-score 0.5", false},
		{"-min-bytes 20", false},
		{"-max-bytes 2000", false},
		{"-single-turn", false},
		{"-keep-deduplicated", false},
	} {
		o, err := parse(strings.Fields(c.args), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if truth := simulatorsTruth(o, record.PlanArms()); (truth != nil) != c.known {
			t.Errorf("%q: %+v", c.args, truth)
		}
	}
}

func TestRevision(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "abc"}
	modified := func(s string) debug.BuildSetting { return debug.BuildSetting{Key: "vcs.modified", Value: s} }
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, ""},
		{[]debug.BuildSetting{modified("true")}, ""},
		{[]debug.BuildSetting{revision, modified("false")}, "abc"},
		{[]debug.BuildSetting{revision, modified("true")}, "abc+dirty"},
	} {
		if got := revisionOf(c.settings); got != c.want {
			t.Errorf("%v: %q, want %q", c.settings, got, c.want)
		}
	}
}
