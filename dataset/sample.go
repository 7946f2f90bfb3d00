package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// SamplePrompts picks n prompts by hash rank and returns them sorted by ID. Under one
// seed every id has one rank,
//
//	rank(id) = first 8 bytes, big-endian, of SHA-256("reweigh sample 1" ‖ seed as 8 bytes, big-endian ‖ id)
//
// and the n smallest ranks win; equal ranks are ordered by id. The choice
// therefore depends on the ids and the seed alone, not on the order of prompts,
// and samples are nested: the sample of 100 is part of the sample of 200, and
// adding a prompt changes no other prompt's rank.
//
// It is an error if n is negative or greater than len(prompts), or if two
// prompts share an id. The argument is not modified.
func SamplePrompts(prompts []Prompt, n int, seed uint64) ([]Prompt, error) {
	if n < 0 || n > len(prompts) {
		return nil, fmt.Errorf("dataset: cannot sample %d prompts: there are %d (ask for at most that many)", n, len(prompts))
	}
	type ranked struct {
		rank   uint64
		prompt Prompt
	}
	rows := make([]ranked, len(prompts))
	for i, p := range prompts {
		rows[i] = ranked{sampleRank(seed, p.ID), p}
	}
	slices.SortFunc(rows, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.prompt.ID, b.prompt.ID))
	})
	out := make([]Prompt, 0, n)
	for i, r := range rows {
		if i > 0 && rows[i-1].prompt.ID == r.prompt.ID {
			return nil, fmt.Errorf("dataset: cannot sample: prompt_id %q occurs twice (%w)", r.prompt.ID, ErrDuplicateID)
		}
		if i < n {
			out = append(out, r.prompt)
		}
	}
	slices.SortFunc(out, func(a, b Prompt) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func sampleRank(seed uint64, id string) uint64 {
	b := append([]byte("reweigh sample 1"), make([]byte, 8)...)
	binary.BigEndian.PutUint64(b[len(b)-8:], seed)
	sum := sha256.Sum256(append(b, id...))
	return binary.BigEndian.Uint64(sum[:8])
}
