package providertest_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// implementation is one of ours, over a server.
type implementation struct {
	path    string
	options providertest.Options
	make    func(providers.HTTPConfig) (providers.Provider, error)
}

var implementations = map[string]implementation{
	"fireworks": {
		"/inference/v1", providertest.Options{Model: sim.ScoutModel, LogProbs: true, Score: true, Seeded: true,
			TokenIDs: true},
		func(c providers.HTTPConfig) (providers.Provider, error) { return providers.NewFireworks(c) },
	},
	"openai": {
		"/v1", providertest.Options{Model: sim.JudgeModel, LogProbs: true, ChatOnly: true, Seeded: true},
		func(c providers.HTTPConfig) (providers.Provider, error) { return providers.NewOpenAI(c) },
	},
	"vllm": {
		"/vllm/v1", providertest.Options{Model: sim.ScoutModel, LogProbs: true, Score: true, ChatScore: true, Seeded: true,
			TokenIDs: true},
		func(c providers.HTTPConfig) (providers.Provider, error) {
			return providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: c, Quirks: providers.VLLM()})
		},
	},
	// The simulator's Fireworks side speaks the old log-prob format too, which
	// is what a server of one's own is asked for.
	"compatible": {
		"/inference/v1", providertest.Options{Model: sim.MaverickModel, LogProbs: true, Score: true, Seeded: true,
			TokenIDs: true},
		func(c providers.HTTPConfig) (providers.Provider, error) {
			return providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: c, Quirks: providers.Quirks{Echo: true,
				TopK: true, TokenIDs: true}})
		},
	},
}

func (i implementation) over(t *testing.T, faults string) providers.Provider {
	t.Helper()
	f, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	s := sim.New(sim.Config{Faults: f})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := i.make(providers.HTTPConfig{BaseURL: s.URL() + i.path, Key: providers.NewSecret("dummy"), HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The simulator is the service that the whole project is developed against, so
// the providers keep their contract over it too, and a generated token's
// log-prob is exactly its score.
func TestProvidersConformOverTheSimulator(t *testing.T) {
	for name, i := range implementations {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providers.Provider { return i.over(t, "") }, i.options)
		})
	}
}

// client is a [providers.Client] as a provider: its calls succeed where single
// attempts do not.
type client struct{ *providers.Client }

func (c client) Name() string { return c.Provider().Name() }

// With every transport fault at 5% of the attempts, a client over each provider
// still keeps the whole contract.
func TestClientsConformOverFaults(t *testing.T) {
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices")
	if err != nil {
		t.Fatal(err)
	}
	// The suite asks for a model that is not there, which a client without a
	// price would refuse before the server can.
	prices.Models["no-such-model-anywhere"] = providers.Price{Input: 1, Output: 1}
	attempts := 0
	for name, i := range implementations {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providers.Provider {
				p := i.over(t, "429=0.05,500=0.05,503=0.05,reset=0.05,truncate=0.05,slow=0.05:1ms")
				ledger := &providers.MemoryLedger{}
				c, err := providers.NewClient(p, providers.ClientConfig{Prices: prices, Ledger: ledger,
					Retry: providers.Retry{Base: time.Millisecond, Attempts: 12}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					for _, e := range ledger.Entries() {
						if e.Attempt > 1 {
							attempts++
						}
					}
				})
				return client{c}
			}, i.options)
		})
	}
	if attempts == 0 {
		t.Error("nothing was tried again: the faults did not reach the client")
	}
}
