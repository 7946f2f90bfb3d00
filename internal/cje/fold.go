package cje

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"

	"golang.org/x/crypto/blake2b"

	"github.com/reweigh/reweigh/offpolicy"
)

// folds is how many v0.3.0 makes, and the seeds are those that it passes where
// nobody chooses: seedOuter for the outer folds of standalone calibrated IPS,
// seed for all others.
const (
	folds     = 5
	seed      = 42
	seedOuter = 1042
)

func foldsOf(ids []string, seed uint64) []int {
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = offpolicy.Fold(seed, id, folds)
	}
	return out
}

// balancedFolds are v0.6.0's: the distinct ids of labeled prompts, ordered by
// the 16-byte BLAKE2b digest of "ID-SEED", are dealt out in turn; any other
// prompt's fold is its digest modulo k.
func balancedFolds(ids, labeled []string, k int) []int {
	type prompt struct {
		digest []byte
		id     string
	}
	h, err := blake2b.New(16, nil)
	if err != nil {
		panic("cje: balanced folds: " + err.Error()) // never: 16 bytes and no key are allowed
	}
	digest := func(id string) []byte {
		h.Reset()
		h.Write([]byte(id + "-" + strconv.Itoa(seed)))
		return h.Sum(nil)
	}
	fold := make(map[string]int, len(ids))
	var order []prompt
	for _, id := range labeled {
		if _, seen := fold[id]; !seen {
			fold[id] = 0
			order = append(order, prompt{digest(id), id})
		}
	}
	slices.SortFunc(order, func(a, b prompt) int {
		return cmp.Or(bytes.Compare(a.digest, b.digest),
			cmp.Compare(a.id, b.id))
	})
	for rank, p := range order {
		fold[p.id] = rank % k
	}
	out := make([]int, len(ids))
	for i, id := range ids {
		if _, known := fold[id]; !known {
			// The remainder of a number of 128 bits, its halves one after the other.
			d := digest(id)
			_, rest := bits.Div64(0, binary.BigEndian.Uint64(d), uint64(k))
			_, rest = bits.Div64(rest, binary.BigEndian.Uint64(d[8:]), uint64(k))
			fold[id] = int(rest)
		}
		out[i] = fold[id]
	}
	return out
}
