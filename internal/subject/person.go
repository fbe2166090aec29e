package subject

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Identity is one identity of a subject, opened.
type Identity struct {
	Subject id.Subject
	Kind    Kind
	Value   string // normalised
	Since   time.Time
}

// Identify binds identities to a subject, whose row and key must exist, and returns the subjects
// that newly belong to the same person because they carry one of these identities. Callers announce
// them, so that every cache learns of it.
//
// Rules: cookies can't be bound this way; a subject that already carries another external_id keeps
// it, and the new one is left out, because a shared device must not weld two customers together.
// Nothing is merged by an identity that was left out.
func (r *Room) Identify(ctx context.Context, tx *store.Tx, s id.Subject, ids map[Kind]string) (merged []id.Subject, err error) {
	t := tx.TenantID()
	now := r.clk.Now().UnixMicro()
	for _, k := range Kinds() {
		value, ok := ids[k]
		if !ok {
			continue
		}
		if k == Cookie {
			return nil, fail.Field(string(k), "A cookie can't be bound to a known visitor.")
		}
		if value, err = Normalise(k, value); err != nil {
			return nil, err
		}
		digest, err := r.keys.BlindIndex(ctx, t, index(k), value)
		if err != nil {
			return nil, unavailable(err, "make the blind index of an identity")
		}
		if k == ExternalID {
			other, err := r.hasOther(ctx, tx, s, k, digest)
			if err != nil {
				return nil, err
			}
			if other {
				continue
			}
		}
		if err := r.bind(ctx, tx, s, k, value, digest, now); err != nil {
			return nil, err
		}
		joined, err := r.join(ctx, tx, s, k, digest)
		if err != nil {
			return nil, err
		}
		merged = append(merged, joined...)
	}
	if len(merged) > 0 {
		members, err := r.Person(ctx, tx, s)
		if err != nil {
			return nil, err
		}
		tx.AfterCommit(func() { r.Forget(t, members...) })
	}
	return merged, nil
}

func (r *Room) bind(ctx context.Context, tx *store.Tx, s id.Subject, k Kind, value string, digest []byte, now int64) error {
	t := tx.TenantID()
	sealed, err := r.keys.Seal(ctx, t, s, aad(t, s, k), []byte(value))
	if err != nil {
		return unavailable(err, "seal an identity")
	}
	// First as the one that leads, then beside the one that does.
	for _, leads := range []string{"TRUE", "FALSE"} {
		n, err := tx.Exec(ctx, `
			INSERT INTO subject_identity (tenant_id, subject, kind, digest, value, leads, since)
			VALUES ($1, $2, $3, $4, $5, `+leads+`, $6)
			ON CONFLICT DO NOTHING`,
			t, s, string(k), digest, sealed, now)
		if err != nil || n == 1 {
			return err
		}
	}
	return nil // was bound already
}

