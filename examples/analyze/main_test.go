package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// analysis is the contract of -json.
type analysis struct {
	Notes    []string
	Policies map[string]struct {
		Role       string
		Estimators map[string]estimated
		Answer     struct{ Estimator, Reason string }
		Weights    struct {
			Usable   bool
			Refusals []string
		}
		Diagnostics map[string]*float64
		Audit       struct {
			Status string
			Probes int
		}
		Clone *struct{ Status string }
	}
	Seed        uint64
	Margin      float64
	Comparisons []struct {
		A, B string
		AA   bool
	}
}

type estimated struct {
	Value, SE *float64
	CI        []*float64
	Status    string
	Reasons   []string
	Notes     []string
	Claims    bool `json:"claims_coverage"`
}

// numbers is how many numbers an estimate carries, of four.
func (e estimated) numbers() (n int) {
	for _, v := range append(slices.Clone(e.CI), e.Value, e.SE) {
		if v != nil {
			n++
		}
	}
	return n
}

func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func analyzed(t *testing.T, args ...string) analysis {
	t.Helper()
	code, stdout, stderr := call(t, append(args, "-json")...)
	if code != exitOK || stderr != "" {
		t.Fatalf("%v: exit %d, %s", args, code, stderr)
	}
	var a analysis
	if err := json.Unmarshal([]byte(stdout), &a); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	for name, p := range a.Policies {
		for id, e := range p.Estimators {
			switch {
			case e.Status == "ok" && e.numbers() != 4:
				t.Errorf("%s of %s is ok and has %d of its numbers", id, name, e.numbers())
			case e.Status == "refused" && (e.numbers() != 0 || len(e.Reasons) == 0):
				t.Errorf("%s of %s is refused, with %d numbers and the reasons %q", id, name, e.numbers(), e.Reasons)
			case e.Status != "ok" && e.Status != "refused":
				t.Errorf("%s of %s is %q", id, name, e.Status)
			}
		}
	}
	return a
}

const prompts = 150

// bundle writes logged responses, fresh draws and probes: near is a little
// unlike the logging policy, far never meets it, twin is it scored again.
func bundle(t *testing.T) (dir string, logged []map[string]any) {
	t.Helper()
	dir = t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	fresh, probes := map[string][]map[string]any{}, []map[string]any{}
	clamp := func(v float64) float64 { return min(max(v, 0), 1) }
	for i := range prompts {
		id, s := fmt.Sprintf("q%03d", i), rng.Float64()
		lp := -50 - 10*rng.Float64()
		row := map[string]any{
			"prompt_id": id, "prompt": "What?", "response": "That.", "base_policy_logprob": lp, "judge_score": s,
			"target_policy_logprobs": map[string]float64{"near": lp + math.Log(.6+.8*s), "far": lp - 30 - 10*rng.Float64(),
				"twin": lp},
		}
		if i%2 == 0 {
			row["oracle_label"] = clamp(.2 + .6*s + .1*rng.NormFloat64())
		}
		logged = append(logged, row)
		draw := func(policy string, s float64) map[string]any {
			d := map[string]any{"prompt_id": id, "prompt": "What?", "response": "This.", "judge_score": s, "draw_idx": 0}
			fresh[policy] = append(fresh[policy], d)
			return d
		}
		draw("near", warmer(s))
		if d := draw("far", s*s); i < 30 {
			probe := map[string]any{"oracle_label": clamp(.1 + .2*s + .05*rng.NormFloat64())}
			for k, v := range d {
				probe[k] = v
			}
			probes = append(probes, probe)
		}
	}
	write(t, filepath.Join(dir, "logged.jsonl"), logged)
	for policy, rows := range fresh {
		write(t, filepath.Join(dir, "fresh", policy+"_responses.jsonl"), rows)
	}
	write(t, filepath.Join(dir, "probes", "far_probe.jsonl"), probes)
	return dir, logged
}

func write(t *testing.T, path string, rows []map[string]any) {
	t.Helper()
	var b bytes.Buffer
	for _, r := range rows {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		want   string
		reason string
	}{
		{nil, "want either -run or -logged", "nothing to read"},
		{[]string{"-run", "a", "-logged", "b"}, "want either -run or -logged", "two sources"},
		{[]string{"-run", "a", "-fresh", "b"}, "-fresh and -probes go with -logged", "a run has its own draws"},
		{[]string{"-run", "a", "b"}, `unexpected argument "b"`, "a folder without its flag"},
		{[]string{"-logged", "a", "-estimators", "dr,magic"}, `"magic" is not known: have all, dr`, "a misspelt estimator"},
		{[]string{"-logged", "a", "-margin", "7"}, "-margin 7", "labels are in [0, 1]"},
		{[]string{"-logged", "a", "-margin", "NaN"}, "-margin NaN", "not a number"},
		{[]string{"-logged", "a", "-cje-mode", "auto"}, `-cje-mode "auto"`, "a choice by the order of rows"},
		{[]string{"-colour"}, "flag provided but not defined", "an unknown flag"},
	} {
		code, stdout, stderr := call(t, tt.args...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit %d, %q, stdout %q; want 2 and %q: %s", tt.args, code, stderr, stdout, tt.want, tt.reason)
		}
	}
	if code, _, stderr := call(t, "-h"); code != exitOK || !strings.Contains(stderr, "-cje-mode") {
		t.Errorf("-h: exit %d, %q", code, stderr)
	}
}

