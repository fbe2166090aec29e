package main

import (
	"os"

	"probity/internal/fail"
	"probity/internal/opendsr"
	"probity/internal/rights"
)

// openOpenDSR reads the certificate that signs what controllers are answered.
func openOpenDSR(e *engines, r *rights.Room, s *settings) (*opendsr.Room, error) {
	var o opendsr.Options
	if s.OpenDSRCertificate != "" || s.OpenDSRKey != "" {
		for _, f := range []struct {
			name, path string
			into       *[]byte
		}{{"opendsr-certificate", s.OpenDSRCertificate, &o.Certificate}, {"opendsr-key", s.OpenDSRKey, &o.Key}} {
			raw, err := os.ReadFile(f.path)
			if err != nil {
				return nil, fail.Wrap(fail.Invalid, err, "%s: the file can't be read; a certificate and its key are needed", f.name)
			}
			*f.into = raw
		}
	}
	return opendsr.New(e.db, r, e.clock, e.log, o)
}
