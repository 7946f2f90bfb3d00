package offpolicy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
)

// pooledRows are a target's rows as an accumulator takes them.
func pooledRows(s Samples, target string) []StreamRow {
	rows := map[string]int{}
	for _, r := range s.Rows {
		rows[r.Logger]++
	}
	var out []StreamRow
	for _, r := range s.Rows {
		out = append(out, StreamRow{PromptID: r.PromptID, Reward: r.Score, Label: r.Label, InclusionProb: r.InclusionProb,
			LogRatio: dataset.Known(r.LogProbs[target].OrNaN() - MixtureLogProb(rows, r.LogProbs).OrNaN()), Logger: r.Logger})
	}
	slices.SortFunc(out, func(a, b StreamRow) int { return strings.Compare(a.PromptID, b.PromptID) })
	return out
}

// Of pooled logs an accumulator says what Evaluate says, whole and in shards, in any order of
// prompts: values and weights to 1e-9, and errors, where heavy rows count by a series, to 1e-6.
func TestAccumulatorOfPooledLogs(t *testing.T) {
	const clip = 1.5
	s := pooledSamples(150, 9)
	for i := range s.Rows { // the loggers differ in more than the weights explain
		if s.Rows[i].Logger == "old" && i%3 == 0 {
			s.Rows[i].Label = dataset.Float{}
		}
	}
	r, err := Evaluate(s, Config{Clip: clip, Method: InfluenceFunction, Replicates: 2,
		Reward:     func(r Row) float64 { return r.Score.OrNaN() },
		Estimators: []Estimator{LabeledSNIPS, SNIPS, IPS, ClippedIPS}})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"new", "target"} {
		p := r.Policy(target)
		var want []Estimate
		for i := range p.Estimates {
			want = append(want, withoutInfluence(&p.Estimates[i]))
			if se := p.Estimates[i].strata; p.Estimates[i].Refused() || len(se) != 2 {
				t.Fatalf("%s: %+v", target, p.Estimates[i])
			}
		}
		rows := pooledRows(s, target)
		whole := accumulate(t, target, clip, rows)
		merged := NewAccumulator(target, clip)
		shards := make([][]StreamRow, 3)
		for _, r := range rows {
			k := Fold(1, r.PromptID, 3)
			shards[k] = append(shards[k], r)
		}
		for _, shard := range shards {
			state, err := accumulate(t, target, clip, shard).MarshalBinary()
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
		slices.Reverse(rows)
		for how, a := range map[string]*Accumulator{"whole": whole, "in shards": merged,
			"backwards": accumulate(t, target, clip, rows)} {
			w, got := a.Finish()
			options := cmp.Options{cmpopts.EquateApprox(1e-6, 1e-12), cmpopts.EquateNaNs(),
				cmpopts.IgnoreUnexported(Estimate{})}
			if diff := cmp.Diff(want, got, options); diff != "" {
				t.Errorf("%s, %s: estimates (-Evaluate +accumulator):\n%s", target, how, diff)
			}
			for i := range got {
				if d := got[i].Value - want[i].Value; d > 1e-9 || d < -1e-9 {
					t.Errorf("%s, %s: %s is %v, want %v", target, how, got[i].Estimator, got[i].Value, want[i].Value)
				}
			}
			ww := *p.Weights
			ww.Log = nil
			options[0] = cmpopts.EquateApprox(1e-9, 1e-12)
			if diff := cmp.Diff(&ww, w, options); diff != "" {
				t.Errorf("%s, %s: weights (-Evaluate +accumulator):\n%s", target, how, diff)
			}
		}
	}
}

func TestAccumulatorRefusesMixedLoggers(t *testing.T) {
	row := func(id, logger string) StreamRow {
		return StreamRow{PromptID: id, LogRatio: dataset.Known(0), Label: dataset.Known(.5), Logger: logger}
	}
	for _, c := range []struct {
		first, second StreamRow
		says          string
	}{
		{row("a", "old"), row("b", ""), "name it of all or of none"},
		{row("a", ""), row("b", "old"), "name it of all or of none"},
		{row("a", "old"), row("a", "new"), "several rows"},
	} {
		a := accumulate(t, "t", 0, []StreamRow{c.first})
		if err := a.Add(c.second); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v after %+v: %v", c.second, c.first, err)
		}
		if b := accumulate(t, "t", 0, []StreamRow{c.second}); a.Merge(b) == nil {
			t.Errorf("%+v and %+v were merged", c.first, c.second)
		}
	}
}
