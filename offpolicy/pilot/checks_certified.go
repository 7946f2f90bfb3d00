package pilot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/teacherforce"
)

// probeRemedy is what mends the first of the failed probes, in their order: what
// fails after it mostly follows from it.
func probeRemedy(failed []string) string {
	switch failed[0] {
	case teacherforce.ProbeRepeatability, teacherforce.ProbeAdditivity:
		return "use an endpoint whose log-probs of a text are its own: turn off prefix caching there, or serve the model alone"
	case teacherforce.ProbeTemplate, teacherforce.ProbeKnownAnswer:
		return "name the chat template of the model's own family, with the system prompt that its chat endpoint puts in"
	}
	return "use an endpoint that returns prompt log-probs for echoed text, one for every token"
}

func checkCertified(r *Records, _ Thresholds, c *Check) {
	c.Threshold = "every probe of the endpoint's log-probs passes, for every model and template in the run"
	c.Remedy = "use an endpoint that returns prompt log-probs for echoed text, and the model's own chat template"
	missing := map[string]bool{}
	for _, a := range r.Arms {
		missing[certificateKey(a.Policy)] = true
	}
	var bad, said, probes []string
	models := map[string][]string{} // by what was said of them
	for _, cert := range r.Certificates {
		delete(missing, cert.Model+" "+cert.Template)
		failed := 0
		for _, p := range cert.Probes {
			if !p.OK {
				failed++
				bad, probes = append(bad, cert.Model+" "+p.Name), append(probes, p.Name)
				what := p.Name + "\x00" + p.Detail
				if models[what] == nil {
					said = append(said, what)
				}
				models[what] = append(models[what], cert.Model)
			}
		}
		c.figure(cert.Model+" probes", float64(len(cert.Probes)), "")
		c.figure(cert.Model+" failed", float64(failed), "")
		if !cert.OK && failed == 0 {
			bad = append(bad, cert.Model)
		}
	}
	c.records(bad)
	switch {
	case len(bad) > 0:
		for i, what := range said {
			probe, detail, _ := strings.Cut(what, "\x00")
			said[i] = fmt.Sprintf("%s of %s: %s", probe, some(models[what]), detail)
		}
		c.Status, c.Summary = Fail, "the endpoint's log-probs cannot be trusted: "+strings.Join(said, "; ")
		if len(probes) > 0 {
			c.Remedy = probeRemedy(probes)
		}
	case len(missing) > 0 && r.Stop != nil && r.Stop.running() && !r.reached(stageCertify):
		notComputed(c, r.Stop, false)
	case len(missing) > 0:
		names := slices.Sorted(maps.Keys(missing))
		c.records(names)
		c.Status, c.Summary = Fail, "not certified: "+some(names)
		if s := r.Stop; s != nil && s.Stage == stageCertify {
			c.Summary += " (see run.errors)"
			if s.resumable() {
				c.Status = Hold
			}
		}
	default:
		c.Status, c.Summary = Pass, fmt.Sprintf("%s certified", plural(len(r.Certificates), "model", "models"))
	}
}
