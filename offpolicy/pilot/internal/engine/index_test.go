package engine

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// bytesOf is all that a store holds.
func bytesOf(t *testing.T, s *store) string {
	t.Helper()
	var b bytes.Buffer
	w := &wire{to: bufio.NewWriter(&b)}
	if s.wire(w); w.err == nil {
		w.err = w.to.Flush()
	}
	if w.err != nil {
		t.Fatal(w.err)
	}
	return b.String()
}

// readAll is the store that the log alone makes.
func readAll(dir string) (*store, error) {
	s := newStore(dir)
	_, err := journal.Check(dir, journal.Options{Each: s.load})
	return s, err
}

// fill puts records of every kind into the journal in dir, of prompts that start with name.
func fill(t *testing.T, s *store, name string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text, end := "Hé <b>\n", -1
	failed := &dataset.RecordError{Class: "timeout", Message: "no answer in 60s"}
	for i, row := range []dataset.Response{
		{Text: &text, FinishReason: "stop", Model: "m", PolicyHash: "h", LogProb: dataset.Known(-1.5), EndID: &end,
			Usage: &dataset.Usage{PromptTokens: 3, CompletionTokens: 2}, ContextIDs: dataset.DigestTokens([]int{1, 2})},
		{Text: &text, FinishReason: "stop", Model: "m", PolicyHash: "h"},
		{Error: failed},
		{Text: new(string), Usage: &dataset.Usage{PromptTokens: 1 << 33},
			ContextIDs: &dataset.TokenDigest{N: 2, SHA256: "AB"}},
	} {
		row.PromptID, row.Policy = fmt.Sprint(name, i), "p/0"
		must(s.putResponse(row))
	}
	both := map[string]dataset.MethodResult{"b": {Status: "failed", Reason: "seam"},
		"a": {LogProb: dataset.Known(-3), Status: "ok"}, "c": {LogProb: dataset.Known(-3.25), Status: "ok"}}
	for i, row := range []dataset.LogProb{
		{LogProb: dataset.Known(-3), Tokens: 2, TokenLogProbs: dataset.Floats{-1, -2}, Method: "a", Methods: both,
			Spread: dataset.Known(.25), Distribution: "raw", State: "ended", PolicyHash: "h"},
		{LogProb: dataset.Known(0), TokenLogProbs: dataset.Floats{0}, Flags: []string{"x", "y"}, Methods: both},
		{Error: failed, Interval: &[2]dataset.Float{{}, dataset.Known(-2)}, Excluded: dataset.Known(.1), Vocabulary: 7},
		{TokenLogProbs: dataset.Floats{.5, -1}, OutsideSupport: true},
	} {
		row.PromptID, row.Policy = fmt.Sprint(name, i), "p/0"
		must(s.putLogProb(row))
	}
	for i, row := range []dataset.JudgeScore{
		{Judge: "j", Mean: dataset.Known(.5), Variance: dataset.Known(.1), Source: "s", Repaired: true, PolicyHash: "h"},
		{Judge: "j", Error: failed}, {Judge: "j", Mean: dataset.Known(1), Readings: dataset.Floats{.4, .6}},
	} {
		row.PromptID, row.Policy = fmt.Sprint(name, i), "p/0"
		must(s.putScore(row))
	}
	for i, role := range []string{oracle.RoleCalibration, oracle.RoleDuplicate, oracle.RoleProbe} {
		must(s.putLabel(dataset.OracleLabel{PromptID: name + "0", Policy: "p/0", Label: dataset.Known(float64(i) / 2),
			InclusionProb: dataset.Known(.5), Role: role, Oracle: "o" + fmt.Sprint(i/2), Stratum: "[0,1]"}))
	}
	must(s.putLabel(dataset.OracleLabel{PromptID: name + "1", Policy: "p/0", Oracle: "o", Error: failed}))
	_, err := s.putDesign("design "+name, []oracle.Assignment{{Key: dataset.Key{PromptID: name + "0", Policy: "p/0"}}})
	must(err)
	must(s.putCanary(dataset.Canary{PromptID: name + "0", Policy: "p/0", Kind: "k", Clean: dataset.Known(.5)}))
	must(s.putCertificate("cert "+name, teacherforce.Certificate{Model: "m" + name, OK: true}))
	must(s.addSeconds("judge", 1.25))
	for i, e := range []providers.Entry{
		{Stage: record.StageJudge, Key: name + "0/p%2F0/0", Outcome: providers.OutcomeInFlight, Cost: .1},
		{Stage: record.StageJudge, Key: name + "0/p%2F0/0", Outcome: "ok", Cost: .3, PromptTokens: 1<<33 + 5,
			UsageKnown: true},
		{Stage: record.StageOracle, Key: "of no record", Outcome: providers.OutcomeInFlight, Cost: .7, LatencyMS: 12},
		{Stage: record.StageOracle, Key: name + "1/p%2F0/0", Endpoint: batchEndpoint, Outcome: providers.OutcomeInFlight,
			Cost: .2},
	} {
		e.ID, e.Attempt = fmt.Sprint(name, max(i, 1)), 1
		must(s.entry(e))
	}
	for i, key := range []string{name + "0/p%2F0/0", name + "9/p%2F0/0"} {
		must(s.echoes.keep(key, "request", echoRecord{Text: key}, nil))
		if i == 0 {
			must(s.putLogProb(dataset.LogProb{PromptID: name + "0", Policy: "p/0", Error: failed}))
		}
	}
	r := &Run{store: s, wrote: map[string]fileDigest{ledgerFile: {3, 4}}}
	must(r.noteWritten(writtenOutputs{Of: name, Files: map[string]fileDigest{"a": {1, 2}}}))
}

