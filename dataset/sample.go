package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// SampleOptions says which sample to take.
type SampleOptions struct {
	N    int
	Seed uint64
	// By, if not empty, stratifies: it names a field of the metadata, and each
	// of its values gets its share of the N places. A prompt without the field is
	// of a stratum of its own.
	By string
}

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
	return SampleStrata(prompts, SampleOptions{N: n, Seed: seed})
}

// SampleStrata is [SamplePrompts] with strata: the places are shared among the
// values of opt.By in proportion to their prompts, by Webster's method, and taken
// within each by rank. That method takes no place away when there is one more, so
// that these samples are nested, too.
func SampleStrata(prompts []Prompt, opt SampleOptions) ([]Prompt, error) {
	rows := make([]ranked, len(prompts))
	strata := map[string]int{}
	for i, p := range prompts {
		rows[i] = ranked{rank: sampleRank(opt.Seed, p.ID), id: p.ID, row: i}
		if opt.By != "" {
			s := stratumOf(p.Metadata[opt.By])
			if _, ok := strata[s]; !ok {
				strata[s] = len(strata)
			}
			rows[i].stratum = strata[s]
		}
	}
	byRank := slices.SortedFunc(slices.Values(rows), ranked.compare)
	for i, r := range byRank {
		if i > 0 && byRank[i-1].id == r.id {
			return nil, fmt.Errorf("dataset: cannot sample: prompt_id %q occurs twice (%w)", r.id, ErrDuplicateID)
		}
	}
	names := make([]string, len(strata))
	for s, i := range strata {
		names[i] = s
	}
	chosen, err := choose(byRank, names, opt.N)
	if err != nil {
		return nil, err
	}
	out := make([]Prompt, 0, opt.N)
	for _, i := range chosen {
		out = append(out, prompts[i])
	}
	slices.SortFunc(out, byID)
	return out, nil
}

func byID(a, b Prompt) int { return cmp.Compare(a.ID, b.ID) }

// sample picks rows of a pass, as SampleStrata picks prompts.
func (p *pass) sample() ([]int, error) {
	rows := make([]ranked, len(p.kept))
	for i, row := range p.kept {
		e := p.entries.at(row)
		rows[i] = ranked{rank: e.rank, id: string(e.id[:]), row: row, stratum: int(e.stratum)}
	}
	slices.SortFunc(rows, ranked.compare)
	return choose(rows, p.strata, p.by.N)
}

// ranked is a prompt on its way into a sample.
type ranked struct {
	rank    uint64
	id      string
	row     int
	stratum int
}

func (r ranked) compare(o ranked) int {
	return cmp.Or(cmp.Compare(r.rank, o.rank), cmp.Compare(r.id, o.id))
}

// choose returns the rows of a sample of n. Rows are sorted by rank; names are
// the strata's, none if there are none.
func choose(rows []ranked, names []string, n int) ([]int, error) {
	if n < 0 || n > len(rows) {
		return nil, fmt.Errorf("dataset: cannot sample %d prompts: there are %d (ask for at most that many)", n, len(rows))
	}
	quota := shares(rows, names, n)
	chosen := make([]int, 0, n)
	for _, r := range rows {
		if quota[r.stratum] > 0 {
			quota[r.stratum]--
			chosen = append(chosen, r.row)
		}
	}
	return chosen, nil
}

// shares gives away n places one by one, each to the stratum with the largest
// prompts/(2·places+1); of equal ones, to the first by name.
func shares(rows []ranked, names []string, n int) []int {
	if len(names) < 2 {
		return []int{n}
	}
	size, places := make([]int, len(names)), make([]int, len(names))
	for _, r := range rows {
		size[r.stratum]++
	}
	for range n {
		best := -1
		for s := range names {
			if places[s] == size[s] {
				continue
			}
			if best < 0 {
				best = s
				continue
			}
			// size[s]/(2·places[s]+1) against the best's, without rounding.
			mine, its := size[s]*(2*places[best]+1), size[best]*(2*places[s]+1)
			if mine > its || mine == its && names[s] < names[best] {
				best = s
			}
		}
		places[best]++
	}
	return places
}

func stratumOf(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func sampleRank(seed uint64, id string) uint64 {
	b := append([]byte("reweigh sample 1"), make([]byte, 8)...)
	binary.BigEndian.PutUint64(b[len(b)-8:], seed)
	sum := sha256.Sum256(append(b, id...))
	return binary.BigEndian.Uint64(sum[:8])
}
