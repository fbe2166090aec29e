package verify

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func newWitness(t testing.TB, name string, seed byte) (note.Signer, string) {
	t.Helper()
	s, key, err := NewCosigner(name, ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)), func() time.Time { return minute })
	if err != nil {
		t.Fatal(err)
	}
	return s, key
}

func TestACosignatureNamesItsTimeAndHoldsForTheWholeCheckpoint(t *testing.T) {
	s := newSample(t)
	witness, key := newWitness(t, "witness.test/w", 7)
	_, stranger := newWitness(t, "other.test/w", 8)
	n, err := note.Open(s.checkpoint(t, 7), note.VerifierList(verifierOf(t, s.key)))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(n, witness)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Cosignatures(signed, stranger, key)
	if err != nil || len(got) != 1 || got[0].Key != key || !got[0].Time.Equal(minute) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := OpenCheckpoint(signed, s.key); err != nil {
		t.Errorf("the log's own signature no longer holds: %v", err)
	}
	if _, err := Cosignatures([]byte(strings.Replace(string(signed), "\n7\n", "\n8\n", 1)), key); ReasonOf(err) != BadSignature {
		t.Errorf("an altered checkpoint: %v", err)
	}
	for name, bad := range map[string]string{
		"a log's key": s.key, "no key": "", "another hash": strings.Replace(key, "+", "+0", 1), "a space": "a b" + key,
	} {
		if _, err := Cosignatures(signed, bad); ReasonOf(err) != BadKey {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func verifierOf(t testing.TB, key string) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestL11_TwoCheckpointsOfOneSizeAreProofOfEquivocation(t *testing.T) {
	a, b := newShadow(t, "probity.test/log/1", 1), newShadow(t, "probity.test/log/1", 1)
	a.add(t, "notice.published", `{"n":1}`)
	b.add(t, "notice.published", `{"n":2}`)
	one, other := a.checkpoint(t, 1), b.checkpoint(t, 1)
	_, evidence, err := Checkpoints(append(append([]byte{}, one...), other...), a.key)
	if ReasonOf(err) != SplitView || evidence == nil {
		t.Fatalf("%+v, %v", evidence, err)
	}
	file, err := json.Marshal(evidence)
	if err != nil {
		t.Fatal(err)
	}
	report, err := File(file, a.key)
	if err != nil || !strings.Contains(report.String(), "two different trees of 1 entries") {
		t.Errorf("%v\n%v", err, report)
	}
	// Two that agree accuse nobody, and a forged one proves nothing.
	a.add(t, "notice.published", `{"n":3}`)
	if report, evidence, err := Checkpoints(append(append([]byte{}, one...), a.checkpoint(t, 2)...), a.key); err != nil || evidence != nil || len(report.Verified) != 3 {
		t.Errorf("%v %v %v", report, evidence, err)
	}
	if _, err := NewEvidence(one, a.checkpoint(t, 2), a.key); ReasonOf(err) != BadProof {
		t.Errorf("honest checkpoints: %v", err)
	}
	forged := strings.Replace(string(other), "\n1\n", "\n2\n", 1)
	if _, err := NewEvidence(one, []byte(forged), a.key); ReasonOf(err) != BadSignature {
		t.Errorf("a forged checkpoint: %v", err)
	}
	if _, _, err := Checkpoints(one); ReasonOf(err) != WrongKey {
		t.Errorf("without a key: %v", err)
	}
	for _, bad := range []string{"", "\n\n", "a\n\nb\n", string(one[:len(one)-1])} {
		if _, _, err := Checkpoints([]byte(bad), a.key); ReasonOf(err) != Malformed {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAKeyListIsFollowedOnlyWhereBothKeysSigned(t *testing.T) {
	old, next, third := newShadow(t, "probity.test/log/1", 1), newShadow(t, "probity.test/log/1", 2), newShadow(t, "probity.test/log/1/2", 3)
	rotated := &Handover{Kind: Rotated, Old: old.key, New: next.key, Until: 7, From: 8, Time: minute}
	bridged := &Handover{Kind: Bridged, Old: next.key, New: third.key, Until: 20, From: 16, Time: minute}
	sign := func(h *Handover, a, b *shadow) string {
		t.Helper()
		s, err := h.Sign(a.signer, b.signer)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	list := func(handovers ...string) []byte {
		k := NewKeychain()
		k.Keys = []PublishedKey{{VerifierKey: old.key}, {next.key, handovers[0]}, {third.key, handovers[1]}}
		return encode(t, k)
	}
	good := []string{sign(rotated, old, next), sign(bridged, next, third)}
	_, periods, err := ParseKeychain(list(good...))
	if err != nil {
		t.Fatal(err)
	}
	if !periods[0].Covers(7) || periods[0].Covers(8) || !periods[1].Covers(20) || periods[1].Covers(21) || !periods[2].Covers(16) || periods[2].Covers(15) {
		t.Errorf("the periods are %+v", periods)
	}
	if first, n := bridged.Lost(); first != 15 || n != 5 {
		t.Errorf("%d entries from %d are lost", n, first)
	}
	alone, err := note.Sign(&note.Note{Text: rotated.Text()}, old.signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"only the old key signed": list(string(alone), good[1]),
		"a number was changed":    list(strings.Replace(good[0], "\n7\n", "\n6\n", 1), good[1]),
		"in the wrong order":      list(good[1], good[0]),
		"no list":                 []byte(`{"type":"probity/keys/v1","keys":[]}`),
		"no handover":             list("", good[1]),
	} {
		if _, _, err := ParseKeychain(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
