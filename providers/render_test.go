package providers_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

func renderRequest() providers.RenderRequest {
	return providers.RenderRequest{Model: "m", Messages: []dataset.Message{{Role: "user", Content: "Hi"}},
		Kwargs: map[string]any{"enable_thinking": false}}
}

// Replies of tokenize: ids, or an error, and never a part of the ids.
func TestRenderChat(t *testing.T) {
	for _, test := range []struct {
		why  string
		body string
		want []int
	}{
		{"vLLM's", `{"count":3,"max_model_len":4096,"tokens":[1,5,0],"token_strs":null}`, []int{1, 5, 0}},
		{"without a count", `{"tokens":[7]}`, []int{7}},
		{"fewer than it counts", `{"count":4,"tokens":[1,5,0]}`, nil},
		{"none", `{"count":0,"tokens":[]}`, nil},
		{"missing", `{"count":3}`, nil},
		{"an entry that is no id", `{"tokens":[1,-5,0]}`, nil},
		{"a fraction", `{"tokens":[1,2.5]}`, nil},
		{"two lists", `{"tokens":[1],"tokens":[2]}`, nil},
		{"a list of lists, as of several texts", `{"tokens":[[1,2]]}`, nil},
		{"not JSON", `<html>`, nil},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: test.body})
		ids, err := vllm(t, s).RenderChat(t.Context(), renderRequest())
		var e *providers.Error
		if (err == nil) != (test.want != nil) || !slices.Equal(ids, test.want) || err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v, %v; want %v", test.why, ids, err, test.want)
		}
		got := s.Requests()[0]
		kwargs, _ := got.Body["chat_template_kwargs"].(map[string]any)
		if got.Path != "/tokenize" || got.Body["add_generation_prompt"] != true || got.Body["add_special_tokens"] != false ||
			got.Body["model"] != "m" || kwargs["enable_thinking"] != false {
			t.Errorf("sent to %s: %v", got.Path, got.Body)
		}
	}
}

// A service that does not render says so, and nothing is sent. The simulator's vLLM renders
// what its chat answers in.
func TestRenderChatSupport(t *testing.T) {
	server := sim.New(sim.Config{})
	t.Cleanup(func() { server.Close() })
	http := providers.HTTPConfig{BaseURL: server.VLLMURL(), Key: providers.NewSecret("k"), HTTP: server.Client()}
	renders, err := providers.NewOfKind(providers.KindVLLM, "a", "", http)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := providers.NewOfKind(providers.KindCompatible, "b", "", http)
	if err != nil {
		t.Fatal(err)
	}
	router, err := providers.NewRouter(providers.Endpoint{Name: "a", Provider: renders, Free: true},
		providers.Endpoint{Name: "b", Provider: plain, Free: true})
	if err != nil {
		t.Fatal(err)
	}
	model := sim.PolyglotModelOf("gemma3")
	client, err := providers.NewClient(router, providers.ClientConfig{Prices: router.Prices(providers.Prices{},
		"a/"+model)})
	if err != nil {
		t.Fatal(err)
	}
	req := renderRequest()
	req.Kwargs = nil
	for name, want := range map[string]bool{"a/" + model: true, "b/" + model: false, "": false} {
		if providers.RendersChats(router, name) != want && name != "" {
			t.Errorf("%s renders: want %v", name, want)
		}
		req.Model = name
		ids, err := client.RenderChat(t.Context(), req)
		if (err == nil) != want || (len(ids) > 0) != want || name != "" && errors.Is(err, errors.ErrUnsupported) == want {
			t.Errorf("%q: %v, %v", name, ids, err)
		}
		if !want {
			continue
		}
		sampling := chatRequest().Sampling
		sampling.MaxTokens = 1
		g, err := client.Generate(t.Context(), providers.GenerateRequest{Model: name, Messages: req.Messages,
			Sampling: sampling})
		if err != nil || !slices.Equal(g.PromptIDs, ids) {
			t.Errorf("chat answers in %v, and the rendering is %v, %v", g.PromptIDs, ids, err)
		}
	}
	if _, err := client.RenderChat(t.Context(), providers.RenderRequest{Model: "a/" + model}); err == nil {
		t.Error("no message was rendered")
	}
}
