package batch_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/providers/sim"
)

// A batch costs half and may take a day. Whoever is interrupted calls Run
// again with the same store, run and requests; here the first call ends before
// the batch does, and the second one reads what was paid for.
func ExampleRunner_Run() {
	server := sim.New(sim.Config{})
	defer server.Close()
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "sim")
	if err != nil {
		log.Fatal(err)
	}
	provider, err := providers.NewOpenAI(providers.HTTPConfig{
		BaseURL: server.OpenAIURL(), Key: providers.NewSecret("any-key"), HTTP: server.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	client, err := providers.NewClient(provider, providers.ClientConfig{
		Prices: prices, Budget: providers.NewBudget(1),
		OnAttempt: func(e providers.Entry) {
			if e.Call == "poll" { // submitted, saved, and asked for once
				interrupt()
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	var requests []providers.GenerateRequest
	for i := range 3 {
		requests = append(requests, providers.GenerateRequest{
			Tag:      providers.Tag{Stage: "oracle", Key: dataset.Key{PromptID: fmt.Sprintf("q%d", i)}},
			Model:    sim.OracleModel,
			Messages: []dataset.Message{{Role: "user", Content: fmt.Sprintf("What is the square of %d?", i)}},
			Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 8},
		})
	}
	dir, err := os.MkdirTemp("", "batches")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	records, err := journal.Open(dir, journal.Options{}) // a later process opens the same folder
	if err != nil {
		log.Fatal(err)
	}
	defer records.Close()
	store := batch.NewJournalStore(records)
	config := batch.Config{Store: store, Run: "example", PollMin: time.Millisecond, PollMax: time.Millisecond}
	runner := batch.New(client)
	_, err = runner.Run(ctx, config, requests)
	fmt.Println("interrupted:", err != nil)

	results, err := runner.Run(context.Background(), config, requests)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range requests {
		got := results[r.Tag]
		fmt.Println(r.Tag.Key.PromptID, got.Err, got.Generation.FinishReason, got.Generation.Usage.CompletionTokens)
	}
	bill := server.Bill().Total
	fmt.Println("lines billed:", bill.BatchCalls)
	// Stops what a run left at the server; here all of it has ended.
	fmt.Println("cancelled:", runner.Cancel(context.Background(), config))
	// Output:
	// interrupted: true
	// q0 <nil> length 8
	// q1 <nil> length 8
	// q2 <nil> length 8
	// lines billed: 3
	// cancelled: <nil>
}
