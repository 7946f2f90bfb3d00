package oracle

import (
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Record makes the line of oracle.jsonl for what an oracle returned for an
// assignment: a label, or a null label with the error. Its error class is the
// reason of an [*UnlabeledError], the class of a [*providers.Error], or "error".
// A label outside [0, 1] becomes an error of class "invalid_label".
func Record(a Assignment, policyHash string, o Oracle, label float64, err error) dataset.OracleLabel {
	r := dataset.OracleLabel{
		PromptID: a.Key.PromptID, Policy: a.Key.Policy, DrawIdx: a.Key.DrawIdx,
		InclusionProb: a.InclusionProb, Role: a.Role, Stratum: a.Stratum,
		Oracle: o.Identity(), PolicyHash: policyHash, Label: dataset.Float{},
	}
	switch {
	case err != nil:
		r.Error = &dataset.RecordError{Class: class(err), Message: err.Error()}
	case !(label >= 0 && label <= 1):
		r.Error = &dataset.RecordError{Class: "invalid_label", Message: fmt.Sprintf("oracle: label %v is not in [0, 1]: the oracle is at fault", label)}
	default:
		r.Label = dataset.Known(label)
	}
	return r
}

func class(err error) string {
	var unlabeled *UnlabeledError
	var call *providers.Error
	switch {
	case errors.As(err, &unlabeled):
		return unlabeled.Reason
	case errors.As(err, &call):
		return string(call.Class)
	}
	return "error"
}
