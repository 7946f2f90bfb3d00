package main

import (
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
		{[]string{"-out", "my runs", "-waive", "cost.estimate=it's agreed"}, ` -out 'my runs' -waive 'cost.estimate=it'\''s agreed'`, "a shell would split and expand"},
		{[]string{"-input", ""}, " -input ''", "an empty word is a word"},
		{[]string{"-input", "$HOME/`x`"}, " -input '$HOME/`x`'", "nothing may run"},
	} {
		if got := commandLine(c.flags); !strings.HasSuffix(got, "sample1pct"+c.want) && !strings.HasSuffix(got, "sample1pct.test"+c.want) {
			t.Errorf("%s: %s, want …%s", c.reason, got, c.want)
		}
	}
}
