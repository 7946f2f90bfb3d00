// Package engine does the work of a pilot: it takes a [Job], brings every record that
// the job owes into its folder, and returns them.
//
// Every record goes to the journal before it counts (store.go). The stages run side by
// side as one graph of work: an item begins when the responses that it is about are
// there (work.go, stages.go). Whatever ends a run early is a [record.Stop]; the next
// start in the folder goes on from there. Outputs are written from the journal at the
// end and read back (output.go).
//
// The engine decides nothing: whether a run may start, what it is expected to cost and
// what its records are worth is said elsewhere. While it works it shows its records to
// the job's Show.
package engine
