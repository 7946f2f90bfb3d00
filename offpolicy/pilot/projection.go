package pilot

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// project extends the sample to a run of full prompts. Calls, tokens and
// dollars are per prompt and come with a 95% t-interval on the logarithm of
// what one prompt took; certification and canaries are paid once. Seconds assume the
// throughput of this run and have no interval, since a sample under other
// limits says little of the next hour's.
func project(rec *Records, full int, seconds float64) Projection {
	m := dataset.Missing()
	none := Interval{m, m, m}
	out := Projection{Prompts: full, Calls: none, USD: none, Tokens: none, Seconds: none, HalfWidth: m, Notes: []string{}}
	n := len(rec.Prompts)
	if n == 0 || !rec.reached(wholeRun) {
		out.Notes = append(out.Notes, "not projected: the sample is not complete")
		return out
	}
	index := map[string]int{}
	for i, p := range rec.Prompts {
		index[p.ID] = i
	}
	calls, usd, tokens := make([]float64, n), make([]float64, n), make([]float64, n)
	var fixedCalls, fixedUSD, fixedTokens float64
	for _, e := range rec.Ledger {
		total := float64(e.PromptTokens + e.CompletionTokens)
		if i, ok := index[promptOf(e.Key)]; ok && e.Stage != stageCertify && e.Stage != stageCanaries {
			calls[i]++
			usd[i] += float64(e.Cost)
			tokens[i] += total
		} else {
			fixedCalls++
			fixedUSD += float64(e.Cost)
			fixedTokens += total
		}
	}
	out.Calls = projectOne(calls, fixedCalls, full)
	out.USD = projectOne(usd, fixedUSD, full)
	out.Tokens = projectOne(tokens, fixedTokens, full)
	if seconds > 0 {
		out.Seconds.Value = dataset.Float(seconds * float64(full) / float64(n))
		out.Notes = append(out.Notes, "time assumes this run's throughput: the same concurrency, and limits that do not bind earlier")
	}
	var labels []float64
	p0 := rec.logging().Policy.Name
	for _, l := range rec.Labels {
		if l.Policy == p0 && l.Label.Valid() {
			labels = append(labels, float64(l.Label))
		}
	}
	if len(labels) > 1 {
		_, sd := meanSD(labels)
		owed := 0
		for _, k := range rec.LabelsOwed {
			if k.Policy == p0 {
				owed++
			}
		}
		out.HalfWidth = dataset.Float(1.96 * sd / math.Sqrt(float64(full)*float64(owed)/float64(n)))
	}
	return out
}

// promptOf takes the prompt id out of a key's text form; prompt ids may hold
// slashes themselves.
func promptOf(key string) string {
	for range 2 {
		i := strings.LastIndexByte(key, '/')
		if i < 0 {
			return key
		}
		key = key[:i]
	}
	return key
}

// projectOne projects a sum over prompts. The interval is that of a t-interval
// on the mean logarithm, carried over to the mean by the ratio of the two; it
// has no ends where a prompt took nothing.
func projectOne(perPrompt []float64, fixed float64, full int) Interval {
	n := float64(len(perPrompt))
	mean, _ := meanSD(perPrompt)
	out := Interval{dataset.Float(fixed + mean*float64(full)), dataset.Missing(), dataset.Missing()}
	logs := make([]float64, len(perPrompt))
	for i, x := range perPrompt {
		if x <= 0 {
			return out
		}
		logs[i] = math.Log(x)
	}
	if n < 2 {
		return out
	}
	_, sd := meanSD(logs)
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975) * sd / math.Sqrt(n)
	out.Lo = dataset.Float(fixed + mean*math.Exp(-half)*float64(full))
	out.Hi = dataset.Float(fixed + mean*math.Exp(half)*float64(full))
	return out
}

// cannotSay lists what the sample leaves open, with what would tell.
func cannotSay(rec *Records) []string {
	out := []string{}
	if !rec.reached(wholeRun) {
		return out
	}
	n := len(rec.Prompts)
	hit := map[string]bool{}
	_, keys := failures(rec)
	for _, list := range keys {
		for _, k := range list {
			_, key, _ := strings.Cut(k, " ") // stage and key
			hit[promptOf(key)] = true
		}
	}
	out = append(out, fmt.Sprintf("%d of %d prompts had a record that failed: of the full run's up to %.1f%% may (95%% bound)", len(hit), n, 100*offpolicy.BinomialUpper(len(hit), n, 0.95)))
	for _, a := range rec.Arms {
		if a.Role == Logging {
			continue
		}
		w := weigh(rec, a.Policy.Name)
		if !w.Usable && w.N > 0 {
			out = append(out, fmt.Sprintf("%s: its weights cannot carry an estimate from P0's logs (%s); fresh draws with labels of its own can", a.Policy.Name, strings.Join(w.Reasons, "; ")))
		}
		if a.Role == Target {
			labelled := 0
			for _, l := range rec.Labels {
				if l.Policy == a.Policy.Name && l.Label.Valid() {
					labelled++
				}
			}
			if labelled < 15 {
				out = append(out, fmt.Sprintf("%s: whether the judge means the same under it as under P0 is untested (%d labels); 25 labels give a residual-corrected value, about 200 test the transport", a.Policy.Name, labelled))
			}
		}
	}
	return out
}
