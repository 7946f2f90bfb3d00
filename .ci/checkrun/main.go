// Checkrun reads a run directory as a stranger would, from the contract of its
// files alone, and reports everything in it that breaks the contract. It shares
// no code with the library that wrote the files.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var (
	policies = []string{"p0", "pi_bad", "pi_bigger_model", "pi_clone", "pi_cot"} // sorted, as in the files
	targets  = policies[1:]
	methods  = []string{"token_counting", "echo_based", "continuation"}
)

// planChecks are the ids that a report may not lack.
var planChecks = strings.Fields(`prompts.fields prompts.unique files.valid p0.complete p0.logprobs targets.complete
	targets.diversity logprobs.complete logprobs.zero logprobs.sign logprobs.range logprobs.methods logprobs.agreement
	oracle.range oracle.distribution judge.complete judge.uncertainty judge.calibration cost.estimate run.errors
	run.ratelimit models.served endpoint.certified weights.clone weights.identical policies.ranking`)

// faults collects what is wrong, so that one run of the program tells it all.
type faults []string

func (f *faults) add(format string, a ...any) { *f = append(*f, fmt.Sprintf(format, a...)) }

func main() {
	run := flag.String("run", "", "check the run in this `folder`: records and report")
	n := flag.Int("n", 100, "prompts of the run")
	reportFile := flag.String("report", "", "check this report.json `file` only")
	jsonFile := flag.String("json", "", "check that this `file` holds one JSON object with a decision, and nothing else")
	analysis := flag.String("agrees", "", "with -run: compare what analyze wrote to this `file` of the run with "+
		"its report")
	decision := flag.String("decision", "", "the decision that the report must have")
	notPassed := flag.String("not-passed", "", "`ids`, separated by commas: at least one must hold or fail")
	retried := flag.Bool("retried", false, "some stage must show retries that it absorbed, and none may have failed")
	flag.Parse()

	var f faults
	switch {
	case *run != "" && *analysis != "":
		checkAgreement(&f, *run, *analysis)
	case *run != "":
		checkRecords(&f, *run, *n)
		*reportFile = filepath.Join(*run, "report.json")
		fallthrough
	case *reportFile != "":
		checkReport(&f, *reportFile, *decision, *notPassed, *retried)
	case *jsonFile != "":
		checkJSON(&f, *jsonFile)
	default:
		fmt.Fprintln(os.Stderr, "checkrun: give -run, -report or -json")
		os.Exit(2)
	}
	if len(f) == 0 {
		return
	}
	const shown = 40
	for i, s := range f {
		if i == shown {
			fmt.Fprintf(os.Stderr, "checkrun: and %d more\n", len(f)-shown)
			break
		}
		fmt.Fprintln(os.Stderr, "checkrun:", s)
	}
	os.Exit(1)
}

// record is the union of what the files' lines hold. A pointer tells a missing
// or null value from a zero.
type record struct {
	PromptID      string                                     `json:"prompt_id"`
	Prompt        string                                     `json:"prompt"`
	Policy        string                                     `json:"policy"`
	DrawIdx       int                                        `json:"draw_idx"`
	Response      *string                                    `json:"response"`
	LogProb       *float64                                   `json:"logprob"`
	Tokens        int                                        `json:"tokens"`
	TokenLogProbs []*float64                                 `json:"token_logprobs"`
	Methods       map[string]struct{ Status, Reason string } `json:"methods"`
	Label         *float64                                   `json:"label"`
	InclusionProb *float64                                   `json:"inclusion_prob"`
	Mean          *float64                                   `json:"mean"`
	Variance      *float64                                   `json:"variance"`
	Source        string                                     `json:"source"`
	PolicyHash    string                                     `json:"policy_hash"`
	BaseLogProb   *float64                                   `json:"base_policy_logprob"`
	TargetLogProb map[string]*float64                        `json:"target_policy_logprobs"`
	JudgeScore    *float64                                   `json:"judge_score"`
	Cost          *float64                                   `json:"cost_usd"`
	Stage         string                                     `json:"stage"`
	RequestID     string                                     `json:"request_id"`
	Outcome       string                                     `json:"outcome"`
	Error         *struct{ Class, Message string }           `json:"error"`
}

func (r record) key() string { return fmt.Sprintf("%s\x00%s\x00%09d", r.PromptID, r.Policy, r.DrawIdx) }

// read parses every line of a file.
func read(f *faults, path string) []record {
	file, err := os.Open(path)
	if err != nil {
		f.add("%v", err)
		return nil
	}
	defer file.Close()
	var out []record
	s := bufio.NewScanner(file)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var r record
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			f.add("%s:%d: %v", path, len(out)+1, err)
		}
		out = append(out, r)
	}
	if err := s.Err(); err != nil {
		f.add("%s: %v", path, err)
	}
	return out
}

