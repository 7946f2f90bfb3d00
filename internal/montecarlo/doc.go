// Command montecarlo simulates evaluations whose true answer is known and writes
// how often the intervals of package offpolicy hold it, how wide they are, and
// what is refused: the table in offpolicy/montecarlo.md.
//
//	go run ./internal/montecarlo -out offpolicy/montecarlo.md
//
// A design is a number of prompts, of labels, an overlap, and a judge that means
// the same under the target as on the logs or does not; each is evaluated with
// none and with 25 labels of the target's own. Repetitions are seeded by design
// and number, so that the table is the same whatever the machine.
//
// A second set of worlds, by a generator of its own (internal/worlds), has data that
// are missing, chosen, rare and compared: values, differences, A/A, bands and
// familywise error, each held to a limit. With -state FILE a run that was stopped goes
// on where it was:
//
//	go run ./internal/montecarlo -state mc.jsonl -out offpolicy/montecarlo.md
package main
