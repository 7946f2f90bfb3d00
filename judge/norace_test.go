//go:build !race

package judge_test

const (
	simItems = 2000
	simSlack = 1
)
