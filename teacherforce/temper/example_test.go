package temper_test

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// Three of a hundred tokens are shown; 10% of the probability is not. Without a filter
// that leaves an interval; a nucleus that ends within what is shown makes it exact.
func ExampleLogProb() {
	top := []temper.Token{{ID: 0, LogProb: math.Log(.6)}, {ID: 1, LogProb: math.Log(.2)}, {ID: 2, LogProb: math.Log(.1)}}
	pos := temper.Position{Scored: top[1], Top: top, Asked: 3, Vocabulary: 100}
	show := func(v temper.Value) { fmt.Printf("%d [%.4f, %.4f]\n", v.Kind, v.Lower, v.Upper) }
	show(temper.LogProb(pos, offpolicy.Sampling{Temperature: .7, TopP: 1}, temper.AnyOrder))
	show(temper.LogProb(pos, offpolicy.Sampling{Temperature: .7, TopP: .85}, temper.TemperatureTopKTopP))
	show(temper.Sum([]temper.Value{{Kind: temper.Exact, Lower: -1, Upper: -1}, {Kind: temper.Outside}}))
	// Output:
	// 2 [-1.8790, -1.8290]
	// 1 [-1.7585, -1.7585]
	// 3 [0.0000, 0.0000]
}
