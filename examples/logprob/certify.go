package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// certificateLife is how long a certificate counts: what a service runs changes.
const certificateLife = 24 * time.Hour

// certify asks whether the endpoint's values can be trusted, unless it was asked
// within the last day. shown is the kind that the server has shown, if it was declared as none.
func certify(ctx context.Context, f *teacherforce.Forcer, g teacherforce.Generator, p offpolicy.Policy,
	endpoint string, shown providers.Kind) error {
	file := certificateFile(endpoint, p)
	if certified(file, endpoint, p, time.Now()) {
		return nil
	}
	cert, err := f.Certify(ctx, g, p)
	if err != nil {
		return fmt.Errorf("the endpoint could not be certified, and nothing was scored: %w", err)
	}
	if !cert.OK {
		var failed []string
		for _, probe := range cert.Probes {
			if !probe.OK {
				failed = append(failed, fmt.Sprintf("%s: %s", probe.Name, probe.Detail))
			}
		}
		use := "Use another -endpoint, or another kind for it, or -template (raw renders nothing)"
		if shown != "" {
			use = fmt.Sprintf("The server shows itself to be of kind %[1]s: declare it as -endpoint NAME=%[1]s:URL", shown)
		}
		return fmt.Errorf("the endpoint's log-probs of %s cannot be trusted, and nothing was scored: %s. %s; -no-certify "+
			"scores all the same, and flags every value", p.Model, strings.Join(failed, "; "), use)
	}
	cert.Endpoint, cert.Issued = endpoint, time.Now().UTC()
	keep(file, cert)
	return nil
}

// certificateFile is where the certificate of an endpoint, model and template is
// kept; empty if the user has no cache folder.
func certificateFile(endpoint string, p offpolicy.Policy) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	h := sha256.Sum256([]byte(strings.Join([]string{endpoint, p.Model, p.Template, p.System}, "\x00")))
	return filepath.Join(dir, "reweigh", "certificates", hex.EncodeToString(h[:16])+".json")
}

// certified reports whether the file holds a certificate that counts.
func certified(file, endpoint string, p offpolicy.Policy, now time.Time) bool {
	b, err := os.ReadFile(file)
	var c teacherforce.Certificate
	if err != nil || json.Unmarshal(b, &c) != nil {
		return false
	}
	age := now.Sub(c.Issued)
	return c.OK && c.Endpoint == endpoint && c.Model == p.Model && c.Template == p.Template && age >= 0 &&
		age < certificateLife
}

// keep puts a certificate on file. One that cannot be kept is asked for again.
func keep(file string, c teacherforce.Certificate) {
	b, err := json.Marshal(c)
	if err != nil || file == "" || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "new-*")
	if err != nil {
		return
	}
	_, err = tmp.Write(b)
	if tmp.Close() != nil || err != nil || os.Rename(tmp.Name(), file) != nil {
		os.Remove(tmp.Name())
	}
}
