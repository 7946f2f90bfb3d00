// Bigingest measures how a file much larger than memory is read: it makes one of
// Arena-shaped rows in a temporary folder, samples 1% of its prompts in a process
// of its own, compares the rate with encoding/json's on one core and the sample
// with that of a shuffled copy, and deletes everything.
//
//	go run ./internal/bigingest -rows 1000000
//
// A million rows are 1.4 GB, with a copy, and take some minutes. It fails where
// memory passes 300 MiB, the rate is below 1.4 times encoding/json's, or the
// samples differ.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
)

func main() {
	rows := flag.Int("rows", 1_000_000, "rows to make")
	child := flag.String("ingest", "", "sample this `file` and report (used by the program itself)")
	alone := flag.String("decode", "", "decode this `file` with encoding/json and report (used by the program itself)")
	rounds := flag.Int("rounds", 3, "measurements, of which the median counts")
	flag.Parse()
	var err error
	switch {
	case *child != "":
		err = ingest(*child)
	case *alone != "":
		err = decodeAlone(*alone)
	default:
		err = run(*rows, *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bigingest:", err)
		os.Exit(1)
	}
}

const (
	maxMiB  = 300
	minRate = 1.4
)

func run(rows, rounds int) error {
	dir, err := os.MkdirTemp("", "bigingest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, shuffled := filepath.Join(dir, "rows.jsonl"), filepath.Join(dir, "shuffled.jsonl")
	size, err := generate(path, rows)
	if err != nil {
		return err
	}
	fmt.Printf("%d rows, %.2f GB\n", rows, float64(size)/1e9)

	var ratios []float64
	var first result
	for range rounds {
		alone, err := inChild("-decode", path)
		if err != nil {
			return err
		}
		r, err := inChild("-ingest", path)
		if err != nil {
			return err
		}
		first = r
		theirs, ours := alone.Bytes/alone.Seconds, float64(size)/r.Seconds
		fmt.Printf("encoding/json on one core %.0f MB/s, %.1f ns/B of CPU; ingest, duplicates and sample on %d cores "+
			"%.0f MB/s, %.1f ns/B: %.2f times the rate; %.0f MiB\n",
			theirs/1e6, 1e9*alone.cpu/alone.Bytes, runtime.GOMAXPROCS(0), ours/1e6, 1e9*r.cpu/float64(size), ours/theirs, r.MiB)
		if r.MiB > maxMiB {
			return fmt.Errorf("%.0f MiB of memory, want at most %d", r.MiB, maxMiB)
		}
		ratios = append(ratios, ours/theirs)
	}
	if err := shuffle(path, shuffled); err != nil {
		return err
	}
	r, err := inChild("-ingest", shuffled)
	if err != nil {
		return err
	}
	fmt.Printf("%d rows, %d eligible, %d sampled; of the shuffled copy the same: %v\n", first.Rows, first.Eligible,
		first.Sampled, r.Sample == first.Sample)
	if r.Sample != first.Sample || r.Eligible != first.Eligible {
		return fmt.Errorf("the sample of the shuffled copy differs")
	}
	if m := median(ratios); m < minRate {
		return fmt.Errorf("the median rate is %.2f times encoding/json's, want %.1f", m, minRate)
	}
	return nil
}

// generate writes rows made once and given ids and texts of their own: what is to
// be measured is how they are read.
func generate(path string, rows int) (size int64, err error) {
	var b bytes.Buffer
	const distinct = 5000
	if err := arenagen.WriteJSONL(&b, distinct, 1); err != nil {
		return 0, err
	}
	lines := bytes.Split(bytes.TrimSpace(b.Bytes()), []byte("\n"))
	err = dataset.WriteFile(path, func(w io.Writer) error {
		for i := range rows {
			line := lines[i%len(lines)]
			if round := i / len(lines); round > 0 {
				// Every fourth round has the texts of the one before.
				id, mark := fmt.Sprintf(`"question_id":"r%d-`, round), fmt.Sprintf(`"content":"(%d) `, round-round%4/3)
				line = bytes.Replace(line, []byte(`"question_id":"`), []byte(id), 1)
				line = bytes.ReplaceAll(line, []byte(`"content":"`), []byte(mark))
			}
			size += int64(len(line)) + 1
			if _, err := w.Write(line); err != nil {
				return err
			}
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		return nil
	})
	return size, err
}

// row has the fields that a reader of prompts needs.
type row struct {
	QuestionID    string            `json:"question_id"`
	ModelA        string            `json:"model_a"`
	ModelB        string            `json:"model_b"`
	Winner        string            `json:"winner"`
	ConversationA []dataset.Message `json:"conversation_a"`
	ConversationB []dataset.Message `json:"conversation_b"`
	Turn          int               `json:"turn"`
	Language      string            `json:"language"`
	Moderation    struct {
		Flagged bool `json:"flagged"`
	} `json:"openai_moderation"`
	Toxic map[string]struct {
		Flagged bool `json:"flagged"`
	} `json:"toxic_chat_tag"`
}

// decodeAlone decodes the first 200 MB on one core, from memory.
func decodeAlone(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 200e6))
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	var out result
	begin := time.Now()
	for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		var r row
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		out.Bytes += float64(len(line))
	}
	out.Seconds = time.Since(begin).Seconds()
	return json.NewEncoder(os.Stdout).Encode(out)
}

// result is what a child reports.
type result struct {
	Seconds, MiB, Bytes     float64
	Rows, Eligible, Sampled int
	Sample                  string  // a digest of the prompts
	cpu                     float64 // seconds of all cores, reading the file included
}

func ingest(path string) error {
	begin := time.Now()
	src := dataset.File(path)
	opt := dataset.ReadOptions{ConversationLanguages: []string{"English"}}
	// 1% of the rows, told from the file's size so that it is read no third time.
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	n := max(int(info.Size()/140_000), 1)
	in, err := src.Sample(opt, dataset.SampleOptions{N: n, Seed: 42})
	if err != nil {
		return err
	}
	r := result{Seconds: time.Since(begin).Seconds(), Rows: in.Rows, Eligible: in.Eligible, Sampled: len(in.Prompts)}
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range in.Prompts {
		if err := enc.Encode(p); err != nil {
			return err
		}
	}
	r.Sample = fmt.Sprintf("%x", h.Sum(nil))
	r.MiB = peakMiB()
	return json.NewEncoder(os.Stdout).Encode(r)
}

func inChild(what, path string) (r result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	cmd := exec.Command(self, what, path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, err
	}
	r.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return r, nil
}

// peakMiB is the most memory that this process had at a time, as the system
// counts it; where it does not say, what the Go runtime asked for.
func peakMiB() float64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			var kib float64
			if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
				return kib / 1024
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys) / (1 << 20)
}

// shuffle copies the lines of a file in another order.
func shuffle(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	var at []int64
	end := int64(0)
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadSlice('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		at = append(at, end)
		end += int64(len(line))
	}
	order := rand.New(rand.NewPCG(1, 1)).Perm(len(at))
	at = append(at, end)
	return dataset.WriteFile(to, func(w io.Writer) error {
		var buf []byte
		for _, i := range order {
			buf = append(buf[:0], make([]byte, at[i+1]-at[i])...)
			if _, err := f.ReadAt(buf, at[i]); err != nil {
				return err
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
		return nil
	})
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
