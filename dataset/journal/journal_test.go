package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAppendScan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "journal")
	j := mustOpen(t, dir, Options{})
	steps := []struct {
		kind, key string
		payload   any
		sync      bool
		reason    string
	}{
		{"a", "1", map[string]int{"n": 1}, true, "plain"},
		{"a", "1", map[string]int{"n": 2}, true, "a repeated key is a record of its own"},
		{"b", "x/y\n\"z\"", "line\nbreak <&>", false, "line breaks and quotes are escaped, < > & are not"},
		{"", "", nil, true, "empty names and no payload are allowed"},
		{"raw", "k", json.RawMessage("{\n \"pretty\": [1,\n2]\n}"), true, "line breaks in raw JSON are removed"},
		{"u", "é", "日本\u2028語", true, "multi-byte text"},
	}
	for _, s := range steps {
		appendTo := func(kind, key string, payload any) error { return appendNoSync(j, kind, key, payload) }
		if s.sync {
			appendTo = j.Append
		}
		if err := appendTo(s.kind, s.key, s.payload); err != nil {
			t.Fatalf("%s: %v", s.reason, err)
		}
	}
	want := []string{
		`a 1 {"n":1}`, `a 1 {"n":2}`, "b x/y\n\"z\" \"line\\nbreak <&>\"", `  null`,
		`raw k {"pretty":[1,2]}`, `u é "日本\u2028語"`,
	}
	if diff := cmp.Diff(want, keys(t, dir)); diff != "" {
		t.Error(diff)
	}
	if n := bytes.Count(readLog(t, dir), []byte("\n")); n != len(steps)+1 {
		t.Errorf("%d lines, want a header and one a record", n)
	}

	latest, err := Latest(dir, "a", "none")
	if err != nil {
		t.Fatal(err)
	}
	wantLatest := map[string]map[string]json.RawMessage{"a": {"1": json.RawMessage(`{"n":2}`)}, "none": {}}
	if diff := cmp.Diff(wantLatest, latest); diff != "" {
		t.Error(diff)
	}
	all, err := Latest(dir)
	if err != nil || len(all) != 5 {
		t.Errorf("Latest of all kinds has %d of them (%v), want 5", len(all), err)
	}
}

