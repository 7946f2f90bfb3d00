package dataset

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/internal/shareddata"
)

// answer makes a response that holds a value.
func answer(prompt, policy string, draw int, text string) Response {
	return Response{PromptID: prompt, Policy: policy, DrawIdx: draw, Text: &text, FinishReason: "stop",
		PolicyHash: "hash-" + policy}
}

func lp(prompt, policy string, v float64) LogProb {
	return LogProb{PromptID: prompt, Policy: policy, LogProb: Known(v), Distribution: SamplingDistribution,
		PolicyHash: "hash-" + policy}
}

// records is a run in which everything can go wrong that may.
func records() RunRecords {
	failed := &RecordError{"timeout", "no answer"}
	lost := Response{PromptID: "p2", Policy: "log", Error: failed}
	stale := lp("p4", "a", -9)
	stale.PolicyHash = "hash-old"
	return RunRecords{
		Logging: "log", Targets: []string{"a", "b"},
		Prompts: []Prompt{
			{ID: "p3", Text: "three", Metadata: map[string]any{"judge_score": 0.5, "oracle_label": 1}},
			{ID: "p1", Text: "one", Metadata: map[string]any{"language": "English"}},
			{ID: "p2", Text: "two"}, {ID: "p4", Text: "four"}, {ID: "p5", Text: "five"}, {ID: "twice", Text: "x"},
			{ID: "twice", Text: "y"},
		},
		Responses: []Response{
			answer("p1", "log", 0, "uno"), lost, answer("p4", "log", 0, ""), answer("p3", "log", 0, "tres"),
			answer("p1", "a", 1, "second"), answer("p1", "a", 0, "first"), answer("p2", "a", 0, "zwei"),
			answer("p3", "b", 0, "b3"),
			answer("twice", "a", 0, "?"), answer("gone", "log", 0, "?"), answer("p5", "log", 0, "this"),
			answer("p5", "log", 0, "or that"),
		},
		LogProbs: []LogProb{
			lp("p1", "log", -1), lp("p1", "a", -2), lp("p1", "b", -3),
			lp("p2", "a", -5), // of a response that there is not
			lp("p3", "log", -4), {PromptID: "p3", Policy: "a", Error: failed}, {PromptID: "p3", Policy: "b"},
			lp("p4", "log", 0), stale, lp("p4", "other", -1),
		},
		Labels: []OracleLabel{
			{PromptID: "p1", Policy: "log", Label: Known(1), InclusionProb: Known(0.25), PolicyHash: "hash-log"},
			{PromptID: "p1", Policy: "a", DrawIdx: 1, Label: Known(0), InclusionProb: Known(1)},
			{PromptID: "p3", Policy: "log", InclusionProb: Known(0.25), Error: failed},
			{PromptID: "p4", Policy: "log", Label: Known(0.5)},
		},
		Scores: []JudgeScore{
			{PromptID: "p1", Policy: "log", Mean: Known(0.9)}, {PromptID: "p1", Policy: "a", Mean: Known(0.4)},
			{PromptID: "p1", Policy: "a", DrawIdx: 1, Mean: Known(0.3)},
			{PromptID: "p4", Policy: "log", Mean: Known(0)}, {PromptID: "p3", Policy: "b", Mean: Known(0.1)},
			{PromptID: "p3", Policy: "b", Mean: Known(0.2)},
		},
	}
}

