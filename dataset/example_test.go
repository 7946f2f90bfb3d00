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
	in, err := dataset.ReadPrompts(strings.NewReader(file), "prompts.jsonl",
		dataset.ReadOptions{Languages: []string{"English"}})
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
		fmt.Println(row.Key(), row.LogProb.Valid(), row.LogProb.OrNaN())
	}
	// Output:
	// p1/p0/0 true -12.5
	// p2/p0/0 false NaN
	// p3/p0/0 false NaN
	// dataset: logprobs.jsonl:4: "-1" is neither a number nor null (fix this value)
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
	if err := os.WriteFile(path, []byte(`{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":1,"inclusion_prob":0.25}`),
		0o666); err != nil {
		panic(err)
	}
	labels, err := dataset.ReadFile[dataset.OracleLabel](path)
	fmt.Println(labels[0].Key(), labels[0].Label.OrNaN(), labels[0].InclusionProb.OrNaN(), err)
	// Output: p1/p0/0 1 0.25 <nil>
}

// Records that are too many for memory are joined prompt by prompt.
func ExampleJoinEach() {
	text := "Paris."
	parts := func(yield func(dataset.RunRecords) bool) { // from files, say
		for _, id := range []string{"q1", "q2"} {
			if !yield(dataset.RunRecords{
				Prompts:   []dataset.Prompt{{ID: id, Text: "Capital of France?"}},
				Responses: []dataset.Response{{PromptID: id, Policy: "p0", Text: &text}},
				Scores:    []dataset.JudgeScore{{PromptID: id, Policy: "p0", Mean: dataset.Known(0.9)}},
			}) {
				return
			}
		}
	}
	_, err := dataset.JoinEach(dataset.RunRecords{Logging: "p0"}, parts, func(j dataset.Joined) error {
		fmt.Println(j.Sample.PromptID, j.Sample.Response, j.Sample.JudgeScore, j.Unjoined)
		return nil
	})
	fmt.Println(err)
	// Output:
	// q1 Paris. 0.9 [logprobs q1/p0/0: no record]
	// q2 Paris. 0.9 [logprobs q2/p0/0: no record]
	// <nil>
}

func ExampleJoin() {
	text, longer := "Paris.", "Paris, of course."
	logs, unjoined, err := dataset.Join(dataset.RunRecords{
		Logging: "p0",
		Targets: []string{"bigger"},
		Prompts: []dataset.Prompt{{ID: "q1", Text: "Capital of France?"}},
		Responses: []dataset.Response{
			{PromptID: "q1", Policy: "p0", Text: &text, FinishReason: "stop"},
			{PromptID: "q1", Policy: "bigger", Text: &longer, FinishReason: "stop"},
		},
		LogProbs: []dataset.LogProb{
			{PromptID: "q1", Policy: "p0", LogProb: dataset.Known(-0.25), Distribution: dataset.SamplingDistribution},
			{PromptID: "q1", Policy: "bigger", Error: &dataset.RecordError{Class: "timeout", Message: "no answer in 60s"}},
		},
		Scores: []dataset.JudgeScore{{PromptID: "q1", Policy: "p0", Mean: dataset.Known(0.9)},
			{PromptID: "q1", Policy: "bigger", Mean: dataset.Known(0.8)}},
	})
	if err != nil {
		panic(err)
	}
	if err := dataset.WriteJSONL(os.Stdout, slices.Values(logs.Samples)); err != nil {
		panic(err)
	}
	if err := dataset.WriteJSONL(os.Stdout, slices.Values(logs.Draws["bigger"])); err != nil {
		panic(err)
	}
	fmt.Println(logs.Scored["p0"].Distribution)
	for _, u := range unjoined {
		fmt.Println(u)
	}
	// Output:
	// {"prompt_id":"q1","prompt":"Capital of France?","response":"Paris.","base_policy_logprob":-0.25,"target_policy_logprobs":{"bigger":null},"judge_score":0.9,"oracle_label":null,"inclusion_prob":null,"metadata":{"finish_reason":"stop"}}
	// {"prompt_id":"q1","prompt":"Capital of France?","response":"Paris, of course.","judge_score":0.8,"oracle_label":null,"inclusion_prob":null,"draw_idx":0}
	// sampling
	// logprobs q1/bigger/0: failed: timeout: no answer in 60s
}

