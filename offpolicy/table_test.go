package offpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

// hardSamples have some of everything that an evaluation looks at: rows without a score, a
// label or a log-prob, two rows a prompt, draws, probes, segments, a clone.
func hardSamples() Samples {
	s := world{prompts: 150, rows: 2, labels: 220, draws: 2, probes: 40, missing: 9}.samples(11)
	s.Scored["again"] = dataset.Scored{Distribution: dataset.SamplingDistribution}
	s.Scored["rare"] = s.Scored["again"] // most parts of the rows have nothing of it
	rng := rand.New(rand.NewPCG(1, 7))
	for i := range s.Rows {
		r := &s.Rows[i]
		r.Covariate = r.Length
		r.LogProbs["again"] = dataset.Known(r.LogProbs["p0"].OrNaN() + .001*rng.NormFloat64())
		if i%17 == 0 {
			r.Score = dataset.Float{}
		}
		if i%40 == 0 {
			r.LogProbs["rare"] = dataset.Known(-101)
		}
		if v := r.LogProbs["near"].OrNaN(); i%7 == 0 && v == v {
			r.Intervals = map[string][2]dataset.Float{"near": {dataset.Known(v - .02), dataset.Known(v + .03)}}
			delete(r.LogProbs, "near")
		}
		if i%5 == 0 {
			delete(r.Segments, "language")
		}
	}
	for _, d := range s.Draws {
		for i := range d {
			d[i].Covariate = dataset.Known(60)
			if i%23 == 0 {
				d[i].Score = dataset.Float{}
			}
		}
	}
	return s
}

// shards splits samples by prompt, at random.
func (s Samples) shards(n int, rng *rand.Rand) []Samples {
	out := make([]Samples, n)
	for k := range out {
		out[k] = s
		out[k].Rows, out[k].Draws = nil, map[string][]Draw{}
	}
	of := map[string]int{}
	pick := func(id string) *Samples {
		if _, ok := of[id]; !ok {
			of[id] = rng.IntN(n)
		}
		return &out[of[id]]
	}
	for _, r := range s.Rows {
		x := pick(r.PromptID)
		x.Rows = append(x.Rows, r)
	}
	for policy, draws := range s.Draws {
		for _, d := range draws {
			x := pick(d.PromptID)
			x.Draws[policy] = append(x.Draws[policy], d)
		}
	}
	return out
}

