package providers_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// stub is a service that always answers the same.
func stub(body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) }))
}

func question(model string) providers.GenerateRequest {
	return providers.GenerateRequest{
		Tag:      providers.Tag{Stage: "p0", Key: dataset.Key{PromptID: "q1", Policy: "p0"}},
		Model:    model,
		Messages: []dataset.Message{{Role: "user", Content: "What is the capital of France?"}},
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, TopK: 0, MaxTokens: 64},
	}
}

// A client adds retries, a budget and a ledger to any provider.
func ExampleClient() {
	service := stub(`{"model":"gpt-4o-mini","choices":[{"message":{"content":"Paris."},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":2}}`)
	defer service.Close()

	provider, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: service.URL + "/v1",
		Key: providers.NewSecret("sk-never-shown")})
	if err != nil {
		log.Fatal(err)
	}
	budget := providers.NewBudget(0.50)
	var ledger providers.MemoryLedger
	client, err := providers.NewClient(provider, providers.ClientConfig{Prices: providers.DefaultPrices(), Budget: budget,
		Ledger: &ledger})
	if err != nil {
		log.Fatal(err)
	}
	got, err := client.Generate(context.Background(), question("gpt-4o-mini"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(got.Text, got.FinishReason, got.Meta.Attempts)
	fmt.Println("spent", budget.Spent())
	e := ledger.Entries()[0]
	fmt.Println(e.Stage, e.Key, e.Outcome, e.PromptTokens, e.CompletionTokens)
	// Output:
	// Paris. stop 1
	// spent $0.000003
	// p0 q1/p0/0 ok 14 2
}

// Errors say what failed, and of which class, which decides what may help.
func ExampleError() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"error":{"message":"You exceeded your current quota.","code":"insufficient_quota"}}`,
			http.StatusTooManyRequests)
	}))
	defer service.Close()
	provider, _ := providers.NewOpenAI(providers.HTTPConfig{BaseURL: service.URL + "/v1",
		Key: providers.NewSecret("sk-never-shown")})

	_, err := provider.Generate(context.Background(), question("gpt-4o-mini"))
	var e *providers.Error
	if errors.As(err, &e) {
		fmt.Println(e.Class, e.Class.Retryable())
	}
	fmt.Println(err)
	// Output:
	// quota false
	// providers: openai generate gpt-4o-mini [p0 q1/p0/0]: quota (HTTP 429): You exceeded your current quota. (add credit to the account of OPENAI_API_KEY or raise its limit, then resume)
}

// Scoring returns the log-prob of every token of a text that is given.
func ExampleFireworks_ScorePrompt() {
	service := stub(`{"choices":[{"text":"The sky is blue","prompt_token_ids":[10,11,12,13],"logprobs":{"content":[
		{"token":"The","logprob":-4.5,"text_offset":0},{"token":" sky","logprob":-3.25,"text_offset":3},
		{"token":" is","logprob":-0.5,"text_offset":7},{"token":" blue","logprob":-0.75,"text_offset":10}]}}]}`)
	defer service.Close()
	provider, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: service.URL,
		Key: providers.NewSecret("fw-never-shown")})
	if err != nil {
		log.Fatal(err)
	}
	score, err := provider.ScorePrompt(context.Background(), providers.ScoreRequest{Model: "m",
		Prompt: "The sky is blue"})
	if err != nil {
		log.Fatal(err)
	}
	sum := 0.0
	for _, t := range score.Tokens[1:] { // nothing precedes the first
		fmt.Printf("%3d %q %.2f\n", t.ID, t.Text, t.LogProb.OrNaN())
		sum += t.LogProb.OrNaN() // NaN, where one is missing, makes the sum NaN
	}
	fmt.Println(sum)
	// Output:
	//  11 " sky" -3.25
	//  12 " is" -0.50
	//  13 " blue" -0.75
	// -4.5
}

// What OpenAI does not have is told apart from what failed.
func ExampleOpenAI_ScorePrompt() {
	provider, err := providers.NewOpenAI(providers.HTTPConfig{Key: providers.NewSecret("sk-never-shown")})
	if err != nil {
		log.Fatal(err)
	}
	_, err = provider.ScorePrompt(context.Background(), providers.ScoreRequest{Model: "gpt-4o",
		Prompt: "The sky is blue"})
	fmt.Println(errors.Is(err, errors.ErrUnsupported))
	// Output: true
}

// A vLLM server of one's own, which needs no key.
func ExampleNewCompatible() {
	service := stub(`{"choices":[{"text":"","logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1.5]}}]}`)
	defer service.Close()
	provider, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: service.URL + "/v1"},
		Name:       "lab",
		Quirks:     providers.VLLM(),
	})
	if err != nil {
		log.Fatal(err)
	}
	score, err := provider.ScorePrompt(context.Background(), providers.ScoreRequest{Model: "m", Prompt: "Hi there"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(provider.Name(), !score.Tokens[0].LogProb.Valid(), score.Tokens[1].LogProb.OrNaN())
	// Output: lab true -1.5
}

func ExampleNewFireworks() {
	_, err := providers.NewFireworks(providers.HTTPConfig{})
	fmt.Println(err)
	// Output: providers: fireworks configure: auth: no API key (set FIREWORKS_API_KEY)
}

func ExampleNewOpenAI() {
	key := providers.NewSecret("sk-never-shown")
	provider, err := providers.NewOpenAI(providers.HTTPConfig{Key: key})
	fmt.Println(provider.Name(), key, err)
	// Output: openai [redacted] <nil>
}

// An error's class decides whether it is tried again: here, two failures that
// pass, then an answer.
func ExampleNewClient() {
	attempts := 0
	flaky := providertest.Func{OnGenerate: func(context.Context, providers.GenerateRequest) (providers.Generation,
		error) {
		if attempts++; attempts < 3 {
			return providers.Generation{}, &providers.Error{Class: providers.ClassOverloaded, Status: 503}
		}
		return providers.Generation{Text: "Paris.", Usage: &providers.Usage{PromptTokens: 14, CompletionTokens: 2}}, nil
	}}
	client, err := providers.NewClient(flaky, providers.ClientConfig{
		Prices: providers.Prices{Date: "2026-11-22",
			Models: map[string]providers.Price{"m": {Input: 0.15, Output: 0.60}}},
		Retry:     providers.Retry{Base: 1, Max: 1}, // nanoseconds
		OnAttempt: func(e providers.Entry) { fmt.Println(e.Attempt, e.Outcome, e.Cost) },
	})
	if err != nil {
		log.Fatal(err)
	}
	got, err := client.Generate(context.Background(), question("m"))
	fmt.Println(got.Text, err)
	// Output:
	// 1 overloaded $0.00
	// 2 overloaded $0.00
	// 3 ok $0.000003
	// Paris. <nil>
}

func ExampleBudget() {
	b := providers.NewBudget(1.00)
	ctx := context.Background()
	fmt.Println(b.Reserve(ctx, 0.80)) // before the call
	fmt.Println(b.Reserved(), "is reserved")
	b.Settle(0.80, 0.30) // after it
	fmt.Println(b.Reserve(ctx, 0.60))
	b.Settle(0.60, 0.60)
	fmt.Println(b.Spent(), "of", b.Limit())
	fmt.Println(errors.Is(b.Reserve(ctx, 0.20), providers.ErrBudget))
	// Output:
	// <nil>
	// $0.800000 is reserved
	// <nil>
	// $0.900000 of $1.00
	// true
}

func ExampleReadPrices() {
	own, err := providers.ReadPrices(strings.NewReader(`{
  "date": "2026-11-20",
  "models": {"my-model": {"input": 0.10, "output": 0.40}}
}`), "prices.json")
	if err != nil {
		log.Fatal(err)
	}
	prices := providers.DefaultPrices().Merge(own)
	price, _ := prices.For("my-model")
	fmt.Println(price.Cost(providers.Usage{PromptTokens: 1_000_000, CompletionTokens: 500_000}))
	_, err = prices.For("my-modle")
	fmt.Println(errors.Is(err, providers.ErrNoPrice))

	_, err = providers.ReadPrices(strings.NewReader(`{
  "date": "2026-11-20",
  "models": {"my-model": {"input": 0.10}}
}`), "prices.json")
	fmt.Println(err)
	// Output:
	// $0.300000
	// true
	// providers: prices prices.json:3: model "my-model": "input" and "output" are required, in USD per million tokens
}

func ExampleDefaultPrices() {
	price, err := providers.DefaultPrices().For("gpt-4o-mini")
	fmt.Println(float64(price.Input), float64(price.CachedInput), float64(price.Output), err)
	// Output: 0.15 0.075 0.6 <nil>
}

func ExampleRequestID() {
	fmt.Println(providers.RequestID(providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: "pi"},
		Call: "joint"}))
	// Output: logprobs-6322a336da581a2b-joint
}

