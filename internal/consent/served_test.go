package consent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

// build is the banner that the tests' server hands out.
var build = consent.Build{Version: "1a2b3c", Files: map[string][]byte{
	"banner.js": []byte("ask()"), "banner.css": []byte("button{min-width:8rem}"),
}}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// entryAt returns a clear ledger entry.
func (w *world) entryAt(t testing.TB, index int64) map[string]any {
	t.Helper()
	receipt, err := w.ledger.Receipt(t.Context(), w.tenant, index, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.verified(t, receipt)
}

// configDigest computes from the ledger alone, as a stranger would, what config_sha256 must be.
func (w *world) configDigest(t testing.TB) string {
	t.Helper()
	purposes, err := json.Marshal(w.entryAt(t, 0)["purposes"])
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := verify.Canonical(fmt.Appendf(nil, `{"purposes":%s,"valid_days":182}`, purposes))
	if err != nil {
		t.Fatal(err)
	}
	return sha(canonical)
}

func TestL4_TheNoticeServedPrecedesTheChoiceThatCitesIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.choice(t, nil, notice.Measure)
		w.fake.Advance(5 * time.Second)
		out, err := w.Choose(t.Context(), w.tenant, c)
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.Bundle(t.Context(), w.tenant, []id.Subject{out.Subject})
		if err != nil {
			t.Fatal(err)
		}
		file, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		report, err := verify.File(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Entries) != 3 || report.Entries[0].Kind != "notice.published" {
			t.Fatalf("the report is %+v", report)
		}
		if report.Entries = report.Entries[1:]; report.Entries[0].Kind != "notice.served" || report.Entries[1].Kind != "consent.given" ||
			report.Entries[0].Index >= report.Entries[1].Index {
			t.Fatalf("the report is %+v", report)
		}
		var before, choice map[string]any
		for i, into := range []*map[string]any{&before, &choice} {
			if err := json.Unmarshal(report.Entries[i].Entry, into); err != nil {
				t.Fatal(err)
			}
		}
		cites := choice["served"].(map[string]any)
		if cites["id"] != before["id"] || cites["nonce"] != before["nonce"] || before["subject"] != out.Subject.String() {
			t.Errorf("the choice cites %v, the entry before it is %v", cites, before)
		}
		if before["issued_at"] != "2026-11-22T12:00:00.000000Z" || before["dwell_ms"] != 4200.0 || before["server_time"] != "2026-11-22T12:00:05.000000Z" {
			t.Errorf("the entry is %v", before)
		}

		// A refusal by somebody unknown cites one too, and neither holds a reference to anybody.
		w.choose(t, nil)
		last := int64(w.count(t, "ledger_entry")) - 1
		before, choice = w.entryAt(t, last-1), w.entryAt(t, last)
		if before["type"] != "notice.served" || choice["served"].(map[string]any)["id"] != before["id"] || before["subject"] != nil {
			t.Errorf("before the refusal: %v, %v", before, choice)
		}

		// A withdrawal answers no notice.
		w.withdraw(t, *out.Visitor)
		if n := int64(w.count(t, "ledger_entry")); n != last+2 {
			t.Errorf("a withdrawal made %d entries", n-last-1)
		}
	})
}

func TestL4_WhoNeverChoosesLeavesACountAndNoEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		before := w.count(t, "ledger_entry")
		for range 3 {
			w.nonce(t)
		}
		for range 2 { // what was flushed is not counted twice
			if err := w.FlushShown(t.Context(), w.tenant); err != nil {
				t.Fatal(err)
			}
		}
		w.fake.Advance(24 * time.Hour)
		w.nonce(t)
		if err := w.FlushShown(t.Context(), w.tenant); err != nil {
			t.Fatal(err)
		}
		got, err := w.Served(t.Context(), w.tenant)
		want := []consent.Shown{
			{Notice: "privacy", Version: 1, Language: "en", Day: "2026-11-22", Times: 3},
			{Notice: "privacy", Version: 1, Language: "en", Day: "2026-11-23", Times: 1},
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, %v", got, err)
		}
		if n := w.count(t, "ledger_entry"); n != before {
			t.Errorf("%d entries were made", n-before)
		}
		if n := w.count(t, "subject"); n != 0 {
			t.Errorf("%d subjects were made", n)
		}
	})
}

