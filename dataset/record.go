package dataset

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // "system", "user" or "assistant"
	Content string `json:"content"`
}

// Prompt is one context: a line of prompts.jsonl.
type Prompt struct {
	ID   string `json:"prompt_id"`
	Text string `json:"prompt"`
	// Messages is set only if the context has several turns; it then ends
	// with the user turn that Text repeats.
	Messages []Message      `json:"messages,omitempty"`
	Metadata map[string]any `json:"metadata"`
}

// Turns returns the conversation to be answered: Messages if there are
// several, else Text as a single user turn.
func (p Prompt) Turns() []Message {
	if len(p.Messages) > 0 {
		return p.Messages
	}
	return []Message{{Role: "user", Content: p.Text}}
}

// RecordError says why an item has no value. A record holds either a value or
// a RecordError, never both and never neither.
type RecordError struct {
	Class   string `json:"class"`
	Message string `json:"message"`
}

func (e *RecordError) Error() string { return e.Class + ": " + e.Message }

// Key identifies a record within its stage. Records of different stages join
// by Key and never by position. The policy's hash is part of a record's
// identity but not of its order: a run refuses two policies of one name.
type Key struct {
	PromptID string
	Policy   string
	DrawIdx  int
}

// String is the key's stable text form, used in the journal, the ledger and
// messages: prompt_id/policy/draw. Different keys have different forms: a slash
// in a policy's name is written %2F, and % is %25.
func (k Key) String() string {
	return k.PromptID + "/" + escapeSlash.Replace(k.Policy) + "/" + strconv.Itoa(k.DrawIdx)
}

var escapeSlash = strings.NewReplacer("%", "%25", "/", "%2F")

// Compare orders keys by prompt, then policy, then draw.
func (k Key) Compare(o Key) int {
	if c := cmp.Compare(k.PromptID, o.PromptID); c != 0 {
		return c
	}
	if c := cmp.Compare(k.Policy, o.Policy); c != 0 {
		return c
	}
	return cmp.Compare(k.DrawIdx, o.DrawIdx)
}

// Usage counts the tokens that a server reported for one answer.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

// Response is one policy's answer to one prompt: a line of responses.jsonl.
type Response struct {
	PromptID string  `json:"prompt_id"`
	Policy   string  `json:"policy"`
	DrawIdx  int     `json:"draw_idx"`
	Text     *string `json:"response"` // nil if the call failed
	// TokenIDs are the sampled ids if the server gives them, without the
	// end-of-turn token.
	TokenIDs []int `json:"token_ids"`
	// EndID is the end-of-turn token's id, if no template is known that says which it is.
	EndID        *int   `json:"end_id,omitempty"`
	FinishReason string `json:"finish_reason"` // "stop": the response ended; "length": it was cut
	Usage        *Usage `json:"usage"`
	// LogProb sums the generated tokens' log-probs, end-of-turn included if
	// the response ended, if the server gives them.
	LogProb Float `json:"logprob"`
	// Sampling are the log-probs that the tokens were drawn with, if the policy
	// samples at another temperature than 1 or from a part of the distribution.
	Sampling   Floats       `json:"sampling_logprobs,omitempty"`
	ContextIDs *TokenDigest `json:"context_ids,omitempty"` // the ids that the server made of the context
	Model      string       `json:"model"`                 // the model that answered
	PolicyHash string       `json:"policy_hash"`
	Error      *RecordError `json:"error"`
}

// Key returns the record's key.
func (r Response) Key() Key { return Key{r.PromptID, r.Policy, r.DrawIdx} }

// MethodResult is what one teacher-forcing method said of one pair.
type MethodResult struct {
	LogProb Float  `json:"logprob"`
	Status  string `json:"status"` // "ok", or "failed"
	Reason  string `json:"reason"` // why it failed: seam, retokenised, unsupported, …
}

