package providers

import (
	"net/http"
	"regexp"
	"strings"
)

// The words of the services: what each of them writes as an error's code or type
// and as a reason to end. A row is added here when a service is seen to write
// another word; nothing else has to change. Sources, read 2026-11 and not tried
// against the services:
//
//	OpenAI      platform.openai.com/docs/guides/error-codes, openapi.yaml
//	Azure       learn.microsoft.com, Azure OpenAI: content filtering, quotas
//	Gemini      ai.google.dev/gemini-api/docs/troubleshooting, google.rpc.Code
//	Groq        console.groq.com/docs/errors
//	OpenRouter  openrouter.ai/docs/api/reference/errors-and-debugging
//	Anthropic   docs.anthropic.com/en/api/errors, /handling-stop-reasons
//	DeepSeek    api-docs.deepseek.com/quick_start/error_codes
//	Mistral     docs.mistral.ai/api
//	Cohere      docs.cohere.com/reference/chat
//	xAI         docs.x.ai/docs/key-information/debugging
//	Zhipu       docs.bigmodel.cn/cn/api/api-code
//	MiniMax     platform.minimax.io/docs/api-reference/errorcode
//	Alibaba     help.aliyun.com/en/model-studio/error-code
//	Volcengine  volcengine.com/docs/82379/1299023
//	Baidu       cloud.baidu.com/doc/qianfan-api
//	Bedrock     docs.aws.amazon.com/bedrock: ThrottlingException, stopReason
//	Fireworks   its Python SDK, types/shared/choice.py
//	vLLM, SGLang, TGI, Ollama, llama.cpp, FastChat: their sources
//
// Of those that stand beside a word and not above, what their users report.

// codes are errors' codes and types in lower case. A word that ends in * stands
// for all that begin so.
var codes = table[Class]{
	ClassQuota: {
		// OpenAI
		"insufficient_quota", "credit_balance_*", "billing_*", "organization_spend_limit_*", "project_spend_limit_*",
		"spend_limit_*",
		"insufficient_user_quota", "insufficient_funds", "payment_required", "payment_error", "out_of_credits", // gateways
		"insufficient_balance", "insufficient_credit*", // DeepSeek, OpenRouter and gateways
		"budget_exceeded",                                // LiteLLM
		"quota_exceeded", "exceeded_current_quota_error", // Moonshot
		"not_enough_balance",  // Novita
		"token_quota_reached", // watsonx
		"42902",               // FastChat
		"1113", "1309",        // Zhipu: in arrears; a plan that ended
		"base_resp 1008", "base_resp 1028", "base_resp 1030", // MiniMax
		"arrearage", "accountoverdueerror", "account_overdue", "allocationquota.freetieronly", // Alibaba, Volcengine
	},
	ClassRateLimited: {
		// OpenAI, Groq
		"rate_limit*", "ratelimit*", "too_many_requests", "toomanyrequests", "requests", "tokens", "slow_down",
		// Gemini: its quotas are limits a minute or a day, with a delay
		"resource_exhausted",
		// Bedrock, Alibaba
		"throttl*", "limit_requests", "limit_burst_rate", "request_limit_exceeded", "requestlimitexceeded",
		"42901",                                                        // FastChat
		"1302", "1303", "1304", "1305", "1308", "1310", "1312", "1313", // Zhipu
		"base_resp 1002", "base_resp 2056", // MiniMax
		"modelaccountrpm*", "modelaccounttpm*", "accountratelimit*", "serveroverloaded", // Volcengine
		"rpm_*", "tpm_*", "concurrency_limit*",
		// Groq, Mistral, Bedrock
		"capacity_exceeded", "service_tier_capacity_exceeded", "servicequotaexceededexception",
	},
	ClassFiltered: {
		// OpenAI, Azure
		"content_filter*", "content_policy*", "contentfilter", "responsibleaipolicyviolation", "moderation*",
		"invalid_prompt",
		// Alibaba, Volcengine
		"content_moderation*", "data_inspection_failed", "datainspectionfailed", "sensitivecontent*", "inputtextsensitive*",
		"outputtextsensitive*",
		"1301",                             // Zhipu
		"base_resp 1026", "base_resp 1027", // MiniMax
		"prohibited_content", "safety", "blocked_by_safety", "image_safety",
		"input_guardrail_triggered", "output_guardrail_triggered", // Databricks
		"censorship_block*",                 // StepFun
		"prompt_blocked", "content_blocked", // gateways
	},
	ClassTooLong: {
		// OpenAI, llama.cpp, OpenRouter
		"context_length_*", "string_above_max_length", "string_too_long", "exceed_context_size*", "token_limit_exceeded",
		"max_tokens_exceeded",
		"tokens_too_long", "characters_too_long", "request_too_large", // Baidu, Anthropic
		"40303",          // FastChat
		"1261",           // Zhipu
		"base_resp 1039", // MiniMax
	},
	ClassModelNotFound: {
		// OpenAI, Groq, Azure, Volcengine
		"model_not_found", "model_not_exist", "model_not_available", "invalid_model",
		"model_decommissioned", "deploymentnotfound",
		"invalidendpointormodel.notfound", "modelnotopen", "resourcenotfoundexception",
		"model_not_supported", "unknown_model", // Hugging Face, GitHub
		"40301", // FastChat
		"1211",  // Zhipu
		"30003", // SiliconFlow
	},
	ClassAuth: {
		// OpenAI, Gemini, Anthropic
		"invalid_api_key", "api_key_invalid",
		"invalid_authentication*", "authentication_error", "authenticationerror", "unauthenticated",
		"permission_denied", "permission_error", "invalid_organization", "account_deactivated",
		"accessdenied*", "unsupported_country_region_territory", "incorrect_api_key*", "ip_not_authorized",
		"1000", "1001", "1002", "1003", "1004", "1110", "1111", "1112", "1121", // Zhipu
		"40101", "40102", "40103", // FastChat
		"base_resp 1004", "base_resp 2049", // MiniMax
	},
	ClassOverloaded: {
		// OpenAI, Anthropic, Gemini, gateways
		"server_error", "internal_error", "internal_server_error", "overloaded*", "service_unavailable", "unavailable",
		"upstream_*", "bad_gateway", "engine_overloaded*", "model_overloaded", "api_error",
		"base_resp 1000", "base_resp 1001", "base_resp 1024", "base_resp 1033", // MiniMax
		"42903", "50001", "50002", "50003", "50004", "50005", "50006", // FastChat
		// Bedrock
		"modelerrorexception", "modelnotreadyexception", "modeltimeoutexception", "modelstreamerrorexception",
		"serviceunavailableexception", "internalserverexception",
		"1234",                    // Zhipu
		"50505", "50507", "50508", // SiliconFlow
		"server_is_overloaded", // OpenAI
	},
}

