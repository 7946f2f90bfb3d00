package providers

import (
	"bytes"
	"context"
	"encoding/json"
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
	// [RequestID] of the tag.
	BatchLine(req GenerateRequest) (endpoint string, line []byte, err error)
	// BatchReply reads the answer to one line, as Generate reads its own.
	BatchReply(req GenerateRequest, a BatchAnswer) (Generation, error)
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
	BatchFile(ctx context.Context, tag Tag, fileID string) (answers []BatchAnswer, malformed int, err error)
}

var _ Batcher = (*OpenAI)(nil)

// BatchSubmission is what CreateBatch sends. The window is 24 hours, the only
// one that there is.
type BatchSubmission struct {
	FileID   string
	Endpoint string            // as BatchLine names it
	Metadata map[string]string // at most 16 pairs, of 64 and 512 characters
}

// BatchInfo is a batch as the server describes it.
type BatchInfo struct {
	ID         string
	Status     string // "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling" or "cancelled"
	FileID     string // input
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

// BatchAnswer is a line of an output or error file.
type BatchAnswer struct {
	ID        string // custom id, [RequestID] of the request's tag
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

	// maxBatchReply bounds an output file, which is read into memory whole:
	// 20 KiB a line.
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
	r, e := o.service.send(ctx, a)
	if e != nil {
		return "", e
	}
	var w struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(r.body, &w); err != nil || w.ID == "" {
		return "", o.service.broken(a, r.meta, r.body, errors.Join(errors.New("the reply names no file"), err))
	}
	return w.ID, nil
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
	return o.batch(ctx, attempt{op: opCancel, tag: tag, path: pathBatches + "/" + url.PathEscape(id) + "/cancel", body: map[string]any{}})
}

// ListBatches returns a page of 100; see [Batcher].
func (o *OpenAI) ListBatches(ctx context.Context, tag Tag, after string) ([]BatchInfo, bool, error) {
	a := attempt{op: opList, tag: tag, path: pathBatches + "?limit=100"}
	if after != "" {
		a.path += "&after=" + url.QueryEscape(after)
	}
	r, e := o.service.send(ctx, a)
	if e != nil {
		return nil, false, e
	}
	var w struct {
		Data *[]wireBatch `json:"data"`
		More bool         `json:"has_more"`
	}
	err := json.Unmarshal(r.body, &w)
	if err == nil && w.Data == nil {
		err = errors.New("the listing has no data")
	}
	if err == nil && w.More && len(*w.Data) == 0 {
		err = errors.New("an empty page of a listing that goes on")
	}
	if err != nil {
		return nil, false, o.service.broken(a, r.meta, r.body, err)
	}
	page := make([]BatchInfo, len(*w.Data))
	for i, b := range *w.Data {
		if page[i], err = b.info(o.service.transport); err != nil {
			return nil, false, o.service.broken(a, r.meta, nil, fmt.Errorf("batch %d of the listing: %w", i, err))
		}
	}
	return page, w.More, nil
}

// BatchFile downloads and reads a file; see [Batcher]. Where an id stands twice
// the first line counts, unless a later one is a success and the first is not.
func (o *OpenAI) BatchFile(ctx context.Context, tag Tag, fileID string) ([]BatchAnswer, int, error) {
	r, e := o.service.send(ctx, attempt{op: opResults, tag: tag, path: pathFiles + "/" + url.PathEscape(fileID) + "/content", limit: maxBatchReply})
	if e != nil {
		return nil, 0, e
	}
	answers, malformed := readBatchAnswers(r.body)
	return answers, malformed, nil
}

func (o *OpenAI) batch(ctx context.Context, a attempt) (BatchInfo, error) {
	r, e := o.service.send(ctx, a)
	if e != nil {
		return BatchInfo{}, e
	}
	var w wireBatch
	err := json.Unmarshal(r.body, &w)
	var info BatchInfo
	if err == nil {
		info, err = w.info(o.service.transport)
	}
	if err != nil {
		return BatchInfo{}, o.service.broken(a, r.meta, r.body, err)
	}
	return info, nil
}

type wireBatch struct {
	ID         string            `json:"id"`
	Status     string            `json:"status"`
	InputFile  string            `json:"input_file_id"`
	OutputFile *string           `json:"output_file_id"`
	ErrorFile  *string           `json:"error_file_id"`
	Created    int64             `json:"created_at"`
	Metadata   map[string]string `json:"metadata"`
	Errors     *struct {
		Data []struct {
			Code    string  `json:"code"`
			Message string  `json:"message"`
			Param   *string `json:"param"`
			Line    *int    `json:"line"`
		} `json:"data"`
	} `json:"errors"`
}

func (w wireBatch) info(t *transport) (BatchInfo, error) {
	if w.ID == "" || w.Status == "" {
		return BatchInfo{}, errors.New("a batch without id or status")
	}
	b := BatchInfo{ID: w.ID, Status: w.Status, FileID: w.InputFile, Created: time.Unix(w.Created, 0).UTC(), Metadata: w.Metadata}
	if w.OutputFile != nil {
		b.OutputFile = *w.OutputFile
	}
	if w.ErrorFile != nil {
		b.ErrorFile = *w.ErrorFile
	}
	if w.Errors != nil {
		for _, e := range w.Errors.Data {
			p := BatchProblem{Code: t.clean(e.Code), Message: t.clean(e.Message), Class: classify(http.StatusBadRequest, said{code: e.Code, message: e.Message})}
			if e.Param != nil {
				p.Param = t.clean(*e.Param)
			}
			if e.Line != nil {
				p.Line = *e.Line
			}
			b.Problems = append(b.Problems, p)
		}
	}
	return b, nil
}
