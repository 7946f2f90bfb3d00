package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/internal/shownkey"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestKeyIsNowhere scores against servers that show the key in everything they say, and
// searches what is written: values, errors, certificates.
func TestKeyIsNowhere(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("KEY", shownkey.Key)
	var in strings.Builder
	for i := range 16 {
		fmt.Fprintf(&in, "{\"prompt\": \"Why is the sky blue?\", \"response\": \"For %d reasons.\"}\n", i)
	}
	for _, faults := range []string{"", "noecho=1", "wrongtemplate=1,order=1",
		"429=0.05,500=0.05,503=0.05,reset=0.03,truncate=0.05,slow=0.1:1ms,null=0.3,zero=0.2,positive=0.2,noise=0.01," +
			"drift=0.1,expensive=1.1,badjson=0.1,empty=0.1,cut=0.1"} {
		parsed, err := sim.ParseFaults(faults)
		if err != nil {
			t.Fatal(err)
		}
		s := sim.New(sim.Config{Faults: parsed, Seed: 7})
		defer s.Close()
		server := httptest.NewServer(shownkey.Echo(s.Handler()))
		defer server.Close()
		var out bytes.Buffer
		for _, more := range [][]string{nil, {"-no-certify"}} {
			if more == nil && strings.HasPrefix(faults, "429") {
				continue // probes that wait to be tried again take long
			}
			args := append([]string{"-base-url", server.URL + "/inference/v1", "-model", sim.ScoutModel, "-key-env", "KEY",
				"-in", "-"}, more...)
			if err := run(args, strings.NewReader(in.String()), &out); err != nil {
				clean.Error(&out, "logprob", err)
			}
		}
		err = filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				var b []byte
				b, err = os.ReadFile(path)
				out.Write(b)
			}
			return err
		})
		if err != nil || out.Len() < 1000 {
			t.Fatalf("faults %q: %v, and only this was written: %s", faults, err, out.String())
		}
		if found := shownkey.In(out.String()); len(found) > 0 {
			t.Errorf("faults %q: the key is shown %q in\n%s", faults, found, out.String())
		}
	}
}