func TestJoin(t *testing.T) {
	none := Float{}
	want := []Sample{
		{PromptID: "p1", Prompt: "one", Response: "uno", BasePolicyLogProb: Known(-1),
			TargetPolicyLogProbs: map[string]Float{"a": Known(-2), "b": Known(-3)},
			JudgeScore:           Known(0.9), OracleLabel: Known(1), InclusionProb: Known(0.25),
			Metadata: map[string]any{"language": "English", "finish_reason": "stop"}},
		{PromptID: "p3", Prompt: "three", Response: "tres", BasePolicyLogProb: Known(-4),
			TargetPolicyLogProbs: map[string]Float{"a": none, "b": none},
			JudgeScore:           none, OracleLabel: none, InclusionProb: none,
			Metadata: map[string]any{"finish_reason": "stop"}},
		{PromptID: "p4", Prompt: "four", Response: "", BasePolicyLogProb: Known(0),
			TargetPolicyLogProbs: map[string]Float{"a": none, "b": none},
			JudgeScore:           Known(0), OracleLabel: none, InclusionProb: none,
			Metadata: map[string]any{"finish_reason": "stop"}},
	}
	const wantUnjoined = `responses gone/log/0: no such prompt
responses p2/log/0: failed: timeout: no answer
logprobs p2/a/0: there is no response p2/log/0 to join it to
logprobs p3/a/0: failed: timeout: no answer
logprobs p3/b/0: null without an error
judge p3/b/0: 2 records have this key
judge p3/log/0: no record
oracle p3/log/0: failed: timeout: no answer
logprobs p4/a/0: policy hash hash-old is not the hash-a of the policy's responses
logprobs p4/b/0: no record
oracle p4/log/0: inclusion_prob is missing, want a probability in (0, 1]
logprobs p4/other/0: the policy is neither the logging policy nor a target
responses p5/log/0: 2 records have this key
prompts twice//0: 2 prompts have this id
responses twice/a/0: no such prompt
`
	in := records()
	for seed := range uint64(10) { // in any order
		logs, unjoined, err := Join(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, logs.Samples); diff != "" {
			t.Fatalf("order %d: %s", seed, diff)
		}
		var b strings.Builder
		for _, u := range unjoined {
			b.WriteString(u.String() + "\n")
		}
		got := strings.Split(b.String(), "\n")
		wantLines := strings.Split(wantUnjoined, "\n")
		slices.Sort(got)
		slices.Sort(wantLines)
		if diff := cmp.Diff(wantLines, got); diff != "" {
			t.Fatalf("order %d: %s", seed, diff)
		}
		if !slices.IsSortedFunc(unjoined, func(a, b Unjoined) int { return a.Key.Compare(b.Key) }) {
			t.Errorf("order %d: unjoined is not sorted", seed)
		}
		r := rand.New(rand.NewPCG(seed, 0))
		shuffle(r, in.Prompts)
		shuffle(r, in.Responses)
		shuffle(r, in.LogProbs)
		shuffle(r, in.Labels)
		shuffle(r, in.Scores)
	}
	if got := in.Prompts[slices.IndexFunc(in.Prompts,
		func(p Prompt) bool { return p.ID == "p1" })].Metadata; len(got) != 1 {
		t.Errorf("the prompt's own metadata was changed: %v", got)
	}
}

func shuffle[T any](r *rand.Rand, s []T) {
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

func draw(id, prompt, response string, score, label, p Float, idx int) FreshDraw {
	return FreshDraw{PromptID: id, Prompt: prompt, Response: response, JudgeScore: score, OracleLabel: label,
		InclusionProb: p, DrawIdx: idx}
}

// A second label of a response joins nothing, and takes nothing from the first.
func TestSecondLabels(t *testing.T) {
	in := records()
	in.Labels = append(in.Labels, OracleLabel{PromptID: "p1", Policy: "log", Label: Known(0), InclusionProb: Known(0.1),
		Role: "duplicate", PolicyHash: "hash-log"})
	want, wantUnjoined, err := Join(records())
	if err != nil {
		t.Fatal(err)
	}
	got, unjoined, err := Join(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples change (-without +with):\n%s", diff)
	}
	if diff := cmp.Diff(wantUnjoined, unjoined); diff != "" {
		t.Errorf("what is left out changes (-without +with):\n%s", diff)
	}
}

func TestFreshDraws(t *testing.T) {
	none := Float{}
	rows := []struct {
		policy string
		want   []FreshDraw
		reason string
	}{
		{"a", []FreshDraw{
			draw("p1", "one", "first", Known(0.4), none, none, 0), draw("p1", "one", "second", Known(0.3), Known(0), Known(1),
				1), draw("p2", "two", "zwei", none, none, none, 0),
		}, "every draw, unscored ones too; the logged response of p2 does not matter"},
		{"b", []FreshDraw{draw("p3", "three", "b3", none, none, none, 0)}, "of two scores of one key neither is used"},
		{"log", nil, "the logging policy's own are the samples"},
		{"nobody", nil, "unknown policy"},
	}
	logs, _, err := Join(records())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if diff := cmp.Diff(row.want, logs.Draws[row.policy]); diff != "" {
			t.Errorf("%s: %s", row.reason, diff)
		}
	}
}

