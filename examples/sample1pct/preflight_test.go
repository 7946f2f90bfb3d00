package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
	"github.com/reweigh/reweigh/providers/sim"
)

// live starts a server and returns the flags that reach it as if it were the
// services.
func live(t *testing.T, c sim.Config) (*sim.Server, []string) {
	t.Helper()
	s := sim.New(c)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	t.Setenv("FIREWORKS_API_KEY", "fw-key")
	t.Setenv("OPENAI_API_KEY", "oa-key")
	return s, []string{"-live", "-fireworks-url", s.FireworksURL(), "-openai-url", s.OpenAIURL(), "-out",
		filepath.Join(t.TempDir(), "run"), "-n", "25"}
}

// TestPreflightAgainstAServer is what a person meets who names a model that is
// going or gone, or has the wrong key or no price: a message each, with the next
// step, and nothing spent.
func TestPreflightAgainstAServer(t *testing.T) {
	soon := time.Now().AddDate(0, 0, 7)
	for _, c := range []struct {
		name   string
		config sim.Config
		flags  []string
		code   int
		says   []string
		reason string
	}{
		{"shut down next week", sim.Config{Models: map[string]sim.ModelStatus{sim.ScoutModel: {Shutdown: soon}}}, nil,
			exitGO,
			[]string{"will shut " + sim.ScoutModel + " down on " + soon.UTC().Format(time.DateOnly), "set another model now: " +
				sim.MaverickModel}, "the pilot can run, the full run perhaps not"},
		{"not served", sim.Config{Models: map[string]sim.ModelStatus{sim.MaverickModel: {Gone: true}}}, nil, exitPreflight,
			[]string{"does not serve " + sim.MaverickModel, "set another model; listed are: " + sim.ScoutModel},
			"name what there is"},
		{"a wrong key", sim.Config{Keys: []string{"another"}}, nil, exitPreflight,
			[]string{"fireworks does not list its models", "FIREWORKS_API_KEY", "OPENAI_API_KEY"}, "both services refuse it"},
		{"an unpriced model", sim.Config{}, []string{"-judge-model", sim.OracleModel + "-2026"}, exitPreflight,
			[]string{sim.OracleModel + "-2026 has no price", "-prices", "does not serve"}, "unpriced is refused, not free"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, flags := live(t, c.config)
			code, stdout, stderr := sample(t, append(append(flags, "-preflight"), c.flags...)...)
			if code != c.code {
				t.Errorf("exit %d, want %d (%s)", code, c.code, c.reason)
			}
			for _, want := range c.says {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("it does not say %q (%s):\n%s%s", want, c.reason, stdout, stderr)
				}
			}
			if s.Bill().Total.Calls != 0 {
				t.Error("the preflight spent something")
			}
			if _, err := os.Stat(flags[len(flags)-3]); err == nil {
				t.Error("the preflight left a folder")
			}
		})
	}
}

// An empty account shows at the first paid call: a NO-GO with a report, and
// nothing billed.
func TestEmptyBalanceStopsAtTheFirstPaidCall(t *testing.T) {
	s, flags := live(t, sim.Config{NoBalance: true})
	code, stdout, stderr := sample(t, flags...)
	if code != exitNoGo {
		t.Errorf("exit %d, want %d:\n%s%s", code, exitNoGo, stdout, stderr)
	}
	f, err := os.Open(filepath.Join(flags[len(flags)-3], report.JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := report.Read(f, f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if v.Decision != record.NoGo || !strings.Contains(strings.Join(v.Reasons, "\n"),
		"run.errors: stopped in stage certify (quota)") {
		t.Errorf("%s for %q: want NO-GO for run.errors, class quota", v.Decision, v.Reasons)
	}
	if b := s.Bill().Total; b.Calls != 0 || b.USD != 0 {
		t.Errorf("%d calls were billed", b.Calls)
	}
	paid := 0
	for _, st := range v.Stages {
		paid += st.Calls
	}
	if paid < 1 || paid > 2 { // a probe has its calls in flight together
		t.Errorf("%d paid calls were made, want those of the first probe", paid)
	}
}
