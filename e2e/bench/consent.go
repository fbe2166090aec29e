package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/internal/vault"
	"probity/sdk"
	"probity/verify"
)

// consentRooms are the rooms that consent needs, on a database of their own in this process.
type consentRooms struct {
	db      *store.DB
	keysDB  *store.DB
	ledger  *ledger.Ledger
	consent *consent.Room
	tenant  id.Tenant
}

func (b *bench) consentRooms(ctx context.Context) (r *consentRooms, err error) {
	r = &consentRooms{tenant: id.NewTenant()}
	if r.db, err = store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(b.dir, "consent.db")}); err != nil {
		return nil, err
	}
	if r.keysDB, err = store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(b.dir, "consent-keys.db")}); err != nil {
		return nil, errors.Join(err, r.db.Close())
	}
	clk := clock.System()
	keys, err := vault.Open(ctx, r.keysDB, vault.RootKey{1}, clk, vault.Options{})
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.ledger = ledger.New(r.db, keys, clk, "bench.invalid")
	subjects := subject.New(r.db, keys, clk)
	r.consent = consent.New(r.db, r.ledger, subjects, keys, clk, nil)
	for _, migrate := range []func(context.Context) error{r.ledger.Migrate, subjects.Migrate, r.consent.Migrate} {
		if err := migrate(ctx); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	if err := r.consent.EnsureDefaults(ctx, r.tenant); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *consentRooms) close() error { return errors.Join(r.db.Close(), r.keysDB.Close()) }

