package engine

import (
	"encoding/json"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// manifest is manifest.json.
type manifest struct {
	SchemaVersion int             `json:"schema_version"`
	Configuration json.RawMessage `json:"configuration"`
	Oracle        string          `json:"oracle"` // whose labels oracle.jsonl has
	Seed          uint64          `json:"seed"`
	Prompts       int             `json:"prompts"`
	// TransportMargin is what the transport audit was graded with.
	TransportMargin float64 `json:"transport_margin"`
	// Anytime is how many prompts the intervals for any time are narrowest at.
	Anytime int `json:"anytime,omitempty"`
	// Noise is that of a token's log-prob as it was stated.
	Noise        float64                    `json:"noise,omitempty"`
	Policies     []manifestPolicy           `json:"policies"`
	Input        string                     `json:"input"`
	InputSHA     string                     `json:"input_sha256"`
	InputNotes   []string                   `json:"input_notes"`
	PricesDate   string                     `json:"prices_date"`
	Served       map[string]string          `json:"served_models"`
	Certificates []teacherforce.Certificate `json:"certificates"`
	Versions     map[string]string          `json:"versions"`
}

type manifestPolicy struct {
	Name           string      `json:"name"`
	Role           record.Role `json:"role"`
	PolicyHash     string      `json:"policy_hash"`
	Model          string      `json:"model"`
	System         string      `json:"system"`
	Template       string      `json:"template"`
	Temperature    float64     `json:"temperature"`
	TopP           float64     `json:"top_p"`
	TopK           int         `json:"top_k"`
	MaxTokens      int         `json:"max_tokens"`
	ExpectedTokens float64     `json:"expected_tokens"`
	ExpectedRank   int         `json:"expected_rank"`
}

func manifestPolicies(arms record.Arms) []manifestPolicy {
	out := make([]manifestPolicy, len(arms))
	for i, a := range arms {
		p, s := a.Policy, a.Policy.Sampling
		out[i] = manifestPolicy{
			Name: p.Name, Role: a.Role, PolicyHash: p.Hash(), Model: p.Model, System: p.System, Template: p.Template,
			Temperature: s.Temperature, TopP: s.TopP, TopK: s.TopK, MaxTokens: s.MaxTokens,
			ExpectedTokens: a.ExpectedTokens, ExpectedRank: a.ExpectedRank,
		}
	}
	return out
}
