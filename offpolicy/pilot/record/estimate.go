package record

import (
	"github.com/reweigh/reweigh/dataset"
)

// StageCost is what preflight expected of a stage.
type StageCost struct {
	Name             string  `json:"name"`
	Calls            int     `json:"calls"`
	PromptTokens     float64 `json:"prompt_tokens"`
	CompletionTokens float64 `json:"completion_tokens"`
	ExpectedUSD      float64 `json:"expected_usd"`
	WorstUSD         float64 `json:"worst_usd"` // every response as long as max_tokens allows
	// ExpectedSeconds is what the stage's calls take of a live service, were they
	// alone; null where that is not known.
	ExpectedSeconds dataset.Float `json:"expected_seconds"`
	// ReferenceCalls, ReferenceUSD and ReferenceTime ("2-3 min") are what the run's
	// reference says of the stage, scaled to this number of prompts.
	ReferenceCalls int     `json:"reference_calls,omitempty"`
	ReferenceUSD   float64 `json:"reference_usd,omitempty"`
	ReferenceTime  string  `json:"reference_time,omitempty"`
	// ActualUSD is what the ledger says of the stage; null before it ran.
	ActualUSD dataset.Float `json:"actual_usd"`
}

// CostEstimate is the pre-run estimate, with what the run really cost beside it.
type CostEstimate struct {
	Calls       int           `json:"calls"`
	ExpectedUSD float64       `json:"expected_usd"`
	WorstUSD    float64       `json:"worst_usd"`
	ActualUSD   dataset.Float `json:"actual_usd"`
	// ExpectedSeconds is the wall time of live services; stages overlap.
	ExpectedSeconds dataset.Float `json:"expected_seconds"`
	// Reference names whose figures stand beside these; empty if nobody's do.
	Reference   string      `json:"reference,omitempty"`
	Stages      []StageCost `json:"stages"`
	Assumptions []string    `json:"assumptions"` // what the figures take for granted, in words
}

// Reference is what somebody expected of the same work, by call and not by token
// perhaps. A report shows it beside the estimate under its name, and nothing else
// comes of it.
type Reference struct {
	Name    string
	Prompts int // of the run that the figures are for; they are scaled to this one
	Stages  map[string]ReferenceStage
}

// ReferenceStage is what a [Reference] says of one stage.
type ReferenceStage struct {
	Calls                  int
	USD                    float64
	FromMinutes, ToMinutes float64
}
