package parquet

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

type convert = func([]byte, parquet.Value) ([]byte, error)

// errNotText is the error of bytes in a column that are no text, which no JSON holds.
var errNotText = errors.New("bytes that are not text in UTF-8 (write them as text)")

// converter returns how a type's values are written, nil where they are not.
func converter(t parquet.Type) convert {
	switch l := logical(t).(type) {
	case *format.DecimalType:
		return decimal(int(l.Precision), int(l.Scale))
	case *format.NullType: // of a column in which no row has a value
		return func(b []byte, v parquet.Value) ([]byte, error) { return append(b, "null"...), nil }
	case *format.TimestampType:
		if l.Unit.Value == nil {
			return nil
		}
		unit := l.Unit.Value.Duration()
		perSecond := int64(time.Second / unit)
		return func(b []byte, v parquet.Value) ([]byte, error) {
			n := v.Int64()
			return appendTime(b, time.Unix(n/perSecond, n%perSecond*int64(unit)))
		}
	case *format.TimeType:
		if l.Unit.Value == nil {
			return nil
		}
		unit := l.Unit.Value.Duration()
		return func(b []byte, v parquet.Value) ([]byte, error) {
			n := v.Int64()
			if v.Kind() == parquet.Int32 {
				n = int64(v.Int32())
			}
			return appendText(b, []byte(time.Unix(0, 0).UTC().Add(time.Duration(n)*unit).Format("15:04:05.999999999")))
		}
	case *format.DateType:
		return func(b []byte, v parquet.Value) ([]byte, error) {
			return appendText(b, []byte(time.Unix(int64(v.Int32())*24*60*60, 0).UTC().Format(time.DateOnly)))
		}
	case *format.UUIDType:
		return func(b []byte, v parquet.Value) ([]byte, error) { return appendUUID(b, v.ByteArray()) }
	case *format.Float16Type:
		return func(b []byte, v parquet.Value) ([]byte, error) { return appendHalf(b, v.ByteArray()) }
	case *format.JsonType:
		return func(b []byte, v parquet.Value) ([]byte, error) {
			if raw := v.ByteArray(); utf8.Valid(raw) && json.Valid(raw) {
				return append(b, raw...), nil
			}
			return appendText(b, v.ByteArray())
		}
	case *format.StringType, *format.EnumType:
		return func(b []byte, v parquet.Value) ([]byte, error) { return appendText(b, v.ByteArray()) }
	case *format.IntType:
		if l.IsSigned {
			break
		}
		return func(b []byte, v parquet.Value) ([]byte, error) {
			if v.Kind() == parquet.Int32 {
				return strconv.AppendUint(b, uint64(v.Uint32()), 10), nil
			}
			return strconv.AppendUint(b, v.Uint64(), 10), nil
		}
	}
	switch t.Kind() {
	case parquet.Boolean:
		return func(b []byte, v parquet.Value) ([]byte, error) { return strconv.AppendBool(b, v.Boolean()), nil }
	case parquet.Int32:
		return func(b []byte, v parquet.Value) ([]byte, error) {
			return strconv.AppendInt(b, int64(v.Int32()), 10), nil
		}
	case parquet.Int64:
		return func(b []byte, v parquet.Value) ([]byte, error) { return strconv.AppendInt(b, v.Int64(), 10), nil }
	case parquet.Int96: // a timestamp of older writers
		return func(b []byte, v parquet.Value) ([]byte, error) { return appendInt96(b, v.Int96()) }
	case parquet.Float:
		return func(b []byte, v parquet.Value) ([]byte, error) { return number(b, float64(v.Float()), 32) }
	case parquet.Double:
		return func(b []byte, v parquet.Value) ([]byte, error) { return number(b, v.Double(), 64) }
	case parquet.FixedLenByteArray:
		if t.Length() == 2 { // which nobody writes but for this
			return func(b []byte, v parquet.Value) ([]byte, error) { return appendHalf(b, v.ByteArray()) }
		}
		fallthrough
	case parquet.ByteArray:
		return func(b []byte, v parquet.Value) ([]byte, error) {
			for _, c := range v.ByteArray() {
				if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
					return b, errNotText // a key or a digest, which may look like UTF-8 by accident
				}
			}
			return appendText(b, v.ByteArray())
		}
	}
	return nil
}

