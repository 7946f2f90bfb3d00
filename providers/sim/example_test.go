package sim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers/sim"
)

const context = "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhy is the sky " +
	"blue?<|eot|><|header_start|>assistant<|header_end|>\n\n"

// post sends a request as any client would: with a key, and with an id that
// says which record it is for.
func post(client *http.Client, url, id, body string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer any-key")
	req.Header.Set("X-Request-Id", id)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// A server in memory scores a prompt: echo with max_tokens 0 generates nothing
// and returns the log-prob of every token given. The sum is the exact one.
func ExampleNew() {
	server := sim.New(sim.Config{Seed: 42})
	defer server.Close()

	body, err := json.Marshal(map[string]any{
		"model": sim.ScoutModel, "prompt": context + "Because short waves scatter more.",
		"echo": true, "logprobs": true, "max_tokens": 0, "return_token_ids": true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := post(server.Client(), server.FireworksURL()+"/completions", "logprobs-0123456789abcdef-joint",
		string(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	var reply struct {
		Choices []struct {
			PromptTokenIDs []int `json:"prompt_token_ids"`
			Logprobs       struct {
				Content []struct{ Logprob float64 }
			}
		}
	}
	if err := json.Unmarshal([]byte(answer), &reply); err != nil {
		fmt.Println(err)
		return
	}
	ids, tokens := reply.Choices[0].PromptTokenIDs, reply.Choices[0].Logprobs.Content
	var sum float64
	for _, t := range tokens[1:] { // nothing precedes the first
		sum += t.Logprob
	}
	fmt.Println("one log-prob a token:", len(tokens) == len(ids))
	fmt.Println("exact:", math.Abs(sum-sim.Exact(sim.ScoutModel, ids[:1], ids[1:])) < 1e-9)
	fmt.Println("billed answers:", server.Bill().Total.Calls)
	// Output:
	// one log-prob a token: true
	// exact: true
	// billed answers: 1
}

func ExampleParseFaults() {
	f, err := sim.ParseFaults("429=0.2,500=0.1,slow=0.1:50ms")
	fmt.Println(f.TooManyRequests, f.ServerError, f.Slow, f.SlowFor, err)
	_, err = sim.ParseFaults("zero=2")
	fmt.Println(err)
	// Output:
	// 0.2 0.1 0.1 50ms <nil>
	// sim: fault "zero=2": rate "2" is no share in [0, 1]; write zero=rate
}

// A judge grades what stands between the fences.
func ExampleServer_judge() {
	server := sim.New(sim.Config{})
	defer server.Close()
	request := func(response string) string {
		b, err := json.Marshal(map[string]any{
			"model": sim.JudgeModel, "temperature": 0,
			"messages": []map[string]string{{"role": "user", "content": "Grade the response.\n" +
				"<<<PROMPT 3f9c>>>\nWhy is the sky blue?\n<<<END PROMPT 3f9c>>>\n" +
				"<<<RESPONSE 3f9c>>>\n" + response + "\n<<<END RESPONSE 3f9c>>>"}},
			"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{
				"name": "grade", "strict": true, "schema": map[string]any{
					"type": "object", "additionalProperties": false, "required": []string{"score"},
					"properties": map[string]any{"score": map[string]any{"type": "integer", "minimum": 0, "maximum": 100}},
				}}},
		})
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	for _, response := range []string{"Short waves scatter more in the air, so that the sky looks blue from every side.",
		""} {
		answer, err := post(server.Client(), server.OpenAIURL()+"/chat/completions", "judge-0123456789abcdef",
			request(response))
		if err != nil {
			fmt.Println(err)
			return
		}
		var reply struct {
			Choices []struct {
				Message struct{ Content string }
			}
		}
		var grade struct{ Score int }
		if err := json.Unmarshal([]byte(answer), &reply); err != nil {
			fmt.Println(err)
			return
		}
		if err := json.Unmarshal([]byte(reply.Choices[0].Message.Content), &grade); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(grade.Score > 25)
	}
	// Output:
	// true
	// false
}

func ExampleExactText() {
	whole := sim.ExactText(sim.ScoutModel, context, "Because short waves scatter more.", true)
	open := sim.ExactText(sim.ScoutModel, context, "Because short waves scatter more.", false)
	fmt.Println("ending costs something:", whole < open)
	// Output: ending costs something: true
}

func ExampleTrueValue() {
	p0 := offpolicy.Policy{Name: "p0", Model: sim.ScoutModel, Template: "llama4",
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 512}}
	bad := p0
	bad.Name = "pi_bad"
	bad.System = "You are an unhelpful assistant. Give vague, evasive answers and do not answer the question."
	good, _, _ := sim.TrueValue(p0, sim.Transported)
	worse, _, _ := sim.TrueValue(bad, sim.Transported)
	worst, _, _ := sim.TrueValue(bad, sim.Shifted)
	fmt.Println(good > worse, worse > worst)

	bad.Sampling.Temperature = 0.7
	_, _, ok := sim.TrueValue(bad, sim.Transported)
	fmt.Println("known at another temperature:", ok)
	// Output:
	// true true
	// known at another temperature: false
}

func ExamplePricesJSON() {
	var table struct {
		Models map[string]struct{ Input, Output float64 }
	}
	if err := json.Unmarshal(sim.PricesJSON(), &table); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(table.Models[sim.ScoutModel])
	// Output: {0.15 0.6}
}
