package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
)

// Evaluation is what off-policy estimation says of some logged responses, as
// JSON has it: examples/analyze prints it, and [EvaluationText] and
// [EvaluationHTML] show the same figures to people. An estimate that is refused
// has null for value, error and interval. So has every figure that could not be
// obtained, or that no number in JSON can hold.
type Evaluation struct {
	SchemaVersion int    `json:"schema_version"`
	Source        string `json:"source"` // what was read
	Logging       string `json:"logging"`
	Judge         string `json:"judge"`
	Rows          int    `json:"rows"`
	Prompts       int    `json:"prompts"`
	Labels        int    `json:"labels"`
	Seed          uint64 `json:"seed"`
	// Margin is the largest mean residual with which the transport audit passes.
	Margin float64 `json:"margin"`
	// Reference says how the cje_ estimators were calibrated; "" where none was
	// asked for.
	Reference string `json:"cje_mode"`
	// Notes are what to know before any figure: above all, log-probs that cannot
	// be right.
	Notes       []string                    `json:"notes"`
	Calibration Calibration                 `json:"calibration"`
	Policies    map[string]*EvaluatedPolicy `json:"policies"`
	Comparisons []EvaluatedComparison       `json:"comparisons"`
	Estimators  []string                    `json:"estimators"` // in the order in which they are listed
	Points      []pilot.CalibrationPoint    `json:"-"`          // of the labelled rows
	LogWeights  map[string][]float64        `json:"-"`          // by policy, of the logged rows
}

// Calibration is what the labels say of the judge on the logging policy.
type Calibration struct {
	Status       string        `json:"status"` // pass, hold or info; refused where too few labels calibrate nothing
	Reasons      []string      `json:"reasons"`
	Spearman     dataset.Float `json:"spearman"`
	MeanResidual dataset.Float `json:"mean_residual"`
	ResidualSE   dataset.Float `json:"residual_se"`
}

// EvaluatedPolicy is all that is said of one policy.
type EvaluatedPolicy struct {
	Role        string                        `json:"role"` // logging, clone or target
	Estimators  map[string]*EvaluatedEstimate `json:"estimators"`
	Answer      EvaluatedAnswer               `json:"answer"`
	Weights     EvaluatedWeights              `json:"weights"`
	Diagnostics map[string]dataset.Float      `json:"diagnostics"`
	Audit       EvaluatedAudit                `json:"audit"`
	Balance     *EvaluatedBalance             `json:"balance,omitempty"` // only where there are fresh draws
	Clone       *EvaluatedClone               `json:"clone,omitempty"`   // only of a clone
	Segments    []EvaluatedSegment            `json:"segments,omitempty"`
}

// EvaluatedEstimate is one estimator's answer.
type EvaluatedEstimate struct {
	Value   dataset.Float    `json:"value"`
	SE      dataset.Float    `json:"se"`
	CI      [2]dataset.Float `json:"ci"`     // 95%
	Status  string           `json:"status"` // ok or refused
	Reasons []string         `json:"reasons"`
	DF      dataset.Float    `json:"df"`     // null: the normal distribution
	Method  string           `json:"method"` // where the error comes from
	Claims  bool             `json:"claims_coverage"`
	Notes   []string         `json:"notes"`
	Rows    int              `json:"rows"`
	Labels  int              `json:"labels"`
	Draws   int              `json:"draws"`
	Probes  int              `json:"probes"`
}

// The statuses of an estimate.
const (
	StatusOK      = "ok"
	StatusRefused = "refused"
)

// EvaluatedAnswer is the referee's choice among a policy's estimates.
type EvaluatedAnswer struct {
	Estimator string           `json:"estimator"` // "" where every one is refused
	Reason    string           `json:"reason"`
	Value     dataset.Float    `json:"value"`
	CI        [2]dataset.Float `json:"ci"`
	Band      [2]dataset.Float `json:"band"` // holds for all policies together
	Advice    []string         `json:"advice"`
}

// EvaluatedWeights are the figures of a policy's weights.
type EvaluatedWeights struct {
	Rows       int           `json:"rows"`
	Missing    int           `json:"missing"` // rows without its log-prob
	ESS        dataset.Float `json:"ess"`
	MaxShare   dataset.Float `json:"max_share"`
	Mean       dataset.Float `json:"mean"`
	MeanSE     dataset.Float `json:"mean_se"`
	Divergence dataset.Float `json:"divergence"`  // nats
	LogEValue  dataset.Float `json:"log_e_value"` // natural logarithm, against E[w] <= 1
	Usable     bool          `json:"usable"`
	Refusals   []string      `json:"refusals"`
}

// EvaluatedAudit is the transport audit of a policy's probes.
type EvaluatedAudit struct {
	Status   string           `json:"status"` // PASS, FAIL, INCONCLUSIVE, NOT_GRADED, or NO_PROBES
	Probes   int              `json:"probes"`
	Residual dataset.Float    `json:"residual"`
	SE       dataset.Float    `json:"se"`
	CI       [2]dataset.Float `json:"ci"`
}

// EvaluatedBalance compares the judge's mean on reweighted logs with that on the
// policy's own responses.
type EvaluatedBalance struct {
	Reweighted dataset.Float `json:"reweighted"`
	Fresh      dataset.Float `json:"fresh"`
	Difference dataset.Float `json:"difference"`
	SE         dataset.Float `json:"se"`
}

// EvaluatedClone is what comparing the logging policy with itself showed.
type EvaluatedClone struct {
	Status  string   `json:"status"` // pass, hold or fail
	Reasons []string `json:"reasons"`
}

// EvaluatedSegment is a policy's value on a group of prompts.
type EvaluatedSegment struct {
	Kind     string             `json:"kind"`
	Name     string             `json:"name"`
	Prompts  int                `json:"prompts"`
	Estimate *EvaluatedEstimate `json:"estimate"`
}

// EvaluatedComparison is the paired difference of two policies.
type EvaluatedComparison struct {
	A          string           `json:"a"`
	B          string           `json:"b"`
	Estimators [2]string        `json:"estimators"`
	Difference dataset.Float    `json:"difference"` // A - B
	SE         dataset.Float    `json:"se"`
	CI         [2]dataset.Float `json:"ci"`
	P          dataset.Float    `json:"p"`
	Holm       dataset.Float    `json:"p_holm"`
	AA         bool             `json:"aa"` // of a clone and its original
}

// EvaluationJSON writes e as one JSON object. An estimate that is refused and yet
// carries a number is a programmer's mistake and an error.
func EvaluationJSON(w io.Writer, e *Evaluation) error {
	for _, name := range slices.Sorted(maps.Keys(e.Policies)) {
		for _, id := range slices.Sorted(maps.Keys(e.Policies[name].Estimators)) {
			x := e.Policies[name].Estimators[id]
			if x.Status != StatusOK && (x.Value.Valid() || x.SE.Valid() || x.CI[0].Valid() || x.CI[1].Valid()) {
				return fmt.Errorf("report: evaluation: %s of %s is %q and carries a number", id, name, x.Status)
			}
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("report: evaluation: %w", err)
	}
	return nil
}
