// Package sim plays Fireworks and OpenAI offline: one HTTP server over a
// language model whose every probability is known, so that a whole run can be
// rehearsed without a key, broken on purpose, and compared with the truth.
//
// # The model
//
// A [Server] speaks the two protocols under these paths:
//
//	/inference/v1   Fireworks: completions (echo, token ids, both log-prob formats), chat, models
//	/v1             OpenAI:    chat (log-probs, json_schema), models, files and batches
//	/v1/accounts    Fireworks: the resource of one model
//	/vllm/v1        vLLM:      completions (echo, the old log-prob format), chat (prompt_logprobs), models
//
// Behind them stands internal/langmodel in two sizes. [ScoutModel] and
// gpt-4o-mini are the small one, [MaverickModel] and gpt-4o the large one. What
// a log-prob ought to be is [Exact] for token ids and [ExactText] for text.
//
// A reply depends on the request and on nothing else: a draw is decided by
// model, prompt and the request's seed, or by X-Request-Id where there is no
// seed. Any number of requests may be in flight, in any order.
//
// # Judge and oracle
//
// Asked for a JSON reply, a model grades instead of writing. The user's message
// holds the prompt and the response between fences,
//
//	<<<PROMPT 3f9c>>>
//	Why is the sky blue?
//	<<<END PROMPT 3f9c>>>
//	<<<RESPONSE 3f9c>>>
//	Because short waves scatter more.
//	<<<END RESPONSE 3f9c>>>
//
// and everything outside them is ignored, so a planted instruction moves the
// score only as much as any other text of its kind; unless [Config].Obedient has
// the judge do as it is told. Every pair of prompt and
// response has two latent numbers, both pure functions of the two texts:
//
//	s       how good the response looks to the judge: its style, what it takes up of the prompt,
//	        its length, whether it ends, and noise; what a judge reports at temperature 0
//	q       how good it is: m(s) + noise, with one increasing m; what gpt-4o, the oracle, reports
//
// So in the world [Transported] the mean label at a given judge score is the
// same under every policy, by construction. In the world [Shifted] evasive
// responses are 0.25 worse than the judge can see, and a calibration learnt on
// other policies misleads. What each default policy is worth in either world
// is [TrueValue].
//
// # Faults
//
// [Faults] makes the server fail as real ones do. Each decision is a hash of
// the server's seed, the fault and the request's id, so that a drill repeats
// exactly: transport faults by the full X-Request-Id and the attempt, content
// faults by the record that the id stands for. The id has the form
//
//	stage-<16 hex digits>[-call]
//
// and all calls of one record (same stage and digits) share its content faults.
//
// # Batches
//
// A batch takes a step each time it is asked for, so that drills need no clock:
// [BatchConfig]. A line is answered as the same body is when it is sent alone
// with the custom id for X-Request-Id, content faults included, and in an order
// that is not the input's. Transport faults apply to the calls that move files
// and batches.
//
// # The bill
//
// [Server.Bill] says what was charged, including the answers that a fault kept
// from arriving. Prices are those of [PricesJSON]; lines of a batch cost half.
//
// # What it is not
//
// It does not stream and refuses n > 1. A 429 comes from [Faults] or from
// [Limits], which are enforced only where [Config] sets them. Latency is what
// the machine takes plus [Faults].Slow.
package sim
