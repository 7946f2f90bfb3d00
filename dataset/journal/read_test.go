package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRead: every record is found again at its place, by the writer that
// appended it and by the next one, which is given all of them as it opens.
func TestRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := mustOpen(t, dir, Options{})
	var want []Record
	for i, key := range []string{"1", "x/y\n\"z\"", `é\`, "", "\u2028", "plain"} {
		payload := json.RawMessage(`{"kind":"k","key":"},\"payload\":","n":[1,2]}`)
		at, err := j.AppendAt("a", key, payload)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, Record{"a", key, payload, int64(i + 1), at})
	}
	check := func(j *Journal) {
		t.Helper()
		for _, w := range want {
			if got, err := j.Read(w.At); err != nil || cmp.Diff(w, got) != "" {
				t.Errorf("%v, %s", err, cmp.Diff(w, got))
			}
		}
		for _, at := range []int64{0, 1, want[1].At + 1, 1 << 30} {
			var damage *CorruptError
			if _, err := j.Read(at); !errors.As(err, &damage) {
				t.Errorf("at byte %d: %v, want damage: no record begins there", at, err)
			}
		}
	}
	check(j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var seen []Record
	j = mustOpen(t, dir, Options{Each: func(r Record) error { seen = append(seen, r); return nil }})
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	check(j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	before, refused := readLog(t, dir), errors.New("not mine")
	if err := os.WriteFile(logPath(dir), append(before, "torn"...), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{Each: func(Record) error { return refused }}); !errors.Is(err, refused) {
		t.Errorf("error %v, want the caller's", err)
	}
	if got := readLog(t, dir); string(got) != string(before)+"torn" {
		t.Error("a refused journal was changed")
	}
}

// FuzzUnescaped: the short way of reading a body agrees with encoding/json.
func FuzzUnescaped(f *testing.F) {
	f.Add("response", "q/p/0", `{"a":1}`)
	f.Add("k\"", `\`, `"},{"`)
	f.Add("\xff", "é\u2028", `[]`)
	f.Fuzz(func(t *testing.T, kind, key, payload string) {
		raw, err := encodeBody(new(bytes.Buffer), kind, key, json.RawMessage(payload), maxRecord)
		if err != nil {
			return
		}
		var want body
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		k, of, p, ok := unescaped(raw)
		if d := cmp.Diff(want, body{string(k), string(of), p}); ok && d != "" {
			t.Errorf("%s: %s", raw, d)
		}
	})
}
