// Package id holds the identifiers that all rooms share. Each kind has a type of its own, so that
// a tenant can't be handed over where a data subject is expected.
package id

import (
	"database/sql/driver"
	"fmt"

	"github.com/google/uuid"
)

// Tenant identifies an organisation, the controller of everything stored under it.
type Tenant uuid.UUID

// Subject is the random reference of one data subject on one device. It is never derived from an
// identifier and means nothing outside of this installation. After an erasure the same person gets
// a new one.
type Subject uuid.UUID

// NewTenant returns a fresh tenant identifier.
func NewTenant() Tenant { return Tenant(New()) }

// NewSubject returns a fresh, fully random (version 4) subject reference.
func NewSubject() Subject { return Subject(uuid.New()) }

// New returns a version 7 UUID: unique, and sorted by the time it was made.
func New() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// ParseTenant reads the canonical text form of a tenant identifier.
func ParseTenant(s string) (Tenant, error) {
	u, err := parse(s)
	return Tenant(u), err
}

// ParseSubject reads the canonical text form of a subject reference.
func ParseSubject(s string) (Subject, error) {
	u, err := parse(s)
	return Subject(u), err
}

// parse takes the 36 character form only: uuid.Parse also takes braces and URNs, and one thing
// with several spellings invites mistakes.
func parse(s string) (uuid.UUID, error) {
	if len(s) != 36 {
		return uuid.UUID{}, fmt.Errorf("not a UUID of the form 00000000-0000-0000-0000-000000000000")
	}
	return uuid.Parse(s)
}

// String returns the canonical text form.
func (t Tenant) String() string { return uuid.UUID(t).String() }

// IsZero tells whether no tenant is meant.
func (t Tenant) IsZero() bool { return t == Tenant{} }

// Value stores the 16 bytes.
func (t Tenant) Value() (driver.Value, error) { return t[:], nil }

// Scan reads the 16 bytes.
func (t *Tenant) Scan(src any) error { return scan(t[:], src) }

// MarshalText returns the canonical text form.
func (t Tenant) MarshalText() ([]byte, error) { return uuid.UUID(t).MarshalText() }

// UnmarshalText reads the canonical text form.
func (t *Tenant) UnmarshalText(b []byte) (err error) {
	*t, err = ParseTenant(string(b))
	return err
}

// String returns the canonical text form.
func (s Subject) String() string { return uuid.UUID(s).String() }

// IsZero tells whether no subject is meant.
func (s Subject) IsZero() bool { return s == Subject{} }

// Value stores the 16 bytes.
func (s Subject) Value() (driver.Value, error) { return s[:], nil }

// Scan reads the 16 bytes.
func (s *Subject) Scan(src any) error { return scan(s[:], src) }

// MarshalText returns the canonical text form.
func (s Subject) MarshalText() ([]byte, error) { return uuid.UUID(s).MarshalText() }

// UnmarshalText reads the canonical text form.
func (s *Subject) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSubject(string(b))
	return err
}

func scan(dst []byte, src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(dst) {
		return fmt.Errorf("an identifier column holds %T of %d bytes instead of 16 bytes", src, len(b))
	}
	copy(dst, b)
	return nil
}
