package forecast

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// slots are when the workers of a service become free.
type slots []float64

func (s slots) Len() int           { return len(s) }
func (s slots) Less(i, j int) bool { return s[i] < s[j] }
func (s slots) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *slots) Push(x any)        { *s = append(*s, x.(float64)) }
func (s *slots) Pop() any          { panic("unused") }

// makespan is how long workers take for calls in that order.
func makespan(seconds []float64, workers int) float64 {
	free := make(slots, workers)
	end := 0.0
	for _, d := range seconds {
		free[0] += d
		end = max(end, free[0])
		heap.Fix(&free, 0)
	}
	return end
}

// world is a population of prompts: what one of them costs and takes.
type world struct {
	name string
	// draw returns the calls of one prompt.
	draw func(*rand.Rand) []drawnCall
}

type drawnCall struct{ usd, seconds float64 }

// lognormal has mean 1 and the given standard deviation of its logarithm.
func lognormal(rng *rand.Rand, sd float64) float64 {
	return math.Exp(sd*rng.NormFloat64() - sd*sd/2)
}

var worlds = []world{
	{"alike", func(rng *rand.Rand) []drawnCall {
		size := lognormal(rng, 0.2) // of the prompt, common to its calls
		return calls(rng, 10, func() drawnCall { return drawnCall{0.0005 * size, 2 * size * lognormal(rng, 0.1)} })
	}},
	{"varied", func(rng *rand.Rand) []drawnCall {
		size := lognormal(rng, 0.6)
		return calls(rng, 10, func() drawnCall {
			return drawnCall{0.0005 * size * lognormal(rng, 0.3), 2 * size * lognormal(rng, 0.3)}
		})
	}},
	{"skewed", func(rng *rand.Rand) []drawnCall {
		size := lognormal(rng, 1)
		return calls(rng, 10, func() drawnCall { return drawnCall{0.0005 * size, 2 * size} })
	}},
	{"tried again", func(rng *rand.Rand) []drawnCall { // one call in ten fails, at no cost, after a wait
		size := lognormal(rng, 0.4)
		var out []drawnCall
		for range 10 {
			for rng.Float64() < 0.1 {
				out = append(out, drawnCall{0, 0.1})
			}
			out = append(out, drawnCall{0.0005 * size, 2 * size * lognormal(rng, 0.3)})
		}
		return out
	}},
}

func calls(_ *rand.Rand, n int, one func() drawnCall) []drawnCall {
	out := make([]drawnCall, n)
	for i := range out {
		out[i] = one()
	}
	return out
}

// TestProjectionIntervalsHold draws worlds: records of 100 prompts, and what
// 10,000 of the same population then cost and take. The 90% intervals have to
// contain it in 84 to 95% of them. A thousand worlds of each kind take half a
// minute: REWEIGH_WORLDS=1000.
func TestProjectionIntervalsHold(t *testing.T) {
	runs, full := healthy.WorldsOr(t, 150), 10_000
	if runs <= 150 {
		full = 1_500
	}
	const n, workers = 100, 16
	for k, w := range worlds {
		var cost, pace int
		for run := range runs {
			rng := rand.New(rand.NewPCG(uint64(k), uint64(run)))
			rec := &healthy.Run{Records: record.Records{Arms: record.PlanArms(), Full: full, Concurrency: workers}}
			var queue []float64
			for i := range n {
				id := fmt.Sprintf("q%03d", i)
				rec.Prompts = append(rec.Prompts, dataset.Prompt{ID: id})
				for _, c := range w.draw(rng) {
					rec.Ledger = append(rec.Ledger,
						providers.Entry{Provider: "p", Stage: record.StageTargets, Key: id + "/p0/0", Cost: providers.USD(c.usd),
							LatencyMS: int64(1000 * c.seconds)})
					queue = append(queue, c.seconds)
				}
			}
			rng.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
			rec.StageSeconds = map[string]float64{record.WholeRun: makespan(queue, workers)}
			p := Project(rec.Rows())

			var usd, busy float64
			for range full {
				for _, c := range w.draw(rng) {
					usd += c.usd
					busy += c.seconds
				}
			}
			if p.USD.Lo.OrNaN() <= usd && usd <= p.USD.Hi.OrNaN() {
				cost++
			}
			if took := busy / workers; p.Seconds.Lo.OrNaN() <= took && took <= p.Seconds.Hi.OrNaN() {
				pace++
			}
		}
		// Four standard errors of a share of .9 around the bounds: at 150 worlds
		// .098, at 2,000 .027.
		slack := 4 * math.Sqrt(0.9*0.1/float64(runs))
		for what, hits := range map[string]int{"cost": cost, "time": pace} {
			share := float64(hits) / float64(runs)
			t.Logf("%s, %s: %.3f of %d", w.name, what, share, runs)
			if share < 0.84-slack || share > 0.95+slack {
				t.Errorf("%s: the interval of the %s contains %.3f of %d worlds: want 0.84 to 0.95", w.name, what, share, runs)
			}
		}
	}
}

