package binary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// undone is an installation with a backup of a time before people decided all kinds of things. The server
// was killed after the last of them was acknowledged.
type undone struct {
	h                                                            *house
	backup                                                       string
	withdrew, objected, restricted, held, corrected, gone, other string
	correction                                                   string
}

func newUndone(t *testing.T) *undone {
	t.Helper()
	u := &undone{h: newHouse(t), backup: filepath.Join(t.TempDir(), "backup")}
	s := u.h.start(t)
	for _, cookie := range []*string{&u.withdrew, &u.objected, &u.restricted, &u.held, &u.corrected, &u.gone, &u.other} {
		*cookie, _ = s.grant(t)
		s.send(t, batch(*cookie, event(1, nil)), 1)
	}
	s.send(t, batch(u.corrected, event(2, map[string]any{"traits": map[string]any{"email": markedMail, "phone": markedPhone}})), 1)
	s.settle(t)
	if out, said, err := command(t, nil, "backup", "--data", u.h.data, "--to", u.backup); err != nil {
		t.Fatalf("backup: %v\n%s%s", err, out, said)
	}
	auth := s.token(t)
	s.do(t, "POST", "/probity/v1/consent/withdraw", object(map[string]any{
		"deployment": deployment, "visitor": u.withdrew, "purposes": []string{"measure"},
		"ui": map[string]any{"component": "preferences", "action": "save"}, "client_time": now(),
	}), "Origin", origin).want(t, 200)
	s.do(t, "POST", "/probity/v1/consent/object", object(map[string]any{
		"deployment": deployment, "visitor": u.objected, "purposes": []string{"measure"},
		"ui": map[string]any{"component": "preferences", "action": "save"}, "client_time": now(),
	}), "Origin", origin).want(t, 200)
	s.waits(t, auth, s.ask(t, auth, map[string]any{"type": "restriction", "ground": "a", "subject": customer(u.restricted)}), "verified")
	s.do(t, "POST", "/probity/v1/holds", object(map[string]any{
		"subject": customer(u.held), "article": "Art. 17(3)(e)", "reason": "Claim 4711 is before the court.",
	}), "Authorization", auth).want(t, 201)
	u.correction = s.request(t, auth, "", object(map[string]any{
		"requestType": "GDPR_UPDATE", "subject": map[string]any{"emailAddresses": []string{markedMail}},
		"replacementTerms": []any{map[string]any{"type": "PHONE", "existingValue": markedPhone, "updatedValue": "+491579924681399"}},
	}))
	s.erase(t, auth, u.gone)
	s.kill(t)
	return u
}

// ask makes a request of the own API.
func (s *server) ask(t *testing.T, auth string, body map[string]any) string {
	t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	a := s.do(t, "POST", "/probity/v1/requests", object(body), "Authorization", auth)
	if a.status/100 != 2 {
		t.Fatalf("a request answers %d: %s", a.status, a.body)
	}
	a.into(t, &made)
	return made.ID
}

// inForce asks a server for everything that was decided.
func (u *undone) inForce(t *testing.T, s *server) {
	t.Helper()
	auth := s.token(t)
	for what, cookie := range map[string]string{
		"withdrew": u.withdrew, "objected": u.objected, "is restricted": u.restricted, "was corrected": u.corrected, "was erased": u.gone,
	} {
		a := s.do(t, "POST", eventsPath, batch(cookie, event(20, nil)), "Origin", origin)
		var got sent
		if a.status == 202 {
			if a.into(t, &got); got.Accepted != 0 {
				t.Errorf("an event of a visitor who %s was accepted", what)
			}
		}
	}
	s.send(t, batch(u.other, event(20, nil)), 1)
	var state struct {
		Purposes map[string]struct{ Status string }
	}
	for cookie, want := range map[string]string{u.withdrew: "ConsentWithdrawn", u.objected: "Objected", u.other: "ConsentGiven"} {
		s.do(t, "POST", "/probity/v1/consent/state", object(map[string]any{"deployment": deployment, "visitor": cookie}), "Origin", origin).want(t, 200).into(t, &state)
		if got := state.Purposes["measure"].Status; got != want {
			t.Errorf("the state is %s, want %s", got, want)
		}
	}
	s.waits(t, auth, s.ask(t, auth, map[string]any{"type": "erasure", "ground": "b", "subject": customer(u.held)}), "hold")
	if found := s.do(t, "GET", "/probity/v1/holds", "", "Authorization", auth).want(t, 200).body; !strings.Contains(string(found), "Claim 4711") {
		t.Errorf("the holds are %s", found)
	}
}

