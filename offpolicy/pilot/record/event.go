package record

import (
	"time"

	"github.com/reweigh/reweigh/providers"
)

// Event is one step of a run.
type Event struct {
	Stage    string
	Begun    bool // the stage starts; Done items were there before
	Finished bool // the stage is over
	Done     int  // items with a value
	Failed   int
	Total    int
	Spent    providers.USD
	Reserved providers.USD // what attempts in flight may cost beyond Spent
	Budget   providers.USD // 0 if none was set
	Limited  int           // 429 replies since this start
	Retries  int
	// InFlight is how many attempts are on their way at this moment, and Allowed
	// how many may be: less than Config.Concurrency a model while a service
	// refuses.
	InFlight, Allowed int
	// Forcing is how the log-probs came about so far.
	Forcing   ForcingCounts
	Elapsed   time.Duration // since the stage started
	LastError string
	Errors    map[string]int // failed items by class; not to be changed
	// Alert is set once for each of 50, 80 and 100% of the budget, and, in an
	// event without a stage, when a service is given time to recover or the preflight waits
	// for it.
	Alert string
}

// ForcingCounts count the log-probs of a run as it goes.
type ForcingCounts struct {
	Scored  int
	Zeros   int            // of those, that are exactly 0
	Methods map[string]int // pairs on which a method answered; not to be changed
}
