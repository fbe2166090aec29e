package rights

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// SignatureHeader holds "t=SECONDS,v1=HEX": HMAC-SHA256, under the recipient's secret, of SECONDS, a full
// stop and the body.
const SignatureHeader = "Probity-Signature"

const (
	tellPatience = 5 * time.Second     // for one answer
	tellClaim    = 30 * time.Second    // for which a try belongs to one process
	tellLongest  = time.Hour           // between two tries
	tellGivesUp  = 7 * 24 * time.Hour  // after it a task for staff is left
	tellKeeps    = 30 * 24 * time.Hour // after it nobody is named any more
	tellAtOnce   = 50
)

// States of what a recipient is told.
const (
	TellDue    = "due"    // a call will be tried
	TellTask   = "task"   // staff must tell
	TellDone   = "told"   // they know
	TellWaived = "waived" // it is impossible or would take disproportionate effort; the reason is in the trail
	TellFailed = "failed"
)

// Told is what became of telling one recipient.
type Told struct {
	Recipient uuid.UUID  `json:"recipient"`
	Name      string     `json:"name"`
	Way       string     `json:"way"`
	State     string     `json:"state"`
	Since     time.Time  `json:"since"`
	Tries     int        `json:"tries"`
	Outcome   string     `json:"outcome,omitempty"` // of the last try
	At        *time.Time `json:"at,omitempty"`      // when they were told, or the telling was waived
}

// Informed names a recipient in a report and a certificate.
type Informed struct {
	ID         uuid.UUID `json:"recipient"`
	Name       string    `json:"name"`
	Categories []string  `json:"categories"`
	Way        string    `json:"way"`
	// Confirmed tells whether a processor said that it is done. When a certificate is signed first nobody has.
	Confirmed bool   `json:"confirmed"`
	Outcome   string `json:"outcome,omitempty"` // what a processor said at last
}

func newInformed(p *Recipient) Informed {
	return Informed{ID: p.ID, Name: p.Name, Categories: p.Categories, Way: p.Way}
}

// Message is the body of a call to a recipient.
type Message struct {
	Event        uuid.UUID         `json:"event"` // the request; the same however often it is told
	Type         Type              `json:"type"`  // rectification, erasure or restriction
	At           time.Time         `json:"at"`
	Identifiers  []NamedBy         `json:"identifiers"` // of whom it is about
	Replacements []ReplacementTerm `json:"replacements,omitempty"`
}

// NamedBy is an identifier of the person.
type NamedBy struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// informed lists who will be told of the request.
func (r *Room) informed(ctx context.Context, j *job) (named []Informed, err error) {
	if !tellsRecipients(j) {
		return nil, nil
	}
	err = r.DB.Tenant(j.tenant).Read(ctx, func(tx *store.Tx) error {
		named = nil
		list, err := recipients(ctx, tx)
		for _, p := range r.concerned(j, list) {
			named = append(named, newInformed(&p))
		}
		return err
	})
	return named, err
}

// tellsRecipients tells whether the request changed what recipients have.
func tellsRecipients(j *job) bool {
	return (j.typ == Rectification || j.typ == Erasure || j.typ == Restriction) && (j.report.Matched || j.report.Databases != nil)
}

