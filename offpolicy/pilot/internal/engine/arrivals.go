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

// item is one record that a stage owes: about which response, and its place in what the stage
// itself lists.
type item struct {
	slot slot
	at   int32
	done bool // has a value already, or has been begun
}

// duty is what a stage owes. What is alike in all items is here.
type duty struct {
	items []item
	// needs are the responses that a record is about or takes something from: it is begun when
	// they are there. nil: none.
	needs func(item) []slot
	// do makes and keeps a record. It returns the error that the record
	// holds, if it holds one, and separately what keeps the run from going on.
	do func(context.Context, item) (*dataset.RecordError, error)
}

// about is the need of a record about the response of its own key.
func about(it item) []slot { return []slot{it.slot} }

// owe adds an item for every response of the job that of has.
func (d *duty) owe(j *Job, of func(dataset.Key) bool, done func(dataset.Key) bool) {
	for s := range j.slots() {
		if k := j.keyOf(s); of(k) {
			d.items = append(d.items, item{slot: s, done: done(k)})
		}
	}
}

// list adds the item for what stands at a place in the stage's own list.
func (d *duty) list(j *Job, k dataset.Key, at int, done bool) error {
	s, err := j.slotOf(k)
	d.items = append(d.items, item{s, int32(at), done})
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
	waiting []int32 // places of items that wait for responses, by prompt
	left    int     // items that are not in ready yet
	ready   chan item
}

func newArrivals(j *Job) *arrivals {
	return &arrivals{job: j, pending: make([]bool, len(j.Prompts)*len(j.Arms))}
}

// expect notes the responses that a stage will make.
func (w *arrivals) expect(items []item) {
	for _, it := range items {
		if !it.done {
			w.pending[it.slot] = true
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
			return cmp.Compare(w.job.promptOf(q.items[at].slot), prompt)
		})
		for ; i < len(q.waiting) && w.job.promptOf(q.items[q.waiting[i]].slot) == prompt; i++ {
			w.begin(q, q.waiting[i])
		}
	}
}

// begin puts an item into the channel, if it is not there yet and its responses are. It reports
// whether the item has to wait.
func (w *arrivals) begin(q *queue, at int32) (waits bool) {
	it := &q.items[at]
	if it.done {
		return false
	}
	if q.needs != nil && slices.ContainsFunc(q.needs(*it), func(s slot) bool { return w.pending[s] }) {
		return true
	}
	q.ready <- *it // which has room for all
	it.done = true
	if q.left--; q.left == 0 {
		close(q.ready)
	}
	return false
}

// queue puts the items of a stage that are to be done into a channel, each when its responses
// are there.
func (w *arrivals) queue(d duty) <-chan item {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := &queue{duty: d}
	for _, it := range d.items {
		if !it.done {
			q.left++
		}
	}
	q.ready = make(chan item, q.left)
	if q.left == 0 {
		close(q.ready)
	}
	for i := range d.items {
		if w.begin(q, int32(i)) {
			q.waiting = append(q.waiting, int32(i))
		}
	}
	slices.SortStableFunc(q.waiting, func(a, b int32) int {
		return cmp.Compare(w.job.promptOf(d.items[a].slot), w.job.promptOf(d.items[b].slot))
	})
	w.queues = append(w.queues, q)
	return q.ready
}