func documentOf(t *testing.T, table *Table, c Config) string {
	t.Helper()
	r, err := table.Evaluate(c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(r.Document(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Shards of prompts, merged in trees of any shape and carried from process to process on
// the way, are the whole, to the byte.
func TestShardsAreTheWhole(t *testing.T) {
	shardsAreTheWhole(t, hardSamples(), Config{Replicates: 10, Clones: []string{"again"}, Segments: []string{"language"},
		Margin: .1})
	pooled := pooledSamples(40, 3)
	for i := range pooled.Rows { // every other one to a prompt of both
		pooled.Rows[i].PromptID = fmt.Sprintf("prompt %d", i/4)
	}
	shardsAreTheWhole(t, pooled, Config{Replicates: 10})
}

func shardsAreTheWhole(t *testing.T, s Samples, c Config) {
	t.Helper()
	whole, err := Evaluate(s, c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(whole.Document(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{1, 2, 7, 64} {
		var tables []*Table
		for _, x := range s.shards(n, rng) {
			tables = append(tables, TableOf(x))
		}
		for len(tables) > 1 {
			i := rng.IntN(len(tables) - 1)
			state, err := tables[i+1].MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var carried Table
			if err := carried.UnmarshalBinary(state); err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(state)
			if err := tables[i].Merge(&carried); err != nil {
				t.Fatal(err)
			}
			if state, err = carried.MarshalBinary(); err != nil || !bytes.Equal(state, before) {
				t.Fatalf("merging changed what was merged (%v)", err)
			}
			tables = slices.Delete(tables, i+1, i+2)
		}
		if diff := cmp.Diff(string(b), documentOf(t, tables[0], c)); diff != "" {
			t.Errorf("%d shards (-whole +merged):\n%s", n, diff)
		}
	}
}

// Rows of one prompt that have the same numbers and other names are the same in any order.
func TestEqualRowsInAnyOrder(t *testing.T) {
	s := hardSamples()
	for _, r := range slices.Clone(s.Rows) {
		r.Segments = map[string]string{"language": "none of these"}
		s.Rows = append(s.Rows, r)
	}
	c := Config{Replicates: 2, Segments: []string{"language"}}
	want := documentOf(t, TableOf(s), c)
	slices.Reverse(s.Rows)
	if diff := cmp.Diff(want, documentOf(t, TableOf(s), c)); diff != "" {
		t.Errorf("(-one order +the other):\n%s", diff)
	}
}

// Records added one by one, here and there, are FromRecords of all.
func TestTableOfRecords(t *testing.T) {
	logs := dataset.Logs{Logging: "base", Judge: "j", Draws: map[string][]dataset.FreshDraw{},
		Probes: map[string][]dataset.FreshDraw{}}
	for _, r := range hardSamples().Rows {
		x := dataset.Sample{Prompt: r.PromptID, Response: r.PromptID + " and some", BasePolicyLogProb: r.LogProbs["p0"],
			JudgeScore: r.Score, OracleLabel: r.Label,
			TargetPolicyLogProbs: map[string]dataset.Float{"near": r.LogProbs["near"]},
			Metadata:             map[string]any{"language": "x"}}
		logs.Samples = append(logs.Samples, x)
		if len(logs.Samples) > 150 {
			continue // one draw a prompt
		}
		d := dataset.FreshDraw{PromptID: x.ID(), JudgeScore: dataset.Known(.5)}
		logs.Draws["near"] = append(logs.Draws["near"], d)
		if d.OracleLabel = r.Label; r.Label.Valid() {
			logs.Probes["near"] = append(logs.Probes["near"], d)
		}
	}
	logs.Scored = dataset.Unstated("base", logs.Samples)
	for _, tokens := range []bool{false, true} {
		if tokens {
			logs.Samples[5].Metadata["response_token_count"] = 7.0
		}
		s, err := FromRecords(logs)
		if err != nil {
			t.Fatal(err)
		}
		parts := []*Table{NewTable(Plan{Logging: "base", Judge: "j"}), NewTable(Plan{Logging: "base", Judge: "j"})}
		for i, x := range logs.Samples {
			if err := parts[i%2].AddSample(x); err != nil {
				t.Fatal(err)
			}
		}
		for i, d := range logs.Draws["near"] {
			parts[i%2].AddFresh("near", d)
			parts[i%2].AddFresh("base", d)
		}
		for i, d := range logs.Probes["near"] {
			parts[(i+1)%2].AddProbe("near", d)
			parts[i%2].AddProbe("base", d)
		}
		if err := parts[0].Merge(parts[1]); err != nil {
			t.Fatal(err)
		}
		c := Config{Replicates: 2}
		if diff := cmp.Diff(documentOf(t, TableOf(s), c), documentOf(t, parts[0], c)); diff != "" {
			t.Errorf("tokens %v (-records +table):\n%s", tokens, diff)
		}
	}
	table := NewTable(Plan{Logging: "near", Judge: "j"})
	if err := table.AddSample(logs.Samples[0]); err == nil {
		t.Error("a target policy has the name of the logging policy")
	}
}

// A table gives back what it was given, and a policy of which every log-prob is missing is
// one still.
func TestTableHoldsSamples(t *testing.T) {
	s := hardSamples()
	s.Rows[3].LogProbs["never"] = dataset.Float{}
	got, err := TableOf(s).Samples()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Rows {
		for policy := range got.Rows[0].LogProbs {
			if _, ok := s.Rows[i].Intervals[policy]; ok {
				delete(s.Rows[i].LogProbs, policy)
			} else {
				v := s.Rows[i].LogProbs[policy]
				s.Rows[i].LogProbs[policy] = v // missing, if it was not there
			}
		}
		if len(s.Rows[i].Segments) == 0 {
			s.Rows[i].Segments = nil
		}
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range s.Rows {
		s.Rows[i].LogProbs["again"] = s.Rows[i].LogProbs["p0"]
	}
	table := TableOf(s)
	if !slices.Equal(table.Clones(), []string{"again"}) || !slices.Equal(table.Segments(), []string{"language"}) {
		t.Errorf("clones %v, segments %v", table.Clones(), table.Segments())
	}
}

func TestMergeRefusesAnotherPlan(t *testing.T) {
	plan := func(change func(*Plan)) Plan {
		p := Plan{Logging: "p0", Judge: "j", Scored: sampled("p0")}
		change(&p)
		return p
	}
	same := plan(func(*Plan) {})
	for _, tt := range []struct {
		reason string
		change func(*Plan)
		ok     bool
	}{
		{"the same", func(*Plan) {}, true},
		{"another judge", func(p *Plan) { p.Judge = "k" }, false},
		{"another logging policy", func(p *Plan) { p.Logging = "p1" }, false},
		{"raw values in one part", func(p *Plan) {
			p.Scored["p0"] = dataset.Scored{Distribution: dataset.RawDistribution}
		}, false},
		{"another policy under one name", func(p *Plan) {
			p.Scored["p0"] = dataset.Scored{Hash: "h", Distribution: dataset.SamplingDistribution}
		}, false},
		{"nothing said in one part", func(p *Plan) { p.Scored = nil }, false},
	} {
		into := NewTable(same)
		err := into.Merge(NewTable(plan(tt.change)))
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrOtherPlan) {
			t.Errorf("%s: %v", tt.reason, err)
		}
	}
}

// What is merged with itself would count twice.
func TestMergeRefusesItself(t *testing.T) {
	table, sums := TableOf(hardSamples()), NewAccumulator("near", 0)
	if err := sums.Add(StreamRow{PromptID: "a", LogRatio: dataset.Known(0)}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"table": table.Merge(table), "accumulator": sums.Merge(sums)} {
		if err == nil || !strings.Contains(err.Error(), "count twice") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTableStateIsChecked(t *testing.T) {
	s := hardSamples()
	s.Rows = s.Rows[:20]
	for policy := range s.Draws {
		s.Draws[policy] = s.Draws[policy][:5]
	}
	state, err := TableOf(s).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range state {
		var table Table
		if table.UnmarshalBinary(state[:n]) == nil {
			t.Fatalf("a state of %d bytes cut to %d is none", len(state), n)
		}
		damaged := bytes.Clone(state)
		damaged[n] ^= 4
		if table.UnmarshalBinary(damaged) == nil {
			t.Fatalf("byte %d is another one", n)
		}
	}
}

// FuzzTableState: no bytes make a table that cannot be written, merged and evaluated.
func FuzzTableState(f *testing.F) {
	s := hardSamples()
	s.Rows, s.Draws = s.Rows[:4], map[string][]Draw{"near": s.Draws["near"][:2]}
	state, err := TableOf(s).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state[len(tableVersion)+32 : len(state)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		table := NewTable(Plan{})
		c := &tableCoder{buf: body, read: true}
		if table.code(c); c.err != nil || len(c.buf) > 0 || !table.whole() {
			return
		}
		other := NewTable(table.plan)
		if err := other.Merge(table); err != nil {
			t.Fatal(err)
		}
		if _, err := other.MarshalBinary(); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Evaluate(Config{Replicates: 2}); err == nil && other.Rows() == 0 {
			return
		}
	})
}

// Above 10,000 prompts errors come from influences, by that number alone.
func TestErrorMethodByPrompts(t *testing.T) {
	if testing.Short() {
		t.Skip("arithmetic, whose goroutines other tests watch for races")
	}
	if methodFor(exactPrompts) != Bootstrap || methodFor(exactPrompts+1) != InfluenceFunction {
		t.Errorf("of %d prompts %q, of one more %q", exactPrompts, methodFor(exactPrompts), methodFor(exactPrompts+1))
	}
	s := world{prompts: exactPrompts, labels: 1000, draws: 1, probes: 200}.samples(5)
	delete(s.Draws, "far")
	for i := range s.Rows {
		delete(s.Rows[i].LogProbs, "far")
	}
	c := Config{Estimators: []Estimator{DR, Direct, LabeledSNIPS}}
	byBootstrap := evaluate(t, s, c)
	c.Method = InfluenceFunction
	byInfluence := evaluate(t, s, c)
	compare := func(what string, a, b float64) {
		if !(b > 0) || a/b > 1.03 || a/b < .97 {
			t.Errorf("%s: standard error %v by bootstrap, %v by influences", what, a, b)
		}
	}
	for i, p := range byBootstrap.Policies {
		for j, a := range p.Estimates {
			b := byInfluence.Policies[i].Estimates[j]
			if a.Refused() != b.Refused() || a.Value != b.Value && !(a.Refused()) {
				t.Errorf("%s of %s: %v by bootstrap, %v by influences", a.Estimator, p.Policy, a.Value, b.Value)
			}
			if !a.Refused() {
				compare(p.Policy+" "+string(a.Estimator), a.SE, b.SE)
			}
		}
		if answer, other := p.Answer, byInfluence.Policies[i].Answer; answer.Estimator != "" {
			compare(p.Policy+" band", answer.BandUpper-answer.BandLower, other.BandUpper-other.BandLower)
		}
	}
	for i, a := range byBootstrap.Comparisons {
		b := byInfluence.Comparisons[i]
		compare(a.A+" - "+a.B, a.SE, b.SE)
		compare(a.A+" - "+a.B+" band", a.BandUpper-a.BandLower, b.BandUpper-b.BandLower)
	}
}
