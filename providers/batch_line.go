package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// BatchReply reads the answer to one line; see [Batcher].
func (o *OpenAI) BatchReply(req GenerateRequest, status int, requestID string, body []byte) (Generation, error) {
	t := o.service.transport
	a := attempt{op: opGenerate, model: req.Model, tag: req.Tag}
	meta := Meta{Status: status, RequestID: t.clean(requestID)}
	if status == 0 {
		s := parseErrorBody(body)
		class := batchCodeClass(s.code, s.message)
		e := t.fail(a, class, nil)
		e.Code, e.Message, e.Sent = t.clean(s.code), t.clean(s.message), true
		return Generation{}, e
	}
	if status < 200 || status > 299 {
		return Generation{}, t.refused(a, &http.Response{StatusCode: status, Header: http.Header{}}, body, meta)
	}
	g, e := t.generation(a, req, reply{body, meta})
	if e != nil {
		return Generation{}, e
	}
	return g, nil
}

// batchAnswer is one line of an output or error file.
type batchAnswer struct {
	id        string
	status    int // 0: body is an error in place of a response
	requestID string
	body      []byte
}

// readBatchAnswers reads an output or error file. A line that cannot be joined
// to a request, for want of JSON or a custom id, is only counted. Where an id
// stands twice the first line counts, unless a later one is a success and the
// first is not.
func readBatchAnswers(into map[string]batchAnswer, data []byte) (malformed int) {
	for raw := range bytes.Lines(data) {
		if raw = bytes.TrimSpace(raw); len(raw) == 0 {
			continue
		}
		a, err := readBatchAnswer(raw)
		if err != nil {
			malformed++
			continue
		}
		was, twice := into[a.id]
		if !twice || !was.succeeded() && a.succeeded() {
			into[a.id] = a
		}
	}
	return malformed
}

func (a batchAnswer) succeeded() bool { return a.status/100 == 2 }

func readBatchAnswer(raw []byte) (batchAnswer, error) {
	var w struct {
		CustomID string `json:"custom_id"`
		Response *struct {
			Status    int             `json:"status_code"`
			RequestID string          `json:"request_id"`
			Body      json.RawMessage `json:"body"`
		} `json:"response"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return batchAnswer{}, fmt.Errorf("not the JSON expected: %w", err)
	}
	if w.CustomID == "" {
		return batchAnswer{}, errors.New("no custom_id")
	}
	a := batchAnswer{id: w.CustomID}
	if r := w.Response; r != nil && r.Status != 0 {
		if r.Status < 100 || r.Status > 599 {
			return batchAnswer{}, fmt.Errorf("a status of %d", r.Status)
		}
		a.status, a.requestID, a.body = r.Status, r.RequestID, r.Body
		return a, nil
	}
	if len(w.Error) == 0 || string(w.Error) == "null" {
		return batchAnswer{}, errors.New("neither a response nor an error")
	}
	a.body = w.Error
	return a, nil
}

// batchCodeClass is the class of a line that the server gave no response to,
// by the code that stands in its place. What is not known to be the request's
// own fault may succeed in another batch.
func batchCodeClass(code, message string) Class {
	switch c := classify(http.StatusBadRequest, said{code: code, message: message}); {
	case c != ClassBadRequest:
		return c
	case strings.Contains(code, "expired"), strings.Contains(code, "cancel"):
		return ClassTimeout
	case strings.Contains(code, "rate_limit"):
		return ClassRateLimited
	case strings.HasPrefix(code, "invalid"), strings.Contains(code, "bad_request"):
		return ClassBadRequest
	}
	return ClassOverloaded
}

// queueFull recognises a batch that failed because too many tokens of its
// model are enqueued: nothing is wrong with it but the moment.
func queueFull(problems []BatchProblem) bool {
	for _, p := range problems {
		if p.Code == "token_limit_exceeded" || strings.Contains(strings.ToLower(p.Message), "enqueued token limit") {
			return true
		}
	}
	return false
}
