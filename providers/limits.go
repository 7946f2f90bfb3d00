package providers

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits is what a service lets one key ask of one model in a minute. A zero
// field is not configured: the limit is then what the server's headers
// announce, and none where they announce nothing.
//
// A configured number of requests or tokens can be lowered by the headers,
// never raised. Configured limits of prompt, uncached and generated tokens
// replace those of the headers, whose unit is disputed (see [Client]).
type Limits struct {
	RequestsPerMinute int
	TokensPerMinute   int // prompt and generated tokens together
	// Some services count these apart, in addition or instead.
	PromptTokensPerMinute    int
	UncachedTokensPerMinute  int // prompt tokens that came from no cache
	GeneratedTokensPerMinute int
}

// dimension is one of the things that a service counts.
type dimension int

const (
	byRequests dimension = iota
	byTokens
	byPrompt
	byUncached
	byGenerated
	dimensions
)

// quantities holds a figure per dimension: a limit a minute, where 0 means
// none, or what an attempt takes.
type quantities [dimensions]float64

func (l Limits) quantities() (quantities, error) {
	fields := [dimensions]int{l.RequestsPerMinute, l.TokensPerMinute, l.PromptTokensPerMinute, l.UncachedTokensPerMinute,
		l.GeneratedTokensPerMinute}
	var q quantities
	for d, n := range fields {
		if n < 0 {
			return q, fmt.Errorf("a negative field in Limits: %+v", l)
		}
		q[d] = float64(n)
	}
	return q, nil
}

func (q quantities) limits() Limits {
	at := func(d dimension) int { return int(min(q[d], math.MaxInt32)) }
	return Limits{at(byRequests), at(byTokens), at(byPrompt), at(byUncached), at(byGenerated)}
}

// part is an equal part of limits that several clients share.
func (q quantities) part(among int) quantities {
	for d := range q {
		q[d] /= float64(max(among, 1))
	}
	return q
}

// takes is what an attempt of that usage takes of every limit.
func takes(prompt, cached, completion float64) quantities {
	return quantities{1, prompt + completion, prompt, prompt - cached, completion}
}

// announced are the headers with limits a minute, by dimension. The unit of
// Fireworks' token limits is in conflict: its documentation says a second, a
// measurement showed a minute. A minute is the safe reading, at worst a
// sixtieth of what is allowed; the other would be refused all the time.
var announced = [dimensions][]string{
	byRequests: {"X-Ratelimit-Limit-Requests", "X-Ratelimit-Limit-Requests-Minute",
		"Anthropic-Ratelimit-Requests-Limit"},
	byTokens:    {"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Limit-Project-Tokens", "X-Ratelimit-Limit-Tokens-Minute"},
	byPrompt:    {"X-Ratelimit-Limit-Tokens-Prompt"},
	byUncached:  {"X-Ratelimit-Limit-Tokens-Cache-Adjusted-Prompt", "Anthropic-Ratelimit-Input-Tokens-Limit"},
	byGenerated: {"X-Ratelimit-Limit-Tokens-Generated", "Anthropic-Ratelimit-Output-Tokens-Limit"},
}

// headerLimits reads what a reply announces; of two limits in one dimension,
// the lower. What does not make sense is as if it were not there.
func headerLimits(h http.Header) quantities {
	var q quantities
	for d, names := range announced {
		for _, name := range names {
			if n, ok := parseCount(h.Get(name)); ok && n > 0 && (q[d] == 0 || n < q[d]) {
				q[d] = n
			}
		}
	}
	return q
}

// resetWish is how long a refusal without Retry-After says that its limit is
// exhausted: the longest reset of those with nothing remaining, else 0. Each limit has a header
// of each, X-Ratelimit-Remaining-Tokens and X-Ratelimit-Reset-Tokens for example.
func resetWish(h http.Header, now time.Time) time.Duration {
	var wish time.Duration
	for name, values := range h {
		reset := strings.Replace(name, "Remaining", "Reset", 1)
		if reset == name || len(values) == 0 {
			continue
		}
		if left, ok := parseCount(values[0]); ok && left == 0 {
			wish = max(wish, untilThen(h.Get(reset), now))
		}
	}
	return wish
}

