package providers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// BatchReply reads the answer to one line; see [Batcher].
func (o *OpenAI) BatchReply(req GenerateRequest, answer BatchOutput) (Generation, error) {
	t := o.service.transport
	a := attempt{op: opGenerate, model: req.Model, tag: req.Tag}
	status, body := answer.Status, answer.Body
	meta := Meta{Status: status, RequestID: t.clean(answer.RequestID)}
	if status == 0 {
		s := parseError(body)
		e := t.fail(a, "", nil)
		t.described(e, http.StatusBadRequest, s)
		e.Class = batchCodeClass(s.code, e.Class)
		e.Hint, e.Sent = t.hint(e.Class), true
		return Generation{}, e
	}
	if status < 200 || status > 299 {
		return Generation{}, t.refused(a, &http.Response{StatusCode: status, Header: http.Header{}}, body, meta)
	}
	d, e := t.parse(a, body, meta, req.wanted())
	if e != nil {
		return Generation{}, e
	}
	g, e := t.generation(a, req, d)
	if e != nil {
		return Generation{}, e
	}
	return g, nil
}

// readBatchOutputs reads an output or error file, a line at a time. A line that is
// larger than a reply may be is malformed.
func readBatchOutputs(in *input) (answers []BatchOutput, malformed int, err error) {
	at := map[string]int{}
	lines := bufio.NewReaderSize(in, chunkBytes)
	var line []byte
	for err == nil {
		line, err = lineOf(lines, line[:0], maxReplyBytes)
		if err != nil && err != io.EOF {
			return nil, 0, err
		}
		raw := bytes.TrimSpace(line)
		if len(raw) == 0 {
			continue
		}
		a, err := readBatchOutput(raw)
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
	return answers, malformed, nil
}

// lineOf appends a line to buf, or a little more than most bytes of a longer one.
func lineOf(r *bufio.Reader, buf []byte, most int) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(buf) <= most {
			buf = append(buf, part...)
		}
		if err != bufio.ErrBufferFull {
			return buf, err
		}
	}
}

// Succeeded reports whether the line was answered.
func (a BatchOutput) Succeeded() bool { return a.Status/100 == 2 }

// readBatchOutput reads a line. The body of the response, or the error in its
// place, stays as it is, for [Batcher.BatchReply].
//
//	{"custom_id": …, "response": {"status_code": 200, "body": …}, "error": null}
//	{"custom_id": …, "response": null, "error": {"code": …, "message": …}}
//	{"custom_id": …, "response": {"status_code": 400, "body": null}, "error": …}   vLLM
//
// A response that does not say its status succeeded, and may be the body itself.
func readBatchOutput(raw []byte) (a BatchOutput, err error) {
	var response, failure []byte
	err = readLine(raw, func(r *reader) {
		var seen uint32
		for ok := r.enter('{'); ok; ok = r.more('}') {
			switch string(r.key()) {
			case "custom_id":
				r.once(&seen, 0, "custom_id")
				a.ID = r.name()
			case "response":
				r.once(&seen, 1, "response")
				response = r.value()
			case "error":
				r.once(&seen, 2, "error")
				failure = r.value()
			default:
				r.skip()
			}
		}
	})
	if err == nil && len(response) > 0 && response[0] == '{' {
		err = a.respond(response)
	}
	switch failed := saysError(failure); {
	case err != nil:
		return BatchOutput{}, fmt.Errorf("not the JSON expected: %w", err)
	case a.ID == "":
		return BatchOutput{}, errors.New("no custom_id")
	case a.Status != 0 && (a.Status < 100 || a.Status > 599):
		return BatchOutput{}, fmt.Errorf("a status of %d", a.Status)
	case failed && a.Succeeded() && len(a.Body) > 0 && a.Body[0] == '{': // half an answer, which is billed
		a.Body = withError(a.Body, failure)
	case failed && a.Succeeded():
		a.Status, a.Body = 0, failure
	case failed && (len(a.Body) == 0 || string(a.Body) == "null"):
		if a.Body = failure; a.Status == 0 {
			a.RequestID = ""
		}
	case a.Status == 0 && (len(a.Body) == 0 || string(a.Body) == "null"):
		return BatchOutput{}, errors.New("neither a response nor an error")
	}
	return a, nil
}

// withError is a body with the error that stands beside it.
func withError(body, failure []byte) []byte {
	rest := bytes.TrimSpace(body[1:])
	comma := ","
	if rest[0] == '}' {
		comma = ""
	}
	return fmt.Appendf(nil, `{"error":%s%s%s`, failure, comma, rest)
}

// respond reads the response of a line.
func (a *BatchOutput) respond(response []byte) error {
	stated, bare := false, false
	err := readLine(response, func(r *reader) {
		var seen uint32
		for ok := r.enter('{'); ok; ok = r.more('}') {
			switch string(r.key()) {
			case "status_code":
				r.once(&seen, 0, "status_code")
				a.Status = max(0, r.count())
				stated = a.Status != 0
			case "request_id":
				a.RequestID = r.word(maxName)
			case "body":
				r.once(&seen, 1, "body")
				a.Body = r.value()
			case "choices":
				bare = true
				r.skip()
			default:
				r.skip()
			}
		}
	})
	switch {
	case stated:
	case bare && len(a.Body) == 0:
		a.Status, a.Body = http.StatusOK, response
	case len(a.Body) > 0 && a.Body[0] == '{':
		a.Status = http.StatusOK
	}
	return err
}

func readLine(line []byte, read func(*reader)) error {
	return readJSON(&input{ctx: context.Background(), src: bytes.NewReader(line), limit: int64(len(line))}, read)
}

// saysError reports whether what stands under "error" says anything.
func saysError(v []byte) (says bool) {
	_ = readLine(v, func(r *reader) {
		var s said
		r.inner(&s, "error", 0)
		says = s.is
	})
	return says
}

// batchCodeClass is the class of a line that the server gave no response to,
// by the code that stands in its place. What is not known to be the request's
// own fault may succeed in another batch.
func batchCodeClass(code string, class Class) Class {
	switch {
	case class != ClassBadRequest:
		return class
	case strings.Contains(code, "expired"), strings.Contains(code, "cancel"):
		return ClassTimeout
	case strings.HasPrefix(code, "invalid"), strings.Contains(code, "bad_request"):
		return ClassBadRequest
	}
	return ClassOverloaded
}
