package rights

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
)

// Opening is how a request comes in, besides what it asks for. The zero value says that whoever submits
// it has made sure who asks.
type Opening struct {
	Method Method // how identity was checked; ByCode sends a code and waits; empty: ByController
	Reason string // of a decision by staff
	Ask    string // a question to the person, in words: the request waits for the answer
	About  string // of the question: empty or "identity", or "scope" for a request that is too broad
	Told   string // how the question was put, such as "letter"; empty: by e-mail

	once *once
}

// Submit is Open for a request whose sender has made sure who asks.
func (r *Room) Submit(ctx context.Context, t id.Tenant, q Request) (*Request, error) {
	return r.Open(ctx, t, q, Opening{})
}

// Open checks a request and stores it; it is carried out in the background once nothing is missing.
// When Open returns without error the request survives a crash. A zero ReceivedAt means now.
//
// An open request of the same type about the same person is linked, and earlier ones are counted. Both
// requests are carried out: each is answered.
//
// Errors: fail.Invalid and the field, see Request.Validate; fail.Unavailable if a code can't be sent.
func (r *Room) Open(ctx context.Context, t id.Tenant, q Request, o Opening) (*Request, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	if r.Gate == nil && (q.Type == Restriction || q.Type == Objection) {
		return nil, fail.New(fail.Unavailable, "Nothing here can restrict the use of data.")
	}
	controller, rules, err := r.policy(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	if q.ReceivedAt.IsZero() || q.ReceivedAt.After(now) {
		q.ReceivedAt = now
	}
	q.ID, q.Tenant = id.New(), t
	q.ReceivedAt = q.ReceivedAt.UTC().Truncate(time.Microsecond)
	q.Identifiers = q.Who.kinds()
	if q.Channel == "" {
		q.Channel = "api"
	}
	sum, policy, err := rules.hash()
	if err != nil {
		return nil, err
	}
	f := q.Facts
	q.Facts = Facts{Ground: f.Ground, Purposes: f.Purposes, Marketing: f.Marketing, AtOnce: f.AtOnce, Automated: f.Automated, Policy: sum}
	if err := q.open(o, now, rules); err != nil {
		return nil, err
	}
	digests, err := r.digests(ctx, t, &q.Who)
	if err != nil {
		return nil, err
	}
	var about id.Subject
	if q.State == IdentityPending {
		if about, err = r.someone(ctx, t, &q.Who); err != nil {
			return nil, err
		}
	}
	words, err := masked(&q.Who, map[string]string{"reason": o.Reason, "question": o.Ask})
	if err != nil {
		return nil, err
	}

	key := id.NewSubject()
	if err := r.Keys.CreateSubject(ctx, t, key); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(content{Who: q.Who, Replacements: q.Replacements, Statement: q.Statement, Language: q.Language, DeliverTo: q.DeliverTo})
	if err != nil {
		return nil, err
	}
	sealed, err := r.Keys.Seal(ctx, t, key, requestAAD(t, q.ID, "content"), plain)
	if err != nil {
		return nil, err
	}
	kinds, err := json.Marshal(q.Identifiers)
	if err != nil {
		return nil, err
	}
	entry, err := json.Marshal(map[string]any{
		"request":       q.ID,
		"type":          q.Type,
		"channel":       q.Channel,
		"received_at":   q.ReceivedAt.Format(time.RFC3339Nano),
		"due_at":        q.DueAt.Format(time.RFC3339),
		"identifiers":   q.Identifiers,
		"policy_sha256": sum,
	})
	if err != nil {
		return nil, err
	}
	var earlier uuid.UUID // what this very call made before
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		made := q
		if earlier, err = o.once.claim(ctx, tx, q.ID, now); err != nil || earlier != uuid.Nil {
			return err
		}
		tx.AfterCommit(r.announce)
		if _, err := r.Ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.RightsReceived, Payload: entry}); err != nil {
			return err
		}
		if err := keepPolicy(ctx, tx, sum, policy, now); err != nil {
			return err
		}
		if err := linkEarlier(ctx, tx, &made, digests, now); err != nil {
			return err
		}
		how := map[string]string{"method": string(made.Facts.Identity.Method), "channel": made.Channel}
		next := now.UnixMicro()
		if made.State != Received {
			next = never
			switch {
			case o.Method == ByCode:
				how["method"] = string(ByCode)
				if err := r.sendCode(ctx, tx, &made, about, controller.Name); err != nil {
					return err
				}
			case o.Ask != "":
				told, err := r.tell(ctx, tx, &made, about, o.Told, noticeOf(&made, &Act{Do: MoveAsk, Reason: o.Ask}, controller.Name))
				if err != nil {
					return err
				}
				how["told"] = told
			}
		}
		facts, err := json.Marshal(made.Facts)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO rights_request (tenant_id, id, data_key, type, state, step, channel, created_by, created_by_kind,
				identifiers, received_at, due_at, sealed, report, problem, article, attempts, next_at, leased_until, facts)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '{}', '', '', 0, $14, 0, $15)`,
			t, q.ID[:], key, string(q.Type), string(made.State), stepLocate, q.Channel, q.CreatedBy.ID[:], q.CreatedBy.Kind,
			string(kinds), q.ReceivedAt.UnixMicro(), q.DueAt.UnixMicro(), sealed, next, string(facts))
		if err != nil {
			return err
		}
		q.Facts = made.Facts
		return r.note(ctx, tx, q.ID, q.CreatedBy, string(Received), made.State, with(words, pairs(how)...))
	})
	if err != nil {
		return nil, err
	}
	if earlier != uuid.Nil {
		return r.Get(ctx, t, earlier)
	}
	return &q, nil
}

// open decides where a request begins: with a question, with a code, with an approval that is needed,
// or ready to be carried out.
func (q *Request) open(o Opening, now time.Time, rules Rules) error {
	f := &q.Facts
	if slices.Contains(rules.SecondPerson, q.Type) && !f.AtOnce { // there is nothing left to decide
		f.Approval = &Approval{}
	}
	scope := o.Ask != "" && o.About == aboutScope
	if o.Method == "" && (o.Ask == "" || scope) {
		o.Method = ByController
		if q.CreatedBy.Kind == "subject" {
			o.Method = ByCookie // the privacy centre knows them by their device
		}
	}
	a := Act{Do: MoveVerify, Method: o.Method, Reason: o.Reason, By: q.CreatedBy}
	switch {
	case o.Method == ByCode && o.Ask != "":
		return fail.Field("identity.question", "A code is the question; ask about the scope when the code has come back.")
	case o.Ask != "" && !scope:
		if o.Method != "" || o.About != "" && o.About != aboutIdentity {
			return fail.Field("identity", "A question about the identity has no method yet; a question about the scope says so in about.")
		}
		a = Act{Do: MoveAsk, About: aboutIdentity, Reason: o.Ask, Told: o.Told}
		q.State = Received
	case o.Method == ByCode:
		// A code proves that somebody reads the letters to one address, and nothing about other names.
		if len(q.Who.identifiers()) != 1 || len(q.Who.EmailAddresses) != 1 || q.Who.hasID() || len(q.Who.Subjects) > 0 {
			return fail.Field("subject", "A code proves one e-mail address: name that address, and nothing else.")
		}
		a = Act{Do: MoveAsk, About: aboutIdentity, Reason: "A code was sent by e-mail."}
		q.State = Received
	case o.Method == ByCookie && q.CreatedBy.Kind != "subject" && (q.Who.JourneyCustomer == nil || !strings.EqualFold(q.Who.JourneyCustomer.Type, "cookie") || len(q.Who.identifiers()) != 1 || len(q.Who.Subjects) > 0):
		return fail.Field("subject", "A cookie proves what stands under that cookie: name the journeyCustomer, and nothing else.")
	default:
		q.State = IdentityPending
	}
	if err := q.Apply(a, now, rules); err != nil || !scope {
		return err
	}
	return q.Apply(Act{Do: MoveAsk, About: aboutScope, Reason: o.Ask, Told: o.Told}, now, rules)
}

func pairs(m map[string]string) (list []string) {
	for k, v := range m {
		list = append(list, k, v)
	}
	return list
}

// content is what a request holds about the person, sealed under the request's own key.
type content struct {
	Who          Who               `json:"who"`
	Replacements []ReplacementTerm `json:"replacements,omitempty"`
	Language     string            `json:"language,omitempty"`
	DeliverTo    string            `json:"deliver_to,omitempty"`
	Statement    string            `json:"statement,omitempty"`
}

// Get returns the request, or a NotFound failure.
func (r *Room) Get(ctx context.Context, t id.Tenant, request uuid.UUID) (*Request, error) {
	list, err := r.query(ctx, t, `AND q.id = $2`, request[:])
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fail.New(fail.NotFound, "there is no such request")
	}
	return list[0], nil
}

// List returns a page of the organisation's requests, newest first, and how many there are in all.
func (r *Room) List(ctx context.Context, t id.Tenant, offset, limit int) (page []*Request, total int, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM rights_request WHERE tenant_id = $1`, t).Scan(&total)
	})
	if err != nil {
		return nil, 0, err
	}
	page, err = r.query(ctx, t, `ORDER BY q.id DESC LIMIT $2 OFFSET $3`, limit, offset)
	return page, total, err
}

