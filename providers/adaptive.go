package providers

import (
	"math"
	"net/http"
	"time"
)

// lane is the way to one model: its limits, and how much of them and of the
// allowed concurrency is used at the moment.
//
// Refusals cut, successes restore. An attempt that was let in before a cut
// says nothing about the state after it, so that the hundred refusals of one
// bad moment are one cut:
//
//	rate limited   share of the limits × 0.8, or × 0.5 where nothing was accepted since the last cut
//	               concurrency × 0.7; where no limit is known and nothing was accepted, a gap between attempts
//	overloaded     concurrency × 0.7
//	success        share + 0.03 a second, concurrency + Concurrency/16 a round trip, gap × 0.9
type lane struct {
	most       int // ClientConfig.Concurrency
	configured quantities
	header     quantities
	headerSeq  uint64 // the attempt that header is from
	buckets    [dimensions]bucket
	habits     map[habitKey]*habit

	inFlight int
	window   float64 // attempts that may be in flight, in [1, most]
	share    float64 // of the limits that is used, in (0, 1]
	grown    time.Time
	gap      time.Duration // between attempts, where there is no limit to take a share of
	cutSeq   uint64        // the last attempt let in before the last cut
	accepted bool          // since the last cut
	last     time.Time     // of the last attempt let in, or of the last cut
	cooling  time.Time     // until when the server wants no attempts
	patient  bool          // that is near enough to let in none at all
	probed   time.Time     // the last attempt let in while cooling
}

type habitKey struct {
	stage, op string
	ids       bool
}

const (
	cutWindow   = 0.7
	cutShare    = 0.8
	cutHard     = 0.5
	growShare   = 0.03 // a second
	growWindow  = 16   // round trips from nothing to all
	leastShare  = 0.02
	firstGap    = 100 * time.Millisecond
	longestGap  = 10 * time.Second
	shortestGap = 5 * time.Millisecond
	// A wish of the server for no attempts within a time is kept if that is no
	// longer than probeEvery. During a longer one an attempt is let in that
	// often: the wish may concern one large call, or a moment that has passed,
	// and to let in nothing until then would be a freeze. The call that was
	// refused waits for all of it.
	probeEvery = time.Second
	// mostNames bounds what is remembered of stages, which an importer may
	// name as it likes.
	mostNames = 1024
)

func newLane(most int, configured quantities, now time.Time) *lane {
	l := &lane{most: most, configured: configured, habits: map[habitKey]*habit{}, window: float64(most), share: 1, grown: now, accepted: true, last: now}
	for d := range l.buckets {
		// A second of tokens may be saved up, and a tenth of requests:
		// what a timer may come late by.
		l.buckets[d] = bucket{at: now, burst: time.Second}
	}
	l.buckets[byRequests].burst, l.buckets[byRequests].least = 100*time.Millisecond, 1
	for d := range l.buckets {
		b := &l.buckets[d]
		b.limit = configured[d]
		b.level = b.full(l.share)
	}
	return l
}

// inForce is the limit in a dimension, 0 where none is known.
func (l *lane) inForce(d dimension) float64 {
	c, h := l.configured[d], l.header[d]
	switch {
	case c == 0:
		return h
	case h == 0 || d >= byPrompt:
		return c
	}
	return min(c, h)
}

func (l *lane) limited() bool {
	for d := range dimensions {
		if l.inForce(d) > 0 {
			return true
		}
	}
	return false
}

func (l *lane) refill(now time.Time) {
	for d := range l.buckets {
		l.buckets[d].refill(now, l.share)
	}
}

func (l *lane) habit(k habitKey) *habit {
	h, ok := l.habits[k]
	if !ok {
		if len(l.habits) >= mostNames {
			k.stage = ""
			if h, ok = l.habits[k]; ok {
				return h
			}
		}
		h = &habit{}
		l.habits[k] = h
	}
	return h
}

// ready is when an attempt that takes q may be let in. The second result is
// false where that takes the end of another attempt.
func (l *lane) ready(now time.Time, q quantities) (time.Time, bool) {
	if l.inFlight >= max(1, int(l.window)) {
		return now, false
	}
	at := now
	if l.cooling.After(now) {
		if at = l.cooling; !l.patient {
			at = earlier(at, later(now, l.probed.Add(probeEvery)))
		}
	}
	if l.gap > 0 {
		at = later(at, l.last.Add(l.gap))
	}
	l.refill(now)
	for d := range l.buckets {
		at = later(at, l.buckets[d].ready(q[d], l.share))
	}
	return at, true
}

