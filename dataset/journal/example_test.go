package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/reweigh/reweigh/dataset/journal"
)

// A run that is started twice does each item once.
func Example() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	run := func(items ...string) error {
		j, err := journal.Open(dir, journal.Options{Config: []byte(`{"seed": 42}`)})
		if err != nil {
			return err
		}
		defer j.Close()
		done, err := journal.Latest(dir, "answer")
		if err != nil {
			return err
		}
		var todo []string
		for _, item := range items {
			if _, ok := done["answer"][item]; !ok {
				todo = append(todo, item)
			}
		}
		fmt.Println("to do:", todo)
		return journal.Each(context.Background(), journal.Items(todo...), journal.Work{Limit: 2}, func(_ context.Context, item string) error {
			return j.Append("answer", item, map[string]int{"length": len(item)})
		})
	}
	fmt.Println(run("one", "two"), run("one", "two", "three"))
	// Output:
	// to do: [one two]
	// to do: [three]
	// <nil> <nil>
}

func ExampleOpen_otherConfiguration() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	j, err := journal.Open(dir, journal.Options{Config: []byte(`{"seed": 42, "temperature": 1}`)})
	if err != nil {
		panic(err)
	}
	j.Close()

	_, err = journal.Open(dir, journal.Options{Config: []byte(`{"seed": 7, "temperature": 1}`)})
	if other := (*journal.ConfigError)(nil); errors.As(err, &other) {
		for _, d := range other.Diffs {
			fmt.Printf("%s was %s and is now %s\n", d.Key, d.Journal, d.Given)
		}
	}
	// Output: seed was 42 and is now 7
}

func ExampleScan() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		panic(err)
	}
	defer j.Close()
	for _, text := range []string{"a draft", "the final word"} {
		if err := j.Append("response", "p1/p0/0", text); err != nil {
			panic(err)
		}
	}
	err = journal.Scan(dir, func(r journal.Record) error {
		fmt.Println(r.Seq, r.Kind, r.Key, string(r.Payload))
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// 1 response p1/p0/0 "a draft"
	// 2 response p1/p0/0 "the final word"
}

// Scoring begins with the first response, not with the last: the stages are two
// Eaches, and what the one makes is the other's item.
func ExampleEach() {
	responses := make(chan string, 3) // has room for all, so that no stage waits for the other's room
	done := make(chan error)
	go func() {
		done <- journal.Each(context.Background(), responses, journal.Work{Limit: 2}, func(_ context.Context, r string) error {
			fmt.Println("score of", r)
			return nil
		})
	}()
	err := journal.Each(context.Background(), journal.Items("p1", "p2", "p3"), journal.Work{Limit: 1}, func(_ context.Context, p string) error {
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
	b := &journal.Breaker{Failures: 3, Pause: 1, Probes: 2, OnPause: func(d time.Duration, err error) {
		fmt.Println("paused for", d, "after", err)
	}}
	n := 0
	err := journal.Each(context.Background(), journal.Items(1, 2, 3, 4, 5, 6, 7, 8, 9), journal.Work{Limit: 1, Breaker: b}, func(context.Context, int) error {
		n++
		b.Report(down)
		return nil
	})
	fmt.Println(n, "items:", err)
	// Output:
	// paused for 1ns after 503
	// paused for 2ns after 503
	// 5 items: journal: 5 items in a row failed, and waiting did not help; the last: 503
}
