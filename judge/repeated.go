package judge

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// repeatedTemperature is that of a repeated judge's readings.
const repeatedTemperature = 0.7

// NewRepeated returns a judge that reads a response k times, 2 or more, at
// temperature 0.7, and gives the mean m of the readings x_j with the unbiased
// estimate of that mean's variance:
//
//	m = Σ x_j / k,   Variance = Σ (x_j - m)² / (k-1) / k
//
// A few readings estimate it badly: [Shrink] pools the variances of many
// responses. If one reading gives no score, the response has none.
//
// The readings are made one after the other. Their tags differ in Call:
// "draw0", "draw1", … The seed of a reading is a hash of the judge's identity,
// the record's key and the reading's number, so that a run made again asks for
// the same draws.
//
// It is an error if a required field of c is missing or another is out of range.
func NewRepeated(c Config, k int) (Scorer, error) {
	t, err := c.task(SourceRepeated, "score")
	if err != nil {
		return nil, err
	}
	if k < 2 {
		return nil, fmt.Errorf("judge: new %s judge %q: want 2 readings or more, not %d: one reading has no variance",
			SourceRepeated, c.Name, k)
	}
	t.Temperature, t.Draws = repeatedTemperature, k
	return repeatedJudge{newReader(c, t)}, nil
}

type repeatedJudge struct{ reader }

func (r repeatedJudge) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (Score, error) {
	s := Score{Source: SourceRepeated}
	k := r.asker.Draws
	for j := range k {
		seed := r.seed(tag.Key.String(), j)
		a, err := r.read(ctx, within(tag, "draw"+strconv.Itoa(j)), &seed, prompt, response)
		if err != nil {
			return Score{}, fmt.Errorf("reading %d of %d: %w", j+1, k, err)
		}
		s.Readings = append(s.Readings, a.Grades[0])
		s.Repaired = s.Repaired || a.Repaired
	}
	mean, variance := moments(s.Readings)
	s.Mean, s.Variance = dataset.Known(mean), dataset.Known(variance/float64(k))
	return s, nil
}

// seed has 31 bits: some servers take no more.
func (r repeatedJudge) seed(key string, draw int) int64 {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d", r.Identity(), key, draw)
	return int64(binary.BigEndian.Uint32(h.Sum(nil)) >> 1)
}

// within names a part of a call.
func within(tag providers.Tag, part string) providers.Tag {
	if tag.Call != "" {
		part = tag.Call + "/" + part
	}
	tag.Call = part
	return tag
}

// moments returns the mean of x and the unbiased estimate of its variance, by
// n-1: NaN for a single value.
func moments(x []float64) (mean, variance float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v
	}
	mean /= n
	for _, v := range x {
		variance += (v - mean) * (v - mean) / (n - 1)
	}
	return mean, variance
}
