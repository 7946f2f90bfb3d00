package providertest_test

import (
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// The simulator is the service that the whole project is developed against, so
// the providers keep their contract over it too, and a generated token's
// log-prob is exactly its score.
func TestProvidersConformOverTheSimulator(t *testing.T) {
	config := func(t *testing.T, path string) providers.HTTPConfig {
		s := sim.New(sim.Config{})
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return providers.HTTPConfig{BaseURL: s.URL() + path, Key: providers.NewSecret("dummy"), HTTP: s.Client()}
	}
	t.Run("fireworks", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providers.Provider {
			p, err := providers.NewFireworks(config(t, "/inference/v1"))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}, providertest.Options{Model: sim.ScoutModel, LogProbs: true, Score: true, Seeded: true, TokenIDs: true})
	})
	t.Run("openai", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providers.Provider {
			p, err := providers.NewOpenAI(config(t, "/v1"))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}, providertest.Options{Model: sim.JudgeModel, LogProbs: true, ChatOnly: true, Seeded: true})
	})
}
