package pilot_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// restarted is a server that renders otherwise from some rendering on, as one that was
// started again with another template. Its chat says what it says.
type restarted struct {
	*providers.Compatible
	from  int64 // the first rendering that differs; 0 for none
	asked atomic.Int64
}

func (r *restarted) RenderChat(ctx context.Context, req providers.RenderRequest) ([]int, error) {
	ids, err := r.Compatible.RenderChat(ctx, req)
	if n := r.asked.Add(1); err == nil && r.from > 0 && n >= r.from {
		ids = append(ids, ids[len(ids)-1])
	}
	return ids, err
}

// servedPilot is a pilot whose policies are rendered by their server.
func servedPilot(t *testing.T, s *sim.Server, dir string, n int) (pilot.Config, *restarted) {
	cfg := config(t, s, dir, n)
	server := &restarted{Compatible: vllm(t, s)}
	cfg.Policies, cfg.Arms = server, nil
	for _, a := range arms() {
		a.Policy.Template, a.Policy.Sampling.MaxTokens, a.ExpectedTokens = teacherforce.ServerTemplate(nil), 12, 12
		switch a.Policy.Name {
		case "pi_bad":
			a.Policy.System, a.Policy.Template = "", teacherforce.ServerTemplate(map[string]any{"enable_thinking": false})
		case "p0", "pi_clone":
		default:
			continue
		}
		cfg.Arms = append(cfg.Arms, a)
	}
	return cfg, server
}

// TestServersOwnRendering: policies whose template nobody knows are drawn and scored by the
// ids of their server's rendering, exactly. A rendering that changes ends the run, in its middle
// and at the next start.
func TestServersOwnRendering(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	const n = 8
	s, dir := serve(t, ""), t.TempDir()
	cfg, server := servedPilot(t, s, dir, n)
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := server.asked.Load()
	for _, id := range []string{"endpoint.certified", "p0.logprobs", "logprobs.complete", "logprobs.methods",
		"weights.clone", "weights.identical"} {
		if c := finding(v, id); c.Status != record.Pass {
			t.Errorf("%s is %s: %s", id, c.Status, c.Summary)
		}
	}
	responses, err := dataset.ReadFile[dataset.Response](filepath.Join(dir, "responses.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[dataset.Key]dataset.Response{}
	for _, r := range responses {
		drawn[r.Key()] = r
	}
	rows, err := dataset.ReadFile[dataset.LogProb](filepath.Join(dir, "logprobs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	templates := map[string]string{}
	for _, a := range cfg.Arms {
		templates[a.Policy.Name] = a.Policy.Template
	}
	for _, row := range rows {
		var prompt dataset.Prompt
		for _, p := range cfg.Prompts {
			if p.ID == row.PromptID {
				prompt = p
			}
		}
		r := drawn[dataset.Key{PromptID: row.PromptID, Policy: "p0"}]
		p := cfg.Arms[0].Policy
		p.Template = templates[row.Policy]
		ids, err := teacherforce.ContextIDs(t.Context(), generator{server}, providers.Tag{}, p, prompt)
		if err != nil {
			t.Fatal(err)
		}
		action := r.TokenIDs
		if r.EndID != nil {
			action = append(action[:len(action):len(action)], *r.EndID)
		}
		if want := sim.Exact(p.Model, ids, action); !(math.Abs(row.LogProb.OrNaN()-want) <= 1e-9) ||
			row.Method != teacherforce.MethodTokenIDs {
			t.Errorf("%s: %v by %s, want %v", row.Key(), row.LogProb, row.Method, want)
		}
	}
	if len(rows) != 3*n {
		t.Errorf("%d log-probs, want %d", len(rows), 3*n)
	}

	// The same folder, and a server that renders otherwise.
	again, server := servedPilot(t, s, dir, n)
	server.from = 1
	if _, err := pilot.Run(t.Context(), again); err == nil || !strings.Contains(err.Error(), "polic") {
		t.Errorf("a resumed run with another rendering: %v", err)
	}

	// A server that is started again in the middle: after certification, and before the end.
	for _, from := range []int64{all * 2 / 3, all - 2} {
		cfg, server := servedPilot(t, s, t.TempDir(), n)
		server.from = from
		v, err := pilot.Run(t.Context(), cfg)
		if err != nil || v.Decision == record.GO ||
			!strings.Contains(finding(v, "run.errors").Summary, teacherforce.ErrRenderingChanged.Error()) {
			t.Errorf("from rendering %d of %d on another template: %v, %s", from, all, err, finding(v, "run.errors").Summary)
		}
	}

	// A server that does not render.
	cfg, _ = servedPilot(t, s, t.TempDir(), n)
	cfg.Policies = config(t, s, t.TempDir(), n).Policies
	var refused *pilot.PreflightError
	if _, err := pilot.Run(t.Context(), cfg); !errors.As(err, &refused) || !strings.Contains(err.Error(), `template "server"`) {
		t.Errorf("a server that renders nothing: %v", err)
	}
}

// TestServersOwnRenderingOfATarget: a response that was drawn in a template by name is scored
// after the server's rendering, with the token that ended it.
func TestServersOwnRenderingOfATarget(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole run, whose parts other tests watch for races")
	}
	const n = 4
	cfg, _ := servedPilot(t, serve(t, ""), t.TempDir(), n)
	for i, a := range arms()[:2] {
		cfg.Arms[i].Policy.Template = a.Policy.Template
	}
	for i := range cfg.Arms {
		cfg.Arms[i].Policy.Sampling.MaxTokens = 200
	}
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if c := finding(v, "logprobs.complete"); c.Status != record.Pass {
		t.Errorf("%s is %s: %s", c.ID, c.Status, c.Summary)
	}
}

// generator is a server as package teacherforce asks it.
type generator struct{ *restarted }
