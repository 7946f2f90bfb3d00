package pilot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// identify names the rendering of the server in every policy that is rendered by its server,
// so that the rendering is part of the policy's hash. It generates nothing.
func (p *preflight) identify(ctx context.Context) {
	c := &p.cfg
	c.Arms = slices.Clone(c.Arms)
	prices := c.Prices
	if r, ok := c.Policies.(*providers.Router); ok {
		prices = r.Prices(prices, c.Arms.Models()...)
	}
	for i, a := range c.Arms {
		if !teacherforce.Served(a.Policy.Template) {
			continue
		}
		if !providers.RendersChats(c.Policies, a.Policy.Model) {
			p.add(fmt.Sprintf("policy %s has template %q, and the server of %s does not say which token ids it makes of a "+
				"conversation", a.Policy.Name, teacherforce.ServerTemplate(nil), a.Policy.Model),
				record.Do("name the chat template of the model's family, or serve it with vLLM or SGLang", record.FieldArms),
				errors.ErrUnsupported)
			continue
		}
		client, err := providers.NewClient(c.Policies, providers.ClientConfig{Prices: prices, Ledger: &p.free,
			Retry: c.Retry, OnAttempt: p.askedAgain})
		if err == nil {
			c.Arms[i].Policy, err = teacherforce.Identify(ctx, renderer{client}, a.Policy)
		}
		switch {
		case errors.Is(err, teacherforce.ErrRenderingChanged):
			p.add(err.Error(), record.Do("start again in a new folder", record.FieldDir), err)
		case err != nil:
			p.add(err.Error(), record.Do("check the address, and that the server's /tokenize takes messages", record.FieldArms),
				err)
		}
	}
}

// renderer renders, and generates nothing.
type renderer struct{ *providers.Client }

func (renderer) Generate(context.Context, providers.GenerateRequest) (providers.Generation, error) {
	return providers.Generation{}, errors.ErrUnsupported
}
