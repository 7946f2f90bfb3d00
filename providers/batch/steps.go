package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/reweigh/reweigh/providers"
)

// batch takes one batch from wherever it is to its end. items are the lines of
// its file, in order. st is nil for a batch that is still to be decided on.
func (r *run) batch(ctx context.Context, items []*item, st *State) error {
	var (
		books   = r.c.Books()
		reserve providers.USD
		// doubt is that a submission may have reached the server whose answer
		// nobody saw.
		doubt bool
		since time.Time
	)
	for _, it := range items {
		reserve += it.reserve
	}
	if st == nil {
		if err := books.Reserve(ctx, reserve); err != nil {
			return err
		}
		st = r.newState(items)
		if err := r.save(st); err != nil {
			books.Settle(reserve, 0)
			return err
		}
	} else {
		books.Unpark(st.Key, reserve)
		// Without a file nothing can have been submitted.
		doubt, since = st.FileID != "" && st.BatchID == "", time.Now()
	}
	err := r.begin(items, st)
	if err == nil {
		err = r.submit(ctx, items, st, &doubt, &since)
	}
	if err != nil {
		if st.BatchID == "" && !doubt {
			r.abandon(items, st, err)
			books.Settle(reserve, 0)
		} else {
			books.Park(st.Key, reserve)
		}
		return err
	}
	outcomes, err := r.download(ctx, st)
	var cost providers.USD
	if err == nil {
		cost, err = r.end(items, st, outcomes)
	}
	if err == nil {
		st.Done = true
		err = r.save(st)
	}
	if err != nil {
		books.Park(st.Key, reserve)
		return err
	}
	books.Settle(reserve, cost)
	for _, it := range items {
		r.take(it, st, outcomes(it))
	}
	return nil
}

// submit uploads and creates the batch where that was not done, and waits for
// its end. Every id is saved before the next step.
func (r *run) submit(ctx context.Context, items []*item, st *State, doubt *bool, since *time.Time) error {
	var fullSince time.Time
	pause := r.config.PollMin
	for {
		if st.BatchID == "" {
			if err := r.create(ctx, items, st, doubt, since); err != nil {
				return err
			}
			if err := r.save(st); err != nil {
				return err
			}
		}
		info, err := r.poll(ctx, st)
		if err != nil {
			return err
		}
		st.Status, st.OutputFile, st.ErrorFile, st.Problems = info.Status, info.OutputFile, info.ErrorFile, info.Problems
		if info.Status != "failed" || !queueFull(info.Problems) {
			return nil
		}
		// Nothing was worked on, and nothing has to be paid: the same file again, later.
		if fullSince.IsZero() {
			fullSince = time.Now()
		}
		st.BatchID, st.Status, st.Problems = "", "", nil
		st.Try++
		if err := r.save(st); err != nil {
			return err
		}
		if time.Since(fullSince) > r.config.Patience {
			e := r.c.Fail(st.call(opBatch, "create", "batches"), providers.ClassRateLimited,
				errors.New("the queue of the service had no room for the batch"))
			e.Hint = "resume later, or make smaller batches (Config.MaxLines)"
			return e
		}
		if err := r.wait(ctx, pause); err != nil {
			return err
		}
		pause = r.slower(pause)
	}
}

func (r *run) slower(d time.Duration) time.Duration {
	return min(d+d/2+1, r.config.PollMax)
}