func TestBrokenInput(t *testing.T) {
	dir, logged := bundle(t)
	bad := slices.Clone(logged)
	bad[3] = map[string]any{"prompt_id": "q003", "base_policy_logprob": 4, "judge_score": .5,
		"target_policy_logprobs": map[string]float64{"near": -3}}
	write(t, filepath.Join(dir, "positive.jsonl"), bad)
	write(t, filepath.Join(dir, "twice", "near_probe.jsonl"), nil)
	write(t, filepath.Join(dir, "twice", "near_probes.jsonl"), nil)
	if err := os.WriteFile(filepath.Join(dir, "torn.jsonl"), []byte("{\"prompt_id\": \"a\"}\n{\"prompt"),
		0o666); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, tt := range []struct {
		args         []string
		want, reason string
	}{
		{[]string{"-logged", at("nowhere.jsonl")}, "nowhere.jsonl", "no such file"},
		{[]string{"-logged", at("twice/near_probe.jsonl")}, "holds no logged response", "an empty file has no answer"},
		{[]string{"-logged", at("torn.jsonl")}, "torn.jsonl:2", "a torn line is named"},
		{[]string{"-logged", at("positive.jsonl")}, "q003", "the record of a positive log-prob is named"},
		{[]string{"-logged", at("logged.jsonl"), "-fresh", at("nowhere")}, "nowhere holds no fresh draws",
			"a folder that was asked for and is not there"},
		{[]string{"-logged", at("logged.jsonl"), "-probes", at("twice")}, "two files of near's probes",
			"nothing tells which is right"},
		{[]string{"-run", dir}, "manifest.json", "a folder that is no run"},
		{[]string{"-logged", at("logged.jsonl"), "-html", at("no/such/folder/page.html")}, "page.html",
			"a page that cannot be written"},
	} {
		code, stdout, stderr := call(t, tt.args...)
		if code != exitFail || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit %d, %q, stdout %q; want 1 and %q: %s", tt.args, code, stderr, stdout, tt.want, tt.reason)
		}
	}
}

// warmer makes scores that are uniform in [0, 1] those of a policy whose weights are .6 + .8
// score: the inverse of the integral of that.
func warmer(score float64) float64 { return (math.Sqrt(.36+1.6*score) - .6) / .8 }

func TestLogged(t *testing.T) {
	dir, _ := bundle(t)
	args := []string{"-logged", filepath.Join(dir, "logged.jsonl"), "-fresh", filepath.Join(dir, "fresh"), "-probes",
		filepath.Join(dir, "probes")}
	a := analyzed(t, append(args, "-estimators", "all")...)
	if len(a.Policies) != 4 || a.Policies["base"].Role != "logging" || a.Policies["twin"].Role != "clone" ||
		a.Policies["near"].Role != "target" {
		t.Fatalf("policies %+v", a.Policies)
	}
	near, far := a.Policies["near"], a.Policies["far"]
	for _, id := range []string{"ips", "snips", "clipped_ips", "dr", "labeled_snips", "cje_snips", "cje_calibrated_ips",
		"cje_dr_cpo", "cje_tmle"} {
		if e := near.Estimators[id]; e.Status != "ok" {
			t.Errorf("%s of near: %+v", id, e)
		}
		if e := far.Estimators[id]; e.Status != "refused" {
			t.Errorf("%s of far, which the logs never show: %+v", id, e)
		}
		if id != "dr" && id != "labeled_snips" && near.Estimators[id].Claims {
			t.Errorf("%s claims coverage", id)
		}
	}
	if len(near.Estimators) != 10 || far.Weights.Usable || !near.Weights.Usable {
		t.Errorf("near has %d estimators; far's weights are usable: %v", len(near.Estimators), far.Weights.Usable)
	}
	// Far has labels of its own, whose mean is .2; the judge alone would say .4.
	if e := far.Estimators["direct"]; e.Status != "ok" || math.Abs(*e.Value-.2) > .05 ||
		far.Answer.Estimator != "direct" || far.Audit.Probes != 30 {
		t.Errorf("direct of far: %+v, %+v", e, far.Audit)
	}
	if c := a.Policies["twin"].Clone; c == nil || c.Status != "pass" || len(a.Notes) != 2 || !strings.Contains(a.Notes[0],
		"Nobody stated what the log-probs of base, far, near, twin are of") {
		t.Errorf("clone %+v, notes %q", c, a.Notes)
	}
	aa := 0
	for _, c := range a.Comparisons {
		if c.AA {
			aa++
		}
	}
	if aa != 1 {
		t.Errorf("%d comparisons are A/A, want that of twin and base", aa)
	}
	if _, shown := near.Diagnostics["hellinger_affinity"]; !shown {
		t.Errorf("diagnostics %v", near.Diagnostics)
	}
}

