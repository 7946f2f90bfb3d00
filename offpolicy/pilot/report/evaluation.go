package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/reweigh/reweigh/offpolicy"
)

// EvaluationJSON writes e as one JSON object. An estimate that is refused and yet
// carries a number is a programmer's mistake and an error.
func EvaluationJSON(w io.Writer, e *offpolicy.Document) error {
	for _, name := range slices.Sorted(maps.Keys(e.Policies)) {
		for _, id := range slices.Sorted(maps.Keys(e.Policies[name].Estimators)) {
			x := e.Policies[name].Estimators[id]
			if x.Status != offpolicy.StatusOK && (x.Value.Valid() || x.SE.Valid() || x.CI[0].Valid() || x.CI[1].Valid()) {
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
