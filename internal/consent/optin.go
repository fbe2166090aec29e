package consent

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/subject"
)

// The numbers of letters that ask for confirmation.
const (
	AskLife    = 7 * 24 * time.Hour // how long a letter can be answered
	AsksPerDay = 3                  // letters to one address in 24 hours
)

// The kinds of what is asked by letter.
const (
	AskOptIn  = "optin"  // the holder of the address confirms a choice of their own
	AskParent = "parent" // the holder of parental responsibility authorises a child's (Art. 8(2))
)

// Question is what a letter must say: who is to confirm what, and the token of the link.
type Question struct {
	Kind     string
	To       string
	Language string
	Purposes []string
	Titles   []string // of the purposes, in that language
	Name     string   // how the notice calls the controller
	Token    string
	About    id.Subject // a child's device, so that an erasure takes the letter along; zero: nobody who is known
	Asked    id.Subject // who is asked, by a reference of this question's own, for the same reason
}

// Post writes and queues letters. It must put the letter into the caller's transaction, and must not
// put anything in it that advertises.
type Post interface {
	// Ask queues the one letter of a question. Errors: fail.Unavailable if no letters are sent here.
	Ask(ctx context.Context, tx *store.Tx, q Question) error
}

// Sealer seals what belongs to no data subject yet. *vault.Vault implements it.
type Sealer interface {
	SealTenant(ctx context.Context, t id.Tenant, aad, plain []byte) ([]byte, error)
	OpenTenant(ctx context.Context, t id.Tenant, aad, sealed []byte) ([]byte, error)
}

// UsePost says who sends letters. Call it before the room is used; without it nothing can be confirmed
// by letter.
func (r *Room) UsePost(p Post, s Sealer) { r.post, r.sealer = p, s }

// Ask is a question that was sent by letter.
type Ask struct {
	ID       uuid.UUID
	Kind     string
	Notice   string // what was shown when it was asked
	Version  int
	Language string
	State    string // "open", "confirmed" or "expired"
	Asked    time.Time
	Age      *Age // of a child
}

// OptIn is somebody's wish to agree for an e-mail address, which has to be confirmed from there.
type OptIn struct {
	Deployment uuid.UUID
	Nonce      string // from Nonce, for the notice that was shown
	Email      string
	Purposes   []string // at least one; nothing is said about the others
	By         string   // who asks on the person's behalf: a reference to a member of staff, no name; empty: a page
}

// RequestOptIn keeps the address, sealed, sends it one letter and notes in the ledger, without naming
// anybody, that confirmation was asked for. The gate stays as it is. The answer is the same whoever the
// address belongs to.
//
// Errors: fail.Invalid naming the field, those of a nonce, fail.TooMany for the fourth letter to one
// address in a day, fail.Conflict with code mail.off if this installation sends no letters.
func (r *Room) RequestOptIn(ctx context.Context, t id.Tenant, o OptIn) (uuid.UUID, error) {
	return r.ask(ctx, t, asking{kind: AskOptIn, deployment: o.Deployment, nonce: o.Nonce, email: o.Email, purposes: o.Purposes, by: o.By})
}

// asking is a question on its way into the store.
type asking struct {
	kind       string
	deployment uuid.UUID
	nonce      string
	email      string
	purposes   []string
	child      id.Subject
	age        *Age
	by         string
}

