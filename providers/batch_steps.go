package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// batch takes one batch from wherever it is to its end. items are the lines of
// its file, in order. st is nil for a batch that is still to be decided on.
func (r *batchRun) batch(ctx context.Context, items []*batchItem, st *BatchState) error {
	var (
		c       = r.c
		reserve USD
		// doubt is that a submission may have reached the server whose answer
		// nobody saw.
		doubt bool
		since time.Time
	)
	for _, it := range items {
		reserve += it.reserve
	}
	if st == nil {
		if c.config.Budget != nil {
			if err := c.config.Budget.Reserve(ctx, reserve); err != nil {
				return err
			}
		}
		st = r.newState(items)
		if err := r.save(st); err != nil {
			r.settle(reserve, 0)
			return err
		}
	} else {
		if c.config.Budget != nil {
			c.config.Budget.unpark(r.parkKey(st), reserve)
		}
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
			r.settle(reserve, 0)
		} else if c.config.Budget != nil {
			c.config.Budget.park(r.parkKey(st), reserve)
		}
		return err
	}
	outcomes, err := r.download(ctx, st)
	var cost USD
	if err == nil {
		cost, err = r.end(items, st, outcomes)
	}
	if err == nil {
		st.Done = true
		err = r.save(st)
	}
	if err != nil {
		if c.config.Budget != nil {
			c.config.Budget.park(r.parkKey(st), reserve)
		}
		return err
	}
	r.settle(reserve, cost)
	for _, it := range items {
		r.take(it, st, outcomes(it))
	}
	return nil
}

func (r *batchRun) parkKey(st *BatchState) string { return r.c.provider.Name() + " " + st.Key }

func (r *batchRun) settle(reserved, cost USD) {
	if b := r.c.config.Budget; b != nil {
		b.Settle(reserved, cost)
	}
}

// submit uploads and creates the batch where that was not done, and waits for
// its end. Every id is saved before the next step.
func (r *batchRun) submit(ctx context.Context, items []*batchItem, st *BatchState, doubt *bool, since *time.Time) error {
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
		// Nothing was worked on, and nothing is owed: the same file again, later.
		if fullSince.IsZero() {
			fullSince = time.Now()
		}
		st.BatchID, st.Status, st.Problems = "", "", nil
		st.Try++
		if err := r.save(st); err != nil {
			return err
		}
		if time.Since(fullSince) > r.config.Patience {
			e := r.c.fail(st.call(opBatch, "create", "batches"), ClassRateLimited, errors.New("the queue of the service had no room for the batch"))
			e.Hint = "resume later, or make smaller batches (BatchConfig.MaxLines)"
			return e
		}
		if err := r.wait(ctx, pause); err != nil {
			return err
		}
		pause = r.slower(pause)
	}
}

func (r *batchRun) slower(d time.Duration) time.Duration {
	return min(d+d/2+1, r.config.PollMax)
}

