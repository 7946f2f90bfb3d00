package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// BatchConfig says how the server works on batches. Its zero value finishes
// every line of every batch, at the third poll.
type BatchConfig struct {
	// Steps is the number of polls of a batch until it is done; 0 means 3. A
	// batch moves when it is asked for and at no other time, so that drills
	// need no clock: validating at first, then in_progress, finalizing at the
	// last poll but one, completed.
	Steps int
	// ExpireAfter, where not 0, is the number of lines of a batch that are
	// answered; a batch of more expires with those.
	ExpireAfter int
	// FailRate is the share of lines that fail with a server error, decided
	// anew each time a custom id is worked on.
	FailRate float64
	// QueueLines, where not 0, is the number of lines that may be in unfinished
	// batches at once. A batch past it fails with token_limit_exceeded, as where
	// the service has too many prompt tokens enqueued for the model.
	QueueLines int
}

// Limits of the service: bytes and lines of an input file.
const (
	maxBatchBytes = 200 << 20
	maxBatchLines = 50_000
)

// batches is the server's store of files and batches.
type batches struct {
	mu    sync.Mutex
	files map[string]batchFile
	all   []*batch // oldest first
}

type batchFile struct {
	name, purpose string
	content       []byte
	created       int64
}

// batch is one batch and how far it is.
type batch struct {
	id, input, endpoint, window string
	metadata                    map[string]string
	created                     int64
	status                      string
	polls                       int
	lines                       []batchLine // in the order in which they are worked on
	done                        int         // lines worked on
	failed                      int
	answers                     []batchAnswer
	errors                      []batchError
	output, errorFile           string
}

type batchLine struct {
	CustomID string          `json:"custom_id"`
	Method   string          `json:"method"`
	URL      string          `json:"url"`
	Body     json.RawMessage `json:"body"`
}

type batchError struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Line    *int    `json:"line"`
}

// batchAnswer is a line of the output or the error file.
type batchAnswer struct {
	ID       string         `json:"id"`
	CustomID string         `json:"custom_id"`
	Response *batchResponse `json:"response"`
	Error    *lineError     `json:"error"`
	ok       bool
}

type batchResponse struct {
	Status    int             `json:"status_code"`
	RequestID string          `json:"request_id"`
	Body      json.RawMessage `json:"body"`
}

type lineError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (b *batch) finished() bool {
	switch b.status {
	case "completed", "failed", "expired", "cancelled":
		return true
	}
	return false
}

// batchRoutes adds the paths of files and batches.
func (s *Server) batchRoutes(mux *http.ServeMux) {
	route := func(pattern string, byMethod map[string]batchHandler) {
		mux.Handle(pattern, s.batchPath(byMethod))
	}
	route("/v1/files", map[string]batchHandler{http.MethodPost: s.uploadFile})
	route("/v1/files/{id}", map[string]batchHandler{http.MethodGet: s.fileInfo})
	route("/v1/files/{id}/content", map[string]batchHandler{http.MethodGet: s.fileContent})
	route("/v1/batches", map[string]batchHandler{http.MethodPost: s.createBatch, http.MethodGet: s.listBatches})
	route("/v1/batches/{id}", map[string]batchHandler{http.MethodGet: s.pollBatch})
	route("/v1/batches/{id}/cancel", map[string]batchHandler{http.MethodPost: s.cancelBatch})
}

// batchHandler answers a request whose body is in c.
type batchHandler func(c *call, r *http.Request) ([]byte, *apiError)

// batchPath serves one path, with the transport faults of any other call. The
// state has changed by the time that a fault loses the answer.
func (s *Server) batchPath(byMethod map[string]batchHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.open(w, r, openAI)
		f := byMethod[r.Method]
		if err == nil && f == nil {
			err = errMethod(r.Method)
		}
		if err == nil {
			var e error
			if c.body, e = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBatchBytes+1<<20)); e != nil {
				err = badRequest("", "The request body could not be read: %v", e)
			}
		}
		if err == nil {
			err = s.transportError(c)
		}
		var body []byte
		if err == nil {
			s.batches.mu.Lock()
			body, err = f(c, r)
			s.batches.mu.Unlock()
		}
		if err != nil {
			s.refuse(w, c, err)
			return
		}
		s.deliver(w, r, c, answer{body: body})
	})
}

