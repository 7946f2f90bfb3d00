package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
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
	Noise        dataset.Float              `json:"noise,omitzero"`
	Policies     []manifestPolicy           `json:"policies"`
	Input        string                     `json:"input"`
	InputSHA     string                     `json:"input_sha256"`
	InputNotes   []string                   `json:"input_notes"`
	PricesDate   string                     `json:"prices_date"`
	Served       map[string]string          `json:"served_models"`
	Certificates []teacherforce.Certificate `json:"certificates"`
	Versions     map[string]string          `json:"versions"`
	Shard        *manifestShard             `json:"shard,omitempty"`
}

// manifestShard says which part of which run the folder holds.
type manifestShard struct {
	record.Shard
	Plan     string          `json:"plan"` // hash of the whole run's prompts and labeling design
	Labels   oracle.Design   `json:"labels"`
	Open     []string        `json:"open"`   // stages that have not come to their end
	Failed   int             `json:"failed"` // records without a value, which another start would make
	Spent    dataset.Float   `json:"spent_usd"`
	Shares   []float64       `json:"shares"` // of the budget, by shard, as all shards divide it
	Settings json.RawMessage `json:"settings"`
}

// ended reports whether no later start of the shard spends anything.
func (s *manifestShard) ended() bool { return len(s.Open) == 0 && s.Failed == 0 }

// readShard reads the manifest of a shard's folder, and refuses what no shard writes.
func readShard(in *folder.Folder) (manifest, error) {
	m, err := readManifest(in)
	if err != nil {
		return m, err
	}
	if m.Shard == nil || m.Shard.Whole() {
		return m, fmt.Errorf("%s is not the folder of a shard", in.Path())
	}
	s := m.Shard
	if err := s.Validate(); err != nil {
		return m, fmt.Errorf("%s: %w", in.Path(), err)
	}
	if err := s.Labels.Validate(); err != nil {
		return m, fmt.Errorf("%s: %w", in.Path(), err)
	}
	if err := s.validShares(); err != nil {
		return m, fmt.Errorf("%s: %w", in.Path(), err)
	}
	for _, name := range s.Open {
		if !slices.Contains(record.Stages(), name) {
			return m, fmt.Errorf("%s: its manifest names a stage that there is not: %q", in.Path(), name)
		}
	}
	return m, nil
}

// validShares refuses shares that are no division of a budget.
func (s *manifestShard) validShares() error {
	if s.Shares == nil {
		return nil
	}
	sum := 0.0
	for _, share := range s.Shares {
		if !(share >= 0) {
			return fmt.Errorf("a share %v of the budget: want no less than 0", share)
		}
		sum += share
	}
	if len(s.Shares) != s.Of || math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("%d shares of the budget that add up to %v: want %d that add up to 1", len(s.Shares), sum, s.Of)
	}
	return nil
}

// arms are the policies of the run, as it was configured with them.
func (m *manifest) arms() record.Arms {
	out := make(record.Arms, len(m.Policies))
	for i, p := range m.Policies {
		out[i] = record.Arm{Role: p.Role, ExpectedTokens: p.ExpectedTokens, ExpectedRank: p.ExpectedRank,
			Policy: offpolicy.Policy{Name: p.Name, Model: p.Model, System: p.System, Template: p.Template,
				Sampling: offpolicy.Sampling{Temperature: p.Temperature, TopP: p.TopP, TopK: p.TopK, MaxTokens: p.MaxTokens}}}
	}
	return out
}

// validate refuses what no run writes.
func (m *manifest) validate() error {
	for _, field := range []struct {
		name string
		v    float64
	}{
		{"prompts", float64(m.Prompts)}, {"transport_margin", m.TransportMargin}, {"anytime", float64(m.Anytime)},
		{"noise", m.Noise.OrNaN()},
	} {
		if field.v < 0 {
			return fmt.Errorf("%s %v: want no less than 0", field.name, field.v)
		}
	}
	arms := m.arms()
	if err := arms.Validate(); err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	for i, a := range arms {
		if got, want := m.Policies[i].PolicyHash, a.Policy.Hash(); got != want {
			return fmt.Errorf("policies: %s has the hash %s, and its settings have %s", a.Policy.Name, got, want)
		}
	}
	if m.Shard != nil && m.Shard.Failed < 0 {
		return fmt.Errorf("shard: failed %d: want no less than 0", m.Shard.Failed)
	}
	return nil
}

// planHash tells runs of other prompts or labels apart.
func planHash(prompts []dataset.Prompt, labels oracle.Design) string {
	h := sha256.New()
	fmt.Fprintln(h, designText(labels))
	for _, p := range prompts {
		fmt.Fprintf(h, "%q %q\n", p.ID, p.Text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
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
