package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// TestForeignManifests: a manifest that no run has written is refused by file and field.
func TestForeignManifests(t *testing.T) {
	p0 := offpolicy.Policy{Name: "p0", Model: "m", Template: "chatml",
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 64}}
	target := p0
	target.Name, target.System = "target", "Be brief."
	whole, err := json.Marshal(manifest{SchemaVersion: record.SchemaVersion, Prompts: 4, TransportMargin: .05,
		Policies: manifestPolicies(record.Arms{{Role: record.Logging, Policy: p0, ExpectedTokens: 9},
			{Role: record.Target, Policy: target, ExpectedTokens: 9}}),
		Configuration: json.RawMessage(`{"judge":"j"}`)})
	if err != nil {
		t.Fatal(err)
	}
	read := func(old, to string) error {
		text := strings.Replace(string(whole), old, to, 1)
		if old != "" && text == string(whole) {
			t.Fatalf("%s is not in %s", old, whole)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := folder.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		_, err = readManifest(in)
		return err
	}
	if err := read("", ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, to, want string }{
		{`"prompts":4`, `"prompts":-4`, "prompts -4"},
		{`"transport_margin":0.05`, `"transport_margin":-5`, "transport_margin -5"},
		{`"transport_margin":0.05`, `"transport_margin":1e999`, "transport_margin"},
		{`"prompts":4`, `"prompts":4,"noise":-0.1`, "noise -0.1"},
		{`"prompts":4`, `"prompts":4,"noise":1e999`, "1e999"},
		{`"prompts":4`, `"prompts":4,"anytime":-1`, "anytime -1"},
		{`"temperature":1`, `"temperature":-1`, "temperature -1"},
		{`"temperature":1`, `"temperature":0.5`, "p0 has the hash"},
		{`"Be brief."`, `"Be long."`, "target has the hash"},
		{`"expected_tokens":9`, `"expected_tokens":-9`, "-9"},
		{`"role":"logging"`, `"role":"target"`, "logging"},
		{`"role":"target"`, `"role":"nobody"`, "nobody"},
		{`"name":"target"`, `"name":"p0"`, "p0"},
		{`"name":"target"`, `"name":"../p0"`, "../p0"},
	} {
		if err := read(c.old, c.to); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "manifest.json") {
			t.Errorf("%s for %s: %v, want a refusal with %q", c.to, c.old, err, c.want)
		}
	}
}