// How a response ended, as [Generation.FinishReason] has it.
const (
	FinishStop     = "stop"           // by itself: its end-of-turn token, or a stop string of the request's
	FinishLength   = "length"         // cut at max_tokens or at the end of the context
	FinishFiltered = "content_filter" // the service cut or withheld it
	finishTool     = "tool_calls"     // in a call of a tool

	finishError = "error" // the service failed while generating
)

// finishes are services' reasons to end in lower case.
var finishes = table[string]{
	FinishStop: {
		"stop",                              // OpenAI and most
		"eos",                               // Together
		"eos_token",                         // TGI
		"end",                               // gateways
		"end_turn",                          // Anthropic, Bedrock
		"endturn",                           // gateways
		"stop_word",                         // gateways
		"stop_token",                        // gateways
		"stop_str",                          // SGLang
		"complete",                          // Cohere
		"completed",                         // Ollama's and OpenAI's status
		"end_of_turn",                       // local servers
		"endoftext",                         // local servers
		"finished",                          // AI21
		"endoftoken",                        // AI21
		"normal",                            // Baidu
		"finish",                            // Amazon's Titan
		"end_id",                            // TensorRT-LLM
		"end_of_text",                       // Aleph Alpha
		"end_of_sequence", "end_of_message", // local servers
	},
	FinishLength: {
		// OpenAI; Anthropic, Gemini, Cohere
		"length", "max_tokens", "maxtokens", "max_length", "max_output_tokens", "max_completion_tokens", "max_new_tokens",
		"model_length",                  // Mistral
		"model_context_window_exceeded", // Anthropic
		"context_length", "token_limit", "limit", "max_context_length", "length_limit",
		"maximum_tokens", "context", // Aleph Alpha; Reka
		"max_token", "max_tokens_reached", "token_limit_reached", "max_seq_len", "context_length_exceeded", // gateways
	},
	FinishFiltered: {
		"content_filter", "contentfilter", "content_filtered", "filtered", // OpenAI, Bedrock
		"safety", "recitation", "prohibited_content", "blocklist", "spii", "language", "image_safety", // Gemini
		"moderation", "blocked", "flagged", // gateways
		"image_recitation", "image_prohibited_content", "model_armor",
		"refusal",              // Anthropic: its classifiers stopped it
		"guardrail_intervened", // Bedrock
		"sensitive",            // Zhipu
		"error_toxic",          // Cohere
	},
	finishTool: {
		"tool_calls", "function_call", "tool_use", "tool_call", // OpenAI, Anthropic, Cohere
	},
	finishError: {
		"error", "network_error", // Fireworks, OpenRouter; Zhipu
		"insufficient_system_resource", // DeepSeek
		// vLLM, SGLang, Cohere
		"abort", "aborted", "cancelled", "canceled", "cancel", "timeout", "user_cancel", "interrupted",
		"error_limit", "failed", "malformed_function_call", "malformed_response", "unexpected_tool_call", // Cohere, Gemini
		"function_call_filter", "too_many_tool_calls", "missing_thought_signature",
		"timed_out", // TensorRT-LLM
	},
}

