package providers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"time"
)

// Batcher is a [Provider] that also takes requests in batches: single attempts
// again, without retry, waiting or account. Package batch adds those. The
// tag of each method decides the X-Request-Id and names the batch in errors.
type Batcher interface {
	Provider
	// BatchLine writes req as a line of an input file, newline included, and
	// names the endpoint that the whole file has to be for. The custom id is
	// RequestID of the tag.
	BatchLine(req GenerateRequest) (endpoint string, line []byte, err error)
	// BatchReply reads the answer to one line, as Generate reads its own.
	BatchReply(req GenerateRequest, a BatchOutput) (Generation, error)
	// UploadBatch stores an input file and returns its id.
	UploadBatch(ctx context.Context, tag Tag, lines []byte) (fileID string, err error)
	// CreateBatch submits an uploaded file.
	CreateBatch(ctx context.Context, tag Tag, b BatchSubmission) (BatchInfo, error)
	// GetBatch says how far a batch is.
	GetBatch(ctx context.Context, tag Tag, id string) (BatchInfo, error)
	// ListBatches returns the batches older than the one called after, or the
	// newest, newest first, and whether there are more.
	ListBatches(ctx context.Context, tag Tag, after string) (page []BatchInfo, more bool, err error)
	// CancelBatch asks the server to stop; what is done by then stays, and is
	// billed.
	CancelBatch(ctx context.Context, tag Tag, id string) (BatchInfo, error)
	// BatchFile downloads an output or error file and returns its lines, each
	// once. A line that cannot be joined to a request is only counted.
	BatchFile(ctx context.Context, tag Tag, fileID string) (answers []BatchOutput, malformed int, err error)
}

var _ Batcher = (*OpenAI)(nil)

// batching is a [Provider] that stands for others, of which some take batches.
type batching interface {
	BatcherOf(model string) (Batcher, bool)
}

// Batches returns what takes batches for a model: p itself, or what a [Router] has of the
// model's endpoint; false if there is none. Asked of no model, it says whether any endpoint
// does.
func Batches(p Provider, model string) (Batcher, bool) {
	if several, ok := p.(batching); ok {
		return several.BatcherOf(model)
	}
	b, ok := p.(Batcher)
	return b, ok
}

// BatchSubmission is what CreateBatch sends. The window is 24 hours, the only
// one that there is.
type BatchSubmission struct {
	FileID   string
	Endpoint string            // as BatchLine names it
	Metadata map[string]string // at most 16 pairs, of 64 and 512 characters
}

// BatchInfo is a batch as the server describes it.
type BatchInfo struct {
	ID string
	// "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling" or
	// "cancelled"
	Status     string
	OutputFile string // empty where there is none, or not yet
	ErrorFile  string
	Created    time.Time
	Metadata   map[string]string
	Problems   []BatchProblem // why it failed
}

// BatchProblem is one reason why a batch failed.
type BatchProblem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Line    int    `json:"line,omitempty"` // of the input file, from 1; 0 where it is the whole file
	Class   Class  `json:"class"`
}

// BatchOutput is a line of an output or error file.
type BatchOutput struct {
	ID        string // custom id, RequestID of the request's tag
	Status    int    // 0 where the server has an error in place of a response: Body is that error
	RequestID string // the server's
	Body      []byte
}

// Finished reports whether the batch has ended, in whatever way.
func (b BatchInfo) Finished() bool {
	switch b.Status {
	case "completed", "failed", "expired", "cancelled":
		return true
	}
	return false
}

// Limits of an input file, as the API's specification gives them.
const (
	MaxBatchLines = 50_000
	MaxBatchBytes = 200_000_000
)

// What is done to a batch, as errors name it.
const (
	opUpload  = "upload batch"
	opBatch   = "create batch"
	opPoll    = "get batch"
	opList    = "list batches"
	opCancel  = "cancel batch"
	opResults = "download batch"

	pathFiles   = "/files"
	pathBatches = "/batches"

	// maxBatchReply bounds an output file, whose answers are all in memory: 20 KiB
	// a line.
	maxBatchReply = 1 << 30
)

