package dataset

import (
	"slices"
)

// entry is what is remembered of a row.
type entry struct {
	norm    [16]byte // of SHA-256 of the normalised text
	id      [16]byte // of SHA-256 of the id
	rank    uint64   // for sampling
	line    uint32
	sum     uint32 // CRC-32C of the row: decides between rows of one id
	stratum uint32
	reason  int8 // for which it was dropped, or kept
	own     bool // the id is the row's own
}

// entries is a list that grows without being copied.
type entries struct {
	chunks [][]entry
	n      int
}

const chunk = 1 << 14

func (es *entries) at(i int) *entry { return &es.chunks[i/chunk][i%chunk] }

func (es *entries) add(e entry) {
	if es.n%chunk == 0 {
		es.chunks = append(es.chunks, make([]entry, 0, chunk))
	}
	last := &es.chunks[len(es.chunks)-1]
	*last = append(*last, e)
	es.n++
}

const (
	kept = -1

	dropMalformed = iota - 1
	dropTool
	dropRole
	dropSurrogate
	dropNotUTF8
	dropEmpty
	dropNotText
	dropContinued
	dropLanguage
	dropFlagged
	dropScore
	dropShort
	dropLong
	dropTurns
	dropSetApart
	dropDuplicate
)

var dropReasons = [...]string{"malformed", "use of tools", "unknown role", "half a surrogate pair", "not UTF-8",
	"empty prompt", "not only text", "goes on from another row", "language",
	"flagged by moderation", "moderation score", "too short", "too long",
	"several turns", "left out by dedup_tag", "duplicate text"}

// drops counts what one filter dropped and keeps the first few ids in order.
type drops struct {
	n        int
	examples []string
}

const maxExamples = 5

func (d *drops) add(id string) {
	d.n++
	at, _ := slices.BinarySearch(d.examples, id)
	if at < maxExamples {
		d.examples = slices.Insert(d.examples, at, id)
		d.examples = d.examples[:min(len(d.examples), maxExamples)]
	}
}