// TestRawLogProbs: a value that is not of the distribution that its policy samples
// from joins no sample, since whoever reads it makes a weight of it.
func TestRawLogProbs(t *testing.T) {
	row := func(prompt, policy string, v Float, of Distribution) LogProb {
		return LogProb{PromptID: prompt, Policy: policy, LogProb: v, Distribution: of, PolicyHash: "hash-" + policy}
	}
	run := func(base Distribution, more ...LogProb) RunRecords {
		return RunRecords{
			Logging: "log", Targets: []string{"a", "b"}, Prompts: []Prompt{{ID: "p1"}, {ID: "p2"}},
			Responses: []Response{answer("p1", "log", 0, "uno"), answer("p2", "log", 0, "dos")},
			LogProbs: append(more, row("p1", "log", Known(-1), base), row("p1", "a", Known(-2), RawDistribution),
				row("p1", "b", Known(-3), SamplingDistribution)),
		}
	}
	for _, base := range []Distribution{SamplingDistribution, RawDistribution, UnstatedDistribution} {
		logs, unjoined, err := Join(run(base))
		if err != nil {
			t.Fatal(err)
		}
		s := logs.Samples[0]
		if s.BasePolicyLogProb.Valid() != (base != RawDistribution) || s.TargetPolicyLogProbs["a"].Valid() ||
			s.TargetPolicyLogProbs["b"] != Known(-3) {
			t.Errorf("%s: %+v", base, s)
		}
		want := map[string]Scored{"log": {Hash: "hash-log", Distribution: base},
			"a": {Hash: "hash-a", Distribution: RawDistribution}, "b": {Hash: "hash-b", Distribution: SamplingDistribution}}
		if diff := cmp.Diff(want, logs.Scored); diff != "" {
			t.Errorf("%s: %s", base, diff)
		}
		if !slices.ContainsFunc(unjoined, func(u Unjoined) bool {
			return u.Key.Policy == "a" &&
				strings.Contains(u.Reason, "raw")
		}) {
			t.Errorf("%s: unjoined %v", base, unjoined)
		}
	}
	for _, tt := range []struct {
		more LogProb
		want []string
	}{
		{row("p2", "b", Known(-1), RawDistribution), []string{"p1/b/0", "sampling", "p2/b/0", "raw"}},
		{row("p2", "b", Known(-1), ""), []string{"p2/b/0", "Distribution"}},
	} {
		_, _, err := Join(run(SamplingDistribution, tt.more))
		for _, w := range tt.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: error %v, want one that names %s", tt.more, err, w)
			}
		}
	}
	failed := LogProb{PromptID: "p2", Policy: "b", Error: &RecordError{"timeout", "no answer"}}
	if _, _, err := Join(run(SamplingDistribution, failed)); err != nil {
		t.Errorf("a failed row is of no distribution: %v", err)
	}
}

