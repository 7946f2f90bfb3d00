package engine

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// places say where in the journal the latest records stand that have lists of
// tokens. The store holds those records without the lists.
type places struct{ responses, logprobs map[dataset.Key]int64 }

// withoutIDs is a response as the store holds it.
func withoutIDs(row dataset.Response) dataset.Response {
	row.TokenIDs, row.Sampling = nil, nil
	return row
}

// withoutTokens is a log-prob as the store holds it: of its tokens, those alone
// that no log-prob can have.
func withoutTokens(row dataset.LogProb) dataset.LogProb {
	var odd dataset.Floats
	for _, v := range row.TokenLogProbs {
		if v > 0 || math.IsInf(v, 0) {
			odd = append(odd, v)
		}
	}
	row.TokenLogProbs = odd
	return row
}

// response is a response with all that it has.
func (s *store) response(k dataset.Key) (row dataset.Response, ok bool, err error) {
	s.mu.Lock()
	at, ok := s.places.responses[k]
	s.mu.Unlock()
	if !ok {
		return row, false, nil
	}
	rec, err := s.j.Read(at)
	if err != nil {
		return row, false, err
	}
	return row, true, json.Unmarshal(rec.Payload, &row)
}

// writeStored writes an output of records as they stand in the journal, in the
// order of their keys.
func (r *Run) writeStored(name string, places map[dataset.Key]int64, keep func(dataset.Key) bool) error {
	r.store.mu.Lock()
	var keys []dataset.Key
	for k := range places {
		if keep(k) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, dataset.Key.Compare)
	at := make([]int64, len(keys))
	for i, k := range keys {
		at[i] = places[k]
	}
	r.store.mu.Unlock()
	return dataset.WriteFile(r.job.path(name), func(w io.Writer) error {
		var broken error
		err := dataset.WriteJSONL(w, func(yield func(json.RawMessage) bool) {
			for _, place := range at {
				rec, err := r.store.j.Read(place)
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
