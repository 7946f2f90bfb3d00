package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// planned is a healthy run of 100 with labels bought at $0.003, which a batch
// halves, and the question put to it.
func planned(alter func(*healthy.Run)) (*record.Records, record.Projection) {
	r := healthy.New(100, 5)
	r.Resolution = 0.02
	r.BatchFactors = map[string]float64{"oracle": 0.5}
	for _, p := range r.Prompts {
		key := dataset.Key{PromptID: p.ID, Policy: "p0"}.String()
		r.Ledger = append(r.Ledger, providers.Entry{ID: "l" + p.ID, Stage: record.StageOracle, Key: key, Policy: "p0",
			Model: "oracle", Outcome: "ok", Cost: 0.003, UsageKnown: true})
	}
	if alter != nil {
		alter(r)
	}
	rec := r.Evaluated()
	return rec, Project(rec)
}

// filtered makes P0 sample with top-p, which excludes the share of what its model says.
func filtered(r *healthy.Run, share float64) {
	for i := range r.Arms {
		if p := &r.Arms[i].Policy; p.Name == "p0" {
			p.Sampling.TopP = 0.9
		}
	}
	for i := range r.Prompts {
		healthy.LogprobRow(r, i, "p0").Excluded = dataset.Known(share)
	}
}

func TestWhatTheFullRunAnswers(t *testing.T) {
	near := func(sd float64) func(*healthy.Run) {
		return func(r *healthy.Run) {
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range r.Prompts {
				healthy.LogprobRow(r, i, "pi_cot").LogProb = dataset.Known(healthy.LogprobRow(r, i, "p0").LogProb.OrNaN() +
					dataset.Known(sd*rng.NormFloat64()-sd*sd/2).OrNaN())
			}
		}
	}
	for _, c := range []struct {
		name   string
		alter  func(*healthy.Run)
		policy string
		answer record.Outlook
		by     string
		says   string
		reason string
	}{
		{"P0", nil, "p0", record.OutlookYes, "dr", "labels", "10,000 labels leave nothing open"},
		{"P0 at a width that nothing gives", func(r *healthy.Run) { r.Resolution = 1e-4 }, "p0", record.OutlookNo, "dr",
			"labels", "its sd over √10,000 is more"},
		{"far away", nil, "pi_bigger_model", record.OutlookNo, "", "divergence about 19.7", "20 nats take 10·e^20 prompts"},
		{"a little further than the run reaches", nil, "pi_bad", record.OutlookNo, "", "refused below",
			"15 nats take millions"},
		{"overlapping", near(0.5), "pi_cot", record.OutlookYes, "dr", "quarter of the sample's relative ESS",
			"its weights are usable already"},
		{"overlapping, at a width that needs luck", func(r *healthy.Run) { near(0.5)(r); r.Resolution = 0.0025 }, "pi_cot",
			record.OutlookAtBest, "dr", "no promise", "at the sample's relative ESS it would do, at a quarter of it not"},
		{"overlapping, at a width that nothing gives", func(r *healthy.Run) { near(0.5)(r); r.Resolution = 1e-4 }, "pi_cot",
			record.OutlookNo, "dr", "at best", "no relative ESS gives that"},
		{"refused in the sample", near(2), "pi_cot", record.OutlookAtBest, "dr", "no promise",
			"a larger run may see enough of the tail, or more of it"},
		{"hopeless", near(3.6), "pi_cot", record.OutlookNo, "", "would be refused",
			"log w of that sd is refused at any size there is, whatever the mean of the sample's"},
		{"wrong log-probs", func(r *healthy.Run) {
			for i := range r.Prompts {
				healthy.LogprobRow(r, i, "pi_cot").LogProb = dataset.Known(healthy.LogprobRow(r, i, "p0").LogProb.OrNaN() + 1)
			}
		}, "pi_cot", record.OutlookNo, "", "wrong log-probs", "more of them mend nothing"},
		{"no certificate", func(r *healthy.Run) { r.Certificates = nil }, "pi_cot", record.OutlookNo, "", "certificate",
			"nor does this"},
		{"beyond what P0's filters keep", func(r *healthy.Run) { near(0.5)(r); filtered(r, 0.2) }, "pi_cot",
			record.OutlookNo, "", "P0's filters exclude about 20%", "as many rows as there are show none of it"},
		{"hardly beyond what P0's filters keep", func(r *healthy.Run) { near(0.5)(r); filtered(r, 0.04) }, "pi_cot",
			record.OutlookYes, "dr", "quarter of the sample's relative ESS", "4% is within what the logs may miss"},
		{"known as intervals", func(r *healthy.Run) {
			for i := range r.Prompts {
				row := healthy.LogprobRow(r, i, "pi_cot")
				row.LogProb, row.Interval = dataset.Float{}, &[2]dataset.Float{dataset.Known(-50), dataset.Known(-40)}
			}
		}, "pi_cot", record.OutlookNo, "", "intervals", "more rows are no narrower"},
		{"labels of its own", func(r *healthy.Run) { healthy.OwnLabels(r, "pi_bad", 90, -.1); r.Resolution = 0.03 },
			"pi_bad", record.OutlookYes, "direct", "90 labels of its own", "they need no weights"},
		{"too few labels of its own", func(r *healthy.Run) { healthy.OwnLabels(r, "pi_bad", 20, -.1); r.Resolution = 0.005 },
			"pi_bad", record.OutlookNo, "direct", "20 labels of its own; weights: divergence", "both are told"},
	} {
		if testing.Short() && c.by == "" { // the race detector looks for races, and this draws in one goroutine
			continue
		}
		_, p := planned(c.alter)
		var q *record.Question
		for i := range p.Questions {
			if p.Questions[i].Policy == c.policy {
				q = &p.Questions[i]
			}
		}
		if q == nil || q.FullRun != c.answer || q.By != c.by || !strings.Contains(q.Reason, c.says) {
			t.Errorf("%s: %+v, want %s by %q for %q (%s)", c.name, q, c.answer, c.by, c.says, c.reason)
		}
		if q != nil && c.by == "" && q.HalfWidth.Valid() {
			t.Errorf("%s: what is refused has a width of %v", c.name, q.HalfWidth.OrNaN())
		}
	}
}

