package pilot

import (
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// Stage is what one stage did and cost.
type Stage struct {
	Name    string  `json:"name"`
	Items   int     `json:"items"`             // records that the stage owes
	Failed  int     `json:"failed"`            // of those, the ones without a value
	Pending int     `json:"pending,omitempty"` // of those, the ones not made yet, where the stage did not come to its end
	Calls   int     `json:"calls"`             // HTTP attempts, retries and earlier starts of the run included
	CostUSD float64 `json:"cost_usd"`
	Seconds float64 `json:"seconds"` // wall time, over all starts of the run
	Retries int     `json:"retries"` // attempts beyond the first of a call
	Limited int     `json:"rate_limited"`
}

// Spending is what the attempts of one kind cost: those of one stage, policy,
// model and outcome.
type Spending struct {
	Stage            string  `json:"stage"`
	Policy           string  `json:"policy"`
	Model            string  `json:"model"`
	Outcome          string  `json:"outcome"` // "ok", an error class, or "in_flight" where a killed process left it
	Attempts         int     `json:"attempts"`
	PromptTokens     int     `json:"prompt_tokens"`
	CompletionTokens int     `json:"completion_tokens"`
	CostUSD          float64 `json:"cost_usd"`
	// UnseenUSD is the part of CostUSD that is a reservation, since nobody saw
	// what the attempt used.
	UnseenUSD float64 `json:"unseen_usd"`
}

// PolicySummary is one policy's part of the run.
type PolicySummary struct {
	Name      string      `json:"name"`
	Role      record.Role `json:"role"`
	Model     string      `json:"model"`
	Hash      string      `json:"policy_hash"`
	System    string      `json:"system,omitempty"` // its system prompt
	Sampling  *Sampling   `json:"sampling,omitempty"`
	Responses int         `json:"responses"`
	Truncated int         `json:"truncated"`
	// Judge is the mean judge score over Scored responses, with a 95%
	// t-interval over prompts; Calibrated the same for calibrated scores.
	Scored     int             `json:"scored"`
	Judge      record.Quantity `json:"judge"`
	Calibrated record.Quantity `json:"calibrated"`
	// LogProb and PerToken describe the logged responses' log-probs under this
	// policy, in nats.
	LogProb  record.Quantiles `json:"logprob"`
	PerToken record.Quantiles `json:"logprob_per_token"`
	Methods  []MethodCounts   `json:"methods"`
	// Forcing sums up the scoring of the logged responses under this policy; nil
	// where there was none.
	Forcing *ForcingSummary `json:"teacher_forcing,omitempty"`
	// Weights is nil for the logging policy itself.
	Weights *record.WeightSummary `json:"weights,omitempty"`
}

// Sampling is how a policy draws its tokens: see [offpolicy.Sampling].
type Sampling struct {
	Temperature dataset.Float `json:"temperature"`
	TopP        dataset.Float `json:"top_p"`
	TopK        int           `json:"top_k"`
	MaxTokens   int           `json:"max_tokens"`
}

// ForcingSummary is [teacherforce.PolicyStatistics] in a report.
type ForcingSummary struct {
	Attempts int            `json:"attempts"`
	Scored   int            `json:"scored"`
	Failures map[string]int `json:"failures"` // by error class
	Flags    map[string]int `json:"flags"`
	// KLPerToken estimates KL(P0 ‖ policy) per token of P0's responses, in nats,
	// with its standard error.
	KLPerToken dataset.Float `json:"kl_per_token"`
	KLSE       dataset.Float `json:"kl_per_token_se"`
	// RowsPerEffective is how many logged rows one effective row takes by that.
	RowsPerEffective dataset.Float `json:"rows_per_effective"`
	// Repeatability is how far two scorings of one response lie apart, nats per token:
	// root mean square and largest, over RepeatabilityN responses scored twice.
	RepeatabilityN   int           `json:"noise_n"`
	RepeatabilityRMS dataset.Float `json:"noise_rms"`
	RepeatabilityMax dataset.Float `json:"noise_max"`
}

// MethodCounts is how often a teacher-forcing method answered, and why not.
type MethodCounts struct {
	Method   string         `json:"method"`
	Answered int            `json:"answered"`
	Used     int            `json:"used"`
	Reasons  map[string]int `json:"reasons"` // failures by reason
}

// Specimen is one record worth a person's look.
type Specimen struct {
	Key      string `json:"key"`
	Why      string `json:"why"`
	Prompt   string `json:"prompt"`
	Response string `json:"response"`
}

// RunInfo says what was run.
type RunInfo struct {
	Started  time.Time     `json:"started"`
	Updated  time.Time     `json:"updated"`
	Prompts  int           `json:"prompts"`
	Input    string        `json:"input"`
	InputSHA string        `json:"input_sha256"`
	Seed     uint64        `json:"seed"`
	Live     bool          `json:"live"`
	Budget   dataset.Float `json:"budget_usd"` // null where none was set
	Spent    float64       `json:"spent_usd"`
	Seconds  float64       `json:"seconds"` // wall time over all starts; stages overlap, so that theirs sum to more
	Prices   string        `json:"prices_date"`
	// Rates are the prices of the models that the run's money went to.
	Rates    map[string]providers.Price `json:"rates"`
	Judge    string                     `json:"judge"`         // identity, name and hash
	Oracle   string                     `json:"oracle"`        // identity
	Served   map[string]string          `json:"served_models"` // asked for -> answered
	Versions map[string]string          `json:"versions"`
	Note     string                     `json:"note,omitempty"`
	Shard    *Shard                     `json:"shard,omitempty"` // the part of the run that this is; nil: all of it
}

// NextStep is what a reader should do now.
type NextStep struct {
	Do string `json:"do"`
	// Changes are the settings that Do speaks of.
	Changes []record.Change `json:"changes,omitempty"`
	Command string          `json:"command"` // empty if the run was not told by which it was started
}

// State says how far a run is.
type State string

// The states.
const (
	Running     State = "running"
	Interrupted State = "interrupted" // the next start goes on
	Done        State = "done"
)

// Verdict is report.json: the decision and everything it rests on. It is
// rewritten as the run goes, with State "running", and then is never older than a minute
// or a tenth of the time that the start has taken, whichever is more.
type Verdict struct {
	SchemaVersion int                 `json:"schema_version"`
	State         State               `json:"state"`
	Decision      record.Decision     `json:"decision"`
	Reasons       []string            `json:"reasons"` // one line per check that decided
	Next          NextStep            `json:"next"`
	Waivers       map[string]string   `json:"waivers"`
	Checks        []record.Finding    `json:"checks"`
	Stages        []Stage             `json:"stages"`
	Cost          record.CostEstimate `json:"estimate"`
	Spending      []Spending          `json:"spending"`
	// Evaluation is what the sample says of the policies' values: answered, or refused
	// with the reasons. It does not weigh on the decision, which is about the pipeline.
	Evaluation *offpolicy.Document `json:"evaluation"`
	// Truth is what the policies are known to score, if the caller states it.
	Truth       *record.Truth                `json:"truth,omitempty"`
	Projection  record.Projection            `json:"projection"`
	Policies    []PolicySummary              `json:"policies"`
	Calibration []offpolicy.CalibrationPoint `json:"calibration"`
	Specimens   []Specimen                   `json:"specimens"`
	// what this sample leaves open, with the n that would tell
	CannotSay []string `json:"cannot_say"`
	Warnings  []string `json:"warnings"` // what preflight warned of
	Run       RunInfo  `json:"run"`
}

// Spell says the changes that the verdict names in a program's own words, as
// [Config].Words does: a merged verdict has none.
func (v *Verdict) Spell(words func(record.Change) string) {
	for i := range v.Checks {
		v.Checks[i].Changes = spell(words, v.Checks[i].Changes)
	}
	v.Next.Changes = spell(words, v.Next.Changes)
}
