package main

import (
	"encoding/json"
	"io"
	"math"

	"github.com/reweigh/reweigh/offpolicy"
)

// peerRun is one growing run for offpolicy/testdata/anytime.py: weights and rewards alone.
type peerRun struct {
	Truth float64      `json:"truth"`
	Rows  [][3]float64 `json:"rows"` // probability under the logging policy, reward, and under the target
	Looks []peerLook   `json:"looks"`
}

type peerLook struct {
	Prompts int     `json:"prompts"`
	Lower   float64 `json:"lower"`
	Upper   float64 `json:"upper"`
}

// peer writes runs of which every row has its label, as JSON lines.
func peer(out io.Writer, repetitions int) error {
	w, all := newWorld(worldKinds[0]), policies{"p0": {}, "target": {tilt: .4}}
	write := json.NewEncoder(out)
	c := quick
	c.Anytime, c.Estimators = lookPrompts, []offpolicy.Estimator{offpolicy.LabeledSNIPS}
	for rep := range repetitions {
		s := w.samples(stream("peer", rep), all, run{logging: "p0", prompts: lookPrompts, labels: lookPrompts})
		r := peerRun{Truth: w.value(all["target"])}
		for _, row := range s.Rows {
			r.Rows = append(r.Rows, [3]float64{math.Exp(row.LogProbs["p0"].OrNaN()), row.Label.OrNaN(),
				math.Exp(row.LogProbs["target"].OrNaN())})
		}
		for k := range lookCount {
			part := s
			n := (k + 1) * lookPrompts / lookCount
			part.Rows = s.Rows[:n]
			res, err := offpolicy.Evaluate(part, c)
			if err != nil {
				return err
			}
			if e := res.Policy("target").Estimate(offpolicy.LabeledSNIPS); !e.Refused() {
				r.Looks = append(r.Looks, peerLook{n, e.AnytimeLower, e.AnytimeUpper})
			}
		}
		if err := write.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
