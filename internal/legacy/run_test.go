package legacy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/legacy"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
)

// books is a consent room as a target.
type books struct {
	*consent.Room
	db     *store.DB
	ledger *ledger.Ledger
	tenant id.Tenant
	after  func() // of each batch; nil: nothing
}

func openBooks(t testing.TB, db, keys *store.DB) *books {
	t.Helper()
	v, err := vault.Open(t.Context(), keys, vault.RootKey{9}, clock.System(), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &books{db: db, ledger: ledger.New(db, v, clock.System(), "probity.test"), tenant: id.Tenant{1}}
	people := subject.New(db, v, clock.System())
	b.Room = consent.New(db, b.ledger, people, v, clock.System(), nil)
	for _, migrate := range []func(context.Context) error{b.ledger.Migrate, people.Migrate, b.Migrate} {
		if err := migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.EnsureDefaults(t.Context(), b.tenant); err != nil {
		t.Fatal(err)
	}
	return b
}

// Import implements legacy.Target, as the command does.
func (b *books) Import(ctx context.Context, batch legacy.Batch) (legacy.Answer, error) {
	var list []consent.Assertion
	for _, row := range batch.Rows {
		a := consent.Assertion{
			Purposes: row.Purposes, Objection: row.Objection, Said: row.SaidAt, Notice: row.Notice, Version: row.Version,
			Language: row.Language, Text: row.Text, RecordedBy: "operator", Evidence: row.Evidence, Key: row.Key,
		}
		if a.Text == "" && a.Notice == "" {
			a.Text, a.Language = batch.Text, batch.Language
		}
		for kind, value := range row.Person {
			a.Who = consent.Who{Kind: subject.Kind(kind), Value: value}
		}
		list = append(list, a)
	}
	done, err := b.Room.Import(ctx, b.tenant, list, batch.DryRun)
	var answer legacy.Answer
	for i, one := range done {
		switch e, _ := errors.AsType[*fail.Error](one.Refused); {
		case e != nil:
			answer.Refused = append(answer.Refused, legacy.RowRefusal{Row: i, Code: e.Code, Field: e.Field, Message: e.Message})
		case one.Repeated:
			answer.Repeated++
		default:
			answer.Recorded++
		}
	}
	if b.after != nil {
		b.after()
	}
	return answer, err
}

func (b *books) count(t testing.TB, query string) (n int) {
	t.Helper()
	err := b.db.Tenant(b.tenant).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), query, b.tenant).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// table writes a CSV of people who agreed to marketing an hour ago, and tells where it is.
func table(t testing.TB, dir string, people int) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("email,said_at,granted,refused,evidence\n")
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Hour).Format(time.RFC3339)
	for n := range people {
		fmt.Fprintf(&text, "person.%d@example.org,%s,marketing,sales,\"form %d, page \"\"1\"\"\"\n", n, at, n)
	}
	name := filepath.Join(dir, "consents.csv")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func run(t testing.TB, o legacy.Options) (*legacy.Summary, error) {
	t.Helper()
	o.Text, o.Language = "May we write to you about offers?", "en"
	return legacy.Run(t.Context(), o)
}

const crashDir = "PROBITY_LEGACY_CRASH_DIR"

// crashRows is how many rows the child imports: enough to be killed in the middle.
const crashRows = 30 * legacy.MaxRows

func openForCrash(t *testing.T, dir string) *books {
	return openBooks(t, storetest.Open(t, store.Config{URL: "sqlite:" + filepath.Join(dir, "probity.db")}),
		storetest.Open(t, store.Config{URL: "sqlite:" + filepath.Join(dir, "vault.db")}))
}

// TestL25_Child is the process that is killed; on its own it does nothing.
func TestL25_Child(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return
	}
	b := openForCrash(t, dir)
	fmt.Println("begins")
	b.after = func() { fmt.Println("acknowledged") }
	if _, err := run(t, legacy.Options{File: filepath.Join(dir, "consents.csv"), To: b}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("ended")
	select {} // it is killed here at the latest
}