func (r *Room) ask(ctx context.Context, t id.Tenant, a asking) (uuid.UUID, error) {
	if r.post == nil {
		return uuid.Nil, fail.New(fail.Conflict, "This installation sends no letters. Start it with --smtp-url and --mail-from.").WithCode("mail.off")
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return uuid.Nil, err
	}
	email, err := subject.Normalise(subject.Email, a.email)
	if err != nil {
		return uuid.Nil, err
	}
	purposes := slices.Compact(slices.Sorted(slices.Values(a.purposes)))
	if len(purposes) == 0 {
		return uuid.Nil, fail.Field("purposes", "The list of purposes is empty.")
	}
	for _, p := range purposes {
		if set.purpose(p) == nil {
			return uuid.Nil, fail.Field("purposes", "The list names a purpose that does not exist.")
		}
	}
	nonce, err := r.openNonce(ctx, t, a.nonce, a.deployment)
	if err != nil {
		return uuid.Nil, err
	}
	shown := set.published(nonce.NoticeID, nonce.Version, nonce.Language)
	if shown == nil {
		return uuid.Nil, fail.Field("nonce", "The notice that was shown is not known.").WithCode("consent.nonce.bad")
	}
	digest, err := r.keys.BlindIndex(ctx, t, "consent.ask", email)
	if err != nil {
		return uuid.Nil, unavailable(err, "make the blind index of an address")
	}
	row, asked := id.New(), id.NewSubject()
	sealed, err := r.sealer.SealTenant(ctx, t, askAAD(t, row), []byte(email))
	if err != nil {
		return uuid.Nil, unavailable(err, "seal an address")
	}
	token, err := r.token(ctx, t, tokenAsk, row)
	if err != nil {
		return uuid.Nil, err
	}
	age := ""
	if a.age != nil {
		b, err := json.Marshal(a.age)
		if err != nil {
			return uuid.Nil, err
		}
		age = string(b)
	}
	var child any
	if !a.child.IsZero() {
		child = a.child
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if err := spend(ctx, tx, nonce); err != nil {
			return err
		}
		if !a.child.IsZero() {
			if there, err := r.subjects.Exists(ctx, tx, a.child); err != nil {
				return err
			} else if !there {
				return fail.New(fail.Gone, "The data of this person was erased a moment ago.").WithCode("subject.erased")
			}
		}
		var recent int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM consent_ask WHERE tenant_id = $1 AND digest = $2 AND asked > $3`,
			t, digest, now.Add(-24*time.Hour).UnixMicro()).Scan(&recent); err != nil {
			return err
		}
		if recent >= AsksPerDay {
			e := fail.New(fail.TooMany, "This address has got %d letters today. Look for one of them.", AsksPerDay).WithCode("consent.ask.many")
			e.RetryAfter = 24 * time.Hour
			return e
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO consent_ask (tenant_id, id, kind, subject, asked_subject, digest, sealed, deployment, notice, version, language, purposes, age, asked, ended, state)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 'open')`,
			t, row, a.kind, child, asked, digest, sealed, a.deployment, shown.ID, shown.Version, shown.Language, strings.Join(purposes, ","), age, now.UnixMicro()); err != nil {
			return err
		}
		if err := r.logAsk(ctx, tx, ledger.ConsentRequested, row, a.kind, a.deployment, shown, purposes, now, a.by); err != nil {
			return err
		}
		q := Question{
			Kind: a.kind, To: email, Language: shown.Language, Purposes: purposes, Name: shown.Controller, Token: token, About: a.child, Asked: asked,
		}
		for _, p := range shown.Purposes {
			if slices.Contains(purposes, p.ID) {
				q.Titles = append(q.Titles, p.Title)
			}
		}
		return r.post.Ask(ctx, tx, q)
	})
	if err != nil {
		return uuid.Nil, unavailable(err, "ask for confirmation")
	}
	return row, nil
}

// logAsk notes in the ledger that confirmation was asked for, by a reference to whoever did so for the
// person, or did not come. It names nobody.
func (r *Room) logAsk(ctx context.Context, tx *store.Tx, kind string, row uuid.UUID, what string, deployment uuid.UUID, shown *edition, purposes []string, at time.Time, by string) error {
	m := map[string]any{
		"schema": "probity/ask/1", "type": kind, "id": row.String(), "asked_of": what, "site": deployment.String(),
		"purposes": purposes, "server_time": at.Format(timeFormat), "state": string(Suspended),
	}
	if kind == ledger.ConsentExpired {
		m["state"] = string(Expired)
	}
	if shown != nil {
		m["notice"] = entryNotice{ID: shown.ID, Version: shown.Version, TextSHA256: shown.SHA256, Language: shown.Language}
	}
	if by != "" {
		m["requested_by"] = by
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: kind, Payload: payload})
	return err
}

// askRow is a question as it is stored.
type askRow struct {
	Ask
	subject    *id.Subject
	sealed     []byte
	deployment uuid.UUID
	purposes   []string
}

func readAsk(ctx context.Context, tx *store.Tx, row uuid.UUID) (*askRow, error) {
	a := &askRow{Ask: Ask{ID: row}}
	var s []byte
	var asked int64
	var purposes, age string
	err := tx.QueryRow(ctx, `
		SELECT kind, subject, sealed, deployment, notice, version, language, purposes, age, asked, state
		FROM consent_ask WHERE tenant_id = $1 AND id = $2`, tx.TenantID(), row).
		Scan(&a.Kind, &s, &a.sealed, &a.deployment, &a.Notice, &a.Version, &a.Language, &purposes, &age, &asked, &a.State)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(s) == 16 {
		sub := id.Subject(s)
		a.subject = &sub
	}
	if age != "" {
		a.Age = new(Age)
		if err := json.Unmarshal([]byte(age), a.Age); err != nil {
			return nil, err
		}
	}
	a.purposes = strings.Split(purposes, ",")
	a.Asked = time.UnixMicro(asked).UTC()
	return a, nil
}

