package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxRecord is the longest line of a journal in bytes, and so the largest record.
const maxRecord = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// body is the JSON part of a line.
type body struct {
	Kind    string          `json:"kind"`
	Key     string          `json:"key"`
	Payload json.RawMessage `json:"payload"`
}

// encodeBody puts the JSON of a record into buf and returns it, at most so many bytes of it.
// It never contains a line break: encoding/json writes none, and takes those of raw payloads
// out. It leaves <, > and & as they are, for whoever greps the log.
func encodeBody(buf *bytes.Buffer, kind, key string, payload any, most int) ([]byte, error) {
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	member := func(name string, v any) error {
		buf.WriteString(name)
		if text, ok := v.(string); ok && plain(text) {
			buf.WriteByte('"')
			buf.WriteString(text)
			buf.WriteByte('"')
			return nil
		}
		if err := enc.Encode(v); err != nil {
			return err
		}
		buf.Truncate(buf.Len() - 1) // the line break
		return nil
	}
	if err := errors.Join(member(`{"kind":`, kind), member(`,"key":`, key), member(`,"payload":`, payload)); err != nil {
		return nil, err
	}
	buf.WriteByte('}')
	if buf.Len() > most {
		return nil, fmt.Errorf("%d bytes are more than a record may have (%d)", buf.Len(), most)
	}
	return buf.Bytes(), nil
}

// plain reports whether a text is its own JSON.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// unescaped are the parts of what encodeBody made where nothing in kind and key is
// escaped; its checksum says that raw, which they are part of, is as it was written. A
// payload is not looked at: it was JSON then.
func unescaped(raw []byte) (kind, key, payload []byte, ok bool) {
	for _, m := range []struct {
		name  string
		value *[]byte
	}{{`{"kind":"`, &kind}, {`,"key":"`, &key}} {
		rest, found := bytes.CutPrefix(raw, []byte(m.name))
		if !found {
			return nil, nil, nil, false
		}
		end := bytes.IndexAny(rest, `"\`)
		if end < 0 || rest[end] != '"' || !utf8.Valid(rest[:end]) {
			return nil, nil, nil, false
		}
		*m.value, raw = rest[:end], rest[end+1:]
	}
	payload, found := bytes.CutPrefix(raw, []byte(`,"payload":`))
	if !found || len(payload) < 2 || payload[len(payload)-1] != '}' {
		return nil, nil, nil, false
	}
	return kind, key, payload[:len(payload)-1], true
}

// marshal writes JSON as encodeBody does.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}

// frame appends a line with that JSON to an empty slice.
func frame(line []byte, seq int64, json []byte) []byte {
	line = append(line, make([]byte, sumSize+1)...)
	line = strconv.AppendInt(line, int64(len(json)), 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, seq, 10)
	line = append(line, ' ')
	line = append(line, json...)
	sum := sumOf(line[sumSize+1:])
	copy(line, sum[:])
	line[sumSize] = ' '
	return append(line, '\n')
}

// sumSize is the length of a checksum's text.
const sumSize = 2 * crc32.Size

// sumOf is the text of a checksum.
func sumOf(b []byte) (text [sumSize]byte) {
	var sum [crc32.Size]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(b, castagnoli))
	hex.Encode(text[:], sum[:])
	return text
}

// parseFrame undoes frame for a line with its line break. The JSON is part of
// line. An altered byte anywhere makes it fail.
func parseFrame(line []byte) (seq int64, json []byte, ok bool) {
	if len(line) < sumSize+2 || line[sumSize] != ' ' || line[len(line)-1] != '\n' {
		return 0, nil, false
	}
	rest := line[sumSize+1 : len(line)-1]
	if sumOf(rest) != [sumSize]byte(line) {
		return 0, nil, false
	}
	length, rest, _ := bytes.Cut(rest, []byte{' '})
	number, json, _ := bytes.Cut(rest, []byte{' '})
	n, err := strconv.Atoi(string(length))
	if err != nil || n != len(json) {
		return 0, nil, false
	}
	seq, err = strconv.ParseInt(string(number), 10, 64)
	return seq, json, err == nil && seq >= 0
}

// lineReader reads whole lines and knows where they start.
type lineReader struct {
	r   *bufio.Reader
	off int64 // of the next line
	buf []byte
}

func newLineReader(r io.Reader, off int64) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 256<<10), off: off}
}

// errTooLong stands for a line that no journal writes.
var errTooLong = errors.New("line too long")

// next returns the next line with its line break, good until the following
// call. At the end it returns io.EOF and what follows the last line break. Of a
// line longer than maxRecord it returns errTooLong and no bytes, having passed
// over it.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		l.off += int64(len(part))
		if err == nil && !long && len(l.buf) == 0 {
			return part, nil
		}
		if long = long || len(l.buf)+len(part) > maxRecord; long {
			l.buf = l.buf[:0]
		} else {
			l.buf = append(l.buf, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == nil && long:
			return nil, errTooLong
		default:
			return l.buf, err
		}
	}
}