func ExampleNewSecret() {
	s := providers.NewSecret("sk-never-shown")
	fmt.Printf("%v %+v %s\n", s, struct{ key providers.Secret }{s}.key, s)
	fmt.Fprint(os.Stdout, len(s.Reveal()), "\n")
	// Output:
	// [redacted] [redacted] [redacted]
	// 14
}

// A team's share of a key: the client keeps to 120 requests a minute, evenly,
// and to the server's own limits once it has announced them.
func ExampleClient_LimitStatus() {
	s := sim.New(sim.Config{Limits: sim.Limits{RequestsPerMinute: 600, TokensPerMinute: 90_000}})
	defer s.Close()
	p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: s.OpenAIURL(), Key: providers.NewSecret("example-key"),
		HTTP: s.Client()})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := providers.NewClient(p, providers.ClientConfig{
		Concurrency: 8,
		Limits:      providers.Limits{RequestsPerMinute: 120},
		Prices:      providers.DefaultPrices(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Generate(context.Background(), providers.GenerateRequest{
		Tag:   providers.Tag{Stage: "oracle", Key: dataset.Key{PromptID: "q1"}},
		Model: "gpt-4o", Messages: []dataset.Message{{Role: "user", Content: "Why is the sky blue?"}},
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 20},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	status := client.LimitStatus("gpt-4o")
	fmt.Println(status.Limits.RequestsPerMinute, "requests and", status.Limits.TokensPerMinute, "tokens a minute,",
		status.Concurrency, "at once")
	// Output: 120 requests and 90000 tokens a minute, 8 at once
}
