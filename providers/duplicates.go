package providers

// duplicateKey returns a key that stands twice in one object of valid JSON.
// encoding/json merges the two values, arrays element by element, so that a
// token of one list would get the log-prob of another. Keys are compared as
// they are spelled.
func duplicateKey(body []byte) (string, bool) {
	type frame struct {
		object bool
		keys   [][]byte
	}
	var stack []frame
	key := false // the next string is a key
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '{':
			stack, key = append(stack, frame{object: true}), true
		case '[':
			stack, key = append(stack, frame{}), false
		case '}', ']':
			stack, key = stack[:len(stack)-1], false
		case ',':
			key = stack[len(stack)-1].object
		case '"':
			start := i + 1
			for i++; body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
			if !key {
				continue
			}
			top := &stack[len(stack)-1]
			for _, k := range top.keys {
				if string(k) == string(body[start:i]) {
					return string(k), true
				}
			}
			top.keys, key = append(top.keys, body[start:i]), false
		}
	}
	return "", false
}
