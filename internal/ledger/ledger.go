// Package ledger keeps one append-only transparency log per organisation: what was consented to and
// refused, what notices said, which rights were exercised and what was erased. Anybody who keeps a
// signed checkpoint can later tell whether an entry below it was altered, dropped, reordered or
// inserted; package verify does so offline.
//
// The tree is RFC 6962's, hashed by golang.org/x/mod/sumdb/tlog; checkpoints are C2SP
// tlog-checkpoints signed with Ed25519. A leaf holds a salted commitment only: the entry itself is
// stored apart, sealed under the key of the person it is about, and can be forgotten without
// breaking the tree.
package ledger

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"io"
	"io/fs"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/vault"
)

// The kinds of entries. A kind stands in the clear in the leaf, so it is coarse.
const (
	ConsentGiven       = "consent.given"
	ConsentRefused     = "consent.refused"
	ConsentWithdrawn   = "consent.withdrawn"
	ConsentExpired     = "consent.expired"
	ConsentObjected    = "consent.objected"
	ConsentImported    = "consent.imported"
	ConsentRequested   = "consent.requested"
	ConsentInvalidated = "consent.invalidated"
	ConsentRevoked     = "consent.revoked"
	ScriptKept         = "script.kept"
	ConsentConflict    = "consent.conflict"
	PurposesPublished  = "purposes.published"
	NoticePublished    = "notice.published"
	NoticeScreenshot   = "notice.screenshot"
	NoticeServed       = "notice.served"
	BuildRecorded      = "build.recorded"
	BasisDeclared      = "basis.declared"
	BasisEnded         = "basis.ended"
	RightsReceived     = "rights.received"
	RightsExtended     = "rights.extended"
	RightsRefused      = "rights.refused"
	RightsCompleted    = "rights.completed"
	ErasureDone        = "erasure.done"
	RightsAmended      = "rights.amended" // a certificate, after what processors said
	ErasureReapplied   = "erasure.reapplied"
	DecisionsReapplied = "decisions.reapplied"
	ModelRetrained     = "model.retrained"
	OverrideMade       = "override.made"
	BreachRecorded     = "breach.recorded"
	ClockStepped       = "clock.stepped"
	PayloadRetired     = "payload.retired"
	KeyRotated         = "key.rotated"
	LogBridged         = "log.bridged"
	LogRepaired        = "log.repaired"
)

// Vault keeps what must not be lost or set back together with the database: the keys that sign an
// organisation's checkpoints, and the newest checkpoint that was signed. *vault.Vault implements it,
// and its methods are documented there. It is safe for concurrent use.
type Vault interface {
	SignerNo(ctx context.Context, t id.Tenant, origin string, serial int64) (note.Signer, string, error)
	DestroySigner(ctx context.Context, t id.Tenant, origin string, serial int64) error
	Publish(ctx context.Context, t id.Tenant, old int64, p vault.Published, k vault.LogKey) (done bool, err error)
	Published(ctx context.Context, t id.Tenant) (vault.Published, error)
	LogKeys(ctx context.Context, t id.Tenant) ([]vault.LogKey, error)
}

//go:embed migrations/*.sql
var migrations embed.FS

// Ledger appends to the logs and proves what they hold. It is safe for concurrent use.
type Ledger struct {
	db     *store.DB
	vault  Vault
	clk    clock.Clock
	origin string
	random io.Reader

	signs   keyedMutex // who may sign a checkpoint or begin a generation
	rounds  rounds
	counted sync.Map // id.Tenant: *census
}

// New returns the ledger. origin names this installation in every checkpoint, such as
// "probity.example.org"; it holds no space and no plus sign. Call Migrate before anything else.
func New(db *store.DB, v Vault, clk clock.Clock, origin string) *Ledger {
	return &Ledger{
		db:     db,
		vault:  v,
		clk:    clk,
		origin: origin,
		random: rand.Reader,
		signs:  keyedMutex{held: map[id.Tenant]*waiters{}},
		rounds: rounds{next: map[id.Tenant]*round{}, last: map[id.Tenant]*round{}},
	}
}

// Migrate creates or updates the tables and the triggers that forbid changing an entry.
func (l *Ledger) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := l.db.Migrate(ctx, "ledger", files); err != nil {
		return err
	}
	return l.guard(ctx)
}

// Origin returns the name of a tenant's log, which is also the name of its key. A log that had to be
// bridged has the generation's number at the end of its name.
func (l *Ledger) Origin(t id.Tenant) string { return l.origin + "/log/" + t.String() }

// unavailable keeps failures that already have a kind and turns all others into Unavailable.
func unavailable(err error, doing string) error {
	if _, ok := errors.AsType[*fail.Error](err); ok {
		return err
	}
	return fail.Wrap(fail.Unavailable, err, "Could not %s", doing)
}

// keyedMutex lets one caller at a time work for a tenant.
type keyedMutex struct {
	mu   sync.Mutex // guards held
	held map[id.Tenant]*waiters
}

type waiters struct {
	mu sync.Mutex
	n  int // callers that hold or wait; guarded by keyedMutex.mu
}

// lock waits for the tenant's turn and returns what ends it.
func (k *keyedMutex) lock(t id.Tenant) (unlock func()) {
	k.mu.Lock()
	w := k.held[t]
	if w == nil {
		w = &waiters{}
		k.held[t] = w
	}
	w.n++
	k.mu.Unlock()
	w.mu.Lock()
	return func() {
		w.mu.Unlock()
		k.mu.Lock()
		if w.n--; w.n == 0 {
			delete(k.held, t)
		}
		k.mu.Unlock()
	}
}
