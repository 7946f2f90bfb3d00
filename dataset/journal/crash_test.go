package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small makes a journal of a few records and returns its bytes and where each
// line ends.
func small(t testing.TB) (data []byte, ends []int, want []string) {
	dir := t.TempDir()
	j := mustOpen(t, dir, Options{Config: []byte(`{"seed":1}`)})
	for i, payload := range []any{"a", map[string]any{"é": []int{1, 2}}, nil, "xxxx"} {
		if err := j.Append("k", strconv.Itoa(i), payload); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	data = readLog(t, dir)
	for i, c := range data {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	return data, ends, keys(t, dir)
}

// TestTornAtEveryByte cuts a journal off at every byte, as a kill during a write
// does, alone and followed by what a power cut may leave: zeros, or old bytes.
func TestTornAtEveryByte(t *testing.T) {
	data, ends, want := small(t)
	dir := t.TempDir()
	for k, tail := range []struct{ name, bytes string }{
		{"nothing", ""}, {"zeros", strings.Repeat("\x00", 50)}, {"zeros and a line break", "\x00\x00\n"},
		{"old bytes", "\xff junk\nmore\n\n"},
	} {
		for cut := range len(data) + 1 {
			if tail.bytes != "" && cut < ends[0] {
				continue // the header is put in place by rename, so it cannot be like this
			}
			if k > 0 && cut%3 != k-1 {
				continue // every byte has one of the tails, for time
			}
			whole := 0
			for whole < len(ends) && ends[whole] <= cut {
				whole++
			}
			records := want[:max(whole-1, 0)]
			putLog(t, dir, append(bytes.Clone(data[:cut]), tail.bytes...))
			if diff := cmp.Diff(records, keys(t, dir)); diff != "" {
				t.Fatalf("cut at %d, then %s: Scan: %s", cut, tail.name, diff)
			}
			opt := on(&disk{room: -1, noSync: true})
			opt.Config = []byte(`{"seed":1}`)
			j, err := Open(dir, opt)
			if err != nil {
				t.Fatalf("cut at %d, then %s: %v", cut, tail.name, err)
			}
			good := 0
			if whole > 0 {
				good = ends[whole-1]
			}
			if got, want := j.Repaired(), int64(cut-good+len(tail.bytes)); got != want {
				t.Errorf("cut at %d, then %s: %d bytes repaired, want %d", cut, tail.name, got, want)
			}
			if err := j.Append("k", "new", "after"); err != nil {
				t.Fatal(err)
			}
			j.Close()
			if diff := cmp.Diff(append(records[:len(records):len(records)], `k new "after"`), keys(t, dir)); diff != "" {
				t.Fatalf("cut at %d, then %s: resumed: %s", cut, tail.name, diff)
			}
		}
	}
}

// TestDamageInTheMiddle alters every byte that is followed by a good record.
// Each must be noticed, at the offset of its line, by reader and writer alike,
// and nothing be repaired.
func TestDamageInTheMiddle(t *testing.T) {
	data, ends, _ := small(t)
	last := ends[len(ends)-2] // where the last record starts
	dir := t.TempDir()
	for i := range last {
		for _, c := range []byte{data[i] ^ 1, '\n', 0} {
			if c == data[i] {
				continue
			}
			bad := bytes.Clone(data)
			bad[i] = c
			start := 0
			for _, e := range ends {
				if e <= i {
					start = e
				}
			}
			putLog(t, dir, bad)
			check := func(who string, err error) {
				t.Helper()
				var ce *CorruptError
				if !errors.As(err, &ce) || ce.Offset != int64(start) || !strings.Contains(err.Error(), logPath(dir)) {
					t.Fatalf("byte %d is %q: %s: %v, want a CorruptError at %d", i, c, who, err, start)
				}
			}
			// With the last line break before the last record gone, that record is
			// part of the damaged line and nothing good follows: a torn tail, as far
			// as anyone can tell.
			if i == last-1 {
				continue
			}
			check("Scan", Scan(dir, func(Record) error { return nil }))
			_, err := Open(dir, Options{Config: []byte(`{"seed":1}`)})
			check("Open", err)
			if !bytes.Equal(bad, readLog(t, dir)) {
				t.Fatal("Open changed a damaged journal")
			}
		}
	}
}

// TestMissingLine removes, doubles and swaps whole lines, each with its good
// checksum.
func TestMissingLine(t *testing.T) {
	data, ends, _ := small(t)
	line := func(i int) []byte {
		if i == 0 {
			return data[:ends[0]]
		}
		return data[ends[i-1]:ends[i]]
	}
	rows := []struct {
		order  []int
		offset int
		reason string
	}{
		{[]int{0, 1, 3, 4}, ends[1], "a record is missing"},
		{[]int{0, 1, 1, 2}, ends[1], "a record is there twice"},
		{[]int{0, 2, 1}, ends[0], "records changed places"},
		{[]int{1, 2}, 0, "the header is missing"},
		{[]int{0, 0}, ends[0], "a second header"},
	}
	for _, row := range rows {
		var b []byte
		for _, i := range row.order {
			b = append(b, line(i)...)
		}
		err := Scan(writeLog(t, b), func(Record) error { return nil })
		var ce *CorruptError
		if !errors.As(err, &ce) || ce.Offset != int64(row.offset) {
			t.Errorf("%s: %v, want a CorruptError at %d", row.reason, err, row.offset)
		}
	}
}

// switching shows one content to the first reads and another afterwards, as a
// reader sees that is under way when a writer cuts a torn tail off.
type switching struct {
	first, then []byte
	reads       int
}

func (s *switching) ReadAt(b []byte, off int64) (int, error) {
	data := s.first
	if s.reads++; s.reads > 1 {
		data = s.then
	}
	return bytes.NewReader(data).ReadAt(b, off)
}

func TestScanReadsAnewBesideAStartingWriter(t *testing.T) {
	data, ends, want := small(t)
	// What the reader has: half of the second record, on top of the rest of what
	// came later.
	mixed := append(append(bytes.Clone(data[:ends[1]+10]), "??\n"...), data[ends[2]:]...)
	n := 0
	_, lines, err := scan(&switching{first: mixed, then: data}, "log", 0, Place{}, nil,
		func(int64, []byte, int64) error { n++; return nil })
	if err != nil || n != len(want) || lines != int64(len(want)+1) {
		t.Errorf("%d records, %d lines, %v; want all %d", n, lines, err, len(want))
	}
	if _, _, err := scan(bytes.NewReader(mixed), "log", 0, Place{}, nil, nil); err == nil {
		t.Error("lasting damage went unnoticed")
	}
}

const childEnv = "REWEIGH_JOURNAL_TEST_CHILD"

// TestMain makes the test binary the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		childWrites(dir)
	}
	os.Exit(m.Run())
}