func (l *lane) take(now time.Time, q quantities) {
	l.inFlight++
	l.last = now
	if l.cooling.After(now) {
		l.probed = now
	}
	for d := range l.buckets {
		l.buckets[d].take(q[d])
	}
}

// outcome is how an attempt ended.
type outcome struct {
	sent   bool
	class  Class // empty: success
	status int
	wish   time.Duration
	header http.Header
	// usage is what the attempt took, nil where nobody knows; then what was
	// expected of it stands.
	usage *Usage
}

// ended takes account of an attempt: what it took, what the server announced,
// and whether it wants fewer of them.
func (l *lane) ended(now time.Time, t *ticket, o outcome, latestSeq uint64) {
	l.inFlight--
	l.refill(now)
	switch {
	case !o.sent:
		l.correct(t.takes, quantities{})
	case o.usage != nil:
		u := *o.usage
		l.correct(t.takes, takes(float64(u.PromptTokens), float64(u.CachedTokens), float64(u.CompletionTokens)))
		if o.class == "" {
			l.habit(t.kind).learn(t.guess, u)
		}
	}
	l.announce(t.seq, headerLimits(o.header))
	switch {
	case o.class == ClassRateLimited, o.class == ClassOverloaded && o.status != http.StatusInternalServerError:
		// A 500 is a fault, not a sign of load.
		l.refused(now, t.seq, o, latestSeq)
	case o.class == "":
		l.succeeded(now, t.seq)
	}
}

func (l *lane) correct(expected, actual quantities) {
	for d := range l.buckets {
		l.buckets[d].take(actual[d] - expected[d])
	}
}

// announce takes over the limits of a reply. Replies overtake each other; of
// an older one only lower limits count, and the next reply corrects those.
func (l *lane) announce(seq uint64, q quantities) {
	for d := range dimensions {
		if q[d] > 0 && (seq >= l.headerSeq || q[d] < l.header[d]) {
			l.header[d] = q[d]
		}
		l.buckets[d].set(l.inForce(d), l.share)
	}
	l.headerSeq = max(l.headerSeq, seq)
}

func (l *lane) refused(now time.Time, seq uint64, o outcome, latestSeq uint64) {
	if seq <= l.cutSeq {
		return
	}
	l.cutSeq, l.last, l.grown = latestSeq, now, now
	l.window = max(1, cutWindow*min(l.window, float64(l.inFlight+1)))
	wish := o.wish
	if o.class == ClassRateLimited {
		if wish == 0 {
			wish = resetWish(o.header)
		}
		factor := cutShare
		if !l.accepted {
			factor = cutHard
		}
		switch {
		case l.limited():
			l.share = max(leastShare, l.share*factor)
		case !l.accepted:
			l.gap = min(max(2*l.gap, firstGap), longestGap)
		}
	}
	if wish > 0 {
		l.cooling, l.patient = now.Add(wish), wish <= probeEvery
	}
	l.accepted = false
}

func (l *lane) succeeded(now time.Time, seq uint64) {
	l.window = min(float64(l.most), l.window+max(1, float64(l.most)/growWindow)/l.window)
	// A pause is not a time of success.
	l.share = min(1, l.share+growShare*min(1, now.Sub(l.grown).Seconds()))
	l.grown = now
	if seq <= l.cutSeq {
		return
	}
	l.accepted, l.cooling = true, time.Time{}
	if l.gap = l.gap * 9 / 10; l.gap < shortestGap {
		l.gap = 0
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// LimitStatus is how a [Client] treats one model at the moment.
type LimitStatus struct {
	Limits      Limits  // known, from the configuration or the server; 0 is none
	Share       float64 // of Limits that is used: below 1 after refusals
	Concurrency int     // attempts that may be in flight
	InFlight    int
	Waiting     int
}

// LimitStatus reports how calls of a model are let in at the moment.
func (c *Client) LimitStatus(model string) LimitStatus { return c.gate.status(model) }

func (g *gate) status(model string) LimitStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lane(model)
	s := LimitStatus{Share: l.share, Concurrency: max(1, int(l.window)), InFlight: l.inFlight}
	var q quantities
	for d := range dimensions {
		q[d] = math.Floor(l.inForce(d))
	}
	s.Limits = q.limits()
	for _, n := range g.lines[model] {
		s.Waiting += n.Len()
	}
	return s
}
