package providers_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/providers"
)

// A server that is known not to score given text is not asked to: the answer
// would have no log-probs of it, and no error either.
func ExampleLlamaCpp() {
	p, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: "http://127.0.0.1:8080/v1"},
		Name:       "llamacpp",
		Quirks:     providers.LlamaCpp(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = p.ScorePrompt(context.Background(), providers.ScoreRequest{Model: "qwen", Prompt: "Hi there"})
	var e *providers.Error
	fmt.Println(errors.Is(err, errors.ErrUnsupported), errors.As(err, &e))
	fmt.Println(e.Message)
	// Output:
	// true true
	// llama.cpp's server returns log-probs of generated tokens only, and none for the text that it is given
}

// Where the chat template writes the BOS token and the server adds it too, the
// server has to be told apart from those that do not.
func ExampleLlamaCppPython() {
	q := providers.LlamaCppPython()
	q.AddsBOS = "<|begin_of_text|>"
	_, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: "http://127.0.0.1:8000/v1"}, Quirks: q,
	})
	fmt.Println(q.ScoreGenerates, q.EchoDropsBOS, err)
	// Output: true true <nil>
}

// SGLang puts the tokenizer's BOS token before every text: where the chat
// template writes one too, a prompt is sent without it.
func ExampleSGLang() {
	q := providers.SGLang()
	q.AddsBOS = "<|begin_of_text|>"
	_, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: "http://127.0.0.1:30000/v1"}, Name: "sglang", Quirks: q,
	})
	fmt.Println(q.Echo, q.TopKOff, err)
	// Output: true -1 <nil>
}

// Together lists the log-probs of the prompt beside the choices.
func ExampleTogether() {
	service := stub(`{"prompt":[{"text":"Hi there","logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1.5]}}],"choices":[{"text":"!"}]}`)
	defer service.Close()
	p, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: service.URL + "/v1"}, Name: "together", Quirks: providers.Together(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	score, err := p.ScorePrompt(context.Background(), providers.ScoreRequest{Model: "m", Prompt: "Hi there"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(score.Tokens), score.Tokens[1].LogProb.OrNaN())
	// Output: 2 -1.5
}