// create submits the batch, once. A submission whose answer was lost, in this
// process or in an earlier one, is looked for before it is made again.
func (r *run) create(ctx context.Context, items []*item, st *State, doubt *bool, since *time.Time) error {
	if *doubt {
		// It may be there and not be listed yet.
		if err := r.wait(ctx, time.Until(since.Add(r.config.ListDelay))); err != nil {
			return err
		}
		if found, err := r.adoptListed(ctx, st); found || err != nil {
			return err
		}
		*doubt = false
	}
	if st.FileID == "" {
		// An upload that is made twice costs nothing but the server's space.
		size := 0
		for _, it := range items {
			size += len(it.line)
		}
		file := make([]byte, 0, size)
		for _, it := range items {
			file = append(file, it.line...)
		}
		up := st.call(opUpload, "upload", "files")
		id, err := providers.Free(ctx, r.c, up, func(ctx context.Context) (string, error) {
			return r.batcher(st.Model).UploadBatch(ctx, up.Tag, file)
		})
		if err != nil {
			return err
		}
		st.FileID = id
		if err := r.save(st); err != nil {
			return err
		}
	}
	k := st.call(opBatch, "create", "batches")
	info, err := providers.Free(ctx, r.c, k, func(ctx context.Context) (providers.BatchInfo, error) {
		if *doubt {
			// A retry of a call that was lost is a listing first; both are one
			// attempt in the ledger.
			if err := r.wait(ctx, time.Until(since.Add(r.config.ListDelay))); err != nil {
				return providers.BatchInfo{}, err
			}
			found, err := r.find(ctx, st)
			if err != nil || found.ID != "" {
				return found, err
			}
		}
		info, err := r.batcher(st.Model).CreateBatch(ctx, k.Tag, providers.BatchSubmission{
			FileID: st.FileID, Endpoint: st.Endpoint, Metadata: map[string]string{metadataKey: st.submission()},
		})
		*doubt, *since = err != nil && !notSubmitted(err), time.Now()
		return info, err
	})
	if err != nil {
		return err
	}
	*doubt = false
	st.BatchID = info.ID
	return nil
}

// notSubmitted reports an error that says that there is no batch: the request
// never left, or was refused. A server error may come after the deed.
func notSubmitted(err error) bool {
	var e *providers.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case 0:
		return !e.Sent
	case http.StatusRequestTimeout, http.StatusConflict:
		return false
	}
	return e.Status >= 300 && e.Status < 500
}

// adoptListed takes over the batch that the server lists under st's key.
func (r *run) adoptListed(ctx context.Context, st *State) (bool, error) {
	info, err := providers.Free(ctx, r.c, st.call(opList, "list", "batches"),
		func(ctx context.Context) (providers.BatchInfo, error) {
			return r.find(ctx, st)
		})
	if err != nil || info.ID == "" {
		return false, err
	}
	st.BatchID = info.ID
	return true, nil
}

// find looks for st's submission in the server's listing, as far back as the
// intent. Of several the oldest is taken, so that every process takes the same.
func (r *run) find(ctx context.Context, st *State) (providers.BatchInfo, error) {
	var found providers.BatchInfo
	after, oldest := "", st.Intent.Add(-clockSlack)
	for {
		page, more, err := r.batcher(st.Model).ListBatches(ctx, st.tag("list"), after)
		if err != nil {
			return providers.BatchInfo{}, err
		}
		for _, b := range page {
			if b.Metadata[metadataKey] == st.submission() {
				found = b
			}
			after = b.ID
			more = more && b.Created.After(oldest)
		}
		if !more || len(page) == 0 {
			return found, nil
		}
	}
}

// poll asks for the batch until it has ended. That the server cannot be asked
// for a while is no reason to give up: the batch goes on without being asked.
func (r *run) poll(ctx context.Context, st *State) (providers.BatchInfo, error) {
	k := st.call(opPoll, "poll", "batches")
	var failing time.Time
	for pause := r.config.PollMin; ; pause = r.slower(pause) {
		info, err := providers.Free(ctx, r.c, k, func(ctx context.Context) (providers.BatchInfo, error) {
			return r.batcher(st.Model).GetBatch(ctx, k.Tag, st.BatchID)
		})
		var e *providers.Error
		switch {
		case err == nil && info.Finished():
			return info, nil
		case err == nil:
			failing = time.Time{}
		case ctx.Err() != nil || !errors.As(err, &e) || !e.Class.Retryable():
			return providers.BatchInfo{}, err
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > r.config.Patience:
			return providers.BatchInfo{}, err
		}
		if err := r.wait(ctx, pause); err != nil {
			return providers.BatchInfo{}, err
		}
	}
}