func checkRecords(f *faults, dir string, n int) {
	var m map[string]any
	if b, err := os.ReadFile(filepath.Join(dir, "manifest.json")); err != nil {
		f.add("%v", err)
	} else if err := json.Unmarshal(b, &m); err != nil || m["schema_version"] == nil {
		f.add("manifest.json: no schema_version (%v)", err)
	}

	prompts := read(f, filepath.Join(dir, "prompts.jsonl"))
	ids := map[string]string{}
	for _, p := range prompts {
		if p.PromptID == "" || strings.TrimSpace(p.Prompt) == "" {
			f.add("prompts.jsonl: %q: id or text is empty", p.PromptID)
		}
		ids[p.PromptID] = p.Prompt
	}
	if len(prompts) != n || len(ids) != n {
		f.add("prompts.jsonl: %d lines and %d ids, want %d of each", len(prompts), len(ids), n)
	}

	// keyed reads a file of records and holds it to the expected set of keys.
	keyed := func(name string, policies []string) map[string]record {
		rows := read(f, filepath.Join(dir, name))
		if !slices.IsSortedFunc(rows, func(a, b record) int { return strings.Compare(a.key(), b.key()) }) {
			f.add("%s: not sorted by key", name)
		}
		got := map[string]record{}
		for _, r := range rows {
			got[r.PromptID+"/"+r.Policy] = r
			if r.Error != nil {
				f.add("%s: %s/%s failed: %s: %s", name, r.PromptID, r.Policy, r.Error.Class, r.Error.Message)
			}
		}
		if want := n * len(policies); len(rows) != want || len(got) != want {
			f.add("%s: %d lines and %d keys, want %d of each", name, len(rows), len(got), want)
		}
		for id := range ids {
			for _, p := range policies {
				if _, ok := got[id+"/"+p]; !ok {
					f.add("%s: no record for %s/%s", name, id, p)
				}
			}
		}
		return got
	}

	for k, r := range keyed("responses.jsonl", policies) {
		switch {
		case r.Response == nil || *r.Response == "":
			f.add("responses.jsonl: %s is empty", k)
		case r.PolicyHash == "":
			f.add("responses.jsonl: %s has no policy_hash", k)
		case r.Policy == "p0" && r.LogProb == nil:
			f.add("responses.jsonl: %s has no log-prob", k)
		}
	}
	checkLogProbs(f, keyed("logprobs.jsonl", policies), ids)
	for k, r := range keyed("oracle.jsonl", []string{"p0"}) {
		if !inUnit(r.Label) || r.InclusionProb == nil || !(*r.InclusionProb > 0 && *r.InclusionProb <= 1) {
			f.add("oracle.jsonl: %s: label or inclusion_prob is missing or out of range", k)
		}
	}
	checkJudge(f, keyed("judge.jsonl", policies), n)

	samples := read(f, filepath.Join(dir, "samples.jsonl"))
	if len(samples) != n {
		f.add("samples.jsonl: %d lines, want %d", len(samples), n)
	}
	for _, s := range samples {
		if s.Prompt != ids[s.PromptID] || s.Response == nil || s.BaseLogProb == nil || !inUnit(s.JudgeScore) {
			f.add("samples.jsonl: %s: prompt, response, base log-prob or judge score is missing or wrong", s.PromptID)
		}
		for _, p := range targets {
			if s.TargetLogProb[p] == nil {
				f.add("samples.jsonl: %s: no log-prob under %s", s.PromptID, p)
			}
		}
	}
	for _, p := range targets {
		name := filepath.Join("fresh_draws", p+"_responses.jsonl")
		rows := read(f, filepath.Join(dir, name))
		if len(rows) != n {
			f.add("%s: %d lines, want %d", name, len(rows), n)
		}
		for _, r := range rows {
			if r.Prompt != ids[r.PromptID] || r.Response == nil || !inUnit(r.JudgeScore) {
				f.add("%s: %s: prompt, response or judge score is missing or wrong", name, r.PromptID)
			}
		}
	}
	checkLedger(f, dir)
}

func inUnit(v *float64) bool { return v != nil && *v >= 0 && *v <= 1 }

func checkLogProbs(f *faults, rows map[string]record, ids map[string]string) {
	for k, r := range rows {
		if r.LogProb == nil || *r.LogProb > 0 || len(r.TokenLogProbs) != r.Tokens || r.Tokens == 0 {
			f.add("logprobs.jsonl: %s: log-prob is missing or positive, or tokens and token_logprobs differ", k)
			continue
		}
		sum := 0.0
		for _, t := range r.TokenLogProbs {
			if t == nil {
				sum = math.NaN()
				break
			}
			sum += *t
		}
		if !(math.Abs(sum-*r.LogProb) <= 1e-6*(1+math.Abs(sum))) {
			f.add("logprobs.jsonl: %s: logprob %v is not the sum of its tokens, %v", k, *r.LogProb, sum)
		}
		for _, m := range methods {
			if _, ok := r.Methods[m]; !ok {
				f.add("logprobs.jsonl: %s: method %s was not computed", k, m)
			}
		}
	}
	// The clone's own calls give P0's values; no other policy's column does.
	differ := map[string]int{}
	for id := range ids {
		base := rows[id+"/p0"].LogProb
		for _, p := range targets {
			v := rows[id+"/"+p].LogProb
			if base != nil && v != nil && math.Abs(*v-*base) > 1e-9 {
				differ[p]++
			}
		}
	}
	for _, p := range targets {
		if clone := p == "pi_clone"; clone != (differ[p] == 0) {
			f.add("logprobs.jsonl: %s differs from p0 on %d of %d prompts", p, differ[p], len(ids))
		}
	}
}