// What is made once a run, whatever its size, is not multiplied: certification,
// canaries, the probes of the targets, and second labels.
func TestProjectionOfWhatIsPaidOnce(t *testing.T) {
	rec := healthy.New(100, 1)
	rec.Full = 1000
	want := Project(rec.Rows()).USD.Value.OrNaN()
	if math.Abs(want-1000*5*0.002) > 1e-6 {
		t.Fatalf("1,000 prompts of five calls at $0.002 are projected to $%v", want)
	}
	for _, e := range []providers.Entry{
		{Stage: record.StageCertify, Key: "m llama4"}, {Stage: record.StageCanaries, Key: "q0000/p0/0"},
		{Stage: record.StageOracle, Key: "q0001/pi_bad/0", Policy: "pi_bad"},
		{Stage: record.StageOracle, Key: "q0001/p0/0", Policy: "p0", Call: "duplicate/json"},
	} {
		e.Cost, e.Outcome, e.UsageKnown = 1, "ok", true
		rec.Ledger = append(rec.Ledger, e)
		want++
		if got := Project(rec.Rows()).USD.Value.OrNaN(); math.Abs(got-want) > 1e-9 {
			t.Errorf("a dollar of stage %s, policy %q, makes the projection $%v, want $%v", e.Stage, e.Policy, got, want)
		}
	}
	rec.Ledger = append(rec.Ledger,
		providers.Entry{Stage: record.StageOracle, Key: "q0001/p0/0", Policy: "p0", Cost: 1, Outcome: "ok",
			UsageKnown: true})
	if got := Project(rec.Rows()).USD.Value.OrNaN(); math.Abs(got-(want+10)) > 1e-9 {
		t.Errorf("a label of P0 is one of a hundred prompts': the projection is $%v, want $%v", got, want+10)
	}
}

func TestProjectSum(t *testing.T) {
	// Ten prompts at exactly 2 each and 5 once: no spread, so no width.
	per := slices.Repeat([]float64{2}, 10)
	got := projectSum(per, 5, 1000)
	if got.Value.OrNaN() != 2005 || math.Abs(got.Lo.OrNaN()-2005) > 1e-9 || math.Abs(got.Hi.OrNaN()-2005) > 1e-9 {
		t.Errorf("got %+v, want 2005 on all three", got)
	}
	// Values 1 and 3 have mean 2 and sd √2; the 95% t quantile at one degree of
	// freedom is 6.313751514675043; √(1/2 + 1/8) = 0.790569.
	got = projectSum([]float64{1, 3}, 7, 8)
	half := 6.313751514675043 * math.Sqrt2 / 2 * math.Sqrt(0.625)
	if got.Value.OrNaN() != 23 || math.Abs(got.Hi.OrNaN()-(7+16*math.Exp(half))) > 1e-6 ||
		math.Abs(got.Lo.OrNaN()-(7+16*math.Exp(-half))) > 1e-9 {
		t.Errorf("got %+v, want 23 (%v to %v)", got, 7+16*math.Exp(-half), 7+16*math.Exp(half))
	}
	if got := projectSum([]float64{4}, 1, 10); got.Lo.Valid() || got.Value.OrNaN() != 41 {
		t.Errorf("one prompt leaves no interval: %+v", got)
	}
	if got := projectSum([]float64{0, 0}, 1, 10); got.Lo.OrNaN() != 1 || got.Value.OrNaN() != 1 || got.Hi.OrNaN() != 1 {
		t.Errorf("prompts of free models cost nothing, however many there are: %+v", got)
	}
}