func TestL25_AnImportThatIsKilledAnywhereRecordsEachRowOnce(t *testing.T) {
	dir := t.TempDir()
	file := table(t, dir, crashRows)
	openForCrash(t, dir)
	acknowledged := 0
	for kill := range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestL25_Child$", "-test.v")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for said := 0; lines.Scan(); {
			switch lines.Text() {
			case "begins":
			case "acknowledged":
				said++
			case "ended":
				said = crashRows
			default:
				continue
			}
			if said >= 3*kill {
				// Somewhere within the batch that is under way.
				time.AfterFunc(time.Duration(kill)*7*time.Millisecond, func() { _ = cmd.Process.Kill() })
				acknowledged = max(acknowledged, min(said*legacy.MaxRows, crashRows))
				said = -1 << 30
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	b := openForCrash(t, dir)
	before := b.count(t, `SELECT count(*) FROM consent_record WHERE tenant_id = $1`)
	if before < acknowledged {
		t.Errorf("%d rows were acknowledged, and %d are there", acknowledged, before)
	}
	sum, err := run(t, legacy.Options{File: file, To: b})
	if err != nil || sum.Refused != 0 || sum.Recorded != int64(crashRows-before) || sum.Repeated != int64(before) {
		t.Errorf("the last run: %v (%v); %d were there", sum, err, before)
	}
	for query, what := range map[string]string{
		`SELECT count(*) FROM consent_record WHERE tenant_id = $1`:                 "records",
		`SELECT count(DISTINCT subject) FROM consent_record WHERE tenant_id = $1`:  "people",
		`SELECT count(*) FROM consent_once WHERE tenant_id = $1`:                   "keys",
		`SELECT count(*) FROM subject WHERE tenant_id = $1`:                        "subjects",
		`SELECT count(*) FROM ledger_payload WHERE tenant_id = $1 AND sealed`:      "sealed entries",
		`SELECT coalesce(sum(times), 0) FROM consent_tally WHERE tenant_id = $1`:   "answers counted",
		`SELECT count(DISTINCT digest) FROM subject_identity WHERE tenant_id = $1`: "addresses",
	} {
		if n := b.count(t, query); n != crashRows {
			t.Errorf("%d %s of %d rows", n, what, crashRows)
		}
	}
	if err := b.ledger.Audit(t.Context(), b.tenant); err != nil {
		t.Error(err)
	}
	t.Logf("%d rows acknowledged at least and %d recorded before the last run", acknowledged, before)
}

func TestAnImportReportsWhatItRefusedByLineWithoutWhatStoodThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := openBooks(t, db, storetest.SQLite(t))
		dir := t.TempDir()
		file := filepath.Join(dir, "list.csv")
		write := func(lines ...string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now().UTC()
		past, future := now.Add(-time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)
		lines := []string{
			"email,phone,said_at,granted,notice,version,evidence,key",
			"ada@example.org,," + past + ",marketing,,,\"two", "lines\",", // a row of two lines
			"bob@example.org,," + past + ",fortune,,,,",
			"eve@example.org,," + future + ",marketing,,,,",
			"mallory,," + past + ",marketing,,,,",
			"dan@example.org,," + past + ",marketing,privacy,77,,",
			",'+49301234567," + past + ",marketing,,,,",
			"ada@example.org,+49301234567," + past + ",marketing,,,,",
			"gus@example.org,," + past + ",marketing,,,,k",
			"hal@example.org,," + past + ",marketing,,,,k",
		}
		write(lines...)
		want := map[int64]string{4: "granted, refused, objected", 5: "said_at", 6: "email", 7: "notice", 8: "phone", 9: "phone", 11: ""}
		for _, dry := range []bool{true, false} {
			sum, err := run(t, legacy.Options{File: file, To: b, DryRun: dry})
			if err != nil || sum.Rows != 9 || sum.Recorded != 2 || sum.Refused != 7 {
				t.Fatalf("dry %v: %v (%v)", dry, sum, err)
			}
			raw, err := os.ReadFile(file + ".report.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			for _, personal := range []string{"example.org", "mallory", "49301234567"} {
				if strings.Contains(string(raw), personal) {
					t.Errorf("the report holds %s", personal)
				}
			}
			got := map[int64]string{}
			for line := range strings.Lines(string(raw)) {
				var x legacy.Refusal
				if err := json.Unmarshal([]byte(line), &x); err != nil || x.Message == "" || x.Code == "" && x.Column == "" {
					t.Errorf("%s: %v", line, err)
				}
				got[x.Line] = x.Column
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("dry %v: refused %v, want %v", dry, got, want)
			}
			if n := b.count(t, `SELECT count(*) FROM consent_record WHERE tenant_id = $1`); (n == 0) != dry {
				t.Errorf("dry %v: %d records", dry, n)
			}
		}
		// Corrected in place, and grown: what is new is recorded, what was there is not.
		lines[4] = "bob@example.org,," + past + ",marketing,,,,"
		write(append(lines, "new@example.org,,"+past+",sales,,,,")...)
		if sum, err := run(t, legacy.Options{File: file, To: b}); err != nil || sum.Recorded != 2 || sum.Repeated != 2 || sum.Refused != 6 {
			t.Errorf("the corrected file: %v (%v)", sum, err)
		}
		// Other words are another consent.
		if sum, err := legacy.Run(t.Context(), legacy.Options{File: file, To: b, Text: "Other words.", Language: "en"}); err != nil || sum.Recorded != 3 {
			t.Errorf("under another text: %v (%v)", sum, err)
		}
	})
}

