package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"
)

// uploadFile serves POST /v1/files.
func (s *Server) uploadFile(c *call, r *http.Request) ([]byte, *apiError) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, badRequest("file", "The request is no multipart/form-data.")
	}
	f := batchFile{created: time.Now().Unix()}
	parts := multipart.NewReader(bytes.NewReader(c.body), params["boundary"])
	found := false
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(part)
		}
		if err != nil {
			return nil, badRequest("file", "The form could not be read: %v", err)
		}
		switch part.FormName() {
		case "purpose":
			f.purpose = string(content)
		case "file":
			f.name, f.content, found = part.FileName(), content, true
		}
	}
	switch {
	case f.purpose != "batch":
		return nil, badRequest("purpose", "'%s' is not one of ['batch'] - 'purpose'", f.purpose)
	case !found || f.name == "":
		return nil, badRequest("file", "'file' is a required property")
	case len(f.content) > maxBatchBytes:
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, kind: "invalid_request_error", param: "file",
			message: "The file is larger than 200 MB."}
	}
	return fileJSON(s.keep(f), f), nil
}

// keep stores a file under an id of its own.
func (s *Server) keep(f batchFile) string {
	if s.batches.files == nil {
		s.batches.files = map[string]batchFile{}
	}
	id := fmt.Sprintf("file-%016x", hash64("file", s.seed, strconv.Itoa(len(s.batches.files))))
	s.batches.files[id] = f
	return id
}

func fileJSON(id string, f batchFile) []byte {
	return encodeJSON(map[string]any{"id": id, "object": "file", "bytes": len(f.content), "created_at": f.created,
		"filename": f.name, "purpose": f.purpose, "status": "processed"})
}

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sim: batch: " + err.Error()) // strings, numbers and what was JSON already
	}
	return b
}

func (s *Server) fileInfo(_ *call, r *http.Request) ([]byte, *apiError) {
	id := r.PathValue("id")
	f, ok := s.batches.files[id]
	if !ok {
		return nil, errNoSuch("File object", id)
	}
	return fileJSON(id, f), nil
}

func (s *Server) fileContent(_ *call, r *http.Request) ([]byte, *apiError) {
	id := r.PathValue("id")
	f, ok := s.batches.files[id]
	if !ok {
		return nil, errNoSuch("File object", id)
	}
	return f.content, nil
}
