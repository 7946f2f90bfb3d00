package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limits is what the server lets each key ask of each model in a minute; 0 is
// no limit. A limit is enforced as a flow: a second of it may be saved up, and
// what exceeds it is refused with 429 and retry-after-ms. An answer's tokens
// are counted when it is worked on, so that they may pass the limit once and
// are waited off afterwards. Listings are free.
type Limits struct {
	RequestsPerMinute int
	TokensPerMinute   int // prompt and generated
	// HalveAfter is the number of requests let in, of all keys and models,
	// after which the limits are halved; the answer to the last of them
	// announces it. 0 is never.
	HalveAfter int
}

func (l Limits) validate() error {
	if l.RequestsPerMinute < 0 || l.TokensPerMinute < 0 || l.HalveAfter < 0 {
		return fmt.Errorf("a negative field in Limits: %+v", l)
	}
	return nil
}

// limiter enforces Limits on the clock of time.Now.
type limiter struct {
	limits Limits

	mu       sync.Mutex
	let      int // requests let in
	accounts map[string]*account
}

// account is what one key may ask of one model.
type account struct{ requests, tokens flow }

// flow is one limit and what is saved up of it, at most a second's worth.
type flow struct {
	limit float64 // a minute; 0: none
	level float64
	at    time.Time
}

func (f *flow) refill(now time.Time, limit float64) {
	if f.at.IsZero() {
		f.at, f.level = now, math.Inf(1)
	}
	f.limit = limit
	f.level = math.Min(f.full(), f.level+now.Sub(f.at).Seconds()*limit/60)
	f.at = now
}

func (f *flow) full() float64 { return math.Max(1, f.limit/60) }

// wait is how long it takes until the level is at least to.
func (f *flow) wait(to float64) time.Duration {
	const rounding = 1e-9 // of sums of small inflows
	if f.limit == 0 || f.level >= to-rounding {
		return 0
	}
	return time.Duration(math.Ceil((to - f.level) / (f.limit / 60) * 1e9))
}

// account brings up to date what a request counts against. l.mu is held.
func (l *limiter) account(r *http.Request, body []byte) *account {
	var asked struct {
		Model string `json:"model"`
	}
	_ = json.Unmarshal(body, &asked) // a body that does not parse is refused later, for that
	id := r.Header.Get("Authorization") + "\n" + asked.Model
	a := l.accounts[id]
	if a == nil {
		a = &account{}
		if l.accounts == nil {
			l.accounts = make(map[string]*account)
		}
		l.accounts[id] = a
	}
	requests, tokens := float64(l.limits.RequestsPerMinute), float64(l.limits.TokensPerMinute)
	if l.limits.HalveAfter > 0 && l.let >= l.limits.HalveAfter {
		requests, tokens = requests/2, tokens/2
	}
	now := time.Now()
	a.requests.refill(now, requests)
	a.tokens.refill(now, tokens)
	return a
}

func (l *limiter) none() bool {
	return l.limits.RequestsPerMinute == 0 && l.limits.TokensPerMinute == 0
}

// enter lets a request in or refuses it, and says so in the headers.
func (l *limiter) enter(h http.Header, r *http.Request, body []byte) *apiError {
	if l.none() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(r, body)
	wait := max(a.requests.wait(1), a.tokens.wait(0))
	if wait == 0 {
		l.let++
		a = l.account(r, body) // it may have been the one that halves
		a.requests.level--
	}
	a.headers(h)
	if wait > 0 {
		h.Set("Retry-After-Ms", strconv.FormatInt(int64((wait+time.Millisecond-1)/time.Millisecond), 10))
		return &apiError{status: http.StatusTooManyRequests, kind: "rate_limit"}
	}
	return nil
}

// charge takes an answer's tokens.
func (l *limiter) charge(h http.Header, r *http.Request, body []byte, u usage) {
	if l.none() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(r, body)
	a.tokens.level -= float64(u.prompt + u.completion)
	a.headers(h)
}

// headers tell the truth: of a limit that is enforced, how much of it may be
// used at once, and when that is a second's worth again.
func (a *account) headers(h http.Header) {
	for _, x := range []struct {
		kind string
		flow
	}{{"Requests", a.requests}, {"Tokens", a.tokens}} {
		if x.limit == 0 {
			continue
		}
		h.Set("X-Ratelimit-Limit-"+x.kind, strconv.Itoa(int(x.limit)))
		h.Set("X-Ratelimit-Remaining-"+x.kind, strconv.Itoa(int(math.Max(0, x.level))))
		h.Set("X-Ratelimit-Reset-"+x.kind, x.wait(x.full()).Round(time.Millisecond).String())
	}
}
