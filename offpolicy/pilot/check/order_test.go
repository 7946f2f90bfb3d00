package check

import "testing"

func TestOrdered(t *testing.T) {
	for _, c := range []struct {
		reason, want string
		checks       []Check
	}{
		{"a chain, whatever the order of the files", "abc",
			[]Check{{ID: "c", After: "b"}, {ID: "a"}, {ID: "b", After: "a"}}},
		{"a new check before the old one in its file", "anbc",
			[]Check{{ID: "a"}, {ID: "n", After: "a"}, {ID: "b", After: "a"}, {ID: "c", After: "b"}}},
		{"a new check after all others", "anbc",
			[]Check{{ID: "a"}, {ID: "b", After: "a"}, {ID: "c", After: "b"}, {ID: "n", After: "a"}}},
		{"two new ones in the order of the files", "anmbc",
			[]Check{{ID: "a"}, {ID: "b", After: "a"}, {ID: "n", After: "a"}, {ID: "c", After: "b"}, {ID: "m", After: "a"}}},
	} {
		got := ""
		for _, x := range ordered(c.checks) {
			got += x.ID
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.reason, got, c.want)
		}
	}
}

func TestOrderedAfterNothing(t *testing.T) {
	for reason, checks := range map[string][]Check{
		"no such check":     {{ID: "a"}, {ID: "b", After: "gone"}},
		"behind each other": {{ID: "a"}, {ID: "b", After: "c"}, {ID: "c", After: "b"}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", reason)
				}
			}()
			ordered(checks)
		}()
	}
}
