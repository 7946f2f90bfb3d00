package temper_test

import (
	"math"
	"testing"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

func tokens(ps ...float64) []temper.Token {
	out := make([]temper.Token, len(ps))
	for i, p := range ps {
		out[i] = temper.Token{ID: i, Text: string(rune('a' + i)), LogProb: math.Log(p)}
	}
	return out
}

func setting(T, topP float64, topK int) offpolicy.Sampling {
	return offpolicy.Sampling{Temperature: T, TopP: topP, TopK: topK, MaxTokens: 1}
}

// onGrid are tokens whose logits lie so many sixteenths below that of the first, of .3.
func onGrid(steps ...float64) []temper.Token {
	out := make([]temper.Token, len(steps))
	for i, d := range steps {
		out[i] = temper.Token{ID: i, LogProb: math.Log(.3) - d/16}
	}
	return out
}

var onGridSum = .3 * (1 + math.Exp(-2./16) + math.Exp(-9./16) + math.Exp(-14./16))

func TestCases(t *testing.T) {
	inf := math.Inf(-1)
	top := tokens(.5, .2, .1, .05) // .15 is not shown
	low := temper.Token{ID: 9, Text: "z", LogProb: math.Log(.01)}
	for _, test := range []struct {
		why    string
		pos    temper.Position
		s      offpolicy.Sampling
		o      temper.Order
		kind   temper.Kind
		lo, hi float64
	}{
		{"top-k within what is shown: exact", temper.Position{Scored: top[1], Top: top, Asked: 4},
			setting(1, 1, 2), temper.AnyOrder, temper.Exact, math.Log(.2 / .7), math.Log(.2 / .7)},
		{"a nucleus within what is shown: exact, whatever the rest", temper.Position{Scored: top[0], Top: top, Asked: 4},
			setting(1, .6, 0), temper.AnyOrder, temper.Exact, math.Log(.5 / .7), math.Log(.5 / .7)},
		{"below top-k: outside", temper.Position{Scored: top[2], Top: top, Asked: 4},
			setting(1, 1, 2), temper.AnyOrder, temper.Outside, 0, 0},
		{"a tie at the cut of top-k: undecided, never 0",
			temper.Position{Scored: tokens(.4, .2, .2)[2], Top: tokens(.4, .2, .2), Asked: 3, Vocabulary: 4},
			setting(1, 1, 2), temper.AnyOrder, temper.Interval, inf, math.Log(.2 / .6)},
		{"the least of the K may tie with a token not shown",
			temper.Position{Scored: tokens(.4, .2)[1], Top: tokens(.4, .2), Asked: 2, Vocabulary: 9},
			setting(1, 1, 2), temper.AnyOrder, temper.Interval, inf, math.Log(.2 / .6)},
		{"the least of the K is likelier than all the rest together",
			temper.Position{Scored: tokens(.6, .3)[1], Top: tokens(.6, .3), Asked: 2, Vocabulary: 9},
			setting(1, 1, 2), temper.AnyOrder, temper.Exact, math.Log(.3 / .9), math.Log(.3 / .9)},
		{"a tie behind the token that is scored: one of the two or both are kept",
			temper.Position{Scored: tokens(.4, .2, .2, .1)[0], Top: tokens(.4, .2, .2, .1), Asked: 4},
			setting(1, 1, 2), temper.TemperatureTopKTopP, temper.Interval, math.Log(.4 / .8), math.Log(.4 / .6)},
		{"so in a nucleus", temper.Position{Scored: tokens(.4, .2, .2, .1)[0], Top: tokens(.4, .2, .2, .1), Asked: 4},
			setting(1, .5, 0), temper.TemperatureBoth, temper.Interval, math.Log(.4 / .8), math.Log(.4 / .6)},
		{"llama.cpp keeps as many as are due",
			temper.Position{Scored: tokens(.4, .2, .2, .1)[0], Top: tokens(.4, .2, .2, .1), Asked: 4},
			setting(1, 1, 2), temper.TopKTopPTemperature, temper.Exact, math.Log(.4 / .6), math.Log(.4 / .6)},
		{"what ties with the last one shown may go on out of sight, until the rest is spent",
			temper.Position{Scored: tokens(.4, .2, .1, .1)[0], Top: tokens(.4, .2, .1, .1), Asked: 4, Vocabulary: 99},
			setting(1, 1, 3), temper.TemperatureTopKTopP, temper.Interval, math.Log(.4), math.Log(.4 / .7)},
		{"logits on a grid of 16 bits may tie out of sight",
			temper.Position{Scored: onGrid(0, 2, 9, 14)[0], Top: onGrid(0, 2, 9, 14), Asked: 4, Vocabulary: 99},
			setting(1, 1, 4), temper.TemperatureTopKTopP, temper.Interval, math.Log(.3), math.Log(.3 / onGridSum)},
		{"greedy: the likeliest", temper.Position{Scored: top[0], Top: top, Asked: 4},
			setting(0, 1, 0), temper.AnyOrder, temper.Exact, 0, 0},
		{"greedy: another", temper.Position{Scored: top[1], Top: top, Asked: 4},
			setting(0, 1, 0), temper.AnyOrder, temper.Outside, 0, 0},
		{"greedy: a tie", temper.Position{Scored: tokens(.4, .4)[1], Top: tokens(.4, .4), Asked: 2},
			setting(0, 1, 0), temper.AnyOrder, temper.Interval, inf, 0},
		{"greedy within the noise",
			temper.Position{Scored: tokens(.4, .401)[0], Top: tokens(.4, .401), Asked: 2, Noise: .02},
			setting(0, 1, 0), temper.AnyOrder, temper.Interval, inf, 0},
		{"above 1 and a vocabulary of unknown size", temper.Position{Scored: top[0], Top: top, Asked: 4},
			setting(1.3, 1, 0), temper.AnyOrder, temper.Unbounded, 0, 0},
		{"a vocabulary that lacks a token of its own", temper.Position{Scored: top[0], Top: top, Asked: 4, Vocabulary: 3},
			setting(1.3, 1, 0), temper.AnyOrder, temper.Unbounded, 0, 0},
		{"no alternatives", temper.Position{Scored: top[0], Vocabulary: 5},
			setting(.7, 1, 0), temper.AnyOrder, temper.Unbounded, 0, 0},
		{"neutral needs no alternatives", temper.Position{Scored: top[0]},
			setting(1, 1, 0), temper.AnyOrder, temper.Exact, math.Log(.5), math.Log(.5)},
		{"top-p cuts elsewhere before the temperature than after: .5^2 is .8 of the squares",
			temper.Position{Scored: top[1], Top: top, Asked: 4, Vocabulary: 300},
			setting(.5, .75, 0), temper.TemperatureTopKTopP, temper.Outside, 0, 0},
		{"and is kept if the temperature comes last", temper.Position{Scored: top[1], Top: top, Asked: 4, Vocabulary: 300},
			setting(.5, .75, 0), temper.TopKTopPTemperature, temper.Exact, math.Log(.04 / .3), math.Log(.04 / .3)},
		{"so that without an order it is undecided", temper.Position{Scored: top[1], Top: top, Asked: 4, Vocabulary: 300},
			setting(.5, .75, 0), temper.AnyOrder, temper.Interval, inf, math.Log(.04 / .3)},
		{"renormalised by top-k, the nucleus ends earlier: .5 is .71 of .7",
			temper.Position{Scored: top[1], Top: top, Asked: 4}, setting(1, .7, 2), temper.TemperatureTopKTopP,
			temper.Outside, 0, 0},
		{"and .5 is not .7 of the whole", temper.Position{Scored: top[1], Top: top, Asked: 4},
			setting(1, .69, 2), temper.TemperatureBoth, temper.Exact, math.Log(.2 / .7), math.Log(.2 / .7)},
		{"appended below the K, it does not bound the others",
			temper.Position{Scored: low, Top: append(tokens(.5, .2, .1, .05), low), Asked: 4},
			setting(1, .5, 0), temper.AnyOrder, temper.Outside, 0, 0},
		{"two names alike", temper.Position{Scored: top[0], Top: []temper.Token{top[0], top[1], top[1]}, Asked: 3},
			setting(.7, 1, 0), temper.AnyOrder, temper.Unbounded, 0, 0},
		{"probabilities above 1", temper.Position{Scored: tokens(.9, .8)[0], Top: tokens(.9, .8), Asked: 2},
			setting(.7, 1, 0), temper.AnyOrder, temper.Unbounded, 0, 0},
		{"a missing value", temper.Position{Scored: temper.Token{ID: 1, LogProb: math.NaN()}, Top: top, Asked: 4},
			setting(.7, 1, 0), temper.AnyOrder, temper.Unbounded, 0, 0},
	} {
		v := temper.LogProb(test.pos, test.s, test.o)
		near := func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9 }
		if v.Kind != test.kind || !near(v.Lower, test.lo) || !near(v.Upper, test.hi) {
			t.Errorf("%s: got %+v, want kind %d [%v, %v]", test.why, v, test.kind, test.lo, test.hi)
		}
		if (v.Kind == temper.Unbounded) != (v.Why != "") {
			t.Errorf("%s: a value that is not known says why, and no other: %+v", test.why, v)
		}
	}
}

