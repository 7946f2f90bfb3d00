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
// Built in are "llama4", "chatml" and "raw" ([Lookup], [Names]). "raw" is for
// models without a chat format: the single user turn as it stands. A further
// family is a [Format] given to [New].
//
// The package is pure text. It knows no tokenizer and no model.
package chat
