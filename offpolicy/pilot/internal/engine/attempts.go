package engine

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// attempts are the ledger as the store holds it: of every attempt what checks and
// forecasts add up, and where in the journal its entry stands.
type attempts struct {
	pieces[attempt] // in the order in which they began; some are overwritten, so that no copy is read
	// again are those that another entry may replace, by id: one in flight ends, and a line
	// of a batch may be sent anew.
	again  map[string]int
	kinds  kindsOfAttempts
	others names    // texts of keys that are of no record
	order  []uint32 // that of the ledger, of the first so many
	cost   providers.USD
}

// attempt is what is held of an entry, of which there are most. Of a count of tokens or
// milliseconds that takes more than 16 bits, the kind has the rest.
type attempt struct {
	cost                        providers.USD
	at                          int64
	key                         uint32 // a record's number, or that of another text
	kind                        uint32
	prompt, completion, latency uint16
}

// attemptKind is what many attempts have in common.
type attemptKind struct {
	stage, policy, call, provider, model, served, endpoint, outcome, doubt string
	nth                                                                    int
	known, other                                                           bool
	prompt, completion, latency                                            int64 // multiples of 2^16
}

// kindsOfAttempts has each kind once, under a number.
type kindsOfAttempts struct {
	number map[attemptKind]uint32
	list   []*attemptKind
}

func (k *kindsOfAttempts) of(one attemptKind) uint32 {
	n, ok := k.number[one]
	if !ok {
		n = uint32(len(k.list))
		k.number[one], k.list = n, append(k.list, &one)
	}
	return n
}

func newAttempts() attempts {
	return attempts{again: map[string]int{}, kinds: kindsOfAttempts{number: map[attemptKind]uint32{}}, others: newNames()}
}

func (a *attempts) kind(of *attempt) *attemptKind { return a.kinds.list[of.kind] }

// note adds an attempt, or replaces the entry that it had.
func (a *attempts) note(keys *keyring, e providers.Entry, at int64) {
	k := attemptKind{stage: e.Stage, policy: e.Policy, call: e.Call, provider: e.Provider, model: e.Model,
		served: e.Served, endpoint: e.Endpoint, outcome: e.Outcome, doubt: e.UsageDoubt, nth: e.Attempt,
		known: e.UsageKnown}
	row := attempt{cost: e.Cost, at: at}
	row.prompt, k.prompt = split(int64(e.PromptTokens))
	row.completion, k.completion = split(int64(e.CompletionTokens))
	row.latency, k.latency = split(e.LatencyMS)
	if of, ok := keyOf(e.Key); ok {
		row.key = keys.of(of)
	} else {
		row.key, k.other = a.others.of(e.Key), true
	}
	row.kind = a.kinds.of(k)
	i, ok := a.again[e.ID]
	if ok {
		was := a.at(uint32(i))
		a.cost -= was.cost
		if of := a.kind(was); was.key != row.key || of.other != k.other || of.stage != k.stage || of.call != k.call ||
			of.nth != k.nth {
			a.order = nil // its place is another
		}
	} else {
		i = int(a.grow())
	}
	*a.at(uint32(i)) = row
	a.cost += e.Cost
	if e.Outcome == providers.OutcomeInFlight || e.Endpoint == batchEndpoint {
		a.again[e.ID] = i
	} else {
		delete(a.again, e.ID)
	}
}

// split divides a number that is seldom large.
func split(n int64) (low uint16, high int64) { return uint16(n), n &^ (1<<16 - 1) }

// keyOf is the key that a text is the form of, if it is that of one.
func keyOf(text string) (k dataset.Key, ok bool) {
	j := strings.LastIndexByte(text, '/')
	i := strings.LastIndexByte(text[:max(j, 0)], '/')
	if i < 0 {
		return k, false
	}
	draw, err := strconv.Atoi(text[j+1:])
	if err != nil || draw < 0 || draw > maxDraw {
		return k, false
	}
	k = dataset.Key{PromptID: text[:i], Policy: unescape.Replace(text[i+1 : j]), DrawIdx: draw}
	return k, k.String() == text
}

