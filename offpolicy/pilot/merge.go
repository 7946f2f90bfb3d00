package pilot

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// MergeError says why folders cannot be put together.
type MergeError = record.MergeError

// Merge puts the folders of all shards of a run together in out and returns the verdict
// on the whole. The records are byte for byte those of the run made in one go, but for a
// design with strata, which each shard draws; the ledger has the attempts of all shards.
// The folders are only read. Out is a run's folder then, which a run of the same
// configuration without a shard can extend; merging again takes what shards have made
// since, as long as out has not gone on. It does not write the report's files.
//
// The error is a [*MergeError] if the folders are not all shards of one run, each
// once, or damaged, or if out holds something else or has gone on as a run of its own.
// Anything else went wrong while out was written, as by a full disk. Shards that have not
// come to their end make a verdict of state "interrupted".
func Merge(out string, dirs ...string) (*Verdict, error) {
	m, err := engine.Merge(out, dirs)
	if err != nil {
		return nil, err
	}
	var s settings
	if err := json.Unmarshal(m.Settings, &s); err != nil {
		return nil, fmt.Errorf("pilot: merge: the settings of the run: %w", err)
	}
	cfg := Config{
		Dir: out, Prompts: m.Prompts, Input: m.Input, Arms: m.Arms, Seed: m.Seed, Origin: s.Origin, Live: s.Live,
		Labels: m.Labels, Prices: s.Prices, Budget: s.Budget, Concurrency: s.InFlight, Full: s.Full,
		FullBudget: s.FullBudget, Resolution: s.Resolution,
		Assurance: s.Assurance, Noise: m.Noise, Anytime: m.Anytime, Thresholds: &s.Thresholds, Waived: s.Waived,
		Versions: m.Versions, Drill: s.Drill,
	}
	cfg.Input.Held = s.Held
	cfg = cfg.withDefaults()
	cfg.batches = s.Batches
	m.Records.Live, m.Records.Concurrency = s.Live, s.InFlight
	w := &writer{cfg: &cfg, started: time.Now(), estimate: s.Cost}
	if differ := differing(append([]json.RawMessage{m.Settings}, m.Others...)); len(differ) > 0 {
		w.warnings = append(w.warnings, fmt.Sprintf("shards were started with different settings (%s); those of shard 0 "+
			"count", strings.Join(differ, ", ")))
	}
	return w.write(m.Records)
}

// differing names the settings that shards do not all have alike. How many calls each had
// in flight, and what it expected by that, is its own.
func differing(all []json.RawMessage) []string {
	read := func(b json.RawMessage) (out map[string]any) {
		if json.Unmarshal(b, &out) != nil {
			return nil
		}
		delete(out, "concurrency")
		delete(out, "estimate")
		return out
	}
	first, found := read(all[0]), map[string]bool{}
	for _, b := range all[1:] {
		other := read(b)
		for _, x := range []map[string]any{first, other} {
			for name := range x {
				if !reflect.DeepEqual(first[name], other[name]) {
					found[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
