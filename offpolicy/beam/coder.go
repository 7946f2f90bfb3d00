package beam

import (
	"reflect"

	sdk "github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/reweigh/reweigh/offpolicy"
)

// Without its coder a table would go from worker to worker as a struct without exported
// fields, which is an empty one, and nothing would fail until rows are counted.
func init() {
	sdk.RegisterType(reflect.TypeFor[offpolicy.Table]())
	sdk.RegisterCoder(reflect.TypeFor[*offpolicy.Table](), encodeTable, decodeTable)
}

func encodeTable(t *offpolicy.Table) ([]byte, error) { return t.MarshalBinary() }

func decodeTable(state []byte) (*offpolicy.Table, error) {
	t := new(offpolicy.Table)
	return t, t.UnmarshalBinary(state)
}
