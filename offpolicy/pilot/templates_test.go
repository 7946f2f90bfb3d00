package pilot_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// ours is a template of the caller's own, which says what Llama 4's says but for
// what stands behind each header.
func ours(t *testing.T, behind string) chat.Template {
	t.Helper()
	turn := func(role string) chat.Turn {
		return chat.Turn{Before: "<|header_start|>" + role + "<|header_end|>" + behind, After: "<|eot|>",
			Trim: role == "system"}
	}
	out, err := chat.New(chat.Format{
		Name: "ours", BOS: "<|begin_of_text|>", EndOfTurn: "<|eot|>",
		System: turn("system"), User: turn("user"), Assistant: turn("assistant"),
		Controls: []string{"<|header_start|>", "<|header_end|>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func vllm(t *testing.T, s *sim.Server) *providers.Compatible {
	t.Helper()
	p, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: "http://sim.test/vllm/v1", Key: providers.NewSecret("k"),
			HTTP: s.Client()}, Quirks: providers.VLLM(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ownTemplate is a pilot of two policies that name a template of the caller's.
func ownTemplate(t *testing.T, s *sim.Server, dir string, n int, templates ...chat.Template) pilot.Config {
	cfg := config(t, s, dir, n)
	cfg.Policies, cfg.Templates, cfg.Arms = vllm(t, s), templates, nil
	for _, a := range arms() {
		if a.Policy.Name == "p0" || a.Policy.Name == "pi_clone" {
			a.Policy.Template, a.Policy.Sampling.MaxTokens, a.ExpectedTokens = "ours", 16, 16
			cfg.Arms = append(cfg.Arms, a)
		}
	}
	return cfg
}

// TestConversationsAndOwnTemplates: against a server that scores conversations,
// every method is computed on the first hundred prompts, and the server's own
// rendering bears out a template of the caller's; past them no call is made for
// that. A resumed run must bring the same template under the name.
func TestConversationsAndOwnTemplates(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	const n = 106
	s, dir := serve(t, ""), t.TempDir()
	cfg := ownTemplate(t, s, dir, n, ours(t, "\n\n"))
	byFunctions(&cfg)
	v, err := pilot.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"logprobs.complete", "logprobs.methods", "logprobs.agreement", "weights.clone",
		"cost.estimate"} {
		if c := finding(v, id); c.Status != record.Pass {
			t.Errorf("%s is %s: %s", id, c.Status, c.Summary)
		}
	}
	rows, err := dataset.ReadFile[dataset.LogProb](filepath.Join(dir, "logprobs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]int{}
	for _, row := range rows {
		m := row.Methods[teacherforce.MethodChat]
		said[m.Status+m.Reason]++
		compared := row.Methods[teacherforce.MethodContinuation].Reason != "not_compared"
		if compared == (m.Reason == "not_compared") {
			t.Errorf("%s: chat says %+v, compared is %v", row.Key(), m, compared)
		}
		if tc := row.Methods[teacherforce.MethodTokenCounting]; (tc.Status == "ok") != (m.Status == "ok") &&
			m.Reason != "not_compared" {
			t.Errorf("%s: chat says %+v, token_counting %+v", row.Key(), m, tc)
		}
	}
	if said["ok"] < 150 || said["failednot_compared"] < 4 || said["failedrendered"] > 0 || said["failedunsupported"] > 0 {
		t.Errorf("chat says %v", said)
	}
	ledger, err := dataset.ReadFile[providers.Entry](filepath.Join(dir, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, e := range ledger {
		if e.Stage == "logprobs" && e.Call == "chat" {
			calls++
		}
	}
	if calls != said["ok"] { // none in vain
		t.Errorf("%d calls over chat, %d answers", calls, said["ok"])
	}
	for _, p := range v.Policies {
		last := p.Methods[len(p.Methods)-1]
		if last.Method != teacherforce.MethodChat || last.Answered == 0 {
			t.Errorf("%s: the report's methods end with %+v", p.Name, last)
		}
	}

	changed := ownTemplate(t, s, dir, n, ours(t, "\n"))
	byFunctions(&changed)
	_, err = pilot.Run(t.Context(), changed)
	var conf *journal.ConfigError
	if !errors.As(err, &conf) || !strings.Contains(err.Error(), "templates.ours") {
		t.Errorf("another template of the same name: %v, want a *journal.ConfigError that names it", err)
	}
	cfg.Templates = append(cfg.Templates, unused(t)) // which no arm names
	if _, err := pilot.Run(t.Context(), cfg); err != nil {
		t.Errorf("a template that no policy names: %v", err)
	}
}

func unused(t *testing.T) chat.Template {
	t.Helper()
	out, err := chat.Llama31("26 Nov 2026")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTemplatesAreRefused(t *testing.T) {
	taken, _ := chat.Lookup("llama4")
	for reason, c := range map[string]struct {
		templates []chat.Template
		want      string
	}{
		"a model without its template": {nil, `no chat template "ours"`},
		"a name that is taken":         {[]chat.Template{taken}, `"llama4" is taken`},
		"one name twice":               {[]chat.Template{ours(t, "\n\n"), ours(t, "\n")}, `"ours" is taken`},
	} {
		s := serve(t, "")
		_, err := pilot.Run(t.Context(), ownTemplate(t, s, t.TempDir(), 2, c.templates...))
		var pf *pilot.PreflightError
		if !errors.As(err, &pf) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a *PreflightError that says %q", reason, err, c.want)
		}
		if bill := s.Bill(); bill.Total.Calls > 0 {
			t.Errorf("%s: %d calls were charged", reason, bill.Total.Calls)
		}
	}
}

// TestOwnTemplateIsCertified: a wrong one is a NO-GO before anything is scored.
func TestOwnTemplateIsCertified(t *testing.T) {
	v, err := pilot.Run(t.Context(), ownTemplate(t, serve(t, ""), t.TempDir(), 2, ours(t, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if c := finding(v, "endpoint.certified"); v.Decision != record.NoGo || c.Status != record.Fail {
		t.Errorf("%s: %+v", v.Decision, c)
	}
}
