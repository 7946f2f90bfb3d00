package record

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// A row is found under its key, and no other, in whatever order keys are asked for.
func TestRowsAreFound(t *testing.T) {
	var keys []dataset.Key
	for i := range 60 {
		for p := range 5 {
			for draw := range 1 + (i+p)%7/5 {
				if (i*5+p)%11 > 0 { // a prompt lacks some policies
					keys = append(keys, dataset.Key{PromptID: fmt.Sprint("q", i), Policy: fmt.Sprint("p", p), DrawIdx: draw})
				}
			}
		}
	}
	slices.SortFunc(keys, dataset.Key.Compare)
	self := func(k dataset.Key) dataset.Key { return k }
	rows := RowsOf(keys, self, self)
	ask := func(how string, k dataset.Key, got dataset.Key, ok bool) {
		t.Helper()
		if want := slices.Contains(keys, k); ok != want || ok && got != k {
			t.Errorf("%s: of %v: %v, %v", how, k, got, ok)
		}
	}
	var asked []dataset.Key
	for i := range 62 {
		for p := range 6 {
			asked = append(asked, dataset.Key{PromptID: fmt.Sprint("q", i), Policy: fmt.Sprint("p", p), DrawIdx: i % 2})
		}
	}
	slices.SortFunc(asked, dataset.Key.Compare)
	orders := map[string]func(){
		"in order":  func() {},
		"backwards": func() { slices.Reverse(asked) },
		"at random": func() {
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
		},
	}
	for _, how := range []string{"in order", "backwards", "at random"} {
		orders[how]()
		for _, k := range asked {
			got, ok := rows.Get(k)
			ask(how, k, got, ok)
		}
		of := map[string]func(string) (dataset.Key, bool){}
		for _, k := range asked {
			if of[k.Policy] == nil {
				of[k.Policy] = rows.Of(k.Policy)
			}
			k.DrawIdx = 0
			got, ok := of[k.Policy](k.PromptID)
			ask(how+", by policy", k, got, ok)
		}
	}
}
