// Package chat turns a conversation into the one string that a language model
// of a given family was trained to continue.
//
// # The model
//
// A chat model does not see messages. It sees a single sequence of tokens in
// which each turn stands between markers, and its answer is what it writes
// after the last marker:
//
//	<|begin_of_text|><|header_start|>user<|header_end|>
//
//	Name a colour.<|eot|><|header_start|>assistant<|header_end|>
//
//	Blue.<|eot|>
//
// That string, up to and including the second header, is the context c in
// π(a | c); what follows is the response a; the <|eot|> after it is the
// end-of-turn token, which the model emits like any other when it has finished.
// The log-prob of a response is a statement about this string and no other: a
// newline too few, a system prompt left out or another family's markers give a
// number too, and a wrong one. So there is one renderer, and both generation
// and scoring use it.
//
// The markers are special tokens, each a single id that no ordinary text
// encodes to. A server that accepts a prompt as text recognises them by their
// spelling, wherever they stand. Content that spells one would end its turn and
// start another, or be another sequence than the one the chat endpoint makes of
// it. Render refuses such content with a [*ControlTokenError].
//
// # The templates
//
// Built in ([Lookup], [Names]), each as its family published it, without tools:
//
//	llama3              trims every turn
//	llama3.1            and 3.2, 3.3: a system block with a date, always; "llama3.1 26 Nov 2026" for another day
//	llama4              trims the system prompt alone
//	chatml              no default system prompt
//	phi-4               ChatML with a separator and no newlines
//	qwen2.5             ChatML with Qwen's default system prompt
//	qwen2.5-vl          and another one for its vision models
//	qwen3               ChatML with an empty thought before the answer: thinking turned off
//	qwen3-thinking      the model opens its thought itself; and the Instruct models of July 2025, which have none
//	qwen3-thinking-2507 the thought is opened for it
//	qwen3.5             and 3.6: trims every turn; thinking turned off
//	qwen3.5-thinking    the thought is opened
//	mistral-7b-v0.1     and v0.2: the system prompt is part of the first user turn
//	mistral-small-3.1   a system prompt is required
//	gemma2              no system prompt; trims every turn
//	gemma3              the system prompt is part of the first user turn
//	deepseek-r1         the thought is opened
//	deepseek-v3.1       thinking turned off, and deepseek-v3.1-thinking
//	kimi-k2-thinking    an empty thought before earlier answers; the model opens its own
//	raw                 the single user turn as it stands, for models without a chat format
//
// The published templates take the thoughts out of earlier answers. Here such an
// answer is refused, because <think> is a control: leave the thought out.
//
// A template is part of a policy and may not change overnight: what a published
// template takes from the calendar is fixed here or has to be stated. A further
// family is a [Format] given to [New], or any function given to [NewRendering];
// teacherforce/chat/jinja, a module of its own, runs the source that a model
// publishes.
//
// The package is pure text. It knows no tokenizer and no model.
package chat