var unescape = strings.NewReplacer("%25", "%", "%2F", "/")

// batchEndpoint is the endpoint of a batch's lines.
const batchEndpoint = "batch"

// owed is what the lines of unfinished batches have reserved.
func (a *attempts) owed() (sum providers.USD) {
	for _, usd := range a.unsettled() {
		sum += usd
	}
	return sum
}

// unsettled are the lines of unfinished batches, with what they have reserved.
func (a *attempts) unsettled() map[string]providers.USD {
	lines := map[string]providers.USD{}
	for id, i := range a.again {
		row := a.at(uint32(i))
		if k := a.kind(row); k.endpoint == batchEndpoint && k.outcome == providers.OutcomeInFlight {
			lines[id] = row.cost
		}
	}
	return lines
}

// sorted are the places of the attempts by stage, record, call and attempt. Those that are alike in
// all of that, as of two starts, stay in the order in which they began.
func (a *attempts) sorted(keys *keyring) []uint32 {
	if len(a.order) == a.n {
		return a.order
	}
	stages := map[string]int{}
	for i, s := range record.Stages() {
		stages[s] = i + 1 // others come first
	}
	texts := a.texts(keys)
	compare := func(i, j uint32) int {
		x, y := a.at(i), a.at(j)
		k, l := a.kind(x), a.kind(y)
		if c := cmp.Compare(stages[k.stage], stages[l.stage]); c != 0 {
			return c
		}
		return cmp.Or(texts.compare(x, y, k, l), cmp.Compare(k.call, l.call), cmp.Compare(k.nth, l.nth), cmp.Compare(i, j))
	}
	before := a.order
	newer := make([]uint32, 0, a.n-len(before))
	for i := len(before); i < a.n; i++ {
		newer = append(newer, uint32(i))
	}
	slices.SortFunc(newer, compare)
	if len(before) > 0 {
		merged := make([]uint32, 0, a.n)
		for _, i := range newer {
			at, _ := slices.BinarySearchFunc(before, i, compare) // no two are equal
			merged = append(append(merged, before[:at]...), i)
			before = before[at:]
		}
		newer = append(merged, before...)
	}
	a.order = newer
	return newer
}

// texts are the keys of attempts as the ledger has them.
type texts struct {
	keys   keyring
	others []string
}

func (a *attempts) texts(keys *keyring) texts { return texts{*keys, a.others.list} }

func (t *texts) of(a *attempt, k *attemptKind) string {
	if k.other {
		return t.others[a.key]
	}
	of := t.keys.key(a.key)
	return of.String()
}

// compare compares texts. Most differ in the prompt or the policy already.
func (t *texts) compare(a, b *attempt, ofA, ofB *attemptKind) int {
	if ofA.other == ofB.other && a.key == b.key {
		return 0
	}
	if !ofA.other && !ofB.other {
		k, l := t.keys.key(a.key), t.keys.key(b.key)
		if p, q := k.PromptID, l.PromptID; !strings.HasPrefix(p, q) && !strings.HasPrefix(q, p) {
			return cmp.Compare(p, q)
		}
		p, q := k.Policy, l.Policy
		if k.PromptID == l.PromptID && !strings.HasPrefix(p, q) && !strings.HasPrefix(q, p) &&
			!strings.ContainsAny(p, "/%") && !strings.ContainsAny(q, "/%") {
			return cmp.Compare(p, q)
		}
	}
	return cmp.Compare(t.of(a, ofA), t.of(b, ofB))
}

// entry is the attempt as checks and forecasts read it, under the text of its key.
func (k *attemptKind) entry(a *attempt, key string) providers.Entry {
	return providers.Entry{Stage: k.stage, Key: key, Policy: k.policy, Call: k.call, Provider: k.provider,
		Model: k.model, Served: k.served, Endpoint: k.endpoint, Outcome: k.outcome, UsageDoubt: k.doubt,
		PromptTokens:     int(int64(a.prompt) | k.prompt),
		CompletionTokens: int(int64(a.completion) | k.completion), Cost: a.cost,
		LatencyMS: int64(a.latency) | k.latency, Attempt: k.nth, UsageKnown: k.known}
}
