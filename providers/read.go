package providers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// reader reads one JSON document from a stream, in one pass, value by value. The
// first failure sticks: every later read gives nothing, so that the code that
// says what a reply holds asks for the error once, at the end.
//
// It holds one token of the document at a time, and of what it reads no more
// than its caller keeps: what is not asked for is passed over and only has to be
// JSON. Of a key that stands twice in an object, once makes an error
// where the key decides; elsewhere the last one counts.
type reader struct {
	dec     *jsontext.Decoder
	in      *input
	scratch []byte
	err     error
	failed  bool          // err is of what the document says, not of how it is written
	seen    [128]string   // texts of tokens
	top     []Alternative // of the last position, to be copied
	kept    int           // alternatives so far
}

// input is where a reader's document comes from: bounded, and at an end with the
// context, however fast the bytes come.
type input struct {
	ctx   context.Context
	src   io.Reader
	limit int64 // bytes
	read  int64
	head  []byte // what the document begins with, for messages
	keep  *bytes.Buffer
	began bool
	err   error // of src, besides its end
	bare  bare
	left  []byte // read, and still to be handed out
	end   error  // that follows it
}

const (
	headBytes  = 512
	chunkBytes = 64 << 10 // read between two looks at the context
	// Decoders that have grown past this are left to the garbage collector.
	reuseBytes = 1 << 20
)

var (
	errTooLarge = errors.New("the reply is too large")
	decoders    = sync.Pool{New: func() any { return new(jsontext.Decoder) }}
)

// bom is a mark that some servers put before their JSON.
var bom = []byte("\xef\xbb\xbf")

func (in *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := in.ctx.Err(); err != nil {
			return 0, err
		}
		if len(in.left) > 0 || in.end != nil {
			break
		}
		in.fill(p[:min(len(p), chunkBytes)])
	}
	n := copy(p, in.left)
	if in.left = in.left[n:]; len(in.left) > 0 {
		return n, nil
	}
	return n, in.end
}

// fill reads the next chunk by way of p.
func (in *input) fill(p []byte) {
	var n int
	var err error
	if in.began {
		n, err = in.src.Read(p)
	} else {
		in.began = true
		start := make([]byte, len(bom))
		if n, err = io.ReadFull(in.src, start); errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		n = copy(p, bytes.TrimPrefix(start[:n], bom)) // a decoder's buffer is larger
	}
	in.read += int64(n)
	if len(in.head) < headBytes {
		in.head = append(in.head, p[:min(n, headBytes-len(in.head))]...)
	}
	if in.keep != nil {
		in.keep.Write(p[:n])
	}
	if err != nil && err != io.EOF {
		in.err = err
	}
	if in.read > in.limit {
		in.end = fmt.Errorf("%w: more than %d KiB", errTooLarge, in.limit>>10)
		return
	}
	in.left, in.end = in.bare.next(p[:n], err != nil), err
}

// readJSON hands a reader of the document in src to read, and returns what kept
// the document from being read to its end.
func readJSON(in *input, read func(*reader)) error {
	r := &reader{in: in, dec: decoders.Get().(*jsontext.Decoder)}
	r.dec.Reset(in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	read(r)
	if r.err == nil {
		switch _, err := r.dec.ReadToken(); {
		case err == nil:
			r.fail("something follows the document")
		case err != io.EOF:
			r.broken(err)
		}
	}
	if in.read <= reuseBytes {
		decoders.Put(r.dec)
	}
	return r.err
}

// broken keeps the first error of the decoder, with where it is.
func (r *reader) broken(err error) {
	if r.err != nil {
		return
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.err = fmt.Errorf("byte %d: it ends too early: %w", r.in.read, io.ErrUnexpectedEOF)
	case errors.As(err, &syntax):
		// The library's text quotes what it met.
		r.err = fmt.Errorf("byte %d, at %s: %w", syntax.ByteOffset, place(syntax.JSONPointer), syntax.Err)
	default:
		r.err = err
	}
}

// fail is an error of the reader's own about what was read last: the document is
// JSON so far.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.failed = true
		r.err = fmt.Errorf("byte %d, at %s: %s", r.dec.InputOffset(), place(r.dec.StackPointer()),
			fmt.Sprintf(format, args...))
	}
}

// place shortens a JSON pointer, whose names a server chose.
func place(p jsontext.Pointer) string { return strconv.Quote(cut(string(p), 80)) }

// kind is that of the next value: 'n', 't', 'f', '"', '0', '{' or '['; 0 after an
// error.
func (r *reader) kind() jsontext.Kind {
	if r.err != nil {
		return 0
	}
	k := r.dec.PeekKind()
	if k == 0 {
		_, err := r.dec.ReadToken()
		r.broken(err)
	}
	return k
}

// skip passes over a value.
func (r *reader) skip() {
	if r.err == nil {
		if err := r.dec.SkipValue(); err != nil {
			r.broken(err)
		}
	}
}