// join puts all subjects that carry the identity into one person and returns those that were not in
// the person of s before.
func (r *Room) join(ctx context.Context, tx *store.Tx, s id.Subject, k Kind, digest []byte) ([]id.Subject, error) {
	t := tx.TenantID()
	mine, err := personOf(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	persons, err := scanAll(ctx, tx, `
		SELECT DISTINCT person FROM subject
		WHERE tenant_id = $1 AND person <> $4 AND subject IN (
			SELECT subject FROM subject_identity WHERE tenant_id = $1 AND kind = $2 AND digest = $3)`,
		t, string(k), digest, mine)
	if err != nil || len(persons) == 0 {
		return nil, err
	}
	var joined []id.Subject
	target := mine
	for _, p := range persons {
		if bytes.Compare(p[:], target[:]) < 0 {
			target = p
		}
		members, err := scanAll(ctx, tx, `SELECT subject FROM subject WHERE tenant_id = $1 AND person = $2 ORDER BY subject`, t, p)
		if err != nil {
			return nil, err
		}
		joined = append(joined, members...)
	}
	for _, p := range append(persons, mine) {
		if p == target {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE subject SET person = $3 WHERE tenant_id = $1 AND person = $2`, t, p, target); err != nil {
			return nil, err
		}
	}
	return joined, nil
}

func (r *Room) hasOther(ctx context.Context, tx *store.Tx, s id.Subject, k Kind, digest []byte) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `
		SELECT count(*) FROM subject_identity
		WHERE tenant_id = $1 AND subject = $2 AND kind = $3 AND digest <> $4`,
		tx.TenantID(), s, string(k), digest).Scan(&n)
	return n > 0, err
}

// Person returns all subjects of the person that s belongs to, s included, sorted. A subject
// without a row is a person of its own.
func (r *Room) Person(ctx context.Context, tx *store.Tx, s id.Subject) ([]id.Subject, error) {
	all, err := scanAll(ctx, tx, `
		SELECT subject FROM subject
		WHERE tenant_id = $1 AND person = (SELECT person FROM subject WHERE tenant_id = $1 AND subject = $2)
		ORDER BY subject`,
		tx.TenantID(), s)
	if err == nil && len(all) == 0 {
		all = []id.Subject{s}
	}
	return all, err
}

// Exists tells whether the subject is there: it was made and not erased since.
func (r *Room) Exists(ctx context.Context, tx *store.Tx, s id.Subject) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM subject WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), s).Scan(&n)
	return n > 0, err
}

// Find returns all subjects of the persons who carry the identity, sorted; none if nobody does.
func (r *Room) Find(ctx context.Context, t id.Tenant, k Kind, value string) ([]id.Subject, error) {
	value, err := Normalise(k, value)
	if err != nil {
		return nil, err
	}
	digest, err := r.keys.BlindIndex(ctx, t, index(k), value)
	if err != nil {
		return nil, unavailable(err, "make the blind index of an identity")
	}
	var all []id.Subject
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		all, err = scanAll(ctx, tx, `
			SELECT subject FROM subject WHERE tenant_id = $1 AND person IN (
				SELECT person FROM subject WHERE tenant_id = $1 AND subject IN (
					SELECT subject FROM subject_identity WHERE tenant_id = $1 AND kind = $2 AND digest = $3))
			ORDER BY subject`,
			t, string(k), digest)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "find a person")
	}
	return all, nil
}

// Identities returns the opened identities of one subject, sorted by kind and value.
func (r *Room) Identities(ctx context.Context, t id.Tenant, s id.Subject) ([]Identity, error) {
	var out []Identity
	var sealed [][]byte
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out, sealed = nil, nil
		rows, err := tx.Query(ctx, `
			SELECT kind, value, since FROM subject_identity
			WHERE tenant_id = $1 AND subject = $2`, t, s)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kind string
			var value []byte
			var since int64
			if err := rows.Scan(&kind, &value, &since); err != nil {
				return err
			}
			out = append(out, Identity{Subject: s, Kind: Kind(kind), Since: time.UnixMicro(since).UTC()})
			sealed = append(sealed, value)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "read the identities of a subject")
	}
	for i := range out {
		plain, err := r.keys.Open(ctx, t, s, aad(t, s, out[i].Kind), sealed[i])
		if err != nil {
			return nil, unavailable(err, "open an identity")
		}
		out[i].Value = string(plain)
	}
	slices.SortFunc(out, func(a, b Identity) int {
		if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
	return out, nil
}

// Rename replaces an identity of the subjects by another (Art. 16) and returns how many subjects
// carried the old one. Persons are not merged by it: a correction must not hand one person's data
// to another.
func (r *Room) Rename(ctx context.Context, tx *store.Tx, subjects []id.Subject, k Kind, old, new string) (int, error) {
	t := tx.TenantID()
	old, err := Normalise(k, old)
	if err != nil {
		return 0, err
	}
	if new, err = Normalise(k, new); err != nil {
		return 0, err
	}
	from, err := r.keys.BlindIndex(ctx, t, index(k), old)
	if err != nil {
		return 0, unavailable(err, "make the blind index of an identity")
	}
	to, err := r.keys.BlindIndex(ctx, t, index(k), new)
	if err != nil {
		return 0, unavailable(err, "make the blind index of an identity")
	}
	renamed := 0
	now := r.clk.Now().UnixMicro()
	for _, s := range subjects {
		n, err := tx.Exec(ctx, `
			DELETE FROM subject_identity
			WHERE tenant_id = $1 AND subject = $2 AND kind = $3 AND digest = $4`,
			t, s, string(k), from)
		if err != nil {
			return renamed, err
		}
		if n == 0 {
			continue
		}
		if err := r.bind(ctx, tx, s, k, new, to, now); err != nil {
			return renamed, err
		}
		renamed++
	}
	if err := promote(ctx, tx, k, from); err != nil {
		return renamed, err
	}
	changed := slices.Clone(subjects)
	tx.AfterCommit(func() { r.Forget(t, changed...) })
	return renamed, nil
}

// Erase deletes the subjects and their identities and keeps a keyed digest of each identity, so
// that late or replayed data of them is refused. An identity that a remaining subject carries too
// goes on leading there and is not suppressed. Erasing twice does nothing.
func (r *Room) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) error {
	t := tx.TenantID()
	now := r.clk.Now()
	type carried struct {
		kind   string
		digest string
	}
	lost := map[carried]bool{}
	for _, s := range subjects {
		rows, err := tx.Query(ctx, `SELECT kind, digest FROM subject_identity WHERE tenant_id = $1 AND subject = $2`, t, s)
		if err != nil {
			return err
		}
		for rows.Next() {
			var kind string
			var digest []byte
			if err := rows.Scan(&kind, &digest); err != nil {
				rows.Close()
				return err
			}
			lost[carried{kind, string(digest)}] = true
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM subject_identity WHERE tenant_id = $1 AND subject = $2`, t, s); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM subject WHERE tenant_id = $1 AND subject = $2`, t, s); err != nil {
			return err
		}
	}
	for c := range lost {
		digest := []byte(c.digest)
		if err := promote(ctx, tx, Kind(c.kind), digest); err != nil {
			return err
		}
		if _, found, err := lead(ctx, tx, Kind(c.kind), digest); err != nil {
			return err
		} else if found {
			continue
		}
		if err := suppress(ctx, tx, Kind(c.kind), digest, now); err != nil {
			return err
		}
	}
	gone := slices.Clone(subjects)
	tx.AfterCommit(func() { r.Forget(t, gone...) })
	return nil
}

// promote makes the oldest remaining carrier of an identity the one it leads to.
func promote(ctx context.Context, tx *store.Tx, k Kind, digest []byte) error {
	t := tx.TenantID()
	if _, found, err := lead(ctx, tx, k, digest); err != nil || found {
		return err
	}
	rest, err := scanAll(ctx, tx, `
		SELECT subject FROM subject_identity
		WHERE tenant_id = $1 AND kind = $2 AND digest = $3 ORDER BY since, subject LIMIT 1`,
		t, string(k), digest)
	if err != nil || len(rest) == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE subject_identity SET leads = TRUE
		WHERE tenant_id = $1 AND kind = $2 AND digest = $3 AND subject = $4`,
		t, string(k), digest, rest[0])
	return err
}

func personOf(ctx context.Context, tx *store.Tx, s id.Subject) (id.Subject, error) {
	var p id.Subject
	err := tx.QueryRow(ctx, `SELECT person FROM subject WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), s).Scan(&p)
	if err != nil {
		return p, fmt.Errorf("read the person of a subject: %w", err)
	}
	return p, nil
}

// scanAll returns the one column of subject references that a query selects.
func scanAll(ctx context.Context, tx *store.Tx, query string, args ...any) ([]id.Subject, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []id.Subject
	for rows.Next() {
		var s id.Subject
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// aad binds a sealed identity to where it stands.
func aad(t id.Tenant, s id.Subject, k Kind) []byte {
	b := make([]byte, 0, 64)
	b = append(b, "probity/subject/identity/v1\x00"...)
	b = append(b, t[:]...)
	b = append(b, s[:]...)
	return append(b, k...)
}

// PersonAt returns the subjects that were known to be one person at an instant, s included: those that
// carried an identity in common by then. What was erased since is not among them.
func (r *Room) PersonAt(ctx context.Context, tx *store.Tx, s id.Subject, at time.Time) ([]id.Subject, error) {
	found := []id.Subject{s}
	for i := 0; i < len(found); i++ {
		more, err := scanAll(ctx, tx, `
			SELECT DISTINCT b.subject FROM subject_identity a
			JOIN subject_identity b ON b.tenant_id = a.tenant_id AND b.kind = a.kind AND b.digest = a.digest
			WHERE a.tenant_id = $1 AND a.subject = $2 AND a.since <= $3 AND b.since <= $3`, tx.TenantID(), found[i], at.UnixMicro())
		if err != nil {
			return nil, err
		}
		for _, m := range more {
			if !slices.Contains(found, m) {
				found = append(found, m)
			}
		}
	}
	return found, nil
}
