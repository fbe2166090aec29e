package verify

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// renamed returns the same entries under another key: a log whose key was replaced, or one that was
// bridged and goes on.
func (s *shadow) renamed(t testing.TB, origin string, seed byte) *shadow {
	t.Helper()
	n := newShadow(t, origin, seed)
	n.leaves, n.hashes = append(n.leaves, s.leaves...), append(n.hashes, s.hashes...)
	return n
}

func witness(t testing.TB, name string, seed byte) (note.Signer, string) {
	t.Helper()
	signer, key, err := NewCosigner(name, ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)), func() time.Time { return minute.Add(time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	return signer, key
}

// cosign adds signatures below a signed checkpoint, or below the one in a proof.
func cosign(t testing.TB, signed string, signers ...note.Signer) string {
	t.Helper()
	if head, checkpoint, ok := strings.Cut(signed, "\n\n"); ok && strings.HasPrefix(signed, proofHeader) {
		return head + "\n\n" + cosign(t, checkpoint, signers...)
	}
	text, _, _ := strings.Cut(signed, "\n\n")
	more, err := note.Sign(&note.Note{Text: text + "\n"}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return signed + string(more[len(text)+2:])
}

// keyed is a log whose key was replaced twice and that was bridged then.
type keyed struct {
	generations [4]*shadow
	handovers   [3]string
	list        string
}

// newKeyed: the first key signs up to 3 entries, the second up to 5, the third up to 7; then the log
// was restored to 6 entries and goes on under another name.
func newKeyed(t testing.TB) *keyed {
	t.Helper()
	k := &keyed{}
	s := newShadow(t, "probity.test/log/7", 21)
	for i := range 9 {
		s.add(t, "rights.received", fmt.Sprintf(`{"n":%d}`, i))
	}
	k.generations = [4]*shadow{s, s.renamed(t, s.origin, 22), s.renamed(t, s.origin, 23), s.renamed(t, s.origin+"/2", 24)}
	chain := NewKeychain()
	chain.Keys = append(chain.Keys, PublishedKey{VerifierKey: s.key})
	for i, h := range []Handover{
		{Kind: Rotated, Until: 3, From: 4}, {Kind: Rotated, Until: 5, From: 6}, {Kind: Bridged, Until: 7, From: 7},
	} {
		a, b := k.generations[i], k.generations[i+1]
		h.Old, h.New, h.Time = a.key, b.key, minute.Add(time.Duration(i)*time.Hour)
		signed, err := h.Sign(a.signer, b.signer)
		if err != nil {
			t.Fatal(err)
		}
		k.handovers[i] = signed
		chain.Keys = append(chain.Keys, PublishedKey{VerifierKey: b.key, Handover: signed})
	}
	k.list = string(encode(t, chain))
	return k
}

// receipt proves the first entry under a checkpoint of that size by one of the keys.
func (k *keyed) receipt(t testing.TB, which int, size int64) string {
	t.Helper()
	return string(encode(t, k.generations[which].receiptAt(t, 0, size, `{"n":0}`)))
}

// trustVectors are about what a reader knows: lists of keys, their periods, and witnesses.
func trustVectors(t testing.TB) (out []fileVector) {
	t.Helper()
	k := newKeyed(t)
	first, second, third, bridged := k.generations[0], k.generations[1], k.generations[2], k.generations[3]
	other := newShadow(t, "probity.test/log/2", 2)
	add := func(v fileVector) { out = append(out, v) }

	// Lists of keys and handovers as files.
	add(fileVector{Name: "a list of keys", File: k.list})
	add(fileVector{Name: "a list of keys, one of them trusted", File: k.list, Trusted: []string{second.key}})
	add(fileVector{Name: "a list of keys, none of them trusted", File: k.list, Trusted: []string{other.key}})
	add(fileVector{Name: "an empty list of keys", File: `{"type":"probity/keys/v1","keys":[]}`})
	add(fileVector{Name: "a list of keys without anything", File: `{"type":"probity/keys/v1"}`})
	add(fileVector{Name: "a list of keys with an unknown member", File: strings.Replace(k.list, `"keys":`, `"x":1,"keys":`, 1)})
	add(fileVector{Name: "a list of one key", File: string(encode(t, &Keychain{Type: KeychainType, Keys: []PublishedKey{{VerifierKey: first.key}}}))})
	add(fileVector{Name: "a list of one key in capitals", File: strings.Replace(string(encode(t, &Keychain{Type: KeychainType, Keys: []PublishedKey{{VerifierKey: first.key}}})), first.key[:28], strings.ToUpper(first.key[:28]), 1)})
	add(fileVector{Name: "a list of keys, the first handed over", File: string(encode(t, &Keychain{Type: KeychainType, Keys: []PublishedKey{{VerifierKey: second.key, Handover: k.handovers[0]}}}))})
	add(fileVector{Name: "a list of keys without a handover", File: string(encode(t, &Keychain{Type: KeychainType, Keys: []PublishedKey{{VerifierKey: first.key}, {VerifierKey: second.key}}}))})
	add(fileVector{Name: "a list of keys with one left out", File: string(encode(t, &Keychain{Type: KeychainType, Keys: []PublishedKey{{VerifierKey: first.key}, {VerifierKey: third.key, Handover: k.handovers[1]}}}))})
	for i, signed := range k.handovers {
		add(fileVector{Name: fmt.Sprintf("handover %d", i+1), File: signed})
		add(fileVector{Name: fmt.Sprintf("handover %d from a trusted key", i+1), File: signed, Trusted: []string{k.generations[i].key}})
		add(fileVector{Name: fmt.Sprintf("handover %d to a trusted key", i+1), File: signed, Trusted: []string{k.generations[i+1].key}})
		add(fileVector{Name: fmt.Sprintf("handover %d between keys that are not trusted", i+1), File: signed, Trusted: []string{other.key}})
		add(fileVector{Name: fmt.Sprintf("handover %d with another number", i+1), File: strings.Replace(signed, fmt.Sprintf("\n%d\n", 3+2*i), "\n2\n", 1)})
		lines := strings.SplitAfter(signed, "\n")
		add(fileVector{Name: fmt.Sprintf("handover %d signed by the old key only", i+1), File: strings.Join(lines[:len(lines)-2], "")})
		add(fileVector{Name: fmt.Sprintf("handover %d signed by the new key only", i+1), File: strings.Join(append(lines[:len(lines)-3:len(lines)-3], lines[len(lines)-2:]...), "")})
		add(fileVector{Name: fmt.Sprintf("handover %d cut off", i+1), File: signed[:len(signed)-1]})
	}
	statement := func(name string, h Handover, a, b *shadow) {
		h.Old, h.New, h.Time = a.key, b.key, minute
		signed, err := h.Sign(a.signer, b.signer)
		if err != nil {
			t.Fatal(err)
		}
		add(fileVector{Name: name, File: signed})
	}
	statement("a handover of an unknown kind", Handover{Kind: "lent", Until: 3, From: 4}, first, second)
	statement("a handover to a log of another name", Handover{Kind: Rotated, Until: 3, From: 4}, first, bridged)
	statement("a bridge to a log of the same name", Handover{Kind: Bridged, Until: 3, From: 4}, first, second)
	statement("a handover after which both keys sign", Handover{Kind: Rotated, Until: 4, From: 4}, first, second)
	add(fileVector{Name: "a handover that is no note", File: handoverType + "\nrotated\n"})
	add(fileVector{Name: "a handover with a number that has a zero before it", File: strings.Replace(k.handovers[0], "\n3\n", "\n03\n", 1)})

	// What each key signed within its period and outside.
	for which, sizes := range [][]int64{{1, 3, 4, 9}, {3, 4, 5, 6}, {5, 6, 7, 8}, {6, 7, 9}} {
		for _, size := range sizes {
			add(fileVector{Name: fmt.Sprintf("a receipt by key %d over %d entries, with the list", which+1, size),
				File: k.receipt(t, which, size), Trusted: []string{first.key}, Keys: k.list})
		}
	}
	add(fileVector{Name: "a receipt by a later key without the list", File: k.receipt(t, 1, 4), Trusted: []string{first.key}})
	add(fileVector{Name: "a receipt by an earlier key from a later one", File: k.receipt(t, 0, 3), Trusted: []string{bridged.key}, Keys: k.list})
	add(fileVector{Name: "a list that names no trusted key", File: k.receipt(t, 0, 3), Trusted: []string{other.key}, Keys: k.list})
	add(fileVector{Name: "a list without a trusted key", File: k.receipt(t, 0, 3), Keys: k.list})
	add(fileVector{Name: "a damaged list", File: k.receipt(t, 0, 3), Trusted: []string{first.key}, Keys: k.list[:100]})
	extension := func(oldKey int, oldSize int64, newKey int, newSize int64, name bool) string {
		a, b := k.generations[oldKey], k.generations[newKey]
		x := b.extension(t, oldSize, newSize)
		x.Old = string(a.checkpoint(t, oldSize))
		if name {
			x.OldKey = a.key
		}
		bundle := NewBundle(b.key)
		bundle.Consistency = append(bundle.Consistency, x)
		return string(encode(t, bundle))
	}
	add(fileVector{Name: "a log that grew over one replaced key", File: extension(0, 3, 1, 5, true)})
	add(fileVector{Name: "a log that grew over two replaced keys", File: extension(0, 2, 2, 7, true)})
	add(fileVector{Name: "a log that grew over two replaced keys, with the list", File: extension(0, 2, 2, 7, true), Trusted: []string{first.key}, Keys: k.list})
	add(fileVector{Name: "a log that grew over a replaced key that is not trusted", File: extension(0, 2, 2, 7, true), Trusted: []string{third.key}})
	add(fileVector{Name: "a log that grew from a tree that its old key might not sign", File: extension(0, 4, 2, 7, true), Trusted: []string{first.key}, Keys: k.list})
	add(fileVector{Name: "a log that grew to a tree that its new key might not sign", File: extension(0, 2, 1, 6, true), Trusted: []string{first.key}, Keys: k.list})
	add(fileVector{Name: "a log that grew over a replaced key that is not named", File: extension(0, 2, 2, 7, false)})
	add(fileVector{Name: "a log that grew over a bridge", File: extension(0, 2, 3, 7, true)})

	// Witnesses.
	a, aKey := witness(t, "witness.test/a", 31)
	b, bKey := witness(t, "witness.test/b", 32)
	impostor, _ := witness(t, "witness.test/a", 33)
	witnessed := func(signers ...note.Signer) string {
		r := first.receiptAt(t, 0, 3, `{"n":0}`)
		if len(signers) > 0 {
			r.Proof = cosign(t, r.Proof, signers...)
		}
		return string(encode(t, r))
	}
	both := []string{aKey, bKey}
	add(fileVector{Name: "two witnesses", File: witnessed(a, b), Witnesses: both})
	add(fileVector{Name: "two witnesses in another order", File: witnessed(b, a), Witnesses: both})
	add(fileVector{Name: "one witness of two", File: witnessed(a), Witnesses: both})
	add(fileVector{Name: "one witness of two, where one is enough", File: witnessed(b), Witnesses: both, Needed: 1})
	add(fileVector{Name: "no witness", File: witnessed(), Witnesses: both, Needed: 1})
	add(fileVector{Name: "witnesses that nobody asked for", File: witnessed(a, b)})
	add(fileVector{Name: "a witness of the same name under another key", File: witnessed(impostor), Witnesses: both, Needed: 1})
	add(fileVector{Name: "the witness beside its impostor", File: witnessed(impostor, a), Witnesses: both, Needed: 1})
	moved := first.receiptAt(t, 0, 2, `{"n":0}`)
	two, three := cosign(t, string(first.checkpoint(t, 2)), a), first.receiptAt(t, 0, 3, `{"n":0}`)
	three.Proof += two[len(first.checkpoint(t, 2)):]
	add(fileVector{Name: "a witness's signature from another checkpoint", File: string(encode(t, three)), Witnesses: both, Needed: 1})
	add(fileVector{Name: "a witness's signature from another checkpoint that nobody asked for", File: string(encode(t, three))})
	add(fileVector{Name: "a key of a log for a witness", File: witnessed(a), Witnesses: []string{first.key}})
	add(fileVector{Name: "a key of a witness for a log", File: witnessed(a), Trusted: []string{aKey}})
	bundle := NewBundle(first.key)
	one := first.receiptAt(t, 0, 3, `{"n":0}`)
	one.Proof = cosign(t, one.Proof, a, b)
	bundle.Receipts = append(bundle.Receipts, *one, *moved)
	add(fileVector{Name: "a bundle with one part that nobody witnessed", File: string(encode(t, bundle)), Witnesses: both, Needed: 1})
	bundle.Receipts[1].Proof = cosign(t, moved.Proof, b)
	add(fileVector{Name: "a bundle whose parts have different witnesses", File: string(encode(t, bundle)), Witnesses: both, Needed: 1})
	plain := string(first.excerptOf(t, 0, map[int64]string{}))
	add(fileVector{Name: "an excerpt without witnesses", File: plain, Witnesses: both, Needed: 1})
	last := string(encode(t, string(first.checkpoint(t, 9))))
	signed := string(encode(t, cosign(t, string(first.checkpoint(t, 9)), a)))
	add(fileVector{Name: "an excerpt with a witness", File: strings.Replace(plain, last, signed, 1), Witnesses: both, Needed: 1})
	add(fileVector{Name: "an excerpt by a key after its period", File: plain, Trusted: []string{first.key}, Keys: k.list})
	return out
}

func TestL14_AKeyCountsOnlyWithinItsPeriod(t *testing.T) {
	k := newKeyed(t)
	_, periods, err := ParseKeychain([]byte(k.list))
	if err != nil {
		t.Fatal(err)
	}
	// The tree that each key may sign, by number of entries.
	allowed := [4][2]int64{{1, 3}, {4, 5}, {6, 7}, {7, 9}}
	for trusted := range k.generations {
		trust := Trust{Keys: []string{k.generations[trusted].key}}
		if err := trust.Follow(periods); err != nil {
			t.Fatal(err)
		}
		for which := range k.generations {
			for size := int64(1); size <= 9; size++ {
				_, err := trust.File([]byte(k.receipt(t, which, size)))
				if fits := size >= allowed[which][0] && size <= allowed[which][1]; fits && err != nil || !fits && ReasonOf(err) != WrongPeriod {
					t.Errorf("key %d over %d entries: %v", which+1, size, err)
				} else if !fits && !strings.Contains(err.Error(), k.generations[which].key) {
					t.Errorf("the key is not named: %v", err)
				}
			}
		}
		// A text of checkpoints too.
		late := string(k.generations[0].checkpoint(t, 4))
		if _, _, err := trust.Checkpoints([]byte(late)); ReasonOf(err) != WrongPeriod {
			t.Errorf("a checkpoint after the period of its key: %v", err)
		}
	}
	trust := Trust{Keys: []string{newShadow(t, "probity.test/log/7", 99).key}}
	if err := trust.Follow(periods); ReasonOf(err) != WrongKey {
		t.Errorf("a list that names no trusted key: %v", err)
	}
}

func TestL12_WitnessesAreCountedInEveryFile(t *testing.T) {
	s := newSample(t)
	a, aKey := witness(t, "witness.test/a", 31)
	b, bKey := witness(t, "witness.test/b", 32)
	r := *s.receipt
	r.Proof = cosign(t, cosign(t, r.Proof, a), b)
	file := encode(t, &r)
	report, err := Trust{Keys: []string{s.key}, Witnesses: []string{aKey, bKey}}.File(file)
	if err != nil || !strings.Contains(report.String(), "Witness witness.test/a, which you know") || !strings.Contains(report.String(), "Witness witness.test/b") {
		t.Errorf("%v\n%v", err, report)
	}
	if report, err = (Trust{}).File(file); err != nil || strings.Contains(report.String(), "Witness ") {
		t.Errorf("nobody asked for witnesses: %v\n%v", err, report)
	}
	_, _, err = Trust{Keys: []string{s.key}, Witnesses: []string{aKey, bKey}, Needed: 1}.Checkpoints(s.checkpoint(t, 7))
	if ReasonOf(err) != NotWitnessed {
		t.Errorf("a checkpoint without witnesses: %v", err)
	}
	one, other := cosign(t, string(s.checkpoint(t, 6)), a), cosign(t, string(s.checkpoint(t, 7)), b)
	if _, _, err = (Trust{Keys: []string{s.key}, Witnesses: []string{aKey, bKey}, Needed: 1}).Checkpoints([]byte(one + other)); err != nil {
		t.Errorf("two checkpoints, each with one witness: %v", err)
	}
}
