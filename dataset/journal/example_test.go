package journal_test

import (
	"errors"
	"fmt"
	"os"

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
		for _, item := range items {
			if _, ok := done["answer"][item]; ok {
				continue
			}
			fmt.Println("do", item)
			if err := j.Append("answer", item, map[string]int{"length": len(item)}); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Println(run("one", "two"), run("one", "two", "three"))
	// Output:
	// do one
	// do two
	// do three
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
