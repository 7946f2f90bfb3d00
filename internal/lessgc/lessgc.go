// Package lessgc lets a test binary collect garbage a quarter as often: tests make much and
// keep little. They import it for its effect alone.
package lessgc

import "runtime/debug"

func init() { debug.SetGCPercent(400) }
