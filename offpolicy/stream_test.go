package offpolicy

import (
	"encoding"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
)

var (
	_ encoding.BinaryMarshaler   = (*Accumulator)(nil)
	_ encoding.BinaryUnmarshaler = (*Accumulator)(nil)
)

// streamRows are a target's rows as an accumulator takes them, by prompt.
func streamRows(s Samples, target string) []StreamRow {
	rows := slices.Clone(s.Rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(a.PromptID, b.PromptID) })
	out := make([]StreamRow, len(rows))
	for i, r := range rows {
		out[i] = StreamRow{r.PromptID, dataset.Known(r.LogProbs[target].OrNaN() - r.LogProbs["p0"].OrNaN()), r.Score,
			r.Label, r.InclusionProb, ""}
	}
	return out
}

func accumulate(t *testing.T, policy string, clip float64, rows []StreamRow) *Accumulator {
	t.Helper()
	a := NewAccumulator(policy, clip)
	for _, r := range rows {
		if err := a.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// withoutInfluence leaves what a stream can say of an estimate.
func withoutInfluence(e *Estimate) Estimate {
	out := *e
	out.Influence, out.replicates, out.Basis.Replicates = nil, nil, 0
	return out
}

// What an accumulator says is what Evaluate says, to 1e-9: whole, in shards by
// prompt, through its binary state, and with weights beyond a float64.
func TestAccumulatorEqualsEvaluate(t *testing.T) {
	base := world{prompts: 300, rows: 2, labels: 200}.samples(1)
	shifted := func(by float64) Samples {
		s := base
		s.Rows = slices.Clone(s.Rows)
		for i := range s.Rows {
			p0, target := s.Rows[i].LogProbs["p0"].OrNaN(), s.Rows[i].LogProbs["near"].OrNaN()
			s.Rows[i].LogProbs = map[string]dataset.Float{
				"p0": dataset.Known(p0 - math.Abs(by)), "near": dataset.Known(target - math.Abs(by) + by),
			}
		}
		return s
	}
	unequal, rng := base, rand.New(rand.NewPCG(7, 7))
	unequal.Rows = slices.Clone(base.Rows)
	for i := range unequal.Rows {
		p := .1 + .8*unequal.Rows[i].Score.OrNaN()
		unequal.Rows[i].InclusionProb, unequal.Rows[i].Label = dataset.Known(p), dataset.Float{}
		if rng.Float64() < p {
			unequal.Rows[i].Label = dataset.Known(.25 + .5*rng.Float64())
		}
	}
	same := base
	same.Rows = slices.Clone(base.Rows)
	for i := range same.Rows {
		same.Rows[i].Score = dataset.Known(.5)
		if same.Rows[i].Label.OrNaN() >= 0 {
			same.Rows[i].Label = dataset.Known(1)
		}
	}
	tests := []struct {
		name, target string
		samples      Samples
		reason       string
	}{
		{"near", "near", base, "usable weights, two rows a prompt"},
		{"far", "far", base, "refused weights"},
		{"unequal", "near", unequal, "labels chosen with unequal probabilities"},
		{"same", "near", same, "rewards and labels that are all equal: Clopper and Pearson's interval"},
		{"tiny", "near", shifted(-600), "raw weights near the smallest float64"},
		{"huge", "near", shifted(650), "raw weights near the largest"},
	}
	for _, tt := range tests {
		const clip = 1.25
		r, err := Evaluate(tt.samples, Config{
			Clip: clip, Method: InfluenceFunction, Replicates: 2, Reward: func(r Row) float64 { return r.Score.OrNaN() },
			Estimators: []Estimator{LabeledSNIPS, SNIPS, IPS, ClippedIPS},
		})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		p := r.Policy(tt.target)
		want := make([]Estimate, len(p.Estimates))
		for i := range want {
			want[i] = withoutInfluence(&p.Estimates[i])
		}
		check := func(how string, a *Accumulator) {
			t.Helper()
			w, got := a.Finish()
			opts := cmp.Options{cmpopts.EquateApprox(1e-9, 1e-12), cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(Estimate{})}
			if diff := cmp.Diff(want, got, opts); diff != "" {
				t.Errorf("%s, %s: %s: estimates (-Evaluate +accumulator):\n%s", tt.name, how, tt.reason, diff)
			}
			ww := *p.Weights
			ww.Log = nil
			if diff := cmp.Diff(&ww, w, opts); diff != "" {
				t.Errorf("%s, %s: weights (-Evaluate +accumulator):\n%s", tt.name, how, diff)
			}
		}
		rows := streamRows(tt.samples, tt.target)
		check("whole", accumulate(t, tt.target, clip, rows))

		shards := make([][]StreamRow, 3)
		for _, r := range rows {
			k := Fold(1, r.PromptID, 3)
			shards[k] = append(shards[k], r)
		}
		merged := NewAccumulator(tt.target, clip)
		for _, shard := range shards {
			state, err := accumulate(t, tt.target, clip, shard).MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var back Accumulator
			if err := back.UnmarshalBinary(state); err != nil {
				t.Fatal(err)
			}
			if err := merged.Merge(&back); err != nil {
				t.Fatal(err)
			}
		}
		check("in three shards", merged)

		// Cut inside a prompt: it is one cluster all the same.
		a, b := accumulate(t, tt.target, clip, rows[:301]), accumulate(t, tt.target, clip, rows[301:302])
		if err := a.Merge(b); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[302:] {
			if err := a.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		check("cut inside a prompt", a)
	}
}

// Rows without a weight are left out, and all is refused if they are many or if their
// labels differ.
func TestAccumulatorMissing(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, tt := range []struct {
		share, shift float64
		refused      bool
		reason       string
	}{{.1, 0, false, "some at random"}, {.1, -.3, true, "some that are worse"}, {.3, 0, true, "too many"}} {
		a := NewAccumulator("t", 0)
		missing := 0
		for i := range 600 {
			r := StreamRow{string(rune('a'+i%20)) + string(rune('a'+i/20)), dataset.Known(0), dataset.Known(.5),
				dataset.Known(.3 + .4*rng.Float64()), dataset.Float{}, ""}
			if rng.Float64() < tt.share {
				r.LogRatio, r.Label = dataset.Float{}, dataset.Known(r.Label.OrNaN()+tt.shift)
				missing++
			}
			if err := a.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		w, es := a.Finish()
		refused := len(es[0].Refusals) == 1 && es[0].Refusals[0].Rule == RuleMissing
		if w.Missing != missing || refused != tt.refused {
			t.Errorf("%s: %d missing of %d, refusals %v", tt.reason, w.Missing, missing, es[0].Refusals)
		}
	}
}

func TestAccumulatorFinishesTwice(t *testing.T) {
	rows := streamRows(world{prompts: 60, labels: 60}.samples(2), "near")
	a := accumulate(t, "near", 0, rows[:59])
	_, before := a.Finish()
	if len(before) != 3 {
		t.Errorf("%d estimates without a clip, want 3: √n is not known until the end", len(before))
	}
	if err := a.Add(rows[59]); err != nil {
		t.Fatal(err)
	}
	_, after := a.Finish()
	_, want := accumulate(t, "near", 0, rows).Finish()
	if diff := cmp.Diff(want, after, cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(Estimate{})); diff != "" {
		t.Errorf("Finish in between changed what came later:\n%s", diff)
	}
	if state, _ := a.MarshalBinary(); len(state) > 2000 {
		t.Errorf("a state of %d bytes", len(state))
	}
}

func TestAccumulatorRefuses(t *testing.T) {
	ok := StreamRow{"a", dataset.Known(0), dataset.Known(.5), dataset.Known(.5), dataset.Known(nan), ""}
	with := func(f func(*StreamRow)) StreamRow { r := ok; f(&r); return r }
	tests := []struct {
		row    StreamRow
		reason string
	}{
		{with(func(r *StreamRow) { r.PromptID = "" }), "no cluster"},
		{with(func(r *StreamRow) { r.LogRatio = dataset.Known(inf) }), "an infinite weight"},
		{with(func(r *StreamRow) { r.Reward = dataset.Known(-inf) }), "an infinite reward"},
		{with(func(r *StreamRow) { r.Label = dataset.Known(1.5) }), "a label on another scale"},
		{with(func(r *StreamRow) { r.InclusionProb = dataset.Known(.5) }), "the row before stated none"},
		{StreamRow{"a", dataset.Known(0), dataset.Known(.5), dataset.Known(.5), dataset.Known(0), ""},
			"the zero value is no probability"},
	}
	for _, tt := range tests {
		a := accumulate(t, "t", 0, []StreamRow{ok})
		err := a.Add(tt.row)
		var bad *RowError
		if !errors.As(err, &bad) || bad.Row != 1 {
			t.Errorf("%s: error %v, want a RowError of row 1", tt.reason, err)
		}
		if w, _ := a.Finish(); w.N != 1 {
			t.Errorf("%s: the row was counted", tt.reason)
		}
	}
	a := NewAccumulator("t", 0)
	for what, o := range map[string]*Accumulator{"another policy": NewAccumulator("u", 0),
		"another clip": NewAccumulator("t", 5)} {
		if err := a.Merge(o); err == nil {
			t.Errorf("%s was merged", what)
		}
	}
	stated := accumulate(t, "t", 0, []StreamRow{{"b", dataset.Known(0), dataset.Known(.5), dataset.Known(.5),
		dataset.Known(.5), ""}})
	if err := accumulate(t, "t", 0, []StreamRow{ok}).Merge(stated); err == nil {
		t.Error("labels with and without probabilities were merged")
	}
	mustPanic(t, "clip", func() { NewAccumulator("t", -1) })
	w, es := a.Finish()
	if w.N != 0 || len(es) != 3 || !es[0].Refused() || !es[1].Refused() {
		t.Errorf("an empty accumulator: %+v %+v", w, es)
	}
}

// FuzzAccumulatorState: a damaged state is refused, or is some state; it never
// panics, and what was read is written back byte by byte.
func FuzzAccumulatorState(f *testing.F) {
	a := NewAccumulator("near", 2)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		_ = a.Add(StreamRow{"p", dataset.Known(rng.NormFloat64()), dataset.Known(.5), dataset.Known(.5), dataset.Known(.5),
			""})
	}
	state, _ := a.MarshalBinary()
	f.Add(state)
	f.Add(state[:100])
	f.Add([]byte(stateVersion))
	f.Fuzz(func(t *testing.T, state []byte) {
		var a Accumulator
		if err := a.UnmarshalBinary(state); err != nil {
			return
		}
		a.Finish()
		again, err := a.MarshalBinary()
		if err != nil || string(again) != string(state) {
			t.Errorf("read and written, a state is another one (%v)", err)
		}
	})
}
