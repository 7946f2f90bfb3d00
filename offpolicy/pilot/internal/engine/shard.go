package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// Account is what another shard of a run has spent.
type Account struct {
	Shard record.Shard
	Spent providers.USD // attempts whose end nobody saw at their reservation
	// Ended says that the shard owes nothing: no later start of it spends anything.
	Ended bool
	// Shares are those of the budget, by shard, that it was started with; nil if it does not say.
	Shares []float64
}

// ErrOtherRun is wrapped by the error of an account that is of another run than the job's.
var ErrOtherRun = errors.New("another run")

// ReadAccount reads the account of another shard of the job from its folder, or from a
// copy of its manifest. The error wraps [fs.ErrNotExist] if there is none.
func (j *Job) ReadAccount(place string) (Account, error) {
	switch filepath.Base(place) {
	case "manifest.json", "ledger.jsonl":
		place = filepath.Dir(place)
	}
	in, err := folder.Open(place)
	if err != nil {
		return Account{}, err
	}
	defer in.Close()
	m, err := readShard(in)
	if err != nil {
		return Account{}, err
	}
	mine, err := withoutShard(j.Identity)
	if err != nil {
		return Account{}, err
	}
	theirs, err := withoutShard(m.Configuration)
	switch {
	case err != nil:
		return Account{}, fmt.Errorf("%s: %w", place, err)
	case !bytes.Equal(mine, theirs) || m.Shard.Of != j.Shard.Of || m.Shard.Plan != planHash(j.Plan, j.Labels):
		return Account{}, fmt.Errorf("%s is a part of %w", place, ErrOtherRun)
	}
	out := Account{Shard: m.Shard.Shard, Ended: m.Shard.ended(), Shares: m.Shard.Shares}
	if out.Ended { // the manifest of one that goes on is older than what it has spent
		spent, ok := m.Shard.Spent.Get()
		if !ok || !(spent >= 0) {
			return Account{}, fmt.Errorf("%s: its manifest does not say what the shard has spent: start that shard again, "+
				"which spends nothing", place)
		}
		out.Spent = providers.USD(spent)
	}
	return out, nil
}

// withoutShard is the configuration of the run that a shard is a part of.
func withoutShard(identity []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(identity))
	dec.UseNumber() // seeds use all 64 bits
	var id map[string]any
	if err := dec.Decode(&id); err != nil {
		return nil, err
	}
	delete(id, "shard")
	return json.Marshal(id)
}
