package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reweigh/reweigh/providers"
)

// Config is how [Runner.Run] works. Store and Run are required; zero
// means the default in every other field.
type Config struct {
	// Store remembers what was submitted, so that another process can go on.
	Store Store
	// Run names the work that this is part of, as "sample1pct/2026-11-22".
	// Equal requests of one Run are the same work and are paid once; those of
	// another Run are drawn anew.
	Run string
	// Attempts is how often a line is submitted that fails by no fault of its
	// own, or that its batch left unanswered; 0 means 3.
	Attempts int
	// InFlight is the number of batches unfinished at a time; 0 means 4.
	InFlight int
	// MaxLines and MaxBytes (of 10⁶ a megabyte) split the requests into
	// batches; 0 means, and at most are, providers.MaxBatchLines and providers.MaxBatchBytes.
	MaxLines, MaxBytes int
	// A batch is asked for every PollMin at first, then half as long again each
	// time, up to PollMax; 0 means 5 s and 60 s.
	PollMin, PollMax time.Duration
	// Patience is how long to go on where the server cannot be asked about a
	// batch, or its queue has no room for one; 0 means 6 hours.
	Patience time.Duration
	// ListDelay is how long after a submission whose answer was lost the
	// server's listing is trusted to show the batch; 0 means 30 s.
	ListDelay time.Duration
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Store == nil:
		return c, errors.New("no Store: what was submitted has to be remembered (Config.Store)")
	case c.Run == "":
		return c, errors.New("no name of the run (Config.Run)")
	case c.Attempts < 0, c.InFlight < 0, c.MaxLines < 0, c.MaxBytes < 0, c.PollMin < 0, c.PollMax < 0, c.Patience < 0,
		c.ListDelay < 0:
		return c, errors.New("a negative field in Config")
	case c.MaxLines > providers.MaxBatchLines, c.MaxBytes > providers.MaxBatchBytes:
		return c, fmt.Errorf("%d lines or %d bytes: a batch holds %d and %d", c.MaxLines, c.MaxBytes,
			providers.MaxBatchLines, providers.MaxBatchBytes)
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&c.Attempts, 3}, {&c.InFlight, 4}, {&c.MaxLines, providers.MaxBatchLines},
		{&c.MaxBytes, providers.MaxBatchBytes}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.PollMin, 5 * time.Second}, {&c.PollMax, time.Minute}, {&c.Patience, 6 * time.Hour},
		{&c.ListDelay, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	c.PollMax = max(c.PollMin, c.PollMax)
	return c, nil
}

// Result is what became of one request: a Generation, or an Err that is an
// [*providers.Error] of a class.
type Result struct {
	Generation providers.Generation
	Err        error
}

// Store remembers batches between processes. Run serialises its
// calls.
type Store interface {
	// Save keeps s in place of an earlier state of the same Key. It must not
	// return before s would survive the process being killed. An append to a
	// log is enough: of several states of one Key, Load's last counts.
	Save(s State) error
	// Load returns everything saved, in the order in which the keys were first
	// saved. Batches of other runs may be among them.
	Load() ([]State, error)
}

// State is a batch as a [Store] keeps it. It is saved before each
// step that could not be taken back:
//
//	intent ─ upload ─ FileID saved ─ create ─ BatchID saved ─ poll … download ─ Done saved
//
// A state with neither id is an intent. It holds no prompt and no response.
type State struct {
	// Key is derived from Run, endpoint, model, Attempt and every line.
	Key     string `json:"key"`
	Run     string `json:"run"`
	Attempt int    `json:"attempt"` // of its lines, from 1
	// Try counts submissions of the same file: a queue without room makes
	// another one necessary.
	Try      int    `json:"try"`
	Endpoint string `json:"endpoint"`
	Model    string `json:"model"`
	Lines    []Mark `json:"lines"` // in the order of the file
	// Intent is when the batch was decided on, by this machine's clock.
	Intent  time.Time `json:"intent"`
	FileID  string    `json:"file_id,omitempty"`
	BatchID string    `json:"batch_id,omitempty"`
	// Done says that the answers were read and are in the ledger; they are
	// read again, at no cost, by every Run with the same requests.
	Done       bool                     `json:"done,omitempty"`
	Status     string                   `json:"status,omitempty"` // how it ended
	OutputFile string                   `json:"output_file,omitempty"`
	ErrorFile  string                   `json:"error_file,omitempty"`
	Problems   []providers.BatchProblem `json:"problems,omitempty"`
}

