package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers/sim"
)

// rendered is what the llama4 template makes of a single user turn.
func rendered(prompt string) string {
	return "<|begin_of_text|><|header_start|>user<|header_end|>\n\n" + prompt +
		"<|eot|><|header_start|>assistant<|header_end|>\n\n"
}

func start(t *testing.T) *sim.Server {
	t.Helper()
	s := sim.New(sim.Config{})
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

type scored struct {
	Response string
	LogProb  *float64
	Tokens   int
	Method   string
	Methods  map[string]struct{ Status, Reason string }
	Note     string
	Error    *struct{ Class, Message string }
}

func TestValuesAreTheModelsOwn(t *testing.T) {
	s := start(t)
	t.Setenv("KEY", "k")
	in := strings.Join([]string{
		`{"prompt": "Why is the sky blue?", "response": "Because of the air.", "note": "kept"}`,
		`{"prompt": "Why is the sky blue?", "response": "Because of the", "ended": false}`,
		`{"prompt": "Grüße", "response": "你好 — é"}`,
		`{"prompt": "seam", "response": "\nstarts with a newline"}`,
	}, "\n")
	var out bytes.Buffer
	err := run([]string{"-base-url", s.FireworksURL(), "-model", sim.ScoutModel, "-key-env", "KEY", "-in", "-"},
		strings.NewReader(in), &out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines for 4 pairs:\n%s", len(lines), out.String())
	}
	var rows [4]scored
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []float64{
		sim.ExactText(sim.ScoutModel, rendered("Why is the sky blue?"), "Because of the air.", true),
		sim.ExactText(sim.ScoutModel, rendered("Why is the sky blue?"), "Because of the", false),
		sim.ExactText(sim.ScoutModel, rendered("Grüße"), "你好 — é", true),
	} {
		if rows[i].LogProb == nil || math.Abs(*rows[i].LogProb-want) > 1e-9 {
			t.Errorf("line %d: %s\nwant %v", i+1, lines[i], want)
		}
		for _, m := range []string{"token_counting", "echo_based", "continuation"} {
			if rows[i].Methods[m].Status != "ok" {
				t.Errorf("line %d: %s is %+v", i+1, m, rows[i].Methods[m])
			}
		}
	}
	if rows[0].Note != "kept" {
		t.Error("a field of the caller's was dropped")
	}
	// The header ends in a blank line, and the response begins with a third
	// newline: one token spans the seam, and no text tells the two apart.
	if r := rows[3]; r.LogProb != nil || r.Error == nil || r.Error.Class != "seam" {
		t.Errorf("line 4: %s\nwant no value and class seam", lines[3])
	}
}

func TestStrategiesAndRawTemplate(t *testing.T) {
	s := start(t)
	t.Setenv("KEY", "k")
	var out bytes.Buffer
	err := run([]string{"-base-url", s.FireworksURL(), "-model", sim.ScoutModel, "-key-env", "KEY", "-template", "raw",
		"-strategy", "echo_based", "-in", "-"},
		strings.NewReader(`{"prompt": "The capital of", "response": " France"}`), &out)
	if err != nil {
		t.Fatal(err)
	}
	var row scored
	if err := json.Unmarshal(out.Bytes(), &row); err != nil {
		t.Fatal(err)
	}
	want := sim.ExactText(sim.ScoutModel, "The capital of", " France", false)
	if row.Method != "echo_based" || len(row.Methods) != 1 || row.LogProb == nil || math.Abs(*row.LogProb-want) > 1e-9 {
		t.Errorf("%s\nwant %v by echo_based alone", out.String(), want)
	}
}

// TestConversations: where the server scores conversations, its own rendering is
// one more method, and the template of the command line is held to it.
func TestConversations(t *testing.T) {
	s := start(t)
	t.Setenv("KEY", "k")
	for template, want := range map[string]string{"llama4": "ok ", "chatml": "failed rendered"} {
		var out bytes.Buffer
		err := run([]string{"-endpoint", "e=vllm:" + s.VLLMURL(), "-model", sim.ScoutModel,
			"-template", template, "-no-certify", "-in", "-"},
			strings.NewReader(`{"prompt": "Why is the sky blue?", "response": "Because of the air.", "ended": false}`), &out)
		if err != nil {
			t.Fatal(err)
		}
		var row scored
		if err := json.Unmarshal(out.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if m := row.Methods["chat"]; m.Status+" "+m.Reason != want {
			t.Errorf("-template %s: %s\nwant chat to say %q", template, out.String(), want)
		}
	}
}

func TestUsage(t *testing.T) {
	base := []string{"-base-url", "http://127.0.0.1:1/v1", "-model", "m", "-in", "-"}
	tests := []struct {
		name, in, want string
		args           []string
		usage          bool
		reason         string
	}{
		{"nothing given", "", "-base-url", nil, true, "there is no default server"},
		{"unknown template", "", "llama4", append([]string{"-template", "nope"}, base...), true, "list those known"},
		{"unknown strategy", "", "token_counting", append([]string{"-strategy", "nope"}, base...), true, "list those known"},
		{"chat of a server without", "", "vllm", append([]string{"-strategy", "chat"}, base...), true,
			"name one that has it"},
		{"empty key variable", "", "NO_SUCH_KEY", append([]string{"-key-env", "NO_SUCH_KEY"}, base...), true,
			"name the variable"},
		{"missing file", "", "none.jsonl", []string{"-base-url", "http://127.0.0.1:1/v1", "-model", "m", "-in",
			filepath.Join(t.TempDir(), "none.jsonl")}, false, "name the file"},
		{"no response in a line", `{"prompt": "p"}`, "pair 1", base, false, "name the line"},
		{"bad JSON", `{"prompt": `, "1", base, false, "name the line"},
	}
	for _, tt := range tests {
		err := run(tt.args, strings.NewReader(tt.in), &bytes.Buffer{})
		var usage usageError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &usage) != tt.usage {
			t.Errorf("%s: %v, want an error that says %q (%s)", tt.name, err, tt.want, tt.reason)
		}
	}
}
