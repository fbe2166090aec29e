package consent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/subject"
)

// consentAge is the age from which a child can agree alone to an information society service offered
// directly to it (Art. 8(1) GDPR: 16 unless the law of the state says less, and never below 13). Behind
// each stands what sets it, as supervisory authorities and official collections of law gave it in
// November 2026; "national law" where the age was confirmed and the provision was not.
var consentAge = map[string]int{
	"AT": 14, // Datenschutzgesetz § 4(4)
	"BE": 13, // Act of 30 July 2018, Art. 7
	"BG": 14, // Personal Data Protection Act, Art. 25c
	"HR": 16, // Act on the Implementation of the GDPR, Art. 19
	"CY": 14, // Law 125(I)/2018, s. 8
	"CZ": 15, // Act 110/2019 § 7
	"DK": 15, // national law, raised from 13 on 1 January 2024
	"EE": 13, // Personal Data Protection Act § 8
	"FI": 13, // Data Protection Act 1050/2018 § 5
	"FR": 15, // Loi Informatique et Libertés, Art. 45; below it child and parent agree together
	"DE": 16, // Art. 8(1) GDPR
	"GR": 15, // Law 4624/2019, Art. 21
	"HU": 16, // Art. 8(1) GDPR
	"IE": 16, // Data Protection Act 2018, s. 31
	"IT": 14, // Codice Privacy, Art. 2-quinquies
	"LV": 13, // Personal Data Processing Law, s. 33
	"LT": 14, // Law on Legal Protection of Personal Data, Art. 6
	"LU": 16, // Art. 8(1) GDPR
	"MT": 13, // S.L. 586.11
	"NL": 16, // Art. 8(1) GDPR
	"PL": 16, // Art. 8(1) GDPR
	"PT": 13, // Lei 58/2019; a bill to change it is before parliament
	"RO": 16, // Art. 8(1) GDPR
	"SK": 16, // Act 18/2018 § 15
	"SI": 15, // ZVOP-2, Art. 8
	"ES": 14, // Ley Orgánica 3/2018, Art. 7
	"SE": 13, // national law
	"IS": 13, // Act 90/2018, Art. 10
	"LI": 16, // Art. 8(1) GDPR
	"NO": 13, // Personopplysningsloven § 5; a rise to 15 was proposed
	"GB": 13, // national law
}

// AgeOfConsent returns the age of digital consent in a country, named by its ISO 3166-1 code; 16, the
// highest there is, for a country that is not in the table.
func AgeOfConsent(country string) int {
	if age, ok := consentAge[strings.ToUpper(country)]; ok {
		return age
	}
	return 16
}

// Bands are the ages that a site may declare. Nothing finer is wanted: the year of birth of a grown-up
// is no business of a gate.
func Bands() []string { return []string{"0-12", "13", "14", "15", "16+"} }

// Age is what a site declares about the age of a visitor.
type Age struct {
	Band    string    `json:"band"`
	Country string    `json:"country"`        // ISO 3166-1; empty: not said, and the highest age holds
	Until   time.Time `json:"until,omitzero"` // when the child reaches the age, if the site knows; then it is asked itself
}

// Check tells what is wrong with a declared age, naming the field.
func (a *Age) Check() error { return a.check() }

func (a *Age) check() error {
	if !slices.Contains(Bands(), a.Band) {
		return fail.Field("age_band", "The age is not one of %s.", strings.Join(Bands(), ", "))
	}
	if a.Country != "" && len(a.Country) != 2 || strings.ContainsFunc(a.Country, func(c rune) bool { return c < 'A' || c > 'Z' }) {
		return fail.Field("country", "The country is not an ISO 3166-1 code such as DE.")
	}
	return nil
}

// Minor tells whether a child of that band can't agree alone.
func (a *Age) Minor() bool {
	youngest := map[string]int{"0-12": 0, "13": 13, "14": 14, "15": 15, "16+": 16}
	return youngest[a.Band] < AgeOfConsent(a.Country)
}

func (a *Age) entry() *entryAge {
	if a == nil {
		return nil
	}
	return &entryAge{Band: a.Band, Country: a.Country, Consent: AgeOfConsent(a.Country)}
}

