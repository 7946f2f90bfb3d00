package forecast

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// projectionLevel is the level of the intervals of a projection. The decision
// that hangs on them is one-sided: whether the full run passes its budget.
const projectionLevel = 0.90

// Project extends the sample to a run of rec.Full prompts. Calls, dollars,
// tokens and seconds are what the sample took a prompt, times the prompts;
// certification and the like are paid once.
func Project(rec *record.Records) record.Projection {
	m := dataset.Float{}
	none := record.Quantity{Value: m, Lo: m, Hi: m}
	out := record.Projection{
		Prompts: rec.Full, Held: rec.Input.Held,
		Level: projectionLevel, Calls: none, USD: none, BatchUSD: none, Tokens: none, Seconds: none,
		Failed:    none,
		HalfWidth: m, Notes: []string{}, Policies: []record.PolicyProjection{}, FurtherUSD: m, FurtherBatchUSD: m,
		Resolution: m, Questions: []record.Question{},
	}
	n := rec.Prompts.Len()
	if n == 0 || !rec.Reached(record.WholeRun) {
		out.Notes = append(out.Notes, "not projected: the sample is not complete")
		return out
	}
	took := perPrompt(rec)
	out.Calls = projectSum(took.calls, took.fixed.calls, rec.Full)
	out.USD = projectSum(took.usd, took.fixed.usd, rec.Full)
	out.Tokens = projectSum(took.tokens, took.fixed.tokens, rec.Full)
	if batched := slices.Clone(took.usd); took.saved != nil {
		for i, s := range took.saved {
			batched[i] -= s
		}
		out.BatchUSD = projectSum(batched, took.fixed.usd, rec.Full)
		out.Notes = append(out.Notes, "batches: labels and scores at the batch price, within 24 hours; responses and "+
			"log-probs need single calls")
	}
	if whole := rec.StageSeconds[record.WholeRun]; whole > 0 {
		// The service that works longest sets the time: what one prompt takes
		// of it varies, and so does the run. At the end of it the last calls
		// are waited for, once.
		busy := sumOf(took.seconds)
		tail := max(0, min(took.longest, whole-busy/float64(max(1, rec.Concurrency))))
		for i := range took.seconds {
			took.seconds[i] *= (whole - tail) / busy
		}
		out.Seconds = projectSum(took.seconds, rec.StageSeconds[record.StageCertify]+tail, rec.Full)
		out.Notes = append(out.Notes, "time assumes this run's throughput: the same concurrency, and limits that do not "+
			"bind earlier")
	}
	failed := record.FailedPrompts(rec)
	scale := float64(rec.Full)
	out.Failed = record.Quantity{Value: dataset.Known(scale * float64(failed) / float64(n)),
		Lo: dataset.Known(scale * offpolicy.BinomialLower(failed, n, (1+projectionLevel)/2)),
		Hi: dataset.Known(scale * offpolicy.BinomialUpper(failed, n, (1+projectionLevel)/2))}
	out.HalfWidth = projectWidth(rec)
	for _, a := range rec.Arms {
		if a.Role == record.Target {
			out.Policies = append(out.Policies, projectPolicy(rec, a.Policy.Name))
		}
	}
	plan(rec, &out)
	if lacks := out.Missing(); lacks > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("the input holds %s: the full run needs one with %s more",
			record.Plural(out.Held, "prompt", "prompts"), record.Count(lacks)))
	}
	return out
}

// consumption is what each prompt of a sample took, and what was paid once.
type consumption struct {
	calls, usd, tokens []float64
	seconds            []float64 // of attempts of the service that worked longest
	longest            float64   // of its attempts, seconds
	// saved is what batches would have saved of usd; nil where no model of judge
	// or oracle is priced.
	saved []float64
	fixed struct{ calls, usd, tokens float64 }
}

// recordStages are the stages whose calls belong to a prompt: more prompts, more
// calls. All others are made once a run.
var recordStages = []string{record.StageP0, record.StageTargets, record.StageLogProbs, record.StageOracle,
	record.StageJudge}

func perPrompt(r *record.Records) consumption {
	n, p0 := r.Prompts.Len(), r.Logging().Policy.Name
	index := make(map[string]int, n)
	for _, p := range r.Prompts.Brief().All() {
		index[p.ID] = len(index)
	}
	took := consumption{calls: make([]float64, n), usd: make([]float64, n), tokens: make([]float64, n)}
	weight := contextWeight(r, r.Full)
	seconds, total, most := map[string][]float64{}, map[string]float64{}, map[string]float64{}
	for e := range r.Ledger.All() {
		tokens := float64(e.PromptTokens + e.CompletionTokens)
		i, ok := index[record.PromptOf(e.Key)]
		// Probes and duplicates are as many in a run of any size, and so are labels that a model
		// gave before people did.
		few := e.Stage == record.StageOracle && (r.PeopleLabel || e.Policy != p0 ||
			strings.HasPrefix(e.Call, oracle.RoleDuplicate))
		if !ok || few || !slices.Contains(recordStages, e.Stage) {
			took.fixed.calls++
			took.fixed.usd += float64(e.Cost)
			took.fixed.tokens += tokens
			continue
		}
		w := weight(e)
		took.calls[i] += w
		took.usd[i] += w * float64(e.Cost)
		took.tokens[i] += w * tokens
		if seconds[e.Provider] == nil {
			seconds[e.Provider] = make([]float64, n)
		}
		latency := float64(e.LatencyMS) / 1000
		seconds[e.Provider][i] += latency
		total[e.Provider] += latency
		most[e.Provider] = max(most[e.Provider], latency)
		if (e.Stage == record.StageOracle || e.Stage == record.StageJudge) && e.Endpoint != "batch" {
			if rate, ok := r.BatchFactors[e.Model]; ok {
				if took.saved == nil {
					took.saved = make([]float64, n)
				}
				took.saved[i] += float64(e.Cost) * (1 - rate)
			}
		}
	}
	longest := ""
	for _, p := range slices.Sorted(maps.Keys(total)) {
		if longest == "" || total[p] > total[longest] {
			longest = p
		}
	}
	took.seconds, took.longest = seconds[longest], most[longest]
	if sumOf(took.seconds) == 0 { // answers faster than the ledger's milliseconds
		took.seconds = slices.Repeat([]float64{1}, n)
	}
	return took
}

