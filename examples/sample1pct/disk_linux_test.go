package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of the given size, which takes a right that not
// every machine gives.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("skipped: cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestDiskFills: a run whose disk fills ends with an error that says so, and goes
// on once there is room, with nothing lost and nothing but calls in flight paid
// again.
func TestDiskFills(t *testing.T) {
	d := newDrill(t, 4, 4)
	for _, size := range []string{"40k", "200k"} {
		disk := smallDisk(t, size)
		before := d.billed(t)
		dir := filepath.Join(disk, "run")
		// A new run would be refused for want of room; one that has begun is not.
		if err := os.MkdirAll(filepath.Join(dir, "journal"), 0o777); err != nil {
			t.Fatal(err)
		}
		cmd, out := d.start(t, dir, 0)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitNoReport || !strings.Contains(out.String(),
			syscall.ENOSPC.Error()) {
			t.Fatalf("a disk of %s: exit %d, want %d and the cause:\n%s", size, code, exitNoReport, out)
		}
		if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
		calls := map[string]bool{}
		unacknowledged(t, dir, calls)
		d.finish(t, dir)
		// A ledger line that found no room is of a call that was never sent, or
		// whose answer came when nothing could be written any more.
		d.check(t, dir, "a disk of "+size, before, len(calls)+2*d.concurrency)
	}
}

// TestReadOnlyFolder: a run that cannot write is refused before it spends.
func TestReadOnlyFolder(t *testing.T) {
	d := newServed(t, 2, 4, "", brief(t)...)
	dir := t.TempDir()
	program := filepath.Join(dir, "sample1pct.test")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := copyFile(program, self); err != nil {
		t.Fatal(err)
	}
	for p := dir; len(p) > len(os.TempDir()); p = filepath.Dir(p) { // a folder of its own user only hides everything
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for p := filepath.Dir(d.input); len(p) > len(os.TempDir()); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append(d.args[:len(d.args):len(d.args)], filepath.Join(locked, "run"))...)
	cmd.Env = append(os.Environ(), drillEnv+"=0", "FIREWORKS_API_KEY=dummy", "OPENAI_API_KEY=dummy")
	if os.Geteuid() == 0 { // whom no mode keeps from writing
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitPreflight || !strings.Contains(string(out), locked) ||
		!strings.Contains(string(out), "-out") {
		t.Errorf("exit %d, want %d with the folder and what to do:\n%s", code, exitPreflight, out)
	}
	if n := d.billed(t); n != 0 {
		t.Errorf("%d calls were billed", n)
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// TestTwoProcessesOnOneRun: the second is refused, and does not disturb the
// first.
func TestTwoProcessesOnOneRun(t *testing.T) {
	d := newServed(t, 2, 4, "slow=1:150ms", brief(t)...)
	dir := filepath.Join(t.TempDir(), "run")
	first, firstOut := d.start(t, dir, 0)
	for {
		if _, err := os.Stat(filepath.Join(dir, "journal", "log.jsonl")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	second, out := d.start(t, dir, 0)
	second.Wait()
	if code := second.ProcessState.ExitCode(); code != exitPreflight || !strings.Contains(out.String(),
		"in use by another process") {
		t.Errorf("the second: exit %d, want %d:\n%s", code, exitPreflight, out)
	}
	first.Wait()
	// two prompts cannot be a GO
	if code := first.ProcessState.ExitCode(); code != exitNoGo && code != exitHold && code != exitGO {
		t.Errorf("the first: exit %d:\n%s", code, firstOut)
	}
	calls := map[string]bool{}
	unacknowledged(t, dir, calls)
	if len(calls) != 0 {
		t.Errorf("%d calls of the first were not kept", len(calls))
	}
}

// TestMergeOnASmallDisk: a merge that finds no room has failed, and was not refused.
func TestMergeOnASmallDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped with -short: it makes two shards")
	}
	args := []string{"-merge", "-quiet"}
	for _, shard := range []string{"0/2", "1/2"} {
		dir := filepath.Join(t.TempDir(), "shard")
		code, _, errs := sample(t, append(brief(t), "-quiet", "-n", "4", "-shard", shard, "-out", dir)...)
		if code != exitGO && code != exitHold {
			t.Fatalf("shard %s: exit %d\n%s", shard, code, errs)
		}
		args = append(args, dir)
	}
	out := filepath.Join(smallDisk(t, "40k"), "merged")
	if code, _, errs := sample(t, append(args, "-out", out)...); code != exitNoReport ||
		!strings.Contains(errs, syscall.ENOSPC.Error()) {
		t.Errorf("exit %d, want %d:\n%s", code, exitNoReport, errs)
	}
	if code, _, errs := sample(t, "-merge", args[2], "-out", filepath.Join(t.TempDir(), "half")); code != exitPreflight ||
		!strings.Contains(errs, "are missing") {
		t.Errorf("half of a run: exit %d, want %d:\n%s", code, exitPreflight, errs)
	}
}
