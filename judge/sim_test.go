package judge_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// conversations are n prompts with a reply to each, of the bundled generator.
func conversations(n int) (prompts []dataset.Prompt, replies []string) {
	seen := map[string]bool{}
	for c := range arenagen.Conversations(4*n, 1) {
		text := c.ConversationA[0].Content
		if seen[text] || len(prompts) == n {
			continue
		}
		seen[text] = true
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprintf("q%04d", len(prompts)), Text: text})
		replies = append(replies, c.ConversationA[1].Content)
	}
	return prompts, replies
}

// simClient talks to a simulator in memory.
func simClient(t testing.TB, c sim.Config) *providers.Client {
	t.Helper()
	s := sim.New(c)
	t.Cleanup(func() { s.Close() })
	p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://sim.test/v1", Key: providers.NewSecret("k"),
		HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "prices")
	if err != nil {
		t.Fatal(err)
	}
	client, err := providers.NewClient(p, providers.ClientConfig{Concurrency: 8, Prices: prices,
		Retry: providers.Retry{Base: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// ask runs f for every item, eight at a time.
func ask(t *testing.T, n int, f func(ctx context.Context, i int) error) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// The stated variances are right: over the items of a world whose noise is
// known, the squared errors of the calibrated scores add up to what was stated,
// in all and in each third from the smallest stated variance to the largest.
// Score, variance and calibrator of an item come from fits without its label.
func TestUncertaintyIsCalibrated(t *testing.T) {
	n, slack := simSize()
	client := simClient(t, sim.Config{})
	prompts, replies := conversations(n)
	key := func(i int) dataset.Key { return dataset.Key{PromptID: prompts[i].ID, Policy: "x"} }
	labels := make([]float64, n)
	o, err := oracle.NewLabeler(judge.Config{Name: "oracle", Generator: client, Model: sim.OracleModel})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, n, func(ctx context.Context, i int) (err error) {
		labels[i], err = o.Label(ctx, providers.Tag{Stage: "oracle", Key: key(i)}, prompts[i], replies[i])
		return err
	})
	config := judge.Config{Name: "j", Generator: client, Model: sim.JudgeModel}
	must := func(s judge.Scorer, err error) judge.Scorer {
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	wrap := func(f func(judge.Config) (judge.Scorer, error)) judge.Scorer { return must(f(config)) }
	det := wrap(func(c judge.Config) (judge.Scorer, error) { return judge.NewDeterministic(c) })
	tok := wrap(func(c judge.Config) (judge.Scorer, error) { return judge.NewTokens(c, 20) })
	interval := wrap(func(c judge.Config) (judge.Scorer, error) { return judge.NewInterval(c) })
	repeated := wrap(func(c judge.Config) (judge.Scorer, error) { return judge.NewRepeated(c, 3) })
	panel := must(judge.NewPanel("panel", tok, repeated))
	for _, s := range []judge.Scorer{det, tok, interval, repeated, panel} {
		rows := slices.Grow([]judge.Labeled(nil), n)[:n]
		ask(t, n, func(ctx context.Context, i int) error {
			score, err := s.Score(ctx, providers.Tag{Stage: "judge-" + s.Identity(), Key: key(i)}, prompts[i], replies[i])
			rows[i] = judge.Labeled{PromptID: prompts[i].ID, Score: score, Label: dataset.Known(labels[i]),
				InclusionProb: dataset.Known(1)}
			return err
		})
		checkUncertainty(t, s.Identity(), rows, slack)
	}
}

func checkUncertainty(t *testing.T, id string, rows []judge.Labeled, slack float64) {
	t.Helper()
	if rows[0].Score.Source == judge.SourceRepeated {
		var v []float64
		for _, r := range rows {
			v = append(v, r.Score.Variance.OrNaN())
		}
		for i, v := range judge.Shrink(v, len(rows[0].Score.Readings)) {
			rows[i].Score.Variance = dataset.Known(v)
		}
	}
	var labeled []offpolicy.LabeledScore
	for _, r := range rows {
		labeled = append(labeled, offpolicy.LabeledScore{PromptID: r.PromptID, Score: r.Score.Mean, Label: r.Label,
			InclusionProb: dataset.Known(1)})
	}
	cal, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: id}, labeled)
	if err != nil {
		t.Fatal(err)
	}
	u, err := judge.FitUncertainty(cal, rows)
	if err != nil {
		t.Fatal(err)
	}
	type item struct{ square, stated float64 }
	var items []item
	var sampling, residual, calibrator float64
	for _, r := range rows {
		e := r.Label.OrNaN() - cal.PredictFor(r.PromptID, r.Score.Mean.OrNaN())
		p := u.Parts(r.PromptID, r.Score)
		sampling += p.Sampling.OrNaN()
		residual += p.Residual.OrNaN()
		calibrator += p.Calibrator.OrNaN()
		items = append(items, item{e * e, p.Total().OrNaN()})
	}
	total := sampling + residual + calibrator
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.stated, b.stated),
			cmp.Compare(a.square, b.square))
	})
	ratio := func(items []item) float64 {
		var square, stated float64
		for _, i := range items {
			square += i.square
			stated += i.stated
		}
		return square / stated
	}
	n := len(items)
	all, thirds := ratio(items), [3]float64{ratio(items[:n/3]), ratio(items[n/3 : 2*n/3]), ratio(items[2*n/3:])}
	t.Logf("%s: squared errors over stated variances %.3f; by third %.3f; "+
		"sampling %.3f, residual %.3f, calibrator %.3f of what is stated",
		rows[0].Score.Source, all, thirds, sampling/total, residual/total, calibrator/total)
	if !(math.Abs(all-1) <= .1*slack) {
		t.Errorf("%s: squared errors are %.3f of the stated variances, want .9 to 1.1", id, all)
	}
	for i, r := range thirds {
		if !(r >= 1-.2*slack && r <= 1+.25*slack) {
			t.Errorf("%s: in third %d squared errors are %.3f of the stated variances, want .8 to 1.25", id, i+1, r)
		}
	}
	if rows[0].Score.Source == judge.SourceRepeated {
		// The simulator's judge has a noise of .05 times the temperature, .7, on
		// numbers rounded to hundredths; three readings are averaged. A mean of n
		// such variances is within 4.5/√n of that.
		var v float64
		for _, r := range rows {
			v += r.Score.Variance.OrNaN() / float64(n)
		}
		if want := (.035*.035 + .01*.01/12) / 3; math.Abs(v/want-1) > 4.5/math.Sqrt(float64(n)) {
			t.Errorf("the readings state a variance of %.6f on average, the noise is %.6f", v, want)
		}
	}
}
