package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/endpoints"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// connect sets the two providers and their prices.
func connect(o options, cfg *pilot.Config) (closeAll func(), err error) {
	if o.batchLabels {
		cfg.BatchLabels = &batch.Config{}
		if !o.live { // the simulator's batches move when they are asked for
			cfg.BatchLabels.PollMin, cfg.BatchLabels.PollMax = 10*time.Millisecond, 10*time.Millisecond
		}
	}
	public := endpoints.List{{URL: o.fireworksURL}, {URL: o.openaiURL}}
	if err := append(public, o.endpoints...).CheckPlain(o.insecureHTTP); err != nil {
		return nil, fmt.Errorf("%w, or allow it with -insecure-http", err)
	}
	if len(o.endpoints) > 0 {
		return func() {}, route(o, cfg)
	}
	if o.live {
		cfg.Origin = "live"
		cfg.Prices = providers.DefaultPrices()
		fireworks, errF := key("FIREWORKS_API_KEY", o.fireworksURL)
		openai, errO := key("OPENAI_API_KEY", o.openaiURL)
		if err := errors.Join(errF, errO); err != nil {
			return nil, err
		}
		if cfg.Policies, err = providers.NewFireworks(providers.HTTPConfig{BaseURL: o.fireworksURL,
			Key: fireworks}); err != nil {
			return nil, err
		}
		if cfg.Grader, err = providers.NewOpenAI(providers.HTTPConfig{BaseURL: o.openaiURL, Key: openai}); err != nil {
			return nil, err
		}
		return func() {}, nil
	}
	faults, err := sim.ParseFaults(o.faults)
	if err != nil {
		return nil, err
	}
	server := sim.New(sim.Config{Faults: faults, Seed: o.seed})
	if err := server.Start("127.0.0.1:0"); err != nil {
		return nil, err
	}
	cfg.Origin = strings.TrimSpace("simulator " + o.faults)
	cfg.Truth = simulatorsTruth(o, cfg.Arms)
	for i := range cfg.Arms {
		cfg.Arms[i].Vocabulary = cmp.Or(cfg.Arms[i].Vocabulary, sim.VocabularySize())
	}
	cfg.Retry, cfg.Pause = providers.Retry{Base: simulatedRetry}, 10*simulatedRetry
	if cfg.Prices, err = providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "the simulator's prices"); err != nil {
		return nil, err
	}
	anyKey := providers.NewSecret("simulated")
	if cfg.Policies, err = providers.NewFireworks(providers.HTTPConfig{BaseURL: server.FireworksURL(),
		Key: anyKey}); err != nil {
		return nil, err
	}
	if cfg.Grader, err = providers.NewOpenAI(providers.HTTPConfig{BaseURL: server.OpenAIURL(), Key: anyKey}); err != nil {
		return nil, err
	}
	return func() { server.Close() }, nil
}

// simulatorsTruth is what the simulator knows the policies to score on the bundled
// conversations, nil if it knows none of them, or if the run is of other prompts, or of a part
// of these that filters choose. Planted faults change what is measured, and not this.
func simulatorsTruth(o options, arms record.Arms) *record.Truth {
	if o.input != "" || !o.filters.plain() {
		return nil
	}
	t := &record.Truth{Name: "simulator's truth", Values: map[string]record.TrueValue{}}
	for _, a := range arms {
		if value, se, ok := sim.TrueValue(a.Policy, sim.Transported); ok {
			t.Values[a.Policy.Name] = record.TrueValue{Value: dataset.Known(value), SE: dataset.Known(se)}
		}
	}
	if len(t.Values) == 0 {
		return nil
	}
	return t
}

// route sets one provider for the servers that were declared, and another for judge and
// oracle if these are on servers of their own, whose failures then do not pause the
// others.
func route(o options, cfg *pilot.Config) error {
	cfg.Origin = "live"
	bos := map[string][]string{} // of the templates, by endpoint
	for _, a := range cfg.Arms {
		name := cmp.Or(a.Endpoint, o.endpoints[0].Name)
		if t, ok := chat.Lookup(a.Policy.Template); ok && !slices.Contains(bos[name], t.BOS()) {
			bos[name] = append(bos[name], t.BOS())
		}
	}
	all, err := o.endpoints.Open(bos, os.Getenv)
	if err != nil {
		return err
	}
	router, err := providers.NewRouter(all...)
	if err != nil {
		return err
	}
	cfg.Policies, cfg.Grader = router, router
	cfg.Prices = listPrices(router, append(cfg.Arms.Models(), o.judgeModel, o.oracleModel))
	graders := router.Endpoints(o.judgeModel, o.oracleModel)
	if !slices.ContainsFunc(router.Endpoints(cfg.Arms.Models()...),
		func(name string) bool { return slices.Contains(graders, name) }) {
		cfg.Grader, err = providers.NewRouter(all...)
	}
	return err
}

// listPrices is the table of public prices for the models that are not on this machine:
// what runs here costs nothing unless -prices says otherwise, whatever its name.
func listPrices(r *providers.Router, models []string) providers.Prices {
	all := providers.DefaultPrices()
	out := providers.Prices{Date: all.Date, Models: map[string]providers.Price{}}
	here := map[string]bool{}
	for _, m := range models {
		if e, local := r.Route(m); e.Free {
			here[local] = true
		}
	}
	for _, m := range models {
		e, local := r.Route(m)
		price, ok := all.Models[local]
		switch {
		case e.Free || !ok:
		case here[local]:
			out.Models[m] = price
		default:
			out.Models[local] = price
		}
	}
	return out
}

// key reads a key from the environment. A server on this machine needs none.
func key(env, url string) (providers.Secret, error) {
	v := os.Getenv(env)
	if v == "" && providers.Loopback(url) {
		return providers.Secret{}, nil
	}
	if v == "" {
		return providers.Secret{}, fmt.Errorf("-live needs the key in the environment variable %s; without -live a "+
			"simulator stands in", env)
	}
	return providers.NewSecret(v), nil
}