// TestNoRunIsLargerThanTheInput: what the input does not hold is in no design, and the
// report says what the full run lacks.
func TestNoRunIsLargerThanTheInput(t *testing.T) {
	holds := func(n int) func(*healthy.Run) {
		return func(r *healthy.Run) { r.Input.Held, r.Resolution = n, 0.015 }
	}
	_, free := planned(holds(0))
	if free.Missing() != 0 || free.Cheapest == nil || free.Cheapest.Prompts <= 150 {
		t.Fatalf("%d missing, cheapest %+v: want a run of more than 150 prompts", free.Missing(), free.Cheapest)
	}
	for _, held := range []int{100, free.Cheapest.Prompts - 1} {
		_, p := planned(holds(held))
		if p.Missing() != 10_000-held || !slices.ContainsFunc(p.Notes, func(s string) bool {
			return strings.Contains(s, fmt.Sprintf("holds %d prompts: the full run needs one with", held))
		}) {
			t.Errorf("an input of %d: %d missing, notes %q", held, p.Missing(), p.Notes)
		}
		if d := p.Cheapest; d != nil && d.Prompts > held {
			t.Errorf("an input of %d: a run of %d prompts", held, d.Prompts)
		}
		for _, q := range p.Questions {
			if d := q.Cheapest; d != nil && d.Prompts > held {
				t.Errorf("an input of %d: a run of %d prompts for %s", held, d.Prompts, q.Policy)
			}
		}
	}
}

