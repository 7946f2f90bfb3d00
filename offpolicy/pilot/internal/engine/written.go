package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/reweigh/reweigh/internal/folder"
)

const ledgerFile = "ledger.jsonl"

// kindOutputs says which outputs were written of all records before it, and read back
// without a finding.
const kindOutputs = "outputs"

// writtenOutputs is a record of that kind. A later start that finds no newer record, and
// the files as they were, need not write them again, if it is the same program to the last
// byte: other code may write other outputs of the same records, and a build need not have a
// version that tells. If the program cannot be read, they are written again.
type writtenOutputs struct {
	Of       string                `json:"of"` // what they depend on besides the records
	Files    map[string]fileDigest `json:"files"`
	Attempts int                   `json:"attempts"` // in ledger.jsonl
}

// fileDigest tells whether a file is as it was.
type fileDigest struct {
	Size   int64  `json:"size"` // -1: there is none
	CRC32C uint32 `json:"crc32c"`
}

// outputsKey names what the outputs depend on besides the records.
func (r *Run) outputsKey() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%v\n", r.program, r.job.Identity, planHash(r.job.Plan, r.job.Labels),
		r.graders.oracle, r.job.Versions)
	enc := json.NewEncoder(h)
	for p := range r.job.prompts { // samples have what prompts say of themselves
		_ = enc.Encode(p) // prompts.jsonl has been written of the same
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// thisProgram names the program that is running by what it is made of; empty if it cannot
// be read.
var thisProgram = sync.OnceValue(func() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
})

// derived are the outputs that follow from the records alone.
func (j *Job) derived() []string {
	names := []string{"responses.jsonl", "logprobs.jsonl", "oracle.jsonl", "judge.jsonl", "canaries.jsonl",
		"samples.jsonl"}
	for _, name := range j.drawFiles() {
		names = append(names, filepath.Join(drawsDir, name), filepath.Join(drawsDir, unscoredDir, name))
	}
	return names
}

// digestOf reads a file through.
func digestOf(path string) (fileDigest, error) {
	none := fileDigest{Size: -1}
	in, err := folder.OpenIn(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	defer in.Close()
	f, err := in.Read(filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	defer f.Close()
	h := newDigest()
	_, err = io.Copy(h, f)
	return h.sum(), err
}

// digester makes the digest of what is written to it.
type digester struct {
	hash.Hash32
	n int64
}

func newDigest() *digester { return &digester{Hash32: crc32.New(crc32.MakeTable(crc32.Castagnoli))} }

func (d *digester) Write(b []byte) (int, error) {
	d.n += int64(len(b))
	return d.Hash32.Write(b)
}

func (d *digester) sum() fileDigest { return fileDigest{d.n, d.Sum32()} }

// unchanged reports whether the outputs are those of the records.
func (r *Run) unchanged() bool {
	r.store.mu.Lock()
	was := r.store.written
	r.store.mu.Unlock()
	if was == nil || r.program == "" {
		return false
	}
	if was == r.verified {
		return true // they were looked at when the start began
	}
	if was.Of != r.outputsKey() {
		return false
	}
	for _, name := range r.job.derived() {
		if d, err := digestOf(r.job.path(name)); err != nil || d != was.Files[name] {
			return false
		}
	}
	r.verified = was
	return true
}

// keepWritten notes the outputs as those of the records.
func (r *Run) keepWritten() error {
	if r.program == "" {
		return nil
	}
	now := writtenOutputs{Of: r.outputsKey(), Files: map[string]fileDigest{}}
	for _, name := range r.job.derived() {
		d, err := digestOf(r.job.path(name))
		if err != nil {
			return err
		}
		now.Files[name] = d
	}
	return r.noteWritten(now)
}

// renewWritten notes them again, if there are records after the note that changed nothing but
// the ledger.
func (r *Run) renewWritten() error {
	r.store.mu.Lock()
	now := *r.store.written
	newer := r.store.newer || now.Attempts != r.store.attempts.n
	r.store.mu.Unlock()
	if !newer {
		return nil
	}
	now.Files = maps.Clone(now.Files)
	return r.noteWritten(now)
}

func (r *Run) noteWritten(now writtenOutputs) error {
	now.Files[ledgerFile], now.Attempts = r.wrote[ledgerFile], r.store.attempts.n
	at, err := r.store.j.AppendAt(kindOutputs, "outputs", now)
	if err != nil {
		return err
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.written, r.store.writtenAt, r.store.newer = &now, at, false
	return nil
}

// changes reports whether outputs may follow from a record of that kind.
func changes(kind string) bool {
	switch kind {
	case kindResponse, kindLogProb, kindDesign, kindLabel, kindScore, kindCanary:
		return true
	}
	return false
}