// Alternatives that are known by their text are used only if none can be hidden behind
// another.
func TestTextKeys(t *testing.T) {
	byText := func(asked int, scored int, ps ...float64) temper.Value {
		top := tokens(ps...)
		for i := range top {
			top[i].ID = -1
		}
		pos := temper.Position{Scored: top[scored], Top: top, Asked: asked, Vocabulary: 300}
		return temper.LogProb(pos, setting(.7, .9, 0), temper.TemperatureTopKTopP)
	}
	for _, test := range []struct {
		why  string
		v    temper.Value
		used bool
	}{
		{"as many as were asked for, and the token is not the last", byText(3, 1, .5, .3, .1), true},
		{"one less: two were merged", byText(4, 1, .5, .3, .1), false},
		{"the token stands last: it may be appended to one less", byText(3, 2, .5, .3, .1), false},
		{"appended to as many as were asked for", byText(3, 3, .5, .3, .1, .05), true},
	} {
		if used := test.v.Kind != temper.Unbounded; used != test.used {
			t.Errorf("%s: %+v", test.why, test.v)
		}
	}
}

func TestSum(t *testing.T) {
	exact := temper.Value{Kind: temper.Exact, Lower: -1, Upper: -1}
	wide := temper.Value{Kind: temper.Interval, Lower: math.Inf(-1), Upper: -2}
	out, lost := temper.Value{Kind: temper.Outside}, temper.Value{Why: "no alternatives"}
	for _, test := range []struct {
		why    string
		tokens []temper.Value
		want   temper.Value
	}{
		{"exact values add up", []temper.Value{exact, exact}, temper.Value{Kind: temper.Exact, Lower: -2, Upper: -2}},
		{"an interval makes an interval", []temper.Value{exact, wide},
			temper.Value{Kind: temper.Interval, Lower: math.Inf(-1), Upper: -3}},
		{"one token outside puts the response outside", []temper.Value{exact, lost, out}, out},
		{"what is not known of one is not known of the sum", []temper.Value{wide, lost, exact}, lost},
		{"no tokens: certain", nil, temper.Value{Kind: temper.Exact}},
	} {
		if got := temper.Sum(test.tokens); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.why, got, test.want)
		}
	}
}