// SetAgeGate makes a deployment ask for an age before anything is granted on it, or stops that. country
// is assumed for choices that name none; it may be empty.
func (r *Room) SetAgeGate(ctx context.Context, t id.Tenant, deployment uuid.UUID, on bool, country string) error {
	if country != "" {
		if err := (&Age{Band: "16+", Country: country}).check(); err != nil {
			return err
		}
	}
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { r.settings.Drop(t) })
		if !on {
			_, err := tx.Exec(ctx, `DELETE FROM consent_age_gate WHERE tenant_id = $1 AND deployment = $2`, t, deployment)
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO consent_age_gate (tenant_id, deployment, country) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, deployment) DO UPDATE SET country = excluded.country`, t, deployment, country)
		return err
	})
	if err != nil {
		return unavailable(err, "set an age gate")
	}
	return nil
}

// AgeGate tells whether a deployment asks for an age before anything is granted on it.
func (r *Room) AgeGate(ctx context.Context, t id.Tenant, deployment uuid.UUID) (bool, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return false, err
	}
	_, on := set.ageGates[deployment]
	return on, nil
}

func (s *settings) readAgeGates(ctx context.Context, tx *store.Tx) error {
	rows, err := tx.Query(ctx, `SELECT deployment, country FROM consent_age_gate WHERE tenant_id = $1`, tx.TenantID())
	if err != nil {
		return err
	}
	defer rows.Close()
	s.ageGates = map[uuid.UUID]string{}
	for rows.Next() {
		var d uuid.UUID
		var country string
		if err := rows.Scan(&d, &country); err != nil {
			return err
		}
		s.ageGates[d] = country
	}
	return rows.Err()
}

// checkAge refuses a grant on a deployment with an age gate unless the visitor is declared old enough.
// A refusal needs no age.
//
// Errors: fail.Invalid for a missing or malformed age; fail.Forbidden with code consent.parent.required
// for a child: see AskParent.
func (s *settings) checkAge(c *Choice) error {
	country, gated := s.ageGates[c.Deployment]
	if !gated && c.Age == nil {
		return nil
	}
	grants := false
	for _, yes := range c.Purposes {
		grants = grants || yes
	}
	if !grants {
		return nil
	}
	if c.Age == nil {
		return fail.Field("age_band", "This deployment asks for an age before anything is granted.").WithCode("consent.age.required")
	}
	if c.Age.Country == "" {
		c.Age.Country = country
	}
	if err := c.Age.check(); err != nil {
		return err
	}
	if c.Age.Minor() {
		return fail.New(fail.Forbidden, "At this age a holder of parental responsibility has to authorise it (Art. 8 GDPR).").WithCode("consent.parent.required")
	}
	return nil
}

// Child is a child's wish to agree, which a parent has to authorise.
type Child struct {
	Deployment uuid.UUID
	Nonce      string
	Visitor    *uuid.UUID // nil: none known; one is made
	Subject    id.Subject // a child whom staff have found already; zero: Who or Visitor says who
	Who        Who        // a child whom staff name by an identity; empty: Visitor says who
	Purposes   []string
	Age        Age
	Parent     string // e-mail address of the holder of parental responsibility
	By         string // as of an OptIn
}

// AskParent sends the holder of parental responsibility one letter. Nothing is granted until they
// confirm. The visitor id it returns is what the grant will be found under: the page that asked keeps
// it for that service and nothing else. For a child named by Subject there is none. Errors are those of RequestOptIn, and fail.Invalid with field
// age_band for somebody who is old enough.
func (r *Room) AskParent(ctx context.Context, t id.Tenant, c Child) (visitor uuid.UUID, err error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return uuid.Nil, err
	}
	if c.Age.Country == "" {
		c.Age.Country = set.ageGates[c.Deployment]
	}
	if err := c.Age.check(); err != nil {
		return uuid.Nil, err
	}
	if !c.Age.Minor() {
		return uuid.Nil, fail.Field("age_band", "At this age the person decides alone.")
	}
	if r.post == nil {
		return uuid.Nil, fail.New(fail.Conflict, "This installation sends no letters. Start it with --smtp-url and --mail-from.").WithCode("mail.off")
	}
	if _, err := r.openNonce(ctx, t, c.Nonce, c.Deployment); err != nil {
		return uuid.Nil, err
	}
	if c.Subject.IsZero() && c.Who.Kind != "" {
		if c.Subject, err = r.subjects.EnsureSince(ctx, t, c.Who.Kind, c.Who.Value, r.clk.Now()); err != nil {
			return uuid.Nil, err
		}
	}
	if !c.Subject.IsZero() {
		_, err := r.ask(ctx, t, asking{
			kind: AskParent, deployment: c.Deployment, nonce: c.Nonce, email: c.Parent, purposes: c.Purposes, child: c.Subject, age: &c.Age, by: c.By,
		})
		return uuid.Nil, err
	}
	visitor = uuid.New()
	if c.Visitor != nil {
		if _, known, err := r.subjects.Lookup(ctx, t, subject.Cookie, c.Visitor.String()); err != nil {
			return uuid.Nil, err
		} else if known {
			visitor = *c.Visitor
		}
	}
	s, err := r.subjects.Ensure(ctx, t, subject.Cookie, visitor.String())
	if err != nil {
		return uuid.Nil, err
	}
	_, err = r.ask(ctx, t, asking{
		kind: AskParent, deployment: c.Deployment, nonce: c.Nonce, email: c.Parent, purposes: c.Purposes, child: s, age: &c.Age, by: c.By,
	})
	return visitor, err
}
