//go:build !race

package judge_test

import (
	"math"
	"os"
)

// simSize returns how many items the calibration test grades, 2,000 on request,
// and by how much fewer of them widen its bounds: a sum of n squared errors has a
// relative standard error of about √(2/n).
func simSize() (items int, slack float64) {
	items = 400
	if os.Getenv("REWEIGH_COVERAGE") != "" {
		items = 2000
	}
	return items, math.Sqrt(2000 / float64(items))
}
