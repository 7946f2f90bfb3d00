//go:build race

package providers_test

// drillCalls is less under the race detector, which slows the server's model
// down tenfold.
const drillCalls = 1_200
