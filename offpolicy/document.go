package offpolicy

import (
	"maps"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// Document is a [Result] in JSON, the only form of it: report.json holds one, and
// programs print it. An estimate that is refused has null for value, error and
// interval, and so has every figure that could not be obtained or that JSON cannot
// hold.
type Document struct {
	SchemaVersion int    `json:"schema_version"`
	Source        string `json:"source"` // what was read; the caller's to say
	Logging       string `json:"logging"`
	Judge         string `json:"judge"`
	Rows          int    `json:"rows"`
	Prompts       int    `json:"prompts"`
	Labels        int    `json:"labels"`
	Seed          uint64 `json:"seed"`
	// Margin is the largest mean residual with which the transport audit passes.
	Margin float64 `json:"margin"`
	// Anytime is how many prompts the intervals that may be looked at at any time are
	// narrowest at; 0 if there are none of them.
	Anytime int `json:"anytime,omitempty"`
	// Reference says how estimates of a reference implementation were calibrated, if
	// the caller added any.
	Reference string `json:"cje_mode,omitempty"`
	Answered  int    `json:"answered"` // policies with an answer
	Refused   int    `json:"refused"`
	// Error says why nothing was evaluated.
	Error string `json:"error,omitempty"`
	// LogProbs says what each policy's log-probs are of.
	LogProbs map[string]dataset.Scored `json:"log_probs"`
	// Notes are what to know before any figure: above all, log-probs that cannot be
	// right, or of which nobody says what they are.
	Notes       []string                   `json:"notes"`
	Calibration CalibrationDocument        `json:"calibration"`
	Policies    map[string]*PolicyDocument `json:"policies"`
	Comparisons []ComparisonDocument       `json:"comparisons"`
	Estimators  []string                   `json:"estimators"` // in the order in which they are listed

	Points     []CalibrationPoint   `json:"-"` // of the labeled rows, for a chart
	LogWeights map[string][]float64 `json:"-"` // by policy, of the logged rows, for a chart
}

// DocumentVersion is the schema_version of a [Document].
const DocumentVersion = 2

// CalibrationDocument is what the labels say of the judge on the logging policy.
type CalibrationDocument struct {
	Status       string        `json:"status"` // pass, hold or info; refused if too few labels calibrate nothing
	Reasons      []string      `json:"reasons"`
	Spearman     dataset.Float `json:"spearman"`
	MeanResidual dataset.Float `json:"mean_residual"`
	ResidualSE   dataset.Float `json:"residual_se"`
}

// PolicyDocument is all that is said of one policy.
type PolicyDocument struct {
	Role        string                       `json:"role"` // logging, clone or target
	Estimators  map[string]*EstimateDocument `json:"estimators"`
	Answer      AnswerDocument               `json:"answer"`
	Weights     WeightsDocument              `json:"weights"`
	Diagnostics map[string]dataset.Float     `json:"diagnostics"`
	Audit       AuditDocument                `json:"audit"`
	Balance     *BalanceDocument             `json:"balance,omitempty"` // only with draws of its own
	Clone       *CloneDocument               `json:"clone,omitempty"`   // only of a clone
	Segments    []SegmentDocument            `json:"segments,omitempty"`
	Gaps        []GapDocument                `json:"gaps,omitempty"` // what part of the data lack
}

// GapDocument says what part of the data lack, and whether what lacks it differs from
// the rest.
type GapDocument struct {
	Kind    string            `json:"kind"` // log_probs, scores, labels, probes or draws
	Missing int               `json:"missing"`
	Total   int               `json:"total"`
	Tests   []GapTestDocument `json:"tests"`
	Pattern string            `json:"pattern,omitempty"` // what differs most, if anything does
}

// GapTestDocument is one test of a gap.
type GapTestDocument struct {
	By      string        `json:"by"`
	Z       dataset.Float `json:"z"`       // a standard normal if what is missing is missing at random
	Detects dataset.Float `json:"detects"` // difference of means, in standard deviations, found in 80% of runs
}

// EstimateDocument is one estimator's answer.
type EstimateDocument struct {
	Value   dataset.Float    `json:"value"`
	SE      dataset.Float    `json:"se"`
	CI      [2]dataset.Float `json:"ci"`     // 95%
	Status  string           `json:"status"` // ok or refused
	Reasons []string         `json:"reasons"`
	// Anytime may be looked at at any time, CI once; only of an evaluation that has them.
	Anytime *[2]dataset.Float `json:"anytime,omitempty"`
	DF      dataset.Float     `json:"df"`     // null: the normal distribution
	Method  string            `json:"method"` // where the error comes from
	Claims  bool              `json:"claims_coverage"`
	Notes   []string          `json:"notes"`
	Rows    int               `json:"rows"`
	Labels  int               `json:"labels"`
	Draws   int               `json:"draws"`
	Probes  int               `json:"probes"`
	// Modelled are those of the rows whose weight was missing and is modelled.
	Modelled int `json:"modelled"`
	// Worst bounds the value of an estimate that is refused for what is missing,
	// whatever that is like.
	Worst [2]dataset.Float `json:"worst_case"`
}

// The statuses of an [EstimateDocument].
const (
	StatusOK      = "ok"
	StatusRefused = "refused"
)

// AnswerDocument is the referee's choice among a policy's estimates.
type AnswerDocument struct {
	Estimator string            `json:"estimator"` // "" if every one is refused
	Reason    string            `json:"reason"`
	Value     dataset.Float     `json:"value"`
	SE        dataset.Float     `json:"se"`
	CI        [2]dataset.Float  `json:"ci"`
	Anytime   *[2]dataset.Float `json:"anytime,omitempty"` // may be looked at at any time
	Band      [2]dataset.Float  `json:"band"`              // holds for all policies together
	Advice    []string          `json:"advice"`
	Labels    *LabelAdvice      `json:"label_next,omitempty"` // the labels to buy, if labels would help
}

// WeightsDocument are the figures of a policy's weights.
type WeightsDocument struct {
	Rows       int           `json:"rows"`
	Missing    int           `json:"missing"`  // rows without its log-prob
	Modelled   int           `json:"modelled"` // of the rows, those whose weight was missing and is modelled
	Prompts    int           `json:"prompts"`
	PromptESS  dataset.Float `json:"prompt_ess"`
	ESS        dataset.Float `json:"ess"`
	MaxShare   dataset.Float `json:"max_share"`
	Mean       dataset.Float `json:"mean"`
	MeanSE     dataset.Float `json:"mean_se"`
	Divergence dataset.Float `json:"divergence"` // nats
	// Zero counts the rows of weight 0; Open is the part of the weight that intervals leave open.
	Zero      int           `json:"zero,omitempty"`
	Open      dataset.Float `json:"open,omitzero"`
	LogEValue dataset.Float `json:"log_e_value"` // natural logarithm, against E[w] <= 1
	Usable    bool          `json:"usable"`
	Refusals  []string      `json:"refusals"`
	// Loggers are the parts of several loggers, absent of one.
	Loggers []LoggerDocument `json:"loggers,omitempty"`
}

// LoggerDocument is one logger's part in a policy's weights.
type LoggerDocument struct {
	Logger string        `json:"logger"`
	Rows   int           `json:"rows"`
	Share  dataset.Float `json:"share"` // of the sum of the weights
	ESS    dataset.Float `json:"ess"`
}

// AuditDocument is the transport audit of a policy's probes.
type AuditDocument struct {
	Status   string           `json:"status"` // PASS, FAIL, INCONCLUSIVE, NOT_GRADED, or NO_PROBES
	Probes   int              `json:"probes"`
	Residual dataset.Float    `json:"residual"`
	SE       dataset.Float    `json:"se"`
	CI       [2]dataset.Float `json:"ci"`
}

// BalanceDocument compares the judge's mean on reweighted logs with that on the
// policy's own responses.
type BalanceDocument struct {
	Reweighted dataset.Float `json:"reweighted"`
	Fresh      dataset.Float `json:"fresh"`
	Difference dataset.Float `json:"difference"`
	SE         dataset.Float `json:"se"`
}

// CloneDocument is what comparing the logging policy with itself showed.
type CloneDocument struct {
	Status  string   `json:"status"` // pass, hold or fail
	Reasons []string `json:"reasons"`
}

// SegmentDocument is a policy's value on a group of prompts.
type SegmentDocument struct {
	Kind     string            `json:"kind"`
	Name     string            `json:"name"`
	Prompts  int               `json:"prompts"`
	Estimate *EstimateDocument `json:"estimate"`
}

// ComparisonDocument is the paired difference of two policies.
type ComparisonDocument struct {
	A          string           `json:"a"`
	B          string           `json:"b"`
	Estimators [2]string        `json:"estimators"`
	Difference dataset.Float    `json:"difference"` // A - B
	SE         dataset.Float    `json:"se"`
	CI         [2]dataset.Float `json:"ci"`
	Band       [2]dataset.Float `json:"band"` // holds for all differences together
	// Anytime, AnytimeP and AnytimeHolm may be looked at at any time, the others once.
	Anytime     *[2]dataset.Float `json:"anytime,omitempty"`
	AnytimeP    dataset.Float     `json:"anytime_p,omitzero"`
	AnytimeHolm dataset.Float     `json:"anytime_p_holm,omitzero"`
	P           dataset.Float     `json:"p"`
	Holm        dataset.Float     `json:"p_holm"`
	AA          bool              `json:"aa"`       // of a clone and its original
	Prompts     int               `json:"prompts"`  // that both sides rest on
	LeftOut     int               `json:"left_out"` // that one side alone rests on
	Modelled    int               `json:"modelled"` // weights, on either side
	Reasons     []string          `json:"reasons"`  // why there is no number
	Notes       []string          `json:"notes"`
}

// CalibrationPoint is one labeled response: judge score, its calibrated value
// out of fold, and the label.
type CalibrationPoint struct {
	Judge      dataset.Float `json:"judge"`
	Calibrated dataset.Float `json:"calibrated"`
	Label      dataset.Float `json:"label"`
}

// PolicyNames are the names in order: the logging policy, then the others.
func (d *Document) PolicyNames() []string {
	names := slices.Sorted(maps.Keys(d.Policies))
	if i := slices.Index(names, d.Logging); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, d.Logging)
	}
	return names
}
