package providers_test

import (
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// furtherReports are replies of more services and gateways, after what their users
// report.
var furtherReports = []sent{
	// A limit, whatever else its text speaks of.
	{"Pollinations, for Azure", "chat", 429, `{"success":false,"error":{"message":"azure error: your request exceeds the maximum usage size. Please retry after 20 seconds. Consider buying throughput.","code":"RATE_LIMITED","timestamp":"2025-12-21T01:27:42Z"},"status":429}`,
		reading{class: providers.ClassRateLimited, wait: 20 * time.Second}},
	{"Azure's pricing tier", "chat", 429, `{"error":{"code":"RateLimitReached","message":"Your requests have exceeded the token rate limit for your current AIServices S0 pricing tier. Please retry after 12 seconds. To increase your quota, visit: https://aka.ms/x."}}`,
		reading{class: providers.ClassRateLimited, wait: 12 * time.Second}},
	{"Azure's quota of calls, in days", "chat", 403, `{"error":{"code":"403","message":"Out of call volume quota for AIServices F0 pricing tier. Please retry after 15 days. To increase your call volume switch to a paid tier."}}`,
		reading{class: providers.ClassRateLimited, wait: 15 * 24 * time.Hour}},
	{"Azure's quota of calls, by the clock", "chat", 403, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 00:10:05."}`,
		reading{class: providers.ClassRateLimited, wait: 10*time.Minute + 5*time.Second}},
	{"Azure's quota of calls, by days and the clock", "chat", 403, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 5.03:23:11"}`,
		reading{class: providers.ClassRateLimited, wait: 123*time.Hour + 23*time.Minute + 11*time.Second}},
	{"Azure's quota of calls, without a time", "chat", 403, `{"statusCode":403,"message":"Out of call volume quota."}`, class(providers.ClassQuota)},
	{"the status in a body of 200", "chat", 0, `{"statusCode":429,"message":"Rate limit is exceeded. Try again in 27 seconds."}`,
		reading{class: providers.ClassRateLimited, wait: 27 * time.Second, usage: nothing}},
	{"Groq's day", "chat", 429, `{"error":{"message":"Rate limit reached for model m in organization o service tier on_demand on tokens per day (TPD): Limit 100000, Used 99500, Requested 800. Please try again in 4m19.2s. Need more tokens? Upgrade at https://x/settings/billing","type":"tokens","code":"rate_limit_exceeded"}}`,
		reading{class: providers.ClassRateLimited, wait: 4*time.Minute + 19200*time.Millisecond}},
	{"Together's own limit of a model", "chat", 429, `{"id":"x","error":{"message":"You have reached the rate limit specific to this model m. The maximum rate limit is 6.0 queries and 180000 tokens per minute. For higher limits, add a payment method.","type":"model_rate_limit","param":null,"code":null}}`, class(providers.ClassRateLimited)},
	{"Cohere's trial", "chat", 429, `{"id":"x","message":"You are using a Trial key, which is limited to 40 API calls / minute. Upgrade to a Production key at https://x/billing."}`, class(providers.ClassRateLimited)},
	{"Databricks", "chat", 429, `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"REQUEST_LIMIT_EXCEEDED: Exceeded workspace output tokens per minute rate limit for m."}`, class(providers.ClassRateLimited)},
	{"watsonx' units", "chat", 429, `{"errors":[{"code":"consumption_limit_reached","message":"Failed to consume units 1 because of quota","more_info":"https://x"}],"trace":"t","status_code":429}`, class(providers.ClassRateLimited)},
	{"Cerebras' queue", "chat", 429, `{"message":"We are experiencing high traffic right now! Please try again soon.","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}`, class(providers.ClassRateLimited)},
	{"Cerebras' requests", "chat", 429, `{"message":"Requests per minute limit exceeded - too many requests sent.","type":"too_many_requests_error","param":"quota","code":"request_quota_exceeded"}`, class(providers.ClassRateLimited)},
	{"Novita's tokens", "chat", 429, `{"code":429,"reason":"TOKEN_LIMIT_EXCEEDED","message":"token limit exceeded, try again later","metadata":{}}`, class(providers.ClassRateLimited)},
	{"SiliconFlow's tokens", "chat", 429, `{"code":20042,"message":"Request was rejected due to rate limiting. If you want more, please contact us. Details:TPM limit reached.","data":null}`, class(providers.ClassRateLimited)},
	{"Alibaba's tokens of a minute", "chat", 429, `{"error":{"message":"Allocated quota exceeded, please increase your quota limit.","type":"insufficient_quota","param":null,"code":"insufficient_quota"},"request_id":"r"}`, class(providers.ClassRateLimited)},
	{"OpenAI's engine", "chat", 429, `{"error":{"message":"The engine is currently overloaded, please try again later","type":"server_error","param":null,"code":null}}`, class(providers.ClassOverloaded)},
	{"Mistral's rate", "chat", 429, `{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300","raw_status_code":429}`, class(providers.ClassRateLimited)},
	{"Vertex, exhausted", "chat", 429, `{"error":{"code":429,"message":"Resource exhausted. Please try again later. Please refer to https://x/error-code-429 for more details.","status":"RESOURCE_EXHAUSTED"}}`, class(providers.ClassRateLimited)},
	{"Gemini's quota without a delay", "chat", 429, `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED"}}`, class(providers.ClassRateLimited)},
	{"a status of 498 alone", "chat", 498, ``, class(providers.ClassRateLimited)},
	{"OpenCode's free use", "chat", 429, `{"type":"error","error":{"type":"FreeUsageLimitError","message":"Rate limit exceeded. Please try again later."}}`, class(providers.ClassRateLimited)},
	{"Kong", "chat", 429, `{"message":"API rate limit exceeded","request_id":"r"}`, class(providers.ClassRateLimited)},
	{"Cloudflare's neurons", "chat", 429, `{"errors":[{"message":"AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade to the paid plan","code":4006}],"success":false,"result":{},"messages":[]}`, class(providers.ClassRateLimited)},

	{"FastChat's traffic, with 400", "chat", 400, `{"object":"error","message":"**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**","code":50001}`, class(providers.ClassOverloaded)},
	{"FastChat's limit", "chat", 400, `{"object":"error","message":"too many requests","code":42901}`, class(providers.ClassRateLimited)},
	{"an hour and more", "chat", 429, `{"error":{"message":"Limit reached. Please try again in 1 hour and 20 minutes."}}`,
		reading{class: providers.ClassRateLimited, wait: 80 * time.Minute}},
	{"minutes and seconds", "chat", 429, `{"error":{"message":"Limit reached. Wait 4 minutes, 30 seconds and retry."}}`,
		reading{class: providers.ClassRateLimited, wait: 270 * time.Second}},
	{"a delay as a text", "chat", 429, `{"error":{"message":"slow down","retry_after":"20s"}}`,
		reading{class: providers.ClassRateLimited, wait: 20 * time.Second}},
	{"a delay in JavaScript's name", "chat", 429, `{"error":{"code":"RATE_LIMIT","message":"slow down","details":{"retryAfter":2.5}}}`,
		reading{class: providers.ClassRateLimited, wait: 2500 * time.Millisecond}},
	{"a delay of hours and minutes with a space", "chat", 429, `{"error":{"message":"Limit reached. Please try again in 1h 5m."}}`,
		reading{class: providers.ClassRateLimited, wait: 65 * time.Minute}},
	{"a date since 1970 in the place of a delay", "chat", 429, `{"error":{"message":"slow down","retry_after":1764538000}}`, class(providers.ClassRateLimited)},
	{"a date in milliseconds", "chat", 429, `{"error":{"message":"slow down","reset_after":1764538000000}}`, class(providers.ClassRateLimited)},
	{"a delay of no sense", "chat", 429, `{"error":{"message":"Try again in 999999999999 days and 999999999999 hours."}}`,
		reading{class: providers.ClassRateLimited, wait: 60 * 365 * 24 * time.Hour}},
	{"a delay in another unit", "chat", 429, `{"error":{"message":"Try again in 5 months, 3 microseconds or 2 milliseconds."}}`, class(providers.ClassRateLimited)},

	// What a message repeats of the prompt is not the server's.
	{"a prompt about balances", "chat", 400, `{"error":{"message":"Invalid request: {'messages': [{'role': 'user', 'content': 'Why is my credit balance too low?'}]}","type":"invalid_request_error"}}`, class(providers.ClassBadRequest)},
	{"a prompt about keys", "chat", 400, `{"object":"error","message":"1 validation error: [{'type': 'missing', 'loc': ('body', 'model'), 'msg': 'Field required', 'input': {'messages': [{'content': 'Incorrect API key provided?'}]}}]","code":400}`, class(providers.ClassBadRequest)},
	{"a prompt about money", "chat", 422, `{"detail":"1 validation error for Request\nseed\n  Input should be a valid integer [type=int_type, input_value={'prompt': 'insufficient funds'}]"}`, class(providers.ClassBadRequest)},
	{"a prompt about patience", "chat", 500, `{"error":{"message":"failed on {'content': 'Please wait 3 hours.'}"}}`, class(providers.ClassOverloaded)},
	{"a prompt in an escaped object", "chat", 400, `{"error":{"message":"bad seed in {\"prompt\": \"no such model, insufficient credit\"}"}}`, class(providers.ClassBadRequest)},

	// Money.
	{"Gemini, prepaid", "chat", 429, `{"error":{"code":429,"message":"Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.","status":"RESOURCE_EXHAUSTED"}}`, class(providers.ClassQuota)},
	{"Novita's balance", "chat", 403, `{"code":403,"reason":"NOT_ENOUGH_BALANCE","message":"not enough balance","metadata":{}}`, class(providers.ClassQuota)},
	{"watsonx' month", "chat", 403, `{"errors":[{"code":"token_quota_reached","message":"This project has reached its quota of tokens"}],"trace":"t","status_code":403}`, class(providers.ClassQuota)},
	{"LiteLLM's budget of a key", "chat", 400, `{"error":{"message":"Authentication Error, ExceededTokenBudget: Current spend for token: 2.0; Max Budget for Token: 1.0","type":"auth_error","param":"None","code":"400"}}`, class(providers.ClassQuota)},
	{"Chutes' balance", "chat", 402, `{"detail":{"message":"Quota exceeded and account balance is $0.0, please pay"}}`, class(providers.ClassQuota)},
	{"OpenCode's credits", "chat", 401, `{"type":"error","error":{"type":"CreditsError","message":"Insufficient balance. Manage your billing here: https://x"}}`, class(providers.ClassQuota)},
	{"Perplexity's quota", "chat", 401, `{"error":{"message":"You exceeded your current quota, please check your plan","type":"insufficient_quota","code":401}}`, class(providers.ClassQuota)},
	{"Replicate", "chat", 402, `{"title":"Insufficient credit","detail":"You have insufficient credit to run this model.","status":402}`, class(providers.ClassQuota)},
	{"OpenAI's hard limit", "chat", 400, `{"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","param":null,"code":"billing_hard_limit_reached"}}`, class(providers.ClassQuota)},

	// One request that is too large.
	{"vLLM, newer", "chat", 400, `{"error":{"message":"You passed 5001 input tokens and requested 100 output tokens. However, the model's context length is only 4096 tokens, resulting in a maximum input length of 3996 tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=5001)","type":"BadRequestError","param":"input_tokens","code":400}}`, class(providers.ClassTooLong)},
	{"SGLang's sum", "chat", 400, `{"object":"error","message":"Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 6000 tokens: 5000 tokens from the input messages and 1000 tokens for the completion.","type":"BadRequestError","param":null,"code":400}`, class(providers.ClassTooLong)},
	{"Together's context, as a refusal", "chat", 403, `{"error":{"message":"Input token count + max_tokens parameter is over the model context length","type":"invalid_request_error"}}`, class(providers.ClassTooLong)},
	{"Cloudflare's window", "chat", 413, `{"errors":[{"code":5021,"message":"AiError: The estimated number of input and maximum output tokens (9000) exceeded this model context window limit (8192)."}],"success":false}`, class(providers.ClassTooLong)},
	{"GitHub's body", "chat", 413, `{"error":{"code":"tokens_limit_reached","message":"Request body too large for m model. Max size: 8000 tokens.","details":"Request body too large"}}`, class(providers.ClassTooLong)},
	{"Cohere's prompt", "chat", 400, `{"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000. Try using a shorter prompt."}`, class(providers.ClassTooLong)},
	{"watsonx' prompt", "chat", 400, `{"errors":[{"code":"invalid_input_argument","message":"Invalid input argument for Model: the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model"}],"status_code":400}`, class(providers.ClassTooLong)},
	{"Ollama's input", "chat", 400, `{"error":{"message":"the input length exceeds the context length","type":"api_error","param":null,"code":null}}`, class(providers.ClassTooLong)},
	{"Cerebras' messages", "chat", 400, `{"message":"Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}`, class(providers.ClassTooLong)},
	{"xAI's prompt", "chat", 400, `{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 150000 tokens."}`, class(providers.ClassTooLong)},
	{"DeepInfra's tokens", "chat", 400, `{"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.","type":"invalid_request_error"}}`, class(providers.ClassTooLong)},
	{"Anthropic's sum", "chat", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"input length and max_tokens exceed context limit: 190000 + 20000 > 200000, decrease input length or max_tokens and try again"}}`, class(providers.ClassTooLong)},

	{"FastChat's context", "chat", 400, `{"object":"error","message":"too much text","code":40303}`, class(providers.ClassTooLong)},

	// Models that are not there.
	{"FastChat's model", "chat", 400, `{"object":"error","message":"Only a && b allowed now, your model m","code":40301}`, class(providers.ClassModelNotFound)},
	{"NVIDIA's function", "chat", 404, `{"status":404,"title":"Not Found","detail":"Function 'f': Not found for account 'a'"}`, class(providers.ClassModelNotFound)},
	{"SiliconFlow's model", "chat", 400, `{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}`, class(providers.ClassModelNotFound)},
	{"SiliconFlow's model, switched off", "chat", 403, `{"code":30003,"message":"Model disabled.","data":null}`, class(providers.ClassModelNotFound)},
	{"Cloudflare's model", "chat", 400, `{"errors":[{"message":"AiError: No such model @cf/m or task","code":5007}],"success":false,"result":{},"messages":[]}`, class(providers.ClassModelNotFound)},
	{"Hugging Face's providers", "chat", 400, `{"error":"The requested model 'm' is not supported by any provider you have enabled."}`, class(providers.ClassModelNotFound)},
	{"Hugging Face's model that does not chat", "chat", 400, `{"error":{"message":"The requested model 'm' is not a chat model.","type":"invalid_request_error","param":"model","code":"model_not_supported"}}`, class(providers.ClassModelNotFound)},
	{"GitHub's model", "chat", 400, `{"error":{"code":"unknown_model","message":"Unknown model: m","details":"Unknown model: m"}}`, class(providers.ClassModelNotFound)},
	{"Databricks' endpoint", "chat", 404, `{"error_code":"ENDPOINT_NOT_FOUND","message":"The given endpoint does not exist, please retry after checking the specified model and version deployment exists."}`, class(providers.ClassModelNotFound)},
	{"LM Studio without a model", "chat", 404, `{"error":{"message":"No models loaded. Please load a model in the developer page or use the lms load command.","type":"invalid_request_error","param":"model","code":"model_not_found"}}`, class(providers.ClassModelNotFound)},

	// Keys.
	{"Novita's key", "chat", 403, `{"code":403,"reason":"INVALID_API_KEY","message":"invalid api key","metadata":{}}`, class(providers.ClassAuth)},
	{"NVIDIA's key", "chat", 403, `{"status":403,"title":"Forbidden","detail":"Authorization failed"}`, class(providers.ClassAuth)},
	{"Gemini's key that leaked", "chat", 403, `{"error":{"code":403,"message":"Your API key was reported as leaked. Please use another API key.","status":"PERMISSION_DENIED"}}`, class(providers.ClassAuth)},
	{"Azure's network", "chat", 403, `{"error":{"code":"AccessDenied","message":"Access denied due to Virtual Network/Firewall rules."}}`, class(providers.ClassAuth)},
	{"watsonx' token", "chat", 401, `{"errors":[{"code":"authentication_token_expired","message":"Failed to authenticate the request due to an expired token"}],"status_code":401}`, class(providers.ClassAuth)},

	// One prompt's content.
	{"OpenRouter's moderator", "chat", 403, `{"error":{"message":"m requires moderation on X. Your input was flagged for \"violence\". No credits were charged.","code":403,"metadata":{"reasons":["violence"],"flagged_input":"x","provider_name":"X","model_slug":"m"}}}`, class(providers.ClassFiltered)},
	{"Anthropic's output", "chat", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}`, class(providers.ClassFiltered)},
	{"Databricks' guardrail", "chat", 400, `{"error_code":"BAD_REQUEST","message":"Error: Invalid keyword detected in the prompt. Please revise your input.","finishReason":"input_guardrail_triggered","input_guardrail":[{"flagged":true}]}`, class(providers.ClassFiltered)},
	{"Vertex' prompt", "chat", 400, `{"error":{"code":400,"message":"The prompt could not be submitted. It contains sensitive words that violate Google's Responsible AI practices.","status":"INVALID_ARGUMENT"}}`, class(providers.ClassFiltered)},

	{"xAI's check", "chat", 403, `{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Team: t, Model: m, Failed check: SAFETY_CHECK_TYPE_BIO"}`, class(providers.ClassFiltered)},
	{"StepFun's block", "chat", 451, `{"error":{"message":"The content you provided or machine outputted is blocked.","type":"censorship_blocked"}}`, class(providers.ClassFiltered)},

	// Failures of the service.
	{"Ollama's runner", "chat", 500, `{"error":{"message":"llama runner process has terminated: exit status 2","type":"api_error","param":null,"code":null}}`, class(providers.ClassOverloaded)},
	{"Azure's time", "chat", 408, `{"error":{"code":"Timeout","message":"The operation was timeout."}}`, class(providers.ClassTimeout)},
	{"Cloudflare without an answer", "chat", 524, `<html><head><title>m.example | 524: A timeout occurred</title></head></html>`, class(providers.ClassOverloaded)},
	{"NVIDIA, not yet", "chat", 202, ``, class(providers.ClassBrokenReply)},
	{"LM Studio, another path", "chat", 0, `{"error":"Unexpected endpoint or method. (POST /v1/x)"}`, class(providers.ClassBrokenReply)},

	// Usage.
	{"Bedrock's cache", "chat", 0, chatUsage(`{"inputTokens":7,"outputTokens":4,"totalTokens":37,"cacheReadInputTokens":6,"cacheWriteInputTokens":20}`), read(sea, usage(33, 6, 4, 0))},
	{"Bedrock's cache, with names of both kinds", "chat", 0, chatUsage(`{"cacheReadInputTokenCount":6,"cacheReadInputTokens":6,"cacheWriteInputTokenCount":0,"cacheWriteInputTokens":0,"inputTokens":7,"outputTokens":4,"totalTokens":17}`), read(sea, usage(13, 6, 4, 0))},
	{"a gateway that leaves the cache out of the prompt", "chat", 0, chatUsage(`{"prompt_tokens":33,"completion_tokens":4,"total_tokens":57,"cache_read_input_tokens":10,"cache_creation_input_tokens":10}`), read(sea, usage(53, 10, 4, 0))},
	{"a gateway that leaves out what was written", "chat", 0, chatUsage(`{"prompt_tokens":43,"completion_tokens":4,"total_tokens":57,"prompt_tokens_details":{"cached_tokens":10},"cache_read_input_tokens":10,"cache_creation_input_tokens":10}`), read(sea, usage(53, 10, 4, 0))},
	{"a gateway that reads much more than it was sent", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":1011,"cache_read_input_tokens":1000,"cache_creation_input_tokens":0}`), read(sea, usage(1007, 1000, 4, 0))},
	{"hidden tokens as many as the cached ones", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":6}}`),
		reading{text: sea, finish: "stop", hidden: "6 of its 10", usage: usage(7, 6, 10, 6), doubt: "counted as generated"}},
	{"Vertex' traffic", "chat", 0, chatUsage(`{"completion_tokens":4,"prompt_tokens":7,"total_tokens":31,"completion_tokens_details":{"reasoning_tokens":20},"extra_properties":{"google":{"traffic_type":"ON_DEMAND"}}}`),
		reading{text: sea, finish: "stop", hidden: "20 of its 24", usage: usage(7, 0, 24, 20)}},
	{"Perplexity's research", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11,"citation_tokens":90,"reasoning_tokens":50,"num_search_queries":3}`),
		reading{text: sea, finish: "stop", hidden: "50 of its 54", usage: usage(7, 0, 54, 50), doubt: "counted beside"}},
	{"a total of -1", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":-1}`), read(sea, seen)},
	{"SGLang's null details", "chat", 0, chatUsage(`{"prompt_tokens":7,"total_tokens":11,"completion_tokens":4,"prompt_tokens_details":null,"reasoning_tokens":0}`), read(sea, seen)},

	// Ends.
	{"Gemini's filter with its reason", "chat", 0, ended(`"content_filter: RECITATION"`), reading{text: sea, finish: "content_filter", usage: seen}},
	{"Gemini's call that failed", "chat", 0, ended(`"function_call_filter: MALFORMED_FUNCTION_CALL"`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"Gemini's armor", "chat", 0, ended(`"MODEL_ARMOR"`), reading{text: sea, finish: "content_filter", usage: seen}},
	{"an end with another after it", "chat", 0, ended(`"stop: max_tokens"`),
		reading{text: sea, finish: "stop: max_tokens", hidden: "not known", usage: seen}},
	{"Gemini's other", "chat", 0, ended(`"OTHER"`), reading{text: sea, finish: "OTHER", hidden: "not known", usage: seen}},
	{"Baidu's normal end", "chat", 0, ended(`"normal"`), read(sea, seen)},
	{"Titan's finish", "chat", 0, ended(`"FINISH"`), read(sea, seen)},
	{"TensorRT-LLM's end", "chat", 0, ended(`"END_ID"`), read(sea, seen)},
	{"TensorRT-LLM's time", "chat", 0, ended(`"TIMED_OUT"`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"watsonx' limit", "chat", 0, ended(`"token_limit"`), reading{text: sea, finish: "length", usage: seen}},
	{"watsonx' time", "chat", 0, ended(`"time_limit"`), reading{text: sea, finish: "time_limit", hidden: "not known", usage: seen}},
	{"not finished", "chat", 0, ended(`"NOT_FINISHED"`), reading{text: sea, finish: "NOT_FINISHED", hidden: "not known", usage: seen}},
	{"SGLang's abort", "chat", 0, ended(`{"type":"abort","message":"Aborted","status_code":500,"err_type":"InternalServerError"}`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"SGLang's length", "chat", 0, ended(`{"type":"length","length":4}`), reading{text: sea, finish: "length", usage: seen}},
	{"StopReason.end_turn", "chat", 0, ended(`"StopReason.END_TURN"`), read(sea, seen)},

	{"a gateway's max_tokens_reached", "chat", 0, ended(`"max_tokens_reached"`), reading{text: sea, finish: "length", usage: seen}},
	{"a gateway's blocked", "chat", 0, ended(`"blocked"`), reading{text: sea, finish: "content_filter", usage: seen}},

	{"no error, as a count", "chat", 0, chatWith(seaText, some+`,"error":0,"errors":0`), read(sea, seen)},

	// Contents.
	{"a text in a value", "chat", 0, content(`[{"type":"text","text":{"value":"To the sea.","annotations":[]}}]`), read(sea, seen)},
	{"a text in no value", "chat", 0, content(`[{"type":"text","text":{"annotations":[]}}]`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a text that is a list", "chat", 0, content(`[{"type":"text","text":["To the sea."]}]`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a reference among the parts", "chat", 0, content(`[{"type":"text","text":"To the sea."},{"type":"reference","reference_ids":[1]}]`),
		reading{text: sea, finish: "stop", hidden: `"reference"`, usage: seen}},

	// Counts past belief.
	{"a total of 10⁹", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":1000000000}`),
		reading{text: sea, finish: "stop", hidden: "of its 999999993", usage: usage(7, 0, 999999993, 999999989),
			doubt: "counted as generated"}},
	{"a count of 10²⁰", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":100000000000000000000,"total_tokens":11}`), read(sea, seen)},

	// Echoes.
	{"each piece repeats what precedes it", "score", 0, echoed(`{"tokens":["Hi","Hi there"],"token_logprobs":[null,-1.25]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"each piece repeats what precedes it, from the BOS on", "score", 0, echoed(`{"tokens":["<s>","<s>Hi","<s>Hi there"],"token_logprobs":[null,-2,-1.25]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"each of several pieces repeats what precedes it", "score", 0, echoed(`{"tokens":["H","Hi","Hi th","Hi there"],"token_logprobs":[null,-1,-1,-1.25]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"another prompt before this one", "score", 0, echoed(`{"tokens":["You"," are"," kind",".","Hi"," there"],"token_logprobs":[null,-1,-1,-1,-2,-1.25]}`),
		reading{class: providers.ClassBadRequest, usage: usage(2, 0, 0, 0)}},
	{"a BOS token before the text", "score", 0, echoed(`{"tokens":["<s>","Hi"," there"],"token_logprobs":[null,-2,-1.25]}`),
		reading{text: "Hi there", values: []dataset.Float{{}, known(-2), known(-1.25)}, usage: usage(2, 0, 0, 0)}},
	{"two tokens of GLM before the text", "score", 0, echoed(`{"tokens":["[gMASK]","<sop>","Hi"," there"],"token_logprobs":[null,-9,-2,-1.25]}`),
		reading{text: "Hi there", values: []dataset.Float{{}, known(-9), known(-2), known(-1.25)},
			usage: usage(2, 0, 0, 0)}},
}

// Bedrock names the error in a header, and says in the body what people read.
func TestErrorTypeInHeader(t *testing.T) {
	s := providertest.NewPipeServer(t, providertest.Reply{Status: 400, Body: `{"message":"Wait before trying again."}`,
		Header: map[string]string{"X-Amzn-Errortype": "ThrottlingException:http://internal.amazon.com/x/"}})
	_, err := openAI(t, s).Generate(t.Context(), chatRequest())
	if e := wantError(t, err, providers.ClassRateLimited); e.Code != "ThrottlingException" {
		t.Errorf("code %q", e.Code)
	}
}