// table lists words by what they mean.
type table[K comparable] map[K][]string

// index is the table by word.
func (t table[K]) index() (whole map[string]K, prefixes map[string]K) {
	whole, prefixes = map[string]K{}, map[string]K{}
	for meaning, words := range t {
		for _, w := range words {
			into := whole
			p, isPrefix := strings.CutSuffix(w, "*")
			if isPrefix {
				into = prefixes
			}
			if _, twice := into[p]; twice {
				panic("providers: " + w + " stands twice in a table of words")
			}
			into[p] = meaning
		}
	}
	return whole, prefixes
}

var (
	codeWords, codePrefixes = codes.index()
	finishWords, _          = finishes.index()
)

// FinishOf returns what a service's reason to end means, and whether it is known:
// one of the constants above, or "error" if the service failed. A provider of
// one's own sets [Generation.FinishReason] by it.
func FinishOf(word string) (meaning string, known bool) {
	w := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(word)), "finish_reason_") // protocol buffers
	w = w[strings.LastIndexByte(w, '.')+1:]                                             // enums, as FinishReason.STOP
	w, _, more := strings.Cut(w, ":")                                                   // Gemini, as content_filter: SPII
	meaning, known = finishWords[strings.NewReplacer("-", "_", " ", "_").Replace(w)]
	if more && meaning != FinishFiltered && meaning != finishError { // "stop: max_tokens" is no end by itself
		return "", false
	}
	return meaning, known
}

// codeClass is the class of a machine-readable code or type, empty where it is
// none that is known.
func codeClass(word string) Class {
	word = strings.ToLower(strings.TrimSpace(word))
	if c, ok := codeWords[word]; ok {
		return c
	}
	for p, c := range codePrefixes { // no two of them begin one word: a test says so
		if strings.HasPrefix(word, p) {
			return c
		}
	}
	return ""
}

