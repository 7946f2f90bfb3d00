package providers

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Retry says how often and how patiently a [Client] tries again. The zero
// value is the default throughout.
type Retry struct {
	Attempts int // in all, the first included; 0 means 7, 1 means no retry
	// Base and Max bound the wait between attempts. The n-th wait is drawn from
	//
	//	[d/2, d),  d = min(Base · 2ⁿ⁻¹, Max)
	//
	// and is never shorter than what the server asked for. 0 means 500 ms and
	// 30 s.
	Base, Max time.Duration
	// RetryAfterCap is the longest wish of a server that is waited for; a
	// longer one ends the call. 0 means 60 s.
	RetryAfterCap time.Duration
	// AttemptTimeout limits each attempt. 0 means 5 minutes.
	AttemptTimeout time.Duration
}

func (r Retry) withDefaults() (Retry, error) {
	if r.Attempts < 0 || r.Base < 0 || r.Max < 0 || r.RetryAfterCap < 0 || r.AttemptTimeout < 0 {
		return r, fmt.Errorf("a negative field in Retry: %+v", r)
	}
	if r.Attempts == 0 {
		r.Attempts = 7
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&r.Base, 500 * time.Millisecond}, {&r.Max, 30 * time.Second},
		{&r.RetryAfterCap, time.Minute}, {&r.AttemptTimeout, 5 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if r.Base > r.Max {
		return r, fmt.Errorf("base wait %v is more than the longest, %v: lower Retry.Base or raise Retry.Max", r.Base, r.Max)
	}
	return r, nil
}

// schedule is the backoff.BackOff of one call: exponential waits, at least as
// long as the server's wish, for a limited number of attempts. The library's
// own BackOffs know nothing of Retry-After.
type schedule struct {
	retry  Retry
	exp    *backoff.ExponentialBackOff
	jitter *rand.Rand
	made   int           // attempts so far
	wish   time.Duration // of the last answer
}

// newSchedule draws its jitter from the call's own stream, so that calls that
// failed together do not come back together, and a call waits the same whoever
// else is waiting. A call without a tag is told apart by its number.
func newSchedule(r Retry, tag Tag, number uint64) *schedule {
	if tag != (Tag{}) {
		number = 0
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(RequestID(tag)), number))
	return &schedule{
		retry: r,
		exp: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(r.Base), backoff.WithMaxInterval(r.Max), backoff.WithMultiplier(2),
			// The library would jitter by the global generator, and give up
			// after a default of 15 minutes.
			backoff.WithRandomizationFactor(0), backoff.WithMaxElapsedTime(0),
		),
		jitter: rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16]))),
	}
}

func (s *schedule) Reset() { s.exp.Reset() }

func (s *schedule) NextBackOff() time.Duration {
	if s.made >= s.retry.Attempts || s.tooPatient() {
		return backoff.Stop
	}
	d := s.exp.NextBackOff()
	d = d/2 + time.Duration(s.jitter.Float64()*float64(d-d/2))
	return max(d, s.wish)
}

// tooPatient reports that the server asks for a wait past the cap.
func (s *schedule) tooPatient() bool { return s.wish > s.retry.RetryAfterCap }
