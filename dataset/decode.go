package dataset

import "encoding/json"

// A record's key may be absent from a line that another tool wrote. Decoded the
// usual way it would read as 0, which is a number and a strong one: certainty as
// a log-prob, the worst as a score. Each record with a Float therefore starts out
// as missing and lets the line fill it in.
//
// A struct that embeds a record inherits its UnmarshalJSON, and so reads nothing
// but the record: give the record a field name instead.

// UnmarshalJSON reads a record; an absent logprob is missing.
func (r *Response) UnmarshalJSON(b []byte) error {
	type plain Response
	p := plain{}
	err := json.Unmarshal(b, &p)
	*r = Response(p)
	return err
}

// UnmarshalJSON reads a result; an absent logprob is missing.
func (m *MethodResult) UnmarshalJSON(b []byte) error {
	type plain MethodResult
	p := plain{}
	err := json.Unmarshal(b, &p)
	*m = MethodResult(p)
	return err
}

// UnmarshalJSON reads a record; an absent logprob or spread is missing.
func (l *LogProb) UnmarshalJSON(b []byte) error {
	type plain LogProb
	p := plain{}
	err := json.Unmarshal(b, &p)
	*l = LogProb(p)
	return err
}

// UnmarshalJSON reads a record; an absent label is missing.
func (o *OracleLabel) UnmarshalJSON(b []byte) error {
	type plain OracleLabel
	p := plain{}
	err := json.Unmarshal(b, &p)
	*o = OracleLabel(p)
	return err
}

// UnmarshalJSON reads a record; an absent mean, variance or calibrated score is
// missing.
func (s *JudgeScore) UnmarshalJSON(b []byte) error {
	type plain JudgeScore
	p := plain{}
	err := json.Unmarshal(b, &p)
	*s = JudgeScore(p)
	return err
}
