package work_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reweigh/reweigh/internal/work"
)

// Scoring begins with the first response, not with the last: each stage is an
// Each, and the results of the first are the items of the second.
func ExampleEach() {
	ctx := context.Background()
	responses := make(chan string, 3) // has room for all, so that neither stage waits for the other
	done := make(chan error)
	go func() {
		done <- work.Each(ctx, responses, work.Bounds{Limit: 2}, func(_ context.Context, r string) error {
			fmt.Println("score of", r)
			return nil
		})
	}()
	prompts := work.Items("p1", "p2", "p3")
	err := work.Each(ctx, prompts, work.Bounds{Limit: 1}, func(_ context.Context, p string) error {
		responses <- "the response to " + p
		return nil
	})
	close(responses)
	fmt.Println(err, <-done)
	// Unordered output:
	// score of the response to p1
	// score of the response to p2
	// score of the response to p3
	// <nil> <nil>
}

func ExampleBreaker() {
	down := errors.New("503")
	b := &work.Breaker{Failures: 3, Pause: 1, Probes: 2, OnPause: func(d time.Duration, err error) {
		fmt.Println("paused for", d, "after", err)
	}}
	n := 0
	items := work.Items(1, 2, 3, 4, 5, 6, 7, 8, 9)
	err := work.Each(context.Background(), items, work.Bounds{Limit: 1, Breaker: b}, func(context.Context, int) error {
		n++
		b.Report(down)
		return nil
	})
	fmt.Println(n, "items:", err)
	// Output:
	// paused for 1ns after 503
	// paused for 2ns after 503
	// 5 items: work: 5 items in a row failed, and waiting did not help; the last: 503
}
