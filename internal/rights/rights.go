// Package rights carries out the rights of data subjects: access (Art. 15 GDPR), rectification
// (16), erasure (17) and portability (20).
//
// A request is stored first and carried out afterwards, step by step. Each step is idempotent and
// leaves its mark in the same transaction as its effect, so that a process that dies at any moment
// is followed by one that goes on where it stopped. An erasure is complete only when every store
// was read again and holds nothing; then, and only then, a certificate is signed.
package rights

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/verify"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Keys is the keeper of the subjects' data keys. *vault.Vault satisfies it.
type Keys interface {
	CreateSubject(ctx context.Context, t id.Tenant, s id.Subject) error
	Seal(ctx context.Context, t id.Tenant, s id.Subject, aad, plain []byte) ([]byte, error)
	Open(ctx context.Context, t id.Tenant, s id.Subject, aad, sealed []byte) ([]byte, error)
	// Shred destroys the keys for good; it is idempotent. After it returns nothing sealed under
	// them can be opened, in this process or any other.
	Shred(ctx context.Context, t id.Tenant, subjects ...id.Subject) error
	// Has reads the disk, not a cache.
	Has(ctx context.Context, t id.Tenant, s id.Subject) (bool, error)
	Horizon() time.Duration
	BlindIndex(ctx context.Context, t id.Tenant, kind, value string) ([]byte, error)
	SealTenant(ctx context.Context, t id.Tenant, aad, plain []byte) ([]byte, error)
	// NoteErasure notes that an entry of the register of erasures was applied to the keys.
	NoteErasure(ctx context.Context, t id.Tenant, entry uuid.UUID, body []byte) error
	// Erasures calls fn for every entry that was; fn must not use the keys.
	Erasures(ctx context.Context, fn func(entry uuid.UUID, body []byte) error) error
	KnowsErasure(ctx context.Context, t id.Tenant, entry uuid.UUID) (bool, error)
	// RegisterMarks and SetRegisterMark keep up to where the register was applied to the keys.
	RegisterMarks(ctx context.Context) (map[string]int64, error)
	SetRegisterMark(ctx context.Context, code string, place int64, instead string) error
	OpenTenant(ctx context.Context, t id.Tenant, aad, sealed []byte) ([]byte, error)
}

// People knows which data subjects belong to which person. *subject.Room satisfies it.
type People interface {
	Find(ctx context.Context, t id.Tenant, k subject.Kind, value string) ([]id.Subject, error)
	Person(ctx context.Context, tx *store.Tx, s id.Subject) ([]id.Subject, error)
	Identities(ctx context.Context, t id.Tenant, s id.Subject) ([]subject.Identity, error)
	Rename(ctx context.Context, tx *store.Tx, subjects []id.Subject, k subject.Kind, old, new string) (int, error)
	// Erase deletes the subjects and leaves keyed digests of their identifiers, so that late events
	// are refused.
	Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) error
	// Digests returns what Erase will leave of the subjects' identifiers, and Suppress leaves it again.
	Digests(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]subject.Digest, error)
	Suppress(ctx context.Context, tx *store.Tx, digests []subject.Digest, at time.Time) error
	Forget(t id.Tenant, subjects ...id.Subject)
	Exists(ctx context.Context, tx *store.Tx, s id.Subject) (bool, error)
}

// Ledger is the organisation's transparency log. *ledger.Ledger satisfies it.
type Ledger interface {
	Append(ctx context.Context, tx *store.Tx, e ledger.Entry) (int64, error)
	Receipt(ctx context.Context, t id.Tenant, index int64, open func(sealed []byte) ([]byte, error)) (*verify.Receipt, error)
	// ForgetSubject deletes what the log's commitments of the subject stand for; the commitments stay.
	ForgetSubject(ctx context.Context, tx *store.Tx, s id.Subject) (int64, error)
	// Signing returns the key that signs the log, and with it the certificates.
	Signing(ctx context.Context, t id.Tenant) (note.Signer, string, error)
}

// Store is one place that holds what belongs to data subjects. Every room with a table that has a
// column for the subject must be one: the verification of an erasure reads the database's own
// catalogue and fails when it finds rows that no Store removed.
type Store interface {
	// Name is a short word for reports, such as "journey".
	Name() string
	// Export returns everything held about the subjects, opened, as sections of an access package.
	Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Section, error)
	// Erase deletes everything held about the subjects and tells how many records of each kind it
	// removed, with zeros for kinds that had none. It is idempotent.
	Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Count, error)
}

// Rectifier is a Store that also holds copies of identifiers or traits which a rectification must
// correct.
type Rectifier interface {
	Store
	// Rectify writes updated over existing wherever the subjects' data holds it as the value of the
	// kind, and tells how many records it changed. It is idempotent.
	Rectify(ctx context.Context, tx *store.Tx, subjects []id.Subject, kind, existing, updated string) ([]Count, error)
}

// Finder is a Store that also holds data under an identity of somebody who is no data subject yet. It
// makes a reference up for them, which stands in its columns for subjects, and returns it here; Export
// and Erase are called with it as with any other.
type Finder interface {
	Store
	// Find returns the references, none for a value that can't be of that kind.
	Find(ctx context.Context, t id.Tenant, k subject.Kind, value string) ([]id.Subject, error)
}

