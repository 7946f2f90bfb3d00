package providers

import "bytes"

// bare replaces by null the NaN, Infinity and -Infinity that Python's json module
// writes outside of strings and that JSON does not have: none of them is a count or a
// log-prob, so each counts as missing. It follows a document chunk by chunk.
type bare struct {
	inString bool
	escaped  bool   // the last byte was a backslash in a string
	held     []byte // the end of the last chunk, which may be the beginning of a word
}

var bareWords = [][]byte{[]byte("NaN"), []byte("Infinity"), []byte("-Infinity")}

// next is a chunk as it is to be read; last says that none follows.
func (b *bare) next(chunk []byte, last bool) []byte {
	if len(b.held) > 0 {
		chunk = append(b.held, chunk...)
		b.held = nil
	}
	if !last {
		keep := bareBeginning(chunk)
		b.held = bytes.Clone(chunk[len(chunk)-keep:])
		chunk = chunk[:len(chunk)-keep]
	}
	if !bytes.Contains(chunk, bareWords[0]) && !bytes.Contains(chunk, bareWords[1]) {
		b.pass(chunk)
		return chunk
	}
	out := make([]byte, 0, len(chunk)+len(chunk)/3)
	for len(chunk) > 0 {
		n, as := 1, chunk[:1]
		switch c := chunk[0]; {
		case b.escaped:
			b.escaped = false
		case b.inString && c == '\\':
			b.escaped = true
		case c == '"':
			b.inString = !b.inString
		case !b.inString && (c == 'N' || c == 'I' || c == '-'):
			for _, w := range bareWords {
				if bytes.HasPrefix(chunk, w) {
					n, as = len(w), []byte("null")
				}
			}
		}
		out, chunk = append(out, as...), chunk[n:]
	}
	return out
}

// pass follows a chunk that has none of the words.
func (b *bare) pass(chunk []byte) {
	if b.escaped && len(chunk) > 0 {
		b.escaped, chunk = false, chunk[1:]
	}
	quotes := 0
	for at := bytes.IndexByte(chunk, '\\'); at >= 0; at = bytes.IndexByte(chunk, '\\') {
		quotes += bytes.Count(chunk[:at], []byte{'"'})
		if b.escaped = at+1 == len(chunk); b.escaped {
			chunk = nil
			break
		}
		chunk = chunk[at+2:]
	}
	quotes += bytes.Count(chunk, []byte{'"'})
	b.inString = b.inString != (quotes%2 == 1)
}

// bareBeginning is how many bytes at the end of a chunk may be the beginning of a word.
func bareBeginning(chunk []byte) int {
	keep := 0
	if bytes.HasSuffix(chunk, bareWords[0]) {
		return 0 // its last letter is no beginning
	}
	for _, w := range bareWords {
		for n := min(len(w)-1, len(chunk)); n > keep; n-- {
			if bytes.HasSuffix(chunk, w[:n]) {
				keep = n
			}
		}
	}
	return keep
}
