package record

import (
	"maps"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/providers"
)

// Served lists which models answered for which.
func Served(ledger Attempts) map[string]string {
	seen := map[string]map[string]bool{}
	for e := range ledger.Brief().All() {
		if e.Outcome != providers.OutcomeOK || e.Served == "" {
			continue
		}
		if seen[e.Model] == nil {
			seen[e.Model] = map[string]bool{}
		}
		seen[e.Model][e.Served] = true
	}
	out := map[string]string{}
	for asked, answered := range seen {
		out[asked] = strings.Join(slices.Sorted(maps.Keys(answered)), ", ")
	}
	return out
}
