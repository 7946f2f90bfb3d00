// Package langmodel is a small language model whose every probability is known
// exactly. It stands in for a family of real models, in two sizes, wherever a
// test or an offline run needs answers to sample and a truth to check against.
//
// # What is exact
//
// The model is a distribution over the next token given all tokens before it,
// and nothing else: [Model.LogProbs] of a sequence is a pure function of its
// ids, the same in every process and on every call. What [Model.Generate]
// reports for the tokens it draws is what LogProbs says of them, bit for bit;
// [Model.Distribution] sums to 1 and agrees to rounding; [Sampling.Apply]
// renormalises exactly. Every token has positive probability everywhere.
//
// # How it answers
//
// A response is written by one of three styles: helpful, step-by-step or
// evasive. Each is an interpolated n-gram model of text bundled with the package,
// once for the course of a response and once for its last paragraph; these six
// voices are the states of a hidden Markov model. With q_v the distribution of
// voice v, e_v its probability that the response ends here, and w_v the
// probability of v given the response so far,
//
//	p(t | prefix) = floor s(t) + body Σ_v w_v (1 - e_v) q_v(t | history)
//
// for an ordinary token t, s being even over whole characters and small on
// pieces of them, and body Σ_v w_v e_v (and a speck) for the token that
// ends the turn. The weights follow Bayes' rule from token to token. Where a
// paragraph or a list item ends, part of each style's weight returns to the prior,
// and the new paragraph is the last with a probability that grows with length.
//
// The prior over the styles, how much of it returns, the floor and the token that
// ends the turn come from the context: everything up to the header of the
// assistant's turn. Words of the system prompt speak for a style; a hash of all
// tokens moves every parameter a little, so that no change of a context is
// without effect; the phrases that responses put in quotes are copied from the
// user's last message. A context rendered by another family's template, without
// its first token or with the wrong newlines after a header still gets an
// answer: a worse one. Text without any header is a response to nothing, which
// ends in <|end_of_text|>.
//
// So a system prompt shifts a response's log-probability by a few nats, the other
// size by some more, and the same context by exactly nothing, which is what
// importance weights are about.
//
// # Tokens
//
// [DefaultTokenizer] is a byte-level BPE in the manner of the real ones, with
// their hazards: tokens that span the seam of two texts, characters split across
// tokens, and, in a few percent of responses, ids that are not the ones their text
// would be encoded to. It has the special tokens of Llama 4, Llama 3 and ChatML.
package langmodel
