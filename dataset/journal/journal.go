package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/reweigh/reweigh/internal/failpoint"
	"github.com/reweigh/reweigh/internal/folder"
)

// ErrLocked is wrapped by the error of [Open] if the journal has a writer
// already.
var ErrLocked = errors.New("another writer has it open")

// Options configures a [Journal].
type Options struct {
	// Config is JSON of everything that changes what the records say. A new
	// journal keeps it; one made under another value is refused with a
	// *ConfigError. Nil means null, a value like any other.
	Config []byte
	// SyncEvery makes each flush to the disk wait that long for company: more
	// records share it, each is acknowledged later. The default 0 does not wait;
	// records that arrive during a flush share the next one, which is enough
	// unless flushes themselves are to be rare.
	SyncEvery time.Duration
	// Each, if not nil, is given every record that is there, in order, as Scan
	// would: Open reads the log anyway. Its error is Open's.
	Each func(Record) error
	// After is where Each begins: its caller knows the records before it, as from an index of
	// places, and has seen by their Checksum that they are what they were. They are not read.
	After Place

	openFile func(in *folder.Folder) (file, error) // nil: the operating system's
}

// file is what a journal asks of its log; tests put a failing disk behind it.
type file interface {
	io.WriteSeeker
	io.ReaderAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// Journal is a journal open for appending. Its methods are safe for concurrent
// use.
type Journal struct {
	path     string
	lock     io.Closer
	f        file
	mark     io.WriterAt
	markFile io.Closer
	window   time.Duration
	repaired int64

	mu      sync.Mutex
	changed sync.Cond // synced, syncing, err or closed
	seq     int64     // the last record's
	written int64     // records handed to the operating system
	synced  int64     // of those, known to be on the disk
	size    int64     // bytes handed to the operating system
	syncing bool
	line    []byte // the last written, whose place the next one takes
	closed  bool
	err     error // once set, nothing is appended any more
}

// Open opens the journal in dir for appending and creates both if need be. It
// takes the writer's lock, which another live writer's Open makes fail with
// [ErrLocked]; reads the log through; and cuts off a torn tail. An error leaves
// the journal as it was.
func Open(dir string, opt Options) (*Journal, error) {
	config, err := validConfig(dir, opt.Config)
	if err != nil {
		return nil, err
	}
	in, err := folder.MakeIn(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer in.Close()
	lock, err := lockFile(in, lockName)
	if err != nil {
		return nil, fmt.Errorf("journal: %s: %w (wait for it to end, or choose another folder)", dir, err)
	}
	for _, name := range []string{".", lockName, markName, logName} { // an earlier version left them open to all
		in.Hide(name)
	}
	j, err := open(in, config, opt)
	if err != nil {
		lock.Close()
		return nil, err
	}
	j.lock = lock
	return j, nil
}

// Check reads the journal in dir as Open does, and reports what would keep Open from
// taking it up: another configuration, damage, a file that is no journal. It changes
// nothing, and does not ask for the lock. A folder without a journal passes.
//
// An Open that follows need not read again what stands before the place where Check ended.
func Check(dir string, opt Options) (Place, error) {
	config, err := validConfig(dir, opt.Config)
	if err != nil {
		return Place{}, err
	}
	f, mark, err := openToRead(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, checkLock(dir)
	}
	if err != nil {
		return Place{}, err
	}
	defer f.Close()
	if err := checkLock(dir); err != nil {
		return Place{}, err
	}
	path := logPath(dir)
	end, lines, err := scan(f, path, mark, opt.After, func(raw []byte) error { return sameConfig(dir, raw, config) },
		decoding(path, opt.Each))
	if err != nil || lines == 0 {
		return Place{}, err
	}
	return Place{end, lines - 1}, nil
}

// checkLock reports what could not be a lock.
func checkLock(dir string) error {
	in, err := folder.OpenIn(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer in.Close()
		for _, name := range []string{lockName, markName, logName} {
			err = errors.Join(err, in.Check(name, false))
		}
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// validConfig is the configuration as the header holds it.
func validConfig(dir string, config []byte) ([]byte, error) {
	if config == nil {
		config = []byte("null")
	}
	if !json.Valid(config) {
		return nil, fmt.Errorf("journal: open %s: the configuration given is not JSON", dir)
	}
	return config, nil
}

// open does what Open does under the lock.
func open(in *folder.Folder, config []byte, opt Options) (*Journal, error) {
	dir := in.Path()
	path := logPath(dir)
	if opt.openFile == nil {
		opt.openFile = openLog
	}
	mark, err := readMark(in)
	if err != nil {
		return nil, err
	}
	f, err := opt.openFile(in)
	if errors.Is(err, fs.ErrNotExist) {
		if mark = max(mark, opt.After.Bytes); mark > 0 {
			return nil, short(path, 0, mark)
		}
		if err = create(in, config); err == nil {
			f, err = opt.openFile(in)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	end, lines, err := scan(f, path, mark, opt.After, func(raw []byte) error { return sameConfig(dir, raw, config) },
		decoding(path, opt.Each))
	if err != nil {
		f.Close()
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && lines == 0 { // not even the header is whole, so there is nothing to keep
		f.Close()
		if err := create(in, config); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		j, err := open(in, config, opt)
		if err == nil {
			j.repaired = size
		}
		return j, err
	}
	if err == nil && size > end {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err == nil {
		// A killed writer may have left records that only the system's cache holds.
		// Whoever resumes takes them for done, so they are put on the disk first.
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("journal: repair %s: %w", path, err)
	}
	j := &Journal{path: path, f: f, window: opt.SyncEvery, repaired: size - end, seq: lines - 1, size: end}
	j.changed.L = &j.mu
	if j.mark, j.markFile, err = openMark(in); err == nil {
		_, err = j.mark.WriteAt(encodeMark(end), 0)
	}
	if err != nil {
		j.close()
		return nil, fmt.Errorf("journal: %w", err)
	}
	return j, nil
}

func openLog(in *folder.Folder) (file, error) {
	f, err := in.Update(logName)
	if err != nil {
		return nil, err // a nil *os.File would be no nil file
	}
	return f, nil
}

// create puts a journal without records in place, whole or not at all.
func create(in *folder.Folder, config []byte) error {
	head, err := encodeHeader(config)
	if err != nil {
		return err
	}
	err = in.Replace(logName, true, func(w io.Writer) error {
		_, err := w.Write(head)
		return err
	})
	if err == nil {
		if above, err := folder.Open(filepath.Dir(in.Path())); err == nil { // the folder itself may be new
			above.Sync()
			above.Close()
		}
	}
	return err
}

// Repaired returns how many bytes of a torn tail Open cut off.
func (j *Journal) Repaired() int64 { return j.repaired }

// Dir is the folder that the journal is in, for [Scan] and [Latest].
func (j *Journal) Dir() string { return filepath.Dir(j.path) }

// Append writes a record and returns when it is on the disk. payload is encoded
// as JSON.
//
// A payload without a JSON form, or one longer than 64 MiB, is an error of
// this record alone. Any failure to write or flush is final: what of the record
// reached the disk is unknown, so this and every later call returns that error,
// until the journal is opened again, which repairs it.
func (j *Journal) Append(kind, key string, payload any) error {
	_, err := j.AppendAt(kind, key, payload)
	return err
}

// AppendAt is [Journal.Append], and returns where the record stands, for
// [Journal.Read].
func (j *Journal) AppendAt(kind, key string, payload any) (at int64, err error) {
	n, at, err := j.write(kind, key, payload)
	if err != nil {
		return 0, err
	}
	return at, j.sync(n)
}

// End is the place after all records, those that are not on the disk yet among them.
func (j *Journal) End() Place {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Place{j.size, j.seq}
}

// Read returns the record that stands at a place that AppendAt or [Record].At
// names, so that an index of places can do for the records. Damage is a
// [*CorruptError]. It may be called until the journal is closed, while others append.
func (j *Journal) Read(at int64) (rec Record, err error) {
	err = j.read(at, func(seq int64, raw []byte) error {
		return decoding(j.path, func(r Record) error { rec = r; return nil })(seq, raw, at)
	})
	return rec, err
}

// WritePayload writes the payload of the record that stands at a place, as Read returns it.
func (j *Journal) WritePayload(w io.Writer, at int64) error {
	return j.read(at, func(seq int64, raw []byte) error {
		if _, _, payload, ok := unescaped(raw); ok {
			_, err := w.Write(payload)
			return err
		}
		return decoding(j.path, func(r Record) error { _, err := w.Write(r.Payload); return err })(seq, raw, at)
	})
}

// read hands the line of a record to of; it is good until of returns.
func (j *Journal) read(at int64, of func(seq int64, raw []byte) error) error {
	in := readers.Get().(*bufio.Reader)
	defer readers.Put(in)
	in.Reset(io.NewSectionReader(j.f, at, maxRecord))
	r := lineReader{r: in, off: at}
	line, err := r.next()
	if err != nil && err != io.EOF && err != errTooLong {
		return fmt.Errorf("journal: read %s at byte %d: %w", j.path, at, err)
	}
	seq, raw, ok := parseFrame(line)
	if !ok || seq == 0 {
		return &CorruptError{j.path, at, "no record stands there any more"}
	}
	return of(seq, raw)
}

// readers spare every read a buffer. None is read from after that: a record has a copy of its line.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// AppendAtNoSync is [Journal.AppendAt] that returns when the operating system has the
// record: it survives the process, not a power cut. The next Append of any goroutine, or
// Close, puts it on the disk, and never a later record without it.
func (j *Journal) AppendAtNoSync(kind, key string, payload any) (at int64, err error) {
	_, at, err = j.write(kind, key, payload)
	return at, err
}

// write hands a record to the operating system and returns how many it has now,
// and where this one stands.
func (j *Journal) write(kind, key string, payload any) (n, at int64, err error) {
	buf := bodies.Get().(*bytes.Buffer)
	raw, err := encodeBody(buf, kind, key, payload, maxRecord-64) // 64: more than the frame around it
	if buf.Cap() <= mostKept {
		defer bodies.Put(buf)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("journal: append %s %s: %w", kind, key, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return 0, 0, err
	}
	// One write a record, so that a kill between two of them tears neither.
	line := frame(j.line[:0], j.seq+1, raw)
	if cap(line) <= mostKept {
		j.line = line
	}
	failpoint.At("journal.write")
	if _, err := j.f.Write(line); err != nil {
		return 0, 0, j.fail("write", err)
	}
	failpoint.At("journal.written")
	at = j.size
	j.seq++
	j.written++
	j.size += int64(len(line))
	return j.written, at, nil
}

// bodies spare every write a buffer.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// mostKept bounds the buffers that are used again.
const mostKept = 1 << 20

// sync returns when the first n records are on the disk. One of the callers
// flushes for all that have written by then; the others wait for it.
func (j *Journal) sync(n int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		switch {
		case j.synced >= n:
			return nil
		case j.err != nil:
			return j.err
		case j.syncing:
			j.changed.Wait()
			continue
		}
		j.syncing = true
		if j.window > 0 {
			j.mu.Unlock()
			time.Sleep(j.window)
			j.mu.Lock()
		}
		upTo, size := j.written, j.size
		j.mu.Unlock()
		err := j.f.Sync()
		if err == nil {
			failpoint.At("journal.flushed")
			_, err = j.mark.WriteAt(encodeMark(size), 0)
		}
		j.mu.Lock()
		j.syncing = false
		if err != nil {
			// A second attempt proves nothing: the system may have dropped the
			// pages that it failed to write.
			j.fail("flush", err)
		} else {
			j.synced = upTo
		}
		j.changed.Broadcast()
	}
}

func (j *Journal) usable() error {
	if j.closed {
		return fmt.Errorf("journal: append to %s: %w", j.path, fs.ErrClosed)
	}
	return j.err
}

// fail makes err the answer to everything from here on.
func (j *Journal) fail(op string, err error) error {
	if j.err == nil {
		j.err = fmt.Errorf("journal: %s %s: %w (nothing acknowledged is lost: see to the disk and start again)", op, j.path,
			err)
	}
	return j.err
}

// Close puts what is left on the disk, closes the journal and releases the
// lock. It returns the error that made the journal fail, if one did. Appends
// under way are waited for; later ones fail with [io/fs.ErrClosed]. Closing
// again does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	n := j.written
	j.mu.Unlock()

	err := j.sync(n)
	j.mu.Lock()
	for j.syncing { // of an Append that is not covered yet
		j.changed.Wait()
	}
	if err == nil {
		err = j.err // of a record that was never counted as written
	}
	j.mu.Unlock()
	if cerr := j.close(); err == nil && cerr != nil {
		err = fmt.Errorf("journal: close %s: %w", j.path, cerr)
	}
	if cerr := j.lock.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("journal: release %s: %w", j.path, cerr)
	}
	return err
}

func (j *Journal) close() error {
	err := j.f.Close()
	if j.markFile != nil {
		err = errors.Join(err, j.markFile.Close())
	}
	return err
}
