package consent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
)

// settingsLife is how long an organisation's purposes, notices and declarations are believed
// without reading them again, as long as its log tells of no change. What this process publishes
// counts at once.
const settingsLife = time.Minute

// settings is an immutable snapshot of what an organisation published, and how far its log was seen
// when it was taken.
type settings struct {
	loaded       time.Time        // when all of it was read
	checked      time.Time        // when the log was last looked at for what changes it
	upto         int64            // entries of the log that were seen
	renewing     atomic.Bool      // somebody is taking the next snapshot
	purposes     []notice.Purpose // in the order shown
	notices      []edition        // oldest first
	declarations []Declared
	ageGates     map[uuid.UUID]string       // deployments that ask for an age, and the country they assume
	themes       map[uuid.UUID]notice.Theme // by deployment; the organisation's under the zero id
	config       string                     // SHA-256 of what the banner is configured with; see configDigest
}

// unchanged returns the same settings as they are after another look at the log.
func (s *settings) unchanged(now time.Time, upto int64) *settings {
	return &settings{
		loaded: s.loaded, checked: now, upto: upto,
		purposes: s.purposes, notices: s.notices, declarations: s.declarations,
		ageGates: s.ageGates, themes: s.themes, config: s.config,
	}
}

// edition is one published notice in one language, without its artefact.
type edition struct {
	notice.Notice
	material  bool
	published time.Time
	ledger    int64
	intact    bool // what is stored is what was published; see edition.fit
}

// Declared is a declared basis as it was recorded.
type Declared struct {
	Record     uuid.UUID
	Deployment uuid.UUID // zero: every deployment
	Basis      notice.Basis
	Purposes   []string
	Assessment string
	Detail     *Assessment // point by point; nil: there is only the text
	Review     time.Time   // when it is looked at again; zero: no date
	At         time.Time
	Ended      time.Time // zero: in force
	Ledger     int64
}

func (d *Declared) holds(purpose string, at time.Time) bool {
	return slices.Contains(d.Purposes, purpose) && !at.Before(d.At) && (d.Ended.IsZero() || at.Before(d.Ended))
}

// published returns the edition, nil if there is none.
func (s *settings) published(which string, version int, language string) *edition {
	for i := range s.notices {
		if e := &s.notices[i]; e.ID == which && e.Version == version && e.Language == language {
			return e
		}
	}
	return nil
}

// current returns the newest edition in the language that suits best: the very one asked for, the
// same without its region, English, any. A region is told from the language by a dash, in any case.
func (s *settings) current(which, language string) *edition {
	var best *edition
	rank := -1
	for i := range s.notices {
		e := &s.notices[i]
		if e.ID != which || best != nil && e.Version < best.Version {
			continue
		}
		if r := suits(e.Language, language); best == nil || e.Version > best.Version || r > rank {
			best, rank = e, r
		}
	}
	return best
}

// suits ranks how well a language serves somebody who asked for another.
func suits(have, want string) int {
	switch {
	case strings.EqualFold(have, want):
		return 3
	case notice.Base(have) == notice.Base(want):
		return 2
	case notice.Base(have) == "en":
		return 1
	}
	return 0
}

// materialAt returns, for each notice, the newest version up to the instant that changed something
// of substance: grants under earlier versions are suspended.
func (s *settings) materialAt(at time.Time) map[string]int {
	var out map[string]int
	for _, e := range s.notices {
		if e.material && !at.Before(e.published) && e.Version > out[e.ID] {
			if out == nil {
				out = map[string]int{}
			}
			out[e.ID] = e.Version
		}
	}
	return out
}

func (s *settings) purpose(id string) *notice.Purpose {
	for i := range s.purposes {
		if s.purposes[i].ID == id {
			return &s.purposes[i]
		}
	}
	return nil
}

// asked returns the purposes that people are asked for: those that rest on consent.
func (s *settings) asked() []notice.Purpose {
	var out []notice.Purpose
	for _, p := range s.purposes {
		if p.Basis == notice.Consent {
			out = append(out, p)
		}
	}
	return out
}

func (s *settings) purposeIDs() []string {
	out := make([]string, len(s.purposes))
	for i, p := range s.purposes {
		out[i] = p.ID
	}
	return out
}

// declared returns the declaration that is in force for the purpose, nil if there is none.
func (s *settings) declared(deployment uuid.UUID, purpose string, at time.Time) *Declared {
	for i := range s.declarations {
		d := &s.declarations[i]
		if (d.Deployment == uuid.Nil || d.Deployment == deployment) && d.holds(purpose, at) {
			return d
		}
	}
	return nil
}

