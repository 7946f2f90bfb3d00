package langmodel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const cotSys = "You are a careful assistant. Think step by step: reason through the problem before you give the final answer."
const badSys = "You are an unhelpful assistant. Give vague, evasive answers and do not answer the question."

func render(sys, user string) string {
	s := "<|begin_of_text|>"
	if sys != "" {
		s += "<|header_start|>system<|header_end|>\n\n" + sys + "<|eot|>"
	}
	return s + "<|header_start|>user<|header_end|>\n\n" + user + "<|eot|><|header_start|>assistant<|header_end|>\n\n"
}
func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return
}
func TestDev(t *testing.T) {
	if os.Getenv("LM_DEV") == "" {
		t.Skip()
	}
	t0 := time.Now()
	tok := DefaultTokenizer()
	t1 := time.Now()
	sm := New(Small)
	t2 := time.Now()
	lg := New(Large)
	fmt.Println("tok", t1.Sub(t0), "small", t2.Sub(t1), "large", time.Since(t2), "vocab", tok.Size())
	for s := range numStyles {
		n := sm.ngrams[2*s]
		fmt.Println(styleNames[s], "nodes", len(n.nodes), "entries", len(n.toks), "table", len(n.table))
	}
	prompts := []string{"What is the difference between OpenCL and CUDA?", "Why did my parent not invite me to their wedding?", "How to build an arena for chatbots?", "What is the future of bitcoin?", "could you explain quantum mechanics for me?", "写一首关于春天的诗", "Write a story about Batman"}
	one := Sampling{1, 1, 0}
	eot := []int{sm.special[eotText]}
	if os.Getenv("LM_DEV") == "2" {
		for i, sys := range []string{"", "", "", cotSys, cotSys, badSys, badSys, ""} {
			m := sm
			if i == 7 {
				m = lg
			}
			d := m.Generate(tok.Encode(render(sys, prompts[i%len(prompts)])), one, 512, eot, rand.New(rand.NewPCG(uint64(i), 9)))
			fmt.Printf("=== %d %q %.20s  n=%d lp=%.3f\n%s\n", i, prompts[i%len(prompts)], sys, len(d.IDs), sum(d.LogProbs)/float64(len(d.LogProbs)), tok.Decode(d.IDs))
		}
		for _, m := range []*Model{sm, lg} {
			d := m.Generate(tok.Encode(render("", prompts[0])), Sampling{0, 1, 0}, 512, eot, rand.New(rand.NewPCG(1, 9)))
			fmt.Printf("=== greedy n=%d\n%s\n", len(d.IDs), tok.Decode(d.IDs))
		}
	}
	N := 150
	for _, pol := range []struct {
		name, sys string
		m         *Model
	}{{"p0", "", sm}, {"cot", cotSys, sm}, {"large", "", lg}, {"bad", badSys, sm}} {
		var lens, lps, divs []float64
		var over, noncanon, empty int
		var sh [4]float64
		for i := range N {
			p := prompts[i%len(prompts)]
			ctx := tok.Encode(render(pol.sys, p))
			d := pol.m.Generate(ctx, one, 512, eot, rand.New(rand.NewPCG(uint64(i), 77)))
			lens = append(lens, float64(len(d.IDs)))
			lps = append(lps, sum(d.LogProbs)/float64(len(d.LogProbs)))
			if !d.Stopped {
				over++
			}
			if len(d.IDs) == 0 {
				empty++
			}
			text := tok.Decode(d.IDs)
			if !slices.Equal(tok.EncodeOrdinary(text), d.IDs) {
				noncanon++
			}
			s := pol.m.StyleShares(text)
			for j, v := range []float64{s.Helpful, s.Stepwise, s.Evasive, s.Other} {
				sh[j] += v / float64(N)
			}
			// divergence of p0's samples under this policy
			c0 := tok.Encode(render("", p))
			d0 := sm.Generate(c0, one, 512, eot, rand.New(rand.NewPCG(uint64(i), 5)))
			a := d0.IDs
			if d0.Stopped {
				a = append(a, d0.StopID)
			}
			lp := pol.m.LogProbs(append(slices.Clone(ctx), a...))
			divs = append(divs, sum(d0.LogProbs)-sum(lp[len(ctx):]))
		}
		mean, sd := stats(lens)
		lm, ls := stats(lps)
		dm, ds := stats(divs)
		slices.Sort(lens)
		fmt.Printf("%-6s len %.0f sd %.0f [%v %v] over %d empty %d noncanon %.3f | lp %.3f sd %.3f | div %.2f sd %.2f | shares %.2f\n", pol.name, mean, sd, lens[0], lens[len(lens)-1], over, empty, float64(noncanon)/float64(N), lm, ls, dm, ds, sh)
	}
	_ = strings.ToLower
}
func stats(x []float64) (m, sd float64) {
	m = sum(x) / float64(len(x))
	for _, v := range x {
		sd += (v - m) * (v - m)
	}
	return m, math.Sqrt(sd / float64(len(x)-1))
}