// parseCount reads a whole number, with or without commas between thousands. A
// negative one, which some services send for "no limit", is none.
func parseCount(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if head, rest, grouped := strings.Cut(s, ","); grouped {
		for _, group := range strings.Split(rest, ",") {
			if len(group) != 3 {
				return 0, false
			}
		}
		if head == "" || len(head) > 3 {
			return 0, false
		}
		s = strings.ReplaceAll(s, ",", "")
	}
	n, err := strconv.ParseUint(s, 10, 63)
	return float64(n), err == nil
}

// bucket is one limit, spread evenly over the minute: services enforce 60 a
// minute as one a second, too.
type bucket struct {
	limit float64 // a minute; 0 means none
	level float64 // what may be sent now; below 0, what was sent too early
	at    time.Time
	burst time.Duration // how much of the flow may be saved up
	least float64       // what may be saved up in any case
}

// headroom is the part of a limit that is used. The rest is for clocks and
// arrivals, which are not as even as departures.
const headroom = 0.98

// flow is what comes in a second while only a share of the limit is used.
func (b *bucket) flow(share float64) float64 { return b.limit / 60 * headroom * share }

func (b *bucket) full(share float64) float64 {
	return max(b.least, b.flow(share)*b.burst.Seconds())
}

// refill brings the level up to now.
func (b *bucket) refill(now time.Time, share float64) {
	if b.limit > 0 {
		b.level = min(b.level+now.Sub(b.at).Seconds()*b.flow(share), b.full(share))
	}
	b.at = now
}

// set changes the limit. What was sent while none was known went uncounted, so
// a new limit starts with nothing saved up.
func (b *bucket) set(limit, share float64) {
	if limit == b.limit {
		return
	}
	if b.limit == 0 {
		b.level = 0
	}
	b.limit = limit
	if limit > 0 {
		b.level = min(b.level, b.full(share))
	}
}

// ready is when an amount may be sent, if nothing else is. What is larger than
// the bucket goes when that is full, and is paid off afterwards.
func (b *bucket) ready(amount, share float64) time.Time {
	if b.limit == 0 {
		return b.at
	}
	short := min(amount, b.full(share)) - b.level
	if short <= 1e-9 {
		return b.at
	}
	return b.at.Add(time.Duration(min(short/b.flow(share), 3600)*1e9) + 1)
}

func (b *bucket) take(amount float64) {
	if b.limit > 0 {
		b.level -= amount
	}
}

// habit is what the calls of one kind turned out to take: the same kind of
// call to the same model varies little about its mean, and the bound of a call
// is a multiple of it.
type habit struct {
	n          float64
	prompt     float64 // actual tokens for each one guessed
	cached     float64 // share of the prompt
	completion float64 // tokens
}

// memory bounds how many calls a habit averages over, so that it follows a
// change.
const memory = 64

func (h *habit) learn(guess float64, u Usage) {
	h.n = min(h.n+1, memory)
	if guess > 0 {
		h.prompt += (float64(u.PromptTokens)/guess - h.prompt) / h.n
	}
	if u.PromptTokens > 0 {
		h.cached += (float64(u.CachedTokens)/float64(u.PromptTokens) - h.cached) / h.n
	}
	h.completion += (float64(u.CompletionTokens) - h.completion) / h.n
}

// expect is what a call probably takes: until the first of its kind has ended,
// the guessed prompt and all the tokens it may generate.
func (h *habit) expect(guess float64, bound Usage) quantities {
	if h.n == 0 {
		return takes(guess, 0, float64(bound.CompletionTokens))
	}
	prompt := guess * h.prompt
	return takes(prompt, prompt*h.cached, min(h.completion, float64(bound.CompletionTokens)))
}
