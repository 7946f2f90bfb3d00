package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files as people have them, and what analyze says of each.
func TestOwnFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var five, policies, labels, prl, ab, typo strings.Builder
	five.WriteString("qid,output,human,notes\n")
	policies.WriteString("question,policy,answer,label\n")
	labels.WriteString("qid,label\n")
	ab.WriteString("qid,a_logprob,b_logprob,label\n")
	typo.WriteString("qid,logprob,pi_cot_logprob,pi_cto_logprob,label\n")
	for i := range 60 {
		fmt.Fprintf(&five, "q%d,\"Hello, %d\",%d,x\n", i, i, 1+rng.IntN(5))
		fmt.Fprintf(&policies, "q%d,p0,a,%.3f\nq%d,new,b,%.3f\n", i, .4+.2*rng.Float64(), i, .6+.2*rng.Float64())
		fmt.Fprintf(&labels, "q%d,%.2f\n", i, rng.Float64())
		fmt.Fprintf(&prl, `{"prompt": "q%d", "response": "a", "logprob": %d}`+"\n", i, -10-i)
		fmt.Fprintf(&ab, "q%d,-20,%.3f,%.2f\n", i, -20+.1*rng.NormFloat64(), rng.Float64())
		near := [2]string{"-20.1", ""}
		fmt.Fprintf(&typo, "q%d,-20,%s,%s,%.2f\n", i, near[i%2], near[1-i%2], rng.Float64())
	}
	for _, tt := range []struct {
		name, text string
		args       []string
		code       int
		want       []string
		reason     string
	}{
		{"five.csv", five.String(), nil, exitFail, []string{"five.csv:", "they run from 1 to 5", "-scale 1:5"},
			"a scale that nobody stated"},
		{"five.csv", five.String(), []string{"-scale", "label=1:5"}, exitOK,
			[]string{"Labels were read on the scale from 1 to 5",
				"human as oracle_label", "Not read: notes"}, "and stated"},
		{"policies.csv", policies.String(), nil, exitOK, []string{"new − p0 0.2"},
			"a column of policies, labels alone, no id"},
		{"labels.csv", labels.String(), nil, exitOK, []string{"1 of 1 policy", "No response has a judge score: labels are",
			"Only base can be estimated"}, "labels alone"},
		{"prl.jsonl", prl.String(), nil, exitOK, []string{"No column holds labels, which say how good a response is: " +
			"the columns are logprob, prompt, response", "-columns label=NAME"}, "nothing says how good a response is"},
		{"ab.csv", ab.String(), nil, exitOK, []string{"none under base, which wrote the responses", "-logging a"},
			"which of the two wrote them?"},
		{"ab.csv", ab.String(), []string{"-logging", "a"}, exitOK, []string{"b − a"}, "a did"},
		{"typo.csv", typo.String(), nil, exitOK, []string{"Are pi_cot and pi_cto one policy?"}, "a mistyped target"},
		{"mixed.csv", labels.String() + "z,50%\n", nil, exitFail, []string{"mixed.csv:62", "plain numbers"},
			"one percentage"},
		{"named.csv", labels.String(), []string{"-columns", "label=lable"}, exitFail, []string{`no column is called "lable"`},
			"a column that is not there"},
		{"base.jsonl", `{"prompt_id": "a", "logprob": -1, "target_policy_logprobs": {"base": -1}}`,
			nil, exitFail, []string{"-logging NAME"}, "a target called base"},
		{"twice.jsonl", `{"prompt_id": "a", "logprob": -1, "base_logprobs": -2, "target_policy_logprobs": {"base": -1}}`,
			nil, exitFail, []string{`target_policy_logprobs has "base" twice`}, "one target in two places"},
	} {
		file := filepath.Join(t.TempDir(), tt.name)
		if err := os.WriteFile(file, []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := call(t, append([]string{"-logged", file}, tt.args...)...)
		said := strings.Join(strings.Fields(stdout+stderr), " ")
		for _, want := range tt.want {
			if code != tt.code || !strings.Contains(said, want) {
				t.Errorf("%s %q: exit %d, without %q: %s\n%s", tt.name, tt.args, code, want, tt.reason, stdout+stderr)
			}
		}
		if tt.name == "labels.csv" && strings.Contains(said, "label more") {
			t.Errorf("all rows are labeled, and more labels are asked for:\n%s", stdout)
		}
	}
}

func TestOwnFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-columns", "label"}, {"-columns", "label=a,label=b"}, {"-columns", "=a"}, {"-scale", "5:1"}, {"-scale", "1"},
		{"-scale", "gold=1:5"}, {"-scale", "1:x"},
	} {
		if code, _, stderr := call(t, append([]string{"-logged", "a"}, args...)...); code != exitUsage ||
			!strings.Contains(stderr, args[0]) {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
	if code, _, stderr := call(t, "-run", "a", "-scale", "1:5"); code != exitUsage {
		t.Errorf("a scale for a run: exit %d, %q", code, stderr)
	}
}