func TestResume(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		j := mustOpen(t, dir, Options{Config: []byte(`{"seed": 42}`)})
		if err := j.Append("k", fmt.Sprint(i), i); err != nil {
			t.Fatal(err)
		}
		if n := j.Repaired(); n != 0 {
			t.Errorf("%d bytes repaired of a journal that was closed", n)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if err := j.Append("k", "late", nil); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Append after Close: %v, want fs.ErrClosed", err)
		}
	}
	if diff := cmp.Diff([]string{"k 0 0", "k 1 1", "k 2 2"}, keys(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestScanNothing(t *testing.T) {
	err := Scan(t.TempDir(), func(Record) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Scan of an empty folder: %v, want fs.ErrNotExist", err)
	}
	dir := t.TempDir()
	mustOpen(t, dir, Options{})
	if got := keys(t, dir); len(got) != 0 {
		t.Errorf("a new journal holds %v", got)
	}
}

func TestScanStopsAtCallersError(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{})
	for i := range 3 {
		if err := j.Append("k", fmt.Sprint(i), i); err != nil {
			t.Fatal(err)
		}
	}
	enough := errors.New("enough")
	calls := 0
	err := Scan(dir, func(Record) error { calls++; return enough })
	if err != enough || calls != 1 {
		t.Errorf("Scan returned %v after %d calls, want the callback's error after one", err, calls)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second Open: %v, want ErrLocked with the folder", err)
	}
	j.Close()
	mustOpen(t, dir, Options{}) // the lock is free again
}

func TestConfig(t *testing.T) {
	const old = `{"seed": 18446744073709551615, "models": [{"name": "p0", "t": 1}, {"name": "p1"}], "note": null}`
	rows := []struct {
		given  string
		want   []ConfigDiff
		reason string
	}{
		{`{"note":null,"models":[{"t":1,"name":"p0"},{"name":"p1"}],"seed":18446744073709551615}`, nil,
			"order and space do not count"},
		{`{"seed": 18446744073709551614, "models": [{"name": "p0", "t": 1}, {"name": "p1"}], "note": null}`,
			[]ConfigDiff{{"seed", "18446744073709551615", "18446744073709551614"}}, "integers beyond float64 are told apart"},
		{`{"seed": 18446744073709551615, "models": [{"name": "p0", "t": 0.5}], "extra": {"a": 1}}`,
			[]ConfigDiff{{"extra", "", `{"a":1}`}, {"models[0].t", "1", "0.5"}, {"models[1]", `{"name":"p1"}`, ""},
				{"note", "null", ""}},
			"nested, added and removed keys, and null is not absent"},
		{`[]`, []ConfigDiff{{"", `{"models":[{"name":"p0","t":1},{"name":"p1"}],"note":null,"seed":18446744073709551615}`,
			`[]`}}, "another kind of value"},
	}
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{Config: []byte(old)})
	if err := j.Append("k", "1", 1); err != nil {
		t.Fatal(err)
	}
	j.Close()
	before := readLog(t, dir)
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			_, checkErr := Check(dir, Options{Config: []byte(row.given)})
			j, err := Open(dir, Options{Config: []byte(row.given)})
			if err == nil {
				j.Close()
			}
			if fmt.Sprint(err) != fmt.Sprint(checkErr) {
				t.Errorf("Check says %v, Open %v", checkErr, err)
			}
			var got []ConfigDiff
			if ce := (*ConfigError)(nil); errors.As(err, &ce) {
				got = ce.Diffs
				for _, d := range got {
					if !strings.Contains(err.Error(), d.Key) {
						t.Errorf("%q does not name %q", err, d.Key)
					}
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if !bytes.Equal(before, readLog(t, dir)) {
		t.Error("a refused Open changed the journal")
	}
	if _, err := Open(t.TempDir(), Options{Config: []byte("{")}); err == nil {
		t.Error("a configuration that is no JSON was accepted")
	}
	if _, err := Check(filepath.Join(t.TempDir(), "nowhere"), Options{}); err != nil {
		t.Errorf("Check of a folder that does not exist: %v", err)
	}
}

func TestUnencodablePayload(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{})
	if err := j.Append("k", "nan", math.NaN()); err == nil || !strings.Contains(err.Error(), "k nan") {
		t.Errorf("Append of NaN: %v, want an error that names the record", err)
	}
	for _, c := range []struct {
		length int
		fits   bool
	}{{966, true}, {967, false}} { // 37 bytes stand around the text
		if _, err := encodeBody(new(bytes.Buffer), "k", "big", strings.Repeat("x", c.length), 1003); (err == nil) != c.fits {
			t.Errorf("a text of %d bytes: %v, want that it fits is %v", c.length, err, c.fits)
		}
	}
	if err := j.Append("k", "ok", 1); err != nil {
		t.Errorf("a payload's fault poisoned the journal: %v", err)
	}
	if diff := cmp.Diff([]string{"k ok 1"}, keys(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestDiskFull fills the disk at every byte of the second and third record.
func TestDiskFull(t *testing.T) {
	line := len(frame(nil, 2, []byte(`{"kind":"k","key":"2","payload":"two"}`)))
	for room := range 2 * line {
		dir := t.TempDir()
		d := &disk{room: -1, noSync: true}
		j := mustOpen(t, dir, on(d))
		if err := j.Append("k", "1", "one"); err != nil {
			t.Fatal(err)
		}
		d.room = room
		acked := []string{`k 1 "one"`}
		var failure error
		for _, r := range [][2]string{{"2", "two"}, {"3", "six"}, {"4", "x"}} {
			err := j.Append("k", r[0], r[1])
			if err == nil {
				acked = append(acked, fmt.Sprintf("k %s %q", r[0], r[1]))
				continue
			}
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "log.jsonl") {
				t.Fatalf("room for %d: %v, want ENOSPC and the file's name", room, err)
			}
			failure = err
			d.room = -1 // the disk has room again: the journal must stay shut
		}
		if len(acked) != 1+room/line {
			t.Errorf("room for %d: %d acknowledged, want %d", room, len(acked), 1+room/line)
		}
		if err := appendNoSync(j, "k", "5", 0); err != failure {
			t.Errorf("room for %d: AppendAtNoSync after a failure: %v", room, err)
		}
		if err := j.Close(); err != failure {
			t.Errorf("room for %d: Close after a failure: %v", room, err)
		}
		again := mustOpen(t, dir, on(&disk{room: -1, noSync: true}))
		if got, want := again.Repaired(), int64(room%line); got != want {
			t.Errorf("room for %d: %d bytes repaired, want %d", room, got, want)
		}
		if diff := cmp.Diff(acked, keys(t, dir)); diff != "" {
			t.Errorf("room for %d: %s", room, diff)
		}
		again.Close()
	}
}

func TestFailedFlushIsFinal(t *testing.T) {
	dir := t.TempDir()
	d := &disk{room: -1}
	j := mustOpen(t, dir, on(d))
	d.syncErr = errIO
	err := j.Append("k", "1", 1)
	if !errors.Is(err, errIO) {
		t.Fatalf("Append: %v, want the flush's error", err)
	}
	d.syncErr = nil // a later flush that works proves nothing about the first
	if again := j.Append("k", "2", 2); again != err {
		t.Errorf("second Append: %v, want the first failure", again)
	}
}

// TestGroupCommit holds the first flush until 50 more records are written, and
// counts the flushes: theirs must be one.
func TestGroupCommit(t *testing.T) {
	const n = 50
	d := &disk{room: -1}
	dir := t.TempDir()
	j := mustOpen(t, dir, on(d))
	var flushes atomic.Int64
	begun, release := make(chan struct{}), make(chan struct{})
	d.onSync = func() {
		if flushes.Add(1) == 1 {
			close(begun)
			<-release
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, j, "first") })
	<-begun
	for i := range n {
		wg.Go(func() { mustAppend(t, j, fmt.Sprint(i)) })
	}
	for written(j) < n+1 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	if got := flushes.Load(); got != 2 {
		t.Errorf("%d flushes for 1+%d appends, want 2", got, n)
	}
	if got := len(keys(t, dir)); got != n+1 {
		t.Errorf("%d records, want %d", got, n+1)
	}
}

func mustAppend(t *testing.T, j *Journal, key string) {
	if err := j.Append("k", key, 0); err != nil {
		t.Error(err)
	}
}

func written(j *Journal) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written
}

// TestSyncEvery runs on a fake clock: appends one second apart share the flush
// of a three-second window.
func TestSyncEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: -1}
		opt := on(d)
		opt.SyncEvery = 3500 * time.Millisecond
		j := mustOpen(t, t.TempDir(), opt)
		var flushes int
		d.onSync = func() { flushes++ }
		start := time.Now()
		acked := make([]time.Duration, 4)
		var wg sync.WaitGroup
		for i := range acked {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				mustAppend(t, j, fmt.Sprint(i))
				acked[i] = time.Since(start)
			})
		}
		wg.Wait()
		if flushes != 1 || slices.Min(acked) != opt.SyncEvery || slices.Max(acked) != opt.SyncEvery {
			t.Errorf("%d flushes, acknowledged after %v; want one, all at %v", flushes, acked, opt.SyncEvery)
		}
	})
}

