package engine

import (
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// names has each of many equal strings once, under a number.
type names struct {
	number map[string]uint32
	list   []string
}

func newNames() names { return names{number: map[string]uint32{}} }

func (n *names) of(s string) uint32 {
	if i, ok := n.number[s]; ok {
		return i
	}
	return n.add(strings.Clone(s)) // it may be a part of something large
}

// add numbers a name that is new, and keeps it as it is.
func (n *names) add(s string) uint32 {
	i := uint32(len(n.list))
	n.number[s], n.list = i, append(n.list, s)
	return i
}

// pool has each of many equal values once.
type pool[T comparable] map[T]*T

func (p pool[T]) of(v T) *T {
	one, ok := p[v]
	if !ok {
		one = &v
		p[v] = one
	}
	return one
}

// keyring numbers the keys of records in the order in which they come. A copy of it goes on
// to know the keys that it has.
type keyring struct {
	prompts, policies names
	first             []uint32         // of draw 0 of the first policies, by prompt: the number and 1 more
	number            map[place]uint32 // of the others
	places            []place
}

// fewKeys is how many keys of a run are not of its responses, if they are few.
const fewKeys = 64

// firstPolicies are how many policies a keyring has in first.
const firstPolicies = 8

// inFirst is where in first the number of a place is, if it is there.
func (p place) inFirst() (i int, ok bool) {
	return int(p.prompt)*firstPolicies + int(p.policy), p.draw == 0 && p.policy < firstPolicies
}

// place is a key in numbers.
type place struct{ prompt, policy, draw uint32 }

func newKeyring() keyring {
	return keyring{prompts: newNames(), policies: newNames(), number: map[place]uint32{}}
}

// expect makes room for the responses of these prompts under so many policies, and for a few other
// keys, as those of probes. It shares the prompts' ids.
func (r *keyring) expect(prompts []dataset.Prompt, policies int) {
	for _, p := range prompts {
		if _, ok := r.prompts.number[p.ID]; !ok {
			r.prompts.add(p.ID)
		}
	}
	r.places = room(r.places, len(prompts)*policies+fewKeys)
	r.first = room(r.first, (len(r.prompts.list)+fewKeys)*firstPolicies)
}

// room is a list with room for n in all, and for no more if that is more than it has.
func room[T any](list []T, n int) []T {
	if n <= cap(list) {
		return list
	}
	return append(make([]T, 0, n), list...)
}

// of is the number of a key, which it gets if it has none.
func (r *keyring) of(k dataset.Key) uint32 {
	p := place{r.prompts.of(k.PromptID), r.policies.of(k.Policy), uint32(k.DrawIdx)} // maxDraw bounds it
	if n, ok := r.numberOf(p); ok {
		return n
	}
	return r.add(p)
}

// add numbers a place.
func (r *keyring) add(p place) uint32 {
	n := uint32(len(r.places))
	r.places = append(r.places, p)
	i, ok := p.inFirst()
	if !ok {
		r.number[p] = n
		return n
	}
	for len(r.first) <= i {
		r.first = append(r.first, make([]uint32, firstPolicies)...)
	}
	r.first[i] = n + 1
	return n
}

func (r *keyring) numberOf(p place) (uint32, bool) {
	if i, ok := p.inFirst(); ok {
		if i < len(r.first) && r.first[i] > 0 {
			return r.first[i] - 1, true
		}
		return 0, false
	}
	n, ok := r.number[p]
	return n, ok
}

// find is the number of a key, if it has one.
func (r *keyring) find(k dataset.Key) (uint32, bool) {
	prompt, ok := r.prompts.number[k.PromptID]
	policy, known := r.policies.number[k.Policy]
	if !ok || !known || k.DrawIdx < 0 || k.DrawIdx > maxDraw {
		return 0, false
	}
	return r.numberOf(place{prompt, policy, uint32(k.DrawIdx)})
}

// key is the key of a number.
func (r *keyring) key(n uint32) dataset.Key {
	p := r.places[n]
	return dataset.Key{PromptID: r.prompts.list[p.prompt], Policy: r.policies.list[p.policy], DrawIdx: int(p.draw)}
}

// sorted are the numbers of all keys in the order of the keys.
func (r *keyring) sorted() []uint32 {
	out := make([]uint32, len(r.places))
	for i := range out {
		out[i] = uint32(i)
	}
	slices.SortFunc(out, func(a, b uint32) int { return r.key(a).Compare(r.key(b)) })
	return out
}
