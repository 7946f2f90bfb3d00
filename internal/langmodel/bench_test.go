package langmodel

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func BenchmarkStart(b *testing.B) {
	for range b.N {
		newTokenizer(learnMerges(tokenizerText(), numMerges), specialTexts)
		build(sizes[Small], DefaultTokenizer())
		build(sizes[Large], DefaultTokenizer())
	}
}

// About the size of a chat turn: a prompt and a response of 300 tokens.
func BenchmarkGenerate(b *testing.B) {
	for _, bc := range []struct {
		name string
		s    Sampling
	}{
		{"neutral", Sampling{Temperature: 1, TopP: 1}},
		{"tempered", Sampling{Temperature: 0.7, TopP: 0.9}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			m := New(Small)
			ctx := m.tok.Encode("<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhat is the capital of " +
				"France?<|eot|><|header_start|>assistant<|header_end|>\n\n")
			rng := rand.New(rand.NewPCG(1, 1))
			n := 0
			for b.Loop() {
				n += len(m.Generate(ctx, bc.s, 300, nil, rng).IDs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/token")
		})
	}
}

func BenchmarkLogProbs(b *testing.B) {
	m := New(Small)
	ctx := m.tok.Encode("<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhat is the capital of " +
		"France?<|eot|><|header_start|>assistant<|header_end|>\n\n")
	d := m.Generate(ctx, Sampling{Temperature: 1, TopP: 1}, 500-len(ctx), nil, rand.New(rand.NewPCG(1, 1)))
	ids := append(ctx, d.IDs...)
	for b.Loop() {
		m.LogProbs(ids)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, bc := range []struct{ name, text string }{
		{"prose", strings.Repeat("The quick brown fox asks what the capital of France is, and why. ", 1000)},
		{"letters", strings.Repeat("abcdefgh", 8000)},
	} {
		b.Run(bc.name, func(b *testing.B) {
			t := DefaultTokenizer()
			b.SetBytes(int64(len(bc.text)))
			for b.Loop() {
				t.EncodeOrdinary(bc.text)
			}
		})
	}
}
