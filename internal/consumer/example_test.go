package consumer_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// README begins

// weigh says how far responses logged under p0 can speak for another policy.
func weigh(ctx context.Context, client *providers.Client, p0, target offpolicy.Policy, prompts []dataset.Prompt, responses []teacherforce.Response) (*offpolicy.Weights, error) {
	forcer, err := teacherforce.New(teacherforce.Config{Scorer: client})
	if err != nil {
		return nil, err
	}
	// The log-prob of every logged response under p, in nats.
	score := func(p offpolicy.Policy) []float64 {
		out := make([]float64, len(prompts))
		for i, prompt := range prompts {
			key := dataset.Key{PromptID: prompt.ID, Policy: p.Name}
			tag := providers.Tag{Stage: "logprobs", Key: key.String(), Policy: p.Name}
			r, err := forcer.Score(ctx, tag, p, prompt, responses[i])
			if err != nil {
				out[i] = math.NaN() // missing is never a number
				continue
			}
			out[i] = r.LogProb.OrNaN()
		}
		return out
	}
	ratios, err := offpolicy.LogRatios(score(target), score(p0))
	if err != nil {
		return nil, err
	}
	return offpolicy.NewWeights(ratios)
}

// README ends

func Example_weigh() {
	ctx := context.Background()
	server := sim.New(sim.Config{})
	defer server.Close()
	client := simulated(server)

	p0 := offpolicy.Policy{
		Name: "p0", Model: sim.ScoutModel, Template: "llama4",
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, TopK: 0, MaxTokens: 64},
	}
	clone, other := p0, p0
	clone.Name = "clone"
	other.Name, other.Model = "bigger", sim.MaverickModel

	var prompts []dataset.Prompt
	var responses []teacherforce.Response
	for i, text := range []string{"Why do cats purr?", "What is 17 * 23?", "Write a haiku about the first snow."} {
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprint(i), Text: text})
		responses = append(responses, teacherforce.Response{Text: "That depends on how you look at it.", Ended: true})
	}
	for _, target := range []offpolicy.Policy{clone, other} {
		w, err := weigh(ctx, client, p0, target, prompts, responses)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d rows, all weights 1: %v, usable: %v\n", target.Name, w.N, w.ESS == 3 && w.Mean == 1, w.Usable())
	}
	// Output:
	// clone: 3 rows, all weights 1: true, usable: false
	// bigger: 3 rows, all weights 1: false, usable: false
}

func simulated(server *sim.Server) *providers.Client {
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices")
	if err != nil {
		log.Fatal(err)
	}
	p, err := providers.NewFireworks(providers.HTTPConfig{
		BaseURL: "http://sim/inference/v1", Key: providers.NewSecret("any"), HTTP: server.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := providers.NewClient(p, providers.ClientConfig{Prices: prices})
	if err != nil {
		log.Fatal(err)
	}
	return client
}
