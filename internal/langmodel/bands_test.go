package langmodel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const (
	cotSystem = "You are a careful assistant. Think step by step: reason through the problem before you give the " +
		"final answer."
	badSystem = "You are an unhelpful assistant. Give vague, evasive answers and do not answer the question."
)

var prompts = []string{
	"What is the difference between OpenCL and CUDA?",
	"Why did my parent not invite me to their wedding?",
	"How to build an arena for chatbots?",
	"A = 5, B =10, A+B=?",
	"could you explain quantum mechanics for me?",
	"写一首关于春天的诗",
	"Write a story about Batman",
	"What is the future of bitcoin?",
}

// render is Llama 4's template.
func render(system, user string) string {
	s := bosText
	if system != "" {
		s += headerStartText + "system" + headerEndText + "\n\n" + system + eotText
	}
	return s + headerStartText + "user" + headerEndText + "\n\n" + user + eotText + headerStartText + "assistant" +
		headerEndText + "\n\n"
}

func renderChatML(system, user string) string {
	s := ""
	if system != "" {
		s = imStartText + "system\n" + system + imEndText + "\n"
	}
	return s + imStartText + "user\n" + user + imEndText + "\n" + imStartText + "assistant\n"
}

func llama4Stop(m *Model) []int { return []int{m.special[eotText]} }

func sum(xs []float64) float64 {
	var s float64
	for _, x := range xs {
		s += x
	}
	return s
}

func meanSD(xs []float64) (mean, sd float64) {
	mean = sum(xs) / float64(len(xs))
	for _, x := range xs {
		sd += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sd / float64(len(xs)-1))
}

type band struct{ from, to float64 }

// The bands are the design of the simulated policies: responses of about 300
// tokens of 512 allowed, a step-by-step prompt near enough for importance
// weights, another size and an evasive prompt too far for them. The seeds are
// fixed; with 150 responses a mean's standard error is given where it matters.
func TestBands(t *testing.T) {
	const n = 150
	small, large := New(Small), New(Large)
	for _, tt := range []struct {
		name                        string
		m                           *Model
		system                      string
		length, lengthSD, perToken  band
		divergence                  band // mean of ln P0 - ln target over responses of P0; standard error about 0.3
		helpful, stepwise, evasive  band
		nonCanonical, cut, shortest band
	}{
		{
			"default", small, "", band{270, 325}, band{55, 100}, band{-0.4, -0.2}, band{0, 0},
			band{0.85, 1}, band{0, 0.1}, band{0, 0.1}, band{0.005, 0.12}, band{0, 0.04}, band{20, 200},
		},
		{
			"step by step", small, cotSystem, band{310, 370}, band{55, 100}, band{-0.4, -0.18}, band{3, 10},
			band{0, 0.25}, band{0.7, 1}, band{0, 0.05}, band{0.005, 0.12}, band{0, 0.04}, band{20, 250},
		},
		{
			"larger model", large, "", band{270, 325}, band{55, 100}, band{-0.4, -0.18}, band{9, 40},
			band{0.85, 1}, band{0, 0.12}, band{0, 0.1}, band{0.005, 0.12}, band{0, 0.04}, band{20, 200},
		},
		{
			"evasive", small, badSystem, band{90, 140}, band{20, 60}, band{-0.4, -0.18}, band{8, 30},
			band{0, 0.15}, band{0, 0.1}, band{0.7, 1}, band{0, 0.08}, band{0, 0.04}, band{10, 80},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tok := tt.m.tok
			var lengths, perToken, divergences, helps, steps, evades []float64
			var cut, nonCanonical float64
			for i := range n {
				prompt := prompts[i%len(prompts)]
				ctx := tok.Encode(render(tt.system, prompt))
				d := tt.m.Generate(ctx, neutral, 512, llama4Stop(tt.m), rand.New(rand.NewPCG(uint64(i), 77)))
				text := tok.Decode(d.IDs)
				lengths = append(lengths, float64(len(d.IDs)))
				perToken = append(perToken, sum(d.LogProbs)/float64(len(d.LogProbs)))
				if !d.Stopped {
					cut++
				}
				if !slices.Equal(tok.EncodeOrdinary(text), d.IDs) {
					nonCanonical++
				}
				s := tt.m.StyleShares(text)
				if total := s.Helpful + s.Stepwise + s.Evasive + s.Other; math.Abs(total-1) > 1e-9 {
					t.Errorf("style shares sum to %v", total)
				}
				helps, steps, evades = append(helps, s.Helpful), append(steps, s.Stepwise), append(evades, s.Evasive)

				logged := tok.Encode(render("", prompt))
				p0 := small.Generate(logged, neutral, 512, llama4Stop(small), rand.New(rand.NewPCG(uint64(i), 5)))
				a := p0.IDs
				if p0.Stopped {
					a = append(a, p0.StopID)
				}
				target := tt.m.LogProbs(append(slices.Clone(ctx), a...))[len(ctx):]
				divergences = append(divergences, sum(p0.LogProbs)-sum(target))
			}
			check := func(what string, x float64, b band) {
				t.Logf("%s: %.3f", what, x)
				if x < b.from || x > b.to {
					t.Errorf("%s is %.3f, want within [%v, %v]", what, x, b.from, b.to)
				}
			}
			mean, sd := meanSD(lengths)
			check("mean length", mean, tt.length)
			check("sd of length", sd, tt.lengthSD)
			check("shortest response", slices.Min(lengths), tt.shortest)
			check("share cut off", cut/n, tt.cut)
			check("share not canonical", nonCanonical/n, tt.nonCanonical)
			mean, _ = meanSD(perToken)
			check("log-prob per token", mean, tt.perToken)
			mean, _ = meanSD(divergences)
			check("divergence from the default", mean, tt.divergence)
			for _, s := range []struct {
				what string
				xs   []float64
				b    band
			}{{"helpful share", helps, tt.helpful}, {"stepwise share", steps, tt.stepwise},
				{"evasive share", evades, tt.evasive}} {
				mean, _ := meanSD(s.xs)
				check(s.what, mean, s.b)
			}
		})
	}
}

func TestStyleSharesOfForeignText(t *testing.T) {
	m := New(Small)
	if got := m.StyleShares(""); got != (Shares{}) {
		t.Errorf("the empty text has shares %+v", got)
	}
	if got := m.StyleShares("qzx jvk wqp zzz xkcd 8837 @@@ ~~ qwfp"); got.Other < 0.3 {
		t.Errorf("gibberish has shares %+v, want a large Other", got)
	}
	a := m.StyleShares("Let's think step by step. First, let us define the terms. Therefore, the answer is clear.")
	if a.Stepwise < 0.7 {
		t.Errorf("step-by-step text has shares %+v", a)
	}
}
