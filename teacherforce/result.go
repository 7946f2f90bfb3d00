package teacherforce

import (
	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// The names of the methods, in order of preference: the first that answers
// gives a result its value.
const (
	MethodTokenIDs      = "token_ids"
	MethodTokenCounting = "token_counting"
	MethodEchoBased     = "echo_based"
	MethodContinuation  = "continuation"

	// MethodChat is computed if Config.Chat is set.
	MethodChat = "chat"

	// MethodSampling is not among Strategies: it is what the server said while
	// the policy drew the response, and gives a value to the policy's own
	// responses if it samples otherwise than its model.
	MethodSampling = "sampling_logprob"

	// MethodTempered is not among Strategies either: the value of a policy that samples
	// otherwise than its model, computed from the tokens' alternatives.
	MethodTempered = "tempered"
)

// Status is whether a method answered.
type Status string

// The statuses.
const (
	OK     Status = "ok"
	Failed Status = "failed"
)

// Reason is why there is no value: of one method, whose empty Reason goes with [OK], or of
// all of them ([Error]).
type Reason string

// The reasons.
const (
	// ReasonSeam: the context's tokens are not how the joint text begins; a
	// token spans the seam, or what follows changed the tokens before it.
	ReasonSeam Reason = "seam"
	// ReasonRetokenised: the text is tokenised otherwise than it was sampled, so
	// that an echo of it scores another sequence of tokens.
	ReasonRetokenised Reason = "retokenised"
	// ReasonUnsupported: what the method needs is not to be had: no echo, no
	// ids, an empty context.
	ReasonUnsupported Reason = "unsupported"
	// ReasonMissing: a log-prob that belongs to the sum is null.
	ReasonMissing Reason = "missing_logprob"
	// ReasonInvalid: a log-prob that belongs to the sum is positive or infinite.
	ReasonInvalid Reason = "invalid_logprob"
	// ReasonAltered: the echo does not spell what was sent.
	ReasonAltered Reason = "altered"
	// ReasonRendered: the server's own rendering of the conversation is another
	// text than ours.
	ReasonRendered Reason = "rendered"
	// ReasonNotCompared: the method takes a call for the comparison alone, which
	// was not made; see Forcer.ScoreKnown.
	ReasonNotCompared Reason = "not_compared"
	// ReasonWide: the alternatives bound the log-prob, and leave its interval too wide for a
	// value.
	ReasonWide Reason = "wide"
	// ReasonVocabulary: at a temperature above 1 the alternatives bound nothing as long as the
	// size of the model's vocabulary is not stated (Config.Vocabularies).
	ReasonVocabulary Reason = "vocabulary"
	// ReasonOutside: the policy's filters exclude the response; its probability is 0.
	ReasonOutside Reason = "outside_support"
	// ReasonFiltered: a filter ended or withheld the response.
	ReasonFiltered Reason = "filtered"
	// ReasonEmpty: there is nothing to score: no text, and no end-of-turn token that counts.
	ReasonEmpty Reason = "empty_response"
	// ReasonContext: the context cannot be rendered.
	ReasonContext Reason = "bad_context"
	// ReasonError: a call failed; the error says how.
	ReasonError Reason = "error"
)

// Flag names something unusual about a value, or about the text it is of.
type Flag string

// The flags.
const (
	FlagDisagree Flag = "disagree" // two methods differ by more than the tolerance
	// every token is exactly 0, in a response or context too long for that
	FlagZero               Flag = "zero"
	FlagCertain            Flag = "certain"             // the value is exactly 0, and so short that it may be right
	FlagZeroRun            Flag = "zero_run"            // a long run of tokens is exactly 0
	FlagMass               Flag = "mass"                // the alternatives of a token sum to a probability above 1
	FlagTokenCount         Flag = "token_count"         // the number of tokens does not fit the text's length
	FlagPositive           Flag = "positive"            // a log-prob is above 0
	FlagInfinite           Flag = "infinite"            // a log-prob is ±Inf, or -9999, which some servers write for it
	FlagNull               Flag = "null"                // a log-prob that belongs to the sum is missing
	FlagPositiveDifference Flag = "positive_difference" // continuation: the joint total is above the context's
	FlagIDsUnverified      Flag = "ids_unverified"      // the echo has no ids to compare with the sampled ones
	// the server renders the context otherwise than the policy's template
	FlagTemplate Flag = "template"
	FlagBOSAdded Flag = "bos_added" // the server put a token of its own before the context
	// far likelier than the policy's other responses of that length, without support
	FlagTooLikely       Flag = "too_likely"
	FlagSecondDisagrees Flag = "second_disagrees" // another method gives another value
	// the policy drew the response, and by the tokens' alternatives it could not have, or
	// not with that probability
	FlagSupport Flag = "support"
)

// Anomaly reports whether the flag means that the value is probably wrong, or that
// the server gave something wrong beside it. The other flags are about the text.
func (f Flag) Anomaly() bool { return f != FlagIDsUnverified && f != FlagBOSAdded && f != FlagCertain }

// Response is what is scored.
type Response struct {
	Text string
	// TokenIDs are the sampled ids, without the end-of-turn token; nil if
	// unknown.
	TokenIDs []int
	// EndID is the end-of-turn token's id; nil if unknown. Forcer.ScoreIDs needs
	// it of a response that ended.
	EndID *int
	// Model is the model that sampled TokenIDs, as offpolicy.Policy spells it.
	// Another model has, for all we know, another tokenizer: ids are used under
	// policies of this model only.
	Model string
	// Ended says that the response ended by itself (finish reason "stop"): then,
	// and only then, the end-of-turn token counts. Otherwise it was cut.
	Ended bool
	// Filtered says that a filter ended or withheld the response. It cannot be
	// scored.
	Filtered bool
	// Sampling are the log-probs that the tokens were drawn with, the end-of-turn
	// token's last if Ended; nil if unknown. By is the policy that drew
	// them; a clone of it is another.
	Sampling []float64
	By       offpolicy.Policy
}

// State is how a response came to its end.
type State string

// The states. A response that a filter ended has none: scoring it is an error of
// class "filtered".
const (
	StateEnded     State = "ended"     // by itself: the end-of-turn token counts
	StateTruncated State = "truncated" // at its length limit: there is no such token
	StateEmpty     State = "empty"     // at once: the end-of-turn token is all there is
)

// MethodResult is what one method said of one pair.
type MethodResult struct {
	LogProb dataset.Float // nats; missing if the method failed
	Status  Status
	Reason  Reason // why it failed
}

// Result is the log-prob of a response under a policy.
type Result struct {
	LogProb       dataset.Float // nats, of the preferred method that answered
	Tokens        int           // tokens summed, the end-of-turn token included if it counts
	TokenLogProbs []float64     // one per token
	Method        string        // the method that LogProb comes from
	Methods       map[string]MethodResult
	Spread        dataset.Float        // max - min over the methods that answered, nats
	Flags         []Flag               // sorted
	Distribution  dataset.Distribution // of LogProb and TokenLogProbs
	// Interval is [lower, upper] of a log-prob that is not known exactly, nats. LogProb is
	// its middle if it is at most 0.02 wide, and missing otherwise; a missing lower
	// bound is that the response may be outside the policy's support.
	Interval *[2]dataset.Float
	// OutsideSupport: the policy's filters exclude the response. Its probability is 0, and
	// LogProb is missing.
	OutsideSupport bool
	// Excluded is the probability that a response which the model draws from its whole
	// distribution, along this one, leaves what the policy's filters keep: at least that,
	// and missing if the alternatives are not shown.
	Excluded   dataset.Float
	Vocabulary int // that a value from alternatives was computed with, 0 if none was stated
	State      State
	PolicyHash string
	bounds     []temper.Value // of the tokens, from their alternatives
	Calls      int            // calls made for this result; a shared context counts for the one that made it
}

// Record returns the result as a line of logprobs.jsonl.
func (r Result) Record(promptID, policyName string) dataset.LogProb {
	return dataset.LogProb{
		PromptID:      promptID,
		Policy:        policyName,
		LogProb:       r.LogProb,
		Tokens:        r.Tokens,
		TokenLogProbs: r.TokenLogProbs,
		Method:        r.Method,
		Methods:       recordMethods(r.Methods),
		Spread:        r.Spread,
		Flags:         recordFlags(r.Flags),
		Interval:      r.Interval, OutsideSupport: r.OutsideSupport, Excluded: r.Excluded,
		Vocabulary:   r.Vocabulary,
		Distribution: r.Distribution,
		State:        string(r.State),
		PolicyHash:   r.PolicyHash,
	}
}

// FailedRecord returns the line of logprobs.jsonl for a pair that
// [Forcer.Score] returned err for: null value, what each method said, what was
// seen, and the error.
func FailedRecord(promptID string, p offpolicy.Policy, err error) dataset.LogProb {
	e := asError(err)
	return dataset.LogProb{
		PromptID:   promptID,
		Policy:     p.Name,
		LogProb:    dataset.Float{},
		Methods:    recordMethods(e.Methods),
		Spread:     dataset.Float{},
		Flags:      recordFlags(e.Flags),
		PolicyHash: p.Hash(),
		Error:      &dataset.RecordError{Class: string(e.Reason), Message: e.Message},
	}
}

func recordMethods(ms map[string]MethodResult) map[string]dataset.MethodResult {
	out := make(map[string]dataset.MethodResult, len(ms))
	for name, m := range ms {
		out[name] = dataset.MethodResult{LogProb: m.LogProb, Status: string(m.Status), Reason: string(m.Reason)}
	}
	return out
}

// recordFlags writes no flags as an empty list, not as null.
func recordFlags(flags []Flag) []string {
	out := make([]string, len(flags))
	for i, f := range flags {
		out[i] = string(f)
	}
	return out
}

func failed(r Reason) MethodResult { return MethodResult{dataset.Float{}, Failed, r} }
