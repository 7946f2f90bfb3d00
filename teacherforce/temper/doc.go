// Package temper computes a token's log-prob under a policy that samples at any
// temperature, with top-k and top-p, from what a server shows of the model's own
// distribution: the token's own log-prob and those of the likeliest alternatives.
//
// # Temperature
//
// At temperature T a token of probability p is drawn with probability p^a / Σ p^a,
// a = 1/T, the sum over the whole vocabulary. A server shows K tokens of it, say 5
// or 20. Let s be Σ p^a over the tokens shown, the scored one included, r the
// probability of the m others, and q a bound on each of them: none is likelier than
// the least of the K, nor than r. The others' sum R = Σ p^a is least and largest if
// r is spread evenly over the m, and if it is as concentrated as q allows:
//
//	U = m^(1-a) r^a        C = n q^a + (r - n q)^a, n = floor(r / q)
//
//	T < 1: U ≤ R ≤ C       T > 1: C ≤ R ≤ U
//
// because x^a is convex for a > 1 and concave for a < 1. The log-prob is
// a log p - log(s + R): an interval, narrow if r is small. A vocabulary of unknown
// size leaves 0 ≤ R at T < 1, and no upper bound at T > 1.
//
// # Filters
//
// Top-k keeps the k likeliest tokens, and top-p the shortest leading run whose share
// reaches p. What is kept is divided by its sum, and that may well lie within what is
// shown: the value is then exact and does not depend on R. Engines differ in the
// order of these steps ([Order]), and so in the tokens that they keep.
//
// A token that is not kept has probability 0. This is a fact about the policy and not
// a failure ([Outside]). If tokens tie at a cut, or if the answer depends on less than the
// server's noise, nobody can say whether the token was kept: its interval then has no
// lower bound.
//
// Of tokens that tie at a cut, vLLM in PyTorch keeps all under top-k and some under top-p, the
// kernels of FlashInfer (vLLM and SGLang on GPUs) keep all, vLLM's Triton kernel and SGLang in
// PyTorch keep as many as are due, and so does llama.cpp. But for the last, what is kept
// is therefore divided by a sum in an interval. Logits of 16 bits tie often. If the last two that
// are shown do, or all lie on such a grid, the tokens that are not shown may tie, too; else a
// cut among those is bounded as if none did.
package temper