func TestACountThatCouldNotBeWrittenIsKept(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.nonce(t)
	w.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `ALTER TABLE consent_shown RENAME TO away`)
		return err
	})
	if err := w.FlushShown(t.Context(), w.tenant); !fail.Is(err, fail.Unavailable) {
		t.Fatalf("got %v", err)
	}
	w.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `ALTER TABLE away RENAME TO consent_shown`)
		return err
	})
	if err := w.FlushShown(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Served(t.Context(), w.tenant); err != nil || len(got) != 1 || got[0].Times != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestL3_WhatAnEntryCitesCanBeRenderedAgainByteForByte(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.Describe(consent.Terms{Build: build})
		out := w.choose(t, nil, notice.Measure)
		first := w.count(t, "ledger_entry")
		w.choose(t, out.Visitor, notice.Actions)
		if n := w.count(t, "ledger_entry"); n != first+2 {
			t.Errorf("the build was logged again: %d entries", n-first)
		}
		// Years later, after an update of the server, in another process.
		later := w.room()
		later.Describe(consent.Terms{Build: consent.Build{Version: "2", Files: map[string][]byte{"banner.js": []byte("new()"), "banner.css": []byte("new{}")}}})
		if _, err := later.Publish(t.Context(), w.tenant, notice.Draft{Facts: notice.Facts{Controller: "Example Shop Ltd"}, Texts: notice.DefaultTexts()}); err != nil {
			t.Fatal(err)
		}
		for _, rec := range w.history(t, out.Subject) {
			receipt, err := later.Receipt(t.Context(), w.tenant, out.Subject, rec.ID)
			if err != nil {
				t.Fatal(err)
			}
			entry := w.verified(t, receipt)
			notice, made := entry["notice"].(map[string]any), entry["build"].(map[string]any)

			// From the receipt alone.
			if sha([]byte(receipt.Notice.Text)) != notice["text_sha256"] {
				t.Error("the receipt's notice is not the one shown")
			}
			// From the store.
			stored, err := later.Artefact(t.Context(), w.tenant, notice["id"].(string), int(notice["version"].(float64)), notice["language"].(string))
			if err != nil || string(stored) != receipt.Notice.Text {
				t.Errorf("the stored notice differs: %v", err)
			}
			// Buttons and their order stand in the artefact.
			at := 0
			for _, action := range []string{"accept_all", "reject_all", "settings", "save"} {
				i := bytes.Index(stored[at:], []byte(`data-action="`+action+`"`))
				if i < 0 {
					t.Fatalf("the artefact lacks the button %s, or has it elsewhere", action)
				}
				at += i
			}
			// The layout and the code.
			for sum, name := range map[any]string{notice["layout_sha256"]: "banner.css", made["banner_sha256"]: "banner.js"} {
				got, body, err := later.Build(t.Context(), w.tenant, sum.(string))
				if err != nil || got != name || !bytes.Equal(body, build.Files[name]) {
					t.Errorf("%s: %q, %v", name, got, err)
				}
			}
		}
		if _, _, err := later.Build(t.Context(), w.tenant, sha([]byte("other"))); !fail.Is(err, fail.NotFound) {
			t.Errorf("an unknown file: %v", err)
		}
		w.write(t, func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE consent_build SET body = $2 WHERE tenant_id = $1 AND name = 'banner.js'`, w.tenant, []byte("x"))
			return err
		})
		if _, _, err := later.Build(t.Context(), w.tenant, sha(build.Files["banner.js"])); err == nil || fail.Is(err, fail.NotFound) {
			t.Errorf("a file that was tampered with: %v", err)
		}
	})
}

func (w *world) history(t testing.TB, s id.Subject) []consent.Record {
	t.Helper()
	records, err := w.History(t.Context(), w.tenant, []id.Subject{s})
	if err != nil {
		t.Fatal(err)
	}
	return records
}
