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
