package oracle

import (
	"math"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func TestDuplicateVariance(t *testing.T) {
	row := func(id, role string, label float64) dataset.OracleLabel {
		return dataset.OracleLabel{PromptID: id, Policy: "p0", Role: role, Label: dataset.Known(label)}
	}
	labels := []dataset.OracleLabel{
		row("a", RoleCalibration, .5), row("a", RoleDuplicate, .7), row("b", RoleDuplicate, .4), row("b",
			RoleCalibration, .4),
		row("c", RoleCalibration, .1), row("d", RoleDuplicate, .9), row("e", RoleCalibration,
			math.NaN()), row("e", RoleDuplicate, .9),
	}
	// Pairs differ by .2 and 0: (.04 + 0)/4.
	if v, n := DuplicateVariance(labels); n != 2 || math.Abs(v.OrNaN()-.01) > 1e-15 {
		t.Errorf("variance %v of %d pairs, want .01 of 2", v, n)
	}
	if v, n := DuplicateVariance(nil); n != 0 || v.Valid() {
		t.Errorf("variance %v of %d pairs where there are none", v, n)
	}
}