func checkJudge(f *faults, rows map[string]record, n int) {
	mean := map[string]float64{}
	for k, r := range rows {
		if !inUnit(r.Mean) || r.Variance == nil || *r.Variance < 0 || r.Source == "" {
			f.add("judge.jsonl: %s: mean, variance or source is missing or out of range", k)
			continue
		}
		mean[r.Policy] += *r.Mean / float64(n)
	}
	for _, p := range policies {
		if p != "pi_bad" && mean[p] <= mean["pi_bad"] {
			f.add("judge.jsonl: %s has mean %.4f, pi_bad %.4f: pi_bad is not last", p, mean[p], mean["pi_bad"])
		}
	}
}

// checkLedger holds the account to the report's sum.
func checkLedger(f *faults, dir string) {
	total := 0.0
	rows := read(f, filepath.Join(dir, "ledger.jsonl"))
	for i, r := range rows {
		if r.Stage == "" || r.Outcome == "" || r.Cost == nil || *r.Cost < 0 {
			f.add("ledger.jsonl:%d: stage, outcome or cost_usd is missing", i+1)
			continue
		}
		total += *r.Cost
	}
	if len(rows) == 0 {
		f.add("ledger.jsonl is empty")
	}
	var v report
	if b, err := os.ReadFile(filepath.Join(dir, "report.json")); err != nil || json.Unmarshal(b, &v) != nil {
		return // checkReport says so
	}
	staged := 0.0
	for _, s := range v.Stages {
		staged += s.CostUSD
	}
	if math.Abs(total-staged) > 1e-6*(1+total) {
		f.add("ledger.jsonl sums to $%.6f, the report's stages to $%.6f", total, staged)
	}
}

type report struct {
	SchemaVersion int    `json:"schema_version"`
	State         string `json:"state"`
	Decision      string `json:"decision"`
	Checks        []struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		Summary   string `json:"summary"`
		Threshold string `json:"threshold"`
		Remedy    string `json:"remedy"`
		Waived    string `json:"waived"`
	} `json:"checks"`
	Stages []struct {
		Name    string  `json:"name"`
		Failed  int     `json:"failed"`
		Retries int     `json:"retries"`
		CostUSD float64 `json:"cost_usd"`
	} `json:"stages"`
}

func checkReport(f *faults, path, decision, notPassed string, retried bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		f.add("%v", err)
		return
	}
	var v report
	if err := json.Unmarshal(b, &v); err != nil {
		f.add("%s: %v", path, err)
		return
	}
	if v.SchemaVersion == 0 || v.State != "done" {
		f.add("%s: schema_version %d, state %q", path, v.SchemaVersion, v.State)
	}
	if decision != "" && v.Decision != decision {
		f.add("%s: decision %q, want %q", path, v.Decision, decision)
	}
	status := map[string]string{}
	worst := "GO"
	for _, c := range v.Checks {
		if status[c.ID] != "" {
			f.add("%s: %s occurs twice", path, c.ID)
		}
		status[c.ID] = c.Status
		switch {
		case c.Status == "pass" || c.Status == "info" || c.Status == "not_applicable" || c.Waived != "":
			continue
		case c.Status == "fail":
			worst = "NO-GO"
		case c.Status == "hold":
			if worst == "GO" {
				worst = "HOLD"
			}
		default:
			f.add("%s: %s has status %q", path, c.ID, c.Status)
		}
		if c.Summary == "" || c.Threshold == "" || c.Remedy == "" {
			f.add("%s: %s did not pass and lacks summary, threshold or remedy", path, c.ID)
		}
		if decision != "" && v.Decision != decision {
			f.add("%s: %s %s: %s", path, c.ID, c.Status, c.Summary)
		}
	}
	if v.Decision != worst {
		f.add("%s: decision %q, its checks say %q", path, v.Decision, worst)
	}
	for _, id := range planChecks {
		if status[id] == "" {
			f.add("%s: no check %s", path, id)
		}
	}
	if notPassed != "" && !slices.ContainsFunc(strings.Split(notPassed, ","),
		func(id string) bool { return status[id] == "fail" || status[id] == "hold" }) {
		f.add("%s: none of %s failed or holds", path, notPassed)
	}
	if retried {
		n := 0
		for _, s := range v.Stages {
			n += s.Retries
			if s.Failed > 0 {
				f.add("%s: stage %s has %d failed records", path, s.Name, s.Failed)
			}
		}
		if n == 0 {
			f.add("%s: no stage shows a retry", path)
		}
	}
}

func checkJSON(f *faults, path string) {
	file, err := os.Open(path)
	if err != nil {
		f.add("%v", err)
		return
	}
	defer file.Close()
	dec := json.NewDecoder(file)
	var v report
	if err := dec.Decode(&v); err != nil || v.Decision == "" {
		f.add("%s: no object with a decision (%v)", path, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		f.add("%s: something follows the report", path)
	}
}