// OfSubjects returns the requests about any of the subjects, newest first: what the privacy centre
// shows to a person. An erasure is among them until it is finished: then it keeps no tie to the person.
func (r *Room) OfSubjects(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]*Request, error) {
	var list []*Request
	seen := make(map[uuid.UUID]bool)
	for _, s := range subjects {
		// What waits for somebody was not searched yet, and is tied by what it names only.
		named, err := r.digests(ctx, t, &Who{Subjects: []id.Subject{s}})
		if err != nil {
			return nil, err
		}
		some, err := r.query(ctx, t, `
			AND q.id IN (
				SELECT request_id FROM rights_request_subject WHERE tenant_id = $1 AND subject = $2
				UNION SELECT request_id FROM rights_request_digest WHERE tenant_id = $1 AND digest = $3)
			ORDER BY q.id DESC`, s, named[0])
		if err != nil {
			return nil, err
		}
		for _, q := range some {
			if !seen[q.ID] {
				seen[q.ID] = true
				list = append(list, q)
			}
		}
	}
	return list, nil
}

// Wait returns the request as soon as it is final, or with ctx's error.
func (r *Room) Wait(ctx context.Context, t id.Tenant, request uuid.UUID) (*Request, error) {
	poll := time.NewTicker(500 * time.Millisecond) // for requests that another process carries out
	defer poll.Stop()
	for {
		moved := r.movement()
		q, err := r.Get(ctx, t, request)
		if err != nil || q.State.Final() {
			return q, err
		}
		select {
		case <-moved:
		case <-poll.C:
		case <-ctx.Done():
			return q, ctx.Err()
		}
	}
}

