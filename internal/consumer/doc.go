// Package consumer holds the library as others use it: testdata/main.go is the
// program of another module, compiled and run outside this one by .ci/run, and
// the tests keep the README's example the code that is tested here.
package consumer
