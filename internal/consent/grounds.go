package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
)

// Claim is what something that was stored says about its ground.
type Claim struct {
	Subject    id.Subject
	Deployment uuid.UUID
	Purpose    string
	Ground     Ground
	Received   time.Time
}

// Grounds checks, for an auditor, whether what was stored had a live basis when it was received. It
// asks neither the gate nor any cache: it reads the records, compares each with its entry in the ledger,
// and folds them. Ask about one subject's claims together. It is not safe for concurrent use.
type Grounds struct {
	room     *Room
	tenant   id.Tenant
	set      *settings
	forged   map[uuid.UUID]string // declarations that are not what was logged
	subject  id.Subject           // whose records are at hand
	own      []Record
	others   [][]Record
	mismatch *Mismatch // the first of the subject's own records that is not what was logged
}

// Grounds returns a check of the organisation as it is recorded now. Errors: fail.Unavailable.
func (r *Room) Grounds(ctx context.Context, t id.Tenant) (*Grounds, error) {
	g := &Grounds{room: r, tenant: t, forged: map[uuid.UUID]string{}}
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		g.set, err = r.readSettings(ctx, tx, r.clk.Now())
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read the purposes of an organisation")
	}
	for i := range g.set.declarations {
		d := &g.set.declarations[i]
		why, err := r.compareDeclared(ctx, t, d)
		if err != nil {
			return nil, err
		}
		if why != "" {
			g.forged[d.Record] = why
		}
	}
	return g, nil
}

// compareDeclared says how a declaration differs from its entry in the ledger, empty if it doesn't.
func (r *Room) compareDeclared(ctx context.Context, t id.Tenant, d *Declared) (string, error) {
	receipt, err := r.ledger.Receipt(ctx, t, d.Ledger, nil)
	switch {
	case fail.Is(err, fail.Unavailable):
		return "", err
	case err != nil:
		return "its entry can't be read", nil
	}
	if _, _, err := receipt.Check(receipt.VerifierKey); err != nil {
		return "its entry does not verify", nil
	}
	var e struct {
		ID         string   `json:"id"`
		Site       string   `json:"site"`
		Basis      string   `json:"basis"`
		Purposes   []string `json:"purposes"`
		ServerTime string   `json:"server_time"`
	}
	if json.Unmarshal(receipt.Entry, &e) != nil || e.ID != d.Record.String() || e.Site != d.Deployment.String() ||
		e.Basis != d.Basis.Article() || e.ServerTime != d.At.Format(timeFormat) || !slices.Equal(e.Purposes, d.Purposes) {
		return "it is not what was logged", nil
	}
	return "", nil
}

// mergeGrace is how long after a merge the other devices' refusals need not have been known everywhere:
// 2×CacheLife.
const mergeGrace = 2 * CacheLife

// Check returns why the claim does not hold, empty if it does. The reason holds nothing personal.
// Errors: fail.Unavailable.
func (g *Grounds) Check(ctx context.Context, c Claim) (why string, err error) {
	if err := g.turnTo(ctx, c.Subject); err != nil {
		return "", err
	}
	if g.mismatch != nil {
		return fmt.Sprintf("the record of entry %d of the ledger is not what was logged", g.mismatch.Ledger), nil
	}
	st, err := g.stateAt(ctx, c.Subject, c.Purpose, c.Received)
	if err != nil {
		return "", err
	}
	if c.Ground.Basis == string(notice.Consent) {
		return g.consented(&c, st), nil
	}
	return g.declaredFor(&c, st), nil
}

// Identified is Check for the traits that an event holds: they need the purpose "identity", on
// whatever ground.
func (g *Grounds) Identified(ctx context.Context, c Claim) (why string, err error) {
	if err := g.turnTo(ctx, c.Subject); err != nil {
		return "", err
	}
	st, err := g.stateAt(ctx, c.Subject, notice.Identity, c.Received)
	if err != nil || st.Status == Given || !st.Status.denies() && g.set.declared(c.Deployment, notice.Identity, c.Received) != nil {
		return "", err
	}
	return "it holds traits without a basis for the purpose identity", nil
}

