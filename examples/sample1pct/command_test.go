package main

import (
	"math"
	"strings"
	"testing"
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

func TestExtended(t *testing.T) {
	for _, c := range []struct {
		args   []string
		budget float64
		probes int
		usd    float64
		want   string
		reason string
	}{
		{[]string{"-out", "a"}, 0, 0, 5, "-out a -n 300", "nothing to replace"},
		{[]string{"-n", "100", "-out", "a", "--n=120", "-probes=3"}, 0, 40, 5, "-out a -n 300 -probes 40",
			"in every form that flags have"},
		{[]string{"-probes", "3", "-live"}, 0, 0, 5, "-probes 3 -live -n 300", "what is not asked for stays"},
		{[]string{"-budget", "2", "-out", "a"}, 2, 0, 4, "-out a -budget 5.00 -n 300", "the old budget would refuse it"},
		{[]string{"-budget", "9"}, 9, 0, 4, "-budget 9 -n 300", "a budget that has room stays"},
		{[]string{"-budget", "2"}, 2, 0, math.NaN(), "-budget 2 -n 300", "what it costs is not known"},
	} {
		if got := strings.Join(extended(options{args: c.args, budget: c.budget}, 300, c.probes, c.usd), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.reason, got, c.want)
		}
	}
}
