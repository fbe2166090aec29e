// Package consent decides what may be done with a person's data. It keeps the purposes and the
// notices of an organisation, records choices, withdrawals and objections in the ledger, and answers
// the gate's question: is there a lawful basis, right now, to process this subject's data for this
// purpose?
//
// The state of a subject is a fold over its records; there is no other copy of it. The newest record
// that mentions a purpose counts. A refusal, withdrawal or objection on one device of a person
// closes the purpose on all of them; a grant opens it only on the device it was given on, so that
// merging identities never widens consent.
package consent

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/recent"
	"probity/internal/store"
	"probity/internal/subject"
)

// The numbers of this room.
const (
	Validity      = 182 * 24 * time.Hour // how long a grant and a refusal live, both the same
	NonceLife     = 24 * time.Hour       // from showing a notice to the choice
	CacheLife     = time.Second / 2      // a choice recorded by another process counts here after twice as long at the latest, announced or not
	stateLife     = time.Minute          // after it a state is read again whatever was heard
	cacheSubjects = 1 << 14              // states remembered at least, about 1 KB each
)

// Keys seals ledger entries and makes the nonce key. *vault.Vault implements it.
type Keys interface {
	subject.Keys
	// NewSubject makes a subject and returns it when its key is durable.
	NewSubject(ctx context.Context, t id.Tenant) (id.Subject, error)
	// CreateSubjects is CreateSubject for many.
	CreateSubjects(ctx context.Context, t id.Tenant, subjects []id.Subject) error
}

// Publisher announces what changed. *stream.Engine implements it. Publishing is fire and forget.
type Publisher interface {
	Publish(topic string, data []byte) error
}

//go:embed migrations/*.sql
var migrations embed.FS

// Room keeps consent. It is safe for concurrent use.
type Room struct {
	db       *store.DB
	ledger   *ledger.Ledger
	subjects *subject.Room
	keys     Keys
	clk      clock.Clock
	bus      Publisher

	terms      Terms
	post       Post   // nil: no letters are sent
	sealer     Sealer // not nil if post isn't
	settings   *recent.Cache[id.Tenant, *settings]
	gate       *gate
	expired    *recent.Cache[id.Tenant, time.Time]                                           // up to when everything that ran out is recorded
	closedHook func(ctx context.Context, tx *store.Tx, rec *Record, purposes []string) error // nil: nobody passes it on
	changed    func(t id.Tenant, subjects []id.Subject)                                      // nil: nobody waits to hear of changes
	restricted func(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error)  // nil: nobody's data is restricted
	keeper     func(ctx context.Context, t id.Tenant, list ...Closing) error                 // nil: a restored database opens what was closed since
	fresh      func(ctx context.Context) error                                               // nil: nothing is looked at before an import
	shown      counts
	builds     sync.Map // built: this process has recorded it

	owing sync.Mutex // guards owed
	owed  []owed     // see keep
}

// New returns the room. bus may be nil: then nothing is announced, and other processes learn of a
// choice after 2×CacheLife. Call Migrate before anything else.
func New(db *store.DB, l *ledger.Ledger, subjects *subject.Room, keys Keys, clk clock.Clock, bus Publisher) *Room {
	r := &Room{
		db:       db,
		ledger:   l,
		subjects: subjects,
		keys:     keys,
		clk:      clk,
		bus:      bus,
		settings: recent.New[id.Tenant, *settings](1024),
		gate:     newGate(),
		expired:  recent.New[id.Tenant, time.Time](1024),
	}
	subjects.Watch(r.gate.drop)
	return r
}

// Migrate creates or updates the room's tables. The ledger and the subjects must be migrated first.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.db.Migrate(ctx, "consent", files)
}

// UI says how a choice was made.
type UI struct {
	Component string `json:"component"`          // "banner", "preferences", "placeholder" of blocked content; "form" and "link" on our own pages
	Action    string `json:"action"`             // "accept_all", "reject_all", "save" or "withdraw_all"
	DwellMS   int    `json:"dwell_ms"`           // milliseconds that the notice was visible
	Trusted   bool   `json:"trusted"`            // the browser says that a person and not a script made the click
	Viewport  string `json:"viewport,omitempty"` // "m" or "d"
}

// Choice is what a visitor chose about every purpose that rests on consent.
type Choice struct {
	Deployment uuid.UUID
	Nonce      string     // from Nonce, for the notice that was shown
	Visitor    *uuid.UUID // nil: none known
	Subject    id.Subject // of a person who signed in on the page, by the site's own account; zero: Visitor says who
	Purposes   map[string]bool
	UI         UI
	GPC, DNT   bool      // signals of the request
	HonourDNT  bool      // the deployment treats Do Not Track like Global Privacy Control
	ClientTime time.Time // the browser's clock; kept apart, never relied upon
	Age        *Age      // as the site declares it; nil: not asked
	Look       *string   // of the dialog that was shown, see notice.Theme.Look; empty: without its style sheet; nil: not said
}

// Withdrawal takes consent back. Either Visitor or Subject says whose.
type Withdrawal struct {
	Deployment uuid.UUID
	Visitor    uuid.UUID
	Subject    id.Subject
	Purposes   []string // nil: all
	UI         UI
	ClientTime time.Time
	Reason     string // of an objection, optional: the person's own words; kept sealed, and not in the ledger
}

// unavailable keeps failures that already have a kind and turns all others into Unavailable: the
// gate stays shut while the store is out of reach.
func unavailable(err error, doing string) error {
	if _, ok := errors.AsType[*fail.Error](err); ok {
		return err
	}
	return fail.Wrap(fail.Unavailable, err, "Could not %s", doing)
}