// A list shows what it names and nothing else, and does not change the answer.
func TestEstimatorList(t *testing.T) {
	dir, _ := bundle(t)
	logged := filepath.Join(dir, "logged.jsonl")
	all := analyzed(t, "-logged", logged)
	if n := len(all.Policies["near"].Estimators); n != 6 {
		t.Errorf("%d estimators by default, want our six", n)
	}
	a := analyzed(t, "-logged", logged, "-estimators", "cje_snips, snips")
	for name, p := range a.Policies {
		if want := 2; name == "base" && len(p.Estimators) != 1 || name != "base" && len(p.Estimators) != want {
			t.Errorf("%s has %d estimators", name, len(p.Estimators))
		}
		if p.Answer != all.Policies[name].Answer {
			t.Errorf("%s is answered by %+v, in full by %+v", name, p.Answer, all.Policies[name].Answer)
		}
	}
	// The reference refuses nothing: by name it shows its number, with our gates
	// beside it; by "all" it does not.
	far := a.Policies["far"].Estimators
	if e := far["cje_snips"]; e.Status != "ok" || !strings.Contains(strings.Join(e.Notes, " "),
		"our gates refuse these weights") {
		t.Errorf("cje_snips by name: %+v", e)
	}
	if e := far["snips"]; e.Status != "refused" {
		t.Errorf("snips by name is ours, and refused: %+v", e)
	}
	// The reference needs fresh draws; there are none.
	if e := analyzed(t, "-logged", logged, "-estimators",
		"cje_tmle").Policies["near"].Estimators["cje_tmle"]; e.Status != "refused" || !strings.Contains(e.Reasons[0],
		"no fresh draws") {
		t.Errorf("cje_tmle without draws: %+v", e)
	}
	if m, n := analyzed(t, "-logged", logged, "-estimators", "cje_snips", "-cje-mode", "two_stage"),
		a; *m.Policies["near"].Estimators["cje_snips"].Value == *n.Policies["near"].Estimators["cje_snips"].Value {
		t.Error("-cje-mode changes nothing")
	}
}

// The order of the rows decides no byte.
func TestOrderOfRows(t *testing.T) {
	dir, logged := bundle(t)
	_, first, _ := call(t, "-logged", filepath.Join(dir, "logged.jsonl"), "-json")
	slices.Reverse(logged)
	write(t, filepath.Join(dir, "logged.jsonl"), logged)
	_, second, _ := call(t, "-logged", filepath.Join(dir, "logged.jsonl"), "-json")
	if first == "" || first != second {
		t.Error("reversing the rows changes the JSON")
	}
	_, other, _ := call(t, "-logged", filepath.Join(dir, "logged.jsonl"), "-json", "-seed", "7")
	if other == first {
		t.Error("the seed decides nothing")
	}
}

