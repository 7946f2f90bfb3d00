package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// acknowledged makes a journal whose last 4 KiB hold many records, some of which
// were acknowledged, and returns its log, its mark, and where the lines end.
func acknowledged(t testing.TB) (log, mark []byte, ends []int, want []string) {
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{})
	for i := range 60 {
		text := strings.Repeat("All work and no play. ", i%9)
		var err error
		if i == 39 || i < 20 {
			err = j.Append("response", fmt.Sprint(i), text)
		} else {
			err = appendNoSync(j, "response", fmt.Sprint(i), text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	log = readLog(t, dir)
	mark, err := os.ReadFile(markPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range log {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	return log, mark, ends, keys(t, dir)
}

// TestCutInTheLast4KiB cuts a journal off at each of its last 4,096 bytes. As long
// as what was acknowledged is there, the rest is repaired; once it is not, that is
// an error, and the file is left alone.
func TestCutInTheLast4KiB(t *testing.T) {
	log, mark, ends, want := acknowledged(t)
	acked := ends[40] // of the header and records 0 to 39
	if len(log)-acked < 1000 || acked-(len(log)-4096) < 1000 {
		t.Fatalf("%d bytes, of which %d were acknowledged: the cuts would not fall on both sides", len(log), acked)
	}
	dir := t.TempDir()
	for cut := len(log) - 4096; cut < len(log); cut++ {
		// What reader and writer decide by, at every byte; the files themselves at
		// every 64th and around the mark, for time.
		whole, n := 0, 0
		for ends[whole] <= cut {
			whole++
		}
		end, lines, err := scan(bytes.NewReader(log[:cut]), "log", int64(acked), Place{}, nil,
			func(int64, []byte, int64) error { n++; return nil })
		if (err != nil) != (cut < acked) || end != int64(ends[whole-1]) || lines != int64(whole) || n != whole-1 {
			t.Fatalf("cut at %d of %d acknowledged bytes: %v at %d after %d lines, want them to end at %d", cut, acked, err,
				end, lines, ends[whole-1])
		}
		if cut%64 > 0 && (cut < acked-3 || cut > acked+3) {
			continue
		}
		putLog(t, dir, log[:cut])
		if err := os.WriteFile(markPath(dir), mark, 0o666); err != nil {
			t.Fatal(err)
		}
		j, err := Open(dir, on(&disk{room: -1, noSync: true}))
		if cut < acked {
			var ce *CorruptError
			if !errors.As(err, &ce) || ce.Offset != int64(ends[whole-1]) {
				t.Fatalf("cut at %d of %d acknowledged bytes: %v, want a CorruptError at %d", cut, acked, err, ends[whole-1])
			}
			if err := Scan(dir, func(Record) error { return nil }); !errors.As(err, &ce) {
				t.Fatalf("cut at %d: Scan: %v, want a CorruptError", cut, err)
			}
			if _, err := Check(dir, Options{}); !errors.As(err, &ce) {
				t.Fatalf("cut at %d: Check: %v, want a CorruptError", cut, err)
			}
			if !bytes.Equal(readLog(t, dir), log[:cut]) {
				t.Fatalf("cut at %d: the file was changed", cut)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if got := j.Repaired(); got != int64(cut-ends[whole-1]) {
			t.Fatalf("cut at %d: %d bytes repaired, want %d", cut, got, cut-ends[whole-1])
		}
		j.Close()
		if diff := cmp.Diff(want[:whole-1], keys(t, dir)); diff != "" {
			t.Fatalf("cut at %d: %s", cut, diff)
		}
	}
	// The whole log gone is no fresh start either.
	if err := os.Remove(logPath(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(markPath(dir), mark, 0o666); err != nil {
		t.Fatal(err)
	}
	var ce *CorruptError
	if _, err := Open(dir, Options{}); !errors.As(err, &ce) {
		t.Errorf("without its log: %v, want a CorruptError", err)
	}
	if err := Scan(dir, func(Record) error { return nil }); !errors.As(err, &ce) {
		t.Errorf("without its log: Scan: %v, want a CorruptError", err)
	}
}

// TestEveryBit flips each bit of a journal whose records are all acknowledged:
// either the journal is refused or all of it is there.
func TestEveryBit(t *testing.T) {
	log, _, want := small(t)
	dir := t.TempDir()
	mark := encodeMark(int64(len(log)))
	check := func(what string, i, bit int, mustFail bool) {
		t.Helper()
		var got []string
		err := Scan(dir, func(r Record) error {
			got = append(got, fmt.Sprintf("%s %s %s", r.Kind, r.Key, r.Payload))
			return nil
		})
		if mustFail && err == nil || !mustFail && (err != nil || !cmp.Equal(got, want)) {
			t.Fatalf("bit %d of byte %d of the %s: Scan: %v, %q", bit, i, what, err, got)
		}
		before := readLog(t, dir)
		opt := on(&disk{room: -1, noSync: true})
		opt.Config = []byte(`{"seed":1}`)
		j, err := Open(dir, opt)
		if mustFail && (err == nil || !strings.Contains(err.Error(), "log.jsonl") && !strings.Contains(err.Error(), dir)) ||
			!mustFail && err != nil {
			t.Fatalf("bit %d of byte %d of the %s: Open: %v", bit, i, what, err)
		}
		if err == nil {
			j.Close()
		}
		if !bytes.Equal(before, readLog(t, dir)) {
			t.Fatalf("bit %d of byte %d of the %s: the log was changed", bit, i, what)
		}
	}
	for i := range log {
		for bit := range 8 {
			bad := bytes.Clone(log)
			bad[i] ^= 1 << bit
			if _, _, err := scan(bytes.NewReader(bad), "log", int64(len(log)), Place{}, nil, nil); err == nil {
				t.Fatalf("bit %d of byte %d of the log went unnoticed", bit, i)
			}
			if bit != i%8 || i%7 > 0 {
				continue // the files themselves with some of them, for time
			}
			putLog(t, dir, bad)
			if err := os.WriteFile(markPath(dir), mark, 0o666); err != nil {
				t.Fatal(err)
			}
			check("log", i, bit, true)
		}
	}
	for i := range mark {
		for bit := range 8 {
			bad := bytes.Clone(mark)
			bad[i] ^= 1 << bit
			putLog(t, dir, log)
			if err := os.WriteFile(markPath(dir), bad, 0o666); err != nil {
				t.Fatal(err)
			}
			check("mark", i, bit, false)
		}
	}
}

// TestMoved: a journal's folder goes on under another name, and as a copy.
func TestMoved(t *testing.T) {
	root := t.TempDir()
	old, moved, copied := filepath.Join(root, "old"), filepath.Join(root, "elsewhere", "moved"),
		filepath.Join(root, "copied")
	j := mustOpen(t, old, Options{Config: []byte(`1`)})
	mustAppend(t, j, "a")
	j.Close()
	if err := os.CopyFS(copied, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(moved), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(old, moved); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{moved, copied} {
		j := mustOpen(t, dir, Options{Config: []byte(`1`)})
		mustAppend(t, j, "b")
		j.Close()
		if diff := cmp.Diff([]string{"k a 0", "k b 0"}, keys(t, dir)); diff != "" {
			t.Errorf("%s: %s", dir, diff)
		}
	}
}
