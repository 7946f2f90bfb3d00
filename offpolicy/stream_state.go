package offpolicy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// stateVersion begins every state; it changes with the layout.
const stateVersion = "reweigh accumulator 3\n"

// stateCoder walks over an accumulator's fields in one order, writing them to
// buf or reading them from it.
type stateCoder struct {
	buf  []byte
	read bool
	err  error
}

var errState = errors.New("the state is cut short or damaged")

func (s *stateCoder) uint(v *uint64) {
	if !s.read {
		s.buf = binary.BigEndian.AppendUint64(s.buf, *v)
		return
	}
	if len(s.buf) < 8 {
		s.buf, s.err = nil, errState
		return
	}
	*v, s.buf = binary.BigEndian.Uint64(s.buf), s.buf[8:]
}

func (s *stateCoder) int(vs ...*int64) {
	for _, v := range vs {
		u := uint64(*v)
		s.uint(&u)
		if *v = int64(u); *v < 0 {
			s.err = errState
		}
	}
}

func (s *stateCoder) float(vs ...*float64) {
	for _, v := range vs {
		u := math.Float64bits(*v)
		s.uint(&u)
		*v = math.Float64frombits(u)
	}
}

func (s *stateCoder) bool(vs ...*bool) {
	for _, v := range vs {
		var u uint64
		if *v {
			u = 1
		}
		s.uint(&u)
		if *v = u == 1; u > 1 {
			s.err = errState
		}
	}
}

func (s *stateCoder) string(v *string) {
	n := uint64(len(*v))
	s.uint(&n)
	if !s.read {
		s.buf = append(s.buf, *v...)
		return
	}
	if uint64(len(s.buf)) < n {
		s.buf, s.err = nil, errState
		return
	}
	*v, s.buf = string(s.buf[:n]), s.buf[n:]
}

func (a *Accumulator) code(s *stateCoder) {
	s.string(&a.policy)
	unit := int64(a.unit) + math.MaxInt32 // so that no field is negative
	s.int(&unit)
	a.unit = int(unit - math.MaxInt32)
	s.int(a.counts()...)
	s.float(&a.clip, &a.top, &a.heavy, &a.labelTop, &a.oneP, &a.least, &a.most)
	l := &a.lost
	s.float(&l.n, &l.y, &l.yy, &l.lostN, &l.lostY)
	for j := range a.bets.logs {
		s.float(&a.bets.products[j], &a.bets.logs[j].hi, &a.bets.logs[j].lo)
	}
	s.bool(&a.bets.infinite, &a.set, &a.stated, &a.unstated, &a.severalP)
	for _, x := range a.twofolds() {
		s.float(&x.hi, &x.lo)
	}
	c := &a.current
	s.bool(&c.open)
	s.string(&c.id)
	s.string(&c.logger)
	s.int(&c.rows, &c.weighted)
	s.float(&c.w, &c.labels)
	for k := range c.parts {
		p := &c.parts[k]
		s.float(&p.n, &p.d)
		s.int(&p.rows)
	}
	a.codeLoggers(s)
}

// codeLoggers is code for the sums by logger, in the order of their names.
func (a *Accumulator) codeLoggers(s *stateCoder) {
	names := slices.Sorted(maps.Keys(a.loggers))
	n := int64(len(names))
	s.int(&n)
	for i := int64(0); i < n && s.err == nil; i++ {
		var name string
		if !s.read {
			name = names[i]
		}
		if s.string(&name); s.read && s.err == nil && (name == "" || a.loggers[name] != nil) {
			s.err = errState
			return
		}
		l := a.logger(name)
		s.int(&l.rows, &l.finite)
		s.float(&l.log.hi, &l.log.lo)
		for k := range l.sums {
			for j := range l.sums[k] {
				s.float(&l.sums[k][j].hi, &l.sums[k][j].lo)
			}
		}
	}
}

// MarshalBinary returns the accumulator's state, of constant size but for the
// policy's name and the last prompt's id. It implements
// [encoding.BinaryMarshaler].
func (a *Accumulator) MarshalBinary() ([]byte, error) {
	s := &stateCoder{buf: []byte(stateVersion)}
	a.clone().code(s)
	return s.buf, nil
}

// UnmarshalBinary replaces the accumulator by the one whose state is given. It
// implements [encoding.BinaryUnmarshaler]. A state that is damaged, or of
// another version, is an error and changes nothing.
func (a *Accumulator) UnmarshalBinary(state []byte) error {
	if len(state) < len(stateVersion) || string(state[:len(stateVersion)]) != stateVersion {
		return fmt.Errorf("offpolicy: accumulator state: it does not begin with %q: it is no state, or another "+
			"version's; accumulate again", stateVersion)
	}
	out := *NewAccumulator("", 0)
	s := &stateCoder{buf: state[len(stateVersion):], read: true}
	out.code(s)
	if s.err == nil && (len(s.buf) > 0 || !(out.clip >= 0) || math.IsNaN(out.top) || out.unit%unitStep != 0) {
		s.err = errState
	}
	if s.err != nil {
		return fmt.Errorf("offpolicy: accumulator state: %w; accumulate again", s.err)
	}
	*a = out
	return nil
}
