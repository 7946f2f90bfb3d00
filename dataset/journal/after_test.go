package journal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// Records before a place are not read again, by Check and Open alike; what is there instead of a
// log that reaches so far is damage.
func TestAfter(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, Options{Config: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	var places []Place
	for _, key := range []string{"a", "b", "c"} {
		places = append(places, j.End())
		if err := j.Append("k", key, key); err != nil {
			t.Fatal(err)
		}
	}
	places = append(places, j.End())
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	log := readLog(t, dir)
	for n, place := range append([]Place{{}}, places...) {
		var read []string
		opt := Options{Config: []byte("1"), After: place, Each: func(r Record) error {
			if want := int64(len(read)) + place.Records + 1; r.Seq != want {
				t.Errorf("after %v: record %d, want %d", place, r.Seq, want)
			}
			read = append(read, r.Key)
			return nil
		}}
		want := []string{"a", "b", "c"}[max(n-1, 0):]
		if end, err := Check(dir, opt); err != nil || end != places[3] || !slices.Equal(read, want) {
			t.Errorf("Check after %v: %v, %v, %v; want %v up to %v", place, read, end, err, want, places[3])
		}
		read = nil
		j, err := Open(dir, opt)
		if err != nil || !slices.Equal(read, want) || j.End() != places[3] {
			t.Fatalf("Open after %v: %v, %v; want %v", place, read, err, want)
		}
		j.Close()
	}
	sum, err := Checksum(dir, places[1])
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func([]byte) []byte{
		"a byte before the place": func(b []byte) []byte { b[places[1].Bytes-5]++; return b },
		"the header":              func(b []byte) []byte { return bytes.Replace(b, []byte(`"config":1`), []byte(`"config":2`), 1) },
		"a shorter log":           func(b []byte) []byte { return b[:places[1].Bytes-1] },
	} {
		if err := os.WriteFile(logPath(dir), change(bytes.Clone(log)), 0o600); err != nil {
			t.Fatal(err)
		}
		if now, err := Checksum(dir, places[1]); err == nil && now == sum {
			t.Errorf("%s: the digest is the same", what)
		} else if err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, want io.EOF", what, err)
		}
	}
	var damage *CorruptError
	for what, place := range map[string]Place{
		"past the end":     {places[3].Bytes + 1, 3},
		"within a line":    {places[1].Bytes - 3, 1},
		"another record's": {places[1].Bytes, 2},
	} {
		if err := os.WriteFile(logPath(dir), log, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{Config: []byte("1"), After: place})
		if !errors.As(err, &damage) {
			t.Errorf("%s: Open says %v, want damage", what, err)
		}
		if _, err := Check(dir, Options{Config: []byte("1"), After: place}); !errors.As(err, &damage) {
			t.Errorf("%s: Check says %v, want damage", what, err)
		}
	}
	var other *ConfigError
	if _, err := Check(dir, Options{Config: []byte("2"), After: places[1]}); !errors.As(err, &other) {
		t.Errorf("another configuration: %v", err)
	}
	if err := os.Remove(logPath(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{Config: []byte("1"), After: places[1]}); !errors.As(err, &damage) {
		t.Errorf("no log: %v, want damage", err)
	}
}

// A payload is written as it is read, whatever is escaped around it.
func TestWritePayload(t *testing.T) {
	j, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, key := range []string{"q/p/0", `a "quoted" \ key`, "é\u2028"} {
		at, err := j.AppendAt("k", key, map[string]string{"<a>": strings.Repeat(key, 1000)})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := j.Read(at)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := j.WritePayload(&b, at); err != nil || b.String() != string(rec.Payload) {
			t.Errorf("%q: %v, or other bytes than Read returns", key, err)
		}
		var damage *CorruptError
		if err := j.WritePayload(&b, at+1); !errors.As(err, &damage) {
			t.Errorf("%q: no record stands at byte %d: %v", key, at+1, err)
		}
	}
}
