package providers

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// gate lets attempts in: at most so many at once, within every model's limits,
// and in turn. Stages take turns, the one that was let in longest ago first;
// within a stage and model, who came first goes first. The call whose turn it
// is at a model is not overtaken by a smaller one there, or a large one would
// wait for ever.
type gate struct {
	most       int
	configured quantities

	mu       sync.Mutex
	inFlight int
	seq      uint64 // attempts let in
	arrivals uint64
	among    int // clients that share the limits: see ClientConfig
	lanes    map[string]*lane
	lines    map[string]map[string]*list.List // of *ticket, by model and stage; none is empty
	turns    map[string]uint64                // by stage: seq when it was last let in
	timer    *time.Timer                      // wakes the gate when the next attempt may go
}

// ticket is one attempt at the gate.
type ticket struct {
	model, stage string
	kind         habitKey
	guess        float64 // prompt tokens, before anything is learnt
	bound        Usage
	arrival      uint64
	place        *list.Element
	line         *list.List
	admitted     chan struct{}

	// What follows is set when it is let in.
	in    bool
	seq   uint64
	takes quantities
}

func newGate(most int, configured quantities) *gate {
	return &gate{
		most: most, configured: configured,
		lanes: map[string]*lane{}, lines: map[string]map[string]*list.List{}, turns: map[string]uint64{},
	}
}

// newTicket is the ticket of one attempt of k.
func newTicket(k call) *ticket {
	t := &ticket{model: k.Model, stage: k.Tag.Stage, kind: habitKey{k.Tag.Stage, k.Op, k.ids}, bound: k.bound,
		admitted: make(chan struct{})}
	if k.ids {
		t.guess = float64(k.bound.PromptTokens)
	} else {
		t.guess = float64(k.price.estimateTokens(k.bound.PromptTokens))
	}
	return t
}

// enter waits until t is let in, or ctx ends: then it returns ctx's error, and
// t has taken nothing. Whoever is let in calls leave, once.
func (g *gate) enter(ctx context.Context, t *ticket) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	g.arrivals++
	t.arrival = g.arrivals
	stages := g.lines[t.model]
	if stages == nil {
		stages = map[string]*list.List{}
		g.lines[t.model] = stages
	}
	if t.line = stages[t.stage]; t.line == nil {
		t.line = list.New()
		stages[t.stage] = t.line
	}
	t.place = t.line.PushBack(t)
	g.dispatch()
	g.mu.Unlock()

	select {
	case <-t.admitted:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	in := t.in
	if !in {
		g.remove(t)
		g.dispatch() // t may have been in the way
	}
	g.mu.Unlock()
	if in { // let in at the same moment
		g.leave(t, outcome{})
	}
	return ctx.Err()
}

// leave ends an attempt that was let in.
func (g *gate) leave(t *ticket, o outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	g.lane(t.model).ended(time.Now(), t, o, g.seq)
	g.dispatch()
}

func (g *gate) lane(model string) *lane {
	l, ok := g.lanes[model]
	if !ok {
		l = newLane(g.most, g.configured, time.Now())
		l.among = g.among
		g.lanes[model] = l
	}
	return l
}

func (g *gate) remove(t *ticket) {
	t.line.Remove(t.place)
	if t.line.Len() == 0 {
		delete(g.lines[t.model], t.stage)
		if len(g.lines[t.model]) == 0 {
			delete(g.lines, t.model)
		}
	}
}

// before orders two tickets by whose turn it is. The order is total, so that
// no map decides anything.
func (g *gate) before(a, b *ticket) bool {
	if ta, tb := g.turns[a.stage], g.turns[b.stage]; ta != tb {
		return ta < tb
	}
	return a.arrival < b.arrival
}

// dispatch lets in whoever may go now and sets the timer for the next. The
// caller holds the lock, and calls it whenever something changed.
func (g *gate) dispatch() {
	now := time.Now()
	if g.timer != nil {
		g.timer.Stop()
	}
	for g.inFlight < g.most && len(g.lines) > 0 {
		var best *ticket
		var wake time.Time
		for model, stages := range g.lines {
			var first *ticket
			for _, line := range stages {
				if t := line.Front().Value.(*ticket); first == nil || g.before(t, first) {
					first = t
				}
			}
			l := g.lane(model)
			first.takes = l.habit(first.kind).expect(first.guess, first.bound)
			at, possible := l.ready(now, first.takes)
			switch {
			case !possible:
			case at.After(now):
				if wake.IsZero() || at.Before(wake) {
					wake = at
				}
			case best == nil || g.before(first, best):
				best = first
			}
		}
		if best == nil {
			if !wake.IsZero() {
				g.wakeAt(wake.Sub(now))
			}
			return
		}
		g.admit(now, best)
	}
}

func (g *gate) wakeAt(d time.Duration) {
	if g.timer != nil {
		g.timer.Reset(d)
		return
	}
	g.timer = time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.dispatch()
	})
}

func (g *gate) admit(now time.Time, t *ticket) {
	g.remove(t)
	g.inFlight++
	g.seq++
	t.in, t.seq = true, g.seq
	g.lane(t.model).take(now, t.takes)
	if _, ok := g.turns[t.stage]; !ok && len(g.turns) >= mostNames {
		clear(g.turns) // turns start again
	}
	g.turns[t.stage] = g.seq
	close(t.admitted)
}
