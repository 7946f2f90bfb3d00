package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/reweigh/reweigh/dataset"
)

// slot is a response that the job owes: its place in [Job.keys]. There are many items of work, so
// that each names its response by that.
type slot int32

// slots counts the responses that the job owes.
func (j *Job) slots() slot { return slot(len(j.Prompts) * len(j.Arms)) }

// slotOf is the slot of a key, an error if the job does not owe the response.
func (j *Job) slotOf(k dataset.Key) (slot, error) {
	prompt, ok := j.place(k.PromptID)
	for i, a := range j.Arms {
		if ok && a.Policy.Name == k.Policy && k.DrawIdx == 0 {
			return slot(prompt*len(j.Arms) + i), nil
		}
	}
	return 0, fmt.Errorf("pilot: %s is no response of this run", k)
}

// keyOf is the key of a slot.
func (j *Job) keyOf(s slot) dataset.Key {
	return dataset.Key{PromptID: j.Prompts[j.promptOf(s)].ID, Policy: j.Arms[int(s)%len(j.Arms)].Policy.Name}
}

// promptOf is the place of a slot's prompt.
func (j *Job) promptOf(s slot) int { return int(s) / len(j.Arms) }

// item is one record that a stage owes: about which response, and its place among the stage's.
type item struct {
	slot slot
	at   int32
}

// duty is what a stage owes. What is alike in all items is here, and of each there is little.
type duty struct {
	slots []slot // by item
	done  []bool // by item: it has a value already, or has been begun
	// needs are the responses that a record is about or takes something from: it is begun when
	// they are there. nil: none.
	needs func(item) []slot
	// do makes and keeps a record. It returns the error that the record
	// holds, if it holds one, and separately what keeps the run from going on.
	do func(context.Context, item) (*dataset.RecordError, error)
}

// item is the item at a place.
func (d *duty) item(at int32) item { return item{d.slots[at], at} }

// left counts the items that are to be done.
func (d *duty) left() (n int) {
	for _, done := range d.done {
		if !done {
			n++
		}
	}
	return n
}

// about is the need of a record about the response of its own key.
func about(it item) []slot { return []slot{it.slot} }

// expect makes room for n items.
func (d *duty) expect(n int) { d.slots, d.done = make([]slot, 0, n), make([]bool, 0, n) }

func (d *duty) add(s slot, done bool) { d.slots, d.done = append(d.slots, s), append(d.done, done) }

// owe adds an item for every response of the job by a policy that of names.
func (d *duty) owe(j *Job, of func(policy string) bool, done func(dataset.Key) bool) {
	arms := 0
	for _, a := range j.Arms {
		if of(a.Policy.Name) {
			arms++
		}
	}
	d.expect(len(j.Prompts) * arms)
	for s := range j.slots() {
		if k := j.keyOf(s); of(k.Policy) {
			d.add(s, done(k))
		}
	}
}

func everyPolicy(string) bool { return true }

// list adds the item for what stands next in the stage's own list.
func (d *duty) list(j *Job, k dataset.Key, done bool) error {
	s, err := j.slotOf(k)
	d.add(s, done)
	return err
}

// arrivals knows which responses are still to come, and what waits for them.
type arrivals struct {
	job *Job

	mu      sync.Mutex
	pending []bool // by slot
	queues  []*queue
}

// queue is what one stage has to do.
type queue struct {
	duty
	waiting []int32    // places of items that wait for responses, by prompt
	left    int        // items that are not in ready yet
	ready   chan int32 // places of items
}

func newArrivals(j *Job) *arrivals {
	return &arrivals{job: j, pending: make([]bool, len(j.Prompts)*len(j.Arms))}
}

// expect notes the responses that a stage will make.
func (w *arrivals) expect(d duty) {
	for i, s := range d.slots {
		if !d.done[i] {
			w.pending[s] = true
		}
	}
}

// made begins what waited for a response.
func (w *arrivals) made(s slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[s] = false
	prompt := w.job.promptOf(s)
	for _, q := range w.queues {
		i, _ := slices.BinarySearchFunc(q.waiting, prompt, func(at int32, prompt int) int {
			return cmp.Compare(w.job.promptOf(q.slots[at]), prompt)
		})
		for ; i < len(q.waiting) && w.job.promptOf(q.slots[q.waiting[i]]) == prompt; i++ {
			w.begin(q, q.waiting[i])
		}
	}
}

// begin puts an item into the channel, if it is not there yet and its responses are. It reports
// whether the item has to wait.
func (w *arrivals) begin(q *queue, at int32) (waits bool) {
	if q.done[at] {
		return false
	}
	if q.needs != nil && slices.ContainsFunc(q.needs(q.item(at)), func(s slot) bool { return w.pending[s] }) {
		return true
	}
	q.ready <- at // which has room for all
	q.done[at] = true
	if q.left--; q.left == 0 {
		close(q.ready)
	}
	return false
}

// queue puts the items of a stage that are to be done into a channel, each when its responses
// are there.
func (w *arrivals) queue(d duty) <-chan int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := &queue{duty: d, left: d.left()}
	q.ready = make(chan int32, q.left)
	if q.left == 0 {
		close(q.ready)
	}
	for at := range int32(len(d.slots)) {
		if w.begin(q, at) {
			q.waiting = append(q.waiting, at)
		}
	}
	q.waiting = slices.Clone(q.waiting) // without the room that growing leaves
	slices.SortStableFunc(q.waiting, func(a, b int32) int {
		return cmp.Compare(w.job.promptOf(d.slots[a]), w.job.promptOf(d.slots[b]))
	})
	w.queues = append(w.queues, q)
	return q.ready
}
