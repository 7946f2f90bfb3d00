package providers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHeaderLimits(t *testing.T) {
	for _, c := range []struct {
		reason string
		header map[string]string
		want   quantities
	}{
		{"OpenAI's", map[string]string{"limit-requests": "60", "limit-tokens": "150000", "reset-tokens": "6m0s"},
			quantities{byRequests: 60, byTokens: 150000}},
		{"the lower of the organisation's and the project's", map[string]string{"limit-tokens": "150000",
			"limit-project-tokens": "40000"}, quantities{byTokens: 40000}},
		{"Fireworks', as a minute", map[string]string{"limit-tokens-prompt": "216000", "limit-tokens-generated": "36000",
			"limit-tokens-cache-adjusted-prompt": "54000"},
			quantities{byPrompt: 216000, byUncached: 54000, byGenerated: 36000}},
		{"Cerebras' minute, and not its day", map[string]string{"limit-tokens-minute": "60000",
			"limit-requests-day": "14400"}, quantities{byTokens: 60000}},
		{"Anthropic's", map[string]string{"Anthropic-Ratelimit-Requests-Limit": "50",
			"Anthropic-Ratelimit-Input-Tokens-Limit": "40000", "Anthropic-Ratelimit-Output-Tokens-Limit": "8000"},
			quantities{byRequests: 50, byUncached: 40000, byGenerated: 8000}},
		{"commas between thousands were seen", map[string]string{"limit-tokens": "30,000"}, quantities{byTokens: 30000}},
		{"Azure's -1 and 0 say nothing", map[string]string{"limit-requests": "-1", "limit-tokens": "0"}, quantities{}},
		{"a list is no number", map[string]string{"limit-requests": "100, 200", "limit-tokens": "1,2"}, quantities{}},
		{"nor are these", map[string]string{"limit-requests": "60;w=60", "limit-tokens": "NaN",
			"limit-tokens-prompt": "99999999999999999999", "limit-tokens-generated": ","}, quantities{}},
		{"nothing announced", nil, quantities{}},
	} {
		h := http.Header{}
		for k, v := range c.header {
			if !strings.HasPrefix(k, "Anthropic-") {
				k = "X-Ratelimit-" + k
			}
			h.Set(k, v)
		}
		if got := headerLimits(h); got != c.want {
			t.Errorf("%s: %v, want %v", c.reason, got, c.want)
		}
	}
}

