package consent

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/verify"
)

// Period is what a supervisory authority asks for.
type Period struct {
	From, To time.Time // To may lie ahead: then it is up to now
	Site     uuid.UUID // deployment; zero: all
}

// excerptSlice is how many entries are read at once.
const excerptSlice = 500

// Excerpt writes everything that the organisation's log holds of a period: each choice about the
// site with what was served before it, the notices cited, word for word, and all entries without a
// person, such as overrides, declared bases, builds and keys. Subjects are random references. What
// was erased, and what is about another site or another matter, stands as a leaf without content, so
// that nothing can be missing. Purposes and notices published before the period that still count in
// it are proved beside it.
//
// It writes as it reads, so an error may leave a beginning behind; a reader sees that its last line
// is missing. Errors: fail.Invalid for a period that ends before it begins, fail.NotFound if the log
// is empty.
func (r *Room) Excerpt(ctx context.Context, t id.Tenant, p Period, out io.Writer) error {
	if p.To.Before(p.From) {
		return fail.Field("to", "The period ends before it begins.")
	}
	w, err := r.ledger.Window(ctx, t, p.From, p.To)
	if err != nil {
		return err
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return err
	}
	head := verify.ExcerptHead{
		VerifierKey: w.VerifierKey, From: p.From.UTC().Format(time.RFC3339), To: p.To.UTC().Format(time.RFC3339),
		First: w.First, Spine: w.Spine, Old: w.Old,
	}
	if p.Site != uuid.Nil {
		head.Site = p.Site.String()
	}
	x, err := verify.NewExcerptWriter(out, head)
	if err != nil {
		return err
	}
	e := &excerpting{room: r, tenant: t, period: p, set: set, out: x, enclosed: map[string]bool{}, end: w.Size}
	if err := e.before(ctx, w.First, w.VerifierKey); err != nil {
		return err
	}
	for n := w.First; n < w.Size; {
		lines, err := r.ledger.Lines(ctx, t, n, w.Size, excerptSlice)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return fail.New(fail.Unavailable, "Entry %d of the ledger is missing. Run the self-audit.", n)
		}
		if err := e.lines(ctx, lines); err != nil {
			return err
		}
		n = lines[len(lines)-1].Index + 1
	}
	return x.Close([]byte(w.Checkpoint))
}

// excerpting is one excerpt on its way out.
type excerpting struct {
	room     *Room
	tenant   id.Tenant
	period   Period
	set      *settings
	out      *verify.ExcerptWriter
	enclosed map[string]bool // digests of notices
	end      int64
}

// before proves the notices that were published earlier and may still be shown in the period.
func (e *excerpting) before(ctx context.Context, first int64, key string) error {
	newest := 0
	for _, n := range e.set.notices {
		if n.ledger < first {
			newest = max(newest, n.Version)
		}
	}
	for i := range e.set.notices {
		n := &e.set.notices[i]
		if n.ledger >= first || n.Version != newest {
			continue
		}
		receipt, err := e.room.ledger.Receipt(ctx, e.tenant, n.ledger, nil)
		if err != nil {
			return err
		}
		if receipt.VerifierKey != key {
			continue // the log's key was replaced while this file is written
		}
		if err := e.out.Receipt(receipt); err != nil {
			return err
		}
	}
	return nil
}

