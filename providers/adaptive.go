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
// bad moment are one cut. With r the share of refusals among the last sixteen
// or so answers:
//
//	rate limited   share of the limits × 1 - 0.2·min(1, 3r), concurrency × 1 - 0.3·min(1, 3r)
//	overloaded     concurrency × the same
//	success        share + 0.03 a second, concurrency + Concurrency/16 a round trip
//
// So a server that refuses one in twenty at random is not taken for one at its
// limit. Where most are refused and none was accepted since the last cut, the
// share is halved; or, where no limit is known, attempts keep a gap, which is
// doubled then and shrinks by a tenth with each success.
type lane struct {
	most       int        // ClientConfig.Concurrency
	among      int        // ClientConfig.Among
	configured quantities // this client's part, as header is
	header     quantities
	headerSeq  uint64 // the attempt that header is from
	buckets    [dimensions]bucket
	habits     map[habitKey]*habit

	inFlight int
	window   float64 // attempts that may be in flight, in [1, most]
	share    float64 // of the limits that is used, in (0, 1]
	grown    time.Time
	refusals float64       // share among the last answers
	limiting float64       // share of those that were rate limited
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
	cutWindow   = 0.3
	cutShare    = 0.2
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
	l := &lane{most: most, configured: configured, habits: map[habitKey]*habit{}, window: float64(most), share: 1,
		grown: now, accepted: true, last: now}
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
	sent  bool
	class Class // empty: success
	// crowded says that this process has no file descriptors left for more
	// connections: fewer attempts have to be in flight, whoever serves them.
	crowded bool
	status  int
	wish    time.Duration
	header  http.Header
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
		if o.class == "" { // not even tried
			return
		}
	case o.usage != nil:
		u := *o.usage
		l.correct(t.takes, takes(float64(u.PromptTokens), float64(u.CachedTokens), float64(u.CompletionTokens)))
		if o.class == "" {
			l.habit(t.kind).learn(t.guess, u)
		}
	}
	news := l.announce(t.seq, headerLimits(o.header).part(l.among))
	const remembered = 16
	switch {
	case o.class == ClassRateLimited, o.class == ClassOverloaded && o.status != http.StatusInternalServerError, o.crowded:
		// A 500 is a fault, not a sign of load.
		l.refusals += (1 - l.refusals) / remembered
		l.limiting -= l.limiting / remembered
		if o.class == ClassRateLimited {
			l.limiting += 1.0 / remembered
		}
		l.refused(now, t.seq, o, latestSeq, news)
	case o.class == "":
		l.refusals -= l.refusals / remembered
		l.limiting -= l.limiting / remembered
		l.succeeded(now, t.seq)
	}
}

func (l *lane) correct(expected, actual quantities) {
	for d := range l.buckets {
		l.buckets[d].take(actual[d] - expected[d])
	}
}

// announce takes over the limits of a reply. Replies overtake each other; of
// an older one only lower limits count, and the next reply corrects those. The
// result says whether a limit is lower than before, or new.
func (l *lane) announce(seq uint64, q quantities) (lower bool) {
	for d := range dimensions {
		before := l.inForce(d)
		if q[d] > 0 && (seq >= l.headerSeq || q[d] < l.header[d]) {
			l.header[d] = q[d]
		}
		limit := l.inForce(d)
		lower = lower || limit > 0 && (before == 0 || limit < before)
		l.buckets[d].set(limit, l.share)
	}
	l.headerSeq = max(l.headerSeq, seq)
	return lower
}

// refused cuts, once for all the attempts that were let in before. A refusal
// that brings news of a limit needs no cut of the rate: it came of ignorance.
func (l *lane) refused(now time.Time, seq uint64, o outcome, latestSeq uint64, news bool) {
	if seq <= l.cutSeq {
		return
	}
	l.cutSeq, l.last, l.grown = latestSeq, now, now
	hopeless := !l.accepted && l.limiting > 0.5
	// Of a window that was not used, half is taken at once: what was refused
	// was less. Not all of it, as one refusal in a quiet moment says little.
	used := min(l.window, max(float64(l.inFlight+1), l.window/2))
	l.window = max(1, (1-cutWindow*min(1, 3*l.refusals))*used)
	wish := o.wish
	if o.class == ClassRateLimited {
		if wish == 0 {
			wish = resetWish(o.header, now)
		}
		switch {
		case news:
		case l.limited() && hopeless:
			l.share = max(leastShare, l.share*cutHard)
		case l.limited():
			l.share = max(leastShare, l.share*(1-cutShare*min(1, 3*l.limiting)))
		case hopeless:
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
	Limits      Limits  // this client's part of those known, from the configuration or the server; 0 is none
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
