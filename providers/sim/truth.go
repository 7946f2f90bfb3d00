package sim

import (
	_ "embed"
	"encoding/json"
	"sync"

	"github.com/reweigh/reweigh/offpolicy"
)

//go:generate go test -count=1 -run=TestTruthFile -timeout=30m . -update

//go:embed truth.json
var truthJSON []byte

// truthFile is truth.json. The test that writes it also checks it: the
// fingerprint changes with whatever the values rest on.
type truthFile struct {
	Fingerprint string        `json:"fingerprint"`
	Prompts     int           `json:"prompts"` // one response of every policy to each
	Seed        uint64        `json:"seed"`    // of the prompts and of the draws
	Policies    []truthPolicy `json:"policies"`
}

type truthPolicy struct {
	Name        string   `json:"name"` // for readers; Hash is what is looked up
	Hash        string   `json:"hash"`
	Transported estimate `json:"transported"`
	Shifted     estimate `json:"shifted"`
}

type estimate struct {
	Value float64 `json:"value"`
	SE    float64 `json:"se"`
}

var truth = sync.OnceValue(func() truthFile {
	var f truthFile
	if err := json.Unmarshal(truthJSON, &f); err != nil {
		panic("sim: truth.json: " + err.Error())
	}
	return f
})

// TrueValue returns E[label] under p in world w: what the oracle's labels of
// p's responses average to over the bundled generator's prompts. It was
// simulated once and is stored with its standard error. ok is false for a
// policy whose hash is not one of the five that the sample run compares.
func TrueValue(p offpolicy.Policy, w World) (value, se float64, ok bool) {
	hash := p.Hash()
	for _, t := range truth().Policies {
		if t.Hash != hash {
			continue
		}
		e := t.Transported
		if w == Shifted {
			e = t.Shifted
		}
		return e.Value, e.SE, true
	}
	return 0, 0, false
}
