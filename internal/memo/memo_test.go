package memo

import "testing"

func TestTable(t *testing.T) {
	made := 0
	table := Table[int, int]{Size: 2}
	square := func(k int) int {
		return table.Get(k, func() int { made++; return k * k })
	}
	for i, c := range []struct{ key, made int }{{3, 1}, {3, 1}, {4, 2}, {3, 2}, {5, 3}, {3, 4}} { // 5 finds it full
		if got := square(c.key); got != c.key*c.key || made != c.made {
			t.Errorf("call %d: %d of %d, worked out %d times, want %d", i, got, c.key, made, c.made)
		}
	}
}