// logical is what a column's type stands for, nil where that is the type itself.
func logical(t parquet.Type) format.LogicalTypeValue {
	if l := t.LogicalType(); l != nil {
		return l.Value
	}
	return nil
}

const hexDigits = "0123456789abcdef"

// appendText writes a JSON string.
func appendText(b, s []byte) ([]byte, error) {
	if !utf8.Valid(s) {
		return b, errNotText
	}
	b = append(b, '"')
	from := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[from:]...), '"'), nil
}

func appendTime(b []byte, t time.Time) ([]byte, error) {
	return appendText(b, []byte(t.UTC().Format(time.RFC3339Nano)))
}

// appendInt96 writes a timestamp of nanoseconds in a day and the Julian day.
func appendInt96(b []byte, v deprecated.Int96) ([]byte, error) {
	const epoch = 2440588 // 1970-01-01
	nanos := int64(v[1])<<32 | int64(v[0])
	return appendTime(b, time.Unix((int64(v[2])-epoch)*24*60*60, nanos))
}

func appendUUID(b, id []byte) ([]byte, error) {
	if len(id) != 16 {
		return b, fmt.Errorf("a UUID of %d bytes", len(id))
	}
	var s [36]byte
	hex.Encode(s[0:8], id[:4])
	hex.Encode(s[9:13], id[4:6])
	hex.Encode(s[14:18], id[6:8])
	hex.Encode(s[19:23], id[8:10])
	hex.Encode(s[24:], id[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return appendText(b, s[:])
}

// appendHalf writes a number of 16 bits, IEEE 754.
func appendHalf(b, raw []byte) ([]byte, error) {
	if len(raw) != 2 {
		return b, fmt.Errorf("a number of 16 bits in %d bytes", len(raw))
	}
	h := binary.LittleEndian.Uint16(raw)
	sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return number(b, sign*math.Ldexp(frac, -24), 32)
	case 31:
		if frac != 0 {
			return number(b, math.NaN(), 32)
		}
		return number(b, math.Inf(int(sign)), 32)
	}
	return number(b, sign*math.Ldexp(1024+frac, exp-25), 32)
}

// mostDigits is how many digits a float64, which most readers of JSON make of a number,
// holds of any decimal.
const mostDigits = 15

// decimal writes the digits of a number with scale of them behind the point, all of them: as
// text if the column may have more than a float64 holds.
func decimal(precision, scale int) convert {
	if scale < 0 || scale > 1000 {
		return nil
	}
	return func(b []byte, v parquet.Value) ([]byte, error) {
		n := new(big.Int)
		switch v.Kind() {
		case parquet.Int32:
			n.SetInt64(int64(v.Int32()))
		case parquet.Int64:
			n.SetInt64(v.Int64())
		default: // two's complement, the highest byte first
			raw := v.ByteArray()
			n.SetBytes(raw)
			if len(raw) > 0 && raw[0]&0x80 != 0 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
			}
		}
		digits := new(big.Int).Abs(n).String()
		for len(digits) <= scale {
			digits = "0" + digits
		}
		if precision > mostDigits {
			b = append(b, '"')
		}
		if n.Sign() < 0 {
			b = append(b, '-')
		}
		b = append(b, digits[:len(digits)-scale]...)
		if scale > 0 {
			b = append(append(b, '.'), digits[len(digits)-scale:]...)
		}
		if precision > mostDigits {
			b = append(b, '"')
		}
		return b, nil
	}
}

// number writes a number; NaN is how tables write that there is none.
func number(b []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) {
		return append(b, "null"...), nil
	}
	if math.IsInf(f, 0) {
		return b, fmt.Errorf("the number %v, which JSON does not have (write it as text, or null)", f)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits), nil
}
