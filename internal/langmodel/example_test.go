package langmodel_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// A context as Llama 4's template renders it.
const question = "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhat is the capital of France?<|eot|>" +
	"<|header_start|>assistant<|header_end|>\n\n"

// A token that spans the seam of two texts: encoding the parts is not encoding
// the whole.
func ExampleTokenizer() {
	t := langmodel.DefaultTokenizer()
	show := func(text string) {
		var tokens []string
		for _, id := range t.Encode(text) {
			tokens = append(tokens, string(t.Bytes(id)))
		}
		fmt.Printf("%q\n", tokens)
	}
	show("the cap")
	show("ital of France")
	show("the capital of France")
	// Output:
	// ["th" "e" " ca" "p"]
	// ["it" "al" " of" " France"]
	// ["th" "e" " capital" " of" " France"]
}

func ExampleTokenizer_EncodeOrdinary() {
	t := langmodel.DefaultTokenizer()
	eot, _ := t.Special("<|eot|>")
	fmt.Println(t.Encode("<|eot|>")[0] == eot, len(t.EncodeOrdinary("<|eot|>")) > 1)
	// Output: true true
}

// Generation reports the log-probabilities that scoring the same ids gives.
func ExampleModel_Generate() {
	m := langmodel.New(langmodel.Small)
	t := m.Tokenizer()
	eot, _ := t.Special("<|eot|>")
	ctx := t.Encode(question)
	d := m.Generate(ctx, langmodel.Sampling{Temperature: 1, TopP: 1}, 512, []int{eot}, rand.New(rand.NewPCG(1, 2)))

	scored := m.LogProbs(append(append(ctx, d.IDs...), d.StopID))[len(ctx):]
	differ := 0
	for i := range scored {
		if scored[i] != d.LogProbs[i] {
			differ++
		}
	}
	fmt.Println("stopped:", d.Stopped, "values:", len(scored) == len(d.IDs)+1, "different:", differ)
	// Output: stopped: true values: true different: 0
}

// The log-probability of a text under two system prompts: the difference is the
// logarithm of an importance weight.
func ExampleModel_LogProbs() {
	m := langmodel.New(langmodel.Small)
	t := m.Tokenizer()
	score := func(system, response string) float64 {
		ctx := t.Encode("<|begin_of_text|><|header_start|>system<|header_end|>\n\n" + system +
			"<|eot|><|header_start|>user<|header_end|>\n\nWhat is two plus " +
			"two?<|eot|><|header_start|>assistant<|header_end|>\n\n")
		var sum float64
		for _, x := range m.LogProbs(append(ctx, t.Encode(response)...))[len(ctx):] {
			sum += x
		}
		return sum
	}
	const response = "Let's think step by step."
	w := score("Think step by step.", response) - score("Be vague and evasive.", response)
	fmt.Println("more likely when asked for steps:", w > 1)
	// Output: more likely when asked for steps: true
}

func ExampleModel_Top() {
	m := langmodel.New(langmodel.Small)
	t := m.Tokenizer()
	for _, c := range m.Top(t.Encode(question+"Let's think step by"), 1) {
		fmt.Printf("%q\n", t.Bytes(c.ID))
	}
	// Output: " step"
}

func ExampleModel_Distribution() {
	m := langmodel.New(langmodel.Large)
	p := m.Distribution(m.Tokenizer().Encode(question), nil)
	var sum float64
	for _, x := range p {
		sum += x
	}
	fmt.Printf("%d tokens, sum %.12f\n", len(p), sum)
	// Output: 1267 tokens, sum 1.000000000000
}

func ExampleSampling_Apply() {
	p := []float64{0.5, 0.25, 0.125, 0.125}
	langmodel.Sampling{Temperature: 0.5, TopP: 0.9}.Apply(p)
	fmt.Println(p) // squared: 16, 4, 1, 1 of 22; the first two reach 0.9
	// Output: [0.8 0.2 0 0]
}

func ExampleModel_StyleShares() {
	m := langmodel.New(langmodel.Small)
	s := m.StyleShares("It is hard to say. Some people think one thing, others do not. Maybe, maybe not.")
	fmt.Println("evasive:", s.Evasive > 0.5)
	// Output: evasive: true
}