// TestContextWeight: a sample of 100 compares methods on all rows and the full run
// on 100 + 9,900/32 of 10,000.
func TestContextWeight(t *testing.T) {
	rec := healthy.New(100, 1)
	entry := providers.Entry{Stage: record.StageLogProbs, Call: "context", Key: rec.LogProbs[0].Key().String()}
	if got := contextWeight(rec.Rows(), 10_000)(entry); got != 1 {
		t.Errorf("weight %v where the server tells no ids, want 1", got)
	}
	for i := range rec.Responses {
		rec.Responses[i].ContextIDs = &dataset.TokenDigest{N: 9, SHA256: "x"}
	}
	if got, want := contextWeight(rec.Rows(), 10_000)(entry), (100+9900.0/32)/10_000; math.Abs(got-want) > 1e-12 {
		t.Errorf("weight %v, want %v", got, want)
	}
	if got := contextWeight(rec.Rows(), 100)(entry); got != 1 {
		t.Errorf("weight %v for a full run of the sample's size, want 1", got)
	}
	entry.Call = "chat"
	if got, want := contextWeight(rec.Rows(), 10_000)(entry), (100+9900.0/32)/10_000; math.Abs(got-want) > 1e-12 {
		t.Errorf("weight %v of a conversation, want %v", got, want)
	}
	entry.Call = "joint"
	if got := contextWeight(rec.Rows(), 10_000)(entry); got != 1 {
		t.Errorf("weight %v of a joint text, want 1", got)
	}
}

// Labels that a model was paid for are in no larger run if people label from now on.
func TestProjectionWithPeoplesLabels(t *testing.T) {
	p0 := record.PlanArms()[0]
	arms := record.Arms{p0}
	prompts := []dataset.Prompt{{ID: "a"}, {ID: "b"}}
	var entries []providers.Entry
	for _, p := range prompts {
		key := dataset.Key{PromptID: p.ID, Policy: p0.Policy.Name}.String()
		entries = append(entries,
			providers.Entry{Stage: record.StageP0, Policy: p0.Policy.Name, Key: key, Cost: 0.01, LatencyMS: 5, Outcome: "ok"},
			providers.Entry{Stage: record.StageOracle, Policy: p0.Policy.Name, Key: key, Cost: 0.1, LatencyMS: 5,
				Outcome: "ok"})
	}
	for _, people := range []bool{false, true} {
		rec := &record.Records{Arms: arms, Prompts: record.PromptRows(prompts),
			Ledger: record.NewAttempts(slices.Values(entries)), Full: 100, PeopleLabel: people}
		took := perPrompt(rec)
		cost := projectSum(took.usd, took.fixed.usd, rec.Full).Value.OrNaN()
		label, _ := rec.LabelUSD()
		want, price := 11.0, 0.1 // 100 (.01 + .1)
		if people {
			want, price = 1.2, math.NaN() // 100 · .01, and the .2 that were paid
		}
		if math.Abs(cost-want) > 1e-12 || math.IsNaN(label) != math.IsNaN(price) || label != price && !people {
			t.Errorf("people label %v: $%v, want $%v; a label at $%v, want $%v", people, cost, want, label, price)
		}
	}
}
