package pilot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// checkModels compares what is asked for with what the provider lists: of a router, with
// what the endpoint of each model does.
func (p *preflight) checkModels(ctx context.Context, service providers.Provider, want []string) {
	r, several := service.(*providers.Router)
	if !several {
		p.checkListing(ctx, service, want, func(model string) string { return model })
		return
	}
	for _, name := range r.Endpoints(want...) {
		own := slices.DeleteFunc(slices.Clone(want), func(m string) bool { return r.NameOf(m) != name })
		e, _ := r.Route(own[0])
		p.checkListing(ctx, e.Provider, own, func(model string) string {
			_, local := r.Route(model)
			return local
		})
	}
}

// checkListing does so for one service. local says what a model is called there.
func (p *preflight) checkListing(ctx context.Context, service providers.Provider, want []string,
	local func(string) string) {
	var listed []providers.Model
	retry := p.cfg.Retry
	retry.AttemptTimeout = min(cmp.Or(retry.AttemptTimeout, listingTakes), listingTakes)
	client, err := providers.NewClient(service,
		providers.ClientConfig{Prices: p.cfg.Prices, Ledger: &p.free, Retry: retry, OnAttempt: p.askedAgain})
	if err == nil {
		answered := false
		late := time.AfterFunc(listingIsLate, func() {
			p.saying.Lock()
			defer p.saying.Unlock()
			if !answered {
				p.event(fmt.Sprintf("waiting for %s to list its models", service.Name()))
			}
		})
		listed, err = client.Models(ctx)
		late.Stop()
		p.saying.Lock()
		answered = true // nothing is said once the preflight has returned
		p.saying.Unlock()
	}
	if errors.Is(err, errors.ErrUnsupported) {
		p.warn("%s lists no models: whether it serves %s shows at the first call", service.Name(), strings.Join(want, ", "))
		return
	}
	var e *providers.Error
	if err != nil {
		remedy := record.Remedy{Do: "check the address and that the service is up"}
		if errors.As(err, &e) && e.Hint != "" {
			remedy = record.Remedy{Do: e.Hint}
		}
		what := fmt.Sprintf("%s does not list its models: %v", service.Name(), err)
		if errors.Is(err, providers.ErrWrongKind) {
			what, remedy = err.Error(), record.Do(remedy.Do, record.FieldPolicies)
		}
		p.add(what, remedy, err)
		return
	}
	byID := map[string]providers.Model{}
	for _, m := range listed {
		byID[m.ID] = m
	}
	now := time.Now()
	for _, id := range want {
		of := p.asking(id)
		m, ok := byID[local(id)]
		if d, err := client.Describe(ctx, local(id)); err == nil {
			// A listing has been seen to name models that are not served, and
			// it lacks the deployments of one's own.
			m.Serverless, ok = d.Serverless, true
			if !d.Shutdown.IsZero() {
				m.Shutdown = d.Shutdown
			}
		} else if errors.As(err, &e) && e.Class == providers.ClassModelNotFound {
			ok = false
		} else if !errors.Is(err, errors.ErrUnsupported) {
			p.warn("%s lists %s, but does not say whether it can be called without a deployment: %v", service.Name(), id, err)
		}
		_, whole := byID[id]
		others := nearest(listed, local(id))
		switch {
		case !ok && whole && local(id) != id: // its own name begins as the endpoint's
			p.add(fmt.Sprintf("%s does not serve %s", service.Name(), local(id)),
				record.Do("name it "+strings.TrimSuffix(id, local(id))+id+": what stands before the first slash is an "+
					"endpoint's name", of...), nil)
		case !ok:
			p.add(fmt.Sprintf("%s does not serve %s", service.Name(), id),
				record.Do("set another model; listed are: "+others, of...), nil)
		case !m.Serverless:
			p.add(fmt.Sprintf("%s serves %s only on a deployment of one's own", service.Name(), id),
				record.Do("deploy it and name the deployment, or set another model: "+others, of...), nil)
		case !m.Shutdown.IsZero() && m.Shutdown.Before(now.Add(endingNow)):
			p.add(fmt.Sprintf("%s shuts %s down on %s", service.Name(), id, m.Shutdown.Format(time.DateOnly)),
				record.Do("set another model: "+others, of...), nil)
		case !m.Shutdown.IsZero() && m.Shutdown.Before(now.Add(endingSoon)):
			p.warn("%s will shut %s down on %s: end the full run before that, or set another model now: %s",
				service.Name(), id, m.Shutdown.Format(time.DateOnly), others)
		}
	}
}

// asking are the settings that name a model.
func (p *preflight) asking(id string) (of []record.Field) {
	for _, s := range []struct {
		field  record.Field
		models []string
	}{{record.FieldArms, p.cfg.Arms.Models()}, {record.FieldJudgeModel, p.judges}, {record.FieldOracleModel, p.oracles}} {
		if slices.Contains(s.models, id) {
			of = append(of, s.field)
		}
	}
	return of
}

// A listing is a short answer: an attempt at it may take listingTakes, and after
// listingIsLate the preflight says what it waits for.
const (
	listingIsLate = 3 * time.Second
	listingTakes  = 30 * time.Second
)

// askedAgain says of an attempt that failed that there will be another.
func (p *preflight) askedAgain(e providers.Entry) {
	if providers.Class(e.Outcome).Retryable() {
		status := ""
		if e.Status != 0 {
			status = fmt.Sprintf(", status %d", e.Status)
		}
		p.say(fmt.Sprintf("%s does not say which models it serves (%s%s); attempt %d failed", e.Provider, e.Outcome, status,
			e.Attempt))
	}
}

// say reports what goes on before there is a run, one thing at a time.
func (p *preflight) say(what string) {
	p.saying.Lock()
	defer p.saying.Unlock()
	p.event(what)
}

func (p *preflight) event(what string) {
	if p.cfg.Progress != nil {
		p.cfg.Progress(record.Event{Alert: "preflight: " + what})
	}
}

// nearest names a few listed models, those that share most of their name with
// id first.
func nearest(listed []providers.Model, id string) string {
	ids := make([]string, 0, len(listed))
	for _, m := range listed {
		if m.Serverless && m.ID != id {
			ids = append(ids, m.ID)
		}
	}
	common := func(s string) int {
		n := 0
		for n < len(s) && n < len(id) && s[n] == id[n] {
			n++
		}
		return n
	}
	slices.SortStableFunc(ids, func(a, b string) int { return common(b) - common(a) })
	if len(ids) == 0 {
		return "none"
	}
	if len(ids) > 5 {
		ids = ids[:5]
	}
	return strings.Join(ids, ", ")
}
