package main

import (
	"strings"
	"testing"
)

// Without data: labels of sd .25 of which a judge of correlation .8 explains .64.
func TestStated(t *testing.T) {
	code, out, _ := sample(t, "-stated", "sd=0.25,correlation=0.8", "-assurance", "0.8", "-width", "0.03", "-n", "400")
	if code != exitGO {
		t.Fatalf("exit %d: %s", code, out)
	}
	for _, want := range []string{"vary by 0.15 about", "±0.03 in 80% of runs", "the logging policy: ", "of 400",
		"of 10000"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if _, out, _ := sample(t, "-stated", "sd=0.2,correlation=0.8", "-n", "10000"); strings.Count(out, "of 10000\n") != 1 {
		t.Errorf("one size is said more than once:\n%s", out)
	}
	for _, bad := range []string{"sd=0.7,correlation=0.8", "sd=0.2", "sd=0.2,sd=0.2", "correlation=x,sd=0.1",
		"sd=0.2,corr=0.1"} {
		if code, _, stderr := sample(t, "-stated", bad); code != exitUsage || !strings.Contains(stderr, "want") {
			t.Errorf("%s: exit %d, %s", bad, code, stderr)
		}
	}
}