// lineOutcome is what a batch says of one line.
type lineOutcome struct {
	generation providers.Generation
	err        *providers.Error
	// lost is that the answer may be among lines that cannot be read.
	lost bool
}

// download reads a finished batch's files. It returns the outcome of any line
// of the batch.
func (r *run) download(ctx context.Context, st *State) (func(*item) lineOutcome, error) {
	var answers map[string]providers.BatchOutput
	malformed := 0
	// A file with broken lines is read a second time, in case it was the way
	// here that broke them.
	for range 2 {
		answers, malformed = map[string]providers.BatchOutput{}, 0
		for _, f := range []struct{ id, name string }{{st.OutputFile, "output"}, {st.ErrorFile, "errors"}} {
			if f.id == "" {
				continue
			}
			k := st.call(opResults, f.name, "files")
			lines, err := providers.Free(ctx, r.c, k, func(ctx context.Context) ([]providers.BatchOutput, error) {
				lines, bad, err := r.batcher(st.Model).BatchFile(ctx, k.Tag, f.id)
				if err == nil {
					malformed += bad
				}
				return lines, err
			})
			if err != nil {
				var e *providers.Error
				if errors.As(err, &e) && e.Status == http.StatusNotFound {
					e.Hint = "the service has deleted the file, and with it answers that were paid for: to have the requests " +
						"answered and billed again, name another run (Config.Run)"
				}
				return nil, err
			}
			for _, a := range lines {
				if was, twice := answers[a.ID]; !twice || !was.Succeeded() && a.Succeeded() {
					answers[a.ID] = a
				}
			}
		}
		if malformed == 0 {
			break
		}
	}
	number := make(map[string]int, len(st.Lines))
	for i, l := range st.Lines {
		number[l.ID] = i + 1
	}
	read := make(map[string]lineOutcome, len(st.Lines)) // for callers that ask twice
	return func(it *item) lineOutcome {
		o, ok := read[it.id]
		if ok {
			return o
		}
		if a, ok := answers[it.id]; !ok {
			o = lineOutcome{err: r.unanswered(it, st, number[it.id], malformed), lost: malformed > 0}
		} else if g, err := r.batcher(it.req.Model).BatchReply(it.req, a); err != nil {
			o.err = r.c.Adopt(it.call(), err)
		} else {
			o.generation = g
		}
		read[it.id] = o
		return o
	}, nil
}

// unanswered is the error of a line that neither file names.
func (r *run) unanswered(it *item, st *State, number, malformed int) *providers.Error {
	e := r.c.Fail(it.call(), providers.ClassTimeout, fmt.Errorf("batch %s ended (%s) without an answer to this line",
		st.BatchID, st.Status))
	if malformed > 0 {
		e.Class = providers.ClassBrokenReply
		e.Err = fmt.Errorf("batch %s ended (%s) without an answer to this line, and with %d that cannot be read", st.BatchID,
			st.Status, malformed)
	}
	if st.Status != "failed" {
		return e
	}
	whole, other := -1, false
	for i, p := range st.Problems {
		switch p.Line {
		case number:
			e.Class, e.Code, e.Message = cmp.Or(p.Class, providers.ClassBadRequest), p.Code, p.Message
			return e
		case 0:
			whole = i
		default:
			other = true
		}
	}
	switch {
	case other: // it fails with its neighbour, and may do without it
		e.Class = providers.ClassOverloaded
		e.Err = fmt.Errorf("batch %s was refused for other lines of it", st.BatchID)
	case whole >= 0:
		p := st.Problems[whole]
		e.Class, e.Code, e.Message = cmp.Or(p.Class, providers.ClassBadRequest), p.Code, p.Message
	}
	return e
}

// queueFull recognises a batch that failed because too many tokens of its
// model are enqueued: nothing is wrong with it but the moment.
func queueFull(problems []providers.BatchProblem) bool {
	for _, p := range problems {
		if p.Code == "token_limit_exceeded" || strings.Contains(strings.ToLower(p.Message), "enqueued token limit") {
			return true
		}
	}
	return false
}
