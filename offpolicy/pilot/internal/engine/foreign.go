package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/providers"
)

// foreignRecord is a record of the journal that this program would not have written:
// somebody else did, or changed it. Nothing is taken from it.
type foreignRecord struct {
	path string // the journal's folder
	at   journal.Record
	err  error
}

func (e *foreignRecord) Error() string {
	return fmt.Sprintf("pilot: %s, record %d at byte %d (%s %q) is none of this program's: %v (restore the file from a "+
		"copy, or start again in another folder)", filepath.Join(e.path, "log.jsonl"), e.at.Seq, e.at.At, e.at.Kind,
		e.at.Key, e.err)
}

func (e *foreignRecord) Unwrap() error { return e.err }

// unambiguous reports what readers would read in different ways: a key that is there
// twice, of which one reader takes the first and another the last, and bytes that are not
// UTF-8.
func unambiguous(payload jsontext.Value) error {
	if payload.IsValid() {
		return nil
	}
	_, err := jsontext.NewDecoder(bytes.NewReader(payload)).ReadValue()
	return err
}

// maxDraw bounds the number of a draw.
const maxDraw = 1 << 20

// rowOf decodes a row and holds it to what rows may be.
func rowOf[T keyed](r journal.Record) (row T, err error) {
	if err := json.Unmarshal(r.Payload, &row); err != nil {
		return row, err
	}
	return checked(r, row)
}

// checked holds a row to what rows may be, and to the key that it is filed under.
func checked[T keyed](r journal.Record, row T) (T, error) {
	if k := row.Key(); k.String() != r.Key {
		return row, fmt.Errorf("it is of %s", k)
	}
	return row, checkRow(row)
}

// checkRow reports a value that no row can have.
func checkRow(row any) error {
	within := func(name string, v dataset.Float, most float64) error {
		if x, ok := v.Get(); ok && !(x >= 0 && x <= most) {
			return fmt.Errorf("%s is %v: want a number in [0, %v]", name, x, most)
		}
		return nil
	}
	if k, ok := row.(keyed); ok {
		if n := k.Key().DrawIdx; n < 0 || n > maxDraw {
			return fmt.Errorf("draw_idx is %d: want a number from 0", n)
		}
	}
	switch row := row.(type) {
	case dataset.Response:
		if u := row.Usage; u != nil && (u.PromptTokens < 0 || u.CompletionTokens < 0) {
			return fmt.Errorf("usage is %d and %d tokens: want counts", u.PromptTokens, u.CompletionTokens)
		}
	case dataset.LogProb:
		if row.Tokens < 0 {
			return fmt.Errorf("tokens is %d: want a count", row.Tokens)
		}
	case dataset.OracleLabel:
		if err := within("label", row.Label, 1); err != nil {
			return err
		}
		return within("inclusion_prob", row.InclusionProb, 1)
	case providers.Entry:
		return row.Validate()
	case dataset.JudgeScore:
		return within("mean", row.Mean, 1)
	}
	return nil
}
