package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset/journal"
)

// TestForeignRecords: a record whose checksum is right, and which this program would not
// have written, is an error that says where it stands; nothing panics, and no money
// comes back.
func TestForeignRecords(t *testing.T) {
	const entry = `{"id":"a","stage":"p0","key":"q/p0/0","outcome":"ok","attempt":1,"usage_known":true`
	for _, c := range []struct{ kind, key, payload, want, reason string }{
		{"ledger", "a", entry + `,"cost_usd":-999.95}`, "-999.95", "money does not come back"},
		{"ledger", "a", entry + `,"cost_usd":1e999}`, "1e999", "nor is it without end"},
		{"ledger", "a", entry + `,"cost_usd":1,"prompt_tokens":-5}`, "prompt_tokens", "a negative count"},
		{"ledger", "a", entry + `,"cost_usd":1,"completion_tokens":9000000000000000}`, "completion_tokens", "a huge one"},
		{"ledger", "a", entry + `,"cost_usd":1,"latency_ms":-1}`, "latency_ms", "time runs forward"},
		{"ledger", "b", entry + `,"cost_usd":1}`, `"a"`, "it is filed under another id"},
		{"ledger", "", `{"cost_usd":1}`, "has no id", "no attempt"},
		{"ledger", "a", `"a"`, "unmarshal", "no object"},
		{"stage", "p0", `-1`, "-1", "a stage takes time"},
		{"stage", "p0", `"NaN"`, "unmarshal", "no number"},
		{"score", "q/p0/0", `{"prompt_id":"q","policy":"p0","mean":7}`, "mean is 7", "scores are in [0, 1]"},
		{"score", "q/p1/0", `{"prompt_id":"q","policy":"p0","mean":0.7}`, "q/p0/0", "filed under another key"},
		{"label", "q/p0/0", `{"prompt_id":"q","policy":"p0","label":-0.5}`, "label is -0.5", "labels are in [0, 1]"},
		{"label", "q/p0/0", `{"prompt_id":"q","policy":"p0","label":1,"inclusion_prob":3}`, "inclusion_prob", "a probability"},
		{"response", "q/p0/-1", `{"prompt_id":"q","policy":"p0","draw_idx":-1}`, "draw_idx", "draws count from 0"},
		{"response", "q/p0/9999999", `{"prompt_id":"q","policy":"p0","draw_idx":9999999}`, "draw_idx", "nobody drew so often"},
		{"response", "q/p0/0", `{"prompt_id":"q","policy":"p0","usage":{"prompt_tokens":-1}}`, "usage", "a negative count"},
		{"logprob", "q/p0/0", `{"prompt_id":"q","policy":"p0","tokens":-3}`, "tokens", "a negative count"},
		{"certificate", "m", `[]`, "unmarshal", "no object"},
		{"design", "d", `{}`, "unmarshal", "no list"},
		{"canary", "q/p0/0", `{"prompt_id":"r","policy":"p0"}`, "r/p0/0", "filed under another key"},
		{"ledger", "a", entry + `,"cost_usd":1,"cost_usd":0}`, "duplicate", "two amounts, of which one is taken back"},
		{"score", "q/p0/0", `{"prompt_id":"q","policy":"p0","mean":0.1,"mean":0.9}`, "duplicate", "two scores"},
		{"label", "q/p0/0", `{"prompt_id":"q","policy":"p0","label":0,"\u006cabel":1}`, "duplicate", "one key in two spellings"},
		{"nonsense", "x", `{}`, "unknown kind", "a kind of nobody's"},
	} {
		dir := filepath.Join(t.TempDir(), "journal")
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(j.Append("stage", "certify", 1.5), j.Append(c.kind, c.key, json.RawMessage(c.payload)), j.Close())
		if err != nil {
			t.Fatal(err)
		}
		at := int64(-1)
		if err := journal.Scan(dir, func(r journal.Record) error { at = r.At; return nil }); err != nil {
			t.Fatal(err)
		}
		s, err := openStore(dir, nil)
		var foreign *foreignRecord
		if !errors.As(err, &foreign) || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), fmt.Sprintf("log.jsonl, record 2 at byte %d", at)) {
			t.Errorf("%s %s: %v\nwant it refused with its place and %q (%s)", c.kind, c.payload, err, c.want, c.reason)
		}
		if err == nil {
			s.j.Close()
		}
	}
}

// TestFutureTimes: a clock that was ahead when records were written, and was set back, is
// no fault of the records: they are read, and what was paid stays paid.
func TestFutureTimes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		j.Append(kindCertificate, "m", json.RawMessage(`{"ok":true,"model":"m","issued":"2999-01-01T00:00:00Z"}`)),
		j.Append(kindBatch, "b", json.RawMessage(`{"key":"b","intent":"2999-01-01T00:00:00Z"}`)),
		j.Append(kindLedger, "a", json.RawMessage(`{"id":"a","stage":"p0","key":"q/p0/0","outcome":"ok","attempt":1,`+
			`"usage_known":true,"cost_usd":0.5,"latency_ms":1}`)),
		j.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.j.Close()
	if s.spent() != 0.5 || !s.certs["m"].OK {
		t.Errorf("spent %v, certificates %v", s.spent(), s.certs)
	}
}
