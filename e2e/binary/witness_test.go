package binary

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity/verify"
)

// freeAddress is one that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// logged is what an installation has to show for a choice.
type logged struct {
	cookie  string
	record  string
	receipt []byte
	key     string // of its log
	path    string // of its log
}

// choose makes a choice, which signs the log.
func (s *server) choose(t *testing.T) *logged {
	t.Helper()
	l := &logged{}
	l.cookie, l.record = s.grant(t)
	s.proof(t, l)
	return l
}

// proof fetches the receipt of a choice again.
func (s *server) proof(t *testing.T, l *logged) {
	t.Helper()
	a := s.do(t, "POST", "/probity/v1/consent/receipt", object(map[string]any{"deployment": deployment, "visitor": l.cookie, "record_id": l.record}), "Origin", origin).want(t, 200)
	var r verify.Receipt
	a.into(t, &r)
	l.receipt, l.key = a.body, r.VerifierKey
	name, _, _ := strings.Cut(r.VerifierKey, "+")
	_, tenant, _ := strings.Cut(name, "/log/")
	l.path = "/probity/v1/logs/" + tenant
}

func (s *server) witnessKey(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(string(s.do(t, "GET", "/probity/v1/witness/key", "").want(t, 200).body))
}

// installation returns a house with an address of its own.
func installation(t *testing.T, flags ...string) (h *house, url string) {
	t.Helper()
	address := freeAddress(t)
	h = newHouse(t, append([]string{"--listen", address, "--public-url", "http://" + address, "--checkpoint-every", "1s"}, flags...)...)
	return h, "http://" + address
}

func TestL11_L12_TwoProcessesWitnessEachOtherAndAForkIsRefusedWithEvidence(t *testing.T) {
	a, aURL := installation(t)
	b, bURL := installation(t)
	s := a.start(t)
	first := s.choose(t)
	s.stop(t)
	fork := a.copied(t) // what A's operator may go on from in secret
	other := b.start(t)
	second := other.choose(t)
	other.stop(t)

	// A place that doesn't answer is left alone for a minute, so each is up before it is asked.
	a.flags = append(a.flags, "--witness-accept", second.key)
	s = a.start(t)
	aWitness := s.witnessKey(t)
	b.flags = append(b.flags, "--witness-accept", first.key, "--witness", aWitness+" "+aURL+"/probity/v1/witness")
	other = b.start(t)
	bWitness := other.witnessKey(t)
	s.stop(t)
	a.flags = append(a.flags, "--witness", bWitness+" "+bURL+"/probity/v1/witness")
	s = a.start(t)
	here, there := s.choose(t), other.choose(t)

	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, side := range []struct {
		name    string
		server  *server
		choice  *logged
		witness string
	}{{"A", s, here, bWitness}, {"B", other, there, aWitness}} {
		eventually(t, "the cosignature for "+side.name, func() bool {
			side.server.proof(t, side.choice)
			_, err := verify.Trust{Keys: []string{side.choice.key}, Witnesses: []string{side.witness}}.File(side.choice.receipt)
			return err == nil
		})
		out, said, err := command(t, nil, "verify", "--key", side.choice.key, "--witnessed-by", side.witness, "--witnesses", "1", file(side.name+".json", side.choice.receipt))
		if err != nil || !strings.Contains(out, "which you know, saw the tree of") {
			t.Errorf("%s: %v\n%s%s", side.name, err, out, said)
		}
	}

	// The same log, gone on from the copy: B has cosigned another tree of that size.
	honest := s.do(t, "GET", here.path+"/checkpoint", "").want(t, 200).body
	seen, err := verify.OpenCheckpoint(honest, first.key)
	if err != nil {
		t.Fatal(err)
	}
	fork.flags = []string{"--listen", freeAddress(t), "--public-url", aURL}
	liar := fork.start(t)
	var lie []byte
	for range 10 {
		forked := liar.choose(t)
		lie = liar.do(t, "GET", forked.path+"/checkpoint", "").want(t, 200).body
		if c, err := verify.OpenCheckpoint(lie, first.key); err != nil {
			t.Fatal(err)
		} else if c.Tree.N >= seen.Tree.N {
			if c.Tree.N > seen.Tree.N {
				t.Fatalf("the fork has %d entries, the log %d", c.Tree.N, seen.Tree.N)
			}
			break
		}
	}
	refusal := other.do(t, "POST", "/probity/v1/witness/add-checkpoint", fmt.Sprintf("old %d\n\n%s", seen.Tree.N, lie))
	if refusal.status != 409 || strings.Contains(string(refusal.body), "— ") {
		t.Errorf("a forked log gets %d %s", refusal.status, refusal.body)
	}
	both := file("both.txt", append(append([]byte{}, honest...), lie...))
	proof := filepath.Join(dir, "proof.json")
	if out, said, err := command(t, nil, "verify", "--key", first.key, "--evidence", proof, both); err == nil || !strings.Contains(said, "split view") {
		t.Errorf("two histories: %v\n%s%s", err, out, said)
	}
	if out, said, err := command(t, nil, "verify", "--key", first.key, proof); err != nil || !strings.Contains(out, "lied") {
		t.Errorf("the evidence: %v\n%s%s", err, out, said)
	}
	liar.stop(t)
	other.stop(t)
	s.stop(t)
}

func TestL10_DoctorBridgesARestoredOlderDatabaseAndSaysSo(t *testing.T) {
	h := newHouse(t)
	s := h.start(t)
	first := s.choose(t)
	s.stop(t)
	old := h.copied(t)
	s = h.start(t)
	for range 3 {
		s.choose(t)
	}
	s.stop(t)
	// The main database comes back from a backup; the vault remembers what was published.
	for _, name := range []string{"probity.db", "probity.db-wal", "probity.db-shm"} {
		if err := os.Remove(filepath.Join(h.data, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(old.data, name)); err == nil {
			if err := os.WriteFile(filepath.Join(h.data, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, said, err := command(t, nil, "doctor", "--data", h.data)
	if err != nil || !strings.Contains(out, "was older than what was published of it and goes on as") || !strings.Contains(out, "published entries from number") {
		t.Errorf("the doctor: %v\n%s%s", err, out, said)
	}
	s = h.start(t)
	again := s.choose(t)
	if again.key == first.key || !strings.Contains(again.key, "/2+") {
		t.Errorf("the log goes on under %s", again.key)
	}
	s.stop(t)
}