// lines writes the next entries. Their records, if they are about people, tell how to open them.
func (e *excerpting) lines(ctx context.Context, lines []ledger.Line) error {
	r := e.room
	records, err := r.between(ctx, e.tenant, lines[0].Index, lines[len(lines)-1].Index+1)
	if err != nil {
		return err
	}
	for i := range lines {
		line := &lines[i]
		body, err := e.open(ctx, line, records)
		switch {
		case line.Body == nil || fail.Is(err, fail.Gone):
			err = e.out.Bare(line.Leaf, verify.Erased)
		case err != nil:
			return err
		case body == nil || !e.asked(line.Leaf.Kind, body[verify.SaltSize:]):
			err = e.out.Bare(line.Leaf, verify.Withheld)
		default:
			payload := body[verify.SaltSize:]
			if err := e.enclose(ctx, line.Leaf.Kind, payload); err != nil {
				return err
			}
			err = e.out.Entry(line.Leaf, payload, [verify.SaltSize]byte(body))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open returns salt and payload, nil if the entry is sealed and not about consent.
func (e *excerpting) open(ctx context.Context, line *ledger.Line, records map[int64]*Record) ([]byte, error) {
	if line.Body == nil || !line.Sealed {
		return line.Body, nil
	}
	rec := records[line.Index]
	if rec == nil {
		return nil, nil
	}
	unseal := func(which uuid.UUID, sealed []byte) ([]byte, error) {
		return e.room.keys.Open(ctx, e.tenant, rec.Subject, entryAAD(e.tenant, rec.Subject, which), sealed)
	}
	if rec.Ledger == line.Index {
		return unseal(rec.ID, line.Body)
	}
	// What was served is sealed under the id that the choice after it names.
	choice, err := e.room.ledger.Lines(ctx, e.tenant, rec.Ledger, rec.Ledger+1, 1)
	if err != nil || len(choice) == 0 || choice[0].Body == nil {
		return nil, err
	}
	body, err := unseal(rec.ID, choice[0].Body)
	if err != nil {
		return nil, err
	}
	var said entry
	if err := json.Unmarshal(body[verify.SaltSize:], &said); err != nil || said.Served == nil {
		return nil, fail.New(fail.Unavailable, "Entry %d of the ledger does not say what was served. Run the self-audit.", rec.Ledger)
	}
	which, err := uuid.Parse(said.Served.ID)
	if err != nil {
		return nil, fail.New(fail.Unavailable, "Entry %d of the ledger does not say what was served. Run the self-audit.", rec.Ledger)
	}
	return unseal(which, line.Body)
}

// asked tells whether an entry belongs into the excerpt: all about no one in particular, and of those
// about a choice those of the site.
func (e *excerpting) asked(kind string, payload []byte) bool {
	if e.period.Site == uuid.Nil || !strings.HasPrefix(kind, "consent.") && kind != ledger.NoticeServed {
		return true
	}
	var about struct {
		Site string `json:"site"`
	}
	return json.Unmarshal(payload, &about) == nil && about.Site == e.period.Site.String()
}

// enclose adds the notice that an entry cites, once.
func (e *excerpting) enclose(ctx context.Context, kind string, payload []byte) error {
	var cites struct {
		ID       string       `json:"id"`
		Version  int          `json:"version"`
		SHA256   string       `json:"text_sha256"`
		Language string       `json:"language"`
		Notice   *entryNotice `json:"notice"`
	}
	if err := json.Unmarshal(payload, &cites); err != nil {
		return nil // another shape of entry, which cites nothing
	}
	n := cites.Notice
	if kind == ledger.NoticePublished {
		n = &entryNotice{ID: cites.ID, Version: cites.Version, TextSHA256: cites.SHA256, Language: cites.Language}
	}
	if n == nil || n.TextSHA256 == "" || e.enclosed[n.TextSHA256] {
		return nil
	}
	text, err := e.room.Artefact(ctx, e.tenant, n.ID, n.Version, n.Language)
	if err != nil {
		return err
	}
	e.enclosed[n.TextSHA256] = true
	return e.out.Notice(&verify.Document{MediaType: notice.MediaType, Language: n.Language, Text: string(text)})
}

// between returns the records whose entries, or whose entries of what was served, have these indexes.
func (r *Room) between(ctx context.Context, t id.Tenant, from, to int64) (map[int64]*Record, error) {
	out := map[int64]*Record{}
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		clear(out)
		rows, err := tx.Query(ctx, `
			SELECT `+recordColumns+` FROM consent_record
			WHERE tenant_id = $1 AND ledger >= $2 AND ledger <= $3`, t, from, to)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			rec, err := scanRecord(rows)
			if err != nil {
				return err
			}
			out[rec.Ledger] = &rec
			if rec.Served >= 0 {
				out[rec.Served] = &rec
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "read the records of a period")
	}
	return out, nil
}

// cited returns the notices that entries of a bundle depend on: those cited, and those that suspended
// earlier grants.
func (s *settings) cited(records []Record) []int64 {
	var out []int64
	material := map[int]bool{}
	for i := range s.notices {
		n := &s.notices[i]
		use := n.material && !material[n.Version]
		for j := range records {
			use = use || records[j].Notice == n.ID && records[j].Version == n.Version && records[j].Language == n.Language
		}
		if use {
			material[n.Version] = material[n.Version] || n.material
			out = append(out, n.ledger)
		}
	}
	return out
}
