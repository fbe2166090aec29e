package binary

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/internal/id"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

// drill is an installation with a backup, made beside the running server, of a time before somebody
// was erased.
type drill struct {
	h              *house
	backup         string
	cookie, other  string
	record         string
	session        string
	access         string // an access request about the person, with a package
	subjects       []id.Subject
	register, copy string
}

// newDrill loads, backs up and erases. The server is stopped afterwards.
func newDrill(t *testing.T, flags ...string) *drill {
	t.Helper()
	dir := t.TempDir()
	d := &drill{backup: filepath.Join(dir, "backup"), copy: filepath.Join(dir, "elsewhere.register")}
	d.h = newHouse(t, append(flags, "--erasure-register", d.copy)...)
	d.register = filepath.Join(d.h.data, "erasures.register")
	s := d.h.start(t)
	auth := s.token(t)
	d.cookie, d.record = s.grant(t)
	d.other, _ = s.grant(t)
	s.send(t, batch(d.cookie, event(1, map[string]any{"traits": map[string]any{"email": markedMail, "phone": markedPhone}}), event(2, nil)), 2)
	s.send(t, batch(d.other, event(1, nil)), 1)
	var seen struct {
		Session struct {
			ID string `json:"id"`
		} `json:"session"`
	}
	s.do(t, "POST", webEventsPath, webEvent(d.cookie, nil)).want(t, 200).into(t, &seen)
	d.session = seen.Session.ID
	d.access = s.request(t, auth, "", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": map[string]any{"emailAddresses": []string{markedMail}}}))
	s.do(t, "GET", "/probity/v1/requests/"+d.access+"/package", "", "Authorization", auth).want(t, 200)
	s.settle(t)
	out, said, err := command(t, nil, append([]string{"backup", "--data", d.h.data, "--to", d.backup}, flags...)...)
	if err != nil || !strings.Contains(out, "Backup of ") {
		t.Fatalf("backup: %v\n%s%s", err, out, said)
	}
	if len(flags) == 0 {
		root, err := os.ReadFile(filepath.Join(d.h.data, "root.key"))
		if err != nil {
			t.Fatal(err)
		}
		old := filepath.Join(dir, "old")
		copyTree(t, filepath.Join(d.backup, "data"), old)
		for _, f := range []string{"keys/vault.db"} {
			b, err := os.ReadFile(filepath.Join(d.backup, f))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(old, filepath.Base(f)), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(old, "root.key"), root, 0o600); err != nil {
			t.Fatal(err)
		}
		was := openStores(t, old)
		if d.subjects, err = was.subjects.Find(t.Context(), was.tenant, subject.Email, markedMail); err != nil || len(d.subjects) == 0 {
			t.Fatalf("the backup does not hold the person (%v): the test would prove nothing", err)
		}
		if n := was.read(t, d.subjects); n.identities == 0 || n.events == 0 || n.receipts == 0 {
			t.Fatalf("of the backup, with its keys, %+v can be read: the test would prove nothing", n)
		}
	}
	s.request(t, auth, "?deleteConfirmed=true", object(map[string]any{"requestType": "GDPR_DELETE", "subject": map[string]any{"emailAddresses": []string{markedMail}}}))
	s.stop(t)
	return d
}

// gone starts the installation and asks for the person in every way there is.
func (d *drill) gone(t *testing.T, h *house) {
	t.Helper()
	s := h.start(t)
	auth := s.token(t)
	look := needles(markedMailbox, markedDomain, markedDigits)
	ask := func(want int, method, path, body string, headers ...string) {
		t.Helper()
		a := s.do(t, method, path, body, headers...)
		if want != 0 && a.status != want {
			t.Errorf("%s %s answers %d, want %d: %s", method, path, a.status, want, a.body)
		}
		if found := search(a.body, look); found != nil {
			t.Errorf("%s %s shows %v", method, path, found)
		}
	}
	var subjects struct {
		Entities []any `json:"entities"`
	}
	for kind, value := range map[string]string{"EMAIL": markedMail, "PHONE": markedPhone} {
		s.do(t, "GET", "/api/v2/gdpr/subjects?searchType="+kind+"&searchValue="+url.QueryEscape(value), "", "Authorization", auth).want(t, 200).into(t, &subjects)
		if len(subjects.Entities) > 0 {
			t.Errorf("a search by %s finds %v", kind, subjects.Entities)
		}
	}
	ask(404, "GET", "/api/v2/journey/sessions/"+d.session, "", "Authorization", auth)
	ask(404, "GET", "/api/v2/journey/sessions/"+d.session+"/events", "", "Authorization", auth)
	ask(404, "GET", "/probity/v1/requests/"+d.access+"/package", "", "Authorization", auth)
	ask(0, "GET", "/probity/v1/requests", "", "Authorization", auth)
	ask(0, "GET", "/api/v2/gdpr/requests", "", "Authorization", auth)
	ask(0, "POST", "/probity/v1/consent/receipt", object(map[string]any{"deployment": deployment, "visitor": d.cookie, "record_id": d.record}), "Origin", origin)
	ask(200, "GET", "/privacy/", "", "Cookie", "_actmu="+d.cookie)
	var late sent
	if a := s.do(t, "POST", eventsPath, batch(d.cookie, event(9, nil)), "Origin", origin); a.status == 202 {
		if a.into(t, &late); late.Accepted != 0 {
			t.Error("a late event of the person was accepted")
		}
	}
	if a := s.do(t, "POST", webEventsPath, webEvent(d.cookie, nil)); a.status != 410 && a.status != 403 {
		t.Errorf("a late web event answers %d", a.status)
	}
	again := s.request(t, auth, "", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": customer(d.cookie)}))
	pack := unzip(t, s.do(t, "GET", "/probity/v1/requests/"+again+"/package", "", "Authorization", auth).want(t, 200).body)
	if found := search(pack, look); found != nil {
		t.Errorf("a new package shows %v", found)
	}
	s.send(t, batch(d.other, event(7, nil)), 1) // somebody else's life goes on
	s.settle(t)
	s.stop(t)
}

// nowhere searches every byte of the data directory, and what opens with its keys.
func (d *drill) nowhere(t *testing.T, data string) {
	t.Helper()
	searchFiles(t, data, needles(markedMailbox, markedDomain, markedDigits, d.cookie))
	is := openStores(t, data)
	if n := is.read(t, d.subjects); n.identities+n.events+n.receipts+n.records > 0 {
		t.Errorf("%+v of the person can be read", n)
	}
	for _, sub := range d.subjects {
		if has, err := is.keys.Has(t.Context(), is.tenant, sub); err != nil || has {
			t.Errorf("the vault has the person's key (%v)", err)
		}
	}
}

// another returns a copy of the installation as it is after the erasure.
func (d *drill) another(t *testing.T) *house {
	t.Helper()
	h := *d.h
	h.data = filepath.Join(t.TempDir(), "data")
	copyTree(t, d.h.data, h.data)
	return &h
}

func TestARestoredBackupNeverServesWhoWasErased(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	t.Run("keys and data lie apart, and the root key is in neither", func(t *testing.T) {
		if _, err := os.Stat(filepath.Join(d.backup, "keys", "vault.db")); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"root.key", "erasures.register"} {
			if found, _ := filepath.Glob(filepath.Join(d.backup, "*", name)); len(found) > 0 || exists(filepath.Join(d.backup, name)) {
				t.Errorf("the backup holds %s", name)
			}
		}
	})
	for _, parts := range [][]string{{"data"}, {"keys"}, {"log"}, {"data", "keys"}, {"data", "log"}, {"keys", "log"}, nil} {
		t.Run("restored "+strings.Join(append(parts, ""), " "), func(t *testing.T) {
			h := d.another(t)
			args := []string{"restore", "--data", h.data, "--from", d.backup, "--replace"}
			for _, p := range parts {
				args = append(args, "--part", p)
			}
			out, said, err := command(t, nil, args...)
			if err != nil {
				t.Fatalf("%v\n%s%s", err, out, said)
			}
			for part, line := range map[string]string{"keys": "Applied to the keys again: ", "data": "Applied to the data again: "} {
				back := len(parts) == 0 || slices.Contains(parts, part)
				if strings.Contains(out, line+"0") == back {
					t.Errorf("it says\n%s", out)
				}
			}
			if strings.Contains(out, "Noted in the ledger") != (len(parts) == 0 || slices.Contains(parts, "data")) {
				t.Errorf("it says\n%s", out)
			}
			d.nowhere(t, h.data)
			d.gone(t, h)
			d.nowhere(t, h.data)
			if out, said, err := command(t, nil, "doctor", "--data", h.data); err != nil {
				t.Errorf("doctor: %v\n%s%s", err, out, said)
			}
		})
	}
	t.Run("files copied by hand are noticed by serve", func(t *testing.T) {
		h := d.another(t)
		for part, file := range map[string]string{"data": "probity.db", "keys": "vault.db"} {
			b, err := os.ReadFile(filepath.Join(d.backup, part, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, suffix := range []string{"-wal", "-shm"} {
				_ = os.Remove(filepath.Join(h.data, file+suffix)) // it may not be there
			}
			if err := os.WriteFile(filepath.Join(h.data, file), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d.gone(t, h)
		d.nowhere(t, h.data)
	})
	t.Run("a whole directory that went back, register included, learns from the copy", func(t *testing.T) {
		h := d.another(t)
		if err := os.Remove(filepath.Join(h.data, "erasures.register")); err != nil {
			t.Fatal(err)
		}
		out, said, err := command(t, nil, "restore", "--data", h.data, "--from", d.backup, "--replace", "--erasure-register", d.copy)
		if err != nil || strings.Contains(out, "Applied to the data again: 0") {
			t.Fatalf("%v\n%s%s", err, out, said)
		}
		d.gone(t, h)
		d.nowhere(t, h.data)
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestARestoreSaysWhatIsMissingAndTouchesNothing(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	for name, c := range map[string]struct {
		prepare func(h *house, args []string) []string
		want    string
	}{
		"without --replace": {func(_ *house, args []string) []string {
			return slices.DeleteFunc(args, func(a string) bool { return a == "--replace" })
		}, "--replace"},
		"without a register": {func(h *house, args []string) []string {
			if err := os.Remove(filepath.Join(h.data, "erasures.register")); err != nil {
				t.Fatal(err)
			}
			return args
		}, "--without-register"},
		"without the root key": {func(h *house, args []string) []string {
			if err := os.Remove(filepath.Join(h.data, "root.key")); err != nil {
				t.Fatal(err)
			}
			return args
		}, "root key"},
		"from a directory that is no backup": {func(h *house, args []string) []string {
			return append(args, "--from", h.data)
		}, "not a backup"},
		"from a backup that was altered": {func(_ *house, args []string) []string {
			bad := filepath.Join(t.TempDir(), "bad")
			copyTree(t, d.backup, bad)
			if err := os.WriteFile(filepath.Join(bad, "data", "probity.db"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			return append(args, "--from", bad)
		}, "altered or is damaged"},
		"with a register that was altered": {func(h *house, args []string) []string {
			b, err := os.ReadFile(filepath.Join(h.data, "erasures.register"))
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)-20] ^= 1
			if err := os.WriteFile(filepath.Join(h.data, "erasures.register"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			return args
		}, "was altered"},
		"a part there is not": {func(_ *house, args []string) []string { return append(args, "--part", "everything") }, "part"},
	} {
		t.Run(name, func(t *testing.T) {
			h := d.another(t)
			args := c.prepare(h, []string{"restore", "--data", h.data, "--from", d.backup, "--replace"})
			out, said, err := command(t, nil, args...)
			if err == nil || !strings.Contains(said, c.want) {
				t.Errorf("%v\n%s%s", err, out, said)
			}
			if strings.Contains(said, "Recovery share") {
				t.Error("it made a root key")
			}
		})
	}
	t.Run("while the server runs", func(t *testing.T) {
		h := d.another(t)
		s := h.start(t)
		if _, said, err := command(t, nil, "restore", "--data", h.data, "--from", d.backup, "--replace"); err == nil || !strings.Contains(said, "in use") {
			t.Errorf("%v: %s", err, said)
		}
		s.stop(t)
	})
	t.Run("a copy of the register that is not there", func(t *testing.T) {
		h := d.another(t)
		h.flags = []string{"--erasure-register", filepath.Join(t.TempDir(), "unmounted")}
		if said := h.refused(t); !strings.Contains(said, "register of erasures") {
			t.Errorf("it says %s", said)
		}
	})
	t.Run("a backup that is there already", func(t *testing.T) {
		if _, said, err := command(t, nil, "backup", "--data", d.h.data, "--to", d.backup); err == nil || !strings.Contains(said, "already") {
			t.Errorf("%v: %s", err, said)
		}
	})
}

// A restore is killed at moments all over its run. What it leaves either does not start or does not
// know the person, and running it again completes it.
func TestARestoreThatIsKilledNeverLeavesSomethingToServe(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	h := d.another(t)
	args := []string{"restore", "--data", h.data, "--from", d.backup, "--replace"}
	start := time.Now()
	if out, said, err := command(t, nil, args...); err != nil {
		t.Fatalf("%v\n%s%s", err, out, said)
	}
	whole := time.Since(start)
	const kills = 12
	died := 0
	for n := range kills {
		h := d.another(t)
		args[2] = h.data
		cmd := exec.Command(program, args...)
		cmd.Env = environment()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(whole*time.Duration(n+1)/(kills+1), func() { _ = cmd.Process.Kill() }) // it may be over
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			d.nowhere(t, h.data)
			continue
		}
		died++
		if exists(filepath.Join(h.data, "restoring")) {
			if said := h.refused(t); !strings.Contains(said, "restore") {
				t.Errorf("after a kill it says %s", said)
			}
		} else {
			d.gone(t, h)
			d.nowhere(t, h.data)
		}
		if out, said, err := command(t, nil, args...); err != nil {
			t.Fatalf("run again after a kill: %v\n%s%s", err, out, said)
		}
		d.nowhere(t, h.data)
	}
	if died < kills/3 {
		t.Errorf("only %d of %d restores were killed before they ended", died, kills)
	}
	t.Logf("%d of %d restores died, which take %v", died, kills, whole)
}

// With PostgreSQL the databases are put back with its own tools, and serve applies the register.
func TestARestoredPostgreSQLNeverServesWhoWasErased(t *testing.T) {
	t.Parallel()
	main, keys := storetest.PostgresURL(t), storetest.PostgresURL(t)
	d := &drill{}
	h := newHouse(t, "--store", main, "--vault", keys)
	d.h = h
	s := h.start(t)
	auth := s.token(t)
	d.cookie, d.record = s.grant(t)
	d.other, _ = s.grant(t)
	s.send(t, batch(d.cookie, event(1, map[string]any{"traits": map[string]any{"email": markedMail, "phone": markedPhone}})), 1)
	var seen struct {
		Session struct {
			ID string `json:"id"`
		} `json:"session"`
	}
	s.do(t, "POST", webEventsPath, webEvent(d.cookie, nil)).want(t, 200).into(t, &seen)
	d.session = seen.Session.ID
	d.access = s.request(t, auth, "", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": customer(d.cookie)}))
	s.settle(t)
	s.stop(t)
	oldMain, oldKeys := storetest.PostgresCopy(t, main), storetest.PostgresCopy(t, keys)
	backup := filepath.Join(t.TempDir(), "backup")
	if out, said, err := command(t, nil, "backup", "--data", h.data, "--to", backup, "--store", main, "--vault", keys); err != nil || !strings.Contains(out, "PostgreSQL") {
		t.Fatalf("backup: %v\n%s%s", err, out, said)
	}
	s = h.start(t)
	s.erase(t, s.token(t), d.cookie)
	s.stop(t)
	for name, flags := range map[string][]string{
		"the main database": {"--store", oldMain, "--vault", keys}, "the vault": {"--store", main, "--vault", oldKeys}, "both": {"--store", oldMain, "--vault", oldKeys},
	} {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.data = filepath.Join(t.TempDir(), "data")
			copyTree(t, d.h.data, h.data)
			// Each case has databases of its own: what is put right in one would be so in the next.
			h.flags = []string{"--store", storetest.PostgresCopy(t, flags[1]), "--vault", storetest.PostgresCopy(t, flags[3])}
			if name == "both" {
				args := append([]string{"restore", "--data", h.data, "--from", backup, "--replace"}, h.flags...)
				if out, said, err := command(t, nil, args...); err != nil || strings.Contains(out, "data again: 0") || strings.Contains(out, "keys again: 0") {
					t.Fatalf("restore: %v\n%s%s", err, out, said)
				}
			}
			d.gone(t, &h)
			if out := fmt.Sprint(column(t, connect(t, everyone(t, h.flags[1])), "SELECT count(*) FROM rights_erasure")); out == "[0]" {
				t.Error("the database does not know what was applied to it")
			}
		})
	}
}

// everyone is a URL whose connections see the rows of all organisations.
func everyone(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("probity.tenant", "*")
	u.RawQuery = q.Encode()
	return u.String()
}

// The commands of docs/after-erasure.md, in the order in which they stand there.
func TestTheCommandsOfThePageOnErasureWork(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	dir := t.TempDir()
	ran := 0
	for _, block := range fenced(documents(t)[filepath.Join("docs", "after-erasure.md")], "sh") {
		for line := range strings.Lines(block) {
			w := words(line)
			for i := range w {
				w[i] = strings.NewReplacer("/var/lib/probity", d.h.data, "/var/lib/new", filepath.Join(dir, "new"),
					"/backup", dir, "/elsewhere/erasures.register", d.copy).Replace(w[i])
			}
			switch {
			case w[0] == "touch":
				if err := os.WriteFile(w[1], nil, 0o600); err != nil { // an empty file is filled from what is known
					t.Fatal(err)
				}
				continue
			case w[1] == "serve":
				h := *d.h
				h.flags = w[4:]
				h.start(t).stop(t)
				continue
			case strings.Contains(line, "/var/lib/new"):
				root, err := os.ReadFile(filepath.Join(d.h.data, "root.key"))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(w[3], 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(w[3], "root.key"), root, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out, said, err := command(t, nil, w[1:]...); err != nil {
				t.Errorf("%s: %v\n%s%s", line, err, out, said)
			}
			ran++
		}
	}
	if ran < 5 {
		t.Errorf("only %d commands were found on the page", ran)
	}
	d.nowhere(t, d.h.data)
}
