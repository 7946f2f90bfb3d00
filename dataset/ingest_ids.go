package dataset

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// numberID is an id that a file states as a number, or null as "": its digits, whichever way they
// are written, so that 7, 7.0 and "7" are one id in every file.
func numberID(field string, raw []byte) (string, error) {
	v, err := decodeAny(raw)
	if err != nil {
		return "", fmt.Errorf("field %q: %w", field, err)
	}
	switch v := v.(type) {
	case string:
		return v, nil // more digits than a float64 has
	case float64:
		if v != math.Trunc(v) {
			return "", fmt.Errorf("field %q is %v: an id must be text or an integer", field, v)
		}
		if math.Abs(v) > 1<<53 && bytes.ContainsAny(raw, ".eE") {
			return "", fmt.Errorf("field %q is %s, a float, which has lost the last digits of an id that long: "+
				"write ids as text or integers", field, raw)
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", nil
}

// sharedIDs looks for rows that state one id; index is sorted by it.
func (p *pass) sharedIDs(index []uint32) error {
	var later, first uint32 // the earliest row that repeats an id, and the one it repeats
	found := false
	for from := 0; from < len(index); {
		to := from + 1
		for to < len(index) && p.entries.at(int(index[to])).id == p.entries.at(int(index[from])).id {
			to++
		}
		var group []uint32
		for _, i := range index[from:to] {
			if p.entries.at(int(i)).own {
				group = append(group, i)
			}
		}
		from = to
		if len(group) < 2 || p.shape.repeats && p.oneText(group) {
			continue
		}
		if p.opt.SetAside != nil {
			if err := p.setApart(group); err != nil {
				return err
			}
			continue
		}
		slices.Sort(group)
		if !found || group[1] < later {
			found, first, later = true, group[0], group[1]
		}
	}
	if !found {
		return nil
	}
	return &LineError{Name: p.name, Line: int(p.entries.at(int(later)).line),
		Hint: "keep one of the two rows, or give them ids of their own",
		Err:  fmt.Errorf("%w: %s is on line %d already", ErrDuplicateID, p.idOf(int(later)), p.entries.at(int(first)).line)}
}

func (p *pass) oneText(group []uint32) bool {
	for _, i := range group[1:] {
		if p.entries.at(int(i)).norm != p.entries.at(int(group[0])).norm {
			return false
		}
	}
	return true
}

// setApart leaves the first of a group that shares an id.
func (p *pass) setApart(group []uint32) error {
	first := true
	for _, i := range group {
		e := p.entries.at(int(i))
		if e.reason != kept {
			continue
		}
		if first {
			first = false
			continue
		}
		e.reason = dropMalformed
		p.dropped[dropMalformed].add(fmt.Sprintf("line %d", e.line))
		err := fmt.Errorf("%w: %s is that of another row, too", ErrDuplicateID, p.idOf(int(i)))
		if err := setAside(p.opt.SetAside, int(e.line), "", err); err != nil {
			return err
		}
	}
	return nil
}

// idOf names a row's id in a message.
func (p *pass) idOf(row int) string {
	if p.retain {
		return fmt.Sprintf("%s %q", p.idField, p.ids[row])
	}
	unknown := "its " + p.idField
	rows, err := p.again()
	if err != nil {
		return unknown
	}
	defer rows.Close()
	for n := 0; ; n++ {
		line, obj, err := rows.Next()
		switch {
		case !skippable(err):
			return unknown
		case n == row && err == nil:
			return fmt.Sprintf("%s %q", p.idField, p.head(line, obj, nil).id)
		}
	}
}

// distinctIDs makes sure that no made-up id is another row's own.
func (p *pass) distinctIDs() error {
	byIDHash := slices.Clone(p.kept)
	slices.SortFunc(byIDHash, func(a, b int) int {
		x, y := p.entries.at(a), p.entries.at(b)
		return bytes.Compare(x.id[:], y.id[:])
	})
	for i, row := range byIDHash[1:] {
		x, y := p.entries.at(byIDHash[i]), p.entries.at(row)
		if x.id != y.id {
			continue
		}
		if x.own {
			x = y
		}
		return fmt.Errorf("dataset: %s: %w: prompt_id %q (give every row an id)", p.name, ErrDuplicateID,
			fmt.Sprintf("p%x", x.norm[:8]))
	}
	return nil
}
