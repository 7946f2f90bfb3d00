// Package providers talks to the servers that run the models.
//
// # The model
//
// There are two layers. A [Provider] makes single attempts against one
// service: it builds a request, sends it once, and returns what came of it, a
// value or an [Error]. It never waits, never tries again and keeps no account.
// [Fireworks], [OpenAI] and [Compatible] are Providers, and so is any type of
// yours with the four methods; package providertest has the suite that such a
// type should pass.
//
// One [Client] wraps a Provider, yours too, and adds everything that a run of
// many calls needs:
//
//	call ─ price known? ─┬─ gate ─ reserve ─ ledger: begin ─ attempt ─ ledger: end ─ settle ─┬─ result
//	                     └───────────── wait, place given back ◄── retryable class ──────────┘
//
// Whether a failure is tried again depends on its [Class] and nothing else. A
// result or error says in its [Meta] how many attempts it took and how long
// was waited. When a context ends a call, the error keeps the cause of the last
// attempt.
//
// The gate lets attempts in at an even pace within the [Limits] of their model,
// at most [ClientConfig].Concurrency at once, fewer where the server refuses
// some, and the stages of a run in turn.
//
// # Money
//
// Prices are USD per million tokens, [PerMTok], in a dated table, [Prices]. A
// model that is not in the table is refused, not free. Before an attempt is
// sent the client reserves the most it can cost from the [Budget] and writes a
// [Ledger] entry at that amount; afterwards both are settled for the usage that
// the server reported. So spending cannot pass the limit as long as servers
// keep to the token limit they were given, and a process killed at any moment
// leaves a ledger that counts what was in flight. An attempt that may have been
// billed, but whose usage nobody saw, stays at its reservation and is marked.
//
// # Batches
//
// Package [github.com/reweigh/reweigh/providers/batch] answers the same requests
// through the batches of a service that is a [Batcher], at half the price and
// within a day. [Books] is how it, or an importer's own way of calling, shares a
// client's prices, budget and ledger.
//
// # Log-probabilities
//
// A [Token] holds what a server says about one token. What it does not say is
// NaN, nil or -1, never 0: a log-prob of 0 means certainty. null and the value
// -9999, which services write for "not available", are NaN.
// [Provider.ScorePrompt] refuses a reply that does not score the whole text:
// several servers accept echo and return nothing for the prompt. How servers of
// one make differ from the next is data, [Quirks]: [VLLM], [SGLang], [LlamaCpp],
// [LlamaCppPython], [Together]. Where a service scores conversations in its own
// rendering, its provider is a [ChatScorer] ([Client.ScoreChat]).
//
// # Replies
//
// A reply is read once, by one streaming reader, for all that it says: an error
// beside half an answer, whichever way a service counts reasoning and cached
// tokens, content in parts, reasons to end in every service's words (services.go
// lists them). What the request does not need is not checked, and what it needs is
// read where it has one reading only; of a key that decides there may be one. A
// reader keeps no more than the request can have asked for: at most 4 MiB and 4
// KiB a token are read, 64 MiB in all, the heap grows by at most five times as much,
// garbage included, and every name that a server chooses is cut. It ends with its
// context. The file of a batch's answers may have 1 GiB; it is read a line at a time,
// and its answers are kept.
//
// Counts are put together by [Usage]. What does not fit stands in
// [Meta].UsageDoubt and the ledger, and a count that the model cannot hold is not
// believed: the attempt then stays at its reservation.
//
// A text is not always all that a model did. [Generation.Hidden] says what a
// reply showed of the rest: reasoning out of sight, a tool call, a stop string.
//
// What a model accepts is learned from what the service says. A field that has
// another name for one model costs one refused attempt, of [ClassAdapted];
// temperature and top_p are the policy, and are never left out for another.
//
// # Secrets
//
// A key is a [Secret], which no verb, encoder or logger prints. Errors quote
// servers, but not a key that a server repeats.
package providers
