package engine

import (
	"errors"
	"io"
	"iter"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// response is a response with all that it has.
func (s *store) response(k dataset.Key) (row dataset.Response, ok bool, err error) {
	is := s.heldResponse(k)
	if is == nil {
		return row, false, nil
	}
	rec, err := s.j.Read(is.at)
	if err != nil {
		return row, false, err
	}
	return row, true, jsonv2.Unmarshal(rec.Payload, &row)
}

// hasText reports whether there is a response, and it did not fail.
func (s *store) hasText(k dataset.Key) bool {
	is := s.heldResponse(k)
	return is != nil && is.text
}

// context is the digest of the context that a response was given in, nil if nobody knows it.
func (s *store) context(k dataset.Key) *dataset.TokenDigest {
	is := s.heldResponse(k)
	if is == nil || is.failed() != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return is.row(&s.shared.keys).ContextIDs
}

// text is the text of a response; nil if there is none.
func (s *store) text(k dataset.Key) (*string, error) {
	if !s.hasText(k) {
		return nil, nil
	}
	rec, err := s.j.Read(s.heldResponse(k).at)
	if err != nil {
		return nil, err
	}
	var row struct {
		Text *string `json:"response"`
	}
	return row.Text, jsonv2.Unmarshal(rec.Payload, &row)
}

func (r *Run) readText(k dataset.Key) (string, error) {
	text, err := r.store.text(k)
	if text == nil {
		return "", err
	}
	return *text, nil
}

// writeSamples writes the samples with the texts of their responses; none if the records
// could not be joined.
func (r *Run) writeSamples(rec *record.Records, joined bool) error {
	return dataset.WriteFile(r.job.path("samples.jsonl"), func(w io.Writer) error {
		var broken error
		err := dataset.WriteJSONL(w, func(yield func(dataset.Sample) bool) {
			if !joined {
				return
			}
			_, broken = rec.Join(rec.Judge, func(j dataset.Joined) (err error) {
				s := j.Sample
				if s == nil {
					return nil
				}
				s.Response, err = r.readText(dataset.Key{PromptID: s.PromptID, Policy: r.job.logging()})
				if err == nil && !yield(*s) {
					err = errEnough
				}
				return err
			})
		})
		if err != nil {
			return err
		}
		return broken
	})
}

// errEnough ends what goes on until there is an error.
var errEnough = errors.New("enough")

// writeDraws writes one policy's own responses with their texts.
func (r *Run) writeDraws(rec *record.Records, joined bool, policy string) error {
	var draws []dataset.FreshDraw
	if joined {
		draws = make([]dataset.FreshDraw, 0, len(r.job.Prompts))
		_, err := rec.Join(rec.Judge, func(j dataset.Joined) error {
			for _, d := range j.Draws {
				if d.Policy == policy {
					draws = append(draws, d.FreshDraw)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return dataset.WriteUnreadDraws(r.job.path(drawsDir), policy, draws, func(d dataset.FreshDraw) (string, error) {
		return r.readText(dataset.Key{PromptID: d.PromptID, Policy: policy, DrawIdx: d.DrawIdx})
	})
}

// stored are the places in the journal of the records of one kind.
func stored[T any](r *Run, of *rows[T], at func(*T) int64) iter.Seq[int64] {
	held := sorted(r.store, of, r.here())
	return func(yield func(int64) bool) {
		for i := range held.places {
			if !yield(at(held.at(i))) {
				return
			}
		}
	}
}

// writeStored writes an output of records as they stand in the journal, at those places, and notes
// what it wrote.
func writeStored(r *Run, name string, places iter.Seq[int64]) error {
	h := newDigest()
	err := dataset.WriteFile(r.job.path(name), func(to io.Writer) error {
		w := io.MultiWriter(to, h)
		for at := range places {
			if err := r.store.j.WritePayload(w, at); err != nil {
				return err
			}
			if _, err := w.Write(lineBreak); err != nil {
				return err
			}
		}
		return nil
	})
	r.noteFile(name, h)
	return err
}

// noteFile keeps what was written to a file.
func (r *Run) noteFile(name string, h *digester) {
	if r.wrote == nil {
		r.wrote = map[string]fileDigest{}
	}
	r.wrote[name] = h.sum()
}

var lineBreak = []byte{'\n'}