// heldAt tells whether the declaration of that record id was in force at the instant.
func (s *settings) heldAt(record, purpose string, at time.Time) bool {
	for i := range s.declarations {
		if d := &s.declarations[i]; d.Record.String() == record {
			return d.holds(purpose, at)
		}
	}
	return false
}

// tenant returns the settings, from memory if the log was looked at a moment ago. Looking also drops
// the cached states of people about whom another process recorded something since, whether that was
// announced or not. While one caller looks, the others go on with the old answer for one more
// CacheLife at most: so whatever was recorded anywhere counts everywhere after 2×CacheLife.
func (r *Room) tenant(ctx context.Context, t id.Tenant) (*settings, error) {
	now := r.clk.Now()
	old, ok := r.settings.Get(t)
	if ok {
		age := now.Sub(old.checked)
		if age >= 0 && age < CacheLife {
			return old, nil
		}
		if !old.renewing.CompareAndSwap(false, true) && age >= 0 && age < 2*CacheLife {
			return old, nil
		}
	}
	epoch := r.settings.Epoch()
	s, changed, err := r.snapshot(ctx, t, old, now)
	if err != nil {
		if ok {
			old.renewing.Store(false)
		}
		return nil, unavailable(err, "read the purposes of an organisation")
	}
	if changed == nil {
		r.gate.views.Clear()
	} else if len(changed) > 0 {
		r.gate.drop(t, changed)
	}
	r.settings.Put(t, s, epoch)
	if len(changed) > 0 && r.changed != nil {
		r.changed(t, changed)
	}
	return s, nil
}

// Refresh looks at the organisation's log for what other processes recorded, as every question at the
// gate does that comes later than CacheLife after the last look. Call it every now and then, so that
// those who wait for OnChange hear of changes although nobody asks.
func (r *Room) Refresh(ctx context.Context, t id.Tenant) error {
	_, err := r.tenant(ctx, t)
	return err
}

// OnChange has fn called with the subjects about whom another process recorded something, whether or
// not its announcement arrived. fn must be quick and must not call the room. Set it before use.
func (r *Room) OnChange(fn func(t id.Tenant, subjects []id.Subject)) { r.changed = fn }

// maxChanged is how many changed subjects are dropped one by one; more clear the cache.
const maxChanged = 1000

// snapshot returns the settings after a look at the log: the old ones if nothing was published or
// declared since. changed are the subjects whose state changed, with their whole persons, because a
// refusal on one device closes the others. It is nil if that can't be told, which asks for everything
// to be dropped.
func (r *Room) snapshot(ctx context.Context, t id.Tenant, old *settings, now time.Time) (s *settings, changed []id.Subject, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		s, changed = nil, nil
		if old == nil || now.Sub(old.loaded) < 0 {
			s, err = r.readSettings(ctx, tx, now)
			return err
		}
		news, size, err := r.ledger.Since(ctx, tx, old.upto, maxChanged+1)
		if err != nil {
			return err
		}
		known := size >= old.upto && len(news) <= maxChanged
		published := now.Sub(old.loaded) >= settingsLife
		changed = []id.Subject{}
		for _, n := range news {
			switch area, _, _ := strings.Cut(n.Kind, "."); area {
			case "consent":
				if !n.Subject.IsZero() {
					changed = append(changed, n.Subject)
				}
			case "erasure", "payload":
				known = false // whose it was, nobody knows any more
			case "rights", "model", "breach", "clock", "override":
			default:
				published = true
			}
		}
		if published || !known {
			if s, err = r.readSettings(ctx, tx, now); err != nil {
				return err
			}
			// A new notice may suspend anybody's grant.
			known = known && len(old.notices) == len(s.notices)
		} else {
			s = old.unchanged(now, size)
		}
		if !known {
			changed = nil
			return nil
		}
		return r.wholePersons(ctx, tx, &changed)
	})
	return s, changed, err
}

// wholePersons adds the other subjects of the same persons.
func (r *Room) wholePersons(ctx context.Context, tx *store.Tx, subjects *[]id.Subject) error {
	seen := make(map[id.Subject]bool, len(*subjects))
	all := []id.Subject{}
	for _, one := range *subjects {
		if seen[one] {
			continue
		}
		members, err := r.subjects.Person(ctx, tx, one)
		if err != nil {
			return err
		}
		for _, m := range members {
			if !seen[m] {
				seen[m] = true
				all = append(all, m)
			}
		}
	}
	*subjects = all
	return nil
}