// enter begins an object, '{', or a list, '[', and reports whether there is
// something in it. A value of another kind is passed over. The idiom is
//
//	for ok := r.enter('{'); ok; ok = r.more('}') {
//		switch string(r.key()) { … }
//	}
func (r *reader) enter(open jsontext.Kind) bool {
	if r.kind() != open {
		r.skip()
		return false
	}
	if _, err := r.dec.ReadToken(); err != nil {
		r.broken(err)
		return false
	}
	return r.more(open + 2) // '}' and ']' stand two behind '{' and '['
}

// more reports whether another element follows, and leaves the object or list
// where none does.
func (r *reader) more(end jsontext.Kind) bool {
	switch r.kind() {
	case 0:
		return false
	case end:
		_, err := r.dec.ReadToken()
		if err != nil {
			r.broken(err)
		}
		return false
	}
	return true
}

// key is the name of a member, valid until the next read.
func (r *reader) key() []byte {
	k, _ := r.raw()
	return k
}

// once makes an error of a key that stands twice in one object: of two values it
// cannot be known which is meant. seen starts at 0 for each object, and each key
// has a bit of it.
func (r *reader) once(seen *uint32, bit uint, key string) {
	if *seen&(1<<bit) != 0 {
		r.fail("%q stands twice in one object", key)
	}
	*seen |= 1 << bit
}

// raw is a string without its quotes and escapes, valid until the next read.
// What is not valid UTF-8 in it shows as U+FFFD, and whole is false then.
func (r *reader) raw() (text []byte, whole bool) {
	if r.err != nil {
		return nil, true
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		r.broken(err)
		return nil, true
	}
	if len(v) < 2 || v[0] != '"' {
		r.fail("want a string")
		return nil, true
	}
	if in := v[1 : len(v)-1]; bytes.IndexByte(in, '\\') < 0 && utf8.Valid(in) {
		return in, true
	}
	r.scratch, err = jsontext.AppendUnquote(r.scratch[:0], v)
	return r.scratch, err == nil
}

// text is a string that has to be what the server meant, and whether there is
// one: any other kind of value is passed over. What is no text, such as half of
// a surrogate pair, is an error, not replaced.
func (r *reader) text(most int) (string, bool) {
	if r.kind() != '"' {
		r.skip()
		return "", false
	}
	s, whole := r.raw()
	switch {
	case !whole:
		r.fail("the text is not valid UTF-8")
	case len(s) > most:
		r.fail("a text of %d bytes, where no more than %d can stand", len(s), most)
	}
	return string(s), r.err == nil
}

// piece is the text of a token: part of a character shows as U+FFFD in it.
func (r *reader) piece() string {
	if r.kind() != '"' {
		r.skip()
		return ""
	}
	return r.pieceOf(r.scalar())
}

// pieceOf is the text in quotes, v.
func (r *reader) pieceOf(v []byte) string {
	if len(v) < 2 {
		return "" // after an error
	}
	s := v[1 : len(v)-1]
	if !plain(s) {
		s, _ = jsontext.AppendUnquote(r.scratch[:0], v)
		r.scratch = s
	}
	switch {
	case len(s) > maxPiece:
		r.fail("a token of %d bytes", len(s))
		return ""
	case len(s) == 0 || len(s) > 16:
		return string(s)
	}
	// Text is made of few words, over and over: the last one that fell on a
	// place is kept, and is the same string for all tokens that spell it.
	last := &r.seen[(uint(s[0])+31*uint(s[len(s)/2])+17*uint(s[len(s)-1])+uint(len(s)))%uint(len(r.seen))]
	if *last != string(s) {
		*last = string(s)
	}
	return *last
}

// plain reports whether a short text in quotes stands for itself: it has no escapes, and is UTF-8.
func plain(s []byte) bool {
	for _, c := range s {
		if c >= utf8.RuneSelf || c == '\\' {
			return bytes.IndexByte(s, '\\') < 0 && utf8.Valid(s)
		}
	}
	return true
}

// maxPiece is more than any vocabulary's longest token has, in bytes.
const maxPiece = 4 << 10

// word is a name or a message: of any length, and cut. A number or a list of
// words is written out, null and objects are empty.
func (r *reader) word(most int) string {
	switch r.kind() {
	case '"':
		s, _ := r.raw()
		return cut(string(s[:min(len(s), most+utf8.UTFMax)]), most)
	case '0':
		v, err := r.dec.ReadValue()
		if err != nil {
			r.broken(err)
		}
		return string(v[:min(len(v), most)])
	case '[':
		var words []string
		size := 0
		for ok := r.enter('['); ok; ok = r.more(']') {
			if r.kind() != '"' || size >= most {
				r.skip()
				continue
			}
			w := r.word(most - size)
			if w != "" {
				words, size = append(words, w), size+len(w)+2
			}
		}
		return strings.Join(words, "; ")
	}
	r.skip()
	return ""
}
