//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterrupted sends the program signals in the middle of a run. After one,
// the calls in flight end and are kept; a second ends it at once. Both leave 130
// and a run that goes on where it was.
func TestInterrupted(t *testing.T) {
	rows := []struct {
		slow    string // how long the server takes for an answer
		signals []os.Signal
		kept    bool
		reason  string
	}{
		{"300ms", []os.Signal{os.Interrupt}, true, "one Ctrl-C"},
		{"300ms", []os.Signal{syscall.SIGTERM}, true, "a service manager's wish"},
		{"10m", []os.Signal{os.Interrupt, os.Interrupt}, false, "two: ten minutes are not waited for"},
	}
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			t.Parallel()
			d := newServed(t, 4, 4, "slow=1:"+row.slow, brief(t)...)
			dir := filepath.Join(t.TempDir(), "run")
			cmd, out := d.start(t, dir, 0)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			// In the journal is the only place to see from outside that calls are on
			// their way.
			for unseen := true; unseen; {
				select {
				case err := <-ended:
					t.Fatalf("it ended by itself: %v\n%s", err, out)
				case <-time.After(10 * time.Millisecond):
				}
				if _, err := os.Stat(filepath.Join(dir, "journal", "log.jsonl")); err != nil {
					continue
				}
				calls := map[string]bool{}
				unacknowledged(t, dir, calls)
				unseen = len(calls) == 0
			}
			for _, s := range row.signals {
				cmd.Process.Signal(s)
				time.Sleep(100 * time.Millisecond) // two of one kind at once may arrive as one
			}
			select {
			case <-ended:
			case <-time.After(time.Minute):
				cmd.Process.Kill()
				t.Fatalf("it did not stop\n%s", out)
			}
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(out.String(),
				"interrupt again") {
				t.Errorf("exit %d, want %d:\n%s", code, exitInterrupted, out)
			}
			calls := map[string]bool{}
			unacknowledged(t, dir, calls)
			if row.kept != (len(calls) == 0) {
				t.Errorf("%d calls were paid and not kept", len(calls))
			}
		})
	}
}