func TestAppendAtNoSyncDoesNotFlush(t *testing.T) {
	d := &disk{room: -1}
	dir := t.TempDir()
	j := mustOpen(t, dir, on(d))
	flushes := 0
	d.onSync = func() { flushes++ }
	if err := appendNoSync(j, "intent", "1", 1); err != nil {
		t.Fatal(err)
	}
	if flushes != 0 {
		t.Errorf("%d flushes", flushes)
	}
	if diff := cmp.Diff([]string{"intent 1 1"}, keys(t, dir)); diff != "" {
		t.Errorf("another reader does not see it: %s", diff)
	}
	if err := j.Close(); err != nil || flushes != 1 {
		t.Errorf("Close: %v after %d flushes, want one", err, flushes)
	}
}

// TestScanWhileWriting reads a growing journal: every read is a prefix.
func TestScanWhileWriting(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{})
	const n = 2000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			if err := appendNoSync(j, "k", fmt.Sprint(i), strings.Repeat("x", i%300)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		seen := 0
		err := Scan(dir, func(r Record) error {
			if r.Key != fmt.Sprint(seen) {
				return fmt.Errorf("record %d has key %s", seen, r.Key)
			}
			seen++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !running && seen != n {
			t.Errorf("%d records at the end, want %d", seen, n)
		}
	}
}

func TestForeignFileIsLeftAlone(t *testing.T) {
	rows := []struct{ data, reason string }{
		{"precious notes", "no line break"},
		{"precious\nnotes\n", "lines"},
		{"0123abcd precious", "looks like a checksum"},
		{"0123abcd 12 0 {\"precious\":", "looks like a header"},
		{string(frame(nil, 0, []byte(`{"format":"other","version":1}`))), "another program's header"},
		{string(frame(nil, 0, []byte(`{"format":"reweigh journal","version":2}`))), "a later version's header"},
	}
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			dir := writeLog(t, []byte(row.data))
			if j, err := Open(dir, Options{}); err == nil {
				j.Close()
				t.Error("Open accepted it")
			}
			if err := Scan(dir, func(Record) error { return nil }); err == nil {
				t.Error("Scan accepted it")
			}
			if got := string(readLog(t, dir)); got != row.data {
				t.Errorf("the file is now %q", got)
			}
		})
	}
}

func TestUnreadableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Options{}); err == nil {
		t.Error("Open took a file for a folder")
	}
}

func appendNoSync(j *Journal, kind, key string, payload any) error {
	_, err := j.AppendAtNoSync(kind, key, payload)
	return err
}
