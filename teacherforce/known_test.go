package teacherforce

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

// TestScoreKnown: who knows the context's ids needs one call.
func TestScoreKnown(t *testing.T) {
	ids := tok.EncodeOrdinary(answer)
	sampled := Response{Text: answer, TokenIDs: ids, Model: "scout", Ended: true}
	other := Response{Text: "hello", TokenIDs: []int{'h', 'e', 'l', 'l', 'o'}, Model: "scout", Ended: true}
	context := func(f *Forcer, template, text string) []int {
		c, err := f.Render(policy(template), prompt(text))
		if err != nil {
			t.Fatal(err)
		}
		return tok.Encode(c)
	}
	for _, c := range []struct {
		name     string
		fake     *fake
		template string
		prompt   string
		response Response
		known    func(ids []int) *dataset.TokenDigest // nil: those of the context
		calls    map[string]int
		compared bool
		reason   string
	}{
		{"known", &fake{}, "llama4", question, sampled, nil, map[string]int{"joint": 1}, false,
			"the joint echo begins with the context's ids"},
		{"known, sampled otherwise", &fake{}, "llama4", question, other, nil, map[string]int{"joint": 1, "ids": 1}, false,
			"the context's ids are there to put before the sampled ones"},
		{"another context's ids", &fake{}, "llama4", question, sampled,
			func(ids []int) *dataset.TokenDigest { return dataset.DigestTokens(append([]int{1}, ids[1:]...)) },
			map[string]int{"joint": 1, "context": 1}, true, "a digest that does not fit proves nothing"},
		{"one id too many", &fake{}, "llama4", question, sampled,
			func(context []int) *dataset.TokenDigest { return dataset.DigestTokens(append(context, ids[0])) },
			map[string]int{"joint": 1, "context": 1}, true, "the seam would be a token late"},
		{"one id too few", &fake{}, "llama4", question, sampled,
			func(ids []int) *dataset.TokenDigest { return dataset.DigestTokens(ids[:len(ids)-1]) },
			map[string]int{"joint": 1, "context": 1}, true, "the seam would be a token early"},
		{"unknown", &fake{}, "llama4", question, sampled, func([]int) *dataset.TokenDigest { return nil },
			map[string]int{"joint": 1, "context": 1}, true, "the server did not tell"},
		{"an echo without ids", &fake{noIDs: true}, "llama4", question, sampled, nil,
			map[string]int{"joint": 1, "context": 1}, true, "nothing to compare"},
	} {
		f := newForcer(t, c.fake)
		want, err := newForcer(t, &fake{noIDs: c.fake.noIDs}).Score(t.Context(), tag(), policy(c.template), prompt(c.prompt),
			c.response)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context(f, c.template, c.prompt)
		known := dataset.DigestTokens(ctx)
		if c.known != nil {
			known = c.known(ctx)
		}
		got, err := f.ScoreKnown(t.Context(), tag(), policy(c.template), prompt(c.prompt), known, c.response)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.LogProb.OrNaN()-want.LogProb.OrNaN()) > 1e-9 || got.Tokens != want.Tokens ||
			got.Method != want.Method {
			t.Errorf("%s: %v in %d tokens by %s, want %v in %d by %s", c.name, got.LogProb.OrNaN(), got.Tokens, got.Method,
				want.LogProb.OrNaN(), want.Tokens, want.Method)
		}
		if d := cmp.Diff(c.calls, c.fake.counts()); d != "" {
			t.Errorf("%s: calls (-want +got): %s\n%s", c.name, c.reason, d)
		}
		if compared := got.Methods[MethodContinuation].Reason != ReasonNotCompared; compared != c.compared {
			t.Errorf("%s: continuation says %+v", c.name, got.Methods[MethodContinuation])
		}
	}
}

// TestScoreKnownAcrossTheSeam: the joint echo does not begin with the context's
// ids, so that the context has to be asked for.
func TestScoreKnownAcrossTheSeam(t *testing.T) {
	s := &fake{}
	f := newForcer(t, s)
	r := Response{Text: "e town", TokenIDs: tok.EncodeOrdinary("e town"), Model: "scout"}
	res, err := f.ScoreKnown(t.Context(), tag(), policy("raw"), prompt("I walk to th"),
		dataset.DigestTokens(tok.Encode("I walk to th")), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := exactAfter("scout", tok.Encode("I walk to th"), r.TokenIDs); math.Abs(res.LogProb.OrNaN()-want) > 1e-9 ||
		res.Method != MethodTokenIDs {
		t.Errorf("%v by %s, want %v by token_ids", res.LogProb.OrNaN(), res.Method, want)
	}
	if d := cmp.Diff(map[string]int{"joint": 1, "context": 1, "ids": 1}, s.counts()); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
}