func TestResetWish(t *testing.T) {
	now := time.Unix(1_741_305_600, 0)
	for _, c := range []struct {
		reason string
		header map[string]string // X-Ratelimit-Remaining-Tokens and its reset, unless they are named in full
		want   time.Duration
	}{
		{"exhausted", map[string]string{"remaining": "0", "reset": "1m30s"}, 90 * time.Second},
		{"not exhausted", map[string]string{"remaining": "1", "reset": "1m30s"}, 0},
		{"not known to be exhausted", map[string]string{"reset": "1m30s"}, 0},
		{"no duration", map[string]string{"remaining": "0", "reset": "soon"}, 0},
		{"a time that has passed", map[string]string{"remaining": "0", "reset": "-1s"}, 0},
		{"seconds without a unit", map[string]string{"remaining": "0", "reset": "7.5"}, 7500 * time.Millisecond},
		{"Cerebras' day", map[string]string{"X-Ratelimit-Remaining-Requests-Day": "0",
			"X-Ratelimit-Reset-Requests-Day": "33011.5"}, 33011500 * time.Millisecond},
		{"the longest of several", map[string]string{"remaining": "0", "reset": "2s",
			"X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "3s"}, 3 * time.Second},
		{"OpenRouter's milliseconds since 1970", map[string]string{"X-Ratelimit-Remaining": "0",
			"X-Ratelimit-Reset": "1741305609000"}, 9 * time.Second},
		{"seconds since 1970", map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1741305609"},
			9 * time.Second},
		{"the IETF's draft", map[string]string{"Ratelimit-Remaining": "0", "Ratelimit-Reset": "9"}, 9 * time.Second},
		{"Anthropic's date", map[string]string{"Anthropic-Ratelimit-Requests-Remaining": "0",
			"Anthropic-Ratelimit-Requests-Reset": now.Add(9 * time.Second).UTC().Format(time.RFC3339)}, 9 * time.Second},
	} {
		h := http.Header{}
		for k, v := range c.header {
			if k == "remaining" || k == "reset" {
				k = "X-Ratelimit-" + k + "-Tokens"
			}
			h.Set(k, v)
		}
		if got := resetWish(keepHeader(h), now); got != c.want {
			t.Errorf("%s: %v, want %v", c.reason, got, c.want)
		}
	}
}

// Whatever a header says, a limit is a finite number and not negative.
func FuzzHeaderLimits(f *testing.F) {
	for _, s := range []string{"60", "30,000", "-1", "", "1e9", "9223372036854775808", "0x10", ",,,"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, limit, reset string) {
		h := http.Header{"X-Ratelimit-Limit-Tokens": {limit}, "X-Ratelimit-Remaining-Tokens": {"0"},
			"X-Ratelimit-Reset-Tokens": {reset}}
		if n := headerLimits(h)[byTokens]; !(n >= 0 && n < 1e19) {
			t.Errorf("limit %q is %v", limit, n)
		}
		if d := resetWish(h, time.Unix(1_741_305_600, 0)); d < 0 {
			t.Errorf("reset %q is %v", reset, d)
		}
	})
}

func TestLimitInForce(t *testing.T) {
	for _, c := range []struct {
		reason             string
		d                  dimension
		configured, header float64
		want               float64
	}{
		{"nothing known", byRequests, 0, 0, 0},
		{"learnt", byTokens, 0, 300, 300},
		{"configured", byTokens, 600, 0, 600},
		{"the server lowers", byRequests, 600, 300, 300},
		{"and does not raise", byRequests, 600, 6000, 600},
		{"where the header's unit is in dispute, the configuration decides", byGenerated, 36000, 600, 36000},
	} {
		var l lane
		l.configured[c.d], l.header[c.d] = c.configured, c.header
		if got := l.inForce(c.d); got != c.want {
			t.Errorf("%s: %v, want %v", c.reason, got, c.want)
		}
	}
}

// Replies overtake each other: an old one does not bring back an old limit
// that was higher.
func TestOlderRepliesDoNotRaise(t *testing.T) {
	l := newLane(8, quantities{}, time.Time{})
	for _, c := range []struct {
		seq         uint64
		limit, want float64
		lower       bool
	}{
		{1, 600, 600, true}, {5, 300, 300, true}, {3, 600, 300, false}, {6, 0, 300, false}, {7, 600, 600, false},
		{2, 300, 300, true},
	} {
		lower := l.announce(c.seq, quantities{byRequests: c.limit})
		if got := l.inForce(byRequests); got != c.want || lower != c.lower {
			t.Errorf("after reply %d: limit %v, news %v; want %v, %v", c.seq, got, lower, c.want, c.lower)
		}
	}
}

// The refusals of one moment are one cut, and successes restore what was cut.
func TestCutsOnceAndRecovers(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLane(16, quantities{byRequests: 600}, now)
	var tickets []*ticket
	for seq := range uint64(16) {
		tickets = append(tickets, &ticket{seq: seq + 1})
		l.take(now, quantities{1})
	}
	refusal := outcome{sent: true, class: ClassRateLimited, status: 429, usage: &Usage{}}
	l.ended(now, tickets[0], refusal, 16)
	share, window := l.share, l.window
	if share >= 1 || window >= 16 {
		t.Fatalf("share %v, concurrency %v after a refusal: want less than 1 and 16", share, window)
	}
	for _, x := range tickets[1:] {
		l.ended(now, x, refusal, 16)
	}
	if l.share != share || l.window != window {
		t.Errorf("share %v, concurrency %v after the other refusals of the moment, were %v and %v", l.share, l.window, share,
			window)
	}
	for seq := range uint64(40) { // over 4 s; 0.03 a second
		now = now.Add(100 * time.Millisecond)
		l.take(now, quantities{1})
		l.ended(now, &ticket{seq: seq + 17}, outcome{sent: true, usage: &Usage{}}, seq+17)
	}
	if l.share != 1 || l.window != 16 || l.inFlight != 0 {
		t.Errorf("share %v, concurrency %v, %d in flight after successes: want 1, 16, 0", l.share, l.window, l.inFlight)
	}
}

// An estimate that was far off is corrected by what the calls turn out to
// take, the cached share of the prompt included.
func TestHabits(t *testing.T) {
	bound := Usage{PromptTokens: 400, CompletionTokens: 1000}
	var h habit
	if got, want := h.expect(100, bound), takes(100, 0, 1000); got != want {
		t.Errorf("before anything is known: %v, want %v", got, want)
	}
	for range 200 {
		h.learn(100, Usage{PromptTokens: 120, CachedTokens: 60, CompletionTokens: 40})
		h.learn(100, Usage{PromptTokens: 80, CachedTokens: 40, CompletionTokens: 60})
	}
	got, want := h.expect(100, bound), takes(100, 50, 50)
	for d := range want {
		if got[d] < 0.98*want[d] || got[d] > 1.02*want[d] {
			t.Errorf("expected to take %v, want about %v", got, want)
			break
		}
	}
}

// An attempt that was let in and not made, as for want of budget, gives back
// what it took and counts as neither refusal nor success.
func TestUnsentAttemptGivesBack(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLane(16, quantities{byRequests: 60, byTokens: 6000}, now)
	l.cooling, l.window = now.Add(time.Hour), 4
	before := l.buckets
	x := &ticket{seq: 1, takes: takes(40, 0, 10)}
	l.take(now, x.takes)
	if l.buckets == before {
		t.Error("it took nothing")
	}
	l.ended(now, x, outcome{}, 1)
	if l.buckets != before || l.inFlight != 0 || l.window != 4 || !l.cooling.After(now) {
		t.Errorf("left behind: %+v", l)
	}
}