// The run that is said to be cheapest is: every other of up to 600 prompts that
// answers costs at least as much, but for the steps of the search.
func TestCheapestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	r, p := planned(nil)
	d := p.Cheapest
	if d == nil || d.By != "direct" {
		t.Fatalf("%+v: want one by labels, since 20 nats are out of reach", d)
	}
	fig := r.Evaluation.Planning()
	// P0's label of $0.003 and five calls of $0.002 a prompt; a label of each of
	// three targets and of the clone.
	price := func(n, m int) float64 { return 0.013*float64(n-100) + 0.003*4*float64(m) }
	if got := d.USD.OrNaN(); math.Abs(got-price(d.Prompts, d.Labels)) > 1e-9 {
		t.Errorf("$%v for %d prompts and %d labels, want $%v", got, d.Prompts, d.Labels, price(d.Prompts, d.Labels))
	}
	if got, want := d.BatchUSD.OrNaN(),
		price(d.Prompts, d.Labels)-0.0015*float64(d.Prompts-100+4*d.Labels); math.Abs(got-want) > 1e-9 {
		t.Errorf("$%v in batches, want $%v: they halve the labels", got, want)
	}
	pl := &planner{rec: r, n: r.Prompts.Len(), logged: fig}
	targets := []offpolicy.Planning{pl.own("pi_cot"), pl.own("pi_bigger_model"), pl.own("pi_bad")}
	widest := func(n, m int) (w float64) {
		for _, t := range targets {
			w = max(w, t.DirectHalfWidth(n, m))
		}
		return w
	}
	least := math.Inf(1)
	for n := 100; n <= 600; n++ {
		for m := 15; m <= n; m++ {
			if fig.LoggingHalfWidth(n, n) <= 0.02 && widest(n, m) <= 0.02 {
				least = min(least, price(n, m))
				break
			}
		}
	}
	if w := widest(d.Prompts, d.Labels); w > 0.02 || d.USD.OrNaN() > 1.03*least || d.USD.OrNaN() < least-1e-9 {
		t.Errorf("%d prompts and %d labels give ±%.4f for $%.3f; the cheapest is $%.3f", d.Prompts, d.Labels, w,
			d.USD.OrNaN(), least)
	}
	for _, want := range []string{"±0.02 or narrower", "would answer for p0, perhaps",
		", but not for pi_bigger_model and pi_bad",
		fmt.Sprintf("%d responses of every other policy labeled", d.Labels),
		fmt.Sprintf("about $%.2f more", d.USD.OrNaN())} {
		if !strings.Contains(p.Answer, want) {
			t.Errorf("%q does not say %q", p.Answer, want)
		}
	}

	// What the resolution cannot tell from P0 is named: here a target that the judge
	// scores like P0. (1.960 + 0.842)·√2/1.960 of ±0.02 is 0.0404.
	if got := toldApart(0.02); math.Abs(got-0.0404) > 5e-5 {
		t.Errorf("±0.02 tells apart %v, want 0.0404", got)
	}
	if strings.Contains(p.Answer, "tell these apart from P0: pi_bad") || strings.Contains(p.Answer, "pi_bad (") {
		t.Errorf("%q: pi_bad is far away", p.Answer)
	}
	_, same := planned(func(r *healthy.Run) {
		base := r.ScoresOf("p0")
		for i := range r.Scores {
			if s := &r.Scores[i]; s.Policy == "pi_cot" {
				s.Mean = dataset.Known(base[s.PromptID].Mean.OrNaN() - 0.01)
			}
		}
	})
	if !strings.Contains(same.Answer, "does not tell these apart from P0: pi_cot (0.010 to the judge)") ||
		!strings.Contains(same.Answer, "±0.0049 would") && !strings.Contains(same.Answer, "±0.005 would") {
		t.Errorf("%q does not name pi_cot", same.Answer)
	}

	// All targets overlap, and weights are cheaper than labels.
	_, p = planned(func(r *healthy.Run) {
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range r.Prompts {
			for _, name := range []string{"pi_cot", "pi_bigger_model", "pi_bad"} {
				healthy.LogprobRow(r, i, name).LogProb = dataset.Known(healthy.LogprobRow(r, i, "p0").LogProb.OrNaN() +
					dataset.Known(0.2*rng.NormFloat64()-0.02).OrNaN())
			}
		}
		for i := range r.Ledger { // labels at $3
			if r.Ledger[i].Stage == record.StageOracle {
				r.Ledger[i].Cost = 3
			}
		}
		r.Resolution = 0.04
	})
	if d := p.Cheapest; d == nil || d.By != "dr" || d.Labels != 0 || d.Prompts >= 10_000 {
		t.Errorf("%+v: want fewer prompts and no labels", d)
	}

	// Nothing answers at a width that no run gives.
	_, p = planned(func(r *healthy.Run) { r.Resolution = 1e-4 })
	if p.Cheapest != nil || !strings.Contains(p.Answer, "No run of up to 10,000 prompts") {
		t.Errorf("%+v, %q", p.Cheapest, p.Answer)
	}

	// Labels that people gave have no price.
	_, p = planned(func(r *healthy.Run) {
		r.Ledger = r.Ledger[:500]
	})
	if d := p.Cheapest; d == nil || d.USD.Valid() || !strings.Contains(p.Answer, "unknown price") {
		t.Errorf("%+v, %q: what has no price is not free", d, p.Answer)
	}

	// Without labels nothing is known.
	_, p = planned(func(r *healthy.Run) { r.Labels = r.Labels[:2] })
	if len(p.Questions) != 0 || p.Cheapest != nil || !strings.Contains(p.Answer, "not known") {
		t.Errorf("%+v", p)
	}
}

