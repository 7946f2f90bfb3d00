// Package record is what a pilot's verdict is computed from, and what it is made of:
// the values that checks, forecasts and reports share. Nothing here asks anybody
// anything.
//
// # The model
//
// A run has arms ([Arm]): policies, each with a [Role]. One of them logs; the others
// are targets, or clones of the one that logs. Its stages each owe a known set of
// records, and that plan of keys follows from the prompts, the arms and the seed
// alone: [ResponseKeys] are the responses, [Compared] the prompts on which every
// method of teacher forcing is computed, Assigned what the oracle labels, [Plants]
// where the canaries go.
//
// [Records] are all of it: the arms, what was planned, how the run ended ([Stop]), and
// the rows of every kind. Rows are read through [Rows], one at a time and by key, never
// as a slice: a run may keep them where memory does not.
//
// # From records to a decision
//
// A check reads Records and makes a [Finding]: a status, the figures and record keys
// that it rests on, a threshold and a remedy. [Decide] turns findings into GO, HOLD or
// NO-GO. A [CostEstimate] is what a run is expected to cost, a [Projection] what a larger
// one will take and answer, policy by policy ([Question]).
//
// # Remedies
//
// What is to be changed is data: a [Remedy] is a sentence and the settings ([Change])
// that it speaks of, by the names that the configuration has for them. A program says
// them in its own words, such as its flags.
package record
