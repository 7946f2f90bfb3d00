package main

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

func TestCommandLine(t *testing.T) {
	// A test binary is built by go-build, like that of go run.
	for _, c := range []struct {
		flags  []string
		want   string
		reason string
	}{
		{nil, "", "no flags"},
		{[]string{"-n", "100", "-out", "runs/a"}, " -n 100 -out runs/a", "plain words stay as they are"},
		{[]string{"-out", "my runs", "-waive", "cost.estimate=it's agreed"},
			` -out 'my runs' -waive 'cost.estimate=it'\''s agreed'`, "a shell would split and expand"},
		{[]string{"-input", ""}, " -input ''", "an empty word is a word"},
		{[]string{"-input", "$HOME/`x`"}, " -input '$HOME/`x`'", "nothing may run"},
	} {
		if got := commandLine(c.flags); !strings.HasSuffix(got, "sample1pct"+c.want) &&
			!strings.HasSuffix(got, "sample1pct.test"+c.want) {
			t.Errorf("%s: %s, want …%s", c.reason, got, c.want)
		}
	}
}

func TestAgain(t *testing.T) {
	change := func(f record.Field, to string) record.Change { return record.Change{Field: f, To: to} }
	for _, c := range []struct {
		args    []string
		fresh   bool
		changes []record.Change
		want    string
		reason  string
	}{
		{[]string{"-out", "a"}, false, []record.Change{change(record.FieldPrompts, "300")}, "-out a -n 300",
			"nothing to replace"},
		{[]string{"-n", "100", "-out", "a", "--n=120", "-probes=3"}, false,
			[]record.Change{change(record.FieldPrompts, "300"), change(record.FieldProbes, "40")},
			"-out a -n 300 -probes 40", "in every form that flags have"},
		{[]string{"-probes", "3", "-live"}, false, []record.Change{change(record.FieldPrompts, "300")},
			"-probes 3 -live -n 300", "what is not asked for stays"},
		{[]string{"-budget", "2", "-out", "a"}, false, []record.Change{change(record.FieldBudget, "5.00")},
			"-out a -budget 5.00", "the old budget would refuse it"},
		{[]string{"-faults", "zero=0.02", "-n", "60"}, true, nil, "-n 60 -out nowhere-2",
			"the same faults would lead to the same verdict"},
		{[]string{"-faults=zero=0.02"}, true, nil, "-out nowhere-2", "in the other form too"},
		{[]string{"-faults", "429=0.2"}, false, nil, "-faults 429=0.2", "a drill that was interrupted goes on"},
		{[]string{"-waive", "a=b"}, false,
			[]record.Change{change(record.FieldWaived, "c=REASON"), change(record.FieldWaived, "d=REASON")},
			"-waive a=b -waive c=REASON -waive d=REASON", "waivers add up"},
		{nil, true, []record.Change{{Field: record.FieldArms}}, "-out nowhere-2 -policies POLICIES",
			"only the reader knows the other model"},
		{[]string{"-policies", "p.json"}, true, []record.Change{{Field: record.FieldArms}},
			"-policies p.json -out nowhere-2", "the file is to be changed"},
	} {
		got := strings.Join(again(options{args: c.args, out: "nowhere"}, c.fresh, c.changes...), " ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.reason, got, c.want)
		}
	}
}

// A placeholder that was copied is no reason.
func TestReasonIsGiven(t *testing.T) {
	if err := (waivers{}).Set("cost.estimate=" + pilot.Reason); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("error %v: want one that asks for the reason", err)
	}
	if err := (waivers{}).Set("cost.estimate=agreed"); err != nil {
		t.Error(err)
	}
}
