package pilot

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
)

// Merge puts the folders of all shards of a run together in out and returns the verdict
// on the whole. The records are byte for byte those of the run made in one go; the
// ledger has the attempts of all shards. The folders are only read. Out is a run's folder
// then, which a run of the same configuration without a shard can extend; merging again
// takes what shards have made since. It does not write the report's files.
//
// It is an error if the folders are not all shards of one run, each once, or if out holds
// something else. Shards that have not come to their end make a verdict of state
// "interrupted".
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
		Versions: m.Versions,
	}
	cfg.Input.Held = s.Held
	cfg = cfg.withDefaults()
	cfg.batches = s.Batches
	m.Records.Live, m.Records.Concurrency = s.Live, s.InFlight
	w := &writer{cfg: &cfg, started: time.Now(), estimate: s.Estimate}
	return w.write(m.Records)
}
