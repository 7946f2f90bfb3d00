//go:build race

package pilot_test

// raceEnabled is true where every access is watched, and arithmetic is slow.
const raceEnabled = true
