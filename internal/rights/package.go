package rights

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// partSize is how much of a package one row holds.
const partSize = 1 << 20

// TicketTTL is how long a signed download link works.
const TicketTTL = 5 * time.Minute

// stepPackage gathers everything that is held, makes the file and stores it sealed under the
// request's own key: the erasure of the person destroys the package with that key, and the package
// outlives no erasure.
func (r *Room) stepPackage(ctx context.Context, j *job) error {
	controller, rules, err := r.rules(ctx, j.tenant, j.facts.Policy)
	if err != nil {
		return err
	}
	now := r.Clock.Now()
	sections, report, err := r.gather(ctx, j.tenant, j.work.Subjects, j.typ, controller.Purposes)
	if err != nil {
		return err
	}
	own, err := r.ownIdentities(ctx, j.tenant, &j.content.Who, j.work.Subjects)
	if err != nil {
		return err
	}
	before, err := r.copiesBefore(ctx, j)
	if err != nil {
		return err
	}
	told, err := r.Recipients(ctx, j.tenant)
	if err != nil {
		return err
	}
	detectors, err := r.detectors(ctx, j.tenant)
	if err != nil {
		return err
	}
	soonGone, err := r.expiring(ctx, j.tenant, j.work.Subjects)
	if err != nil {
		return err
	}
	language, err := r.language(ctx, j)
	if err != nil {
		return err
	}
	language, words := wordsOf(language)
	more, shared, missing, further, err := r.gatherDatabases(ctx, j.tenant, j.typ, own, words)
	if err != nil {
		return r.keepOpen(ctx, j, err)
	}
	sections, report = append(sections, more...), append(report, further...)
	matched := j.report.Matched || slices.ContainsFunc(more, func(s Section) bool { return records(s.Data) > 0 })
	file, masked, err := buildPackage(packageInput{
		Rules:   detectors,
		Request: j.id, Type: j.typ, Received: j.received, Made: now,
		Controller: controller, Recipients: told, Sections: sections, Matched: matched,
		Language: language, Who: j.content.Who, Subjects: j.work.Subjects, Own: own, Before: before,
		Shared: shared, Missing: missing,
	})
	if err != nil {
		return err
	}
	pack := id.New()
	parts, err := r.sealParts(ctx, j, pack, file)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(file)
	name := "results-" + j.id.String() + "-" + strings.ReplaceAll(now.UTC().Format("2006-01-02T15:04:05.000Z"), ":", "_") + ".zip"
	return r.end(ctx, j, Verified, "", nil, func(tx *store.Tx) error {
		j.report.Stores, j.report.Decisions, j.report.Expiring = report, nil, soonGone
		j.report.Masked, j.report.Copies, j.report.Matched = masked, len(before)+1, matched
		for _, name := range missing {
			j.report.Decisions = append(j.report.Decisions, "No identifier of this person leads to "+name+".")
		}
		if !j.report.Matched {
			j.report.Decisions = append(j.report.Decisions, "Nothing is held under these identifiers.")
		}
		if len(before) > 0 {
			j.report.Decisions = append(j.report.Decisions, fmt.Sprintf("This is copy %d for this person; the first one is free, for a further one a reasonable fee may be asked (Art. 15(3)).", len(before)+1))
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO rights_package (tenant_id, id, request_id, data_key, name, size, sha256, made_at, expires_at, downloads)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)`,
			j.tenant, pack[:], j.id[:], j.key, name, len(file), sum[:], now.UnixMicro(), now.Add(time.Duration(rules.PackageDays)*day).UnixMicro())
		if err != nil {
			return err
		}
		for i, sealed := range parts {
			if _, err := tx.Exec(ctx, `
				INSERT INTO rights_package_part (tenant_id, package_id, part, sealed) VALUES ($1, $2, $3, $4)`,
				j.tenant, pack[:], i, sealed); err != nil {
				return err
			}
		}
		return r.deliverLater(ctx, tx, j, pack)
	})
}

// copiesBefore returns when earlier copies of the same kind were made for the person.
func (r *Room) copiesBefore(ctx context.Context, j *job) ([]time.Time, error) {
	earlier, err := r.OfSubjects(ctx, j.tenant, j.work.Subjects)
	var made []time.Time
	for _, q := range earlier {
		if q.ID != j.id && q.Type == j.typ && q.State == Verified {
			made = append(made, q.FinishedAt)
		}
	}
	slices.SortFunc(made, time.Time.Compare)
	return made, err
}

// ownIdentities returns what is known to be the person's own: what the request named, and what is held
// of them.
func (r *Room) ownIdentities(ctx context.Context, t id.Tenant, who *Who, subjects []id.Subject) ([]identifier, error) {
	all := who.identifiers()
	for _, s := range subjects {
		held, err := r.People.Identities(ctx, t, s)
		if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, i := range held {
			if one := (identifier{i.Kind, i.Value}); !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return all, nil
}

// language returns the language to answer in: the one the request asks for, or else that in which the
// person was last asked something.
func (r *Room) language(ctx context.Context, j *job) (string, error) {
	if j.content.Language != "" {
		return j.content.Language, nil
	}
	for _, s := range r.Stores {
		if speaker, ok := s.(Speaker); ok {
			if l, err := speaker.Language(ctx, j.tenant, j.work.Subjects); l != "" || err != nil {
				return l, err
			}
		}
	}
	return "en", nil
}

// gather asks every store for what it holds.
func (r *Room) gather(ctx context.Context, t id.Tenant, subjects []id.Subject, typ Type, purposes []Purpose) ([]Section, []StoreReport, error) {
	var all []Section
	var report []StoreReport
	for _, s := range r.Stores {
		sections, err := s.Export(ctx, t, subjects)
		if err != nil {
			return nil, nil, fmt.Errorf("export from %s: %w", s.Name(), err)
		}
		counts := []Count{}
		for _, section := range sections {
			if typ == Portability && !makePortable(&section, purposes) {
				continue
			}
			all = append(all, section)
			counts = append(counts, Count{section.File, records(section.Data) + int64(len(section.Each))})
		}
		report = append(report, StoreReport{Store: s.Name(), Did: "exported", Counts: counts})
	}
	if typ == Access {
		own, err := r.ownSection(ctx, t, subjects)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, own)
	}
	return all, report, nil
}

// Held returns everything that is held about the subjects and the persons they belong to, as an
// access package would, without making one: for the privacy centre. The caller must know that the
// person is who asks.
func (r *Room) Held(ctx context.Context, t id.Tenant, subjects ...id.Subject) ([]Section, error) {
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		subjects, err = r.expand(ctx, tx, subjects)
		return err
	})
	if err != nil {
		return nil, err
	}
	sections, _, err := r.gather(ctx, t, subjects, Access, nil)
	// What is the same once more for other programs is for files only.
	return slices.DeleteFunc(sections, func(s Section) bool { return s.Each != nil }), err
}

// makePortable leaves in a section what the person can take elsewhere, and tells whether that is any:
// what they gave or what was observed of them, held on consent or a contract (Art. 20(1) GDPR).
func makePortable(s *Section, purposes []Purpose) bool {
	if !s.Provided || s.FileOnly {
		return false
	}
	if data, ok := s.Data.(interface{ portable() (any, string) }); ok {
		s.Data, s.Basis = data.portable()
		if s.Basis == "" {
			s.Basis = "consent"
		}
	}
	basis := s.Basis
	if basis == "" {
		basis = basisOf(purposes, s.Purpose)
	}
	return portableBasis(basis)
}

// ownSection is what rights itself holds: that requests were made, and who downloaded packages
// (CJEU C-579/21).
func (r *Room) ownSection(ctx context.Context, t id.Tenant, subjects []id.Subject) (Section, error) {
	type download struct {
		At   string `json:"at"`
		By   string `json:"by"`
		Name string `json:"package,omitempty"`
	}
	type entry struct {
		Request   uuid.UUID  `json:"request"`
		Type      Type       `json:"type"`
		Received  string     `json:"received"`
		Channel   string     `json:"channel"`
		State     State      `json:"state"`
		Downloads []download `json:"downloads"`
	}
	requests, err := r.OfSubjects(ctx, t, subjects)
	list := []entry{}
	for _, q := range requests {
		e := entry{q.ID, q.Type, stamp(q.ReceivedAt), q.Channel, q.State, []download{}}
		err = errors.Join(err, r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			e.Downloads = []download{}
			rows, err := tx.Query(ctx, `
				SELECT actor_kind, downloaded_at FROM rights_download
				WHERE tenant_id = $1 AND request_id = $2 ORDER BY downloaded_at`, t, q.ID[:])
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var d download
				var at int64
				if err := rows.Scan(&d.By, &at); err != nil {
					return err
				}
				d.At = stamp(micro(at))
				if q.Package != nil {
					d.Name = q.Package.Name
				}
				e.Downloads = append(e.Downloads, d)
			}
			return rows.Err()
		}))
		list = append(list, e)
	}
	return Section{
		File: "rights/requests", Title: "Your earlier requests",
		About:  "Requests about your data, and who downloaded the files made for them.",
		Origin: Recorded, Basis: "legal_obligation", Data: list,
	}, err
}

func (r *Room) sealParts(ctx context.Context, j *job, pack uuid.UUID, file []byte) ([][]byte, error) {
	var parts [][]byte
	for chunk := range slices.Chunk(file, partSize) {
		sealed, err := r.Keys.Seal(ctx, j.tenant, j.key, partAAD(j.tenant, pack, len(parts)), chunk)
		if err != nil {
			return nil, err
		}
		parts = append(parts, sealed)
	}
	return parts, nil
}

func partAAD(t id.Tenant, pack uuid.UUID, part int) []byte {
	return append(requestAAD(t, pack, "package"), strconv.Itoa(part)...)
}

// Download returns the package of a request, opened, and logs who took it. It fails with NotFound
// if there is none, and with Gone once it has expired or the person was erased.
func (r *Room) Download(ctx context.Context, t id.Tenant, pack uuid.UUID, by Actor) (*Package, []byte, error) {
	p, request, file, err := r.openPackage(ctx, t, pack)
	if err != nil {
		return nil, nil, err
	}
	if err := r.logDownload(ctx, t, pack, request, by); err != nil {
		return nil, nil, err
	}
	p.Downloads++
	return p, file, nil
}

// openPackage returns a package, opened, and the request it was made for.
func (r *Room) openPackage(ctx context.Context, t id.Tenant, pack uuid.UUID) (_ *Package, request uuid.UUID, _ []byte, _ error) {
	p := &Package{ID: pack}
	var key id.Subject
	var parts [][]byte
	now := r.Clock.Now()
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		parts = nil
		var sum []byte
		var made, expires int64
		err := tx.QueryRow(ctx, `
			SELECT request_id, data_key, name, size, sha256, made_at, expires_at, downloads
			FROM rights_package WHERE tenant_id = $1 AND id = $2`, t, pack[:]).
			Scan(&request, &key, &p.Name, &p.Size, &sum, &made, &expires, &p.Downloads)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "there is no such download, or it has expired")
		}
		if err != nil {
			return err
		}
		p.MadeAt, p.ExpiresAt, p.SHA256 = micro(made), micro(expires), [32]byte(sum)
		rows, err := tx.Query(ctx, `
			SELECT sealed FROM rights_package_part WHERE tenant_id = $1 AND package_id = $2 ORDER BY part`, t, pack[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var sealed []byte
			if err := rows.Scan(&sealed); err != nil {
				return err
			}
			parts = append(parts, sealed)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, request, nil, err
	}
	if !now.Before(p.ExpiresAt) {
		return nil, request, nil, fail.New(fail.NotFound, "there is no such download, or it has expired")
	}
	var file bytes.Buffer
	for i, sealed := range parts {
		plain, err := r.Keys.Open(ctx, t, key, partAAD(t, pack, i), sealed)
		if err != nil {
			return nil, request, nil, err
		}
		file.Write(plain)
	}
	if sha256.Sum256(file.Bytes()) != p.SHA256 {
		return nil, request, nil, fail.New(fail.Internal, "the package is damaged: its hash is not the one that was stored")
	}
	return p, request, file.Bytes(), nil
}

// logDownload notes that somebody took a package.
func (r *Room) logDownload(ctx context.Context, t id.Tenant, pack, request uuid.UUID, by Actor) error {
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE rights_package SET downloads = downloads + 1 WHERE tenant_id = $1 AND id = $2`, t, pack[:]); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO rights_download (tenant_id, id, package_id, request_id, actor_kind, actor_id, downloaded_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			t, id.New(), pack[:], request[:], by.Kind, by.ID, r.Clock.Now().UnixMicro())
		return err
	})
}

