package sim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// openAIDefaults are the documented ones.
var openAIDefaults = defaults{temperature: 1, topP: 1, maxTokens: 4096}

// openAIFields are the request's allowed fields: anything else is refused, as
// the service refuses it.
var openAIFields = map[string]bool{
	"model": true, "messages": true, "max_tokens": true, "max_completion_tokens": true, "temperature": true,
	"top_p": true,
	"seed":  true, "n": true, "stop": true, "stream": true, "logprobs": true, "top_logprobs": true,
	"response_format": true,
	"user":            true, "store": true, "metadata": true, "service_tier": true, "frequency_penalty": true,
	"presence_penalty": true,
	"logit_bias":       true, "safety_identifier": true, "prompt_cache_key": true, "stream_options": true,
}

// openAIChat serves POST /v1/chat/completions.
func (s *Server) openAIChat(c *call) (answer, *apiError) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(c.body, &fields); err != nil {
		return answer{}, badRequest("", "We could not parse the JSON body of your request: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !openAIFields[name] {
			return answer{}, badRequest("", "Unrecognized request argument supplied: %s", name)
		}
	}
	r, err := decode(c.body)
	if err != nil {
		err.status = http.StatusBadRequest // this service has no 422
		return answer{}, err
	}
	var t task
	if t.model, err = s.model(c, r.Model); err != nil {
		return answer{}, err
	}
	if t.sampling, err = r.sampling(openAIDefaults); err != nil {
		return answer{}, err
	}
	if t.maxTokens, err = r.limit(openAIDefaults, 1); err != nil {
		return answer{}, err
	}
	if t.stop, err = r.stops(); err != nil {
		return answer{}, err
	}
	if t.form, t.top, err = r.openAILogprobs(); err != nil {
		return answer{}, err
	}
	// What a user writes is never a special token here.
	_, t.prompt, err = s.render(r.Messages, true)
	if err != nil {
		return answer{}, err
	}
	if err := fits(t.prompt, t.maxTokens); err != nil {
		return answer{}, err
	}
	if r.ResponseFormat != nil && r.ResponseFormat.Type != "text" {
		return s.grade(c, r, t)
	}
	t.stream = s.drawStream(t.model, t.prompt, r.Seed, c.id, 0)
	return s.chatAnswer(c, r, t, s.run(t, c.id)), nil
}

func (r *request) openAILogprobs() (logprobForm, int, *apiError) {
	on, top := false, 0
	if !absent(r.Logprobs) && json.Unmarshal(r.Logprobs, &on) != nil {
		return 0, 0, badRequest("logprobs", "Invalid type for 'logprobs': expected a boolean.")
	}
	if r.TopLogprobs != nil {
		top = *r.TopLogprobs
		if top < 0 || top > 20 {
			return 0, 0, badRequest("top_logprobs", "Invalid value %d for 'top_logprobs': want 0 to 20.", top)
		}
		if !on {
			return 0, 0, badRequest("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
		}
	}
	if !on {
		return noLogprobs, 0, nil
	}
	return openAILogprobs, top, nil
}

// openAICompletions serves POST /v1/completions, which the chat models lack.
func openAICompletions(*call) (answer, *apiError) {
	return answer{}, &apiError{status: http.StatusNotFound, kind: "not_found", param: "model",
		message: "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use " +
			"v1/chat/completions?"}
}
