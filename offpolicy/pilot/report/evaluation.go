package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	cleaning "github.com/reweigh/reweigh/internal/clean"
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
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("report: evaluation: %w", err)
	}
	_, err := w.Write(cleaning.JSON(b.Bytes()))
	return err
}
