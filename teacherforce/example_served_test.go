package teacherforce_test

import (
	"context"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// A model whose template nobody here knows: the server renders, and ids are scored.
func ExampleForcer_ScoreIDs() {
	server := sim.New(sim.Config{})
	defer server.Close()
	vllm, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: server.VLLMURL(), Key: providers.NewSecret("any"), HTTP: server.Client()},
		Quirks:     providers.VLLM(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, tag := context.Background(), providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: "p0"}}
	q := dataset.Prompt{ID: "q1", Text: "Name a river."}
	p, err := teacherforce.Identify(ctx, vllm, offpolicy.Policy{Name: "p0", Model: sim.PolyglotModelOf("gemma2"),
		Template: teacherforce.ServerTemplate(nil), Sampling: scout.Sampling})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Template)

	ids, err := teacherforce.ContextIDs(ctx, vllm, tag, p, q)
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := vllm.Generate(ctx, teacherforce.GenerateAfter(tag, p, ids, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := teacherforce.New(teacherforce.Config{Scorer: vllm})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := f.ScoreIDs(ctx, tag, p, q.ID, ids, teacherforce.ResponseOf(p, g))
	fmt.Printf("%.3f over %d tokens by %s %v\n", res.LogProb.OrNaN(), res.Tokens, res.Method, err)
	// Output:
	// server:22ca8dc9b1868b1b
	// -45.685 over 8 tokens by token_ids <nil>
}
