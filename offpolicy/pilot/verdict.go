package pilot

import (
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// Decision is the answer to "may the full run start?".
type Decision string

// The decisions, in order of severity.
const (
	GO   Decision = "GO"
	HOLD Decision = "HOLD"
	NoGo Decision = "NO-GO"
)

// Status is how one check came out.
type Status string

// The statuses. Only Hold and Fail weigh on the decision; Info is a figure that
// gates nothing.
const (
	Pass Status = "pass"
	Hold Status = "hold"
	Fail Status = "fail"
	Info Status = "info"
)

// Evidence is what a check rests on. A reader can recompute the figures from
// the named records.
type Evidence struct {
	Figures []Figure `json:"figures"`
	// Records are keys (prompt_id/policy/draw) of the records that made the
	// check leave pass, at most [MaxEvidenceRecords] of them; MoreRecords
	// counts the rest.
	Records     []string `json:"records"`
	MoreRecords int      `json:"more_records,omitempty"`
}

// Figure is one named number of the evidence, with its unit if it has one.
type Figure struct {
	Name  string        `json:"name"`
	Value dataset.Float `json:"value"`
	Unit  string        `json:"unit,omitempty"` // "USD", "nats", "tokens", "s", "share"
	Note  string        `json:"note,omitempty"`
}

// Check is one question put to the run's records, and its answer. IDs are a
// contract: see the package comment.
type Check struct {
	ID        string   `json:"id"`
	Status    Status   `json:"status"`
	Summary   string   `json:"summary"`
	Evidence  Evidence `json:"evidence"`
	Threshold string   `json:"threshold"`
	Remedy    string   `json:"remedy"` // empty where the check passed
	Waived    string   `json:"waived"` // the reason it was waived for; empty where it was not
}

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

// StageEstimate is what preflight expected of a stage.
type StageEstimate struct {
	Name             string  `json:"name"`
	Calls            int     `json:"calls"`
	PromptTokens     float64 `json:"prompt_tokens"`
	CompletionTokens float64 `json:"completion_tokens"`
	ExpectedUSD      float64 `json:"expected_usd"`
	WorstUSD         float64 `json:"worst_usd"` // every response as long as max_tokens allows
	// ExpectedSeconds is what the stage's calls take of a live service, were they
	// alone; null where that is not known.
	ExpectedSeconds dataset.Float `json:"expected_seconds"`
	PlanCalls       int           `json:"plan_calls"` // the plan's own figures, scaled to this n, to compare with
	PlanUSD         float64       `json:"plan_usd"`
	PlanTime        string        `json:"plan_time,omitempty"` // "2-3 min"
	// ActualUSD is what the ledger says of the stage; null before it ran.
	ActualUSD dataset.Float `json:"actual_usd"`
}

// Estimate is the pre-run estimate, with what the run really cost beside it.
type Estimate struct {
	Calls       int           `json:"calls"`
	ExpectedUSD float64       `json:"expected_usd"`
	WorstUSD    float64       `json:"worst_usd"`
	ActualUSD   dataset.Float `json:"actual_usd"`
	// ExpectedSeconds is the wall time of live services; stages overlap.
	ExpectedSeconds dataset.Float   `json:"expected_seconds"`
	Stages          []StageEstimate `json:"stages"`
	Assumptions     []string        `json:"assumptions"` // what the figures take for granted, in words
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

// Interval is a value with its interval, of 95% where nothing else is said; Lo
// and Hi are null where none can be given.
type Interval struct {
	Value dataset.Float `json:"value"`
	Lo    dataset.Float `json:"lo"`
	Hi    dataset.Float `json:"hi"`
}

// Projection is what the sample says of the full run. Its intervals are of
// what that run will give, at Level.
type Projection struct {
	Prompts int      `json:"prompts"`
	Level   float64  `json:"level"`
	Calls   Interval `json:"calls"`
	USD     Interval `json:"usd"`
	// BatchUSD is USD with labels and scores bought in batches; null where their
	// models have no price.
	BatchUSD Interval `json:"batch_usd"`
	Tokens   Interval `json:"tokens"`
	Seconds  Interval `json:"seconds"` // at the throughput of this run
	// Failed counts prompts that lack a record. Its interval is that of
	// Clopper and Pearson.
	Failed Interval `json:"failed_prompts"`
	// HalfWidth is the expected half-width of a 95% interval for P0's mean
	// oracle label at Prompts prompts and this label fraction.
	HalfWidth dataset.Float      `json:"p0_half_width"`
	Policies  []PolicyProjection `json:"policies"` // the targets
	Notes     []string           `json:"notes"`
	// FurtherUSD is what of USD is still to be spent, and FurtherBatchUSD of
	// BatchUSD.
	FurtherUSD      dataset.Float `json:"further_usd"`
	FurtherBatchUSD dataset.Float `json:"further_batch_usd"`
	// Resolution is the half-width of a 95% interval at which a policy's value
	// counts as answered. Answer says in words whether the full run would
	// answer, and whether a cheaper one would; Questions say it by policy, P0
	// first.
	Resolution dataset.Float `json:"resolution"`
	Answer     string        `json:"answer"`
	Questions  []Question    `json:"questions"`
	// Cheapest is the cheapest run found that answers for P0 and every target;
	// nil where none of up to Prompts prompts is known to.
	Cheapest *Design `json:"cheapest,omitempty"`
	// Answered says that the sample gives P0 and every target to within the
	// resolution already.
	Answered bool   `json:"answered,omitempty"`
	Command  string `json:"command"` // the full run's
}

// Question is one policy's value in the full run.
type Question struct {
	Policy string `json:"policy"`
	// FullRun is "yes", as far as a sample can tell; "at best", where a bound
	// from below is narrow enough, which promises nothing; or "no".
	FullRun string `json:"full_run"`
	// By is the estimator, and HalfWidth the width that it is expected to give;
	// by weights it is the least that it can be. Null where weights are refused.
	By        string        `json:"by"`
	HalfWidth dataset.Float `json:"half_width"`
	Reason    string        `json:"reason"`
	// Difference is that of the judge's scores, the policy's minus P0's, prompt
	// by prompt, in the sample.
	Difference Interval `json:"judge_difference"`
	// Cheapest is the cheapest run found that answers for this policy, with
	// labels for it alone.
	Cheapest *Design `json:"cheapest,omitempty"`
}

// Design is a run that extends the sample. Its dollars are those still to be
// spent; null where something has no price.
type Design struct {
	By        string        `json:"by"`      // the estimator
	Prompts   int           `json:"prompts"` // in all
	Labels    int           `json:"labels"`  // of a target's own responses, in all
	HalfWidth dataset.Float `json:"half_width"`
	USD       dataset.Float `json:"usd"`
	BatchUSD  dataset.Float `json:"batch_usd"` // with labels and scores in batches
	Command   string        `json:"command"`   // empty where it is of one policy alone
}

// PolicyProjection bounds what weights can say of a target in the full run.
type PolicyProjection struct {
	Name             string        `json:"name"`
	ESSAtMost        dataset.Float `json:"ess_at_most"`         // ESS/n · Prompts
	HalfWidthAtLeast dataset.Float `json:"half_width_at_least"` // of a 95% interval by ips on the judge's scores
}

// Quantiles describes a distribution: 5, 25, 50, 75 and 95%.
type Quantiles struct {
	Q05 dataset.Float `json:"q05"`
	Q25 dataset.Float `json:"q25"`
	Q50 dataset.Float `json:"q50"`
	Q75 dataset.Float `json:"q75"`
	Q95 dataset.Float `json:"q95"`
}

// PolicySummary is one policy's part of the run.
type PolicySummary struct {
	Name      string `json:"name"`
	Role      Role   `json:"role"`
	Model     string `json:"model"`
	Hash      string `json:"policy_hash"`
	Responses int    `json:"responses"`
	Truncated int    `json:"truncated"`
	// Judge is the mean judge score over Scored responses, with a 95%
	// t-interval over prompts; Calibrated the same for calibrated scores.
	Scored     int      `json:"scored"`
	Judge      Interval `json:"judge"`
	Calibrated Interval `json:"calibrated"`
	// LogProb and PerToken describe the logged responses' log-probs under this
	// policy, in nats.
	LogProb  Quantiles      `json:"logprob"`
	PerToken Quantiles      `json:"logprob_per_token"`
	Methods  []MethodCounts `json:"methods"`
	// Forcing sums up the scoring of the logged responses under this policy; nil
	// where there was none.
	Forcing *ForcingSummary `json:"teacher_forcing,omitempty"`
	// Weights is nil for the logging policy itself.
	Weights *WeightSummary `json:"weights,omitempty"`
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
	// Noise is how far two scorings of one response lie apart, nats per token:
	// root mean square and largest, over NoiseN responses scored twice.
	NoiseN   int           `json:"noise_n"`
	NoiseRMS dataset.Float `json:"noise_rms"`
	NoiseMax dataset.Float `json:"noise_max"`
}

// MethodCounts is how often a teacher-forcing method answered, and why not.
type MethodCounts struct {
	Method   string         `json:"method"`
	Answered int            `json:"answered"`
	Used     int            `json:"used"`
	Reasons  map[string]int `json:"reasons"` // failures by reason
}

// WeightSummary describes a target's importance weights on the logged rows.
type WeightSummary struct {
	N          int           `json:"n"`
	Mean       dataset.Float `json:"mean"`        // of raw weights; 1 in expectation where the logs cover the target
	ESS        dataset.Float `json:"ess"`         // (Σw)²/Σw²
	MaxShare   dataset.Float `json:"max_share"`   // the largest weight's share of Σw
	Divergence dataset.Float `json:"divergence"`  // -mean log w, an estimate of KL(P0 ‖ target) in nats
	LogWeight  Quantiles     `json:"log_weight"`  // log w, nats
	LogWeights []float64     `json:"log_weights"` // sorted, for the plot
	Usable     bool          `json:"usable"`
	Reasons    []string      `json:"reasons"` // why not
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
}

// NextStep is what a reader should do now.
type NextStep struct {
	Do      string `json:"do"`
	Command string `json:"command"` // empty where the run was not told by which it was started
}

// Verdict is report.json: the decision and everything it rests on. It is
// rewritten as the run goes, with State "running".
type Verdict struct {
	SchemaVersion int               `json:"schema_version"`
	State         string            `json:"state"` // "running", "done", "interrupted"
	Decision      Decision          `json:"decision"`
	Reasons       []string          `json:"reasons"` // one line per check that decided
	Next          NextStep          `json:"next"`
	Waivers       map[string]string `json:"waivers"`
	Checks        []Check           `json:"checks"`
	Stages        []Stage           `json:"stages"`
	Estimate      Estimate          `json:"estimate"`
	Spending      []Spending        `json:"spending"`
	// Evaluation is what the sample says of the policies' values: answered, or refused
	// with the reasons. It does not weigh on the decision, which is about the pipeline.
	Evaluation  *offpolicy.Document          `json:"evaluation"`
	Projection  Projection                   `json:"projection"`
	Policies    []PolicySummary              `json:"policies"`
	Calibration []offpolicy.CalibrationPoint `json:"calibration"`
	Specimens   []Specimen                   `json:"specimens"`
	CannotSay   []string                     `json:"cannot_say"` // what this sample leaves open, with the n that would tell
	Warnings    []string                     `json:"warnings"`   // what preflight warned of
	Run         RunInfo                      `json:"run"`
}
