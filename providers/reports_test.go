package providers_test

import (
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

func filtered(content string) string {
	return chatWith(`"message":{"role":"assistant","content":`+content+`},"finish_reason":"content_filter"`, some)
}

func content(v string) string {
	return chatWith(`"message":{"role":"assistant","content":`+v+`},"finish_reason":"stop"`, some)
}

func class(c providers.Class) reading { return reading{class: c} }

// reported are replies after further reports of users, by kind.
var reported = []sent{
	// Values that are no JSON.
	{"NaN beside an answer", "chat", 0, chatWith(seaText, some+`,"metrics":{"perplexity":NaN,"norms":[-Infinity,Infinity]}`), read(sea, seen)},
	{"NaN for a count", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":NaN}`), read(sea, seen)},
	{"NaN for the end", "chat", 0, ended(`NaN`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"NaN in an echo", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[NaN,-1.25]}`),
		reading{text: "Hi there", values: secondOnly, usage: usage(2, 0, 0, 0)}},
	{"minus infinity in an echo", "score", 0, echoed(`{"tokens":["Hi"," there","!"],"token_logprobs":[null,-Infinity,-1.25],"top_logprobs":[null,{"NaN":-Infinity},{}]}`),
		reading{text: "Hi there", values: []dataset.Float{{}, {}, known(-1.25)}, usage: usage(2, 0, 0, 0)}},
	{"nothing but NaN in an echo", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[NaN,NaN]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"NaN in a text", "chat", 0, content(`"NaN, -Infinity and \"Infinity"`), read(`NaN, -Infinity and "Infinity`, seen)},

	// Contents that are no text.
	{"a number for content", "chat", 0, content(`42`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"false for content", "chat", 0, content(`false`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"an object that was parsed already", "chat", 0, content(`{"reason":"fine","score":73}`),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"an empty object", "chat", 0, content(`{}`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a list of numbers", "chat", 0, content(`[1,2]`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a list of lists", "chat", 0, content(`[[{"type":"text","text":"x"}]]`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a part whose text is null", "chat", 0, content(`[{"type":"text","text":null},{"type":"text","text":"To the sea."}]`), read(sea, seen)},
	{"output_text", "chat", 0, content(`[{"type":"output_text","text":"To the sea.","annotations":[]}]`), read(sea, seen)},
	{"a summary of the thought among the parts", "chat", 0, content(`[{"type":"reasoning","summary":[{"text":"Hm."}]},{"type":"text","text":"To the sea."}]`),
		reading{text: sea, finish: "stop", hidden: "reasoned", usage: seen}},
	{"a part in capitals", "chat", 0, content(`[{"type":"TEXT","text":"To the sea."}]`), reading{text: "", finish: "stop", hidden: `"TEXT"`, usage: seen}},

	// Texts that leave something out.
	{"57 tokens for no text", "chat", 0, chatWith(`"message":{"content":""},"finish_reason":"stop"`, `,"usage":{"prompt_tokens":7,"completion_tokens":57,"total_tokens":64}`),
		reading{finish: "stop", hidden: "57 tokens", usage: usage(7, 0, 57, 0)}},
	{"57 tokens for a null", "chat", 0, chatWith(`"message":{"content":null},"finish_reason":"length"`, `,"usage":{"prompt_tokens":7,"completion_tokens":57,"total_tokens":64}`),
		reading{finish: "length", hidden: "57 tokens", usage: usage(7, 0, 57, 0)}},
	{"200 tokens for eleven letters", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":200,"total_tokens":207}`),
		reading{text: sea, finish: "stop", hidden: "200 tokens", usage: usage(7, 0, 200, 0)}},
	{"a token for each letter, and the end", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":12,"total_tokens":19}`), read(sea, usage(7, 0, 12, 0))},

	// Bodies that are no answer.
	{"a stream of events", "chat", 0,
		"data: {\"choices\":[{\"delta\":{\"content\":\"To\"},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n",
		class(providers.ClassBrokenReply)},
	{"an event that failed", "chat", 0, "event: error\ndata: {\"error\":{\"message\":\"overloaded\"}}\n\n",
		class(providers.ClassBrokenReply)},
	{"a comment of a stream", "chat", 0, ": PROCESSING\n\n" + chatWith(seaText, some), class(providers.ClassBrokenReply)},
	{"a chunk in place of a reply", "chat", 0, `{"object":"chat.completion.chunk","choices":[{"delta":{"content":"To"},"finish_reason":"stop"}]` + some + `}`,
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"two documents", "chat", 0, chatWith(seaText, some) + chatWith(seaText, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a NUL behind it", "chat", 0, chatWith(seaText, some) + "\x00",
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"null", "chat", 0, `null`, class(providers.ClassBrokenReply)},
	{"a list of nothing", "chat", 0, `[]`, class(providers.ClassBrokenReply)},
	{"another API's answer", "chat", 0, `[{"generated_text":"To the sea."}]`, class(providers.ClassBrokenReply)},
	{"a wrapped answer", "chat", 0, `{"result":{"response":"To the sea."},"success":true,"errors":[],"messages":[]}`, class(providers.ClassBrokenReply)},
	{"choices that are null, and usage", "chat", 0, `{"choices":[null]` + some + `}`, reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a completion for a chat", "chat", 0, `{"choices":[{"text":"To the sea.","finish_reason":"stop"}]` + some + `}`,
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a chat for a completion", "completion", 0, chatWith(seaText, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},

	// Successes that say so.
	{"a success in the place of an error", "chat", 0, chatWith(seaText, some+`,"error":{"code":0,"message":"success"}`), read(sea, seen)},
	{"a success with its status", "chat", 0, chatWith(seaText, some+`,"error":{"code":"200","message":"OK"}`), read(sea, seen)},
	{"a success in Baidu's names", "chat", 0, chatWith(seaText, some+`,"error_code":0,"error_msg":"","need_clear_history":false`), read(sea, seen)},

	// Usage.
	{"OpenRouter, with a key of one's own", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11,"cost":0.25,"is_byok":true,"cost_details":{"upstream_inference_cost":0.5}}`),
		read(sea, &providers.Usage{PromptTokens: 7, CompletionTokens: 4, Stated: known(0.75)})},
	{"OpenRouter, with its own key", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11,"cost":0.25,"is_byok":false,"cost_details":{"upstream_inference_cost":0.25,"upstream_inference_prompt_cost":0.1}}`),
		read(sea, &providers.Usage{PromptTokens: 7, CompletionTokens: 4, Stated: known(0.25)})},
	{"Groq's times", "chat", 0, chatUsage(`{"queue_time":0.1,"prompt_tokens":7,"prompt_time":0.01,"completion_tokens":4,"completion_time":0.1,"total_tokens":11,"total_time":0.2}`), read(sea, seen)},
	{"Mistral's audio", "chat", 0, chatUsage(`{"prompt_audio_seconds":{},"prompt_tokens":7,"total_tokens":11,"completion_tokens":4,"num_cached_tokens":5}`), read(sea, usage(7, 5, 4, 0))},
	{"a list of usages", "chat", 0, chatUsage(`[{"prompt_tokens":7,"completion_tokens":4}]`), read(sea, nil)},

	// Errors.
	{"Cerebras' limit", "chat", 429, `{"message":"Tokens per minute limit exceeded - too many tokens processed.","type":"too_many_tokens_error","param":"quota","code":"token_quota_exceeded"}`, class(providers.ClassRateLimited)},
	{"NVIDIA, out of credits", "chat", 402, `{"type":"urn:problem-details:payment-required","title":"Payment Required","status":402,"detail":"Account 'x': Cloud credits expired"}`, class(providers.ClassQuota)},
	{"GitHub's day", "chat", 429, `{"error":{"code":"RateLimitReached","message":"Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 49536 seconds before retrying.","details":"Rate limit of 50 per 86400s exceeded"}}`,
		reading{class: providers.ClassRateLimited, wait: 49536 * time.Second}},
	{"a quota that resets", "chat", 429, `{"error":{"code":429,"message":"You have exhausted your capacity on this model. Your quota will reset after 2h7m20s.","status":"RESOURCE_EXHAUSTED"}}`,
		reading{class: providers.ClassRateLimited, wait: 2*time.Hour + 7*time.Minute + 20*time.Second}},
	{"a wait in words", "chat", 429, `{"error":{"message":"Too many requests. Wait 12 seconds and retry."}}`, reading{class: providers.ClassRateLimited, wait: 12 * time.Second}},
	{"a wait of about a minute", "chat", 429, `{"error":{"message":"Slow down: try again in about 1 minute"}}`, reading{class: providers.ClassRateLimited, wait: time.Minute}},
	{"Vertex' context", "chat", 400, `{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`, class(providers.ClassTooLong)},
	{"Bedrock's context", "chat", 400, `{"__type":"ValidationException","message":"Input is too long for requested model."}`, class(providers.ClassTooLong)},
	{"LM Studio's context", "chat", 400, `{"error":"Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough."}`, class(providers.ClassTooLong)},
	{"llama-cpp-python's context", "chat", 400, `{"error":{"message":"Requested tokens (5000) exceed context window of 4096","type":"invalid_request_error","param":null,"code":null}}`, class(providers.ClassTooLong)},
	{"Mistral's context", "chat", 400, `{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":"3051"}`, class(providers.ClassTooLong)},
	{"OpenAI, which thought until the end", "chat", 400, `{"error":{"message":"Could not finish the message because max_tokens or model output limit was reached. Please try again with higher max_tokens.","type":"invalid_request_error","param":null,"code":null}}`, class(providers.ClassBadRequest)},
	{"vLLM and infinite values", "score", 500, `{"error":{"message":"Out of range float values are not JSON compliant: -inf","type":"InternalServerError","param":null,"code":500}}`, class(providers.ClassOverloaded)},
	{"TGI, out of memory", "chat", 424, `{"error":"Request failed during generation: Server error: CUDA out of memory","error_type":"generation"}`, class(providers.ClassOverloaded)},
	{"a code that is a status in words", "chat", 200, `{"status":"error","error_code":"insufficient_quota","message":"no money"}`, reading{class: providers.ClassQuota, usage: nothing}},
	{"Anthropic's overload with 200", "chat", 200, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, class(providers.ClassOverloaded)},
	{"true, and a status", "chat", 200, `{"error":true,"message":"rate limited","status":429}`, reading{class: providers.ClassRateLimited, usage: nothing}},
	{"a status of 529 inside", "chat", 200, `{"error":{"message":"Overloaded","code":529}}`, class(providers.ClassOverloaded)},
	{"an answer with status 201", "chat", 201, chatWith(seaText, some), read(sea, seen)},
	{"a filter that let half of it through", "chat", 0, filtered(`"To"`),
		reading{text: "To", finish: "content_filter", usage: seen}},
	{"a page that wants a login", "chat", 302, `<html><head><title>302 Found</title></head></html>`, class(providers.ClassBadRequest)},
	{"HF's credits", "chat", 402, `{"error":"You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO to get 20x more."}`, class(providers.ClassQuota)},
	{"Perplexity's page", "chat", 401, `<html><head><title>401 Authorization Required</title></head></html>`, class(providers.ClassAuth)},
	{"Together, a key of another account", "chat", 401, `{"id":"x","error":{"message":"Invalid API key provided. You can find your API key at the settings page.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, class(providers.ClassAuth)},
	{"DeepInfra, inactive", "chat", 403, `{"detail":{"error":"Your account is inactive, please add a payment method"}}`, class(providers.ClassAuth)},
	{"Scaleway's quota of the minute", "chat", 429, `{"status":429,"message":"You exceeded your current quota of tokens per minute","error":"RATE LIMIT EXCEEDED"}`, class(providers.ClassRateLimited)},

	// Ends.
	{"an end in words of two", "chat", 0, ended(`"max tokens"`), reading{text: sea, finish: "length", usage: seen}},
	{"an end with a prefix", "chat", 0, ended(`"FinishReason.MAX_TOKENS"`), reading{text: sea, finish: "length", usage: seen}},
	{"an unspecified end", "chat", 0, ended(`"FINISH_REASON_UNSPECIFIED"`),
		reading{text: sea, finish: "FINISH_REASON_UNSPECIFIED", hidden: "not known", usage: seen}},
	{"null as a text", "chat", 0, ended(`"null"`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"None as a text", "chat", 0, ended(`"None"`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"true for an end", "chat", 0, ended(`true`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a list for an end", "chat", 0, ended(`["stop"]`), read(sea, seen)},
	{"tool_call", "chat", 0, ended(`"tool_call"`), reading{text: sea, finish: "tool_calls", hidden: "tool call", usage: seen}},
	{"incomplete", "chat", 0, ended(`"incomplete"`), reading{text: sea, finish: "incomplete", hidden: "not known", usage: seen}},

	// Echoes.
	{"tokens named by their ids", "score", 0, echoed(`{"tokens":["token_id:5","token_id:6"],"token_logprobs":[null,-1.25]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"tokens as the vocabulary spells them", "score", 0, echoed(`{"tokens":["Hi","Ġthere"],"token_logprobs":[null,-1.25]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"the end of the scale", "score", 0, echoed(`{"tokens":["Hi"," there","!"],"token_logprobs":[null,-9999.0,-1.25]}`),
		reading{text: "Hi there", values: []dataset.Float{{}, {}, known(-1.25)}, usage: usage(2, 0, 0, 0)}},
	{"values in lists", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,[-1.25]]}`),
		reading{class: providers.ClassBrokenReply, usage: usage(2, 0, 0, 0)}},
	{"true for a value", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,true]}`),
		reading{class: providers.ClassBrokenReply, usage: usage(2, 0, 0, 0)}},
	{"both formats", "score", 0, echoed(`{"content":[{"token":"Hi","logprob":null},{"token":" there","logprob":-1.25}],"tokens":["x"],"token_logprobs":[-9]}`),
		reading{text: "Hi there", values: secondOnly, usage: usage(2, 0, 0, 0)}},
	{"half of the echo", "score", 0, echoed(`{"tokens":[" there"],"token_logprobs":[-1.25]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"a comma for a point", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,"-1,25"]}`),
		reading{class: providers.ClassBrokenReply, usage: usage(2, 0, 0, 0)}},

	// A gateway's word for the end, and the upstream's own.
	{"OpenRouter, whose upstream was lost", "chat", 0, chatWith(`"message":{"content":""},"finish_reason":"stop","native_finish_reason":"network_error"`, ``),
		class(providers.ClassBrokenReply)},
	{"OpenRouter, whose upstream gave up", "chat", 0, chatWith(seaText+`,"native_finish_reason":"abort"`, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"OpenRouter, of a text that was cut", "chat", 0, chatWith(seaText+`,"native_finish_reason":"MAX_TOKENS"`, some),
		reading{text: sea, finish: "length", usage: seen}},
	{"OpenRouter, of one that was filtered", "chat", 0, chatWith(`"native_finish_reason":"SAFETY",`+seaText, some),
		reading{text: sea, finish: "content_filter", usage: seen}},
	{"OpenRouter, with no word of the upstream", "chat", 0, chatWith(seaText+`,"native_finish_reason":null`, some), read(sea, seen)},
	{"OpenRouter, with a word that nobody knows", "chat", 0, chatWith(seaText+`,"native_finish_reason":"sunset"`, some), read(sea, seen)},
	{"OpenRouter, whose own word is the narrower", "chat", 0,
		chatWith(`"message":{"content":"To the sea."},"finish_reason":"length","native_finish_reason":"stop"`, some),
		reading{text: sea, finish: "length", usage: seen}},
	{"LiteLLM, of a text that was cut", "chat", 0, chatWith(seaText+`,"provider_specific_fields":{"native_finish_reason":"MAX_TOKENS"}`, some),
		reading{text: sea, finish: "length", usage: seen}},
	{"LiteLLM, whose upstream reasoned", "chat", 0, chatWith(`"message":{"content":"To the sea.","provider_specific_fields":{"refusal":null,"reasoning_content":"Hm."}},"finish_reason":"stop"`, some),
		reading{text: sea, finish: "stop", hidden: "reasoned", usage: seen}},
	{"LiteLLM, whose upstream did not", "chat", 0, chatWith(`"message":{"content":"To the sea.","provider_specific_fields":{"refusal":null,"reasoning_content":null}},"finish_reason":"stop"`, some), read(sea, seen)},
	{"Ollama, which said nothing but its thought", "chat", 0, chatWith(`"message":{"content":"","reasoning":"The user asks."},"finish_reason":"stop"`, some),
		reading{finish: "stop", hidden: "reasoned", usage: seen}},

	// A prompt that was blocked, in a reply without choices.
	{"Gemini through a gateway, blocked", "chat", 0, `{"choices":[],"prompt_feedback":{"block_reason":"PROHIBITED_CONTENT"},"usage":{"prompt_tokens":7,"completion_tokens":0,"total_tokens":7}}`,
		reading{class: providers.ClassFiltered, usage: usage(7, 0, 0, 0)}},
	{"Gemini's own form, blocked", "chat", 0, `{"promptFeedback":{"safetyRatings":[{"probability":"HIGH"}],"blockReason":"OTHER"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}`,
		reading{class: providers.ClassFiltered, usage: usage(7, 0, 0, 0)}},
	{"Gemini's ratings of what was not blocked", "chat", 0, chatWith(seaText, some+`,"prompt_feedback":{"block_reason":null,"safety_ratings":[]}`), read(sea, seen)},
	{"Gemini's zero value", "chat", 0, chatWith(seaText, some+`,"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"}`), read(sea, seen)},

	// Delays and codes among other digits.
	{"a delay with the digits of a status", "chat", 429, `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan. Please retry in 18.403470473s.","status":"RESOURCE_EXHAUSTED"}}`,
		reading{class: providers.ClassRateLimited, wait: 18403470473 * time.Nanosecond}},
	{"a list of errors, each with a list", "chat", 429, `[{"error":{"code":429,"message":"You have exhausted your capacity. Your quota will reset after 26s.","errors":[{"message":"exhausted","domain":"global","reason":"rateLimitExceeded"}],"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"d","metadata":{"uiMessage":"true"}}]}}]`,
		reading{class: providers.ClassRateLimited, wait: 26 * time.Second}},
	{"LiteLLM, with Azure's day in Python's quotes", "chat", 429, `{"error":{"message":"litellm.RateLimitError: Error code: 429 - {'error': {'code': '429', 'message': 'Requests have exceeded token rate limit of your current pricing tier. Please retry after 86400 seconds.'}}\nReceived Model Group=m","type":"throttling_error","param":null,"code":"429"}}`,
		reading{class: providers.ClassRateLimited, wait: 24 * time.Hour}},
	{"xAI, out of credits", "chat", 429, `{"code":"Some resource has been exhausted","error":"Your team has either used all available credits or reached its monthly spending limit. To go on, purchase more credits."}`, class(providers.ClassQuota)},
	{"Anthropic, out of credits", "chat", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}`, class(providers.ClassQuota)},
	{"Cloudflare's limit", "chat", 429, `error code: 1015`, class(providers.ClassRateLimited)},
	{"OpenAI's overload with 200", "chat", 0, `{"error":{"code":"server_is_overloaded","message":"Our servers are busy."}}`, class(providers.ClassOverloaded)},
	{"a gateway's envelope, an upstream's JSON in texts", "chat", 0, `{"code":"Model.Error","description":"{\"code\":50508}","detail":"{\"code\":50508,\"message\":\"System is too busy now.\",\"data\":null}","solution":"","link":""}`,
		class(providers.ClassOverloaded)},
	{"HF, loading", "chat", 503, `{"error":"Model m is currently loading","estimated_time":20.5}`, class(providers.ClassOverloaded)},
	{"an engine without values, whose message is a token", "score", 500, `{"error":{"message":"2326","type":"InternalServerError","param":null,"code":500}}`, class(providers.ClassOverloaded)},
	{"names in JavaScript's way", "chat", 0, chatUsage(`{"promptTokens":7,"completionTokens":4,"totalTokens":11}`), read(sea, seen)},
}
