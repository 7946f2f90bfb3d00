// Package teacherforce computes the log-probability of a given response under a
// policy, log π(a | c). It gives the exact value or an error that says why there is
// none.
//
// # Teacher forcing
//
// A language model writes a = a₁…aₙ token by token, and so
//
//	log π(a | c) = Σᵢ log p(aᵢ | c, a₁ … aᵢ₋₁)
//
// To learn this number for a response that another policy wrote, the model is made
// to read it: the text of context and response is sent as a prompt, nothing is
// generated, and the server's echo gives the log-prob of every token given the
// tokens before it. The difficulty is to separate the response's tokens from the
// context's.
//
// A tokenizer reads characters, not roles. If the context ends in a newline and the
// response begins with one, both may become a single token; "hel" and "lo" become
// "hello". Such a token spans the seam between the two. The joint text's tokens are
// then not the context's followed by the response's, and no sum over them is
// log π(a | c). This is common in real data, and counting tokens regardless has
// produced weights of 1e17.
//
// # What the value is
//
// If the sampled token ids are known, the value is that of these ids after the
// context's. Otherwise it is that of the canonical tokens of a after those of c,
// which is what the tokenizer makes of the text if a token boundary lies at the
// seam. (Byte-pair merges are local: no merge on one side of a boundary depends on
// the other side.) The end-of-turn token counts if, and only if, the response ended
// by itself; a response that was cut at its length limit never emitted it.
//
// # The methods
//
// Most methods need two calls, the echo of the joint text c+a and of the context c:
//
//	token_counting  skips as many joint tokens as c has
//	echo_based      finds the seam in the joint echo by byte offset
//	continuation    subtracts the total of the context's echo from the joint one's
//	token_ids       sums the sampled ids after the context's; makes a third call, with
//	                ids, only if the text is tokenised otherwise than it was sampled
//	chat            sums the same tokens in the server's own rendering of the
//	                conversation; makes one more call (Config.Chat)
//
// Each method answers with the exact value or with a [Reason]: a token spans the
// seam, the text's tokens are not the sampled ones, the server lacks what the method
// needs, a log-prob is null, positive or infinite, or the server scored another
// text. A [Result] keeps all answers. If several methods answer they must agree;
// their spread measures the server, not the response. A null is never skipped,
// nothing is clipped, and no failure is a number. A caller may add a [Strategy]; its
// answers are held to the same rules.
//
// # Contexts
//
// [Forcer.Render] puts the policy's system prompt and the conversation through its
// chat template. [Forcer.GenerateRequest] asks for a response in exactly that
// context, and [Forcer.Score] scores in it. Policies that share a model and differ in
// their system prompt therefore differ in their log-probs. Every policy is scored on
// the same path, including the one that wrote the response.
//
// If nobody knows the template, the server can render: [ContextIDs] has the ids that
// it makes of a conversation, [Forcer.ScoreIDs] scores the sampled ids after them,
// and [Identify] makes the rendering part of the policy.
//
// Responses to one context share its echo under one policy. A clone, a policy equal
// but for its name, makes its own calls: otherwise the test that its weights are 1
// would compare a number with itself.
//
// # From results to weights
//
// [Forcer.ScoreAll] scores many responses and keeps a row for each. [LogRatios] then
// gives the log importance weights. An echo gives the model's own log-probs,
// whatever temperature is sent along. For a policy that samples at another
// temperature than 1, or from a part of the distribution, these are not its log π.
//
// Three things may make up for that. The server may have reported the right value
// while the policy drew its own response ([MethodSampling]). The alternatives that it
// shows to each token bound the rest of the distribution ([MethodTempered], package temper):
// the value is then exact, or an interval, or the response is outside the
// policy's support and has probability 0. An interval of at most 0.02 nats counts by its middle; no weight
// comes of a wider one. If the server shows none, the Result says "raw", and LogRatios refuses it.
//
// A logging policy with filters never says what they exclude. Result.Excluded is how much
// of the model's own distribution that is, along the response.
//
// # Whether to believe the server
//
// [Forcer.Certify] asks an endpoint questions whose answers are laws of probability:
// the same text has the same log-prob twice, log p(ab|c) = log p(a|c) + log p(b|ca),
// and so on.
//
// [Suspects] looks at the values of a whole run. It finds impossible values, and
// values that are likelier than their length explains and that nothing else
// supports. A single value near 0 proves nothing either way. [Statistics] counts the
// methods' answers and estimates how far policies lie apart.
//
// # How many calls
//
// Two a pair, one of them shared by the responses to one context. If the policy
// itself answered in that context and the server's token ids of it are known, one
// call is enough ([Forcer.ScoreKnown]). The methods that compare two calls have no
// answer then; score a sample of the pairs with all of them.
package teacherforce