// What is said to be kept of a relative ESS is.
func TestKeptESS(t *testing.T) {
	for _, c := range []struct{ sd, least float64 }{{0.5, 1}, {1, 1}, {1.2, 1}, {1.5, 0.85}} {
		rng := rand.New(rand.NewPCG(1, 2))
		usable, kept := 0, 0
		for range 1000 {
			d := make([]float64, 100)
			for i := range d {
				d[i] = c.sd*rng.NormFloat64() - c.sd*c.sd/2
			}
			w, err := offpolicy.WeightsFromLogRatios(d)
			if err != nil {
				t.Fatal(err)
			}
			if !w.Usable() {
				continue
			}
			usable++
			if math.Exp(-c.sd*c.sd) >= keptESS*w.ESS/100 { // E[w]²/E[w²] of a log-normal
				kept++
			}
		}
		if share := float64(kept) / float64(usable); usable < 50 || share < c.least {
			t.Errorf("sd %v: of %d usable samples %.3f keep a quarter of their relative ESS, want %v", c.sd, usable, share,
				c.least)
		}
	}
}

// TestReferenceTimesAreReadable: a plan's minutes, for as many prompts more.
func TestReferenceTimesAreReadable(t *testing.T) {
	for _, r := range []struct {
		scale float64
		want  string
	}{{1, "10-15 min"}, {8, "80-120 min"}, {100, "16.7-25 h"}} {
		var s record.StageCost
		refer(&s, record.ReferenceStage{FromMinutes: 10, ToMinutes: 15}, r.scale)
		if s.ReferenceTime != r.want {
			t.Errorf("10-15 minutes times %v: %s, want %s", r.scale, s.ReferenceTime, r.want)
		}
	}
}

// With an assurance the runs that are planned are larger, the promise says in how many of
// them it holds, and the notes say which differences the full run shows.
func TestAssuredPlan(t *testing.T) {
	_, plain := planned(nil)
	_, sure := planned(func(r *healthy.Run) { healthy.OwnLabels(r, "pi_bad", 90, -.1); r.Assurance = .9 })
	if plain.Assurance.Valid() || !strings.Contains(plain.Answer, "gives about ±") {
		t.Errorf("without an assurance: %v %q", plain.Assurance, plain.Answer)
	}
	if sure.Assurance.OrNaN() != .9 || !strings.Contains(sure.Answer, "or better in 90% of such runs") {
		t.Errorf("with one: %v %q", sure.Assurance, sure.Answer)
	}
	if p, s := plain.Questions[0].Cheapest, sure.Questions[0].Cheapest; !(s.Prompts > p.Prompts) {
		t.Errorf("P0 needs %d prompts for the expected width, %d for an assured one", p.Prompts, s.Prompts)
	}
	const want = "the full run shows differences (power 0.8): pi_bad - p0 from 0.0"
	if notes := strings.Join(sure.Notes, "\n"); !strings.Contains(notes, want) {
		t.Errorf("no detectable differences in %q", notes)
	}
}
