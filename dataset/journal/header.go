package journal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// version is the format's; a journal of another one is refused.
const version = 1

// header is the JSON of the first line. Format comes first: a header of which
// only a part was written is known by it.
type header struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Config  json.RawMessage `json:"config"`
}

const (
	formatName  = "reweigh journal"
	headerStart = `{"format":"` + formatName + `"`
)

func encodeHeader(config json.RawMessage) ([]byte, error) {
	raw, err := marshal(header{formatName, version, config})
	if err != nil {
		return nil, err
	}
	return frame(nil, 0, raw), nil
}

func checkHeader(raw []byte, path string) error {
	var h header
	if err := json.Unmarshal(raw, &h); err != nil || h.Format != formatName {
		return notAJournal(path)
	}
	if h.Version != version {
		return fmt.Errorf("journal: %s has format version %d, this program reads version %d (use the program that made it)",
			path, h.Version, version)
	}
	return nil
}

func notAJournal(path string) error {
	return fmt.Errorf("journal: %s is no journal, and is left as it is (choose another folder)", path)
}

// headerPrefix reports whether b could be the start of a header that was cut
// short, so that starting over destroys nothing.
func headerPrefix(b []byte) bool {
	m := cutHeader.FindSubmatch(b)
	if m == nil {
		return false
	}
	n := min(len(m[1]), len(headerStart))
	return string(m[1][:n]) == headerStart[:n]
}

// cutHeader is a frame of number 0 that may end anywhere; its group is the JSON.
var cutHeader = regexp.MustCompile(`^(?:[0-9a-f]{0,8}|[0-9a-f]{8} [0-9]*|[0-9a-f]{8} [0-9]+ 0?|[0-9a-f]{8} [0-9]+ 0 (?s:(.*)))$`)

// ConfigError is the refusal to append to a journal that was made under another
// configuration: its records and new ones would not belong together.
type ConfigError struct {
	Dir   string
	Diffs []ConfigDiff // sorted by key
}

// ConfigDiff is one setting that differs. Its key is a path, as
// policies[0].model. A value is its JSON, or empty if the key is absent.
type ConfigDiff struct{ Key, Journal, Given string }

func (e *ConfigError) Error() string {
	var parts []string
	for _, d := range e.Diffs {
		parts = append(parts, fmt.Sprintf("%s (journal: %s; now: %s)", cmp.Or(d.Key, "configuration"), shown(d.Journal),
			shown(d.Given)))
	}
	return fmt.Sprintf("journal: %s was made under another configuration: %s (choose another folder, or go back to "+
		"the old settings)",
		e.Dir, strings.Join(parts, ", "))
}

func shown(value string) string {
	if r := []rune(value); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return cmp.Or(value, "absent")
}

// sameConfig compares a header's configuration with given, by value: neither
// white space nor the order of keys counts.
func sameConfig(dir string, head, given []byte) error {
	var h header
	if err := json.Unmarshal(head, &h); err != nil {
		return err
	}
	a, err := decodeConfig(h.Config)
	if err != nil {
		return err
	}
	b, err := decodeConfig(given)
	if err != nil {
		return err
	}
	diffs := diffValues(nil, "", a, b)
	if len(diffs) == 0 {
		return nil
	}
	slices.SortFunc(diffs, func(x, y ConfigDiff) int { return cmp.Compare(x.Key, y.Key) })
	return &ConfigError{dir, diffs}
}

func decodeConfig(raw []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // seeds use all 64 bits
	err = dec.Decode(&v)
	return v, err
}

// absent stands for a value that one side lacks; null is a value.
type absent struct{}

func diffValues(diffs []ConfigDiff, path string, a, b any) []ConfigDiff {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			keys := maps.Clone(x)
			maps.Copy(keys, y)
			for k := range keys {
				diffs = diffValues(diffs, strings.TrimPrefix(path+"."+k, "."), member(x, k), member(y, k))
			}
			return diffs
		}
	case []any:
		if y, ok := b.([]any); ok {
			for i := range max(len(x), len(y)) {
				diffs = diffValues(diffs, fmt.Sprintf("%s[%d]", path, i), element(x, i), element(y, i))
			}
			return diffs
		}
	}
	if reflect.DeepEqual(a, b) {
		return diffs
	}
	return append(diffs, ConfigDiff{path, text(a), text(b)})
}

func member(m map[string]any, k string) any {
	if v, ok := m[k]; ok {
		return v
	}
	return absent{}
}

func element(s []any, i int) any {
	if i < len(s) {
		return s[i]
	}
	return absent{}
}

func text(v any) string {
	if v == (absent{}) {
		return ""
	}
	b, _ := marshal(v) // decoded from JSON, so it has a JSON form
	return string(b)
}
