package beam_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"

	sdk "github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/beam"
)

// Two files are read by workers and evaluated as one.
func ExampleEvaluate() {
	dir, err := os.MkdirTemp("", "beam")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var in beam.Files
	for part := range 2 {
		var rows []dataset.Sample
		for i := part; i < 400; i += 2 {
			score := float64(i*37%400) / 400
			x := dataset.Sample{PromptID: fmt.Sprint("q", i), Response: "a response", JudgeScore: dataset.Known(score),
				BasePolicyLogProb:    dataset.Known(-20),
				TargetPolicyLogProbs: map[string]dataset.Float{"warmer": dataset.Known(-20 + math.Log(.5+score))}}
			if i%4 == 0 {
				x.OracleLabel = dataset.Known(.2 + .5*score + .1*float64(i%3))
			}
			rows = append(rows, x)
		}
		name := filepath.Join(dir, fmt.Sprintf("part%d.jsonl", part))
		err := dataset.WriteFile(name, func(w io.Writer) error { return dataset.WriteJSONL(w, slices.Values(rows)) })
		if err != nil {
			log.Fatal(err)
		}
		in.Logged = append(in.Logged, name)
	}

	p, s := sdk.NewPipelineWithRoot()
	outcome, err := beam.Evaluate(s, in, beam.Evaluation{Plan: offpolicy.Plan{Logging: "base", Judge: "rubric@1"},
		Config: offpolicy.Config{Seed: 42}})
	if err != nil {
		log.Fatal(err)
	}
	beam.Write(s, outcome, filepath.Join(dir, "evaluation.json"))
	if _, err := sdk.Run(context.Background(), "prism", p); err != nil {
		log.Fatal(err)
	}

	b, err := os.ReadFile(filepath.Join(dir, "evaluation.json"))
	if err != nil {
		log.Fatal(err)
	}
	var d offpolicy.Document
	if err := json.Unmarshal(b, &d); err != nil {
		log.Fatal(err)
	}
	e := d.Policies["warmer"].Estimators["dr"]
	fmt.Printf("%d rows: warmer %.3f [%.3f, %.3f]\n", d.Rows, e.Value.OrNaN(), e.CI[0].OrNaN(), e.CI[1].OrNaN())
	// Output:
	// 400 rows: warmer 0.592 [0.568, 0.615]
}