func errNoSuch(what, id string) *apiError {
	return &apiError{status: http.StatusNotFound, kind: "invalid_request_error", param: "id", message: "No such " + what +
		": " + id}
}

// createBatch serves POST /v1/batches. As at the service, what is wrong with
// the file shows in the batch and not in this answer.
func (s *Server) createBatch(c *call, _ *http.Request) ([]byte, *apiError) {
	var in struct {
		Input    string            `json:"input_file_id"`
		Endpoint string            `json:"endpoint"`
		Window   string            `json:"completion_window"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, badRequest("", "We could not parse the JSON body of your request: %v", err)
	}
	f, ok := s.batches.files[in.Input]
	switch {
	case !ok:
		return nil, badRequest("input_file_id", "No such File object: %s", in.Input)
	case in.Endpoint != "/v1/chat/completions" && in.Endpoint != "/v1/completions":
		return nil, badRequest("endpoint", "Invalid value: '%s'.", in.Endpoint)
	case in.Window != "24h":
		return nil, badRequest("completion_window", "Invalid value: '%s'. Value must be '24h'.", in.Window)
	case len(in.Metadata) > 16:
		return nil, badRequest("metadata", "metadata has more than 16 pairs")
	}
	for k, v := range in.Metadata {
		if len(k) > 64 || len(v) > 512 {
			return nil, badRequest("metadata", "metadata: a key of more than 64 or a value of more than 512 characters")
		}
	}
	b := &batch{
		id:    fmt.Sprintf("batch_%016x", hash64("batch", s.seed, strconv.Itoa(len(s.batches.all)))),
		input: in.Input, endpoint: in.Endpoint, window: in.Window, metadata: in.Metadata,
		created: time.Now().Unix(), status: "validating",
	}
	b.lines, b.errors = readBatch(f.content, in.Endpoint)
	queued := len(b.lines)
	for _, other := range s.batches.all {
		if !other.finished() {
			queued += len(other.lines)
		}
	}
	if limit := s.config.Batch.QueueLines; limit > 0 && queued > limit && len(b.errors) == 0 {
		b.errors = []batchError{{Code: "token_limit_exceeded", Message: "Enqueued token limit reached for this model. " +
			"Please try again once some in_progress batches have been completed."}}
	}
	if len(b.errors) > 0 {
		b.lines = nil
	}
	// The service says nothing of the order in which it works.
	slices.SortFunc(b.lines, s.shuffled("work", b.id))
	s.batches.all = append(s.batches.all, b)
	return b.json(), nil
}

// shuffled orders lines by chance, the same chance in every run.
func (s *Server) shuffled(what, id string) func(x, y batchLine) int {
	return func(x, y batchLine) int {
		a, b := hash64(what, s.seed, id, x.CustomID), hash64(what, s.seed, id, y.CustomID)
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
}

// readBatch reads an input file, or says what is wrong with its lines.
func readBatch(content []byte, endpoint string) ([]batchLine, []batchError) {
	var (
		lines []batchLine
		errs  []batchError
		seen  = map[string]bool{}
		model string
	)
	number := 0
	for raw := range bytes.Lines(content) {
		number++
		bad := func(code, param, format string, args ...any) {
			e := batchError{Code: code, Message: fmt.Sprintf(format, args...), Line: new(int)}
			*e.Line = number
			if param != "" {
				e.Param = &param
			}
			errs = append(errs, e)
		}
		var l batchLine
		var body struct {
			Model string `json:"model"`
		}
		switch {
		case json.Unmarshal(raw, &l) != nil:
			bad("invalid_json_line", "", "This line is not parseable as valid JSON.")
		case l.CustomID == "":
			bad("missing_required_parameter", "custom_id", "Missing required parameter: 'custom_id'.")
		case seen[l.CustomID]:
			bad("duplicate_custom_id", "custom_id", "The custom_id '%s' for this request is a duplicate of another request.",
				l.CustomID)
		case l.Method != http.MethodPost:
			bad("invalid_method", "method", "Invalid method '%s': want POST.", l.Method)
		case l.URL != endpoint:
			bad("mismatched_url", "url", "The URL '%s' is not the batch's endpoint '%s'.", l.URL, endpoint)
		case json.Unmarshal(l.Body, &body) != nil || body.Model == "":
			bad("missing_required_parameter", "body", "Missing required parameter: 'body.model'.")
		case model != "" && body.Model != model:
			bad("mismatched_model", "body.model", "All requests of a batch must name one model: '%s' and '%s'.", model,
				body.Model)
		default:
			model = body.Model
			lines = append(lines, l)
		}
		seen[l.CustomID] = true
	}
	switch {
	case number == 0:
		errs = []batchError{{Code: "empty_file", Message: "The input file is empty."}}
	case number > maxBatchLines:
		errs = []batchError{{Code: "too_many_requests", Message: "The input file has more than 50,000 lines."}}
	}
	return lines, errs
}

func (s *Server) findBatch(id string) *batch {
	for _, b := range s.batches.all {
		if b.id == id {
			return b
		}
	}
	return nil
}

// pollBatch serves GET /v1/batches/{id}, and lets the batch take a step.
func (s *Server) pollBatch(_ *call, r *http.Request) ([]byte, *apiError) {
	b := s.findBatch(r.PathValue("id"))
	if b == nil {
		return nil, errNoSuch("batch", r.PathValue("id"))
	}
	s.step(b)
	return b.json(), nil
}

func (s *Server) step(b *batch) {
	if b.finished() {
		return
	}
	steps := s.config.Batch.Steps
	if steps <= 0 {
		steps = 3
	}
	b.polls++
	n := len(b.lines)
	end, last := n, "completed"
	if e := s.config.Batch.ExpireAfter; e > 0 && n > e {
		end, last = e, "expired"
	}
	switch {
	case b.status == "cancelling":
		s.finish(b, "cancelled")
	case len(b.errors) > 0:
		b.status = "failed"
	case b.polls >= steps:
		s.work(b, end)
		s.finish(b, last)
	case b.polls == steps-1 && last == "completed":
		s.work(b, end)
		b.status = "finalizing"
	default:
		s.work(b, end*b.polls/steps)
		b.status = "in_progress"
	}
}

// work answers lines until that many are done. Each line that succeeds is
// charged, at half the price, when it is done.
func (s *Server) work(b *batch, until int) {
	for ; b.done < until; b.done++ {
		l := b.lines[b.done]
		s.mu.Lock()
		s.attempts[l.CustomID]++
		c := &call{provider: openAI, id: parseCallID(l.CustomID), attempt: s.attempts[l.CustomID], body: l.Body,
			path: b.endpoint}
		s.mu.Unlock()
		h := hash64("reply", s.seed, l.CustomID, strconv.Itoa(c.attempt))
		c.reply = fmt.Sprintf("req_%016x%016x", h, mix(h, 0))
		out := batchAnswer{ID: fmt.Sprintf("batch_req_%016x", mix(h, 1)), CustomID: l.CustomID}
		var a answer
		var err *apiError
		switch {
		case s.hitsCall("batch", s.config.Batch.FailRate, c.id, c.attempt):
			err = &apiError{status: http.StatusInternalServerError, kind: "server_error"}
		case b.endpoint == "/v1/completions":
			a, err = openAICompletions(c)
		default:
			a, err = s.openAIChat(c)
		}
		switch {
		case err == nil:
			s.ledger.chargeBatch(c.id.full, a.model, a.usage)
			out.Response, out.ok = &batchResponse{Status: http.StatusOK, RequestID: c.reply, Body: a.body}, true
		case err.status == http.StatusInternalServerError && h%2 == 0: // both forms are seen
			out.Error = &lineError{Code: "server_error", Message: "The server had an error while processing your request."}
		default:
			out.Response = &batchResponse{Status: err.status, RequestID: c.reply, Body: encodeJSON(openAIError(err, h))}
		}
		if !out.ok {
			b.failed++
		}
		b.answers = append(b.answers, out)
	}
}

// finish ends a batch and writes its files, in an order of their own. Lines
// that expired are in the error file; cancelled ones are in neither.
func (s *Server) finish(b *batch, status string) {
	b.status = status
	if status == "expired" {
		for _, l := range b.lines[b.done:] {
			h := hash64("expired", s.seed, b.id, l.CustomID)
			b.answers = append(b.answers, batchAnswer{ID: fmt.Sprintf("batch_req_%016x", h), CustomID: l.CustomID,
				Error: &lineError{Code: "batch_expired", Message: "This request could not be executed before the completion " +
					"window expired."}})
		}
	}
	order := s.shuffled("output", b.id)
	slices.SortFunc(b.answers, func(x, y batchAnswer) int {
		return order(batchLine{CustomID: x.CustomID}, batchLine{CustomID: y.CustomID})
	})
	var good, bad []byte
	for _, a := range b.answers {
		line := append(encodeJSON(a), '\n')
		if a.ok {
			good = append(good, line...)
		} else {
			bad = append(bad, line...)
		}
	}
	file := func(name string, content []byte) string {
		if len(content) == 0 {
			return ""
		}
		return s.keep(batchFile{name: b.id + name, purpose: "batch_output", content: content, created: b.created})
	}
	b.output, b.errorFile = file("_output.jsonl", good), file("_error.jsonl", bad)
}

// cancelBatch serves POST /v1/batches/{id}/cancel. What is done stays, and is
// in the output once the batch is cancelled.
func (s *Server) cancelBatch(_ *call, r *http.Request) ([]byte, *apiError) {
	b := s.findBatch(r.PathValue("id"))
	switch {
	case b == nil:
		return nil, errNoSuch("batch", r.PathValue("id"))
	case b.finished():
		return nil, &apiError{status: http.StatusConflict, kind: "invalid_request_error",
			message: "Cannot cancel a batch with status '" + b.status + "'."}
	}
	b.status = "cancelling"
	return b.json(), nil
}

// listBatches serves GET /v1/batches: newest first, in pages.
func (s *Server) listBatches(_ *call, r *http.Request) ([]byte, *apiError) {
	limit := 20
	if v := r.URL.Query().Get("limit"); v != "" {
		var err error
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > 100 {
			return nil, badRequest("limit", "Invalid 'limit': %s. Expected 1 to 100.", v)
		}
	}
	rest := slices.Clone(s.batches.all)
	slices.Reverse(rest)
	if after := r.URL.Query().Get("after"); after != "" {
		i := slices.IndexFunc(rest, func(b *batch) bool { return b.id == after })
		if i < 0 {
			return nil, errNoSuch("batch", after)
		}
		rest = rest[i+1:]
	}
	page := rest[:min(limit, len(rest))]
	data := make([]json.RawMessage, len(page))
	var first, last any
	for i, b := range page {
		data[i] = b.json()
		if i == 0 {
			first = b.id
		}
		last = b.id
	}
	return encodeJSON(map[string]any{"object": "list", "data": data, "first_id": first, "last_id": last,
		"has_more": len(rest) > len(page)}), nil
}

func (b *batch) json() []byte {
	out := map[string]any{
		"id": b.id, "object": "batch", "endpoint": b.endpoint, "errors": nil, "input_file_id": b.input,
		"completion_window": b.window, "status": b.status, "created_at": b.created, "expires_at": b.created + 24*3600,
		"output_file_id": nullable(b.output), "error_file_id": nullable(b.errorFile), "metadata": maps.Clone(b.metadata),
		"request_counts": map[string]any{"total": len(b.lines), "completed": b.done - b.failed, "failed": b.failed},
	}
	if b.status == "failed" {
		out["errors"] = map[string]any{"object": "list", "data": b.errors}
	}
	return encodeJSON(out)
}
