package rights

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Settings are what an organisation decides about how requests are handled.
type Settings struct {
	// SecondPerson lists the types of requests that somebody other than who submitted or verified them
	// must approve before anything is done.
	SecondPerson []Type `json:"second_person_for"`
	// AnswerDays is how long a question to the person stays open before the request is closed; 0: 30 days.
	AnswerDays int `json:"days_to_answer_a_question,omitempty"`
	// PackageDays is how long a package can be downloaded, 1 to 30 days; 0: 14 days.
	PackageDays int `json:"days_a_package_lives,omitempty"`
}

// PackageLife returns for how many days packages can be downloaded.
func (s Settings) PackageLife() int {
	if s.PackageDays > 0 {
		return s.PackageDays
	}
	return defaults().PackageDays
}

// Settings returns the organisation's; the zero value if it never set any.
func (r *Room) Settings(ctx context.Context, t id.Tenant) (s Settings, err error) {
	s.SecondPerson = []Type{}
	var body string
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT body FROM rights_setting WHERE tenant_id = $1`, t).Scan(&body)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(body), &s)
}

// Set replaces the settings. They hold for requests that come in from now on.
//
// Errors: fail.Invalid for an unknown type, or days out of range.
func (r *Room) Set(ctx context.Context, t id.Tenant, s Settings) error {
	for _, typ := range s.SecondPerson {
		if !slices.Contains([]Type{Access, Portability, Rectification, Erasure, Restriction, Objection, HumanReview}, typ) {
			return fail.Field("second_person_for", "There is no such type of request.")
		}
	}
	if err := s.checkDays(); err != nil {
		return err
	}
	if s.PackageDays < 0 || s.PackageDays > maxPackageDays {
		return fail.Field("days_a_package_lives", "A package can be downloaded for 1 to %d days.", maxPackageDays)
	}
	if s.SecondPerson == nil {
		s.SecondPerson = []Type{}
	}
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO rights_setting (tenant_id, body) VALUES ($1, $2)
			ON CONFLICT (tenant_id) DO UPDATE SET body = excluded.body`, t, string(body))
		return err
	})
}

// maxPackageDays bounds how long a file with everything about a person lies ready.
const maxPackageDays = 30

// calendar returns by whose days the controller's clocks run.
func (c *Controller) calendar() Calendar {
	cal := Calendar{In: c.Location, Holiday: c.Holiday}
	if cal.In == nil {
		cal.In = Zone(c.Country)
	}
	if cal.Holiday == nil {
		cal.Holiday = Holidays(c.Country)
	}
	return cal
}

// policy puts together the rules of today.
func (r *Room) policy(ctx context.Context, t id.Tenant) (Controller, Rules, error) {
	controller, err := r.Controller(ctx, t)
	if err != nil {
		return controller, Rules{}, err
	}
	set, err := r.Settings(ctx, t)
	if err != nil {
		return controller, Rules{}, err
	}
	rules := Rules{Policy: defaults(), Calendar: controller.calendar()}
	rules.SecondPerson = set.SecondPerson
	rules.PackageDays = set.PackageLife()
	if set.AnswerDays > 0 {
		rules.AnswerDays = set.AnswerDays
	}
	rules.Country, rules.Zone = controller.Country, rules.In.String()
	for _, s := range r.Stores {
		rules.Stores = append(rules.Stores, s.Name())
	}
	return controller, rules, nil
}

// rules returns the numbers of a snapshot with the calendar of today; of today altogether for a request
// that has none.
func (r *Room) rules(ctx context.Context, t id.Tenant, snapshot string) (Controller, Rules, error) {
	controller, rules, err := r.policy(ctx, t)
	if err != nil || snapshot == "" {
		return controller, rules, err
	}
	body, err := r.Snapshot(ctx, t, snapshot)
	if err == nil {
		err = json.Unmarshal(body, &rules.Policy)
	}
	return controller, rules, err
}

// Snapshot returns the policy with the hash, as the JSON that was hashed, or a NotFound failure.
func (r *Room) Snapshot(ctx context.Context, t id.Tenant, sum string) (json.RawMessage, error) {
	var body string
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT body FROM rights_policy WHERE tenant_id = $1 AND sha256 = $2`, t, sum).Scan(&body)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fail.New(fail.NotFound, "There is no such policy.")
	}
	return json.RawMessage(body), err
}

func keepPolicy(ctx context.Context, tx *store.Tx, sum string, body []byte, now time.Time) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO rights_policy (tenant_id, sha256, body, made_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, sha256) DO NOTHING`, tx.TenantID(), sum, string(body), now.UnixMicro())
	return err
}
