package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// neighbours are replies of the kinds of sentAnswers in the shapes that other
// services and gateways give them, after public reports of users.
var neighbours = []sent{
	// What stands beside an answer and says nothing about it.
	{"Azure's filters", "chat", 0, `{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"error":{"code":"content_filter_error","message":"The contents are not filtered"}},"finish_reason":"stop","index":0,"logprobs":null,"message":{"content":"To the sea.","role":"assistant","refusal":null,"annotations":[]}}],"created":1,"model":"m","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"jailbreak":{"detected":false,"filtered":false}}}]` + some + `}`, read(sea, seen)},
	{"an error of nothing but empty fields", "chat", 0,
		chatWith(seaText, some+`,"error":{"message":"","type":"","param":"","code":null}`), read(sea, seen)},
	{"an empty error in the choice", "chat", 0, chatWith(seaText+`,"error":{}`, some), read(sea, seen)},
	{"a success in words", "chat", 0, chatWith(seaText, some+`,"code":0,"msg":"success","success":true,"errors":[],"detail":null,"status":200`),
		read(sea, seen)},
	{"vLLM's stop_reason of another end", "chat", 0, chatWith(seaText+`,"stop_reason":128009,"token_ids":null`, some), read(sea, seen)},
	{"vLLM's stop_reason of a string that the server sets", "chat", 0, chatWith(seaText+`,"stop_reason":"\n\n"`, some),
		reading{text: sea, finish: "stop", hidden: "cut at", usage: seen}},
	{"SGLang's matched_stop", "chat", 0, chatWith(seaText+`,"matched_stop":"###"`, some),
		reading{text: sea, finish: "stop", hidden: "cut at", usage: seen}},
	{"SGLang's matched_stop of an id", "chat", 0, chatWith(seaText+`,"matched_stop":151645`, some), read(sea, seen)},
	{"a gateway's stop_reason in other words", "chat", 0, chatWith(seaText+`,"stop_reason":"end_turn","native_finish_reason":"STOP"`, some),
		read(sea, seen)},
	{"llama.cpp's timings", "chat", 0, chatWith(seaText, some+`,"timings":{"prompt_n":7,"predicted_n":4,"predicted_ms":1e1},"__verbose":{"index":0,"content":"To the sea."}`), read(sea, seen)},
	{"TGI's details", "chat", 0, chatWith(`"message":{"role":"assistant","content":"To the sea."},"logprobs":null,"finish_reason":"eos_token"`, some+`,"system_fingerprint":"3.0-sha"`), read(sea, seen)},
	{"reasoning that is empty", "chat", 0, chatWith(`"message":{"content":"To the sea.","reasoning_content":"","reasoning":null,"reasoning_details":[],"tool_calls":[],"function_call":null},"finish_reason":"stop"`, some), read(sea, seen)},
	{"LiteLLM's thinking blocks", "chat", 0, chatWith(`"message":{"content":"To the sea.","thinking_blocks":[{"type":"thinking","thinking":"Hm."}]},"finish_reason":"stop"`, some),
		reading{text: sea, finish: "stop", hidden: "reasoned", usage: seen}},
	{"a call and no content", "chat", 0, chatWith(`"message":{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"`, some),
		reading{finish: "tool_calls", hidden: "called a tool", usage: seen}},
	{"a refusal in its own field", "chat", 0, chatWith(`"message":{"content":null,"refusal":"No."},"finish_reason":"stop"`, some),
		reading{finish: "stop", refusal: "No.", usage: seen}},
	{"Azure's filter without content", "chat", 0, chatWith(`"message":{"role":"assistant"},"finish_reason":"content_filter"`, some),
		reading{class: providers.ClassFiltered, usage: seen}},
	{"log-probs of nothing", "chat", 0, chatWith(seaText+`,"logprobs":{}`, some), read(sea, seen)},
	{"log-probs whose content is null", "chat", 0, chatWith(seaText+`,"logprobs":{"content":null,"refusal":null}`, some), read(sea, seen)},
	{"ids that nobody asked for, and odd", "chat", 0, chatWith(seaText+`,"token_ids":["a",null]`, some+`,"prompt_token_ids":[-1]`), read(sea, seen)},

	// Usage in other names, and counts that cannot be.
	{"Gemini's own names", "chat", 0, chatWith(seaText, `,"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":4,"thoughtsTokenCount":20,"totalTokenCount":31,"cachedContentTokenCount":3}`),
		reading{text: sea, finish: "stop", hidden: "20 of its 24", usage: usage(7, 3, 24, 20)}},
	{"Gemini's names beside OpenAI's", "chat", 0, chatWith(seaText, `,"usageMetadata":{"promptTokenCount":70,"candidatesTokenCount":40}`+some), read(sea, seen)},
	{"Bedrock's names", "chat", 0, chatUsage(`{"inputTokens":7,"outputTokens":4,"totalTokens":11}`), read(sea, seen)},
	{"no generated tokens for a text", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":0,"total_tokens":7}`),
		reading{text: sea, finish: "stop", doubt: "no tokens"}},
	{"no prompt tokens", "chat", 0, chatUsage(`{"prompt_tokens":0,"completion_tokens":4,"total_tokens":4}`),
		reading{text: sea, finish: "stop", doubt: "no tokens"}},
	{"no text, and no tokens for it", "chat", 0, chatWith(`"message":{"content":""},"finish_reason":"stop"`,
		`,"usage":{"prompt_tokens":7,"completion_tokens":0,"total_tokens":7}`), read("", usage(7, 0, 0, 0))},
	{"a gateway that counts a thought beside nothing", "chat", 0, chatWith(`"message":{"content":null},"finish_reason":"length"`,
		`,"usage":{"prompt_tokens":7,"completion_tokens":0,"total_tokens":27,"completion_tokens_details":{"reasoning_tokens":20}}`),
		reading{finish: "length", hidden: "20 of its 20", usage: usage(7, 0, 20, 20)}},
	{"Grok's thought, beside, with a price", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":31,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":20},"num_sources_used":0,"cost_in_usd_ticks":5000000000}`),
		reading{text: sea, finish: "stop", hidden: "20 of its 24", usage: &providers.Usage{PromptTokens: 7, CachedTokens: 3,
			CompletionTokens: 24, HiddenTokens: 20, Stated: known(0.5)}}},
	{"nulls for counts", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":null,"completion_tokens_details":{"reasoning_tokens":null},"cost":null}`), read(sea, seen)},
	{"usage in the choice", "chat", 0, chatWith(seaText+some, ``), read(sea, seen)},

	// Errors with status 200.
	{"OpenRouter, with half an answer and a code in words", "chat", 0, chatWith(`"message":{"content":"To"},"finish_reason":"error","native_finish_reason":null,"error":{"code":429,"message":"Rate limit exceeded","metadata":{"provider_name":"X"}}`, some),
		reading{class: providers.ClassRateLimited, usage: seen}},
	{"OpenRouter, an upstream's JSON in a text", "chat", 0, `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 9 tokens > 8 maximum\"}}","provider_name":"X"}},"user_id":"u"}`,
		reading{class: providers.ClassTooLong, usage: nothing}},
	{"Gemini through a gateway, JSON in the message", "chat", 0, `{"error":{"message":"{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Quota exceeded. Please retry in 36.5s.\",\n    \"status\": \"RESOURCE_EXHAUSTED\"\n  }\n}\n","type":"upstream","code":null}}`,
		reading{class: providers.ClassRateLimited, wait: 36500 * time.Millisecond, usage: nothing}},
	{"nulls all over, and an error", "chat", 0, `{"id":null,"choices":null,"created":null,"model":null,"object":null,"usage":null,"error":{"message":"Internal Server Error","code":500},"user_id":"u"}`,
		reading{class: providers.ClassOverloaded}},
	{"nulls all over", "chat", 0, `{"id":null,"choices":null,"created":null,"model":null,"object":null,"usage":null}`,
		reading{class: providers.ClassBrokenReply}},
	{"a local server that gives no reason to end", "chat", 0, chatWith(`"message":{"content":"To the sea.","tool_calls":[]},"finish_reason":null`, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"OpenRouter, whose upstream is out of money", "chat", 429, `{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\"error\":{\"message\":\"You exceeded your current quota\",\"code\":\"insufficient_quota\"}}"}}}`,
		reading{class: providers.ClassRateLimited}},
	{"an error in words beside an answer", "chat", 0, chatWith(seaText, some+`,"error":"upstream closed the stream"`),
		reading{class: providers.ClassBrokenReply, usage: seen}},

	// Statuses, codes and delays.
	{"a page for 520", "chat", 520, `<!DOCTYPE html><html><head><title>m.example | 520: Web server is returning an unknown error</title></head></html>`,
		reading{class: providers.ClassOverloaded}},
	{"nginx, and a client that left", "chat", 499, ` `, reading{class: providers.ClassTimeout}},
	{"too early", "chat", 425, ` `, reading{class: providers.ClassOverloaded}},
	{"FastAPI's list", "chat", 422, `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":{}}]}`,
		reading{class: providers.ClassBadRequest}},
	{"Gemini's refused key", "chat", 400, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}`,
		reading{class: providers.ClassAuth}},
	{"xAI's refused key", "chat", 400, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xx***yy. You can obtain an API key from the console."}`,
		reading{class: providers.ClassAuth}},
	{"Gemini's regions", "chat", 400, `{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}`,
		reading{class: providers.ClassAuth}},
	{"Azure's filter of the prompt", "chat", 400, `{"error":{"message":"The response was filtered due to the prompt triggering the content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}`,
		reading{class: providers.ClassFiltered}},
	{"minutes in words", "chat", 429, `{"error":{"message":"Too many requests. Please try again in 2 minutes.","code":"429"}}`,
		reading{class: providers.ClassRateLimited, wait: 2 * time.Minute}},
	{"Django's throttle", "chat", 429, `{"detail":"Request was throttled. Expected available in 20 seconds."}`,
		reading{class: providers.ClassRateLimited, wait: 20 * time.Second}},
	{"a delay in milliseconds", "chat", 429, `{"error":{"message":"slow down","retry_after_ms":1500}}`,
		reading{class: providers.ClassRateLimited, wait: 1500 * time.Millisecond}},
	{"a delay that Discord-like gateways name", "chat", 429, `{"message":"You are being rate limited.","retry_after":0.5,"global":false}`,
		reading{class: providers.ClassRateLimited, wait: 500 * time.Millisecond}},
	{"a quota of money, with a delay", "chat", 429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details. Please retry in 30s.","type":"insufficient_quota","code":"insufficient_quota"}}`,
		reading{class: providers.ClassQuota, wait: 30 * time.Second}},
	{"a limit whose type speaks of quota", "chat", 429, `{"error":{"message":"Rate limit reached for m","type":"insufficient_quota","code":"rate_limit_exceeded"}}`,
		reading{class: providers.ClassRateLimited}},

	// Echoes.
	{"an echo, with what vLLM adds", "score", 0, `{"id":"c","model":"m","choices":[{"index":0,"text":"Hi there","logprobs":{"text_offset":[0,2],"token_logprobs":[null,-1.25],"tokens":["Hi"," there"],"top_logprobs":[null,{" there":-1.25}]},"finish_reason":"length","stop_reason":null,"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null}],"service_tier":null,"kv_transfer_params":null,"usage":{"prompt_tokens":2,"total_tokens":2,"completion_tokens":0,"prompt_tokens_details":null}}`,
		reading{text: "Hi there", values: secondOnly, ids: []int{-1, -1}, usage: usage(2, 0, 0, 0)}},
	{"an echo with alternatives that are null", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,-1.25],"top_logprobs":[null,null],"text_offset":null,"token_ids":[null,null]}`),
		reading{text: "Hi there", values: secondOnly, ids: []int{-1, -1}, usage: usage(2, 0, 0, 0)}},
	{"an echo with ids that are none", "score", 0, `{"model":"m","choices":[{"index":0,"text":"Hi there","finish_reason":null,"prompt_token_ids":["5"," "],"logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1.25]}}],"usage":{"prompt_tokens":2,"total_tokens":2}}`,
		reading{text: "Hi there", values: secondOnly, ids: []int{-1, -1}, usage: usage(2, 0, 0, 0)}},
	{"an echo whose log-probs are {}", "score", 0, echoed(`{}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"an echo whose log-probs are null", "score", 0, echoed(`null`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"an echo whose first value is not null", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[-5,-1.25]}`),
		reading{text: "Hi there", values: []dataset.Float{known(-5), known(-1.25)}, usage: usage(2, 0, 0, 0)}},
}

// What a gateway's upstream said is shown, where the gateway says nothing itself.
func TestUpstreamsWords(t *testing.T) {
	_, err := readReply(t, sent{call: "chat", status: 429, body: `{"error":{"message":"Provider returned error","code":429,` +
		`"metadata":{"raw":"m is rate-limited upstream for a while","provider_name":"X"}}}`})
	if e := wantError(t, err, providers.ClassRateLimited); !strings.Contains(e.Message, "for a while") {
		t.Errorf("message %q", e.Message)
	}
}
