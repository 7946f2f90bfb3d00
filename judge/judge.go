package judge

import (
	"context"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Generator is the one method that a grader needs; *providers.Client has it.
type Generator interface {
	Generate(context.Context, providers.GenerateRequest) (providers.Generation, error)
}

// Source says where a [Score]'s variance comes from.
type Source string

// The sources of this package's judges.
const (
	SourceDeterministic Source = "deterministic" // 0: that of reading again, not of error
	SourceRepeated      Source = "repeated"      // s²/k over k readings
	SourceInterval      Source = "interval"      // the model's own 95% interval, (width/3.92)²
	SourceTokens        Source = "tokens"        // the spread of the score token's distribution
	SourcePanel         Source = "panel"         // s²/m over m judges
	SourceFunction      Source = "function"      // a function's score; its variance is not known
)

// Score is a judge's opinion of one response.
type Score struct {
	Mean     dataset.Float // in [0, 1]
	Variance dataset.Float // of Mean, in squared units of Mean; missing if the judge does not know it
	Source   Source        // where Variance comes from
	// Readings are the single readings behind Mean, in order, if there are
	// several: those of one judge, or the means of a panel's members.
	Readings dataset.Floats
	// Repaired reports that a reply was not in the form asked for, and still left
	// one reading: see the package comment.
	Repaired bool
}

// Scorer scores responses. Its methods are safe for concurrent use.
type Scorer interface {
	// Identity is the judge's name and a hash over what changes its scores.
	Identity() string
	// Score scores one response to one prompt. The tag names the record in the
	// ledger and in errors. An *UnscoredError means that the judge answered and
	// gave no score; any other error, that it could not be asked.
	Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (Score, error)
}
