package batch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestRouterBatches: the batches of a model go to its own endpoint, under the name and the
// price that it is asked for by; a model whose endpoint takes none is refused by itself.
func TestRouterBatches(t *testing.T) {
	s := sim.New(sim.Config{})
	defer s.Close()
	open := func(k providers.Kind, url string) providers.Provider {
		p, err := providers.NewOfKind(k, string(k), "", providers.HTTPConfig{BaseURL: url, HTTP: s.Client(),
			Key: providers.NewSecret(key)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	router, err := providers.NewRouter(
		providers.Endpoint{Name: "local", Provider: open(providers.KindVLLM, s.VLLMURL()), Free: true},
		providers.Endpoint{Name: "o", Provider: open(providers.KindOpenAI, s.OpenAIURL())})
	if err != nil {
		t.Fatal(err)
	}
	requests := batchRequests(3)
	for i := range requests {
		requests[i].Model = "o/" + sim.OracleModel
	}
	requests[2].Model = sim.OracleModel // of the first endpoint
	var ledger providers.MemoryLedger
	c, err := providers.NewClient(router, providers.ClientConfig{Ledger: &ledger,
		Prices: router.Prices(simPrices(t), requests[0].Model, requests[2].Model)})
	if err != nil {
		t.Fatal(err)
	}
	config := batch.Config{Store: &batch.MemoryStore{}, Run: "test", PollMin: 1, PollMax: 1}
	results, err := batch.New(c).Run(t.Context(), config, requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, req := range requests[:2] {
		if r := results[req.Tag]; r.Err != nil || r.Generation.Text == "" || r.Generation.Meta.Model != req.Model {
			t.Errorf("%v: %q of %q, %v", req.Tag, r.Generation.Text, r.Generation.Meta.Model, r.Err)
		}
	}
	if err := results[requests[2].Tag].Err; !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the other endpoint takes no batches: %v", err)
	}
	lines := 0
	for _, e := range ledger.Entries() {
		if e.Provider != "o" || e.Model != "o/"+sim.OracleModel {
			t.Errorf("an attempt at %s of %q: every one is the second endpoint's", e.Model, e.Provider)
		}
		if e.Endpoint == "batch" && e.Cost > 0 {
			lines++
		}
	}
	if lines != 2 {
		t.Errorf("%d lines were paid, want 2", lines)
	}
}

// TestRouterBatchesMoved: what was bought at one endpoint is no answer of another's, though a line
// says nothing of either. The endpoint may be gone, and the model's name then leads elsewhere.
func TestRouterBatchesMoved(t *testing.T) {
	s := sim.New(sim.Config{})
	defer s.Close()
	local, err := providers.NewOfKind(providers.KindVLLM, "local", "", providers.HTTPConfig{BaseURL: s.VLLMURL(),
		HTTP: s.Client(), Key: providers.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	paid, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: s.OpenAIURL(), HTTP: s.Client(),
		Key: providers.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	config := batch.Config{Store: &batch.MemoryStore{}, Run: "test", PollMin: 1, PollMax: 1}
	run := func(name string) error {
		router, err := providers.NewRouter(providers.Endpoint{Name: "local", Provider: local, Free: true},
			providers.Endpoint{Name: name, Provider: paid})
		if err != nil {
			t.Fatal(err)
		}
		requests := batchRequests(1)
		requests[0].Model = name + "/" + sim.OracleModel
		c, err := providers.NewClient(router, providers.ClientConfig{Prices: router.Prices(simPrices(t), requests[0].Model)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = batch.New(c).Run(t.Context(), config, requests)
		return err
	}
	if err := run("o"); err != nil {
		t.Fatal(err)
	}
	if err := run("p"); err == nil || !strings.Contains(err.Error(), "differs") {
		t.Errorf("the answers of another endpoint: %v", err)
	}
}