// LogProb is the log-probability of the logging policy's response to PromptID
// under Policy, in nats: a line of logprobs.jsonl.
type LogProb struct {
	PromptID      string                  `json:"prompt_id"`
	Policy        string                  `json:"policy"`
	LogProb       Float                   `json:"logprob"`
	Tokens        int                     `json:"tokens"`
	TokenLogProbs Floats                  `json:"token_logprobs"`
	Method        string                  `json:"method"`
	Methods       map[string]MethodResult `json:"methods"`
	Spread        Float                   `json:"spread"` // max - min over the methods that answered, nats
	Flags         []string                `json:"flags"`
	// Interval is [lower, upper] of a log-prob that is not known exactly. LogProb is then
	// its middle if the interval is narrow, and missing otherwise; a weight takes the interval.
	// A missing lower bound says that the response may be outside the policy's support.
	Interval *[2]Float `json:"interval,omitempty"`
	// OutsideSupport: the policy's filters exclude the response. Its probability is 0, and
	// LogProb is missing.
	OutsideSupport bool `json:"outside_support,omitempty"`
	// Excluded is the probability that a response which the model draws from its whole
	// distribution, along this one, leaves what the policy's filters keep: at least that.
	Excluded Float `json:"excluded,omitzero"`
	// Vocabulary is the size of the model's vocabulary that a value from alternatives was
	// computed with; 0 if none was stated.
	Vocabulary int `json:"vocabulary,omitempty"`
	// Distribution is what the values are of; "" without a value.
	Distribution Distribution `json:"of,omitempty"`
	// State is "ended", "truncated" or "empty".
	State      string       `json:"state,omitempty"`
	PolicyHash string       `json:"policy_hash"`
	Error      *RecordError `json:"error"`
}

// Raw reports whether the value is of another distribution than the policy samples
// from, so that no importance weight comes of it.
func (l LogProb) Raw() bool { return l.Distribution == RawDistribution }

// Bounded reports whether all that can be known of the log-prob is there, and is no
// number: an interval too wide to stand for one, or that the response is outside the
// policy's support. It is no failure.
func (l LogProb) Bounded() bool {
	return l.Error == nil && !l.LogProb.Valid() && (l.Interval != nil || l.OutsideSupport)
}

// Bounds returns what the log-prob lies between: its interval, or the value twice; both
// -Inf outside the policy's support, and NaN if there is none.
func (l LogProb) Bounds() [2]float64 {
	switch {
	case l.OutsideSupport:
		return [2]float64{math.Inf(-1), math.Inf(-1)}
	case l.Interval != nil:
		lower, ok := l.Interval[0].Get()
		if !ok {
			lower = math.Inf(-1)
		}
		return [2]float64{lower, l.Interval[1].OrNaN()}
	}
	return [2]float64{l.LogProb.OrNaN(), l.LogProb.OrNaN()}
}

// Key returns the record's key. The response scored is draw 0.
func (l LogProb) Key() Key { return Key{l.PromptID, l.Policy, 0} }

// OracleLabel is a line of oracle.jsonl.
type OracleLabel struct {
	PromptID string `json:"prompt_id"`
	Policy   string `json:"policy"`
	DrawIdx  int    `json:"draw_idx"`
	Label    Float  `json:"label"` // in [0, 1]
	// the design's probability of labeling this response, in (0, 1]; a label without one joins
	// nothing
	InclusionProb Float  `json:"inclusion_prob"`
	Role          string `json:"role"` // "calibration", "probe", or "duplicate", which joins nothing
	// the part of the policy's responses that it was drawn from; empty if they were not divided
	Stratum    string       `json:"stratum,omitempty"`
	Oracle     string       `json:"oracle"` // the oracle's identity: name and hash
	PolicyHash string       `json:"policy_hash"`
	Error      *RecordError `json:"error"`
}

// Key returns the record's key.
func (o OracleLabel) Key() Key { return Key{o.PromptID, o.Policy, o.DrawIdx} }

