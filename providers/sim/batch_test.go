package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// upload stores an input file and returns its id.
func upload(t *testing.T, s *Server, c *http.Client, purpose, content string) reply {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	if err := form.WriteField("purpose", purpose); err != nil {
		t.Fatal(err)
	}
	part, err := form.CreateFormFile("file", "in.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	form.Close()
	req, err := http.NewRequest(http.MethodPost, s.OpenAIURL()+"/files", &b)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	req.Header.Set("Content-Type", form.FormDataContentType())
	return send(c, req)
}

func get(c *http.Client, url string) reply {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	return send(c, req)
}

// batchObject is what the tests read of a batch.
type batchObject struct {
	ID     string  `json:"id"`
	Status string  `json:"status"`
	Output *string `json:"output_file_id"`
	Errors *string `json:"error_file_id"`
	Why    *struct {
		Data []batchError `json:"data"`
	} `json:"errors"`
	RequestCounts struct {
		Total     int `json:"total"`
		Completed int `json:"completed"`
		Failed    int `json:"failed"`
	} `json:"request_counts"`
}

func batchInput(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"custom_id":"oracle-%016x","method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":"What is %d squared?"}],"max_completion_tokens":12,"temperature":1,"logprobs":true}}`+"\n", i, OracleModel, i)
	}
	return b.String()
}

func startBatch(t *testing.T, s *Server, c *http.Client, content string) batchObject {
	t.Helper()
	file := must[struct{ ID string }](t, upload(t, s, c, "batch", content))
	return must[batchObject](t, post(c, s.OpenAIURL()+"/batches", "", dict{"input_file_id": file.ID,
		"endpoint": "/v1/chat/completions", "completion_window": "24h", "metadata": dict{"k": "v"}}))
}

func finishBatch(t *testing.T, s *Server, c *http.Client, b batchObject) (batchObject, []string) {
	t.Helper()
	var seen []string
	for range 20 {
		b = must[batchObject](t, get(c, s.OpenAIURL()+"/batches/"+b.ID))
		seen = append(seen, b.Status)
		if slices.Contains([]string{"completed", "failed", "expired", "cancelled"}, b.Status) {
			return b, seen
		}
	}
	t.Fatalf("never finished: %v", seen)
	return b, nil
}

func outputLines(t *testing.T, s *Server, c *http.Client, id *string) []batchAnswer {
	t.Helper()
	if id == nil {
		return nil
	}
	r := get(c, s.OpenAIURL()+"/files/"+*id+"/content")
	if r.err != nil || r.status != http.StatusOK {
		t.Fatalf("content: %d, %v", r.status, r.err)
	}
	var out []batchAnswer
	for l := range bytes.Lines(r.body) {
		var a batchAnswer
		if err := json.Unmarshal(l, &a); err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func TestBatchIsTheSameAsSingleCalls(t *testing.T) {
	faults := Faults{Cut: 0.3, Drift: 0.2, Empty: 0.2} // content faults are part of the answer
	s, c := newServer(t, Config{Seed: 3, Faults: faults, Batch: BatchConfig{Steps: 4}})
	const n = 20
	b, seen := finishBatch(t, s, c, startBatch(t, s, c, batchInput(n)))
	if want := []string{"in_progress", "in_progress", "finalizing", "completed"}; !slices.Equal(seen, want) {
		t.Errorf("statuses %v, want %v", seen, want)
	}
	if b.RequestCounts.Total != n || b.RequestCounts.Completed != n || b.Errors != nil {
		t.Errorf("batch %+v", b)
	}
	single, sc := newServer(t, Config{Seed: 3, Faults: faults})
	var order []string
	for _, a := range outputLines(t, s, c, b.Output) {
		order = append(order, a.CustomID)
		for l := range strings.Lines(batchInput(n)) {
			var in batchLine
			if err := json.Unmarshal([]byte(l), &in); err != nil {
				t.Fatal(err)
			}
			if in.CustomID == a.CustomID {
				if want := post(sc, single.OpenAIURL()+"/chat/completions", in.CustomID, string(in.Body)); !bytes.Equal(want.body,
					a.Response.Body) {
					t.Errorf("%s: in the batch %s, alone %s", a.CustomID, a.Response.Body, want.body)
				}
			}
		}
	}
	if len(order) != n || slices.IsSorted(order) {
		t.Errorf("%d lines, in the input's order: %v", len(order), order)
	}
	got, want := s.Bill().Total, single.Bill().Total
	if want.USD == 0 || math.Abs(2*got.USD-want.USD) > 1e-12 || got.BatchCalls != n || want.BatchCalls != 0 {
		t.Errorf("bill %+v, alone %+v: want half", got, want)
	}
}

func TestBatchEnds(t *testing.T) {
	s, c := newServer(t, Config{Batch: BatchConfig{ExpireAfter: 6, FailRate: 0.4}})
	b, _ := finishBatch(t, s, c, startBatch(t, s, c, batchInput(10)))
	good, bad := outputLines(t, s, c, b.Output), outputLines(t, s, c, b.Errors)
	expired := 0
	for _, a := range bad {
		if a.Error != nil && a.Error.Code == "batch_expired" {
			expired++
		}
	}
	if b.Status != "expired" || expired != 4 || len(good)+len(bad) != 10 || len(bad) == 4 ||
		s.Bill().Total.Calls != len(good) {
		t.Errorf("%s: %d good, %d bad of which %d expired, %d billed", b.Status, len(good), len(bad), expired,
			s.Bill().Total.Calls)
	}

	s, c = newServer(t, Config{})
	b = startBatch(t, s, c, batchInput(9))
	must[batchObject](t, get(c, s.OpenAIURL()+"/batches/"+b.ID))
	if b = must[batchObject](t, post(c, s.OpenAIURL()+"/batches/"+b.ID+"/cancel", "", dict{})); b.Status != "cancelling" {
		t.Errorf("cancelled: %s", b.Status)
	}
	b, _ = finishBatch(t, s, c, b)
	if n := len(outputLines(t, s, c, b.Output)); b.Status != "cancelled" || n != 3 || s.Bill().Total.Calls != 3 {
		t.Errorf("%s with %d lines, %d billed: want the 3 done by then", b.Status, n, s.Bill().Total.Calls)
	}
	if r := post(c, s.OpenAIURL()+"/batches/"+b.ID+"/cancel", "", dict{}); r.status != http.StatusConflict {
		t.Errorf("cancelling what has ended: %d", r.status)
	}
}

func TestBatchValidation(t *testing.T) {
	good := strings.TrimSuffix(batchInput(1), "\n")
	for _, tt := range []struct {
		content, code string
		line          int
	}{
		{"", "empty_file", 0},
		{good + "\n{torn", "invalid_json_line", 2},
		{good + "\n" + good, "duplicate_custom_id", 2},
		{strings.Replace(good, "POST", "GET", 1), "invalid_method", 1},
		{strings.Replace(good, "chat/", "", 1), "mismatched_url", 1},
		{strings.Replace(good, "custom_id", "id", 1), "missing_required_parameter", 1},
		{good + "\n" + strings.NewReplacer("oracle-", "other-", OracleModel, JudgeModel).Replace(good), "mismatched_model",
			2},
		{strings.Repeat("{}\n", maxBatchLines+1), "too_many_requests", 0},
	} {
		s, c := newServer(t, Config{})
		b, _ := finishBatch(t, s, c, startBatch(t, s, c, tt.content))
		if b.Status != "failed" || b.Why == nil || len(b.Why.Data) == 0 {
			t.Errorf("%s: %+v", tt.code, b)
			continue
		}
		e := b.Why.Data[0]
		line := 0
		if e.Line != nil {
			line = *e.Line
		}
		if e.Code != tt.code || line != tt.line || s.Bill().Total.Calls != 0 {
			t.Errorf("%s at line %d, want %s at %d", e.Code, line, tt.code, tt.line)
		}
	}
	s, c := newServer(t, Config{})
	file := must[struct{ ID string }](t, upload(t, s, c, "batch", batchInput(1)))
	url := s.OpenAIURL()
	for name, r := range map[string]reply{
		"purpose": upload(t, s, c, "fine-tune", "{}"),
		"no form": post(c, url+"/files", "", dict{}),
		"file": post(c, url+"/batches", "", dict{"input_file_id": "file-x", "endpoint": "/v1/chat/completions",
			"completion_window": "24h"}),
		"endpoint": post(c, url+"/batches", "", dict{"input_file_id": file.ID, "endpoint": "/v1/nothing",
			"completion_window": "24h"}),
		"window": post(c, url+"/batches", "", dict{"input_file_id": file.ID, "endpoint": "/v1/chat/completions",
			"completion_window": "1h"}),
		"metadata": post(c, url+"/batches", "", dict{"input_file_id": file.ID, "endpoint": "/v1/chat/completions",
			"completion_window": "24h", "metadata": dict{"k": strings.Repeat("v", 513)}}),
		"limit": get(c, url+"/batches?limit=0"),
	} {
		if r.status != http.StatusBadRequest {
			t.Errorf("%s: status %d: %s", name, r.status, r.body)
		}
	}
	for _, path := range []string{"/files/x", "/files/x/content", "/batches/x", "/batches?after=x"} {
		if r := get(c, url+path); r.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, r.status)
		}
	}
	if f := must[struct{ Bytes int }](t, get(c, url+"/files/"+file.ID)); f.Bytes != len(batchInput(1)) {
		t.Errorf("file of %d bytes", f.Bytes)
	}
}

func TestBatchListing(t *testing.T) {
	s, c := newServer(t, Config{})
	var ids []string
	for range 5 {
		ids = append(ids, startBatch(t, s, c, batchInput(1)).ID)
	}
	slices.Reverse(ids) // newest first
	type list struct {
		Data    []batchObject
		HasMore bool `json:"has_more"`
	}
	var got []string
	for after := ""; ; {
		url := s.OpenAIURL() + "/batches?limit=2"
		if after != "" {
			url += "&after=" + after
		}
		page := must[list](t, get(c, url))
		for _, b := range page.Data {
			got = append(got, b.ID)
			after = b.ID
			if b.Status != "validating" {
				t.Errorf("listing moved a batch to %s", b.Status)
			}
		}
		if !page.HasMore {
			break
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("listed %v, want %v", got, ids)
	}
}
