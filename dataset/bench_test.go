package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/reweigh/reweigh/internal/arenagen"
)

// arenaRows makes n Arena-shaped rows.
func arenaRows(b *testing.B, n int) []byte {
	b.Helper()
	var out bytes.Buffer
	if err := arenagen.WriteJSONL(&out, n, 1); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkIngest compares three ways through the same rows: encoding/json alone,
// on one core, the filters and a sample, and all prompts with their metadata. The
// ratios within one run are the point. For a file larger than memory see
// internal/bigingest.
func BenchmarkIngest(b *testing.B) {
	for _, n := range []int{1e3, 1e4} {
		text := arenaRows(b, n)
		src := Source{"rows", func() (RowReader, error) { return NewRowReader(bytes.NewReader(text), "rows") }}
		opt := ReadOptions{ConversationLanguages: []string{"English"}}
		b.Run(fmt.Sprintf("json/rows=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for line := range bytes.Lines(text) {
					var row struct {
						ID    string    `json:"question_id"`
						A     []Message `json:"conversation_a"`
						B     []Message `json:"conversation_b"`
						Other string    `json:"language"`
					}
					if err := json.Unmarshal(line, &row); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(fmt.Sprintf("sample/rows=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := src.Sample(opt, SampleOptions{N: n / 100, Seed: 42}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("all/rows=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := src.Prompts(opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
