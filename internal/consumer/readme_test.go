package consumer_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeExample holds the README's Go example to the code above that is
// compiled and run.
func TestReadmeExample(t *testing.T) {
	_, rest, ok1 := strings.Cut(read(t, "example_test.go"), "// README begins\n")
	code, _, ok2 := strings.Cut(rest, "// README ends\n")
	if !ok1 || !ok2 {
		t.Fatal("example_test.go has lost its marks")
	}
	if want := "```go\n" + strings.TrimSpace(code) + "\n```"; !strings.Contains(read(t, "../../README.md"), want) {
		t.Errorf("README.md does not hold the example as it is tested; it should have\n%s", want)
	}
}

// read returns a file with the line ends that it has in the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}