func TestARestoredBackupUndoesNothingThatWasDecided(t *testing.T) {
	t.Parallel()
	u := newUndone(t)
	another := func(t *testing.T) *house {
		h := *u.h
		h.data = filepath.Join(t.TempDir(), "data")
		copyTree(t, u.h.data, h.data)
		return &h
	}
	t.Run("the server that was killed knows all of it", func(t *testing.T) {
		h := another(t)
		s := h.start(t)
		auth := s.token(t)
		s.waits(t, auth, s.ask(t, auth, map[string]any{"type": "erasure", "ground": "b", "subject": customer(u.held)}), "hold")
		s.stop(t)
	})
	t.Run("by the command", func(t *testing.T) {
		h := another(t)
		out, said, err := command(t, nil, "restore", "--data", h.data, "--from", u.backup, "--replace")
		if err != nil {
			t.Fatalf("%v\n%s%s", err, out, said)
		}
		for _, want := range []string{"Applied to the data again: 1 ", "In force again: 2 withdrawals, refusals and objections, 1 restrictions, 1 legal holds", "make the correction of request " + u.correction} {
			if !strings.Contains(out, want) {
				t.Errorf("it lacks %q:\n%s", want, out)
			}
		}
		s := h.start(t)
		u.inForce(t, s)
		s.stop(t)
		out, _, err = command(t, nil, "doctor", "--data", h.data)
		if err == nil || !strings.Contains(out, "✗ no correction is to be made again") || !strings.Contains(out, u.correction) {
			t.Errorf("doctor does not name the correction: %v\n%s", err, out)
		}
		if !strings.Contains(out, "✓ all that the register says is in force") || !strings.Contains(out, "✓ register of erasures "+filepath.Join(h.data, "erasures.register")+": ") {
			t.Errorf("doctor says\n%s", out)
		}
	})
	t.Run("by serve, where files were copied by hand, keys included", func(t *testing.T) {
		h := another(t)
		for part, file := range map[string]string{"data": "probity.db", "keys": "vault.db"} {
			b, err := os.ReadFile(filepath.Join(u.backup, part, file))
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
		if out, _, err := command(t, nil, "doctor", "--data", h.data); err == nil || !strings.Contains(out, "not in force: 1 erasures, 2 withdrawals, refusals and objections, 1 restrictions, 1 legal holds, 1 corrections") {
			t.Errorf("doctor does not say what is not in force: %v\n%s", err, out)
		}
		s := h.start(t)
		u.inForce(t, s)
		s.stop(t)
	})
	t.Run("a register that was altered is named by doctor, line by line", func(t *testing.T) {
		h := another(t)
		path := filepath.Join(h.data, "erasures.register")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), "ConsentWithdrawn", "ConsentWithdrawm", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, _, err := command(t, nil, "doctor", "--data", h.data)
		if err == nil || !strings.Contains(out, "1 lines can't be read, the first of them is line ") {
			t.Errorf("doctor says %v\n%s", err, out)
		}
	})
	register, err := os.ReadFile(filepath.Join(u.h.data, "erasures.register"))
	if err != nil {
		t.Fatal(err)
	}
	if found := search(register, needles(markedMailbox, markedDomain, markedDigits, u.withdrew, u.corrected)); found != nil {
		t.Errorf("the register shows %v", found)
	}
}