func TestNothingOfABrokenFileIsRecorded(t *testing.T) {
	b := openBooks(t, storetest.SQLite(t), storetest.SQLite(t))
	file := table(t, t.TempDir(), 600)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "x@example.org,2026\nStra\xdfe@example.org,2026-01-01,sales,,\n\"never closed\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = run(t, legacy.Options{File: file, To: b})
	for _, want := range []string{"consents.csv:602: the row has 2 fields", `consents.csv:603: column "email": it is not UTF-8`, "consents.csv:604: a quote that begins here is never closed"} {
		if !fail.Is(err, fail.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if n := b.count(t, `SELECT count(*) FROM consent_record WHERE tenant_id = $1`); n != 0 {
		t.Errorf("%d rows were recorded", n)
	}
	for name, o := range map[string]legacy.Options{
		"no file": {File: filepath.Join(t.TempDir(), "x.csv")}, "an unknown ending": {File: os.Args[0]}, "an unknown format": {File: file, Format: "xlsx"},
		"a folder": {File: t.TempDir(), Format: "csv"},
	} {
		o.To = b
		if _, err := run(t, o); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAServerThatIsBusyOrRestartsIsAskedAgain(t *testing.T) {
	file := table(t, t.TempDir(), 300)
	troubles := []int{503, 429, 500, 401, 0}
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if r.URL.Path == "/oauth/token" {
			if name, word, _ := r.BasicAuth(); name != "crm" || word != "a secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, `{"access_token":"t"}`)
			return
		}
		if len(troubles) > 0 {
			trouble := troubles[0]
			troubles = troubles[1:]
			if trouble == 0 { // the connection breaks
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(trouble)
			return
		}
		var b legacy.Batch
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || r.Header.Get("Authorization") != "Bearer t" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"recorded":%d,"repeated":0,"refused":[{"row":0,"code":"c","field":"email","message":"no"}]}`, len(b.Rows)-1)
	}))
	defer server.Close()
	var waits []time.Duration
	remote := &legacy.Remote{Server: server.URL + "/", Client: "crm:a secret", Wait: func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}}
	sum, err := run(t, legacy.Options{File: file, To: remote})
	if err != nil || sum.Recorded != 298 || sum.Refused != 2 {
		t.Fatalf("%v (%v); asked %v", sum, err, asked)
	}
	if want := []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}; len(waits) != 4 || !slices.Equal(waits[:3], want) {
		t.Errorf("it waited %v", waits)
	}
	for name, bad := range map[string]*legacy.Remote{
		"no secret": {Server: server.URL, Client: "crm"}, "a wrong secret": {Server: server.URL, Client: "crm:x"},
	} {
		if _, err := run(t, legacy.Options{File: file, To: bad}); err == nil || fail.Is(err, fail.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