// runFolder writes a bundle as the folder of a run.
func runFolder(t *testing.T) string {
	t.Helper()
	_, logged := bundle(t)
	dir := t.TempDir()
	files := map[string][]map[string]any{}
	add := func(file string, row map[string]any) { files[file] = append(files[file], row) }
	for i, r := range logged {
		id := r["prompt_id"]
		add("prompts.jsonl", map[string]any{"prompt_id": id, "prompt": "What?", "metadata": map[string]any{}})
		logprob := func(policy string, v any) {
			add("logprobs.jsonl", map[string]any{"prompt_id": id, "policy": policy, "logprob": v, "tokens": 9, "of": "sampling",
				"policy_hash": policy})
		}
		logprob("p0", r["base_policy_logprob"])
		for policy, v := range r["target_policy_logprobs"].(map[string]float64) {
			logprob(policy, v)
		}
		respond := func(policy string, score any) {
			add("responses.jsonl", map[string]any{"prompt_id": id, "policy": policy, "draw_idx": 0, "response": "That.",
				"finish_reason": "stop", "policy_hash": policy})
			add("judge.jsonl", map[string]any{"prompt_id": id, "policy": policy, "draw_idx": 0, "judge": "judge@1",
				"mean": score, "variance": 0, "policy_hash": policy})
		}
		respond("p0", r["judge_score"])
		respond("near", warmer(r["judge_score"].(float64)))
		if i%2 == 0 {
			add("oracle.jsonl", map[string]any{"prompt_id": id, "policy": "p0", "draw_idx": 0, "label": r["oracle_label"],
				"inclusion_prob": .5, "role": "calibration", "policy_hash": "p0"})
		}
	}
	add("ledger.jsonl",
		map[string]any{"id": "e0", "stage": "oracle", "key": "a", "cost_usd": .03, "outcome": "rate_limited"})
	add("ledger.jsonl", map[string]any{"id": "e1", "stage": "oracle", "key": "a", "cost_usd": .01, "outcome": "ok"})
	add("ledger.jsonl", map[string]any{"id": "e2", "stage": "oracle", "key": "b", "cost_usd": .04, "outcome": "ok"})
	add("ledger.jsonl", map[string]any{"id": "e3", "stage": "judge", "key": "a", "cost_usd": 9, "outcome": "ok"})
	add("manifest.json", map[string]any{
		"schema_version": record.SchemaVersion, "seed": 7, "transport_margin": .04,
		"policies": []map[string]any{manifestPolicy("p0", "logging", ""), manifestPolicy("near", "target", "Be brief."),
			manifestPolicy("far", "target", "Be vague."), manifestPolicy("twin", "clone", "")},
		"configuration": map[string]any{"judge": "judge@1"},
	})
	for name, rows := range files {
		write(t, filepath.Join(dir, name), rows)
	}
	return dir
}

// manifestPolicy is a policy as a run's manifest has it.
func manifestPolicy(name, role, system string) map[string]any {
	p := offpolicy.Policy{Name: name, Model: "m", System: system, Template: "chatml",
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 64}}
	return map[string]any{"name": name, "role": role, "policy_hash": p.Hash(), "model": p.Model, "system": system,
		"template": p.Template, "temperature": 1, "top_p": 1, "top_k": 0, "max_tokens": 64, "expected_tokens": 20}
}

func TestRunFolder(t *testing.T) {
	dir := runFolder(t)
	a := analyzed(t, "-run", dir)
	if a.Policies["p0"].Role != "logging" || a.Policies["twin"].Role != "clone" {
		t.Fatalf("policies %+v", a.Policies)
	}
	if a.Seed != 7 || a.Margin != .04 || len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "random draw") {
		t.Errorf("seed %d and margin %v, want the run's own; notes %q", a.Seed, a.Margin, a.Notes)
	}
	if b := analyzed(t, "-run", dir, "-seed", "8", "-margin", "0"); b.Seed != 8 || b.Margin != 0 {
		t.Errorf("seed %d and margin %v, want those asked for", b.Seed, b.Margin)
	}
	code, stdout, stderr := call(t, "-run", dir, "-html", filepath.Join(dir, "page.html"))
	if code != exitOK || stderr != "" {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	// 25 labels at the ledger's 4 cents each.
	for _, want := range []string{"3 of 4 policies", "far", "refused", "25 oracle labels of its own responses ($1.00)",
		"page.html"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the terminal does not say %q:\n%s", want, stdout)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "page.html"))
	if err != nil || !bytes.Contains(page, []byte("3 of 4 policies")) || bytes.Contains(page, []byte("<script")) {
		t.Errorf("page of %d bytes, %v", len(page), err)
	}
}

// Names come from files that strangers write.
func TestHostileNames(t *testing.T) {
	dir, logged := bundle(t)
	const evil = "</style><script>alert(1)</script>\x1b[2J"
	for _, r := range logged {
		targets := r["target_policy_logprobs"].(map[string]float64)
		targets[evil] = targets["near"]
		r["metadata"] = map[string]any{"language": evil, "category": r["prompt_id"].(string)[:3]}
	}
	write(t, filepath.Join(dir, "logged.jsonl"), logged)
	code, stdout, stderr := call(t, "-logged", filepath.Join(dir, "logged.jsonl"), "-html",
		filepath.Join(dir, "page.html"))
	if code != exitOK {
		t.Fatal(stderr)
	}
	page, err := os.ReadFile(filepath.Join(dir, "page.html"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stdout, "\x1b") || bytes.Contains(page, []byte("<script>")) ||
		bytes.Count(page, []byte("</style>")) != 1 || !bytes.Contains(page, []byte("&lt;script&gt;")) {
		t.Error("a policy's name gets out of its place")
	}
}
