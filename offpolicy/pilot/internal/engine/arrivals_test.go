package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Every item that is to be done is begun once, and when all that it needs is there, whatever comes first;
// then there are no more.
func TestArrivals(t *testing.T) {
	j := &Job{}
	for i := range 7 {
		j.Prompts = append(j.Prompts, dataset.Prompt{ID: fmt.Sprintf("q%d", i)})
	}
	for _, name := range []string{"p0", "b", "a"} { // not in the order of their names
		j.Arms = append(j.Arms, record.Arm{Policy: offpolicy.Policy{Name: name}})
	}
	for s, k := range j.keys() {
		if got, err := j.slotOf(k); got != slot(s) || err != nil || j.keyOf(slot(s)) != k {
			t.Errorf("%v: slot %d (%v), of which the key is %v", k, got, err, j.keyOf(slot(s)))
		}
	}
	for _, k := range []dataset.Key{{PromptID: "q9", Policy: "a"}, {PromptID: "q1", Policy: "c"},
		{PromptID: "q1", Policy: "a", DrawIdx: 1}} {
		if _, err := j.slotOf(k); err == nil {
			t.Errorf("%v has a slot", k)
		}
	}
	draw := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		w := newArrivals(j)
		var making duty
		making.owe(j, everyPolicy, func(dataset.Key) bool { return draw.IntN(3) == 0 })
		w.expect(making)
		there := map[slot]bool{}
		for i, s := range making.slots {
			there[s] = making.done[i]
		}
		// One stage needs the response of its own and the first of the prompt, and lists some
		// responses twice, in no order; another needs nothing.
		both := duty{needs: func(it item) []slot { return []slot{it.slot - it.slot%3, it.slot} }}
		var owed []item
		for at, i := range append(draw.Perm(21), 3, 3) {
			both.add(slot(i), draw.IntN(5) == 0)
			if it := both.item(int32(at)); !both.done[at] {
				owed = append(owed, it)
			}
		}
		if free := w.queue(making); len(free) != cap(free) {
			t.Fatalf("%d of %d items that wait for nothing are begun", len(free), cap(free))
		}
		ready := w.queue(both)
		begun := map[int32]bool{}
		look := func() {
			t.Helper()
			for len(ready) > 0 {
				it := both.item(<-ready)
				if begun[it.at] || !slices.Contains(owed, it) || !there[it.slot] || !there[it.slot-it.slot%3] {
					t.Fatalf("item %+v is begun; there: %v", it, there)
				}
				begun[it.at] = true
			}
			for _, it := range owed {
				if want := there[it.slot] && there[it.slot-it.slot%3]; begun[it.at] != want {
					t.Fatalf("item %+v begun: %v, want %v", it, begun[it.at], want)
				}
			}
		}
		look()
		for _, i := range draw.Perm(21) {
			if s := slot(i); !there[s] {
				there[s] = true
				w.made(s)
				look()
			}
		}
		if _, more := <-ready; more || len(begun) != len(owed) {
			t.Fatalf("%d of %d items were begun, and the queue is open: %v", len(begun), len(owed), more)
		}
	}
}
