// Package teacherforce computes the log-probability of a given response under a
// policy, log π(a | c), exactly or not at all.
//
// # Teacher forcing
//
// A language model writes a = a₁…aₙ token by token, and so
//
//	log π(a | c) = Σᵢ log p(aᵢ | c, a₁ … aᵢ₋₁)
//
// To learn this number for a response that another policy wrote, the model is
// made to read what it did not write: the text of context and response is sent
// as a prompt, nothing is generated, and the server's echo gives the log-prob of
// every token given those before it. What remains is to tell the response's
// tokens from the context's. All the trouble is there.
//
// A tokenizer reads characters, not roles. If the context ends in a newline
// and the response begins with one, both may become a single token; "hel" and
// "lo" become "hello". Such a token spans the seam: the joint text's tokens are
// then not the context's followed by the response's, and no sum over them is
// log π(a | c). On real pairs this is not rare, and counting tokens regardless
// has produced weights of 1e17.
//
// # What the number is
//
// The value is that of the sampled token ids after the context's ids, if
// they are known; else of the canonical tokens of a after those of c, which is
// what the tokenizer makes of the text if a token boundary lies at the seam.
// (Byte-pair merges are local: none on one side of a boundary depends on the
// other side.) The end-of-turn token is a token like any other and counts if,
// and only if, the response ended by itself; a response cut by its length limit
// never emitted it.
//
// # The methods
//
// Two calls are enough, the joint text c+a and the context c alone:
//
//	token_counting  skips as many joint tokens as c has
//	echo_based      finds the seam in the joint echo by byte offset
//	continuation    total of the joint echo less total of the context's
//	token_ids       the sampled ids after the context's; a third call, with ids,
//	                only if the text is tokenised otherwise than it was sampled
//	chat            the same tokens in the server's own rendering of the conversation;
//	                a call more, if a server scores conversations ([Config].Chat)
//
// Each either answers with the exact value or says why it cannot: "seam" if a
// token spans it, "retokenised" if the text's tokens are not the sampled
// ones, "unsupported" if the server lacks what it takes, and for the defects
// of servers "missing" (a null), "invalid" (positive or infinite) and "altered"
// (another text was scored); chat, too, if the server renders another text
// ("rendered"), as templates do that trim an answer. All of them are computed and kept side by side in a
// [Result]: if more than one answers they must agree, and their spread is a
// measurement of the server, not of the response.
//
// A null is never skipped, nothing is clipped, and no failure is a number.
//
// # Contexts
//
// [Forcer.Render] puts the policy's system prompt and the conversation through
// its chat template; [Forcer.GenerateRequest] asks for a response in exactly
// that context, [Forcer.Score] scores in it. Policies that share a model and
// differ in their system prompt therefore differ in their log-probs, as they
// must. Every policy is scored by the same path, the one that wrote the response
// included.
//
// The echo of a context is shared by the responses to it under one policy. The
// clone of a policy, equal but for its name, makes calls of its own: the test
// that its weights are 1 would otherwise compare a number with itself.
//
// # Whether to believe the server
//
// [Forcer.Certify] puts questions to an endpoint whose answers are known
// beforehand because they are laws of probability: the same text has the same
// log-prob twice, log p(ab|c) = log p(a|c) + log p(b|ca), and so on.
//
// [Suspects] looks at the values of a whole run: what is impossible, and what is
// likelier than its length explains while nothing else supports it. A single
// value near 0 proves nothing either way. [Statistics] counts what the methods
// answered and why they did not, and estimates how far policies lie apart.
//
// # Which distribution
//
// Log-probs of a prompt are those of the model itself on every server known,
// whatever temperature is sent along. For a policy that samples at another
// temperature than 1, or from a part of the distribution, they are not its
// log π, and no arithmetic makes them so: the [Result] says "raw", and [LogRatio]
// refuses them. Only for what such a policy drew itself may the server have said
// the right value, while drawing it ([MethodSampling]).
//
// # How many calls
//
// Two a pair, of which responses to one context share one. Who kept the ids that
// the server made of the context when the policy itself answered in it needs one
// call ([Forcer.ScoreKnown]), and gives up the comparison of two calls for it, and
// the one over chat: an audit sample with all of them keeps it.
package teacherforce