// Ticket returns a short-lived secret with which the package can be downloaded without credentials:
// the query string of a signed link. Whoever has the link has the package, for TicketTTL.
func (r *Room) Ticket(ctx context.Context, t id.Tenant, pack uuid.UUID) (until int64, mac string, err error) {
	var n int
	now := r.Clock.Now()
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `
			SELECT count(*) FROM rights_package WHERE tenant_id = $1 AND id = $2 AND expires_at > $3`,
			t, pack[:], now.UnixMicro()).Scan(&n)
	})
	if err != nil {
		return 0, "", err
	}
	if n == 0 {
		return 0, "", fail.New(fail.NotFound, "there is no such download, or it has expired")
	}
	until = now.Add(TicketTTL).Unix()
	sum, err := r.ticketMAC(ctx, t, pack, until)
	return until, hex.EncodeToString(sum), err
}

// Redeem returns the package that a signed link is for. It fails with Forbidden when the link was
// altered or is too old.
func (r *Room) Redeem(ctx context.Context, pack uuid.UUID, until int64, mac string) (*Package, []byte, error) {
	var t id.Tenant
	err := r.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT tenant_id FROM rights_package WHERE id = $1`, pack[:]).Scan(&t)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, fail.New(fail.NotFound, "there is no such download, or it has expired")
	}
	if err != nil {
		return nil, nil, err
	}
	want, err := r.ticketMAC(ctx, t, pack, until)
	if err != nil {
		return nil, nil, err
	}
	got, err := hex.DecodeString(mac)
	if err != nil || !hmac.Equal(want, got) || r.Clock.Now().Unix() > until {
		return nil, nil, fail.New(fail.Forbidden, "this download link has expired; ask for a new one")
	}
	return r.Download(ctx, t, pack, Actor{Kind: "link"})
}

func (r *Room) ticketMAC(ctx context.Context, t id.Tenant, pack uuid.UUID, until int64) ([]byte, error) {
	return r.Keys.BlindIndex(ctx, t, "rights.ticket", pack.String()+"/"+strconv.FormatInt(until, 10))
}
