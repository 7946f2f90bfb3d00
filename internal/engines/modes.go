package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/endpoints"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// modes certifies one server as three kinds of users declare it: as what it is, as a compatible
// server whose listing is asked, and as one of which nothing is known. The last two send nothing
// that keeps the model's generation_config out, but for what the listing shows. With a neutral
// policy goes one that tempers and filters.
func (o options) modes() error {
	for _, as := range []struct {
		what   string
		kind   providers.Kind
		listed bool
	}{{"explicit", o.endpoints[0].Kind, false}, {"listed", providers.KindCompatible, true},
		{"unknown", providers.KindCompatible, false}} {
		mine := o
		mine.endpoints = endpoints.List{o.endpoints[0]}
		mine.endpoints[0].Kind = as.kind
		client, forcer, p, err := mine.connect()
		if err != nil {
			return err
		}
		if as.listed {
			if _, err := client.Models(context.Background()); err != nil {
				return err
			}
		}
		tempered := p
		tempered.Name, tempered.Sampling = "tempered", offpolicy.Sampling{Temperature: .7, TopP: .9, MaxTokens: 24}
		policies := []offpolicy.Policy{p, tempered}
		if as.kind != providers.KindCompatible {
			both := p
			both.Name, both.Sampling = "top_k", offpolicy.Sampling{Temperature: .7, TopP: .95, TopK: 12, MaxTokens: 24}
			policies = append(policies, both)
		}
		cert, err := forcer.Certify(context.Background(), client, policies[0], policies[1:]...)
		fmt.Printf("%-9s certified %v, %d calls, %v\n", as.what, cert.OK, cert.Calls, err)
		for _, probe := range cert.Probes {
			if !probe.OK || probe.Name == teacherforce.ProbeSampled || probe.Name == teacherforce.ProbeMass {
				fmt.Printf("  %-10s %-9s ok %-5v of %-8q %.3g (%.3g): %s\n", probe.Name, probe.Policy, probe.OK, probe.Of,
					probe.Value.OrNaN(), probe.Limit.OrNaN(), probe.Detail)
			}
		}
	}
	return nil
}

// rendered compares the ids that the server says it makes of conversations with those that its chat
// answers in.
func (o options) rendered() error {
	client, _, p, err := o.connect()
	if err != nil {
		return err
	}
	prompts, err := o.sample()
	if err != nil {
		return err
	}
	odd := []string{"", " lead and trail \n", "<|im_end|> in a text", "Grüße, 東京, 🙂🚀é\u200d", "a\r\nb\tc",
		"{{ 1 + 1 }} {% raw %}"}
	ctx, different := context.Background(), 0
	for i, q := range prompts {
		text := q.Text
		if i%3 == 2 {
			text += odd[i/3%len(odd)]
		}
		msgs := []dataset.Message{{Role: "user", Content: text}}
		if i%2 == 1 {
			msgs = slices.Insert(msgs, 0, dataset.Message{Role: "system", Content: "Be brief." + odd[i/2%len(odd)]})
		}
		if i%4 >= 2 {
			msgs = append(msgs, dataset.Message{Role: "assistant", Content: "Well" + odd[i%len(odd)]},
				dataset.Message{Role: "user", Content: prompts[(i+1)%len(prompts)].Text})
		}
		tag := providers.Tag{Stage: "rendered", Key: dataset.Key{PromptID: q.ID, Policy: p.Name}}
		ids, err := client.RenderChat(ctx, providers.RenderRequest{Tag: tag, Model: p.Model, Messages: msgs})
		if err != nil {
			return err
		}
		s := p.Sampling
		s.MaxTokens = 1
		tag.Call = "chat"
		g, err := client.Generate(ctx, providers.GenerateRequest{Tag: tag, Model: p.Model, Messages: msgs, Sampling: s})
		if err != nil {
			return err
		}
		if g.PromptIDs == nil {
			return errors.New("chat returns no ids of the prompt")
		}
		if !slices.Equal(ids, g.PromptIDs) {
			different++
			fmt.Fprintf(os.Stderr, "%s: %s\n", q.ID, strings.ReplaceAll(fmt.Sprint(ids, g.PromptIDs), "\n", " "))
		}
	}
	fmt.Printf("%d conversations rendered, %d otherwise than chat reads them\n", len(prompts), different)
	return nil
}
