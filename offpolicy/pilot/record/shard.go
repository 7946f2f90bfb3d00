package record

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/oracle"
)

// Shard is one of Of parts of a run, by Index from 0, which is made in a folder of its own,
// on any machine. The prompts are divided by
//
//	first 8 bytes, big-endian, of SHA-256("reweigh shard 1" ‖ id), modulo Of
//
// The zero value, and the one part of one, is the whole run.
type Shard struct {
	Index int `json:"index"`
	Of    int `json:"of"`
}

// Validate reports a shard that there is not.
func (s Shard) Validate() error {
	if s.Of < 0 || s.Index < 0 || s.Index >= max(s.Of, 1) {
		return fmt.Errorf("shard %d of %d: want an index from 0 to one less than their number", s.Index, s.Of)
	}
	return nil
}

// Whole reports whether the shard is the whole run.
func (s Shard) Whole() bool { return s.Of <= 1 }

// Has reports whether the shard has the prompt.
func (s Shard) Has(id string) bool {
	if s.Whole() {
		return true
	}
	h := sha256.Sum256(append([]byte("reweigh shard 1"), id...))
	return binary.BigEndian.Uint64(h[:8])%uint64(s.Of) == uint64(s.Index)
}

// Own are the shard's own prompts, of those of the whole run.
func (s Shard) Own(prompts []dataset.Prompt) []dataset.Prompt {
	if s.Whole() {
		return prompts
	}
	var out []dataset.Prompt
	for _, p := range prompts {
		if s.Has(p.ID) {
			out = append(out, p)
		}
	}
	return out
}

// Design is what the shard draws by itself if the draw follows from scores, which it has
// of its own prompts alone: its part of the probes and duplicates.
func (s Shard) Design(d oracle.Design) oracle.Design {
	if s.Whole() || d.Strata <= 1 {
		return d
	}
	part := func(n int) int {
		k := n / s.Of
		if s.Index < n%s.Of {
			k++
		}
		return k
	}
	d.Probes, d.Duplicates, d.Shares = part(d.Probes), part(d.Duplicates), maps.Clone(d.Shares)
	for policy, n := range d.Shares {
		d.Shares[policy] = part(n)
	}
	return d
}

// Assigned are the responses of the shard that a design of the whole run labels, of one
// with strata as many others. prompts are those of the whole run.
func (s Shard) Assigned(d oracle.Design, prompts []dataset.Prompt, arms Arms) []oracle.Assignment {
	logging := arms.Logging().Policy.Name
	if strata := d.Strata > 1; strata || s.Whole() {
		d = s.Design(d)
		d.Strata = 0
		return d.Assign(ResponseKeys(s.Own(prompts), arms), logging)
	}
	var out []oracle.Assignment
	for _, as := range d.Assign(ResponseKeys(prompts, arms), logging) {
		if s.Has(as.Key.PromptID) {
			out = append(out, as)
		}
	}
	return out
}