func (g *Grounds) consented(c *Claim, st State) string {
	if st.Status != Given {
		return fmt.Sprintf("at receipt the state of the purpose %s was %s", c.Purpose, st.Status)
	}
	i := slices.IndexFunc(g.own, func(r Record) bool { return r.Ledger == c.Ground.Ledger })
	switch {
	case i < 0:
		return fmt.Sprintf("it cites entry %d of the ledger, which is no choice of this visitor", c.Ground.Ledger)
	case g.own[i].says(c.Purpose) != Given:
		return fmt.Sprintf("it cites entry %d of the ledger, which does not grant the purpose %s", c.Ground.Ledger, c.Purpose)
	}
	return ""
}

func (g *Grounds) declaredFor(c *Claim, st State) string {
	if st.Status.denies() {
		return fmt.Sprintf("at receipt the state of the purpose %s was %s, against which no declared basis helps", c.Purpose, st.Status)
	}
	i := slices.IndexFunc(g.set.declarations, func(d Declared) bool { return d.Record.String() == c.Ground.Declared })
	if i < 0 {
		return "it cites a declared basis that there is not"
	}
	d := &g.set.declarations[i]
	switch {
	case g.forged[d.Record] != "":
		return "it cites a declared basis that does not hold: " + g.forged[d.Record]
	case string(d.Basis) != c.Ground.Basis || d.Ledger != c.Ground.Ledger:
		return "it cites a declared basis as another than it is"
	case d.Deployment != uuid.Nil && d.Deployment != c.Deployment:
		return "it cites a basis that was declared for another deployment"
	case !d.holds(c.Purpose, c.Received):
		return fmt.Sprintf("at receipt the declared basis did not hold for the purpose %s", c.Purpose)
	}
	return ""
}

// stateAt folds the records as of an instant. A refusal on another device counts if the devices were
// known to belong together then.
func (g *Grounds) stateAt(ctx context.Context, s id.Subject, purpose string, at time.Time) (State, error) {
	material := g.set.materialAt(at)
	st := foldPurpose(g.own, g.others, purpose, at, material)
	if !st.Elsewhere {
		return st, nil
	}
	var known [][]Record
	err := g.room.db.Tenant(g.tenant).Read(ctx, func(tx *store.Tx) error {
		known = nil
		members, err := g.room.subjects.PersonAt(ctx, tx, s, at.Add(-mergeGrace))
		if err != nil {
			return err
		}
		for _, list := range g.others {
			if len(list) > 0 && slices.Contains(members, list[0].Subject) {
				known = append(known, list)
			}
		}
		return nil
	})
	if err != nil {
		return st, unavailable(err, "read which devices belonged together")
	}
	return foldPurpose(g.own, known, purpose, at, material), nil
}

// turnTo reads the records of a subject and of the others of its person, and compares its own with the
// ledger.
func (g *Grounds) turnTo(ctx context.Context, s id.Subject) error {
	if s == g.subject {
		return nil
	}
	r := g.room
	var own []Record
	var others [][]Record
	err := r.db.Tenant(g.tenant).Read(ctx, func(tx *store.Tx) error {
		own, others = nil, nil
		members, err := r.subjects.Person(ctx, tx, s)
		if err != nil {
			return err
		}
		for _, m := range members {
			records, err := recordsOf(ctx, tx, m)
			if err != nil {
				return err
			}
			if m == s {
				own = records
			} else {
				others = append(others, records)
			}
		}
		return nil
	})
	if err != nil {
		return unavailable(err, "read the records of consent")
	}
	g.mismatch = nil
	for i := range own {
		err := r.compare(ctx, g.tenant, &own[i])
		if m, ok := errors.AsType[*Mismatch](err); ok {
			g.mismatch = m
			break
		}
		if err != nil {
			return err
		}
	}
	g.subject, g.own, g.others = s, own, others
	return nil
}