func (r *Room) openAsk(ctx context.Context, t id.Tenant, row uuid.UUID) (*Linked, error) {
	var a *askRow
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		a, err = readAsk(ctx, tx, row)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "open a link")
	}
	l := &Linked{Tenant: t}
	if a == nil {
		return l, nil
	}
	l.Ask, l.Deployment, l.Purposes = &a.Ask, a.deployment, a.purposes
	if a.State == "open" && !r.clk.Now().Before(a.Asked.Add(AskLife)) {
		a.State = "expired"
	}
	if a.State == "confirmed" && a.subject != nil {
		l.Subject = *a.subject
	}
	return l, nil
}

// Confirm records what a letter asked as agreed to, first-hand, with the time of the question and of
// the answer and the text that was shown. The address becomes an identity of the person; a parent's is
// deleted. Confirming twice changes nothing.
//
// Errors: fail.NotFound for a token that isn't ours; fail.Gone with code consent.ask.expired after
// AskLife; fail.Gone for an erased person.
func (r *Room) Confirm(ctx context.Context, token string) (*Linked, *Outcome, error) {
	use, t, row, err := r.openToken(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	if use != tokenAsk {
		return nil, nil, badLink()
	}
	l, err := r.openAsk(ctx, t, row)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case l.Ask == nil || l.Ask.State == "expired":
		return nil, nil, fail.New(fail.Gone, "This question can no longer be answered. Ask for a new letter.").WithCode("consent.ask.expired")
	case l.Ask.State == "confirmed":
		return l, nil, nil
	}
	out, err := r.confirm(ctx, t, row)
	if err != nil {
		return nil, nil, err
	}
	l, err = r.openAsk(ctx, t, row)
	return l, out, err
}

