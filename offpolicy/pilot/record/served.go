package record

import (
	"maps"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/providers"
)

// Served lists which models answered for which.
func Served(entries []providers.Entry) map[string]string {
	seen := map[string]map[string]bool{}
	for _, e := range entries {
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
