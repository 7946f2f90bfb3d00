package consumer_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeExample holds the README's Go example to the code above that is
// compiled and run.
func TestReadmeExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok1 := strings.Cut(string(source), "// README begins\n")
	code, _, ok2 := strings.Cut(rest, "// README ends\n")
	if !ok1 || !ok2 {
		t.Fatal("example_test.go has lost its marks")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "```go\n" + strings.TrimSpace(code) + "\n```"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not hold the example as it is tested; it should have\n%s", want)
	}
}
