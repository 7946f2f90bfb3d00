package providers

import "github.com/reweigh/reweigh/teacherforce/temper"

// The quirks of the servers that are known. What a field rests on stands beside
// it: the server's own source or documentation, read and not tried against a
// running server unless the comment says so. Fields marked (usage) rest on common
// knowledge of the server.

// VLLM returns the quirks of a vLLM server (read at 002032e, 2026).
// add_special_tokens is off because the chat template that rendered the prompt
// has put its BOS token there, and a second one would change every probability.
func VLLM() Quirks {
	return Quirks{
		Kind:     KindVLLM,
		Echo:     true, // completion/serving.py: prompt entries, the first null; -inf clamped to -9999
		TopK:     true, // (usage) 0 and -1 both mean all
		TokenIDs: true, // completion/protocol.py: return_token_ids
		MaxTop:   20,   // --max-logprobs, 20 unless set
		// v1/sample/sampler.py: apply_temperature, then min_p, then top-k and top-p in
		// one sort: top_p of what top_k left.
		Filters: temper.TemperatureTopKTopP,
		// chat_completion/protocol.py: prompt_logprobs, add_generation_prompt,
		// continue_final_message; observed with 0.32.0.
		ChatScore:   true,
		Renders:     true, // serve/tokenize/protocol.py: TokenizeChatRequest
		Completions: map[string]any{"add_special_tokens": false},
		// Settings left out come from the model's generation_config.
		Generate: map[string]any{"min_p": 0, "repetition_penalty": 1},
	}
}

// SGLang returns the quirks of an SGLang server (read at 004c82e, 2026). It
// tokenizes a text with the tokenizer's own BOS: for a model whose template has
// one too, set AddsBOS.
func SGLang() Quirks {
	return Quirks{
		Kind:     KindSGLang,
		Echo:     true, // serving_completions.py: echo with logprobs sets logprob_start_len 0; the first is null
		TokenIDs: true, // newer versions; others ignore return_token_ids
		TopK:     true,
		MaxTop:   20, // no limit of its own is known
		// layers/sampler.py: without min_p, top-k and top-p both of the whole.
		Filters: temper.TemperatureBoth,
		Renders: true, // http_server.py /tokenize takes messages; older versions take texts alone
		TopKOff: -1,   // sampling_params.py verify: "top_k must be -1 (disable) or at least 1"
		// max_new_tokens 0 passes verify, but whether an entry is listed for it
		// differs between versions; with 1 it always is.
		ScoreGenerates: true,
		// Settings left out come from the model's generation_config.
		Generate: map[string]any{"min_p": 0, "repetition_penalty": 1},
	}
}

// LlamaCpp returns the quirks of llama.cpp's own server, which scores no given
// text. [LlamaCppPython] is another server over the same engine, which does.
func LlamaCpp() Quirks {
	return Quirks{
		Kind: kindLlamaCpp,
		// llama.cpp issue 27174: echo is accepted, or refused, and the reply has
		// log-probs of the generated tokens alone.
		NoEcho:  "llama.cpp's server returns log-probs of generated tokens only, and none for the text that it is given",
		TopK:    true,                       // (usage) 0 keeps all
		Filters: temper.TopKTopPTemperature, // common_params_sampling.samplers: temperature is last
		// (usage) min_p is 0.05 where it is left out.
		Generate: map[string]any{"min_p": 0, "repeat_penalty": 1},
	}
}

// LlamaCppPython returns the quirks of llama-cpp-python's server, which has to
// run with --logits_all true (read at 00c954e). Only models whose text begins
// with one BOS token can be scored; where the chat template writes it, set
// AddsBOS to its text, because the server puts it there itself. Token ids are
// not taken.
func LlamaCppPython() Quirks {
	return Quirks{
		Kind:         KindLlamaCppPython,
		Echo:         true, // llama.py _create_completion
		EchoDropsBOS: true, // "Remove leading BOS token if exists"; entry 0 of the rest is nulled
		// "if max_tokens is None or max_tokens <= 0: # Unlimited, depending on n_ctx"
		ScoreGenerates: true,
		TopK:           true,                       // server/types.py: ge=0
		MaxTop:         20,                         // server/types.py: logprobs has no upper bound
		Filters:        temper.TopKTopPTemperature, // llama.py _init_sampler
		// Observed with 0.3.36: starlette-context's RequestIdPlugin answers
		// every other form with 400 "Bad Request".
		UUIDRequestIDs: true,
		// server/types.py: min_p is 0.05 and repeat_penalty 1.1 where left out.
		Generate: map[string]any{"min_p": 0, "repeat_penalty": 1},
	}
}

// Together returns the quirks of Together AI. Its API reference shows the
// prompt's log-probs in a list beside the choices; what it does with
// max_tokens 0 is not documented, so one token is generated.
func Together() Quirks {
	return Quirks{
		Kind:           KindTogether,
		Echo:           true,
		PromptList:     true, // docs.together.ai/reference/completions: "prompt": [{"text", "logprobs"}]
		ScoreGenerates: true,
		TopK:           true, // (usage), and so is Generate
		FirstAbsurd:    true, // togethercomputer/openapi issue 5: "the first number in a list is always a positive float"
		Generate:       map[string]any{"min_p": 0, "repetition_penalty": 1},
	}
}