// Two versions of a prompt logged, each of them some of the prompts: every response is scored
// under both, and names its own.
func ExampleJoin_loggers() {
	of := func(prompt, policy, text string) dataset.Response {
		return dataset.Response{PromptID: prompt, Policy: policy, Text: &text, FinishReason: "stop"}
	}
	scored := func(prompt, policy string, logProb float64) dataset.LogProb {
		return dataset.LogProb{PromptID: prompt, Policy: policy, LogProb: dataset.Known(logProb),
			Distribution: dataset.SamplingDistribution}
	}
	logs, _, err := dataset.Join(dataset.RunRecords{
		Logging: "logs", Loggers: map[string]string{"q1": "v1", "q2": "v2"}, Targets: []string{"v3"},
		Prompts: []dataset.Prompt{{ID: "q1", Text: "Capital of France?"}, {ID: "q2", Text: "Capital of Spain?"}},
		Responses: []dataset.Response{of("q1", "v1", "Paris."), of("q2", "v2", "Madrid."),
			of("q1", "v2", "Paris, I think.")},
		LogProbs: []dataset.LogProb{scored("q1", "v1", -1), scored("q1", "v2", -3), scored("q1", "v3", -2),
			scored("q2", "v1", -4), scored("q2", "v2", -1), scored("q2", "v3", -2)},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("pooled:", logs.Pooled)
	for _, s := range logs.Samples {
		fmt.Println(s.PromptID, s.Logger(), s.BasePolicyLogProb, s.TargetPolicyLogProbs)
	}
	fmt.Println("draws of v2:", len(logs.Draws["v2"]), "of v1:", len(logs.Draws["v1"]))
	// Output:
	// pooled: true
	// q1 v1 -1 map[v2:-3 v3:-2]
	// q2 v2 -1 map[v1:-4 v3:-2]
	// draws of v2: 1 of v1: 0
}

func ExampleIndex() {
	scores := []dataset.JudgeScore{{PromptID: "q1", Policy: "p0", Mean: dataset.Known(0.9)},
		{PromptID: "q1", Policy: "p0", Mean: dataset.Known(0.2)}}
	_, err := dataset.Index(scores)
	fmt.Println(err)
	// Output: dataset: duplicate id: dataset.JudgeScore q1/p0/0 occurs twice (keep one of the two)
}

// A file may be larger than memory: what is held is the sample.
func ExampleSource_Sample() {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "arena-55k.csv")
	const file = `id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie
30192,a,b,"[""Name a fruit.""]","[""Fig.""]","[""Lime.""]",1,0,0
30193,a,b,"[""name a  fruit.""]","[""Plum.""]","[""Pear.""]",0,1,0
30194,a,b
30195,a,b,"[""Name a tree."",""And another?""]","[""Ash."",""Elm.""]","[""Oak."",""Yew.""]",0,0,1
`
	if err := os.WriteFile(path, []byte(file), 0o666); err != nil {
		panic(err)
	}
	var aside strings.Builder
	in, err := dataset.File(path).Sample(dataset.ReadOptions{SetAside: &aside}, dataset.SampleOptions{N: 1, Seed: 42})
	if err != nil {
		panic(err)
	}
	fmt.Println(in.Format, "in", in.Container+":", in.Rows, "rows,", in.Eligible, "eligible")
	for _, a := range in.Attrition {
		if a.Dropped > 0 {
			fmt.Println(a.Dropped, a.Reason, a.Examples)
		}
	}
	fmt.Println(in.Prompts[0].ID, in.Prompts[0].Text)
	fmt.Print(aside.String())
	// Output:
	// arena-human-preference-55k in csv: 4 rows, 2 eligible
	// 1 malformed [line 4]
	// 1 duplicate text [line 2]
	// 30193 name a  fruit.
	// {"error":"3 cells, the header has 9 (put cells with delimiters or quotes between quotes)","line":4,"row":"30194,a,b"}
}

func ExampleNewRowReader() {
	rows, err := dataset.NewRowReader(strings.NewReader("prompt_id,prompt\np1,\"Say \"\"hi\"\".\"\n"), "prompts.csv")
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	line, object, err := rows.Next()
	fmt.Println(rows.Container(), line, string(object), err)
	// Output: csv 2 {"prompt_id":"p1","prompt":"Say \"hi\"."} <nil>
}

// Columns are found by their names, and labels are brought to [0, 1].
func ExampleReadTable() {
	csv := "qid,variant,human\nq1,control,4\nq1,new,5\nq2,control,\nq2,new,3\n"
	src := dataset.Source{Name: "my.csv", Open: func() (dataset.RowReader, error) {
		return dataset.NewRowReader(strings.NewReader(csv), "my.csv")
	}}
	t, err := dataset.ReadTable(src, dataset.TableOptions{Labels: dataset.Scale{Low: 1, High: 5}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range t.Samples {
		fmt.Println(t.Logging, s.PromptID, s.OracleLabel)
	}
	for _, d := range t.Draws["new"] {
		fmt.Println("new", d.PromptID, d.OracleLabel)
	}
	// Output:
	// control q1 0.75
	// control q2 missing
	// new q1 1
	// new q2 0.5
}

func ExampleSampleStrata() {
	var prompts []dataset.Prompt
	for i := range 100 {
		language := "English"
		if i%4 == 0 {
			language = "German"
		}
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprint(i), Metadata: map[string]any{"language": language}})
	}
	sample, err := dataset.SampleStrata(prompts, dataset.SampleOptions{N: 8, Seed: 42, By: "language"})
	if err != nil {
		panic(err)
	}
	count := map[any]int{}
	for _, p := range sample {
		count[p.Metadata["language"]]++
	}
	fmt.Println(count)
	// Output: map[English:6 German:2]
}

// A draw without a score is kept where CJE does not look.
func ExampleWriteFreshDraws() {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	err = dataset.WriteFreshDraws(dir, "bigger", []dataset.FreshDraw{
		{PromptID: "q1", Response: "Paris.", JudgeScore: dataset.Known(0.9)},
		{PromptID: "q2", Response: "?"},
	})
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"bigger_responses.jsonl", "unscored/bigger_responses.jsonl"} {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		fmt.Print(name, " ", string(b))
		if err != nil {
			panic(err)
		}
	}
	draws, err := dataset.ReadFreshDraws(dir)
	fmt.Println(len(draws["bigger"]), err)
	// Output:
	// bigger_responses.jsonl {"prompt_id":"q1","prompt":"","response":"Paris.","judge_score":0.9,"oracle_label":null,"inclusion_prob":null,"draw_idx":0}
	// unscored/bigger_responses.jsonl {"prompt_id":"q2","prompt":"","response":"?","judge_score":null,"oracle_label":null,"inclusion_prob":null,"draw_idx":0}
	// 2 <nil>
}

func ExampleWriteSamplesCSV() {
	samples := []dataset.Sample{{
		PromptID: "q1", Prompt: "Rhyme, please.", Response: "Moon\nJune", BasePolicyLogProb: dataset.Known(-3.5),
		TargetPolicyLogProbs: map[string]dataset.Float{"bigger": dataset.Float{}},
		JudgeScore:           dataset.Known(0.5), Metadata: map[string]any{"finish_reason": "stop"},
	}}
	var out strings.Builder
	if err := dataset.WriteSamplesCSV(&out, []string{"bigger"}, slices.Values(samples)); err != nil {
		panic(err)
	}
	fmt.Print(strings.ReplaceAll(out.String(), "\r\n", "\n"))
	// Output:
	// prompt_id,prompt,response,base_policy_logprob,target_policy_logprobs.bigger,judge_score,oracle_label,inclusion_prob,metadata
	// q1,"Rhyme, please.","Moon
	// June",-3.5,,0.5,,,"{""finish_reason"":""stop""}"
}
