package dataset_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// From a file of prompts to a sample that a larger one will contain.
func Example() {
	const file = `{"prompt_id": "a", "prompt": "Why is the sky blue?", "language": "English"}
{"prompt_id": "b", "prompt": "why is  the sky blue?", "language": "English"}
{"prompt_id": "c", "prompt": "Pourquoi le ciel est-il bleu ?", "language": "French"}
{"prompt_id": "d", "prompt": "Name three rivers.", "language": "English"}
{"prompt_id": "e", "prompt": "Write a haiku.", "language": "English"}
`
	in, err := dataset.ReadPrompts(strings.NewReader(file), "prompts.jsonl", dataset.ReadOptions{Languages: []string{"English"}})
	if err != nil {
		panic(err)
	}
	fmt.Print(in.Attrition)
	for _, n := range []int{1, 2} {
		sample, err := dataset.SamplePrompts(in.Prompts, n, 42)
		if err != nil {
			panic(err)
		}
		for _, p := range sample {
			fmt.Println(n, p.ID, p.Text)
		}
	}
	// Output:
	// language                       1 dropped       4 left  (c)
	// duplicate text                 1 dropped       3 left  (a)
	// 1 d Name three rivers.
	// 2 d Name three rivers.
	// 2 e Write a haiku.
}

func ExampleReadJSONL() {
	const file = `{"prompt_id": "p1", "policy": "p0", "logprob": -12.5}
{"prompt_id": "p2", "policy": "p0", "logprob": null}
{"prompt_id": "p3", "policy": "p0"}
{"prompt_id": "p4", "policy": "p0", "logprob": "-1"}
`
	for row, err := range dataset.ReadJSONL[dataset.LogProb](strings.NewReader(file), "logprobs.jsonl") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(row.Key(), row.LogProb.Valid(), row.LogProb)
	}
	// Output:
	// p1/p0/0 true -12.5
	// p2/p0/0 false NaN
	// p3/p0/0 false NaN
	// dataset: logprobs.jsonl:4: "-1" is neither a number nor null (mend this value)
}

func ExampleWriteFile() {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "prompts.jsonl")

	prompts := []dataset.Prompt{{ID: "p1", Text: "Is 1 < 2?", Metadata: map[string]any{"language": "English", "id": 7}}}
	err = dataset.WriteFile(path, func(w io.Writer) error {
		return dataset.WriteJSONL(w, slices.Values(prompts))
	})
	if err != nil {
		panic(err)
	}
	b, err := os.ReadFile(path)
	fmt.Print(string(b), err)
	// Output:
	// {"prompt_id":"p1","prompt":"Is 1 < 2?","metadata":{"id":7,"language":"English"}}
	// <nil>
}

func ExampleReadFile() {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "oracle.jsonl")
	if err := os.WriteFile(path, []byte(`{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":1,"inclusion_prob":0.25}`), 0o666); err != nil {
		panic(err)
	}
	labels, err := dataset.ReadFile[dataset.OracleLabel](path)
	fmt.Println(labels[0].Key(), labels[0].Label, labels[0].InclusionProb, err)
	// Output: p1/p0/0 1 0.25 <nil>
}

func ExampleJoinSamples() {
	text := "Paris."
	samples, unjoined := dataset.JoinSamples(dataset.RunRecords{
		Logging:   "p0",
		Targets:   []string{"bigger"},
		Prompts:   []dataset.Prompt{{ID: "q1", Text: "Capital of France?"}},
		Responses: []dataset.Response{{PromptID: "q1", Policy: "p0", Text: &text, FinishReason: "stop"}},
		LogProbs: []dataset.LogProb{
			{PromptID: "q1", Policy: "p0", LogProb: -0.25},
			{PromptID: "q1", Policy: "bigger", LogProb: dataset.Missing(), Error: &dataset.RecordError{Class: "timeout", Message: "no answer in 60s"}},
		},
		Scores: []dataset.JudgeScore{{PromptID: "q1", Policy: "p0", Mean: 0.9}},
	})
	if err := dataset.WriteJSONL(os.Stdout, slices.Values(samples)); err != nil {
		panic(err)
	}
	for _, u := range unjoined {
		fmt.Println(u)
	}
	// Output:
	// {"prompt_id":"q1","prompt":"Capital of France?","response":"Paris.","base_policy_logprob":-0.25,"target_policy_logprobs":{"bigger":null},"judge_score":0.9,"oracle_label":null,"inclusion_prob":null,"metadata":{"finish_reason":"stop"}}
	// logprobs q1/bigger/0: failed: timeout: no answer in 60s
}

func ExampleFreshDraws() {
	text := "Paris, of course."
	draws := dataset.FreshDraws(dataset.RunRecords{
		Prompts:   []dataset.Prompt{{ID: "q1", Text: "Capital of France?"}},
		Responses: []dataset.Response{{PromptID: "q1", Policy: "bigger", Text: &text}},
		Scores:    []dataset.JudgeScore{{PromptID: "q1", Policy: "bigger", Mean: 0.8}},
	}, "bigger")
	if err := dataset.WriteJSONL(os.Stdout, slices.Values(draws)); err != nil {
		panic(err)
	}
	// Output:
	// {"prompt_id":"q1","prompt":"Capital of France?","response":"Paris, of course.","judge_score":0.8,"oracle_label":null,"draw_idx":0}
}

func ExampleIndex() {
	scores := []dataset.JudgeScore{{PromptID: "q1", Policy: "p0", Mean: 0.9}, {PromptID: "q1", Policy: "p0", Mean: 0.2}}
	_, err := dataset.Index(scores)
	fmt.Println(err)
	// Output: dataset: duplicate id: dataset.JudgeScore q1/p0/0 occurs twice (keep one of the two)
}