// Section is one file of an access package: what it is, and the data.
type Section struct {
	File  string // path within the package, without extension, such as "journey/sessions"
	Title string // for the person, such as "Your visits"
	About string // one sentence: what this is and where it comes from
	// Provided tells that the person gave the data or it was observed of them, as opposed to
	// derived (scores, segments). Only such data belongs into a portability package (WP 242 rev. 01).
	Provided bool
	Origin   string // one of the origins; empty: observed if Provided, else derived
	// Basis is what the data is held on, such as "legal_obligation". Empty: the basis of Purpose, and
	// without one that of all purposes of the organisation.
	Basis    string
	Purpose  string // that the data is held for, if it is one
	FileOnly bool   // the page for people names the file and does not show it; nothing in it is masked
	Rows     bool   // rows of a database: only free text in them is masked, whose each field is was decided before
	Data     any    // marshals to JSON
	// Each is the data once more as many small files, service!name.json each, for readers that expect
	// them so. The service is File, and Data is nil.
	Each []Entry
}

// Entry is one of the files of a Section that has many.
type Entry struct {
	Name string
	Data any // marshals to JSON
}

// Origins of data.
const (
	FromPerson  = "provided" // the person gave it
	Observed    = "observed" // seen of what the person did
	Derived     = "derived"  // worked out from the rest
	Recorded    = "recorded" // a note about what was done with the data
	FromOthers  = "external" // stands in another database of the organisation
	MadeForThis = "made"     // made for the answer to this request
)

// Speaker is a Store that knows which language a person reads.
type Speaker interface {
	Store
	// Language returns a language tag such as "de", or "" if it is not known.
	Language(ctx context.Context, t id.Tenant, subjects []id.Subject) (string, error)
}

// SharedRow is a row of a database that belongs to others too, or to others alone.
type SharedRow struct {
	Collection string          `json:"collection"`
	Key        json.RawMessage `json:"key"`
	Owners     int             `json:"owners"`
	Withheld   []string        `json:"withheld"` // fields that were left out
}

// Models retrains what was learnt from people. *predict.Room satisfies it through an adapter.
type Models interface {
	// Retrain trains every model of the organisation on the rows that are left and says what changed.
	Retrain(ctx context.Context, t id.Tenant, reason string) ([]ModelReport, error)
}

// Publisher tells other parts of the process, and other processes, what happened.
type Publisher interface {
	Publish(topic string, data []byte) error
}

// Controller is what an answer must say about the organisation (Art. 15(1), 13).
type Controller struct {
	Name      string
	Country   string               // whose public holidays count, such as "DE"; may be empty
	Location  *time.Location       // whose days count; nil: those of Country's capital
	Holiday   func(time.Time) bool // nil: the public holidays of Country
	Purposes  []Purpose
	Notice    *consent.Version // the newest one that was published, with the facts it tells; nil: there is none
	ProofDays int              // for which the proof of a choice is kept after it has ended; 0: for ever
}

// Authority names the supervisory authority to complain to; empty if the notice names none.
func (c *Controller) Authority() string {
	if c.Notice == nil {
		return ""
	}
	return c.Notice.Draft.Facts.Authority
}

// Purpose is why data is processed, for the information of Art. 15(1)(a).
type Purpose struct {
	ID, Basis string
	Texts     map[string]PurposeText // by language
}

// PurposeText is how a purpose is called and described in one language.
type PurposeText struct{ Title, Description string }

// Gate lets data be used or not. *consent.Room satisfies it.
type Gate interface {
	// Object closes purposes of the subject for good (Art. 21). It is idempotent.
	Object(ctx context.Context, t id.Tenant, s id.Subject, purposes []string) error
	// State returns what the person said last, by purpose.
	State(ctx context.Context, t id.Tenant, s id.Subject) (map[string]consent.State, error)
	// Standing tells whether data of the subject may be used for the purpose now, on whatever basis.
	Standing(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (bool, error)
	// Invalidate drops what is cached of the subject; call it after a restriction began or ended.
	Invalidate(t id.Tenant, s id.Subject)
}

// Deps are the rooms and engines that rights works with. Models, Databases, Register, Bus, Mail and Logger may be nil; without
// a Gate, restrictions and objections are refused.
type Deps struct {
	DB         *store.DB
	Keys       Keys
	People     People
	Ledger     Ledger
	Stores     []Store // in the order of deletion
	Models     Models
	Push       Push      // where packages may be sent to
	Databases  Databases // nil: the organisation has none but these
	Register   Register  // nil: restored backups bring back whom they hold
	Bus        Publisher
	Gate       Gate
	Closed     Closer // nil: what people closed after a backup is open once it is restored
	Mail       Mailer
	Controller func(ctx context.Context, t id.Tenant) (Controller, error)
	Clock      clock.Clock
	HTTP       *http.Client // tells recipients; nil: one that follows no redirects
	PublicURL  string       // where processors tell what became of a request; empty: they are asked only
	Logger     *slog.Logger
}

// Room receives requests and carries them out. It is safe for concurrent use; several processes may
// run over the same database.
type Room struct {
	Deps
	wake chan struct{} // holds at most one token: there is new work

	settling sync.Mutex // held while the register is applied

	mu      sync.Mutex    // guards changed
	changed chan struct{} // closed and replaced when a request moved on
}

// PackageTTL is how long an access package can be downloaded where an organisation set nothing else.
const PackageTTL = 14 * day

const day = 24 * time.Hour

// New returns the room. Call Migrate before anything else, and Run to have requests carried out.
func New(d Deps) *Room {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Controller == nil {
		d.Controller = func(context.Context, id.Tenant) (Controller, error) { return Controller{}, nil }
	}
	return &Room{Deps: d, wake: make(chan struct{}, 1), changed: make(chan struct{})}
}

// Migrate brings the room's tables to the current version.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.DB.Migrate(ctx, "rights", files)
}

func (r *Room) announce() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Room) moved() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Room) movement() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}
