package providers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shownkey"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestKeyIsNotLogged logs at debug level all that a program can see of its calls, to a server
// that shows the key in everything it says: settings, attempts, results, errors.
func TestKeyIsNotLogged(t *testing.T) {
	for _, spec := range []string{"", "noecho=1", "wrongtemplate=1,order=1",
		"429=0.1,500=0.1,503=0.1,reset=0.05,truncate=0.1,slow=0.1:1ms,zero=0.1,positive=0.1,null=0.1,badjson=0.2," +
			"empty=0.1,cut=0.1,drift=0.2,expensive=1.1,noise=0.01"} {
		faults, err := sim.ParseFaults(spec)
		if err != nil {
			t.Fatal(err)
		}
		s := sim.New(sim.Config{Faults: faults, Seed: 7})
		defer s.Close()
		server := httptest.NewServer(shownkey.Echo(s.Handler()))
		defer server.Close()
		var text, lines bytes.Buffer
		level := &slog.HandlerOptions{Level: slog.LevelDebug}
		logs := []*slog.Logger{slog.New(slog.NewTextHandler(&text, level)), slog.New(slog.NewJSONHandler(&lines, level))}
		log := func(what string, v any) {
			for _, l := range logs {
				l.Debug(what, "value", v, "fields", fmt.Sprintf("%+v", v), "source", fmt.Sprintf("%#v", v))
			}
		}
		settings := providers.HTTPConfig{BaseURL: server.URL + "/inference/v1", Key: providers.NewSecret(shownkey.Key)}
		fireworks, err := providers.NewFireworks(settings)
		if err != nil {
			t.Fatal(err)
		}
		prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices.json")
		if err != nil {
			t.Fatal(err)
		}
		config := providers.ClientConfig{Prices: prices, Concurrency: 1,
			Retry:     providers.Retry{Attempts: 2, Base: 1, Max: 1},
			OnAttempt: func(e providers.Entry) { log("attempt", e) }}
		client, err := providers.NewClient(fireworks, config)
		if err != nil {
			t.Fatal(err)
		}
		log("settings", settings)
		log("provider", *fireworks)
		failed := 0
		report := func(v any, err error) {
			log("result", v)
			if err != nil {
				failed++
				log("error", err)
			}
		}
		for i := range 30 {
			tag := providers.Tag{Stage: "p0", Key: dataset.Key{PromptID: fmt.Sprint(i), Policy: "p0"}}
			seed := int64(i)
			g, err := client.Generate(t.Context(), providers.GenerateRequest{Tag: tag, Model: sim.ScoutModel, Prompt: "Why?",
				Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 8}, Seed: &seed, LogProbs: true})
			report(g, err)
			score, err := client.ScorePrompt(t.Context(), providers.ScoreRequest{Tag: tag, Model: sim.ScoutModel,
				Prompt: "Why is the sky blue?"})
			report(score, err)
		}
		models, err := client.Models(t.Context())
		report(models, err)
		if text.Len() < 10_000 || spec != "" && failed == 0 && spec[0] == '4' {
			t.Fatalf("faults %q: %d bytes were logged, %d calls failed", spec, text.Len(), failed)
		}
		for form, b := range map[string]*bytes.Buffer{"text": &text, "JSON": &lines} {
			if found := shownkey.In(b.String()); len(found) > 0 {
				t.Errorf("faults %q: the %s log shows the key %q", spec, form, found)
			}
		}
	}
}
