package batch_test

import (
	"math"
	"testing"
	"testing/synctest"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/providers/sim"
)

// The discount is the table's: a quarter here, where the default is a half.
func TestBatchDiscountComesFromTheTable(t *testing.T) {
	cost := func(factor float64) (usd float64) {
		synctest.Test(t, func(t *testing.T) {
			e := newBatchEnv(t, sim.Config{})
			prices := simPrices(t)
			price := prices.Models[sim.OracleModel]
			price.Batch = factor
			prices.Models[sim.OracleModel] = price
			p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: e.server.OpenAIURL(), Key: providers.NewSecret(key),
				HTTP: e.server.Client()})
			if err != nil {
				t.Fatal(err)
			}
			c, err := providers.NewClient(p, providers.ClientConfig{Prices: prices, Ledger: e.ledger})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := batch.New(c).Run(t.Context(), e.config, batchRequests(4)); err != nil {
				t.Fatal(err)
			}
			for _, entry := range e.ledger.Entries() {
				usd += float64(entry.Cost)
			}
			e.server.Close()
		})
		return usd
	}
	half, quarter := cost(0), cost(0.25)
	if half <= 0 || math.Abs(quarter/half-0.5) > 1e-9 {
		t.Errorf("at a quarter of the price $%v, at the default $%v: want half of it", quarter, half)
	}
}
