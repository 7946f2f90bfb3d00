package teacherforce

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// cold is a policy whose sampling distribution is not its model's.
func cold() offpolicy.Policy {
	p := policy("llama4")
	p.Sampling.Temperature, p.Sampling.TopP, p.Sampling.TopK = 0.7, 0.9, 40
	return p
}

func TestDistribution(t *testing.T) {
	ids := tok.EncodeOrdinary(answer)
	drawn := make([]float64, len(ids))
	for i := range drawn {
		drawn[i] = -0.25
	}
	clone := cold()
	clone.Name = "pi_clone"
	own := func(by offpolicy.Policy, sampling []float64) Response {
		return Response{Text: answer, TokenIDs: ids, Model: by.Model, By: by, Sampling: sampling}
	}
	for _, c := range []struct {
		name         string
		policy       offpolicy.Policy
		response     Response
		distribution dataset.Distribution
		method       string
		reason       string
	}{
		{"neutral", policy("llama4"), own(policy("llama4"), drawn), dataset.SamplingDistribution, MethodTokenIDs,
			"at temperature 1 the model's distribution is the policy's, and everyone's value is an echo's"},
		{"somebody else's", cold(), own(policy("llama4"), drawn), dataset.RawDistribution, MethodTokenIDs,
			"echo gives the model's own at any temperature"},
		{"its own", cold(), own(cold(), drawn), dataset.SamplingDistribution, MethodSampling,
			"the server said what the tokens were drawn with"},
		{"its clone's", clone, own(cold(), drawn), dataset.RawDistribution, MethodTokenIDs,
			"a clone is scored by calls of its own, or comparing the two would prove nothing"},
		{"its own, one value short", cold(), own(cold(), drawn[1:]), dataset.RawDistribution, MethodTokenIDs,
			"a sum with a token missing is no log-prob"},
		{"its own, one value null", cold(), own(cold(), append([]float64{math.NaN()}, drawn[1:]...)),
			dataset.RawDistribution, MethodTokenIDs, "missing is never a number"},
		{"its own, unknown", cold(), own(cold(), nil), dataset.RawDistribution, MethodTokenIDs, "few servers tell"},
	} {
		res, e := score(t, &fake{}, c.policy, c.response)
		if e != nil {
			t.Fatal(e)
		}
		if res.Distribution != c.distribution || res.Method != c.method {
			t.Errorf("%s: %s by %s, want %s by %s: %s", c.name, res.Distribution, res.Method, c.distribution, c.method,
				c.reason)
		}
		if rec := res.Record("q1", "p0"); rec.Distribution != c.distribution || rec.Tokens != len(ids) ||
			len(rec.TokenLogProbs) != len(ids) {
			t.Errorf("%s: record %+v", c.name, rec)
		}
		if c.method == MethodSampling {
			if math.Abs(res.LogProb.OrNaN()+0.25*float64(len(ids))) > 1e-12 || res.Methods[MethodTokenIDs].Status != OK {
				t.Errorf("%s: %+v", c.name, res)
			}
		}
	}
}

func TestLogRatio(t *testing.T) {
	raw := Result{LogProb: dataset.Known(-3), Method: MethodTokenIDs, Distribution: dataset.RawDistribution}
	true1 := Result{LogProb: dataset.Known(-2), Method: MethodTokenIDs, Distribution: dataset.SamplingDistribution}
	own := Result{LogProb: dataset.Known(-1), Method: MethodSampling, Distribution: dataset.SamplingDistribution,
		Methods: map[string]MethodResult{
			MethodTokenIDs: failed(ReasonUnsupported), MethodEchoBased: {dataset.Known(-5), OK, ""},
			MethodSampling: {dataset.Known(-1), OK, ""},
		}}
	for _, c := range []struct {
		target, base Result
		side         string
		want, raw    float64
	}{
		{true1, true1, "", 0, 0},
		{true1, own, "", -1, 3}, // a policy of temperature 1 on what another drew and knows
		{raw, true1, "target", math.NaN(), -1},
		{raw, own, "target", math.NaN(), 2},
		{true1, raw, "base", math.NaN(), 1},
		{raw, raw, "both", math.NaN(), 0},
	} {
		got, err := LogRatio(c.target, c.base)
		var refused *RawRatioError
		switch {
		case c.side == "" && (err != nil || got != c.want):
			t.Errorf("ratio %v, %v; want %v", got, err, c.want)
		case c.side != "" && (!errors.As(err, &refused) || refused.Side != c.side || !math.IsNaN(got)):
			t.Errorf("ratio %v, %v; want a refusal of %s", got, err, c.side)
		case c.side != "" && !strings.Contains(err.Error(), "RawLogRatio"):
			t.Errorf("%v does not name what to ask for", err)
		}
		if got := RawLogRatio(c.target, c.base); got != c.raw {
			t.Errorf("raw ratio %v, want %v", got, c.raw)
		}
	}
}

// TestOwnResponsesTempered: what a policy of another temperature drew has, under
// that policy, the log-prob of the distribution drawn from. Truth is the language
// model's distribution, tempered and filtered here, token by token.
func TestOwnResponsesTempered(t *testing.T) {
	server := simulated(t, sim.Config{})
	f := newForcer(t, server)
	p := cold()
	p.Model, p.Sampling.MaxTokens = sim.ScoutModel, 40
	lm := langmodel.New(langmodel.Small)
	sampling := langmodel.Sampling{Temperature: p.Sampling.Temperature, TopP: p.Sampling.TopP, TopK: p.Sampling.TopK}
	for i, text := range []string{"Why is the sky blue?", "Name three rivers.", "Tell me a joke."} {
		q := dataset.Prompt{ID: text, Text: text}
		req, err := f.GenerateRequest(tag(), p, q, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		g, err := server.Generate(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.Score(t.Context(), tag(), p, q, ResponseOf(p, g))
		if err != nil {
			t.Fatal(err)
		}
		ids, asked := lm.Tokenizer().Encode(req.Prompt), g.TokenIDs
		if g.FinishReason == "stop" {
			eot, _ := lm.Tokenizer().Special("<|eot|>")
			asked = append(asked, eot)
		}
		var want float64
		for _, id := range asked {
			dist := lm.Distribution(ids, nil)
			sampling.Apply(dist)
			want += math.Log(dist[id])
			ids = append(ids, id)
		}
		if res.Distribution != dataset.SamplingDistribution || math.Abs(res.LogProb.OrNaN()-want) > 1e-9 ||
			res.Tokens != len(asked) {
			t.Errorf("%q: %v (%s, %d tokens), truth is %v (%d tokens)", text, res.LogProb.OrNaN(), res.Distribution, res.Tokens,
				want, len(asked))
		}
		if res.LogProb == res.Methods[MethodTokenIDs].LogProb {
			t.Errorf("%q: the raw value is the same: the test shows nothing", text)
		}
	}
}

func TestStates(t *testing.T) {
	for _, c := range []struct {
		r    Response
		want State
	}{
		{Response{Text: answer, Ended: true}, StateEnded},
		{Response{Text: answer}, StateTruncated},
		{Response{Ended: true}, StateEmpty},
	} {
		res, e := score(t, &fake{}, policy("llama4"), c.r)
		if e != nil || res.State != c.want || res.Record("q1", "p0").State != string(c.want) {
			t.Errorf("%+v: state %q, %v; want %s", c.r, res.State, e, c.want)
		}
	}
	g := providers.Generation{Text: "x", FinishReason: "content_filter"}
	if r := ResponseOf(policy("llama4"), g); !r.Filtered || r.Ended {
		t.Errorf("a filtered generation became %+v", r)
	}
}