// consentFigures measures what consent costs: a decision of the gate, entries of the ledger, proofs,
// and the bytes that a visitor downloads. It runs in this process; choices against the whole server
// are measured by choices.
func (b *bench) consentFigures(ctx context.Context) error {
	r, err := b.consentRooms(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.gate(ctx); err != nil {
		return err
	}
	if err := r.entries(ctx); err != nil {
		return err
	}
	if err := r.proofs(ctx); err != nil {
		return err
	}
	return r.sizes(ctx)
}

// gate times the cached decision at the edge for one of a thousand people who agreed.
func (r *consentRooms) gate(ctx context.Context) error {
	const people, asked = 1000, 2_000_000
	site := uuid.New()
	all := map[string]bool{}
	for _, p := range notice.DefaultPurposes() {
		all[p.ID] = true
	}
	subjects := make([]id.Subject, people)
	for i := range subjects {
		nonce, err := r.consent.Nonce(ctx, r.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"})
		if err != nil {
			return err
		}
		out, err := r.consent.Choose(ctx, r.tenant, consent.Choice{
			Deployment: site, Nonce: nonce, Purposes: all,
			UI: consent.UI{Component: "banner", Action: "accept_all", DwellMS: 2000, Trusted: true, Viewport: "d"},
		})
		if err != nil {
			return err
		}
		subjects[i] = out.Subject
		if _, err := r.consent.GateFor(ctx, r.tenant, out.Subject, site, notice.Measure); err != nil {
			return err
		}
	}
	begin := time.Now()
	for i := range asked {
		if _, err := r.consent.GateFor(ctx, r.tenant, subjects[i%people], site, notice.Measure); err != nil {
			return err
		}
	}
	report("gate-cached", float64(time.Since(begin).Nanoseconds())/asked/1000, "µs", 0)
	return nil
}

// entries times appending to the ledger in transactions of a thousand, each synced.
func (r *consentRooms) entries(ctx context.Context) error {
	const batch, batches = 1000, 100
	var open []ledger.Entry
	for i := range batch {
		payload := fmt.Appendf(nil, `{"schema":"probity/bench/1","id":"%s","n":%d,"purposes":[{"id":"measure","state":"ConsentGiven"}]}`, uuid.New(), i)
		open = append(open, ledger.Entry{Kind: ledger.ConsentGiven, Payload: payload})
	}
	begin := time.Now()
	for range batches {
		err := r.db.Tenant(r.tenant).Write(ctx, func(tx *store.Tx) error {
			_, err := r.ledger.AppendAll(ctx, tx, open)
			return err
		})
		if err != nil {
			return err
		}
	}
	report("ledger-batched", batch*batches/time.Since(begin).Seconds(), "entries/s", 0)
	return nil
}

// proofs times making and checking the proof of an entry in the log that entries has filled.
func (r *consentRooms) proofs(ctx context.Context) error {
	const made = 1000
	c, err := r.ledger.Checkpoint(ctx, r.tenant)
	if err != nil {
		return err
	}
	key, err := r.ledger.VerifierKey(ctx, r.tenant)
	if err != nil {
		return err
	}
	at, err := verify.OpenCheckpoint(c, key)
	if err != nil {
		return err
	}
	files := make([][]byte, 0, made)
	var making time.Duration
	for i := range made {
		// Entries from the second half are the clear ones of entries.
		index := at.Tree.N/2 + int64(i)*(at.Tree.N/2-1)/made
		begin := time.Now()
		receipt, err := r.ledger.Receipt(ctx, r.tenant, index, nil)
		making += time.Since(begin)
		if err != nil {
			return err
		}
		file, err := json.Marshal(receipt)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	begin := time.Now()
	for _, f := range files {
		if _, err := verify.File(f, key); err != nil {
			return err
		}
	}
	report("proof-made", float64(making.Microseconds())/made/1000, "ms", 0)
	report("proof-checked", float64(time.Since(begin).Microseconds())/made/1000, "ms", 0)
	remark("log of %d entries", at.Tree.N)
	return nil
}

// sizes prints what a visitor downloads, compressed as by a web server at its best.
func (r *consentRooms) sizes(ctx context.Context) error {
	size := func(parts ...[]byte) (total int) {
		for _, p := range parts {
			var b bytes.Buffer
			z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
			if err != nil {
				return 0
			}
			_, _ = z.Write(p)
			_ = z.Close()
			total += b.Len()
		}
		return total
	}
	file := func(name string) []byte {
		data, _ := sdk.File(name)
		return data
	}
	report("gate-gzip", float64(size(file("ac.js"))), "bytes", 0)
	report("tracker-gzip", float64(size(file("tracker.js"))), "bytes", 0)
	largest, lang := 0, ""
	for _, l := range notice.Languages() {
		n, err := r.consent.Notice(ctx, r.tenant, l)
		if err != nil {
			return err
		}
		n.Labels = n.Labels.ForBanner()
		body, err := json.Marshal(n)
		if err != nil {
			return err
		}
		total := size(file("banner.js"), file("banner.css"), body)
		if l == "en" {
			report("banner-gzip", float64(total), "bytes", 0)
			report("refusal-gzip", float64(total+size(file("ac.js"))), "bytes", 0)
		}
		if total > largest {
			largest, lang = total, l
		}
	}
	remark("banner with its stylesheet and one notice; the largest is %d bytes (%s)", largest, lang)
	return nil
}

// choices sends five hundred choices a second to the whole server, whether or not it keeps up, and
// reports how long each took from the moment it was due to its durable acknowledgement.
func (b *bench) choices(ctx context.Context) error {
	const perSecond, seconds = 500, 20
	s, err := b.serve(ctx, "choices")
	if err != nil {
		return err
	}
	defer s.stop()
	var shown struct {
		ID       string `json:"id"`
		Version  int    `json:"version"`
		Purposes []struct {
			ID string `json:"id"`
		} `json:"purposes"`
	}
	if err := s.call(ctx, "GET", "/probity/v1/deployments/"+deployment+"/notice?lang=en", nil, &shown); err != nil {
		return err
	}
	yes, no := map[string]bool{}, map[string]bool{}
	for _, p := range shown.Purposes {
		yes[p.ID], no[p.ID] = true, false
	}
	bodies := make([]map[string]any, perSecond*seconds)
	for i := range bodies {
		var served struct {
			Nonce string `json:"nonce"`
		}
		if err := s.call(ctx, "POST", "/probity/v1/consent/served", map[string]any{
			"deployment": deployment, "notice": shown.ID, "version": shown.Version, "language": "en",
		}, &served); err != nil {
			return err
		}
		action, purposes := "accept_all", yes
		if i%2 == 1 {
			action, purposes = "reject_all", no
		}
		bodies[i] = map[string]any{
			"deployment": deployment, "nonce": served.Nonce, "visitor": nil, "purposes": purposes,
			"ui":          map[string]any{"component": "banner", "action": action, "dwell_ms": 2100, "trusted": true, "viewport": "d"},
			"client_time": time.Now().UTC().Format(time.RFC3339Nano),
		}
	}
	sync50, sync99, err := b.syncLatency(300)
	if err != nil {
		return err
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex // guards took and failed
		took   []time.Duration
		failed error
	)
	begin := time.Now()
	for i, body := range bodies {
		due := begin.Add(time.Duration(i) * time.Second / perSecond)
		if err := pause(ctx, time.Until(due)); err != nil {
			return err
		}
		wg.Go(func() {
			err := s.call(ctx, "POST", "/probity/v1/consent/choices", body, nil)
			d := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d)
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	elapsed := time.Since(begin)
	if failed != nil {
		return failed
	}
	p50, p99 := quantile(took, 0.5), quantile(took, 0.99)
	report("choice-p99", float64(p99.Microseconds())/1000, "ms", float64(p99)/float64(sync99))
	remark("%d choices in %s, half of them grants; p50 %s; one bare fdatasync here: p50 %s p99 %s",
		len(took), elapsed.Round(time.Millisecond), p50, sync50, sync99)
	return s.stop()
}

// syncLatency times a small write with an fdatasync, the least that "durable" costs on this machine.
func (b *bench) syncLatency(n int) (p50, p99 time.Duration, err error) {
	f, err := os.Create(filepath.Join(b.dir, "sync"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	took := make([]time.Duration, n)
	for i := range took {
		begin := time.Now()
		if _, err := f.Write(make([]byte, 512)); err != nil {
			return 0, 0, err
		}
		if err := fdatasync(f); err != nil {
			return 0, 0, err
		}
		took[i] = time.Since(begin)
	}
	return quantile(took, 0.5), quantile(took, 0.99), nil
}
