package dataset

import "testing"

func TestTokenDigest(t *testing.T) {
	d := DigestTokens([]int{1, 2, 300000})
	// printf '\0\0\0\1\0\0\0\2\0\4\223\340' | sha256sum
	if want := (TokenDigest{3, "51345a269a0fac6d"}); *d != want {
		t.Errorf("digest %+v, want %+v", *d, want)
	}
	for _, c := range []struct {
		ids  []int
		want bool
	}{
		{[]int{1, 2, 300000}, true},
		{[]int{1, 2, 300000, 4}, true},
		{[]int{1, 2}, false},
		{[]int{1, 2, 300001, 4}, false},
		{[]int{2, 1, 300000}, false},
		{nil, false},
	} {
		if got := d.Begins(c.ids); got != c.want {
			t.Errorf("begins %v: %v", c.ids, got)
		}
	}
	if DigestTokens(nil) != nil || (*TokenDigest)(nil).Begins([]int{1}) || (&TokenDigest{}).Begins([]int{1}) {
		t.Error("no ids are no digest, and nothing begins with it")
	}
}
