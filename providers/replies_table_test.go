package providers_test

import (
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// sent is a reply that services send, and its right reading.
type sent struct {
	name   string
	call   string // "chat", "completion", "score", "models"
	status int    // 0 means 200
	body   string // or, where it is empty, the file of the shared cases with the row's name
	want   reading
}

// reading is what a reply comes to.
type reading struct {
	class   providers.Class // "" is a response
	wait    time.Duration
	text    string
	finish  string
	hidden  string // a part of Hidden; "" means that nothing is hidden
	usage   *providers.Usage
	doubt   string // a part of Meta.UsageDoubt; "" means that there is none
	values  []dataset.Float
	ids     []int
	refusal string
}

func usage(prompt, cached, generated, hidden int) *providers.Usage {
	return &providers.Usage{PromptTokens: prompt, CachedTokens: cached, CompletionTokens: generated, HiddenTokens: hidden}
}

// chatWith and textWith are whole replies around the part that a row is about.
func chatWith(choice, rest string) string {
	return `{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,` + choice + `}]` + rest + `}`
}

const (
	seaText = `"message":{"role":"assistant","content":"To the sea."},"finish_reason":"stop"`
	sea     = "To the sea."
	some    = `,"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11}`
)

func chatUsage(u string) string { return chatWith(seaText, `,"usage":`+u) }

func ended(word string) string {
	return chatWith(`"message":{"role":"assistant","content":"To the sea."},"finish_reason":`+word, some)
}

func echoed(logprobs string) string {
	return `{"model":"m","choices":[{"index":0,"text":"Hi there","finish_reason":null,"logprobs":` + logprobs +
		`}],"usage":{"prompt_tokens":2,"completion_tokens":0,"total_tokens":2}}`
}

func read(text string, u *providers.Usage) reading {
	return reading{text: text, finish: providers.FinishStop, usage: u}
}

var (
	seen       = usage(7, 0, 4, 0)
	nothing    = usage(0, 0, 0, 0)
	secondOnly = []dataset.Float{{}, dataset.Known(-1.25)}
	known      = dataset.Known
)

var sentAnswers = []sent{
	// Usage beside and inside completion_tokens.
	{"usage_beside", "chat", 0, "", reading{text: "Rivers run to the sea.", finish: "stop",
		hidden: "188 of its 200 tokens", usage: usage(40, 0, 200, 188)}},
	{"usage_inside", "chat", 0, "", reading{text: "Rivers run to the sea.", finish: "stop",
		hidden: "188 of its 200 tokens", usage: usage(40, 0, 200, 188)}},
	{"beside, and nobody says what it is", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":31}`),
		reading{text: sea, finish: "stop", hidden: "20 of its 24", usage: usage(7, 0, 24, 20),
			doubt: "counted as generated"}},
	{"beside, one token", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":12}`),
		reading{text: sea, finish: "stop", hidden: "1 of its 5", usage: usage(7, 0, 5, 1), doubt: "counted as generated"}},
	{"more reasoning than there is, and no total", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"completion_tokens_details":{"reasoning_tokens":90}}`),
		reading{text: sea, finish: "stop", hidden: "90 of its 94", usage: usage(7, 0, 94, 90), doubt: "counted beside"}},
	{"a total below its parts", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":8}`),
		reading{text: sea, finish: "stop", usage: seen, doubt: "the parts are counted"}},
	{"a cache counted beside the prompt", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":1011,"cached_tokens":1000}`),
		read(sea, usage(1007, 1000, 4, 0))},
	{"the Responses API's names", "chat", 0,
		chatUsage(`{"input_tokens":7,"output_tokens":4,"total_tokens":11,"input_tokens_details":{"cached_tokens":3},"output_tokens_details":{"reasoning_tokens":2}}`),
		reading{text: sea, finish: "stop", hidden: "2 of its 4", usage: usage(7, 3, 4, 2)}},
	{"DeepSeek's cache", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"prompt_cache_hit_tokens":5,"prompt_cache_miss_tokens":2}`),
		read(sea, usage(7, 5, 4, 0))},
	{"Anthropic's cache", "chat", 0,
		chatUsage(`{"input_tokens":7,"output_tokens":4,"cache_read_input_tokens":6,"cache_creation_input_tokens":20}`),
		read(sea, usage(33, 6, 4, 0))},
	{"Anthropic's cache, and nothing in it", "chat", 0,
		chatUsage(`{"input_tokens":7,"output_tokens":4,"cache_read_input_tokens":0,"cache_creation_input_tokens":0}`),
		read(sea, seen)},
	{"Anthropic's cache, counted inside by a gateway", "chat", 0,
		chatUsage(`{"prompt_tokens":33,"completion_tokens":4,"total_tokens":37,"cache_read_input_tokens":6,"cache_creation_input_tokens":20}`),
		read(sea, usage(33, 6, 4, 0))},
	{"more cached than there was, and no total", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1000}}`),
		read(sea, usage(1007, 1000, 4, 0))},
	{"predictions that were rejected", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11,"completion_tokens_details":{"reasoning_tokens":0,"rejected_prediction_tokens":2,"audio_tokens":0}}`),
		read(sea, seen)},
	{"Gemini's thoughts, beside and unnamed", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":500}`),
		reading{text: sea, finish: "stop", hidden: "489 of its 493", usage: usage(7, 0, 493, 489),
			doubt: "counted as generated"}},
	{"DeepInfra's cost", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11,"estimated_cost":0.5}`),
		read(sea, &providers.Usage{PromptTokens: 7, CompletionTokens: 4, Stated: known(0.5)})},
	{"a cost as a text", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"cost":"0.5"}`),
		read(sea, &providers.Usage{PromptTokens: 7, CompletionTokens: 4, Stated: known(0.5)})},
	{"a total and a prompt", "chat", 0, chatUsage(`{"prompt_tokens":7,"total_tokens":11}`), read(sea, seen)},
	{"no usage but zeros", "chat", 0, chatUsage(`{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`),
		reading{text: sea, finish: "stop", doubt: "no tokens"}},
	{"a gateway's price", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"cost":0.5}`),
		read(sea, &providers.Usage{PromptTokens: 7, CompletionTokens: 4, Stated: known(0.5)})},
	{"xAI's ticks", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"cost_in_usd_ticks":5000000000}`),
		read(sea, &providers.Usage{PromptTokens: 7, CompletionTokens: 4, Stated: known(0.5)})},
	{"Perplexity's object", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"cost":{"input_tokens_cost":0.25,"total_cost":0.5}}`),
		read(sea, &providers.Usage{PromptTokens: 7, CompletionTokens: 4, Stated: known(0.5)})},

	// Loose counts.
	{"usage_loose", "chat", 0, "", read("Rivers run to the sea.", usage(40, 0, 12, 0))},
	{"counts as texts", "chat", 0, chatUsage(`{"prompt_tokens":"7","completion_tokens":" 4 ","total_tokens":"11.0"}`),
		read(sea, seen)},
	{"counts with exponents", "chat", 0, chatUsage(`{"prompt_tokens":0.7e1,"completion_tokens":4e0}`), read(sea, seen)},
	{"half a token", "chat", 0, chatUsage(`{"prompt_tokens":7,"completion_tokens":4.5}`),
		reading{text: sea, finish: "stop", doubt: "not stated"}},
	{"a list in place of usage", "chat", 0, chatUsage(`[]`), read(sea, nil)},
	{"a word in place of usage", "chat", 0, chatUsage(`"none"`), read(sea, nil)},
	{"details that are texts", "chat", 0,
		chatUsage(`{"prompt_tokens":7,"completion_tokens":4,"prompt_tokens_details":"none","completion_tokens_details":[]}`),
		read(sea, seen)},
	{"a count that stands twice", "chat", 0, chatUsage(`{"prompt_tokens":7,"prompt_tokens":70,"completion_tokens":4}`),
		reading{text: sea, finish: "stop", doubt: "twice"}},
	{"a negative count", "chat", 0, chatUsage(`{"prompt_tokens":-7,"completion_tokens":4}`),
		reading{text: sea, finish: "stop", doubt: "not stated"}},
	{"a hexadecimal count", "chat", 0, chatUsage(`{"prompt_tokens":"0x7","completion_tokens":4}`),
		reading{text: sea, finish: "stop", doubt: "not stated"}},

	// Half an answer and an error.
	{"error_beside", "chat", 0, "", reading{class: providers.ClassOverloaded, usage: usage(40, 0, 12, 0)}},
	{"error_in_choice", "chat", 0, "", reading{class: providers.ClassOverloaded, usage: usage(40, 0, 12, 0)}},
	{"an error beside a whole answer", "chat", 0,
		chatWith(seaText, some+`,"error":{"message":"slow down","code":"rate_limit_exceeded"}`),
		reading{class: providers.ClassRateLimited, usage: seen}},
	{"a word beside", "chat", 0, chatWith(seaText, some+`,"error":"stream closed"`),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"no error, said in many ways", "chat", 0, chatWith(seaText+`,"error":null`,
		some+`,"error":{},"base_resp":{"status_code":0,"status_msg":"success"}`), read(sea, seen)},
	{"an error that is false", "chat", 0, chatWith(seaText, some+`,"error":false`), read(sea, seen)},
	{"a filter's error in the choice", "chat", 0,
		chatWith(`"message":{"content":"To"},"finish_reason":"content_filter","error":{"code":"content_filter","message":"unable to go on"}`, some),
		reading{class: providers.ClassFiltered, usage: seen}},
	{"an error beside an echo", "score", 0,
		strings.Replace(echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,-1.25]}`), `"usage"`,
			`"error":{"message":"worker lost","code":503},"usage"`, 1),
		reading{class: providers.ClassOverloaded, usage: usage(2, 0, 0, 0)}},
	{"the server failed while generating", "completion", 0, `{"choices":[{"text":"To","finish_reason":"error"}]` + some +
		`}`, reading{class: providers.ClassBrokenReply, usage: seen}},
	{"out of resources", "chat", 0, ended(`"insufficient_system_resource"`), reading{class: providers.ClassBrokenReply,
		usage: seen}},
	{"aborted", "chat", 0, ended(`"abort"`), reading{class: providers.ClassBrokenReply, usage: seen}},

	// Status 200 with a code inside.
	{"error_200_402", "chat", 0, "", reading{class: providers.ClassQuota, usage: nothing}},
	{"401 inside", "chat", 0, `{"error":{"message":"who is it?","code":401}}`, reading{class: providers.ClassAuth, usage: nothing}},
	{"429 inside, as a text", "chat", 0, `{"error":{"message":"one at a time","code":"429"}}`,
		reading{class: providers.ClassRateLimited, usage: nothing}},
	{"429 inside, flat", "chat", 0, `{"code":429,"msg":"one at a time","data":null}`,
		reading{class: providers.ClassRateLimited, usage: nothing}},
	{"MiniMax, no balance", "chat", 0,
		`{"id":"x","choices":null,"base_resp":{"status_code":1008,"status_msg":"nothing left"}}`,
		reading{class: providers.ClassQuota, usage: nothing}},
	{"MiniMax, a limit", "chat", 0, `{"choices":[],"base_resp":{"status_code":1002,"status_msg":"too fast"}}`,
		reading{class: providers.ClassRateLimited, usage: nothing}},
	{"Zhipu, in arrears", "chat", 0, `{"error":{"code":"1113","message":"please top up"}}`,
		reading{class: providers.ClassQuota, usage: nothing}},
	{"a model that is gone", "chat", 0, `{"error":{"code":"model_not_found","message":"no such model"}}`,
		reading{class: providers.ClassModelNotFound, usage: nothing}},
	{"a listing refused with 200", "models", 0, `{"error":{"code":401,"message":"who is it?"}}`,
		reading{class: providers.ClassAuth}},
	{"words alone", "chat", 0, `{"message":"come back later"}`, reading{class: providers.ClassBrokenReply}},

	// Reasons to end.
	{"finish_eos", "completion", 0, "", reading{text: " to the sea", finish: "stop", usage: usage(5, 0, 4, 0)}},
	{"finish_null", "chat", 0, "", reading{class: providers.ClassBrokenReply, usage: usage(40, 0, 12, 0)}},
	{"an empty reason", "chat", 0, ended(`""`), reading{class: providers.ClassBrokenReply, usage: seen}},
	{"no reason at all", "completion", 0, `{"choices":[{"text":"To"}]` + some + `}`,
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"eos_token", "chat", 0, ended(`"eos_token"`), read(sea, seen)},
	{"end", "chat", 0, ended(`"end"`), read(sea, seen)},
	{"STOP", "chat", 0, ended(`"STOP"`), read(sea, seen)},
	{"end_turn", "chat", 0, ended(`"end_turn"`), read(sea, seen)},
	{"an object", "chat", 0, ended(`{"type":"stop","matched":2}`), read(sea, seen)},
	{"FINISH_REASON_STOP", "chat", 0, ended(`"FINISH_REASON_STOP"`), read(sea, seen)},
	{"FinishReason.STOP", "chat", 0, ended(`"FinishReason.STOP"`), read(sea, seen)},
	{"endTurn", "chat", 0, ended(`"endTurn"`), read(sea, seen)},
	{"end-turn", "chat", 0, ended(`"end-turn"`), read(sea, seen)},
	{"spaces around it", "chat", 0, ended(`" stop\n"`), read(sea, seen)},
	{"FINISH_REASON_MAX_TOKENS", "chat", 0, ended(`"FINISH_REASON_MAX_TOKENS"`), reading{text: sea, finish: "length",
		usage: seen}},
	{"stop_sequence, and none was asked for", "chat", 0, ended(`"stop_sequence"`), reading{text: sea,
		finish: "stop_sequence", hidden: "not known", usage: seen}},
	{"pause_turn", "chat", 0, ended(`"pause_turn"`), reading{text: sea, finish: "pause_turn", hidden: "not known",
		usage: seen}},
	{"repetition", "chat", 0, ended(`"repetition"`), reading{text: sea, finish: "repetition", hidden: "not known",
		usage: seen}},
	{"COMPLETE", "chat", 0, ended(`"COMPLETE"`), read(sea, seen)},
	{"max_tokens", "chat", 0, ended(`"max_tokens"`), reading{text: sea, finish: "length", usage: seen}},
	{"MAX_TOKENS", "chat", 0, ended(`"MAX_TOKENS"`), reading{text: sea, finish: "length", usage: seen}},
	{"model_length", "chat", 0, ended(`"model_length"`), reading{text: sea, finish: "length", usage: seen}},
	{"SAFETY", "chat", 0, ended(`"SAFETY"`), reading{text: sea, finish: "content_filter", usage: seen}},
	{"SAFETY, and nothing said", "chat", 0, chatWith(`"message":{"content":null},"finish_reason":"SAFETY"`, some),
		reading{class: providers.ClassFiltered, usage: seen}},
	{"tool_use", "chat", 0, ended(`"tool_use"`), reading{text: sea, finish: "tool_calls", hidden: "tool call",
		usage: seen}},
	{"a word that nobody knows", "chat", 0, ended(`"sunset"`), reading{text: sea, finish: "sunset",
		hidden: `not known, "sunset"`, usage: seen}},
	{"a number", "chat", 0, ended(`3`), reading{text: sea, finish: "3", hidden: `not known, "3"`, usage: seen}},

	// Content in parts.
	{"content_parts", "chat", 0, "", reading{text: "Rivers run to the sea.", finish: "stop", usage: usage(40, 0, 12, 0)}},
	{"one part", "chat", 0, chatWith(`"message":{"content":{"type":"text","text":"To the sea."}},"finish_reason":"stop"`,
		some), read(sea, seen)},
	{"parts that are texts", "chat", 0, chatWith(`"message":{"content":["To the"," sea."]},"finish_reason":"stop"`, some),
		read(sea, seen)},
	{"no parts", "chat", 0, chatWith(`"message":{"content":[]},"finish_reason":"stop"`, some), read("", seen)},
	{"a thought among the parts", "chat", 0,
		chatWith(`"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]},{"type":"text","text":"To the sea."}]},"finish_reason":"stop"`, some),
		reading{text: sea, finish: "stop", hidden: "reasoned", usage: seen}},
	{"a picture among the parts", "chat", 0,
		chatWith(`"message":{"content":[{"type":"text","text":"To the sea."},{"type":"image_url","image_url":{"url":"x"}}]},"finish_reason":"stop"`, some),
		reading{text: sea, finish: "stop", hidden: `"image_url"`, usage: seen}},
	{"a refusal among the parts", "chat", 0,
		chatWith(`"message":{"content":[{"type":"refusal","refusal":"No."}]},"finish_reason":"stop"`, some),
		reading{finish: "stop", refusal: "No.", usage: seen}},

	// What is not needed, and what is.
	{"odd_optional", "score", 0, "", reading{text: "Rivers run", values: secondOnly, usage: usage(2, 0, 0, 0)}},
	{"offsets and ids short", "score", 0,
		echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,-1.25],"text_offset":[0],"token_ids":[5]}`),
		reading{text: "Hi there", values: secondOnly, ids: []int{-1, -1}, usage: usage(2, 0, 0, 0)}},
	{"offsets that are words", "score", 0,
		echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,-1.25],"text_offset":["a",{}],"top_logprobs":"none"}`),
		reading{text: "Hi there", values: secondOnly, usage: usage(2, 0, 0, 0)}},
	{"values as texts", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,"-1.25"]}`),
		reading{text: "Hi there", values: secondOnly, usage: usage(2, 0, 0, 0)}},
	{"an infinity as a text", "score", 0,
		echoed(`{"tokens":["Hi"," there","!"],"token_logprobs":[null,"-Infinity",-1.25]}`),
		reading{text: "Hi there", values: []dataset.Float{{}, {}, known(-1.25)}, usage: usage(2, 0, 0, 0)}},
	{"a value that is a word", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null,"low"]}`),
		reading{class: providers.ClassBrokenReply, usage: usage(2, 0, 0, 0)}},
	{"a value short", "score", 0, echoed(`{"tokens":["Hi"," there"],"token_logprobs":[null]}`),
		reading{class: providers.ClassBrokenReply, usage: usage(2, 0, 0, 0)}},
	{"bytes that are none", "score", 0,
		echoed(`{"content":[{"token":"Hi","logprob":null,"bytes":[300]},{"token":" there","logprob":-1.25,"bytes":"IHRoZXJl","token_id":"x","top_logprobs":{}}]}`), reading{text: "Hi there", values: secondOnly, usage: usage(2, 0, 0, 0)}},
	{"a key twice where nothing rests on it", "chat", 0,
		chatWith(seaText+`,"index":1,"logprobs":{"content":[],"content":[7]}`,
			some+`,"id":"y","model":"m","created":1,"created":2,"timings":{"a":1,"a":2}`), read(sea, seen)},
	{"a key twice where the text rests on it", "chat", 0,
		chatWith(`"message":{"content":"To","content":"From"},"finish_reason":"stop"`, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a key twice where the end rests on it", "chat", 0,
		chatWith(`"message":{"content":"To"},"finish_reason":"stop","finish_reason":"length"`, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a key twice, spelled in two ways", "chat", 0,
		chatWith(`"message":{"content":"To","cont\u0065nt":"From"},"finish_reason":"stop"`, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"a mark before the JSON", "chat", 0, "\xef\xbb\xbf" + chatWith(seaText, some), read(sea, seen)},
	{"blank lines around", "chat", 0, "\n\n \t" + chatWith(seaText, some) + "\n\n", read(sea, seen)},
	{"log-probs that nobody asked for", "chat", 0, chatWith(seaText+`,"logprobs":"yes"`, some), read(sea, seen)},
	{"odd words everywhere", "chat", 0, chatWith(seaText+`,"stop_reason":107`,
		some+`,"system_fingerprint":{"a":[1e400]},"service_tier":null,"kv_transfer_params":[[],{}],"prompt_logprobs":7`),
		read(sea, seen)},
	{"half a surrogate pair", "chat", 0, chatWith(`"message":{"content":"To \ud83d"},"finish_reason":"stop"`, some),
		reading{class: providers.ClassBrokenReply, usage: seen}},
	{"half a surrogate pair where nobody looks", "chat", 0, chatWith(seaText+`,"note":"\ud83d"`, some), read(sea, seen)},
}
