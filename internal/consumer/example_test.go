package consumer_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// README begins

// weigh says how far responses logged under p0 can speak for another policy.
func weigh(ctx context.Context, client *providers.Client, p0, target offpolicy.Policy,
	logged []teacherforce.Logged) (*offpolicy.Weights, error) {
	forcer, err := teacherforce.New(teacherforce.Config{Scorer: client})
	if err != nil {
		return nil, err
	}
	// The log-prob of every logged response under both policies. A response that
	// cannot be scored keeps its place and its reason; what would stop all of them,
	// such as a spent budget, is an error.
	base, err := forcer.ScoreAll(ctx, p0, logged)
	if err != nil {
		return nil, err
	}
	scores, err := forcer.ScoreAll(ctx, target, logged)
	if err != nil {
		return nil, err
	}
	// Refused if a policy samples at another temperature than its log-probs are of.
	ratios, err := teacherforce.LogRatios(scores, base)
	if err != nil {
		return nil, err
	}
	return offpolicy.WeightsFromLogRatios(ratios)
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

	var logged []teacherforce.Logged
	for i, text := range []string{"Why do cats purr?", "What is 17 * 23?", "Write a haiku about the first snow."} {
		logged = append(logged, teacherforce.Logged{
			Prompt:   dataset.Prompt{ID: fmt.Sprint(i), Text: text},
			Response: teacherforce.Response{Text: "That depends on how you look at it.", Ended: true},
		})
	}
	for _, target := range []offpolicy.Policy{clone, other} {
		w, err := weigh(ctx, client, p0, target, logged)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d rows, all weights 1: %v, usable: %v\n", target.Name, w.N, w.ESS == 3 && w.Mean == 1, w.Usable())
	}
	// Output:
	// clone: 3 rows, all weights 1: true, usable: false
	// bigger: 3 rows, all weights 1: false, usable: false
}

func simulated(server *sim.Server) *providers.Client { return simulatedWithin(server, nil) }

// simulatedWithin has a budget, unless it is nil.
func simulatedWithin(server *sim.Server, budget *providers.Budget) *providers.Client {
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices")
	if err != nil {
		log.Fatal(err)
	}
	prices.Models["accounts/fireworks/models/no-such-model"] = prices.Models[sim.ScoutModel]
	p, err := providers.NewFireworks(providers.HTTPConfig{
		BaseURL: "http://sim/inference/v1", Key: providers.NewSecret("any"), HTTP: server.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := providers.NewClient(p, providers.ClientConfig{Prices: prices, Budget: budget})
	if err != nil {
		log.Fatal(err)
	}
	return client
}