func (r *Room) confirm(ctx context.Context, t id.Tenant, row uuid.UUID) (*Outcome, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	var a *askRow
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		a, err = readAsk(ctx, tx, row)
		return err
	})
	if err != nil || a == nil {
		return nil, unavailable(err, "open a question")
	}
	var s id.Subject
	if a.Kind == AskParent {
		if a.subject == nil {
			return nil, badLink()
		}
		s = *a.subject
	} else {
		email, err := r.sealer.OpenTenant(ctx, t, askAAD(t, row), a.sealed)
		if err != nil {
			return nil, unavailable(err, "open an address")
		}
		if s, err = r.subjects.EnsureSince(ctx, t, subject.Email, string(email), a.Asked); err != nil {
			return nil, err
		}
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	rec := Record{
		ID: id.New(), Subject: s, Kind: ledger.ConsentGiven, Source: "link", Deployment: a.deployment, At: now, Until: now.Add(Validity),
		Notice: a.Notice, Version: a.Version, Language: a.Language,
	}
	if a.Age != nil && !a.Age.Until.IsZero() && a.Age.Until.Before(rec.Until) {
		rec.Until = a.Age.Until // from then on the person decides alone, and is asked again
	}
	for _, p := range a.purposes {
		if set.purpose(p) != nil {
			rec.Effects = append(rec.Effects, Effect{p, Given})
		}
	}
	if len(rec.Effects) == 0 {
		return nil, fail.New(fail.Gone, "What was asked is no longer done.").WithCode("consent.ask.expired")
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
			UPDATE consent_ask SET state = 'confirmed', ended = $3, subject = $4, asked_subject = NULL, digest = $5, sealed = $5
			WHERE tenant_id = $1 AND id = $2 AND state = 'open'`, t, row, now.UnixMicro(), s, []byte{})
		if err != nil || n == 0 {
			return err // somebody was faster
		}
		if there, err := r.subjects.Exists(ctx, tx, s); err != nil {
			return err
		} else if !there {
			return fail.New(fail.Gone, "The data of this person was erased.").WithCode("subject.erased")
		}
		members, err := r.subjects.Person(ctx, tx, s)
		if err != nil {
			return err
		}
		e := newEntry(&rec)
		e.UI = &UI{Component: "link", Action: "save"}
		e.Requested = a.Asked.Format(timeFormat)
		if a.Kind == AskParent {
			e.Actor = "holder_of_parental_responsibility"
			e.Age = a.Age.entry()
		}
		e.Notice = set.textOf(&rec)
		e.addPurposes(set, &rec, nil)
		return r.append(ctx, tx, &rec, e, members, nil)
	})
	if err != nil {
		return nil, unavailable(err, "record a confirmation")
	}
	out := &Outcome{Subject: s, RecordID: rec.ID, Purposes: map[string]bool{}}
	states, err := r.State(ctx, t, s)
	if err != nil {
		return nil, err
	}
	for _, p := range set.purposes {
		out.Purposes[p.ID] = states[p.ID].Status == Given
	}
	if rec.Ledger > 0 {
		out.Receipt = r.receiptNow(ctx, t, &rec)
	}
	return out, nil
}

// ExpireAsks ends questions that nobody answered: the address is deleted, and an entry says so. It
// returns how many it ended, at most limit.
func (r *Room) ExpireAsks(ctx context.Context, t id.Tenant, limit int) (n int, err error) {
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	before := now.Add(-AskLife).UnixMicro()
	due := func(tx *store.Tx) (rows []uuid.UUID, err error) {
		list, err := tx.Query(ctx, `
			SELECT id FROM consent_ask WHERE tenant_id = $1 AND state = 'open' AND asked <= $2 ORDER BY asked, id LIMIT $3`, t, before, limit)
		if err != nil {
			return nil, err
		}
		defer list.Close()
		for list.Next() {
			var row uuid.UUID
			if err := list.Scan(&row); err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		return rows, list.Err()
	}
	var rows []uuid.UUID
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, err = due(tx)
		return err
	})
	if err != nil {
		return 0, unavailable(err, "look for questions without an answer")
	}
	if len(rows) == 0 {
		return 0, nil
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		rows, err := due(tx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			a, err := readAsk(ctx, tx, row)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `
				UPDATE consent_ask SET state = 'expired', ended = $3, subject = NULL, asked_subject = NULL, digest = $4, sealed = $4
				WHERE tenant_id = $1 AND id = $2`, t, row, now.UnixMicro(), []byte{}); err != nil {
				return err
			}
			if err := r.logAsk(ctx, tx, ledger.ConsentExpired, row, a.Kind, a.deployment, nil, a.purposes, now, ""); err != nil {
				return err
			}
		}
		n = len(rows)
		return nil
	})
	if err != nil {
		return 0, unavailable(err, "end questions without an answer")
	}
	return n, nil
}

// Asked returns who was asked by letter at an e-mail address and has not answered: the reference of each
// question, which an erasure takes for a data subject. Nothing else is known of them. A malformed
// address, and any other kind of identity, was never asked.
func (r *Room) Asked(ctx context.Context, t id.Tenant, k subject.Kind, value string) ([]id.Subject, error) {
	email, err := subject.Normalise(subject.Email, value)
	if k != subject.Email || err != nil {
		return nil, nil
	}
	digest, err := r.keys.BlindIndex(ctx, t, "consent.ask", email)
	if err != nil {
		return nil, unavailable(err, "make the blind index of an address")
	}
	var found []id.Subject
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, `
			SELECT asked_subject FROM consent_ask
			WHERE tenant_id = $1 AND digest = $2 AND asked_subject IS NOT NULL ORDER BY asked, id`, t, digest)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s id.Subject
			if err := rows.Scan(&s); err != nil {
				return err
			}
			found = append(found, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "look up an address")
	}
	return found, nil
}

// Pending is a question by letter that nobody has answered yet, with the address it went to.
type Pending struct {
	Ask
	Asked    id.Subject // the reference of the question
	Email    string
	Purposes []string
}

// Pending returns the questions of these references, opened.
func (r *Room) Pending(ctx context.Context, t id.Tenant, asked []id.Subject) ([]Pending, error) {
	var rows []*askRow
	var who []id.Subject
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, who = nil, nil
		for _, s := range asked {
			var row uuid.UUID
			err := tx.QueryRow(ctx, `SELECT id FROM consent_ask WHERE tenant_id = $1 AND asked_subject = $2`, t, s).Scan(&row)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			a, err := readAsk(ctx, tx, row)
			if err != nil {
				return err
			}
			rows, who = append(rows, a), append(who, s)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "read the questions to an address")
	}
	var out []Pending
	for i, a := range rows {
		email, err := r.sealer.OpenTenant(ctx, t, askAAD(t, a.ID), a.sealed)
		if err != nil {
			return nil, unavailable(err, "open an address")
		}
		out = append(out, Pending{Ask: a.Ask, Asked: who[i], Email: string(email), Purposes: a.purposes})
	}
	return out, nil
}

// askAAD binds a sealed address to its question.
func askAAD(t id.Tenant, row uuid.UUID) []byte {
	b := append([]byte("probity/consent/ask/v1\x00"), t[:]...)
	return append(b, row[:]...)
}