// tellRecipients notes, in the transaction that ends the work on a request, whom to tell of it. A
// repeated step adds nobody.
func (r *Room) tellRecipients(ctx context.Context, tx *store.Tx, j *job) ([]Informed, error) {
	if !tellsRecipients(j) {
		return nil, nil
	}
	list, err := recipients(ctx, tx)
	if err != nil {
		return nil, err
	}
	if list = r.concerned(j, list); len(list) == 0 {
		return nil, nil
	}
	now := r.Clock.Now()
	m := Message{Event: j.id, Type: j.typ, At: now.UTC(), Identifiers: []NamedBy{}, Replacements: j.content.Replacements}
	for _, i := range append(j.content.Who.identifiers(), j.work.own()...) {
		by := NamedBy{string(i.kind), i.value}
		known := false
		for _, have := range m.Identifiers {
			known = known || have == by
		}
		if !known {
			m.Identifiers = append(m.Identifiers, by)
		}
	}
	plain, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	// The key of an erasure goes with it, before everybody has heard; other messages go with their request.
	aad, key := requestAAD(j.tenant, j.id, "told"), any(nil)
	var sealed []byte
	if j.typ == Erasure {
		sealed, err = r.Keys.SealTenant(ctx, j.tenant, aad, plain)
	} else {
		key = j.key
		sealed, err = r.Keys.Seal(ctx, j.tenant, j.key, aad, plain)
	}
	if err != nil {
		return nil, err
	}
	var named []Informed
	for _, p := range list {
		state, due := TellDue, now.UnixMicro()
		if p.Way == ByLetter || p.Way == ByOpenDSR && j.typ != Erasure {
			state, due = TellTask, 0
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO rights_told (tenant_id, request_id, recipient_id, name, way, message, data_key, made_at, due_at, tries, outcome, state, done_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', $10, 0) ON CONFLICT DO NOTHING`,
			j.tenant, j.id[:], p.ID[:], p.Name, p.Way, sealed, key, now.UnixMicro(), due, state); err != nil {
			return nil, err
		}
		named = append(named, newInformed(&p))
	}
	tx.AfterCommit(r.announce)
	return named, nil
}

// keptForRecipients is what an erasure keeps until every recipient was told.
var keptForRecipients = Kept{
	What:    "the person's identifiers, sealed, in what the recipients of the data are told",
	Why:     "so that they erase it too; each message goes when it was told, and after 30 days in any case",
	Article: "Art. 17(2), 19",
}

// telling is one row that is due.
type telling struct {
	tenant             id.Tenant
	request, recipient uuid.UUID
	message            []byte
	key                *id.Subject
	made               int64
	tries              int64
	sent               int64 // when a processor took it over, 0 before
}

// Tell makes the calls to recipients that are due now and returns how many were taken. Run calls it.
func (r *Room) Tell(ctx context.Context) (taken int, err error) {
	now := r.Clock.Now()
	var due []telling
	find := func(tx *store.Tx) error {
		due = due[:0]
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, request_id, recipient_id, message, data_key, made_at, tries, sent_at FROM rights_told
			WHERE due_at > 0 AND due_at <= $1 ORDER BY due_at LIMIT $2`, now.UnixMicro(), tellAtOnce)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d telling
			var key []byte
			if err := rows.Scan(&d.tenant, &d.request, &d.recipient, &d.message, &key, &d.made, &d.tries, &d.sent); err != nil {
				return err
			}
			if len(key) > 0 {
				d.key = new(id.Subject)
				if err := d.key.Scan(key); err != nil {
					return err
				}
			}
			due = append(due, d)
		}
		return rows.Err()
	}
	// Nothing is due as a rule: look without holding up those who write.
	if err := r.DB.Read(ctx, find); err != nil || len(due) == 0 {
		return 0, err
	}
	err = r.DB.Write(ctx, func(tx *store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		for i := range due {
			due[i].tries++
			if _, err := tx.Exec(ctx, `UPDATE rights_told SET due_at = $4, tries = $5 WHERE tenant_id = $1 AND request_id = $2 AND recipient_id = $3`,
				due[i].tenant, due[i].request[:], due[i].recipient[:], now.Add(tellClaim).UnixMicro(), due[i].tries); err != nil {
				return err
			}
		}
		return nil
	})
	for i := 0; err == nil && i < len(due); i++ {
		outcome, state := r.tellOne(ctx, &due[i])
		if ctx.Err() != nil {
			return taken, ctx.Err()
		}
		if state == TellDone || state == TellSent && due[i].sent == 0 {
			taken++
		}
		if err = r.noteTold(ctx, &due[i], outcome, state); fail.Is(err, fail.Conflict) {
			err = nil // staff, or the processor itself, was quicker
		}
	}
	return taken, err
}

// tellOne makes one call. The outcome says how it went and holds nothing of what was answered.
func (r *Room) tellOne(ctx context.Context, d *telling) (outcome, state string) {
	p, err := r.recipient(ctx, d.tenant, d.recipient)
	if err != nil {
		return "the recipients can't be read", TellDue
	}
	if p == nil {
		return "the recipient was deleted", TellFailed
	}
	ctx, cancel := context.WithTimeout(ctx, tellPatience)
	defer cancel()
	if d.sent > 0 {
		if p.Way != ByOpenDSR {
			return "the processor is told in another way now, and has not confirmed", TellTask
		}
		return r.follow(ctx, d, p)
	}
	body, err := r.openTold(ctx, d.tenant, d.request, d.key, d.message)
	if fail.Is(err, fail.Gone) {
		return "the person was erased meanwhile", TellWaived
	}
	if err != nil {
		return "the message can't be opened", TellDue
	}
	if p.Way == ByOpenDSR {
		return r.send(ctx, d, p, body)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return "the call could not be made", TellDue
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "probity")
	q.Header.Set(SignatureHeader, Sign(p.Secret, r.Clock.Now(), body))
	client := r.HTTP
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	answer, err := client.Do(q)
	if err != nil {
		return "no answer", TellDue
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	outcome = httpOutcome(answer.StatusCode)
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return outcome, TellDone
	}
	return outcome, TellDue
}

func httpOutcome(code int) string { return fmt.Sprintf("HTTP %d", code) }

func (r *Room) openTold(ctx context.Context, t id.Tenant, request uuid.UUID, key *id.Subject, sealed []byte) ([]byte, error) {
	aad := requestAAD(t, request, "told")
	if key == nil {
		return r.Keys.OpenTenant(ctx, t, aad, sealed)
	}
	return r.Keys.Open(ctx, t, *key, aad, sealed)
}

// noteTold writes how a try went and when the next one is due.
func (r *Room) noteTold(ctx context.Context, d *telling, outcome, state string) error {
	now := r.Clock.Now()
	due, sent := int64(0), d.sent
	switch {
	case state == TellDue && now.Sub(micro(d.made)) < tellGivesUp:
		due = now.Add(min(time.Second<<min(d.tries-1, 12), tellLongest)).UnixMicro()
	case state == TellDue:
		state = TellTask
	case state == TellSent:
		if sent == 0 {
			sent = now.UnixMicro()
		}
		if next := followAgain(micro(sent), now); !next.IsZero() {
			due = next.UnixMicro()
		} else {
			state, outcome = TellTask, "not confirmed in 30 days; the last answer was: "+outcome
		}
	}
	return r.DB.Tenant(d.tenant).Write(ctx, func(tx *store.Tx) error {
		if d.sent > 0 && state != TellSent {
			if err := amendLater(ctx, tx, d.request); err != nil {
				return err
			}
		}
		if state == TellDone || state == TellWaived || state == TellFailed {
			return finishTold(ctx, tx, d.request, d.recipient, state, outcome, now)
		}
		_, err := tx.Exec(ctx, `UPDATE rights_told SET due_at = $4, outcome = $5, state = $6, sent_at = $7 WHERE tenant_id = $1 AND request_id = $2 AND recipient_id = $3 AND done_at = 0`,
			d.tenant, d.request[:], d.recipient[:], due, outcome, state, sent)
		return err
	})
}

func finishTold(ctx context.Context, tx *store.Tx, request, recipient uuid.UUID, state, outcome string, now time.Time) error {
	n, err := tx.Exec(ctx, `
		UPDATE rights_told SET message = NULL, data_key = NULL, due_at = 0, outcome = $4, state = $5, done_at = $6
		WHERE tenant_id = $1 AND request_id = $2 AND recipient_id = $3 AND done_at = 0`,
		tx.TenantID(), request[:], recipient[:], outcome, state, now.UnixMicro())
	if err == nil && n == 0 {
		err = fail.New(fail.Conflict, "This recipient has nothing to be told of this request any more.")
	}
	return err
}

// SettleTold notes that staff told a recipient, or with a reason that it is impossible or would take
// disproportionate effort (Art. 19, first sentence). The reason goes to the trail.
//
// Errors: fail.Invalid for the field reason; fail.Conflict if nothing is left to tell.
func (r *Room) SettleTold(ctx context.Context, t id.Tenant, request, recipient uuid.UUID, by Actor, waive bool, words string) error {
	words = strings.TrimSpace(words)
	if words == "" || len(words) > MaxWords {
		return fail.Field("reason", "Say in at most %d bytes how they were told, or why that is impossible or would take disproportionate effort.", MaxWords)
	}
	q, err := r.Get(ctx, t, request)
	if err != nil {
		return err
	}
	texts, err := masked(&q.Who, map[string]string{"reason": words})
	if err != nil {
		return err
	}
	what, state, outcome := "recipient-told", TellDone, "by staff"
	if waive {
		what, state, outcome = "recipient-waived", TellWaived, "by decision, see the trail"
	}
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if err := finishTold(ctx, tx, request, recipient, state, outcome, r.Clock.Now()); err != nil {
			return err
		}
		if q.Certified && slices.ContainsFunc(q.Report.Recipients, func(p Informed) bool { return p.ID == recipient && p.Way == ByOpenDSR }) {
			if err := amendLater(ctx, tx, request); err != nil {
				return err
			}
		}
		return r.note(ctx, tx, request, by, what, q.State, texts)
	})
}

// Told returns what became of telling the recipients of a request. It stays when the request has forgotten
// whom it was about.
func (r *Room) Told(ctx context.Context, t id.Tenant, request uuid.UUID) (list []Told, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = []Told{}
		rows, err := tx.Query(ctx, `
			SELECT recipient_id, name, way, state, made_at, tries, outcome, done_at FROM rights_told
			WHERE tenant_id = $1 AND request_id = $2 ORDER BY name, recipient_id`, t, request[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d Told
			var made, done int64
			if err := rows.Scan(&d.Recipient, &d.Name, &d.Way, &d.State, &made, &d.Tries, &d.Outcome, &done); err != nil {
				return err
			}
			d.Since = micro(made)
			if done > 0 {
				at := micro(done)
				d.At = &at
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	return list, err
}

// TellTaskMessage returns what staff must tell a recipient. Errors: fail.NotFound, and fail.Gone when it is not
// kept any more.
func (r *Room) TellTaskMessage(ctx context.Context, t id.Tenant, request, recipient uuid.UUID) (*Message, error) {
	var sealed, key []byte
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT message, data_key FROM rights_told WHERE tenant_id = $1 AND request_id = $2 AND recipient_id = $3`,
			t, request[:], recipient[:]).Scan(&sealed, &key)
	})
	if err == sql.ErrNoRows {
		return nil, fail.New(fail.NotFound, "This recipient was not to be told of this request.")
	}
	if err != nil {
		return nil, err
	}
	if len(sealed) == 0 {
		return nil, fail.New(fail.Gone, "The message is not kept any more: it was told, or is older than 30 days.")
	}
	var subject *id.Subject
	if len(key) > 0 {
		subject = new(id.Subject)
		if err := subject.Scan(key); err != nil {
			return nil, err
		}
	}
	plain, err := r.openTold(ctx, t, request, subject, sealed)
	if err != nil {
		return nil, err
	}
	var m Message
	return &m, json.Unmarshal(plain, &m)
}

