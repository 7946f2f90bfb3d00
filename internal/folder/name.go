package folder

import (
	"errors"
	"fmt"
	"strings"
)

// maxName leaves room in a file's name, of which systems take 255 bytes, for what is
// put around a name: an ending, and that of a temporary file.
const maxName = 100

// CheckName reports why a name may not become a file's, by one rule for Linux, macOS
// and Windows: at most 100 letters from a to z, digits and . _ - + = @, beginning with
// a letter, a digit or an underscore, not ending in a full stop, and not the name of a
// device on Windows. Letters beyond a to z are out because systems disagree on when
// two of them are the same.
func CheckName(name string) error {
	if name == "" {
		return errors.New("it is empty")
	}
	if len(name) > maxName {
		return fmt.Errorf("it has %d bytes, and a file's name has room for %d", len(name), maxName)
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
		switch {
		case letter, i > 0 && strings.ContainsRune(".-+=@", r):
		case i == 0 && strings.ContainsRune(".-+=@", r):
			return fmt.Errorf("it begins with %+q: want a letter, a digit or an underscore first", r)
		default:
			return fmt.Errorf("it holds %+q: want letters from a to z, digits and . _ - + = @, which every system has in "+
				"file names", r)
		}
	}
	if strings.HasSuffix(name, ".") {
		return errors.New("it ends in a full stop, which Windows drops")
	}
	stem, _, _ := strings.Cut(Fold(name), ".")
	if devices[stem] || len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && stem[3] >= '0' && stem[3] <= '9' {
		return fmt.Errorf("%s is a device on Windows", strings.ToUpper(stem))
	}
	return nil
}

var devices = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true}

// Fold is the same for names that are one file's where case does not count, of names
// that pass [CheckName].
func Fold(name string) string { return strings.ToLower(name) }