func sumOf(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum
}

// projectSum projects a sum over prompts to a run of N prompts like the n
// sampled ones. The interval is that of the sum that N will give, a t-interval
// on the logarithm of the mean m with standard deviation s:
//
//	N·m·exp(± t(n-1) · s/m · √(1/n + 1/N))
//
// It has no ends below two prompts. What no prompt took, as the money of free
// models, none will take.
func projectSum(perPrompt []float64, fixed float64, full int) record.Quantity {
	n := float64(len(perPrompt))
	mean, sd := record.MeanSD(perPrompt)
	value := mean * float64(full)
	out := record.Quantity{Value: dataset.Known(fixed + value), Lo: dataset.Float{}, Hi: dataset.Float{}}
	if n < 2 {
		return out
	}
	if mean == 0 {
		out.Lo, out.Hi = out.Value, out.Value
		return out
	}
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1+projectionLevel)/2) * sd / mean * math.Sqrt(1/n+
		1/float64(full))
	out.Lo = dataset.Known(fixed + value*math.Exp(-half))
	out.Hi = dataset.Known(fixed + value*math.Exp(half))
	return out
}

// projectWidth is the half-width of a 95% interval for P0's mean label at the
// full run's size, the share of labeled prompts being that of the sample.
func projectWidth(rec *record.Records) dataset.Float {
	if rec.Evaluation == nil {
		return dataset.Float{}
	}
	p := rec.Evaluation.Planning()
	labeled := int(math.Round(float64(rec.Full) * float64(p.Labels) / float64(rec.Prompts.Len())))
	if p.Labels < 2 || labeled < 3 || labeled > rec.Full {
		return dataset.Float{}
	}
	return dataset.Known(p.LoggingHalfWidth(rec.Full, labeled))
}

// projectPolicy bounds what weights can give a target in the full run. An
// effective sample size cannot be projected: it grows slower than the sample
// wherever weights have a tail, and a sample of a hundred does not see the
// tail. In proportion is therefore the most that it can become, and the width
// that follows the least. There is neither if the logs cannot show what the target
// says, however many they are.
func projectPolicy(rec *record.Records, policy string) record.PolicyProjection {
	out := record.PolicyProjection{Name: policy}
	target := rec.Weights(policy)
	w, err := target.Weights, target.Err
	if err != nil || w.N == 0 || !(w.ESS > 0) || w.Unseen > 1-offpolicy.MinMass {
		return out
	}
	out.ESSAtMost = dataset.Known(offpolicy.ESSBound(w, rec.Full))
	var scores []float64
	of := rec.Scores.Of(rec.Logging().Policy.Name)
	for _, p := range rec.Prompts.Brief().All() {
		if s, ok := of(p.ID); ok && s.Mean.Valid() {
			scores = append(scores, s.Mean.OrNaN())
		}
	}
	if len(scores) > 1 {
		mean, sd := record.MeanSD(scores)
		out.HalfWidthAtLeast = dataset.Known(offpolicy.IPSHalfWidthBound(w, mean, sd, rec.Full))
	}
	return out
}

// contextWeight returns how much an attempt of the sample counts for one of full
// prompts. A sample compares methods more often than a full run does, and pays
// for it by the calls for contexts, and for conversations where the server scores
// them; where the server does not tell a context's
// ids, every pair needs that call.
func contextWeight(rec *record.Records, full int) func(providers.Entry) float64 {
	known, compares, here := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for k, row := range rec.LogProbs.All() {
		m, ok := row.Methods[teacherforce.MethodContinuation]
		if ok && m.Reason != string(teacherforce.ReasonNotCompared) {
			response, _ := rec.Responses.Get(k)
			compares[k.String()], here[k.PromptID] = true, true
			known[k.String()] = response.ContextIDs != nil
		}
	}
	share := float64(len(here)) / float64(max(1, rec.Prompts.Len()))
	first := float64(min(record.ComparedRows, full))
	weight := min(1, (first+(float64(full)-first)/record.AuditEvery)/float64(full)/share)
	return func(e providers.Entry) float64 {
		if e.Stage == record.StageLogProbs && (e.Call == "context" && known[e.Key] || e.Call == "chat") && compares[e.Key] {
			return weight
		}
		return 1
	}
}
