package record

import (
	"strings"
	"testing"
)

func TestPlanArms(t *testing.T) {
	arms := PlanArms()
	want := []string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"} // the plan's names, a contract
	hashes := map[string]string{}
	for i, a := range arms {
		if a.Policy.Name != want[i] {
			t.Errorf("policy %d is %q, want %q", i, a.Policy.Name, want[i])
		}
		if !a.Policy.Sampling.Neutral() || a.Policy.Sampling.MaxTokens != 512 {
			t.Errorf("%s samples by %+v, want neutral settings and 512 tokens", a.Policy.Name, a.Policy.Sampling)
		}
		hashes[a.Policy.Name] = a.Policy.Hash()
	}
	if hashes["p0"] != hashes["pi_clone"] {
		t.Error("the clone differs from P0")
	}
	delete(hashes, "pi_clone")
	seen := map[string]string{}
	for name, h := range hashes {
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[h] = name
	}
}

func TestReadArmsRefuses(t *testing.T) {
	const (
		p0 = `{"name":"a","role":"logging","model":"m","template":"llama4"` +
			`,"temperature":1,"top_p":1,"top_k":0,"max_tokens":9,"expected_tokens":5}`
		bad = `{"name":"b","role":"target","model":"n","template":"llama4"` +
			`,"temperature":1,"top_p":1,"top_k":0,"max_tokens":9,"expected_tokens":5}`
	)
	tests := []struct{ name, in, want, reason string }{
		{"no temperature", "[" + p0 + "," + strings.Replace(bad, `"temperature":1,`, "", 1) + "]", "temperature",
			"a server's default would decide"},
		{"misspelt key", "[" + p0 + "," + strings.Replace(bad, "top_k", "topk", 1) + "]", "topk",
			"it would be a default in disguise"},
		{"no logging policy", "[" + bad + "," + strings.Replace(bad, `"b"`, `"c"`, 1) + "]", "want exactly one",
			"weights need a denominator"},
		{"an empty list", "[]", "want a logging policy", "nothing would run"},
		{"two of a name", "[" + p0 + "," + strings.Replace(bad, `"b"`, `"a"`, 1) + "]", "named", "records join by name"},
		{"clone that differs", "[" + p0 + "," + strings.Replace(bad, "target", "clone", 1) + "]", "clone",
			"its weights would not be 1"},
		{"target that does not", "[" + p0 + "," + strings.Replace(bad, `"n"`, `"m"`, 1) + "]", "role clone",
			"it would look like a broken scorer"},
		{"slash in a name", "[" + p0 + "," + strings.Replace(bad, `"b"`, `"b/c"`, 1) + "]", "file name", "it becomes one"},
		{"too long an expectation", "[" + p0 + "," + strings.Replace(bad, `"expected_tokens":5`, `"expected_tokens":10`, 1) +
			"]", "max_tokens", "it cannot be reached"},
		{"unknown role", "[" + p0 + "," + strings.Replace(bad, "target", "judge", 1) + "]", "role",
			"roles are a closed set"},
		{"two sizes of one vocabulary", "[" + strings.Replace(p0, `"top_k"`, `"vocabulary":9,"top_k"`, 1) + "," +
			strings.NewReplacer(`"n"`, `"m"`, `"temperature":1`, `"temperature":2,"vocabulary":8`).Replace(bad) + "]",
			"one size", "one of them is wrong"},
		{"a vocabulary of none", "[" + p0 + "," + strings.Replace(bad, `"top_k"`, `"vocabulary":0,"top_k"`, 1) + "]",
			"leave it out", "0 is not a size, and leaving it out says that it is not known"},
		{"a temperature that is raised", "[" + p0 + "," +
			strings.Replace(bad, `"temperature":1`, `"temperature":1e-6`, 1) + "]", "0.01", "vLLM samples at 0.01 instead"},
		{"a temperature below 0", "[" + p0 + "," + strings.Replace(bad, `"temperature":1`, `"temperature":-1`, 1) + "]",
			"temperature -1", "there is none"},
		{"top_p of nothing", "[" + p0 + "," + strings.Replace(bad, `"top_p":1`, `"top_p":0`, 1) + "]", "top_p 0",
			"it keeps none"},
		{"top_k as some servers have it", "[" + p0 + "," + strings.Replace(bad, `"top_k":0`, `"top_k":-1`, 1) + "]",
			"top_k -1", "0 keeps every token"},
		{"a penalty", "[" + p0 + "," + strings.Replace(bad, `"top_k"`, `"repetition_penalty":1.1,"top_k"`, 1) + "]",
			"repetition_penalty", "its log-probs cannot be computed from alternatives"},
		{"min_p", "[" + p0 + "," + strings.Replace(bad, `"top_k"`, `"min_p":0.05,"top_k"`, 1) + "]", "min_p",
			"a setting that nobody reads would decide nothing"},
		{"not JSON", "{", "JSON array", "the error must say what was expected"},
	}
	for _, tt := range tests {
		_, err := ReadArms(strings.NewReader(tt.in), "policies.json")
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "policies.json") {
			t.Errorf("%s: %v, want an error that names the file and %q (%s)", tt.name, err, tt.want, tt.reason)
		}
	}
	for _, list := range []string{"[" + p0 + "," + bad + "]", "[" + p0 + "]"} {
		if _, err := ReadArms(strings.NewReader(list), "policies.json"); err != nil {
			t.Errorf("the rows above start from a list that is refused itself: %v", err)
		}
	}
}

// A policy above temperature 1 that keeps every token needs the size of its model's
// vocabulary, which any policy of the model may state.
func TestUnsized(t *testing.T) {
	read := func(p0, hot string) Arms {
		t.Helper()
		const rest = `,"template":"llama4","top_p":1,"max_tokens":9,"expected_tokens":5`
		arms, err := ReadArms(strings.NewReader(`[{"name":"a","role":"logging","model":"m","temperature":1,"top_k":0`+
			p0+rest+`},{"name":"b","role":"target"`+hot+rest+`}]`), "p.json")
		if err != nil {
			t.Fatal(err)
		}
		return arms
	}
	for _, test := range []struct {
		p0, hot string
		want    int
	}{
		{"", `,"model":"m","temperature":1.3,"top_k":0`, 1},
		{`,"vocabulary":9`, `,"model":"m","temperature":1.3,"top_k":0`, 0},
		{`,"vocabulary":9`, `,"model":"n","temperature":1.3,"top_k":0`, 1},
		{"", `,"model":"m","temperature":1.3,"top_k":20`, 0},
		{"", `,"model":"m","temperature":0.7,"top_k":0`, 0},
	} {
		arms := read(test.p0, test.hot)
		got := arms.Unsized()
		if len(got) != test.want ||
			len(got) == 1 && !strings.Contains(got[0].WantsVocabulary(), "b samples at temperature 1.3") {
			t.Errorf("%s, %s: %v", test.p0, test.hot, got)
		}
	}
}