// BatchLine writes req as a line of an input file; see [Batcher].
func (o *OpenAI) BatchLine(req GenerateRequest) (endpoint string, line []byte, err error) {
	a, e := o.service.generateAttempt(req)
	if e != nil {
		return "", nil, e
	}
	// The service's paths begin at the version, wherever a base URL puts them.
	endpoint = "/v1" + a.path
	line, err = encode(map[string]any{"custom_id": RequestID(req.Tag), "method": "POST", "url": endpoint, "body": a.body})
	if err != nil {
		return "", nil, o.service.invalid(a, fmt.Errorf("request body: %w", err))
	}
	return endpoint, line, nil
}

// UploadBatch stores an input file; see [Batcher].
func (o *OpenAI) UploadBatch(ctx context.Context, tag Tag, lines []byte) (string, error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	// Writing to memory does not fail.
	_ = form.WriteField("purpose", "batch")
	part, _ := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="` + RequestID(tag) + `.jsonl"`},
		"Content-Type":        {"application/jsonl"},
	})
	_, _ = part.Write(lines)
	_ = form.Close()
	a := attempt{op: opUpload, tag: tag, path: pathFiles, payload: b.Bytes(), form: form.FormDataContentType()}
	var id string
	got, e := o.service.json(ctx, a, func(r *reader) {
		for ok := r.enter('{'); ok; ok = r.more('}') {
			if string(r.key()) == "id" {
				id = r.name()
			} else {
				r.skip()
			}
		}
	})
	if e != nil {
		return "", e
	}
	if id == "" {
		return "", o.service.broken(a, got.meta, got.head, errors.New("the reply names no file"))
	}
	return id, nil
}

// CreateBatch submits an uploaded file; see [Batcher].
func (o *OpenAI) CreateBatch(ctx context.Context, tag Tag, b BatchSubmission) (BatchInfo, error) {
	body := map[string]any{"input_file_id": b.FileID, "endpoint": b.Endpoint, "completion_window": "24h"}
	if len(b.Metadata) > 0 {
		body["metadata"] = b.Metadata
	}
	return o.batch(ctx, attempt{op: opBatch, tag: tag, path: pathBatches, body: body})
}

// GetBatch says how far a batch is; see [Batcher].
func (o *OpenAI) GetBatch(ctx context.Context, tag Tag, id string) (BatchInfo, error) {
	return o.batch(ctx, attempt{op: opPoll, tag: tag, path: pathBatches + "/" + url.PathEscape(id)})
}

// CancelBatch asks the server to stop; see [Batcher].
func (o *OpenAI) CancelBatch(ctx context.Context, tag Tag, id string) (BatchInfo, error) {
	return o.batch(ctx, attempt{op: opCancel, tag: tag, path: pathBatches + "/" + url.PathEscape(id) + "/cancel",
		body: map[string]any{}})
}

// ListBatches returns a page of 100; see [Batcher].
func (o *OpenAI) ListBatches(ctx context.Context, tag Tag, after string) ([]BatchInfo, bool, error) {
	a := attempt{op: opList, tag: tag, path: pathBatches + "?limit=100"}
	if after != "" {
		a.path += "&after=" + url.QueryEscape(after)
	}
	var (
		l    batchList
		page []BatchInfo
	)
	got, e := o.service.json(ctx, a, func(r *reader) { l = r.batchList() })
	if e != nil {
		return nil, false, e
	}
	var err error
	switch {
	case !l.has:
		err = errors.New("the listing has no data")
	case l.more && len(l.batches) == 0:
		err = errors.New("an empty page of a listing that goes on")
	}
	for i, b := range l.batches {
		info, problem := o.service.batchInfo(b)
		if problem != nil && err == nil {
			err = fmt.Errorf("batch %d of the listing: %w", i, problem)
		}
		page = append(page, info)
	}
	if err != nil {
		return nil, false, o.service.broken(a, got.meta, got.head, err)
	}
	return page, l.more, nil
}

// BatchFile downloads and reads a file; see [Batcher]. Where an id stands twice
// the first line counts, unless a later one is a success and the first is not.
func (o *OpenAI) BatchFile(ctx context.Context, tag Tag, fileID string) ([]BatchOutput, int, error) {
	var (
		answers   []BatchOutput
		malformed int
	)
	a := attempt{op: opResults, tag: tag, path: pathFiles + "/" + url.PathEscape(fileID) + "/content",
		limit: maxBatchReply, unbounded: true}
	_, e := o.service.send(ctx, a, func(in *input) (err error) {
		answers, malformed, err = readBatchOutputs(in)
		return err
	})
	if e != nil {
		return nil, 0, e
	}
	return answers, malformed, nil
}

func (o *OpenAI) batch(ctx context.Context, a attempt) (BatchInfo, error) {
	var b BatchInfo
	got, e := o.service.json(ctx, a, func(r *reader) { b = r.batch() })
	if e != nil {
		return BatchInfo{}, e
	}
	info, err := o.service.batchInfo(b)
	if err != nil {
		return BatchInfo{}, o.service.broken(a, got.meta, got.head, err)
	}
	return info, nil
}

// batchInfo checks a batch, and makes what a server says of it fit to be kept.
func (t *transport) batchInfo(b BatchInfo) (BatchInfo, error) {
	if b.ID == "" || b.Status == "" {
		return BatchInfo{}, errors.New("a batch without id or status")
	}
	for i := range b.Problems {
		p := &b.Problems[i]
		p.Class = classify(http.StatusBadRequest, said{code: p.Code, message: p.Message})
		p.Code, p.Message, p.Param = t.clean(p.Code), t.clean(p.Message), t.clean(p.Param)
	}
	return b, nil
}

// Bounds of what is kept of a batch.
const (
	maxProblems = 1000
	maxMetadata = 16
	maxPage     = 1000
)

type batchList struct {
	has, more bool
	batches   []BatchInfo
}

func (r *reader) batchList() (l batchList) {
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "data":
			r.once(&seen, 0, "data")
			l.has = r.kind() == '['
			for ok := r.enter('['); ok; ok = r.more(']') {
				if len(l.batches) >= maxPage {
					r.fail("more than %d batches", maxPage)
				}
				l.batches = append(l.batches, r.batch())
			}
		case "has_more":
			r.once(&seen, 1, "has_more")
			l.more = r.filled()
		default:
			r.skip()
		}
	}
	return l
}

// batch reads a batch object.
func (r *reader) batch() (b BatchInfo) {
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "id":
			r.once(&seen, 0, "id")
			b.ID = r.name()
		case "status":
			r.once(&seen, 1, "status")
			b.Status = r.name()
		case "output_file_id":
			r.once(&seen, 2, "output_file_id")
			b.OutputFile = r.name()
		case "error_file_id":
			r.once(&seen, 3, "error_file_id")
			b.ErrorFile = r.name()
		case "created_at":
			b.Created = time.Unix(int64(max(0, r.count())), 0).UTC()
		case "metadata":
			r.once(&seen, 4, "metadata")
			for ok := r.enter('{'); ok; ok = r.more('}') {
				key := string(cutBytes(r.key(), maxName))
				value := r.word(maxMessage)
				if b.Metadata == nil {
					b.Metadata = map[string]string{}
				}
				if len(b.Metadata) < maxMetadata {
					b.Metadata[key] = value
				}
			}
		case "errors":
			for ok := r.enter('{'); ok; ok = r.more('}') {
				if string(r.key()) != "data" {
					r.skip()
					continue
				}
				for ok := r.enter('['); ok; ok = r.more(']') {
					p := r.batchProblem()
					if len(b.Problems) < maxProblems {
						b.Problems = append(b.Problems, p)
					}
				}
			}
		default:
			r.skip()
		}
	}
	return b
}

func (r *reader) batchProblem() (p BatchProblem) {
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "code":
			p.Code = r.word(maxMessage)
		case "message":
			p.Message = r.word(maxMessage)
		case "param":
			p.Param = r.word(maxMessage)
		case "line":
			p.Line = max(0, r.count())
		default:
			r.skip()
		}
	}
	return p
}