// classify decides by what is machine-readable first, because words advertise: a
// limit a minute is answered with the page where a larger one can be bought. In
// order: the error's code, its type, a named delay, an HTTP status in the body,
// words, the answer's own status. An unknown combination of a 2xx answer is a
// broken reply, which is tried again.
func classify(status int, s said) Class {
	if s.status != 0 && (status/100 == 2 || status == http.StatusBadRequest) {
		status = s.status
	}
	text := ownWords(strings.ToLower(s.message))
	for _, word := range []string{s.code, s.kind} {
		switch c := codeClass(word); c {
		case "":
		case ClassRateLimited:
			// Groq says "tokens" of a single request that is too large, too. Gemini has one word for
			// a limit and for money that is spent.
			if strings.EqualFold(word, "resource_exhausted") && s.wait == 0 && saysAny(text, broke) {
				return ClassQuota
			}
			if status/100 != 4 || status == http.StatusTooManyRequests || word != "tokens" && word != "requests" {
				return c
			}
		case ClassQuota:
			if status == http.StatusTooManyRequests && strings.Contains(text, "allocated quota exceeded") {
				return ClassRateLimited // Alibaba's word for the tokens of a minute
			}
			return c
		case ClassTooLong:
			if status != http.StatusTooManyRequests || !strings.EqualFold(word, "token_limit_exceeded") { // Novita's minute
				return c
			}
		case ClassOverloaded:
			// Anthropic says api_error of other things, too; FastChat answers all with 400.
			if status/100 != 4 || status == http.StatusTooManyRequests || word[0]-'0' <= 9 {
				return c
			}
		case ClassAuth:
			if status/100 != 5 { // there, it is a gateway's own key that was refused
				return c
			}
		default:
			return c
		}
	}
	switch {
	case status == http.StatusTooManyRequests && s.wait > 0:
		return ClassRateLimited
	case s.flagged && status/100 != 5:
		return ClassFiltered
	case status/100 == 5:
	case tooLong(status, text):
		return ClassTooLong
	case (status == http.StatusForbidden || status == http.StatusBadRequest) && saysAny(text, moderated):
		return ClassFiltered
	case status == http.StatusForbidden && s.wait > 0: // Azure's quota of calls, which comes back by itself
		return ClassRateLimited
	case status == http.StatusTooManyRequests && saysAny(text, perTime):
		return ClassRateLimited
	case status/100 == 4 && status != http.StatusNotFound && (saysAny(text, spent) || saysAny(text, broke)):
		return ClassQuota
	case (status == http.StatusBadRequest || status == http.StatusNotFound) && saysAny(text, noModel):
		return ClassModelNotFound
	case status == http.StatusBadRequest && saysAny(text, noKey):
		return ClassAuth
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ClassAuth
	case status == http.StatusPaymentRequired:
		return ClassQuota
	case status == http.StatusNotFound:
		return ClassModelNotFound
	case status == http.StatusRequestTimeout, status == statusClientClosed:
		return ClassTimeout
	case status == http.StatusConflict, status == http.StatusTooEarly, status == http.StatusFailedDependency:
		// a lock not granted, a deployment not ready, a model that failed (Bedrock): all pass
		return ClassOverloaded
	case status == http.StatusPreconditionFailed:
		// Fireworks: the account is suspended, or a LoRA failed to load.
		if saysAny(text, []string{"suspend", "account"}) || strings.Contains(strings.ToLower(s.code), "suspend") {
			return ClassQuota
		}
		return ClassBadRequest
	case status == http.StatusMisdirectedRequest: // Xiaomi: moderation
		return ClassFiltered
	case status == http.StatusRequestEntityTooLarge:
		return ClassTooLong
	case status == http.StatusTooManyRequests, status == statusNoCapacity:
		return ClassRateLimited
	case status == http.StatusNotImplemented:
		return ClassBadRequest
	case status >= 500:
		return ClassOverloaded
	case status/100 == 2:
		return ClassBrokenReply
	}
	return ClassBadRequest
}

// repeated begins what a message repeats of the request, as a validator's input_value={'content': '…'}.
var repeated = regexp.MustCompile(`(?i)(?:input_value|\\?["'](?:input|content|messages|prompt|text)\\?["'])\s*[:=]\s*\\?["'\[{(]`)

// ownWords is a message up to where it repeats the request: a prompt may speak of keys and balances.
func ownWords(text string) string {
	if at := repeated.FindStringIndex(text); at != nil {
		return text[:at[0]]
	}
	return text
}

// statusClientClosed is nginx's, for a request whose sender it takes to have left.
const statusClientClosed = 499

// statusNoCapacity is Groq's, for a tier that is full.
const statusNoCapacity = 498

// Words of people, in lower case, that decide where nothing machine-readable does.
var (
	spent = []string{
		"exceeded your current quota", "spending limit", "spend limit", "insufficient quota",
		"api usage limits",                               // Anthropic
		"key limit exceeded", "out of call volume quota", // OpenRouter, Azure
		"exceededtokenbudget", "budget has been exceeded", // LiteLLM
	}
	// and these can mean nothing but money
	broke = []string{
		"insufficient balance", "insufficient credit", "insufficient funds", "out of credits", "no credit left",
		"credit balance", "balance is too low",
		"balance is insufficient", "credits are depleted", // SiliconFlow, Gemini
	}
	// a quota of this kind comes back by itself
	perTime   = []string{"per minute", "per second", "per hour", "per day"}
	moderated = []string{"moderation", "content policy", "content filter", "content management policy", "flagged",
		"safety system", "content exists risk", "contentpolicyviolation", // DeepSeek, LiteLLM
		"responsible ai practices", "violates usage guidelines"} // Vertex, xAI
	noKey = []string{
		"api key not valid", "incorrect api key", "invalid api key", "api key is invalid", // Gemini, xAI
		"api key expired", "location is not supported",
	}
	noModel = []string{
		"model not exist", "not a valid model", "invalid model name", // DeepSeek, OpenRouter, LiteLLM
		"model identifier is invalid", "try pulling it first", // Bedrock, Ollama
		"model does not exist", "no such model", "not supported by any provider", // SiliconFlow, Cloudflare, Hugging Face
	}
)

func saysAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
