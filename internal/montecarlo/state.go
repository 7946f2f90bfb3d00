package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// state keeps what is finished, one JSON object a line, so that a run that was stopped
// goes on where it was. A line that was cut short is not finished.
type state struct {
	path string
	done map[string]json.RawMessage
}

// stateLine is one finished design or cell.
type stateLine struct {
	Key     string          `json:"key"`
	Outcome json.RawMessage `json:"outcome"`
}

func openState(path string) (*state, error) {
	s := &state{path: path, done: map[string]json.RawMessage{}}
	if path == "" {
		return s, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var l stateLine
		if json.Unmarshal(lines.Bytes(), &l) == nil {
			s.done[l.Key] = l.Outcome
		}
	}
	return s, lines.Err()
}

// once returns what compute says of key, from the state if it is there.
func once[T any](s *state, key string, compute func() (T, error)) (T, error) {
	var out T
	if raw, ok := s.done[key]; ok {
		return out, json.Unmarshal(raw, &out)
	}
	out, err := compute()
	if err != nil || s.path == "" {
		return out, err
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return out, fmt.Errorf("%s: %w", key, err)
	}
	line, err := json.Marshal(stateLine{key, raw})
	if err != nil {
		return out, err
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return out, err
	}
	// It begins with a line's end, should the one before have been cut short.
	_, err = f.Write(append(append([]byte{'\n'}, line...), '\n'))
	return out, errors.Join(err, f.Close())
}
