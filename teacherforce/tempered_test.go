package teacherforce

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// Above temperature 1 the tokens that are not shown weigh the more the more there are: the
// bounds take the size of the vocabulary, any larger number does, and a smaller one is found out.
func TestVocabularyOfAHotPolicy(t *testing.T) {
	p := simulated(t, sim.Config{Seed: 5})
	policy := simPolicy("llama4")
	policy.Sampling.Temperature, policy.Sampling.MaxTokens = 1.3, 12
	r, truth := drawnBy(t, newForcer(t, p), p, policy, 3)
	r.By, r.Sampling = offpolicy.Policy{}, nil
	width := 0.0
	for _, test := range []struct {
		size int
		why  Reason
	}{{0, ReasonVocabulary}, {sim.VocabularySize(), ""}, {150000, ""}, {300, ReasonUnsupported}} {
		f, err := New(Config{Scorer: p, Vocabularies: map[string]int{policy.Model: test.size}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.Score(t.Context(), tag(), policy, prompt("What is the capital of France?"), r)
		if err != nil || res.Interval == nil || res.Vocabulary != test.size {
			t.Fatalf("vocabulary %d: %+v, %v", test.size, res, err)
		}
		lo, bounded := res.Interval[0].Get()
		if test.why != "" {
			if bounded || res.Methods[MethodTempered].Reason != test.why {
				t.Errorf("vocabulary %d: %v, %+v; want no bound and reason %s", test.size, res.Interval,
					res.Methods[MethodTempered], test.why)
			}
			continue
		}
		if hi := res.Interval[1].OrNaN(); !bounded || !(lo-1e-9 <= truth && truth <= hi+1e-9) || hi-lo <= width {
			t.Errorf("vocabulary %d: truth %v, interval %v after one of width %v", test.size, truth, res.Interval, width)
		} else {
			width = hi - lo
		}
	}
	if _, err := New(Config{Scorer: p, Vocabularies: map[string]int{"m": -1}}); err == nil {
		t.Error("a vocabulary of -1 tokens was taken")
	}
}

// drawnBy is p's own response on the simulator, and the log-prob that it was drawn with.
func drawnBy(t *testing.T, f *Forcer, g Generator, p offpolicy.Policy, seed int64) (Response, float64) {
	t.Helper()
	req, err := f.GenerateRequest(tag(), p, prompt("What is the capital of France?"), seed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	r := ResponseOf(p, got)
	sum := 0.0
	for _, v := range r.Sampling {
		sum += v
	}
	return r, sum
}

// The simulator knows what each token was drawn with. Scored from the alternatives that
// its endpoint shows, as somebody else's response, the value or interval must say so.
func TestTemperedAgainstTheSimulator(t *testing.T) {
	p := simulated(t, sim.Config{Seed: 5})
	f := newForcer(t, p)
	values, intervals, outside := 0, 0, 0
	for i, s := range []offpolicy.Sampling{
		{Temperature: .7, TopP: .9}, {Temperature: .3, TopP: 1}, {Temperature: .5, TopP: .8, TopK: 20},
		{Temperature: 1.3, TopP: 1, TopK: 4}, {Temperature: 1, TopP: .9}, {Temperature: 1, TopP: 1, TopK: 3},
		{Temperature: 0, TopP: 1}, {Temperature: 1.3, TopP: 1},
	} {
		policy := simPolicy("llama4")
		s.MaxTokens = 24
		policy.Sampling = s
		own, truth := drawnBy(t, f, p, policy, int64(i))
		r := own
		r.By, r.Sampling = offpolicy.Policy{}, nil
		res, err := f.Score(t.Context(), tag(), policy, prompt("What is the capital of France?"), r)
		if err != nil {
			t.Fatal(err)
		}
		switch v, ok := res.LogProb.Get(); {
		case res.Distribution != dataset.SamplingDistribution || res.Method != MethodTempered || res.OutsideSupport:
			t.Errorf("%+v: %+v", s, res)
		case res.Interval != nil:
			if intervals++; ok {
				values++ // narrow enough to stand for one
			}
			lo, known := res.Interval[0].Get()
			if hi := res.Interval[1].OrNaN(); known && truth < lo-1e-9 || !(truth <= hi+1e-9) || ok && hi-lo > narrow {
				t.Errorf("%+v: truth %v, interval %v, value %v", s, truth, res.Interval, res.LogProb)
			}
		case !ok || math.Abs(v-truth) > 1e-9:
			t.Errorf("%+v: truth %v, value %v", s, truth, res.LogProb)
		default:
			values++
		}
		if raw := rawValue(res); s.Temperature != 0 && math.Abs(raw-sim.Exact(sim.ScoutModel, contextIDs(t, f, policy),
			idsOf(r))) > 1e-6 {
			t.Errorf("%+v: the model's own value is %v", s, raw)
		}

		// The policy's own response has the value that it was drawn with, and so has a clone
		// whose alternatives allow it.
		clone := policy
		clone.Name = "pi_clone"
		for _, p := range []offpolicy.Policy{policy, clone} {
			res, err := f.Score(t.Context(), tag(), p, prompt("What is the capital of France?"), own)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(res.LogProb.OrNaN()-truth) > 1e-12 || res.Method != MethodSampling || len(res.Flags) > 0 {
				t.Errorf("%+v under %s: truth %v, got %v by %s, flags %v", s, p.Name, truth, res.LogProb, res.Method, res.Flags)
			}
		}

		// A policy that keeps one token says what a random draw of the model's does not.
		strict := policy
		strict.Sampling.Temperature, strict.Sampling.TopP, strict.Sampling.TopK = 1, 1, 1
		wild := simPolicy("llama4")
		wild.Sampling.MaxTokens = 24
		r, _ = drawnBy(t, f, p, wild, int64(i))
		res, err = f.Score(t.Context(), tag(), strict, prompt("What is the capital of France?"), r)
		if err != nil {
			t.Fatal(err)
		}
		if res.OutsideSupport {
			outside++
			base, err := f.Score(t.Context(), tag(), wild, prompt("What is the capital of France?"), r)
			if err != nil {
				t.Fatal(err)
			}
			if l, err := LogRatio(res, base); err != nil || !math.IsInf(l, -1) || res.LogProb.Valid() {
				t.Errorf("outside the support the weight is 0: log-ratio %v, %v; log-prob %v", l, err, res.LogProb)
			}
			line, err := json.Marshal(res.Record("q1", "strict"))
			if err != nil {
				t.Fatal(err)
			}
			if s := string(line); !strings.Contains(s, `"logprob":null`) || !strings.Contains(s, `"outside_support":true`) ||
				!res.Record("q1", "strict").Bounded() {
				t.Errorf("the record is %s", s)
			}
			if e := res.Excluded.OrNaN(); !(e > 0 && e < 1) {
				t.Errorf("top-k 1 excludes %v of what the model says along the response", e)
			}
		}
	}
	if values < 2 || intervals < 2 || outside < 4 {
		t.Errorf("%d values, %d intervals, %d outside the support: the settings do not try each", values, intervals, outside)
	}
}

func contextIDs(t *testing.T, f *Forcer, p offpolicy.Policy) []int {
	t.Helper()
	c, err := f.Render(p, prompt("What is the capital of France?"))
	if err != nil {
		t.Fatal(err)
	}
	return tok.Encode(c)
}

func idsOf(r Response) []int {
	if !r.Ended {
		return r.TokenIDs
	}
	eot, _ := tok.Special("<|eot|>")
	return append(append([]int{}, r.TokenIDs...), eot)
}

// A response that its own policy cannot have drawn, or not with that probability, was
// drawn otherwise.
func TestOwnResponseOutsideItsSupport(t *testing.T) {
	p := simulated(t, sim.Config{Seed: 5})
	f := newForcer(t, p)
	wild, strict := simPolicy("llama4"), simPolicy("llama4")
	wild.Sampling.MaxTokens = 24
	strict.Sampling = offpolicy.Sampling{Temperature: .7, TopP: .9, TopK: 1, MaxTokens: 24}
	r, _ := drawnBy(t, f, p, wild, 3)
	r.By = strict // so it says
	for _, c := range []struct {
		sampling []float64
		why      string
	}{
		{make([]float64, len(idsOf(r))), "the server says that it was drawn for certain"},
		{nil, "the server does not say what it was drawn with"},
	} {
		r.Sampling = c.sampling
		res, err := f.Score(t.Context(), tag(), strict, prompt("What is the capital of France?"), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Flags) != 1 || res.Flags[0] != FlagSupport {
			t.Errorf("%s: flags %v", c.why, res.Flags)
		}
	}
}

// Only what is valued under a tempered policy asks for alternatives.
func TestAlternativesAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		p    offpolicy.Policy
		want int
	}{{policy("llama4"), 0}, {cold(), alternativesWanted}} {
		f := &fake{}
		if _, e := score(t, f, c.p, Response{Text: answer, TokenIDs: tok.EncodeOrdinary(answer), Model: "scout"}); e != nil {
			t.Fatal(e)
		}
		for _, call := range f.calls {
			want := c.want
			if call.Tag.Call == "context" {
				want = 0
			}
			if call.Top != want {
				t.Errorf("temperature %v, call %s: %d alternatives, want %d", c.p.Sampling.Temperature, call.Tag.Call, call.Top,
					want)
			}
		}
	}
}

// Ids that a provider leaves at 0 name nothing.
func TestUnsetIDsAreUnknown(t *testing.T) {
	token := providers.Token{ID: 0, Text: "a", LogProb: dataset.Known(-1), Top: []providers.Alternative{
		{Text: "a", LogProb: dataset.Known(-1)}, {Text: "b", LogProb: dataset.Known(-2)}}}
	for _, a := range positionOf(token, 2, 0).Top {
		if a.ID != -1 {
			t.Errorf("%q has id %d", a.Text, a.ID)
		}
	}
}

// A value that is an interval makes no ratio: what remains would be no random part.
func TestIntervalsMakeNoRatio(t *testing.T) {
	exact := Result{LogProb: dataset.Known(-3), Distribution: dataset.SamplingDistribution}
	wide, narrow, outside := exact, exact, exact
	wide.LogProb, wide.Interval = dataset.Float{}, &[2]dataset.Float{{}, dataset.Known(-2)}
	narrow.Interval = &[2]dataset.Float{dataset.Known(-3.005), dataset.Known(-2.995)}
	outside.LogProb, outside.OutsideSupport = dataset.Float{}, true
	for _, c := range []struct {
		target, base Result
		side         string
		want         float64
	}{
		{narrow, exact, "", 0},
		{outside, exact, "", math.Inf(-1)},
		{wide, exact, "target", math.NaN()},
		{exact, wide, "base", math.NaN()},
		{wide, wide, "both", math.NaN()},
		{exact, outside, "base", math.NaN()}, // the logging policy drew it
	} {
		l, err := LogRatio(c.target, c.base)
		var e *IntervalRatioError
		if errors.As(err, &e) != (c.side != "") || e != nil && e.Side != c.side || l != c.want && !math.IsNaN(c.want) {
			t.Errorf("%q: %v, %v", c.side, l, err)
		}
	}
}

// Bounds of log-ratios hold the intervals of both sides; numbers are bounds that are equal.
func TestLogRatioBounds(t *testing.T) {
	exact := Result{LogProb: dataset.Known(-3), Distribution: dataset.SamplingDistribution}
	wide, open, outside, raw := exact, exact, exact, exact
	wide.LogProb, wide.Interval = dataset.Float{}, &[2]dataset.Float{dataset.Known(-5), dataset.Known(-2)}
	open.LogProb, open.Interval = dataset.Float{}, &[2]dataset.Float{{}, dataset.Known(-2)}
	outside.LogProb, outside.OutsideSupport = dataset.Float{}, true
	raw.Distribution = dataset.RawDistribution
	inf := math.Inf(1)
	for _, c := range []struct {
		target, base Result
		lower, upper float64
	}{
		{exact, exact, 0, 0},
		{wide, exact, -2, 1},
		{exact, wide, -1, 2},
		{open, exact, -inf, 1},
		{exact, open, -1, inf},
		{outside, wide, -inf, -inf},
		{exact, outside, math.NaN(), math.NaN()}, // the logging policy drew it
	} {
		lower, upper, err := LogRatioBounds(&Scores{Rows: []ScoredRow{{Result: c.target}}},
			&Scores{Rows: []ScoredRow{{Result: c.base}}})
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if err != nil || !same(lower[0], c.lower) || !same(upper[0], c.upper) {
			t.Errorf("%+v over %+v: [%v, %v], %v, want [%v, %v]", c.target, c.base, lower, upper, err, c.lower, c.upper)
		}
	}
	var e *RawRatioError
	if _, _, err := LogRatioBounds(&Scores{Rows: []ScoredRow{{Result: raw}}},
		&Scores{Rows: []ScoredRow{{Result: exact}}}); !errors.As(err, &e) {
		t.Errorf("raw values: %v", err)
	}
}
