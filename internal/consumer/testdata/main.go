// Consumer is a program of another module. It imports every package that a
// research project would wire together, adds a provider of its own, and needs
// no key: the simulator answers through memory.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync/atomic"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

const input = `{"prompt_id": "a", "prompt": "Why do cats purr?"}
{"prompt_id": "b", "prompt": "Write a haiku about the first snow."}
{"prompt_id": "c", "prompt": "What is 17 * 23?"}
{"prompt_id": "d", "prompt": "why do  cats purr?"}
`

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	in, err := dataset.ReadPrompts(strings.NewReader(input), "input", dataset.ReadOptions{})
	if err != nil {
		return err
	}
	if len(in.Prompts) != 3 {
		return fmt.Errorf("%d prompts, want 3: the fourth repeats the first", len(in.Prompts))
	}

	server := sim.New(sim.Config{})
	defer server.Close()
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices")
	if err != nil {
		return err
	}
	key := providers.NewSecret("any")
	fireworks, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: "http://sim/inference/v1", Key: key,
		HTTP: server.Client()})
	if err != nil {
		return err
	}
	openai, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://sim/v1", Key: key, HTTP: server.Client()})
	if err != nil {
		return err
	}
	counted := &counting{Provider: fireworks}
	budget := providers.NewBudget(1)
	client, err := providers.NewClient(counted, providers.ClientConfig{Prices: prices, Budget: budget})
	if err != nil {
		return err
	}
	grader, err := providers.NewClient(openai, providers.ClientConfig{Prices: prices, Budget: budget})
	if err != nil {
		return err
	}

	forcer, err := teacherforce.New(teacherforce.Config{Scorer: client})
	if err != nil {
		return err
	}
	scorer, err := judge.NewDeterministic(judge.Config{Name: "judge", Generator: grader, Model: sim.JudgeModel})
	if err != nil {
		return err
	}
	labeler, err := oracle.NewLabeler(judge.Config{Name: "oracle", Generator: grader, Model: sim.OracleModel})
	if err != nil {
		return err
	}

	p0 := offpolicy.Policy{
		Name: "p0", Model: sim.ScoutModel, Template: "llama4",
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 64},
	}
	target := p0
	target.Name, target.System = "short", "Answer in one short sentence."

	var logged []teacherforce.Logged
	for _, p := range in.Prompts {
		record := dataset.Key{PromptID: p.ID, Policy: p0.Name}
		tag := providers.Tag{Stage: "p0", Key: record}
		req, err := forcer.GenerateRequest(tag, p0, p, 1)
		if err != nil {
			return err
		}
		g, err := client.Generate(ctx, req)
		if err != nil {
			return err
		}
		logged = append(logged, teacherforce.Logged{Prompt: p, Response: teacherforce.ResponseOf(p0, g)})
		tag.Stage = "judge"
		score, err := scorer.Score(ctx, tag, p, g.Text)
		if err != nil {
			return err
		}
		tag.Stage = "oracle"
		label, err := labeler.Label(ctx, tag, p, g.Text)
		if err != nil {
			return err
		}
		if mean, ok := score.Mean.Get(); !ok || mean < 0 || mean > 1 || !(label >= 0 && label <= 1) {
			return fmt.Errorf("%s: score %v, label %v", p.ID, score.Mean, label)
		}
	}
	base, err := forcer.ScoreAll(ctx, p0, logged)
	if err != nil {
		return err
	}
	other, err := forcer.ScoreAll(ctx, target, logged)
	if err != nil {
		return err
	}
	ratios, err := teacherforce.LogRatios(other, base)
	if err != nil {
		return err
	}
	w, err := offpolicy.WeightsFromLogRatios(ratios)
	if err != nil {
		return err
	}
	if w.Usable() {
		return errors.New("three rows are enough for an estimate")
	}
	if counted.calls.Load() == 0 || budget.Spent() <= 0 {
		return errors.New("nothing went through the importer's own provider, or nothing was charged")
	}
	fmt.Fprintf(os.Stdout, "%d rows, %d calls, refused: %s\n", w.N, counted.calls.Load(), w.Refusals()[0])
	return nil
}

// counting is an importer's own provider: it wraps another one.
type counting struct {
	providers.Provider
	calls atomic.Int64
}

func (c *counting) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	c.calls.Add(1)
	return c.Provider.Generate(ctx, req)
}

func (c *counting) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	c.calls.Add(1)
	return c.Provider.ScorePrompt(ctx, req)
}