// Mark tells a line without repeating it.
type Mark struct {
	ID  string `json:"id"`  // custom id, providers.RequestID of the request's tag
	Sum string `json:"sum"` // of the line, 16 hex digits of its SHA-256
}

// Runner answers requests through the batches of a service.
type Runner struct{ c *providers.Client }

// New returns a runner whose calls go through c, and are in its books.
func New(c *providers.Client) Runner { return Runner{c} }

// Run answers requests through the service's batches, at
// [providers.Price.Batch] of the price and within a day, and returns what became of
// each by its tag. The provider must take batches ([providers.Batches]); if it does not, the error
// wraps [errors.ErrUnsupported]. Two requests of one [providers.RequestID] are an error.
//
// Answers are joined by custom id and read as those of [providers.Client.Generate]. The
// finished lines of a batch that expired or was cancelled are kept; lines left
// without an answer, and lines whose failure is [providers.Class.Retryable], are
// submitted again in a batch of their own. A line that fails for good has an
// [*providers.Error] in its result, and so does one that is invalid or has no price.
//
// An error means that the work is not finished: ctx ended, a key was refused,
// the store cannot be written. The results that there are come with it. What
// was submitted stays with the server, and calling Run again with the same
// Store, Run and requests, in this process or in another, goes on from there:
// nothing that was submitted is submitted again. Between the submission of a
// batch and the saving of its id, that rests on the server's listing, in which
// Run looks for its own key among the batches' metadata. One window is
// left: a submission that reaches the server later than ListDelay after its
// sender was lost, or that the listing does not show by then, is made twice.
// More requests may be added; those of an unfinished batch may not be left out.
//
// Each line is an [providers.Entry] of endpoint "batch" in the ledger, begun before the
// upload at the most that it can cost and ended when its answer was read.
// Uploads, polls and downloads have lines of their own, at no cost. A batch
// that the budget has no room for waits for those in flight; if it cannot fit
// any more it is halved, until single lines are refused with [providers.ErrBudget]. The
// reservation of a batch left behind stays in the budget. A new process that
// charges its budget with what the ledger holds leaves out the lines of
// endpoint "batch" that are in flight: Run reserves for them again, even
// past the limit, because they must be paid.
func (r Runner) Run(ctx context.Context, config Config,
	requests []providers.GenerateRequest) (map[providers.Tag]Result, error) {
	fail := func(class providers.Class, err error) (map[providers.Tag]Result, error) {
		return nil, r.c.Fail(providers.Call{Op: opRun}, class, err)
	}
	if _, ok := providers.Batches(r.c.Provider(), ""); !ok {
		return fail(providers.ClassBadRequest, errNoBatches)
	}
	config, err := config.withDefaults()
	if err != nil {
		return fail(providers.ClassBadRequest, err)
	}
	work := &run{c: r.c, config: config, results: make(map[providers.Tag]Result, len(requests))}
	if err := work.prepare(requests); err != nil {
		return fail(providers.ClassBadRequest, err)
	}
	err = work.run(ctx)
	return work.results, err
}

var errNoBatches = fmt.Errorf("the provider takes no batches: %w", errors.ErrUnsupported)

// Cancel asks the server to stop every unfinished batch of the run that
// the store knows the id of. A later Run reads what was done by then, and
// submits the rest again.
func (r Runner) Cancel(ctx context.Context, config Config) error {
	c, k := r.c, providers.Call{Op: opCancel}
	if _, ok := providers.Batches(c.Provider(), ""); !ok {
		return c.Fail(k, providers.ClassBadRequest, errNoBatches)
	}
	config, err := config.withDefaults()
	if err != nil {
		return c.Fail(k, providers.ClassBadRequest, err)
	}
	work := &run{c: c, config: config}
	states, err := work.load()
	if err != nil {
		return err
	}
	var errs []error
	for _, st := range states {
		if st.Done || st.BatchID == "" {
			continue
		}
		k := st.call(opCancel, "cancel", "batches")
		batcher := work.batcher(st.Model)
		if batcher == nil {
			errs = append(errs, c.Fail(k, providers.ClassBadRequest, errNoBatches))
			continue
		}
		_, err := providers.Free(ctx, c, k, func(ctx context.Context) (providers.BatchInfo, error) {
			return batcher.CancelBatch(ctx, k.Tag, st.BatchID)
		})
		var e *providers.Error
		if errors.As(err, &e) && e.Status == 409 { // it has ended by itself
			err = nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
