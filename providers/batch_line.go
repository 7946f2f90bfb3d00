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
func (o *OpenAI) BatchReply(req GenerateRequest, answer BatchAnswer) (Generation, error) {
	t := o.service.transport
	a := attempt{op: opGenerate, model: req.Model, tag: req.Tag}
	status, body := answer.Status, answer.Body
	meta := Meta{Status: status, RequestID: t.clean(answer.RequestID)}
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

// readBatchAnswers reads an output or error file.
func readBatchAnswers(data []byte) (answers []BatchAnswer, malformed int) {
	at := map[string]int{}
	for raw := range bytes.Lines(data) {
		if raw = bytes.TrimSpace(raw); len(raw) == 0 {
			continue
		}
		a, err := readBatchAnswer(raw)
		if err != nil {
			malformed++
			continue
		}
		switch i, twice := at[a.ID]; {
		case !twice:
			at[a.ID] = len(answers)
			answers = append(answers, a)
		case !answers[i].Succeeded() && a.Succeeded():
			answers[i] = a
		}
	}
	return answers, malformed
}

// Succeeded reports whether the line was answered.
func (a BatchAnswer) Succeeded() bool { return a.Status/100 == 2 }

func readBatchAnswer(raw []byte) (BatchAnswer, error) {
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
		return BatchAnswer{}, fmt.Errorf("not the JSON expected: %w", err)
	}
	if w.CustomID == "" {
		return BatchAnswer{}, errors.New("no custom_id")
	}
	a := BatchAnswer{ID: w.CustomID}
	if r := w.Response; r != nil && r.Status != 0 {
		if r.Status < 100 || r.Status > 599 {
			return BatchAnswer{}, fmt.Errorf("a status of %d", r.Status)
		}
		a.Status, a.RequestID, a.Body = r.Status, r.RequestID, r.Body
		return a, nil
	}
	if len(w.Error) == 0 || string(w.Error) == "null" {
		return BatchAnswer{}, errors.New("neither a response nor an error")
	}
	a.Body = w.Error
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
