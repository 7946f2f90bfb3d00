package record

import (
	"github.com/reweigh/reweigh/dataset"
)

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