func (r *Room) readSettings(ctx context.Context, tx *store.Tx, now time.Time) (s *settings, err error) {
	s = &settings{loaded: now, checked: now}
	if s.upto, err = r.ledger.Size(ctx, tx); err != nil {
		return nil, err
	}
	if err := s.readPurposes(ctx, tx); err != nil {
		return nil, err
	}
	if err := s.readNotices(ctx, tx); err != nil {
		return nil, err
	}
	if err := s.readAgeGates(ctx, tx); err != nil {
		return nil, err
	}
	if err := s.readThemes(ctx, tx); err != nil {
		return nil, err
	}
	return s, s.readDeclarations(ctx, tx)
}

func (s *settings) readPurposes(ctx context.Context, tx *store.Tx) error {
	rows, err := tx.Query(ctx, `SELECT body FROM consent_purpose WHERE tenant_id = $1 ORDER BY place`, tx.TenantID())
	if err != nil {
		return err
	}
	defer rows.Close()
	var bodies []string
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return err
		}
		var p notice.Purpose
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			return err
		}
		s.purposes = append(s.purposes, p)
		bodies = append(bodies, body)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	s.config, err = configDigest(bodies)
	return err
}

func (s *settings) readNotices(ctx context.Context, tx *store.Tx) error {
	rows, err := tx.Query(ctx, `
		SELECT body, artefact, sha256, material, published, ledger FROM consent_notice
		WHERE tenant_id = $1 ORDER BY published, id, version, ledger`, tx.TenantID())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e edition
		var body string
		var artefact, sum []byte
		var published int64
		if err := rows.Scan(&body, &artefact, &sum, &e.material, &published, &e.ledger); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(body), &e.Notice); err != nil {
			return err
		}
		e.SHA256 = hex.EncodeToString(sum)
		e.intact = intact(&e.Notice, artefact, sum)
		e.published = time.UnixMicro(published).UTC()
		s.notices = append(s.notices, e)
	}
	return rows.Err()
}

func (s *settings) readDeclarations(ctx context.Context, tx *store.Tx) error {
	rows, err := tx.Query(ctx, `
		SELECT record, deployment, basis, purposes, assessment, declared, ended, ledger, detail, review FROM consent_basis
		WHERE tenant_id = $1 ORDER BY ledger`, tx.TenantID())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d Declared
		var purposes, detail string
		var at, ended, review int64
		if err := rows.Scan(&d.Record, &d.Deployment, &d.Basis, &purposes, &d.Assessment, &at, &ended, &d.Ledger, &detail, &review); err != nil {
			return err
		}
		d.Purposes = strings.Split(purposes, ",")
		if detail != "" {
			d.Detail = new(Assessment)
			if err := json.Unmarshal([]byte(detail), d.Detail); err != nil {
				return err
			}
		}
		if review != 0 {
			d.Review = time.UnixMicro(review).UTC()
		}
		d.At = time.UnixMicro(at).UTC()
		if ended != 0 {
			d.Ended = time.UnixMicro(ended).UTC()
		}
		s.declarations = append(s.declarations, d)
	}
	return rows.Err()
}

// Purposes returns the organisation's purposes in the order they are shown.
func (r *Room) Purposes(ctx context.Context, t id.Tenant) ([]notice.Purpose, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	return slices.Clone(s.purposes), nil
}

// Notice returns the newest notice in a language, or in the one that suits best if it was not
// published in that one; fail.NotFound if there is none at all.
func (r *Room) Notice(ctx context.Context, t id.Tenant, lang string) (*notice.Notice, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	e := s.current(notice.ID, lang)
	if e == nil {
		return nil, fail.New(fail.NotFound, "The organisation has published no notice yet.")
	}
	if err := e.fit(); err != nil {
		return nil, err
	}
	n := e.Notice
	return &n, nil
}

// Languages returns the languages of the newest notice, sorted.
func (r *Room) Languages(ctx context.Context, t id.Tenant) ([]string, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	newest := s.current(notice.ID, "")
	var out []string
	for _, e := range s.notices {
		if newest != nil && e.ID == newest.ID && e.Version == newest.Version {
			out = append(out, e.Language)
		}
	}
	slices.Sort(out)
	return out, nil
}
