package judge

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// tokens splits a reply at bars and gives each part a log-prob; the part that
// is a lone digit is given the alternatives.
func tokens(reply string, top ...providers.Alternative) providers.Generation {
	g := providers.Generation{Text: strings.ReplaceAll(reply, "|", ""), FinishReason: "stop"}
	for part := range strings.SplitSeq(reply, "|") {
		tok := providers.Token{Text: part, LogProb: dataset.Known(-1e-4),
			Top: []providers.Alternative{{Text: part, LogProb: dataset.Known(-1e-4)}}}
		if s := strings.TrimSpace(part); len(s) == 1 && s[0] >= '0' && s[0] <= '9' {
			tok.LogProb, tok.Top = dataset.Known(math.Log(.2)), top
		}
		g.Tokens = append(g.Tokens, tok)
	}
	return g
}

func alt(text string, p float64) providers.Alternative {
	return providers.Alternative{Text: text, LogProb: dataset.Known(math.Log(p))}
}

func TestTokens(t *testing.T) {
	three := []providers.Alternative{alt("7", .5), alt("8", .3), alt("6", .2)}
	// .5·7 + .3·8 + .2·6 = 7.1; .5·.01 + .3·.81 + .2·1.21 = .49
	tests := []struct {
		reply    providers.Generation
		mean     float64
		variance float64
		why      Reason // of the UnscoredError; empty for a score
		reason   string
	}{
		{tokens(`{"reason":"x","score":|7|}`, three...), 7.1 / 9, .49 / 81, "",
			"the weighted mean, not the 7 that was written"},
		{tokens(`{"reason":"I see |3| of |9|","score":|7|}`, three...), 7.1 / 9, .49 / 81, "",
			"numbers in the reasoning are not the score"},
		{tokens(`{"score":| 7|,"reason":"|2|"}`, alt(" 7", .5), alt(" 8", .3), alt(" 6", .2)), 7.1 / 9, .49 / 81, "",
			"whatever the order, and with a space in the token"},
		{tokens(`{"reason":"x","score":|7|}`, alt("7", .65), alt(" 7", .3), alt("!", .05)), 7. / 9, 0, "",
			"two tokens may write one number"},
		{tokens(`{"reason":"x","score":|7|}`, alt("8", .6), alt("9", .2)), (7*.2 + 8*.6 + 9*.2) / 9, .4 / 81, "",
			"what was written counts though it is not among the alternatives"},
		{tokens(`{"reason":"x","score":|7|}`, alt("7", .5), alt("x", .3), alt("10", .2)), 0, 0, ReasonLowMass,
			"half of the mass is elsewhere"},
		{tokens(`{"reason":"x","score":|7|}`, alt("7", .8), alt("8", .8)), 0, 0, ReasonNoLogProbs, "more than everything"},
		{tokens(`{"reason":"x","score":|7|}`, alt("7", 1.5)), 0, 0, ReasonNoLogProbs, "a positive log-prob"},
		{tokens(`{"reason":"x","score":|7|}`, alt("7", math.NaN())), 0, 0, ReasonNoLogProbs, "a log-prob that is none"},
		{tokens(`{"reason":"x","score":|7|}`), 0, 0, ReasonNoLogProbs, "no alternatives"},
		{providers.Generation{Text: `{"reason":"x","score":7}`}, 0, 0, ReasonNoLogProbs,
			"no log-probs: 7 is not taken for want of them"},
		{tokens(`{"reason":"x","score":7}`), 0, 0, ReasonNoLogProbs, "the score shares its token"},
		{tokens(`Score: |7|`, three...), 0, 0, ReasonNoLogProbs, "a line has no certain place"},
		{tokens("<think>|3|</think>It is |2|.\n{\"score\":|7|}\n", three...), 7.1 / 9, .49 / 81, "",
			"an object after a thought has"},
		{func() providers.Generation {
			g := tokens(`{"reason":"x","score":|7|}`, three...)
			g.Tokens[0].Text = "other"
			return g
		}(), 0, 0, ReasonNoLogProbs, "tokens of another text"},
		{func() providers.Generation {
			g := tokens(`{"reason":"x","score":|7|}`, three...)
			g.Tokens = g.Tokens[:1]
			return g
		}(), 0, 0, ReasonNoLogProbs, "tokens that end before it"},
		{providers.Generation{Text: `{"reason":"x","score":10}`}, 0, 0, ReasonUnparsable, "off the scale of 0 to 9"},
	}
	for _, tt := range tests {
		f := &fake{replies: []any{tt.reply}}
		s, err := NewTokens(config(f), 20)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Score(t.Context(), tag, prompt, "4")
		var unscored *UnscoredError
		switch {
		case tt.why == "":
			if err != nil || math.Abs(got.Mean.OrNaN()-tt.mean) > 1e-12 || math.Abs(got.Variance.OrNaN()-tt.variance) > 1e-12 ||
				got.Source != SourceTokens {
				t.Errorf("%s: %+v, %v, want %v and %v", tt.reason, got, err, tt.mean, tt.variance)
			}
		case !errors.As(err, &unscored) || unscored.Reason != tt.why:
			t.Errorf("%s: %+v, %v, want %s", tt.reason, got, err, tt.why)
		}
		if r := f.calls[0]; !r.LogProbs || r.TopLogProbs != 20 || r.Sampling.Temperature != 0 {
			t.Errorf("request %+v: want log-probs with 20 alternatives at temperature 0", r)
		}
	}
}

func TestTokensScales(t *testing.T) {
	tests := []struct {
		scale        Scale
		alternatives int
		ok           bool
		reason       string
	}{
		{Scale{}, 20, true, "0 to 9 by default"},
		{Scale{1, 5}, 5, true, "Fireworks gives five"},
		{Scale{10, 99}, 20, true, "two digits each"},
		{Scale{0, 10}, 20, false, "1 may begin 10"},
		{Scale{0, 100}, 20, false, "1 may begin 10 and 100"},
		{Scale{-5, 5}, 20, false, "a sign is a token of its own"},
		{Scale{}, 21, false, "no service gives 21"},
		{Scale{}, 1, false, "one alternative is no distribution"},
	}
	for _, tt := range tests {
		c := config(&fake{})
		c.Scale = tt.scale
		if _, err := NewTokens(c, tt.alternatives); (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.reason, err)
		}
	}
}
