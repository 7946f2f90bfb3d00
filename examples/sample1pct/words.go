package main

import "github.com/reweigh/reweigh/offpolicy/pilot"

// flagOf is the flag by which each setting of a run is changed.
var flagOf = map[pilot.Field]string{
	pilot.FieldDir:         "-out",
	pilot.FieldPrompts:     "-n",
	pilot.FieldArms:        "-policies",
	pilot.FieldTemplates:   "-policies",
	pilot.FieldLabels:      "-label-design",
	pilot.FieldProbes:      "-probes",
	pilot.FieldOracle:      "-labels",
	pilot.FieldGrader:      "-openai-url",
	pilot.FieldPrices:      "-prices",
	pilot.FieldBudget:      "-budget",
	pilot.FieldFullBudget:  "-full-budget",
	pilot.FieldConcurrency: "-concurrency",
	pilot.FieldResolution:  "-width",
	pilot.FieldWaived:      "-waive",
}

// words says a change of a setting as this command line has it.
func words(c pilot.Change) string {
	s := flagOf[c.Field]
	if s != "" && c.To != "" {
		s += " " + quoted(c.To)
	}
	return s
}
