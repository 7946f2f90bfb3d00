package sim

import (
	"strings"
	"testing"
)

// One echo call of about 400 tokens, through memory and back.
func BenchmarkEcho(b *testing.B) {
	s, client := newServer(b, Config{})
	text := testContext + strings.Repeat(goodResponse+"\n", 8)
	body := dict{"model": ScoutModel, "prompt": text, "echo": true, "max_tokens": 0, "logprobs": true}
	b.ReportMetric(float64(len(tokenizer().Encode(text))), "tokens")
	for b.Loop() {
		if r := post(client, s.FireworksURL()+"/completions", "", body); r.status != 200 {
			b.Fatal(r.status)
		}
	}
}

func BenchmarkGrade(b *testing.B) {
	s, client := newServer(b, Config{})
	body := gradeBody(JudgeModel, 0, goodPrompt, strings.Repeat(goodResponse+"\n", 8), scoreSchema)
	for b.Loop() {
		if r := post(client, s.OpenAIURL()+"/chat/completions", "", body); r.status != 200 {
			b.Fatal(r.status)
		}
	}
}
