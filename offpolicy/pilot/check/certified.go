package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// probeRemedy is what to do about a probe that failed; "" is any.
func probeRemedy(failed teacherforce.ProbeName) string {
	switch failed {
	case teacherforce.ProbeRepeatability, teacherforce.ProbeAdditivity:
		return "use an endpoint whose log-probs of a text are its own: turn off prefix caching there, or serve the model " +
			"alone"
	case teacherforce.ProbeSampled:
		return "name the kind of the server, so that every setting of sampling is sent, or start it without the model's " +
			"generation_config and with log-probs of the distribution that it samples from"
	case teacherforce.ProbeTemplate, teacherforce.ProbeKnownAnswer:
		return "name the chat template of the model's own family, with the system prompt that its chat endpoint puts in"
	}
	if failed == teacherforce.ProbeMass {
		return "use an endpoint that returns natural log-probs, each by the token that it is of: not logits, and not shifted"
	}
	return "use an endpoint that returns prompt log-probs for echoed text, one for every token"
}

// failure is what a probe said, of one model or several.
type failure struct {
	probe  teacherforce.ProbeName
	detail string
}

// Certified is the id of the check of certificates. A run in which it is waived goes on
// without them.
const Certified = "endpoint.certified"

var _ = add(Check{
	ID: Certified, After: "prompts.unique",
	Threshold: says("every probe of the endpoint's log-probs passes, for every model and template in the run"),
	Remedy:    record.Remedy{Do: probeRemedy("")},
	Find:      checkCertified,
})

func checkCertified(in *Input, c *record.Finding) {
	r := in.Records
	missing := map[string]bool{}
	for _, a := range r.Arms {
		missing[record.CertificateKey(a.Policy)] = true
	}
	var bad, skipped []string // skipped are the probes that do not apply
	var failures []failure
	models, over := map[failure][]string{}, map[failure]string{}
	worst := map[failure]float64{} // of the models that share a sentence
	for _, cert := range r.Certificates {
		delete(missing, cert.Model+" "+cert.Template)
		failed := 0
		for _, p := range cert.Probes {
			if p.NotApplicable {
				skipped = append(skipped, fmt.Sprintf("%s of %s: %s", p.Name, cert.Model, p.Detail))
			}
			if !p.OK {
				failed++
				bad = append(bad, strings.TrimSpace(cert.Model+" "+string(p.Name)+" "+p.Policy))
				f := failure{p.Name, p.Detail}
				if models[f] == nil {
					failures = append(failures, f)
				}
				models[f] = append(models[f], cert.Model)
				if v, limit := p.Value.OrNaN(), p.Limit.OrNaN(); v > limit && (over[f] == "" || v > worst[f]) {
					worst[f], over[f] = v, fmt.Sprintf(", %.2g where at most %.2g is allowed", v, limit)
				}
			}
		}
		c.AddFigure(cert.Model+" probes", float64(len(cert.Probes)), "")
		c.AddFigure(cert.Model+" failed", float64(failed), "")
		if !cert.OK && failed == 0 {
			bad = append(bad, cert.Model)
		}
	}
	c.NameRecords(bad)
	switch {
	case len(bad) > 0:
		said := make([]string, len(failures))
		for i, f := range failures {
			said[i] = fmt.Sprintf("%s of %s%s: %s", f.probe, record.Some(models[f]), over[f], f.detail)
		}
		c.Status, c.Summary = record.Fail, "the endpoint's log-probs cannot be trusted: "+strings.Join(said, "; ")
		if len(failures) > 0 { // what fails after the first mostly follows from it
			c.Remedy = probeRemedy(failures[0].probe)
		}
	case len(missing) > 0 && r.Stop != nil && r.Stop.Running() && !r.Reached(record.StageCertify):
		notComputed(c, r.Stop, false)
	case len(missing) > 0:
		names := slices.Sorted(maps.Keys(missing))
		c.NameRecords(names)
		c.Status, c.Summary = record.Fail, "not certified: "+record.Some(names)
		if s := r.Stop; s != nil && s.Stage == record.StageCertify {
			c.Summary += fmt.Sprintf(": certification stopped (%s), and nothing is known of the endpoint's log-probs; see "+
				"run.errors", s.Why())
			c.Remedy = "see run.errors; start the run again once the cause is fixed, it goes on from there"
			if s.Resumable() {
				c.Status = record.Hold
			}
		}
	default:
		c.Status, c.Summary = record.Pass, fmt.Sprintf("%s certified", record.Plural(len(r.Certificates), "model", "models"))
		if len(skipped) > 0 {
			c.Summary += "; not applicable: " + record.Some(skipped)
		}
	}
}
