package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/reweigh/reweigh/internal/shownkey"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestKeyIsNowhere runs against a server with every fault that shows the key in everything
// it says, and searches all that the program writes. With REWEIGH_COMMANDS, a folder of
// built commands, analyze and report go over each run, and what they write is searched too.
func TestKeyIsNowhere(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: whole runs")
	}
	dir := t.TempDir()
	aa, prices := filepath.Join(dir, "aa.json"), filepath.Join(dir, "prices.json")
	arm := `"model":"` + sim.ScoutModel + `","template":"llama4","temperature":1,"top_p":1,"top_k":0,"max_tokens":40,` +
		`"expected_tokens":40}`
	policies := `[{"name":"p0","role":"logging",` + arm + `,{"name":"pi_clone","role":"clone",` + arm + `]`
	if err := os.WriteFile(aa, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(prices, sim.PricesJSON(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FIREWORKS_API_KEY", shownkey.Key)
	t.Setenv("OPENAI_API_KEY", shownkey.Key)
	input := conversations(t)
	for i, spec := range []string{
		"429=0.1,500=0.05,503=0.05,reset=0.03,truncate=0.03,slow=0.1:1ms,zero=0.1,positive=0.1,null=0.1,badjson=0.2," +
			"empty=0.1,cut=0.1,drift=0.2,expensive=1.1,noise=0.01",
		"noecho=1", "wrongtemplate=1,order=1",
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			faults, err := sim.ParseFaults(spec)
			if err != nil {
				t.Fatal(err)
			}
			s := sim.New(sim.Config{Faults: faults, Seed: 7})
			defer s.Close()
			server := httptest.NewServer(shownkey.Echo(s.Handler()))
			defer server.Close()
			out := filepath.Join(dir, fmt.Sprint("run", i))
			var stdout, stderr bytes.Buffer
			args := []string{"-live", "-fireworks-url", server.URL + "/inference/v1", "-openai-url", server.URL + "/v1",
				"-prices",
				prices, "-policies", aa, "-input", input, "-n", "4", "-full", "400", "-waive", "endpoint.certified=a drill",
				"-waive", "judge.calibration=a drill", "-out", out}
			code := run(args, &stdout, &stderr)
			again := run(append(args, "-json"), &stdout, &stderr)
			if bin := os.Getenv("REWEIGH_COMMANDS"); bin != "" {
				for _, command := range [][]string{
					{"analyze", "-run", out, "-html", filepath.Join(out, "evaluation.html"), "-estimators", "all"},
					{"analyze", "-run", out, "-json"}, {"report", "-run", out}, {"report", out, out},
				} {
					cmd := exec.Command(filepath.Join(bin, command[0]), command[1:]...)
					cmd.Stdout, cmd.Stderr = &stdout, &stderr
					if err := cmd.Run(); cmd.ProcessState == nil {
						t.Fatal(err)
					}
				}
			}
			written := map[string]string{"stdout": stdout.String(), "stderr": stderr.String()}
			err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					var b []byte
					b, err = os.ReadFile(path)
					written[path] = string(b)
				}
				return err
			})
			if err != nil || len(written) < 10 {
				t.Fatalf("exits %d and %d, %d files, %v\n%s", code, again, len(written), err, stderr.String())
			}
			for path, text := range written {
				if found := shownkey.In(text); len(found) > 0 {
					t.Errorf("%s shows the key %q", path, found)
				}
			}
		})
	}
}
