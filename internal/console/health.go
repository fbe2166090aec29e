package console

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/org"
	"probity/internal/witness"
	"probity/verify"
)

// Log tells how the ledger stands and has it examine itself. *witness.Publisher satisfies it.
type Log interface {
	Health(ctx context.Context, t id.Tenant) (*witness.Health, error)
	SelfAudit(ctx context.Context, t id.Tenant) (*witness.Audit, error)
}

// Entries counts entries and knows the keys of the ledger. *ledger.Ledger satisfies it.
type Entries interface {
	Kinds(ctx context.Context, t id.Tenant) (map[string]int64, error)
	Keys(ctx context.Context, t id.Tenant) (*verify.Keychain, error)
}

// Excerpts hands out what the ledger holds of a period. *consent.Room satisfies it.
type Excerpts interface {
	Excerpt(ctx context.Context, t id.Tenant, p consent.Period, out io.Writer) error
}

// kindCount is how many entries of a kind there are.
type kindCount struct {
	Kind string
	N    int64
}

// place is somewhere checkpoints are sent to.
type place struct {
	witness.Destination
	Name, What string
}

type ledgerPage struct {
	Tenant  id.Tenant
	Health  *witness.Health
	Root    string // of the newest checkpoint, base64
	Origin  string // name of the log
	Keys    []verify.Period
	Key     string // in use
	Kinds   []kindCount
	Entries int64
	Steps   int64 // how often the clock was found to have jumped
	Places  []place
	From    string // default period of an excerpt
	To      string
	Excerpt bool // the reader may take one
}

// placeWords say what happens at a place that checkpoints are sent to.
var placeWords = map[string]string{witness.ByWitness: "witness, signs below", witness.ByPost: "posted", witness.ByMail: "mailed"}

// ledger shows how the transparency log stands.
func (k *call) ledger() error {
	ctx, t := k.r.Context(), k.tenant()
	health, err := k.Log.Health(ctx, t)
	if err != nil {
		return err
	}
	now := k.Clock.Now().UTC()
	p := ledgerPage{Tenant: t, Health: health, Excerpt: k.staff.Can(org.PermissionConsent), From: now.AddDate(0, -1, 0).Format(time.DateOnly), To: now.Format(time.DateOnly)}
	chain, err := k.Entries.Keys(ctx, t)
	if err != nil && !fail.Is(err, fail.NotFound) {
		return err
	}
	if chain != nil {
		if p.Keys, err = chain.Check(); err != nil {
			health.Alarms = append(health.Alarms, "The keys of the log do not follow from each other: "+err.Error())
		}
		p.Key = chain.Keys[len(chain.Keys)-1].VerifierKey
	}
	if c := health.Checkpoint; c != nil {
		lines := strings.SplitN(c.Note, "\n", 4)
		if len(lines) == 4 {
			p.Origin, p.Root = lines[0], lines[2]
		}
	}
	for _, d := range health.Destinations {
		name, _, _ := strings.Cut(d.Destination, "+") // a witness is named by its key
		if d.Kind != witness.ByWitness {
			name = d.Destination
		}
		p.Places = append(p.Places, place{d, name, placeWords[d.Kind]})
	}
	kinds, err := k.Entries.Kinds(ctx, t)
	if err != nil {
		return err
	}
	for kind, n := range kinds {
		p.Kinds = append(p.Kinds, kindCount{cmp.Or(kind, "damaged"), n})
		p.Entries += n
	}
	slices.SortFunc(p.Kinds, func(a, b kindCount) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Kind, b.Kind)) })
	p.Steps = kinds[ledger.ClockStepped]
	return k.show(http.StatusOK, "consent-ledger", "Ledger", p)
}

// selfAudit has the log examine itself while the reader waits, one audit at a time.
func (k *call) selfAudit() error {
	if _, running := k.auditing.LoadOrStore(k.tenant(), true); running {
		return fail.New(fail.Conflict, "An audit is running already. Look again in a moment.")
	}
	defer k.auditing.Delete(k.tenant())
	// Whoever closes the page has asked for it all the same.
	if _, err := k.Log.SelfAudit(context.WithoutCancel(k.r.Context()), k.tenant()); err != nil {
		return err
	}
	http.Redirect(k.w, k.r, "/console/consent/ledger#audit", http.StatusSeeOther)
	return nil
}

// checkpoint hands out the newest checkpoint, for whoever wants to keep one.
func (k *call) checkpoint() error {
	health, err := k.Log.Health(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	if health.Checkpoint == nil {
		return fail.New(fail.NotFound, "Nothing was signed yet.")
	}
	return k.attachAs("text/plain; charset=utf-8", fmt.Sprintf("checkpoint-%d.txt", health.Checkpoint.Size), []byte(health.Checkpoint.Note))
}

// excerpt hands out what the ledger holds of a period, as a supervisory authority may ask.
func (k *call) excerpt() error {
	q := k.r.URL.Query()
	p := consent.Period{}
	var err error
	if p.From, err = time.Parse(time.DateOnly, q.Get("from")); err != nil {
		return fail.Field("from", "The first day is not a day such as 2026-11-22.")
	}
	if p.To, err = time.Parse(time.DateOnly, q.Get("to")); err != nil {
		return fail.Field("to", "The last day is not a day such as 2026-11-22.")
	}
	p.To = p.To.Add(24*time.Hour - time.Second)
	if s := q.Get("site"); s != "" {
		if p.Site, err = uuid.Parse(s); err != nil {
			return fail.Field("site", "This is not a deployment.")
		}
	}
	out := &lateFile{w: k.w, mediaType: "application/jsonl", name: "excerpt-" + q.Get("from") + "-" + q.Get("to") + ".jsonl"}
	err = k.Excerpts.Excerpt(k.r.Context(), k.tenant(), p, out)
	if err != nil && out.begun {
		// The file has no last line, so a verifier refuses it.
		k.Logger.Error("an excerpt of the log broke off", "error", err)
		return nil
	}
	return err
}

// lateFile is a download that begins with its first byte: until then an error can still be a page.
type lateFile struct {
	w               http.ResponseWriter
	mediaType, name string
	begun           bool
}

func (l *lateFile) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", l.mediaType)
		l.w.Header().Set("Content-Disposition", `attachment; filename="`+l.name+`"`)
	}
	return l.w.Write(b)
}