type row struct {
	q      *Request
	key    id.Subject
	sealed []byte
}

func (r *Room) query(ctx context.Context, t id.Tenant, rest string, args ...any) ([]*Request, error) {
	var found []row
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, `
			SELECT q.id, q.data_key, q.type, q.state, q.channel, q.created_by, q.created_by_kind, q.identifiers,
				q.received_at, q.due_at, q.finished_at, q.sealed, q.report, q.problem, q.article, q.certificate IS NOT NULL,
				p.id, p.name, p.size, p.sha256, p.made_at, p.expires_at, p.downloads, q.step, q.facts
			FROM rights_request q
			LEFT JOIN rights_package p ON p.tenant_id = q.tenant_id AND p.request_id = q.id
			WHERE q.tenant_id = $1 `+rest, append([]any{t}, args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			w, err := scanRequest(rows)
			if err != nil {
				return err
			}
			w.q.Tenant = t
			found = append(found, w)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	list := make([]*Request, 0, len(found))
	for _, w := range found {
		if err := r.reveal(ctx, w); err != nil {
			return nil, err
		}
		list = append(list, w.q)
	}
	return list, r.standStill(ctx, t, list)
}

// standStill moves on the date of those whose clock stands: as long as a question is open, no day of
// the time for an answer passes.
func (r *Room) standStill(ctx context.Context, t id.Tenant, list []*Request) error {
	known := map[string]Rules{}
	for _, q := range list {
		if q.State != IdentityPending {
			continue
		}
		rules, ok := known[q.Facts.Policy]
		if !ok {
			var err error
			if _, rules, err = r.rules(ctx, t, q.Facts.Policy); err != nil {
				return err
			}
			known[q.Facts.Policy] = rules
		}
		q.DueAt = q.clock().Due(r.Clock.Now(), rules.Policy, rules.Calendar)
	}
	return nil
}

// reveal opens what the request holds about the person. When its key is gone, because the erasure
// is complete, Who stays empty.
func (r *Room) reveal(ctx context.Context, w row) error {
	if len(w.sealed) == 0 {
		return nil
	}
	plain, err := r.Keys.Open(ctx, w.q.Tenant, w.key, requestAAD(w.q.Tenant, w.q.ID, "content"), w.sealed)
	if fail.Is(err, fail.Gone) {
		return nil
	}
	if err != nil {
		return err
	}
	var c content
	if err := json.Unmarshal(plain, &c); err != nil {
		return err
	}
	w.q.Who, w.q.Replacements, w.q.Statement, w.q.Language, w.q.DeliverTo = c.Who, c.Replacements, c.Statement, c.Language, c.DeliverTo
	return nil
}

func scanRequest(rows *sql.Rows) (row, error) {
	var q Request
	w := row{q: &q}
	var kinds, report string
	var received, due int64
	var finished, size, made, expires, downloads sql.NullInt64
	var name sql.NullString
	var pack, sum []byte
	err := rows.Scan(&q.ID, &w.key, &q.Type, &q.State, &q.Channel, &q.CreatedBy.ID, &q.CreatedBy.Kind, &kinds,
		&received, &due, &finished, &w.sealed, &report, &q.Problem, &q.Article, &q.Certified,
		&pack, &name, &size, &sum, &made, &expires, &downloads, &q.step, &q.facts)
	if err != nil {
		return w, err
	}
	q.ReceivedAt, q.DueAt = micro(received), micro(due)
	if finished.Valid {
		q.FinishedAt = micro(finished.Int64)
	}
	if len(pack) == 16 && len(sum) == 32 {
		q.Package = &Package{
			ID: uuid.UUID(pack), Name: name.String, Size: size.Int64, SHA256: [32]byte(sum),
			MadeAt: micro(made.Int64), ExpiresAt: micro(expires.Int64), Downloads: int(downloads.Int64),
		}
	}
	return w, errors.Join(json.Unmarshal([]byte(kinds), &q.Identifiers), json.Unmarshal([]byte(report), &q.Report), json.Unmarshal([]byte(q.facts), &q.Facts))
}

func micro(us int64) time.Time { return time.UnixMicro(us).UTC() }

// requestAAD binds a ciphertext to its request and place, so that it can't be moved to another.
func requestAAD(t id.Tenant, request uuid.UUID, part string) []byte {
	aad := append([]byte("rights/"+part+"/"), t[:]...)
	return append(aad, request[:]...)
}
