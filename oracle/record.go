package oracle

import (
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
)

// Record makes the line of oracle.jsonl for what an oracle returned for an
// assignment: a label, or a null label with the error, by [judge.RecordError]. A
// label outside [0, 1] becomes an error of class "invalid".
func Record(a Assignment, policyHash string, o Oracle, label float64, err error) dataset.OracleLabel {
	r := dataset.OracleLabel{
		PromptID: a.Key.PromptID, Policy: a.Key.Policy, DrawIdx: a.Key.DrawIdx,
		InclusionProb: a.InclusionProb, Role: a.Role, Stratum: a.Stratum,
		Oracle: o.Identity(), PolicyHash: policyHash,
	}
	switch {
	case err != nil:
		r.Error = judge.RecordError(err)
	case !(label >= 0 && label <= 1):
		r.Error = &dataset.RecordError{Class: string(judge.ReasonInvalid),
			Message: fmt.Sprintf("oracle: label %v is not in [0, 1]: the oracle is at fault", label)}
	default:
		r.Label = dataset.Known(label)
	}
	return r
}
