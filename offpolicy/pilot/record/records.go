package record

import (
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// Records is everything a verdict is computed from. Nothing else enters it: the
// same records give the same checks, whether they come from a run that has
// just ended or from its folder.
type Records struct {
	Arms         Arms
	Prompts      Rows[dataset.Prompt] // by the id alone
	Responses    Rows[Response]
	LogProbs     Rows[dataset.LogProb] // of P0's responses, under every policy
	Labels       Rows[dataset.OracleLabel]
	Scores       Rows[dataset.JudgeScore]
	Canaries     Rows[dataset.Canary]
	Certificates []teacherforce.Certificate
	Ledger       Attempts
	Cost         CostEstimate
	// Design is what the oracle was to label, in the order of the keys, a duplicate after its
	// original.
	Design []oracle.Assignment
	// LabelsReplaced are those that could not be labeled and gave way to others.
	LabelsReplaced []dataset.Key
	Duplicates     Rows[dataset.OracleLabel] // second labels
	// CanariesOwed are the responses that carry a canary.
	CanariesOwed []dataset.Key
	// Calibrator is nil if none could be fitted; CalibratorError says why.
	Calibrator      *offpolicy.Calibrator
	CalibratorError string
	// Evaluation is nil if the records could not be evaluated;
	// EvaluationError says why.
	Evaluation      *offpolicy.Result
	EvaluationError string
	// FileProblems lists what reading the output files back found wrong.
	FileProblems []string
	Input        Input
	Shard        Shard // the part of a run that these are
	// Full is the size of the run to project to, and FullBudget what that may
	// cost, 0 if nobody says.
	Full       int
	FullBudget providers.USD
	// Noise is the standard deviation of a token's log-prob from one scoring to the
	// next, nats, as it was stated; missing if the clones are to show it.
	Noise dataset.Float
	// Anytime is how many prompts the intervals for any time are narrowest at, 0 for none.
	Anytime int
	// Resolution is the half-width at which a policy's value counts as answered.
	Resolution float64
	// Assurance is the share of larger runs that are to reach it, 0 for about half.
	Assurance float64
	// StageSeconds is the wall time by stage, over all starts. Stages overlap: that
	// of all together, but for certification before them, stands under "run".
	StageSeconds map[string]float64
	// Judge and Oracle are the identities of the graders.
	Judge, Oracle string
	// Live says that real services answered, so that this run's pace is theirs.
	Live bool
	// Concurrency is the number of calls in flight per provider, at most.
	Concurrency int
	// PeopleLabel says that people label from now on, whatever an earlier start paid a model
	// for labels: further ones are in no ledger.
	PeopleLabel bool
	// BatchFactors are what a batch costs in parts of single calls, by model.
	BatchFactors map[string]float64
	// ReadText reads the text of a response from where it is kept; nil if that is nowhere.
	ReadText func(dataset.Key) (string, error)
	// Unjoined are the records that have no place in samples.jsonl, if the run is through and they
	// could be joined.
	Unjoined []dataset.Unjoined
	// Stop is nil if every stage ran to its end.
	Stop *Stop

	weights map[string]*TargetWeights // by target, once they have been asked for
}

// Reached reports whether the run got to the end of a stage, or of all of them if that
// is [WholeRun].
func (r *Records) Reached(stage string) bool {
	switch {
	case r.Stop == nil:
		return true
	case stage == WholeRun:
		return len(r.Stop.Open) == 0
	case stage == StageTargets && slices.Contains(r.Stop.Open, StageP0):
		return false // what is asked of the targets' responses is asked beside P0's
	}
	return !slices.Contains(r.Stop.Open, stage)
}

// Logging is the arm that logs.
func (r *Records) Logging() Arm { return r.Arms.Logging() }

// NoiseRatios are the log-ratios of a clone: of the model's own distribution on
// both sides, whatever the two sample at, because they tell of the endpoint.
// lengths are the responses' in tokens.
func (r *Records) NoiseRatios(clone string) (d, lengths []float64, keys []dataset.Key) {
	rows := r.LogProbs.Brief()
	base, target := rows.Of(r.Logging().Policy.Name), rows.Of(clone)
	for _, p := range r.Prompts.Brief().All() {
		b, _ := base(p.ID)
		t, _ := target(p.ID)
		if x, y := r.Raw(b), r.Raw(t); x.Valid() && y.Valid() {
			d = append(d, y.OrNaN()-x.OrNaN())
			lengths = append(lengths, float64(max(1, t.Tokens)))
			keys = append(keys, t.Key())
		}
	}
	return d, lengths, keys
}

// Raw is a record's value of the model's own distribution: what the echo says where the
// record's value is another. The record may be in brief.
func (r *Records) Raw(row dataset.LogProb) dataset.Float {
	if row.Method != teacherforce.MethodSampling && row.Method != teacherforce.MethodTempered {
		return row.LogProb
	}
	row, _ = r.LogProbs.Get(row.Key())
	for _, s := range teacherforce.Strategies() {
		if m, ok := row.Methods[s.Name()]; ok && m.LogProb.Valid() {
			return m.LogProb
		}
	}
	return dataset.Float{}
}

// Certified reports whether the endpoint's log-probs of p's model were certified.
func (r *Records) Certified(p offpolicy.Policy) bool {
	return slices.ContainsFunc(r.Certificates, func(c teacherforce.Certificate) bool {
		return c.OK && c.Model == p.Model && c.Template == p.Template
	})
}

// LabelsOwed yields the responses that the oracle was to label, each once.
func (r *Records) LabelsOwed(yield func(dataset.Key) bool) {
	for i := range r.Design {
		if a := &r.Design[i]; a.Role != oracle.RoleDuplicate && !yield(a.Key) {
			return
		}
	}
}

// AllLabels yields the labels in the order of their keys, a duplicate after its
// original.
func (r *Records) AllLabels() iter.Seq[dataset.OracleLabel] {
	return func(yield func(dataset.OracleLabel) bool) {
		next, stop := iter.Pull2(r.Duplicates.All())
		defer stop()
		key, second, more := next()
		for k, first := range r.Labels.All() {
			for more && key.Compare(k) < 0 {
				if !yield(second) {
					return
				}
				key, second, more = next()
			}
			if !yield(first) {
				return
			}
		}
		for more {
			if !yield(second) {
				return
			}
			_, second, more = next()
		}
	}
}

// Failures returns the failed records by class, with their keys.
func Failures(r *Records) (classes map[string]int, keys map[string][]string) {
	classes, keys = map[string]int{}, map[string][]string{}
	add := func(stage string, k dataset.Key, e *dataset.RecordError) {
		if e != nil {
			classes[e.Class]++
			keys[e.Class] = append(keys[e.Class], stage+" "+k.String())
		}
	}
	for _, row := range r.Responses.Brief().All() {
		add("responses", row.Key(), row.Error)
	}
	for _, row := range r.LogProbs.Brief().All() {
		add("logprobs", row.Key(), row.Error)
	}
	for row := range r.AllLabels() {
		add("oracle", row.Key(), row.Error)
	}
	for _, row := range r.Scores.All() {
		add("judge", row.Key(), row.Error)
	}
	for _, row := range r.Canaries.All() {
		add("canaries", row.Key(), row.Error)
	}
	return classes, keys
}

// Unavoidable reports whether a log-prob of that error class is missing for a reason that no
// endpoint can avoid: another model reads the text as other tokens than were sampled. The
// estimate models such rows, within its limits, and they are no fault to wait for: another start
// does not ask for them again, because the answer would be the same and cost the same.
func Unavoidable(class string) bool {
	return class == string(teacherforce.ReasonRetokenised) || class == string(teacherforce.ReasonSeam)
}

// Targets are the arms that are neither the logging policy nor its clone.
func (r *Records) Targets() Arms { return r.Arms.Targets() }

// FailedPrompts counts the prompts that have a record without a value.
func FailedPrompts(rec *Records) int {
	hit := map[string]bool{}
	_, keys := Failures(rec)
	for _, list := range keys {
		for _, k := range list {
			_, key, _ := strings.Cut(k, " ") // stage and key
			hit[PromptOf(key)] = true
		}
	}
	return len(hit)
}

// PromptOf takes the prompt id out of a key's text form; prompt ids may hold
// slashes themselves.
func PromptOf(key string) string {
	for range 2 {
		i := strings.LastIndexByte(key, '/')
		if i < 0 {
			return key
		}
		key = key[:i]
	}
	return key
}

// LabelUSD is what one label of the oracle cost on average, and what it would
// have in a batch; NaN if none was bought, or people label from now on, or if batches have
// no price.
func (r *Records) LabelUSD() (single, batch float64) {
	if r.PeopleLabel {
		return math.NaN(), math.NaN()
	}
	n := 0
	for e := range r.Ledger.Brief().All() {
		if e.Stage != StageOracle {
			continue
		}
		single += float64(e.Cost)
		if factor, ok := r.BatchFactors[e.Model]; !ok {
			batch = math.NaN()
		} else if e.Endpoint != "batch" {
			batch += factor * float64(e.Cost)
		} else {
			batch += float64(e.Cost)
		}
		if e.Outcome == "ok" {
			n++
		}
	}
	return single / float64(n), batch / float64(n)
}