// TestHashOfSeveral: where a policy's responses disagree on its hash, the first
// in key order decides, whatever the order of the rows.
func TestHashOfSeveral(t *testing.T) {
	newer := answer("p2", "log", 0, "dos")
	newer.PolicyHash = "hash-new"
	in := RunRecords{Logging: "log", Prompts: []Prompt{{ID: "p1"}, {ID: "p2"}}, Responses: []Response{newer,
		answer("p1", "log", 0, "uno")}}
	for range 2 {
		logs, unjoined, err := Join(in)
		if err != nil {
			t.Fatal(err)
		}
		samples := logs.Samples
		if len(samples) != 1 || samples[0].PromptID != "p1" || !strings.Contains(unjoined[len(unjoined)-1].Reason,
			"hash-new is not the hash-log") {
			t.Errorf("samples %v, unjoined %v", samples, unjoined)
		}
		slices.Reverse(in.Responses)
	}
}

func TestIndex(t *testing.T) {
	rows := []JudgeScore{{PromptID: "p", Policy: "a", Mean: Known(1)}, {PromptID: "p", Policy: "b", Mean: Known(2)}}
	m, err := Index(rows)
	if err != nil || len(m) != 2 || m[Key{"p", "b", 0}].Mean.OrNaN() != 2 {
		t.Errorf("%v, %v", m, err)
	}
	if m, err := Index(append(rows, rows[0])); m != nil || err == nil || !strings.Contains(err.Error(), "p/a/0") {
		t.Errorf("%v, %v; want an error that names p/a/0", m, err)
	}
}

// TestSharedLogs reads 400 real rows in CJE's layout, whose prompt ids are in the
// metadata, and the fresh draws beside them.
func TestSharedLogs(t *testing.T) {
	logged, err := ReadFile[Sample](shareddata.File(t, "data/arena/logged.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	labels := 0
	for i, s := range logged {
		if !s.BasePolicyLogProb.Valid() || len(s.TargetPolicyLogProbs) != 3 || s.Metadata["prompt_id"] == nil ||
			s.InclusionProb.Valid() {
			t.Fatalf("row %d: %+v", i, s)
		}
		if s.OracleLabel.Valid() {
			labels++
		}
	}
	// The data's description says that about half of them are labeled; 194 rows
	// are, counted apart from this code.
	if len(logged) != 400 || labels != 194 {
		t.Errorf("%d rows, %d labels", len(logged), labels)
	}
	fresh, err := ReadFile[FreshDraw](shareddata.File(t, "data/arena/fresh_draws/clone_responses.jsonl"))
	if err != nil || len(fresh) == 0 || !fresh[0].JudgeScore.Valid() {
		t.Errorf("%d fresh draws, %v", len(fresh), err)
	}
	var out bytes.Buffer
	if err := WriteJSONL(&out, slices.Values(logged)); err != nil {
		t.Error(err)
	}
}

// In a design by strata of the score a response without a label has a probability, too:
// that of its stratum's labels.
func TestJoinStatesInclusionOfUnlabeled(t *testing.T) {
	labels := []OracleLabel{
		{PromptID: "a", Policy: "p0", Label: Known(.5), InclusionProb: Known(.25), Stratum: "[0,0.5)"},
		{PromptID: "b", Policy: "p0", InclusionProb: Known(.75), Stratum: "[0.5,1]"},
		{PromptID: "c", Policy: "p0", Label: Known(.5), InclusionProb: Known(1), Stratum: "unscored"},
		{PromptID: "a", Policy: "t", Label: Known(.5), InclusionProb: Known(.1)},
	}
	strata := newStrata()
	for _, l := range labels {
		strata.add(l)
	}
	for _, tt := range []struct {
		policy string
		score  Float
		want   Float
	}{
		{"p0", Known(0), Known(.25)}, {"p0", Known(.5), Known(.75)}, {"p0", Known(1), Known(.75)}, {"p0", Float{}, Known(1)},
		{"t", Known(.5), Float{}}, // one probability for all: it need not be stated
	} {
		if got := inclusionOf(strata.ranges[tt.policy], tt.score); got != tt.want {
			t.Errorf("%s at %v: %v, want %v", tt.policy, tt.score, got, tt.want)
		}
	}
}
