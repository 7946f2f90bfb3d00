package engine

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"

	"github.com/reweigh/reweigh/dataset"
)

// wire writes values to an index, or reads them from one: what describes a value serves for both.
// After an error it does nothing.
type wire struct {
	to   *bufio.Writer // nil if it reads
	from *bufio.Reader
	err  error // the first
}

var errIndex = errors.New("it is no index")

// reads reports whether values are read.
func (w *wire) reads() bool { return w.from != nil }

func (w *wire) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// number is a whole number, shorter the smaller it is.
func number[T ~int | ~int64 | ~uint16 | ~uint32 | ~uint64](w *wire, v *T) {
	switch {
	case w.err != nil:
	case w.reads():
		u, err := binary.ReadUvarint(w.from)
		if *v = T(u); err != nil || uint64(*v) != u {
			w.fail(errors.Join(errIndex, err))
		}
	default:
		_, err := w.to.Write(binary.AppendUvarint(w.to.AvailableBuffer(), uint64(*v)))
		w.err = err
	}
}

// bits are all 64 of a number.
func (w *wire) bits(v *uint64) {
	switch {
	case w.err != nil:
	case w.reads():
		b, err := w.from.Peek(8)
		if err != nil {
			w.fail(err)
			return
		}
		*v = binary.LittleEndian.Uint64(b)
		_, w.err = w.from.Discard(8)
	default:
		_, w.err = w.to.Write(binary.LittleEndian.AppendUint64(w.to.AvailableBuffer(), *v))
	}
}

func (w *wire) real(v *float64) {
	u := math.Float64bits(*v)
	w.bits(&u)
	*v = math.Float64frombits(u)
}

func (w *wire) float(v *dataset.Float) {
	x := v.OrNaN()
	w.real(&x)
	*v = dataset.Known(x)
}

func (w *wire) flag(v *bool) {
	var n uint32
	if *v {
		n = 1
	}
	number(w, &n)
	*v = n == 1
}

func (w *wire) text(v *string) {
	n := uint32(len(*v))
	number(w, &n)
	switch {
	case w.err != nil:
	case !w.reads():
		_, w.err = w.to.WriteString(*v)
	case int(n) <= w.from.Size():
		b, err := w.from.Peek(int(n))
		if *v = string(b); err != nil {
			w.fail(err)
			return
		}
		_, w.err = w.from.Discard(int(n))
	default: // made as it is read: a length is believed when there is as much
		b, err := io.ReadAll(io.LimitReader(w.from, int64(n)))
		if *v = string(b); err != nil || len(b) != int(n) {
			w.fail(errors.Join(errIndex, err))
		}
	}
}

func (w *wire) texts(vs ...*string) {
	for _, v := range vs {
		w.text(v)
	}
}

// json is what few records have, in the form that the journal has it in.
func (w *wire) json(v any) {
	var b []byte
	if !w.reads() {
		var err error
		if b, err = json.Marshal(v); err != nil {
			w.fail(err)
		}
	}
	text := string(b)
	w.text(&text)
	if w.reads() && w.err == nil {
		w.err = json.Unmarshal([]byte(text), v)
	}
}

// kinds numbers what many rows have in common in the order in which it is met.
type kinds[T any] struct {
	number map[*T]uint32
	list   []*T
}

// kind is what a row has in common with others: all of it where it is first met, and its number
// after that. keep returns the one that stands for all that are equal.
func kind[T any](w *wire, k *kinds[T], v **T, all func(*T), keep func(T) *T) {
	n := uint32(len(k.list))
	if !w.reads() {
		if k.number == nil {
			k.number = map[*T]uint32{}
		}
		if has, ok := k.number[*v]; ok {
			n = has
		}
	}
	number(w, &n)
	switch {
	case w.err != nil:
	case int(n) < len(k.list):
		*v = k.list[n]
	case int(n) > len(k.list):
		w.fail(errIndex)
	case w.reads():
		var one T
		all(&one)
		*v = keep(one)
		k.list = append(k.list, *v)
	default:
		all(*v)
		k.number[*v], k.list = n, append(k.list, *v)
	}
}

// mostAhead bounds how many rows there is room made for because an index says so.
const mostAhead = 1 << 20

// eachRow is every row that there is.
func eachRow[T any](w *wire, of *rows[T], row func(n uint32, h *T)) {
	n := uint32(len(of.place))
	number(w, &n)
	if w.reads() && w.err == nil {
		of.expect(min(int(n), mostAhead))
	}
	for i := uint32(0); i < n && w.err == nil; i++ {
		h := of.at(i)
		is := h != nil
		if w.flag(&is); !is {
			continue
		}
		if w.reads() {
			h = of.put(i)
		}
		row(i, h)
	}
}