// childWrites appends from several goroutines for as long as it lives and prints
// each key once it is acknowledged.
func childWrites(dir string) {
	j, err := Open(dir, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	pid := os.Getpid()
	out := make(chan string)
	for g := range 8 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d/%d/%d", pid, g, i)
				if err := j.Append("k", key, strings.Repeat("x", i%5000)); err != nil {
					key = "error " + err.Error()
				}
				out <- key
			}
		}()
	}
	for key := range out {
		fmt.Println(key)
	}
}

// TestKill kills a writing process ten times (SIGKILL on Unix). Every record
// that it said was acknowledged must be there, the lock must be free at once,
// and the next process must go on.
func TestKill(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	acked := make(map[string]bool)
	for round := range 10 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(stdout)
		before := len(acked)
		for {
			line, err := r.ReadString('\n')
			if err == io.EOF {
				break // a line without its end was not printed whole
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "error") {
				t.Fatalf("round %d: %s", round, line)
			}
			acked[strings.TrimSpace(line)] = true
			if len(acked) == before+20+7*round {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if len(acked) == before {
			t.Fatalf("round %d: the process wrote nothing", round)
		}
		there := make(map[string]bool)
		if err := Scan(dir, func(r Record) error { there[r.Key] = true; return nil }); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for key := range acked {
			if !there[key] {
				t.Fatalf("round %d: acknowledged record %s is lost", round, key)
			}
		}
	}
	j, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append("k", "end", time.Duration(0)); err != nil {
		t.Error(err)
	}
	j.Close()
	t.Logf("%d records acknowledged over ten kills", len(acked))
}

// TestTwoProcesses: while another process has the journal open it is locked, and
// readable; when that one is killed it can be taken over at once.
func TestTwoProcesses(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("beside a live process: %v, want ErrLocked", err)
	}
	seen := false
	err = Scan(dir, func(r Record) error { seen = seen || r.Key == strings.TrimSpace(first); return nil })
	if err != nil || !seen {
		t.Errorf("Scan beside a live process: %v, its acknowledged record is seen: %v", err, seen)
	}
	cmd.Process.Kill()
	cmd.Wait()
	mustAppend(t, mustOpen(t, dir, Options{}), "mine")
}

// FuzzScan: on any bytes, Scan and Open do not panic and agree; where Open
// succeeds, the records are those that Scan saw, and an appended one follows
// them.
func FuzzScan(f *testing.F) {
	data, ends, _ := small(f)
	f.Add(data)
	f.Add(data[:ends[2]+7])
	f.Add(data[:5])
	f.Add([]byte{})
	f.Add(append(bytes.Clone(data[:ends[1]]), "junk\n"...))
	f.Add(append(bytes.Clone(data[:ends[0]]), frame(nil, 1, []byte(`{"kind":1}`))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := writeLog(t, b)
		var seen []string
		see := func(r Record) error { seen = append(seen, fmt.Sprint(r)); return nil }
		scanErr := Scan(dir, see)
		before := seen
		j, err := Open(dir, Options{Config: []byte(`{"seed":1}`)})
		if err != nil {
			if !bytes.Equal(b, readLog(t, dir)) {
				t.Fatal("a refused Open changed the file")
			}
			var other *ConfigError
			if scanErr == nil && !errors.As(err, &other) {
				t.Fatalf("Scan accepts what Open refuses: %v", err)
			}
			return
		}
		defer j.Close()
		if scanErr != nil {
			return // the frame is good, its JSON is none: Scan's to say
		}
		if err := j.Append("k", "v", 1); err != nil {
			t.Fatal(err)
		}
		seen = nil
		if err := Scan(dir, see); err != nil {
			t.Fatal(err)
		}
		if len(seen) != len(before)+1 || !cmp.Equal(before, seen[:len(before)]) && len(before) > 0 {
			t.Fatalf("before %v, after %v", before, seen)
		}
	})
}