// create submits the batch, once. A submission whose answer was lost, in this
// process or in an earlier one, is looked for before it is made again.
func (r *batchRun) create(ctx context.Context, items []*batchItem, st *BatchState, doubt *bool, since *time.Time) error {
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
		id, err := control(ctx, r.c, up, func(ctx context.Context) (string, error) {
			return r.b.UploadBatch(ctx, up.tag, file)
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
	info, err := control(ctx, r.c, k, func(ctx context.Context) (BatchInfo, error) {
		if *doubt {
			// A retry of a call that was lost is a listing first; both are one
			// attempt in the ledger.
			if err := r.wait(ctx, time.Until(since.Add(r.config.ListDelay))); err != nil {
				return BatchInfo{}, err
			}
			found, err := r.find(ctx, st)
			if err != nil || found.ID != "" {
				return found, err
			}
		}
		info, err := r.b.CreateBatch(ctx, k.tag, BatchSubmission{
			FileID: st.FileID, Endpoint: st.Endpoint, Metadata: map[string]string{batchMetadata: st.submission()},
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
	var e *Error
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
func (r *batchRun) adoptListed(ctx context.Context, st *BatchState) (bool, error) {
	info, err := control(ctx, r.c, st.call(opList, "list", "batches"), func(ctx context.Context) (BatchInfo, error) {
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
func (r *batchRun) find(ctx context.Context, st *BatchState) (BatchInfo, error) {
	var found BatchInfo
	after, oldest := "", st.Intent.Add(-clockSlack)
	for {
		page, more, err := r.b.ListBatches(ctx, st.tag("list"), after)
		if err != nil {
			return BatchInfo{}, err
		}
		for _, b := range page {
			if b.Metadata[batchMetadata] == st.submission() {
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
func (r *batchRun) poll(ctx context.Context, st *BatchState) (BatchInfo, error) {
	k := st.call(opPoll, "poll", "batches")
	var failing time.Time
	for pause := r.config.PollMin; ; pause = r.slower(pause) {
		info, err := control(ctx, r.c, k, func(ctx context.Context) (BatchInfo, error) {
			return r.b.GetBatch(ctx, k.tag, st.BatchID)
		})
		var e *Error
		switch {
		case err == nil && info.Finished():
			return info, nil
		case err == nil:
			failing = time.Time{}
		case ctx.Err() != nil || !errors.As(err, &e) || !e.Class.Retryable():
			return BatchInfo{}, err
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > r.config.Patience:
			return BatchInfo{}, err
		}
		if err := r.wait(ctx, pause); err != nil {
			return BatchInfo{}, err
		}
	}
}

// lineOutcome is what a batch says of one line.
type lineOutcome struct {
	generation Generation
	err        *Error
	// lost is that the answer may be among lines that cannot be read.
	lost bool
}

// download reads a finished batch's files. It returns the outcome of any line
// of the batch.
func (r *batchRun) download(ctx context.Context, st *BatchState) (func(*batchItem) lineOutcome, error) {
	var answers map[string]batchAnswer
	malformed := 0
	// A file with broken lines is read a second time, in case it was the way
	// here that broke them.
	for range 2 {
		answers, malformed = map[string]batchAnswer{}, 0
		for _, f := range []struct{ id, name string }{{st.OutputFile, "output"}, {st.ErrorFile, "errors"}} {
			if f.id == "" {
				continue
			}
			k := st.call(opResults, f.name, "files")
			data, err := control(ctx, r.c, k, func(ctx context.Context) ([]byte, error) {
				return r.b.BatchFile(ctx, k.tag, f.id)
			})
			if err != nil {
				var e *Error
				if errors.As(err, &e) && e.Status == http.StatusNotFound {
					e.Hint = "the service has deleted the file, and with it answers that were paid for: to have the requests answered and billed again, name another run (BatchConfig.Run)"
				}
				return nil, err
			}
			malformed += readBatchAnswers(answers, data)
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
	return func(it *batchItem) lineOutcome {
		o, ok := read[it.id]
		if ok {
			return o
		}
		if a, ok := answers[it.id]; !ok {
			o = lineOutcome{err: r.unanswered(it, st, number[it.id], malformed), lost: malformed > 0}
		} else if g, err := r.b.BatchReply(it.req, a.status, a.requestID, a.body); err != nil {
			o.err = r.c.adopt(it.call(), err)
		} else {
			o.generation = g
		}
		read[it.id] = o
		return o
	}, nil
}

// unanswered is the error of a line that neither file names.
func (r *batchRun) unanswered(it *batchItem, st *BatchState, number, malformed int) *Error {
	e := r.c.fail(it.call(), ClassTimeout, fmt.Errorf("batch %s ended (%s) without an answer to this line", st.BatchID, st.Status))
	if malformed > 0 {
		e.Class = ClassBrokenReply
		e.Err = fmt.Errorf("batch %s ended (%s) without an answer to this line, and with %d that cannot be read", st.BatchID, st.Status, malformed)
	}
	if st.Status != "failed" {
		return e
	}
	whole, other := -1, false
	for i, p := range st.Problems {
		switch p.Line {
		case number:
			e.Class, e.Code, e.Message = classify(http.StatusBadRequest, said{code: p.Code, message: p.Message}), cut(p.Code, 100), cut(p.Message, 1<<10)
			return e
		case 0:
			whole = i
		default:
			other = true
		}
	}
	switch {
	case other: // it fails with its neighbour, and may do without it
		e.Class = ClassOverloaded
		e.Err = fmt.Errorf("batch %s was refused for other lines of it", st.BatchID)
	case whole >= 0:
		p := st.Problems[whole]
		e.Class, e.Code, e.Message = classify(http.StatusBadRequest, said{code: p.Code, message: p.Message}), cut(p.Code, 100), cut(p.Message, 1<<10)
	}
	return e
}
