package engine

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// response is a response with all that it has.
func (s *store) response(k dataset.Key) (row dataset.Response, ok bool, err error) {
	is, ok := get(s, s.responses, k)
	if !ok {
		return row, false, nil
	}
	rec, err := s.j.Read(is.at)
	if err != nil {
		return row, false, err
	}
	return row, true, json.Unmarshal(rec.Payload, &row)
}

// short is what the store holds of a response; of one that is not there, nothing.
func (s *store) short(k dataset.Key) record.Response {
	if row, ok := get(s, s.responses, k); ok {
		return row.Response
	}
	return record.Response{}
}

// text is the text of a response; nil if there is none.
func (s *store) text(k dataset.Key) (*string, error) {
	if s.short(k).Text == nil {
		return nil, nil
	}
	row, _, err := s.response(k)
	return row.Text, err
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
			_, _, broken = rec.Join(rec.Judge, func(j dataset.Joined) (err error) {
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
		_, _, err := rec.Join(rec.Judge, func(j dataset.Joined) error {
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

// writeStored writes an output of records as they stand in the journal.
func writeStored[T any](r *Run, name string, held []T, at func(T) int64) error {
	return dataset.WriteFile(r.job.path(name), func(w io.Writer) error {
		var broken error
		err := dataset.WriteJSONL(w, func(yield func(json.RawMessage) bool) {
			for _, h := range held {
				rec, err := r.store.j.Read(at(h))
				if err != nil {
					broken = err
					return
				}
				if !yield(rec.Payload) {
					return
				}
			}
		})
		return errors.Join(broken, err)
	})
}
