package engine

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// attempts are the ledger as the store holds it: of every attempt what checks and
// forecasts add up, and where in the journal its entry stands.
type attempts struct {
	rows []attempt // in the order in which they began
	// again are those that another entry may replace, by id: one in flight ends, and a line
	// of a batch may be sent anew.
	again map[string]int
	kinds map[attemptKind]*attemptKind
	keys  names
	cost  providers.USD // of all
}

type attempt struct {
	*attemptKind
	key                                string
	cost                               providers.USD
	promptTokens, completionTokens, at int64
	latencyMS                          int64
}

// attemptKind is what many attempts have in common.
type attemptKind struct {
	stage, policy, call, provider, model, served, endpoint, outcome, doubt string
	nth                                                                    int
	known                                                                  bool
}

// names has each of many equal strings once.
type names map[string]string

func (n names) of(s string) string {
	if one, ok := n[s]; ok {
		return one
	}
	s = strings.Clone(s) // it may be a part of something large
	n[s] = s
	return s
}

func newAttempts() attempts {
	return attempts{again: map[string]int{}, kinds: map[attemptKind]*attemptKind{}, keys: names{}}
}

// note adds an attempt, or replaces the entry that it had.
func (a *attempts) note(e providers.Entry, at int64) {
	k := attemptKind{stage: e.Stage, policy: e.Policy, call: e.Call, provider: e.Provider, model: e.Model,
		served: e.Served, endpoint: e.Endpoint, outcome: e.Outcome, doubt: e.UsageDoubt, nth: e.Attempt,
		known: e.UsageKnown}
	kind, ok := a.kinds[k]
	if !ok {
		kind = &k
		a.kinds[k] = kind
	}
	row := attempt{attemptKind: kind, key: a.keys.of(e.Key), cost: e.Cost, promptTokens: int64(e.PromptTokens),
		completionTokens: int64(e.CompletionTokens), latencyMS: e.LatencyMS, at: at}
	i, ok := a.again[e.ID]
	if ok {
		a.cost -= a.rows[i].cost
		a.rows[i] = row
	} else {
		i = len(a.rows)
		a.rows = append(a.rows, row)
	}
	a.cost += e.Cost
	if e.Outcome == providers.OutcomeInFlight || e.Endpoint == batchEndpoint {
		a.again[e.ID] = i
	} else {
		delete(a.again, e.ID)
	}
}

// batchEndpoint is the endpoint of a batch's lines.
const batchEndpoint = "batch"

// owed is what the lines of unfinished batches have reserved.
func (a *attempts) owed() (sum providers.USD) {
	for _, i := range a.again {
		if row := a.rows[i]; row.endpoint == batchEndpoint && row.outcome == providers.OutcomeInFlight {
			sum += row.cost
		}
	}
	return sum
}

// sorted returns the attempts by stage, record, call and attempt. Those that are alike in all of
// that, as of two starts, stay in the order in which they began.
func (a *attempts) sorted() []attempt {
	stages := map[string]int{}
	for i, s := range record.Stages() {
		stages[s] = i + 1 // others come first
	}
	rows := slices.Clone(a.rows)
	slices.SortStableFunc(rows, func(x, y attempt) int {
		return cmp.Or(cmp.Compare(stages[x.stage], stages[y.stage]), cmp.Compare(x.key, y.key),
			cmp.Compare(x.call, y.call), cmp.Compare(x.nth, y.nth))
	})
	return rows
}

// entriesOf are attempts as checks and forecasts read them.
func entriesOf(rows []attempt) iter.Seq[providers.Entry] {
	return func(yield func(providers.Entry) bool) {
		for _, a := range rows {
			if !yield(a.entry()) {
				return
			}
		}
	}
}

func (a attempt) entry() providers.Entry {
	return providers.Entry{Stage: a.stage, Key: a.key, Policy: a.policy, Call: a.call, Provider: a.provider,
		Model: a.model, Served: a.served, Endpoint: a.endpoint, Outcome: a.outcome, UsageDoubt: a.doubt,
		PromptTokens: int(a.promptTokens), CompletionTokens: int(a.completionTokens), Cost: a.cost,
		LatencyMS: a.latencyMS, Attempt: a.nth, UsageKnown: a.known}
}