// indexedRun is the journal of a run that ended with an index, and was then started once more.
func indexedRun(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"a", "b"} {
		s, err := openStore(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			fill(t, s, name+fmt.Sprint(i))
		}
		if err := s.keepIndex(); err != nil {
			t.Fatal(err)
		}
		if name == "b" { // of which the index has nothing
			if err := s.putScore(dataset.JudgeScore{PromptID: "z", Policy: "p/0", Mean: dataset.Known(.75)}); err != nil {
				t.Fatal(err)
			}
		}
		want := bytesOf(t, s)
		s.j.Close()
		all, err := readAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		if bytesOf(t, all) != want {
			t.Error("the log makes another store than the run had")
		}
		found, err := look(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if found.store.indexed == 0 {
			t.Error("the index was not used")
		}
		if bytesOf(t, found.store) != want {
			t.Error("the index makes another store than the run had")
		}
	}
	return dir
}

// What an index holds is what the log holds: whatever becomes of one of the two, a start finds
// what the log alone says.
func TestIndex(t *testing.T) {
	dir := indexedRun(t)
	log, index := filepath.Join(dir, "log.jsonl"), filepath.Join(dir, indexName)
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole, kept, acked := read(log), read(index), read(filepath.Join(dir, "acked"))
	lines := bytes.SplitAfter(whole, []byte("\n"))
	upTo := func(n int) []byte { return bytes.Join(lines[:n], nil) }
	// edited is the log with another record in the place of one, checksum and all.
	edited := func() []byte {
		other := t.TempDir()
		j, err := journal.Open(other, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := journal.Scan(dir, func(r journal.Record) error {
			r.Payload = bytes.Replace(r.Payload, []byte(`"mean":0.5`), []byte(`"mean":0.6`), 1)
			return j.Append(r.Kind, r.Key, r.Payload)
		}); err != nil {
			t.Fatal(err)
		}
		j.Close()
		return read(filepath.Join(other, "log.jsonl"))
	}()
	if len(edited) != len(whole) || bytes.Equal(edited, whole) {
		t.Fatal("the edited log is not an edited one")
	}
	// sealed gives an index that was changed its checksum.
	sealed := func(body []byte) []byte {
		sum := sha256.Sum256(body)
		return append(bytes.Clone(body), sum[:]...)
	}
	body := kept[:len(kept)-sha256.Size]
	for _, row := range []struct {
		what       string
		log, index []byte
		used       bool
	}{
		{"as it was", whole, kept, true},
		{"a torn record at the end", append(bytes.Clone(whole), "0123abcd 12 99 {"...), kept, true},
		{"an edited record", edited, kept, false},
		{"a log without its last record", upTo(len(lines) - 2), kept, true},
		{"a log that ends within what the index has", upTo(len(lines) / 2), kept, false},
		{"a log of an earlier day", upTo(3), kept, false},
		{"a log without records", upTo(1), kept, false},
		{"an index of another program", whole, sealed(bytes.Replace(body, []byte(thisProgram()), []byte("abc"), 1)), false},
		{"an index that says more", whole, sealed(append(bytes.Clone(body), 0)), false},
		{"an index that ends early", whole, sealed(body[:len(body)-1]), false},
		{"no index", whole, nil, false},
	} {
		for path, b := range map[string][]byte{log: row.log, index: row.index} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		os.Remove(filepath.Join(dir, "acked"))
		want, err := readAll(dir)
		if err != nil {
			t.Fatal(row.what, err)
		}
		found, err := look(dir, nil)
		if err != nil {
			t.Errorf("%s: %v", row.what, err)
			continue
		}
		if bytesOf(t, found.store) != bytesOf(t, want) {
			t.Errorf("%s: the start finds other records than the log has", row.what)
		}
		if used := found.store.indexed > 0; used != row.used {
			t.Errorf("%s: index used %v, want %v", row.what, used, row.used)
		}
		// What was appended after the look is seen too.
		if j, err := journal.Open(dir, journal.Options{}); err != nil {
			t.Fatal(err)
		} else if err := errors.Join(j.Append(kindStage, "late", 7), j.Close()); err != nil {
			t.Fatal(err)
		}
		s, err := found.take(nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.seconds["late"] != 7 {
			t.Errorf("%s: what was appended after the look is lost", row.what)
		}
		s.j.Close()
	}
	// Any other byte, and any other length, is no index.
	if err := errors.Join(os.WriteFile(log, whole, 0o600),
		os.WriteFile(filepath.Join(dir, "acked"), acked, 0o600)); err != nil {
		t.Fatal(err)
	}
	all, err := readAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := bytesOf(t, all)
	for i := 0; i < len(kept); i += 1 + len(kept)/400 {
		changed := bytes.Clone(kept)
		changed[i] ^= 1 << (i % 8)
		for what, b := range map[string][]byte{"changed": changed, "cut off": kept[:i]} {
			if err := os.WriteFile(index, b, 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := look(dir, nil)
			if err != nil || bytesOf(t, found.store) != want || found.store.indexed > 0 {
				t.Fatalf("an index %s at byte %d was used (%v)", what, i, err)
			}
		}
	}
	if err := errors.Join(os.Remove(index), os.Mkdir(index, 0o700)); err != nil {
		t.Fatal(err)
	}
	found, err := look(dir, nil)
	if err != nil || bytesOf(t, found.store) != want {
		t.Errorf("a folder in the index's place: %v", err)
	}
}

// Of a log that damage makes unreadable no index gives anything, before or after what it has.
func TestIndexOfADamagedLog(t *testing.T) {
	dir := indexedRun(t)
	log := filepath.Join(dir, "log.jsonl")
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{len(whole) / 2, len(whole) - 20} {
		damaged := bytes.Clone(whole)
		damaged[at]++
		if err := os.WriteFile(log, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := look(dir, nil)
		if _, all := readAll(dir); err == nil || all == nil || err.Error() != all.Error() {
			t.Errorf("byte %d: %v, and without an index %v", at, err, all)
		}
	}
}

// An index is written anew only if there is much that it lacks.
func TestIndexIsKept(t *testing.T) {
	dir := indexedRun(t)
	s, err := openStore(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.j.Close()
	was := s.indexed
	if err := s.keepIndex(); err != nil || s.indexed != was {
		t.Errorf("one record more, and the index was written again (%v)", err)
	}
	fill(t, s, "c")
	fill(t, s, "d")
	if err := s.keepIndex(); err != nil || s.indexed == was {
		t.Errorf("much more, and the index was not written again (%v)", err)
	}
}

// FuzzWire: whatever an index says, reading it ends without more than it can hold.
func FuzzWire(f *testing.F) {
	s := newStore("")
	s.setScore(dataset.JudgeScore{PromptID: "q", Policy: "p", Mean: dataset.Known(.5)})
	s.attempts.note(&s.shared.keys, providers.Entry{ID: "1", Key: "q/p/0", Outcome: "ok"}, 7)
	var b bytes.Buffer
	w := &wire{to: bufio.NewWriter(&b)}
	s.wire(w)
	w.to.Flush()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &wire{from: bufio.NewReader(bytes.NewReader(b))}
		newStore("").wire(w)
	})
}