// forgetTold drops messages that are too old: nobody is named for longer, told or not.
func (r *Room) forgetTold(ctx context.Context) error {
	return r.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE rights_told SET message = NULL, data_key = NULL, due_at = CASE WHEN sent_at > 0 THEN due_at ELSE 0 END
			WHERE tenant_id IS NOT NULL AND message IS NOT NULL AND made_at < $1`,
			r.Clock.Now().Add(-tellKeeps).UnixMicro())
		return err
	})
}

// Sign returns the value of SignatureHeader for a body.
func Sign(secret string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// openDSRBody turns a message into a request of OpenDSR 2.0. It fails if no identifier has a type there.
func openDSRBody(message []byte, callback string) ([]byte, error) {
	var m Message
	if err := json.Unmarshal(message, &m); err != nil {
		return nil, err
	}
	type identity struct {
		Type   string `json:"identity_type"`
		Value  string `json:"identity_value"`
		Format string `json:"identity_format"`
	}
	list := []identity{}
	for _, i := range m.Identifiers {
		switch i.Kind {
		case "email":
			list = append(list, identity{"email", i.Value, "raw"})
		case "external_id":
			list = append(list, identity{"controller_customer_id", i.Value, "raw"})
		}
	}
	if len(list) == 0 {
		return nil, fail.New(fail.Unsupported, "no identifier is one that OpenDSR knows")
	}
	callbacks := []string{}
	if callback != "" {
		callbacks = append(callbacks, callback)
	}
	return json.Marshal(map[string]any{
		"status_callback_urls": callbacks,
		"regulation":           "gdpr", "subject_request_id": asVersion4(m.Event), "subject_request_type": "erasure", "submitted_time": m.At.Format(time.RFC3339),
		"subject_identities": list, "api_version": "2.0",
	})
}

// asVersion4 makes the request's id one of version 4, as OpenDSR wants it: always the same.
func asVersion4(v uuid.UUID) uuid.UUID {
	sum := sha256.Sum256(append([]byte("opendsr\x00"), v[:]...))
	out := uuid.UUID(sum[:16])
	out[6], out[8] = out[6]&0x0f|0x40, out[8]&0x3f|0x80
	return out
}