// JudgeScore is a line of judge.jsonl.
type JudgeScore struct {
	PromptID   string `json:"prompt_id"`
	Policy     string `json:"policy"`
	DrawIdx    int    `json:"draw_idx"`
	Judge      string `json:"judge"`              // the judge's identity: name and hash
	Mean       Float  `json:"mean"`               // in [0, 1]
	Variance   Float  `json:"variance"`           // of Mean, in squared score units
	Source     string `json:"source"`             // where Variance comes from
	Readings   Floats `json:"readings,omitempty"` // the single readings behind Mean, if there are several
	Repaired   bool   `json:"repaired,omitempty"` // a reply was not in the form asked for, and yet clear
	Calibrated Float  `json:"calibrated"`         // E[label | Mean], null if no calibrator was fitted
	// CalibratedVariance is that of the label around Calibrated, the sum of
	// VarianceParts; null if it is not known.
	CalibratedVariance Float          `json:"calibrated_variance"`
	VarianceParts      *VarianceParts `json:"variance_parts"`
	PolicyHash         string         `json:"policy_hash"`
	Error              *RecordError   `json:"error"`
}

// VarianceParts is the variance of a label around its calibrated score, by
// source, in squared label units. The parts do not overlap, and add up.
type VarianceParts struct {
	Sampling   Float `json:"sampling"`   // of the score: what asking the judge again would move
	Residual   Float `json:"residual"`   // of the label, given the score
	Calibrator Float `json:"calibrator"` // of the fitted curve
}

// Total is the sum of the parts.
func (v VarianceParts) Total() Float {
	return Known(v.Sampling.OrNaN() + v.Residual.OrNaN() + v.Calibrator.OrNaN())
}

// Key returns the record's key.
func (s JudgeScore) Key() Key { return Key{s.PromptID, s.Policy, s.DrawIdx} }

// Canary is a response with a planted text that tries to move the judge, and
// what it did: a line of canaries.jsonl.
type Canary struct {
	PromptID string       `json:"prompt_id"`
	Policy   string       `json:"policy"`
	Kind     string       `json:"kind"`    // which text was planted
	Clean    Float        `json:"clean"`   // the response's own score
	Planted  Float        `json:"planted"` // its score with the text planted
	Moved    bool         `json:"moved"`   // whether the plant got what it wanted; false if Planted is null
	Judge    string       `json:"judge"`
	Error    *RecordError `json:"error"`
}

// Key returns the record's key: a response carries one canary at most.
func (c Canary) Key() Key { return Key{c.PromptID, c.Policy, 0} }

// Sample is one logged prompt with everything known of it, in the layout that
// CJE reads: a line of samples.jsonl.
type Sample struct {
	PromptID             string           `json:"prompt_id"`
	Prompt               string           `json:"prompt"`
	Response             string           `json:"response"`
	BasePolicyLogProb    Float            `json:"base_policy_logprob"`
	TargetPolicyLogProbs map[string]Float `json:"target_policy_logprobs"`
	// OutsideSupport names the targets whose filters exclude the response: its probability is
	// 0, which is a weight of 0, and its log-prob null.
	OutsideSupport []string `json:"outside_support,omitempty"`
	// LogProbIntervals are [lower, upper] of log-probs that are not known exactly, by policy,
	// the logging policy's too; see LogProb.Interval.
	LogProbIntervals map[string][2]Float `json:"logprob_intervals,omitempty"`
	JudgeScore       Float               `json:"judge_score"`
	OracleLabel      Float               `json:"oracle_label"`
	InclusionProb    Float               `json:"inclusion_prob"`
	Metadata         map[string]any      `json:"metadata"`
	// Extra is whatever else the line holds, by field; it is written again.
	Extra map[string]json.RawMessage `json:"-"`
}

// FreshDraw is a target policy's own response with its score, in CJE's layout:
// a line of fresh_draws/<policy>_responses.jsonl, or, if it has no score, of
// fresh_draws/unscored/<policy>_responses.jsonl.
type FreshDraw struct {
	PromptID    string `json:"prompt_id"`
	Prompt      string `json:"prompt"`
	Response    string `json:"response"`
	JudgeScore  Float  `json:"judge_score"`
	OracleLabel Float  `json:"oracle_label"`
	// InclusionProb is the design's probability of labeling this response, in
	// (0, 1]; missing if the source states none.
	InclusionProb Float `json:"inclusion_prob"`
	DrawIdx       int   `json:"draw_idx"`
	// Extra is whatever else the line holds, by field; it is written again.
	Extra map[string]json.RawMessage `json:"-"`
}
