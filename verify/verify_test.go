package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shadow is a small log for tests: a slice of leaves under a key made from a seed.
type shadow struct {
	origin string
	signer note.Signer
	key    string
	leaves []Leaf
	hashes reader
}

type reader []tlog.Hash

func (r *reader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = (*r)[x]
	}
	return out, nil
}

func newShadow(t testing.TB, origin string, seed byte) *shadow {
	t.Helper()
	private := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
	key, err := note.NewEd25519VerifierKey(origin, private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(key, "+")[1]
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", origin, hash,
		base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...))))
	if err != nil {
		t.Fatal(err)
	}
	return &shadow{origin: origin, signer: signer, key: key}
}

var minute = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func salt(n int64) (s [SaltSize]byte) {
	for i := range s {
		s[i] = byte(n*7) + byte(i)
	}
	return s
}

// add appends an entry and returns its index.
func (s *shadow) add(t testing.TB, kind, entry string) int64 {
	t.Helper()
	n := int64(len(s.leaves))
	canonical, err := Canonical([]byte(entry))
	if err != nil {
		t.Fatal(err)
	}
	leaf := Leaf{Kind: kind, Minute: minute.Unix()/60 + n, Commitment: Commit(salt(n), canonical)}
	stored, err := tlog.StoredHashes(n, leaf.Text(), &s.hashes)
	if err != nil {
		t.Fatal(err)
	}
	s.hashes = append(s.hashes, stored...)
	s.leaves = append(s.leaves, leaf)
	return n
}

func (s *shadow) checkpoint(t testing.TB, size int64) []byte {
	t.Helper()
	root, err := tlog.TreeHash(size, &s.hashes)
	if err != nil {
		t.Fatal(err)
	}
	c := Checkpoint{Origin: s.origin, Tree: tlog.Tree{N: size, Hash: root}, Time: minute.Add(time.Duration(size) * time.Minute)}
	return s.sign(t, c.Text())
}

func (s *shadow) sign(t testing.TB, text string) []byte {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, s.signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (s *shadow) receipt(t testing.TB, n int64, entry string) *Receipt {
	t.Helper()
	return s.receiptAt(t, n, int64(len(s.leaves)), entry)
}

func (s *shadow) receiptAt(t testing.TB, n, size int64, entry string) *Receipt {
	t.Helper()
	path, err := tlog.ProveRecord(size, n, &s.hashes)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceipt(s.leaves[n], []byte(entry), salt(n), Proof{Index: n, Path: path, Checkpoint: s.checkpoint(t, size)}, s.key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *shadow) extension(t testing.TB, old, new int64) Extension {
	t.Helper()
	proof, err := tlog.ProveTree(new, old, &s.hashes)
	if err != nil {
		t.Fatal(err)
	}
	return NewExtension(s.checkpoint(t, old), s.checkpoint(t, new), proof)
}

const (
	noticeText  = "<!doctype html><title>May we record your visit?</title>"
	deletedBody = `{"request":"0192","kind":"erasure","stores":[{"name":"events","rows":1000}],"completed":"2026-11-22T12:00:00Z"}`
)

func consentEntry(t testing.TB) string {
	t.Helper()
	d := Document{Text: noticeText}
	return fmt.Sprintf(`{"schema":"probity/consent/1","id":"0192d3a4","purposes":[{"id":"measure","state":"ConsentGiven"}],"notice":{"id":"privacy","version":1,"language":"en","text_sha256":%q}}`, d.Digest())
}

// sample is a log with files of each type.
type sample struct {
	*shadow
	receipt     *Receipt
	certificate *Certificate
	bundle      *Bundle
}

func newSample(t testing.TB) *sample {
	t.Helper()
	s := &sample{shadow: newShadow(t, "probity.test/log/1", 1)}
	s.add(t, "notice.published", `{"id":"privacy","version":1}`)
	given := s.add(t, "consent.given", consentEntry(t))
	for i := range 3 {
		s.add(t, "consent.refused", fmt.Sprintf(`{"n":%d}`, i))
	}
	digest, err := BodyDigest([]byte(deletedBody))
	if err != nil {
		t.Fatal(err)
	}
	erased := fmt.Sprintf(`{"body_sha256":%q}`, digest)
	done := s.add(t, "erasure.done", erased)
	s.add(t, "consent.refused", `{"n":9}`)

	s.receipt = s.shadow.receipt(t, given, consentEntry(t))
	s.receipt.Notice = &Document{MediaType: "text/html; charset=utf-8", Language: "en", Text: noticeText}
	if s.certificate, err = NewCertificate([]byte(deletedBody), s.signer, s.key, s.shadow.receipt(t, done, erased)); err != nil {
		t.Fatal(err)
	}
	s.bundle = NewBundle(s.key)
	s.bundle.Receipts = append(s.bundle.Receipts, *s.receipt)
	s.bundle.Certificates = append(s.bundle.Certificates, *s.certificate)
	s.bundle.Consistency = append(s.bundle.Consistency, s.extension(t, 2, 7), s.extension(t, 7, 7))
	return s
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The files in testdata were written by an earlier version of this package: they must verify for
// ever, whatever becomes of the code.
func TestGoldenFilesVerify(t *testing.T) {
	s := newSample(t)
	golden := map[string]any{"receipt.json": s.receipt, "certificate.json": s.certificate, "bundle.json": s.bundle}
	for name, v := range golden {
		path := filepath.Join("testdata", name)
		report := filepath.Join("testdata", strings.TrimSuffix(name, ".json")+".report.txt")
		if *update {
			pretty, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(pretty, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := File(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *update {
			if err := os.WriteFile(report, []byte(r.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		if r.String() != string(want) {
			t.Errorf("%s: the report is\n%s\nwant\n%s", name, r, want)
		}
		if r, err = File(data, "other+00000000+AAAA", s.key); err != nil || !r.Trusted {
			t.Errorf("%s under its trusted key: %+v, %v", name, r, err)
		}
	}
}

// vector is one step-by-step example for whoever writes another verifier.
type vector struct {
	Name       string `json:"name"`
	Entry      string `json:"entry"` // as it may stand in a file
	Canonical  string `json:"canonical"`
	Salt       string `json:"salt"`       // base64
	Commitment string `json:"commitment"` // base64
	Kind       string `json:"kind"`
	Minute     int64  `json:"minute"`
	Leaf       string `json:"leaf"`
	LeafHash   string `json:"leaf_hash"` // base64
}

func TestGoldenVectorsOfEachStep(t *testing.T) {
	path := filepath.Join("testdata", "vectors.json")
	var vectors []vector
	for i, c := range []struct{ name, kind, entry string }{
		{"an empty entry", "rights.received", `{}`},
		{"members out of order", "consent.given", "{\n\t\"z\": 1.50, \"a\": [true, null, -0]\n}"},
		{"letters beyond ASCII, escaped", "consent.refused", `{"\u00fc": "\ud83d\ude00\u20ac", "\ufb33": 1, "\ud83d\ude00": 2}`},
		{"large and small numbers", "erasure.done", `{"n": [1e30, 1e-7, 9007199254740991, 0.1]}`},
		{"control characters", "notice.published", `{"s": "\u0000\b\t\n\f\r\"\\\/\u007f"}`},
	} {
		canonical, err := Canonical([]byte(c.entry))
		if err != nil {
			t.Fatal(err)
		}
		s := salt(int64(i))
		leaf := Leaf{Kind: c.kind, Minute: minute.Unix()/60 + int64(i), Commitment: Commit(s, canonical)}
		hash := tlog.RecordHash(leaf.Text())
		vectors = append(vectors, vector{
			Name: c.name, Entry: c.entry, Canonical: string(canonical),
			Salt:       base64.StdEncoding.EncodeToString(s[:]),
			Commitment: base64.StdEncoding.EncodeToString(leaf.Commitment[:]),
			Kind:       leaf.Kind, Minute: leaf.Minute, Leaf: string(leaf.Text()), LeafHash: hash.String(),
		})
	}
	files := fileVectors(t)
	got, err := json.MarshalIndent(struct {
		Steps []vector     `json:"steps"`
		Files []fileVector `json:"files"`
	}{vectors, files}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("the vectors differ from %s; if that is meant, run the tests with -update", path)
	}
}

// edit returns the receipt with a change made to it.
func (s *sample) edit(t testing.TB, change func(r *Receipt)) []byte {
	t.Helper()
	r := *s.receipt
	notice := *r.Notice
	r.Notice = &notice
	change(&r)
	return encode(t, &r)
}

func TestEachKindOfForgeryHasItsName(t *testing.T) {
	s := newSample(t)
	other := newShadow(t, "probity.test/log/2", 2)
	other.add(t, "consent.given", consentEntry(t))
	impostor := newShadow(t, "probity.test/log/1", 3) // right name, wrong key
	impostor.add(t, "consent.given", consentEntry(t))
	replace := func(old, new string) func(*string) {
		return func(s *string) { *s = strings.Replace(*s, old, new, 1) }
	}
	proofOf := func(t testing.TB, s *shadow, n int64) string { return s.receipt(t, n, consentEntry(t)).Proof }
	for _, c := range []struct {
		name   string
		file   []byte
		trust  []string
		reason Reason
	}{
		{"a key the reader does not trust", encode(t, s.receipt), []string{other.key}, WrongKey},
		{"an edited entry", s.edit(t, func(r *Receipt) {
			r.Entry = []byte(strings.Replace(string(r.Entry), "ConsentGiven", "ConsentRefused", 1))
		}), nil, EditedEntry},
		{"an edited salt", s.edit(t, func(r *Receipt) { r.Salt = strings.Repeat("A", 43) + "=" }), nil, EditedEntry},
		{"an edited kind", s.edit(t, func(r *Receipt) { replace("consent.given", "consent.refused")(&r.Leaf) }), nil, BadProof},
		{"a back-dated leaf", s.edit(t, func(r *Receipt) { replace("|29", "|28")(&r.Leaf) }), nil, BadProof},
		{"a proof for another index", s.edit(t, func(r *Receipt) { replace("index 1", "index 2")(&r.Proof) }), nil, BadProof},
		{"an index beyond the tree", s.edit(t, func(r *Receipt) { replace("index 1", "index 70")(&r.Proof) }), nil, BadProof},
		{"a checkpoint of another size", s.edit(t, func(r *Receipt) { replace("\n7\n", "\n8\n")(&r.Proof) }), nil, BadSignature},
		{"a checkpoint with another time", s.edit(t, func(r *Receipt) { replace("time 17", "time 16")(&r.Proof) }), nil, BadSignature},
		{"the proof of another log", s.edit(t, func(r *Receipt) { r.Proof = proofOf(t, other, 0) }), nil, BadSignature},
		{"a log of the same name under another key", s.edit(t, func(r *Receipt) { r.Proof = proofOf(t, impostor, 0) }), nil, BadSignature},
		{"the other log's key", s.edit(t, func(r *Receipt) { r.VerifierKey = other.key }), nil, BadSignature},
		{"a key that is none", s.edit(t, func(r *Receipt) { r.VerifierKey = "key" }), nil, BadKey},
		{"another notice", s.edit(t, func(r *Receipt) { r.Notice.Text += " " }), nil, EditedNotice},
		{"a notice in another language", s.edit(t, func(r *Receipt) { r.Notice.Language = "de" }), nil, EditedNotice},
		{"a notice of another type", s.edit(t, func(r *Receipt) { r.Notice.MediaType = "text/plain" }), nil, EditedNotice},
		{"a missing salt", s.edit(t, func(r *Receipt) { r.Salt = "" }), nil, Malformed},
		{"an unknown member", []byte(strings.Replace(string(encode(t, s.receipt)), `{"type"`, `{"extra":1,"type"`, 1)), nil, Malformed},
		{"a member in capitals", []byte(strings.Replace(string(encode(t, s.receipt)), `"salt"`, `"Salt"`, 1)), nil, Malformed},
		{"a member twice", []byte(strings.Replace(string(encode(t, s.receipt)), `{"type"`, `{"salt":"x","type"`, 1)), nil, Malformed},
		{"another type of file", []byte(`{"type":"probity/receipt/v2"}`), nil, Malformed},
		{"no type", []byte(`{}`), nil, Malformed},
		{"no JSON", []byte(`receipt`), nil, Malformed},
		{"a list", []byte(`[]`), nil, Malformed},
		{"nothing", nil, nil, Malformed},
		{"an edited certificate", []byte(strings.Replace(string(encode(t, s.certificate)), `"rows":1000`, `"rows":1001`, 1)), nil, EditedBody},
		{"a certificate with a receipt for something else", encode(t, &Certificate{
			Type: CertificateType, Body: s.certificate.Body, Note: s.certificate.Note, VerifierKey: s.key, Receipt: s.receipt,
		}), nil, EditedBody},
		{"a certificate signed by somebody else", encode(t, &Certificate{
			Type: CertificateType, Body: s.certificate.Body, Note: string(impostor.sign(t, before(s.certificate.Note, "\n\n")+"\n")),
			VerifierKey: s.key, Receipt: s.certificate.Receipt,
		}), nil, BadSignature},
		{"a bundle of two logs", encode(t, &Bundle{
			Type: BundleType, VerifierKey: s.key, Receipts: []Receipt{*other.receipt(t, 0, consentEntry(t))}, Certificates: []Certificate{}, Consistency: []Extension{},
		}), nil, OtherLog},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, err := File(c.file, c.trust...)
			if ReasonOf(err) != c.reason {
				t.Errorf("got %v, %v, want %q", report, err, c.reason)
			}
			if strings.Count(fmt.Sprint(err), string(c.reason)+":") > 1 {
				t.Errorf("the message repeats itself: %v", err)
			}
		})
	}
}

func before(s, sep string) string {
	head, _, _ := strings.Cut(s, sep)
	return head
}

func TestL11_TwoHistoriesOfOneSizeProveEquivocation(t *testing.T) {
	s := newSample(t)
	liar := newShadow(t, "probity.test/log/1", 1) // the same key tells another story
	for i := range 7 {
		liar.add(t, "consent.refused", fmt.Sprintf(`{"lie":%d}`, i))
	}
	if yes, err := Equivocation(s.checkpoint(t, 7), liar.checkpoint(t, 7), s.key); err != nil || !yes {
		t.Errorf("got %v, %v", yes, err)
	}
	if yes, err := Equivocation(s.checkpoint(t, 7), s.checkpoint(t, 7), s.key); err != nil || yes {
		t.Errorf("one checkpoint contradicts itself: %v, %v", yes, err)
	}
	b := NewBundle(s.key)
	b.Receipts = append(b.Receipts, *s.receipt)
	b.Consistency = append(b.Consistency, NewExtension(liar.checkpoint(t, 7), liar.checkpoint(t, 7), nil))
	if _, err := File(encode(t, b)); ReasonOf(err) != SplitView {
		t.Errorf("the bundle: %v", err)
	}
	b = NewBundle(s.key)
	b.Consistency = append(b.Consistency, NewExtension(liar.checkpoint(t, 2), s.checkpoint(t, 7), nil))
	if _, err := File(encode(t, b)); ReasonOf(err) != SplitView {
		t.Errorf("a newer checkpoint that does not extend the older: %v", err)
	}
}

func TestACheckpointWithAWitnessIsAccepted(t *testing.T) {
	s := newSample(t)
	witness := newShadow(t, "witness.test", 9)
	n, err := note.Open(s.checkpoint(t, 7), note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		t.Fatal(n, err)
	}
	both, err := note.Sign(&note.Note{Text: unverified.Note.Text}, s.signer, witness.signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCheckpoint(both, s.key); err != nil {
		t.Error(err)
	}
	if _, err := OpenCheckpoint(both, witness.key); ReasonOf(err) != OtherLog {
		t.Errorf("the witness's key opens it as if it were the log's: %v", err)
	}
}

// TestL10_EverySingleBitFlipThatChangesTheMeaningIsDetected flips each bit of each byte of a
// receipt and a certificate: more than 10,000 mutations. A file that still verifies must mean the same.
func TestL10_EverySingleBitFlipThatChangesTheMeaningIsDetected(t *testing.T) {
	s := newSample(t)
	mutations, harmless := 0, 0
	for _, file := range [][]byte{encode(t, s.receipt), encode(t, s.certificate)} {
		original, err := Canonical(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range file {
			for bit := range 8 {
				mutated := append([]byte(nil), file...)
				mutated[i] ^= 1 << bit
				mutations++
				if _, err := File(mutated); err != nil {
					continue
				}
				if c, err := Canonical(mutated); err != nil || string(c) != string(original) {
					t.Errorf("bit %d of byte %d was flipped unnoticed: %s", bit, i, around(mutated, i))
				}
				harmless++
			}
		}
	}
	if mutations < 10_000 {
		t.Errorf("only %d mutations were tried", mutations)
	}
	t.Logf("%d mutations, %d of them without a change of meaning", mutations, harmless)
}

// TestW14_AReceiptWithALinkToWithdrawProvesNoMoreAndNoLess flips each bit of such a receipt: what still
// verifies differs in nothing but the link, which the report does not vouch for.
func TestW14_AReceiptWithALinkToWithdrawProvesNoMoreAndNoLess(t *testing.T) {
	s := newSample(t)
	plain, err := File(encode(t, s.receipt), s.key)
	if err != nil {
		t.Fatal(err)
	}
	linked := *s.receipt
	linked.Withdrawal = "https://shop.example/privacy/l/AQcW-_4567"
	file := encode(t, &linked)
	report, err := File(file, s.key)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(report.Verified, plain.Verified) || len(report.Unverified) != len(plain.Unverified)+1 {
		t.Errorf("with the link the report is\n%s\nwithout it\n%s", report, plain)
	}
	want := withoutLink(t, encode(t, s.receipt))
	flipped := 0
	for i := range file {
		for bit := range 8 {
			mutated := append([]byte(nil), file...)
			mutated[i] ^= 1 << bit
			if _, err := File(mutated); err != nil {
				continue
			}
			if got := withoutLink(t, mutated); got != want {
				t.Errorf("bit %d of byte %d was flipped unnoticed: %s", bit, i, around(mutated, i))
			}
			flipped++
		}
	}
	t.Logf("%d bits of the link can be flipped to another link", flipped)
}

// withoutLink returns the canonical form of a file without the one member that nothing is proved of.
func withoutLink(t testing.TB, file []byte) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(file, &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "withdrawal_link")
	c, err := Canonical(encode(t, members))
	if err != nil {
		t.Fatal(err)
	}
	return string(c)
}

func TestAnyChangeToAnyFileThatChangesTheMeaningIsDetected(t *testing.T) {
	s := newSample(t)
	for name, v := range map[string]any{"receipt": s.receipt, "certificate": s.certificate, "bundle": s.bundle} {
		file := encode(t, v)
		original, err := Canonical(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				from := rapid.IntRange(0, len(file)-1).Draw(t, "from")
				to := rapid.IntRange(from, min(len(file), from+8)).Draw(t, "to")
				with := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "with")
				mutated := append(append(append([]byte(nil), file[:from]...), with...), file[to:]...)
				if _, err := File(mutated, s.key); err != nil {
					return
				}
				if c, err := Canonical(mutated); err != nil || string(c) != string(original) {
					t.Fatalf("bytes %d to %d were replaced by %q unnoticed", from, to, with)
				}
			})
		})
	}
}

func around(b []byte, i int) string { return fmt.Sprintf("%q", b[max(0, i-20):min(len(b), i+20)]) }

func TestTextFormatsReadBackAsTheyWereWritten(t *testing.T) {
	s := newSample(t)
	proof, err := ParseProof(s.receipt.Proof)
	if err != nil || proof.Text() != s.receipt.Proof {
		t.Errorf("the proof: %v", err)
	}
	leaf, err := ParseLeaf(s.receipt.Leaf)
	if err != nil || string(leaf.Text()) != s.receipt.Leaf {
		t.Errorf("the leaf: %v", err)
	}
	c, err := OpenCheckpoint(proof.Checkpoint, s.key)
	if err != nil || !strings.HasPrefix(string(proof.Checkpoint), c.Text()+"\n") {
		t.Errorf("the checkpoint: %v", err)
	}
}

func FuzzFile(f *testing.F) {
	s := newSample(f)
	linked := *s.receipt
	linked.Withdrawal = "/privacy/l/AQcW"
	known := map[string]bool{}
	for _, v := range []any{s.receipt, s.certificate, s.bundle, &linked} {
		f.Add(encode(f, v))
		known[withoutLink(f, encode(f, v))] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		report, err := File(data, s.key)
		if err != nil {
			if ReasonOf(err) == "" {
				t.Fatalf("the error has no reason: %v", err)
			}
			return
		}
		if len(report.Entries) > 0 && !strings.Contains(string(data), BundleType) && !known[withoutLink(t, data)] {
			t.Fatalf("a file that was never made verifies: %s", data)
		}
	})
}

func FuzzParse(f *testing.F) {
	s := newSample(f)
	f.Add(s.receipt.Proof)
	f.Add(s.receipt.Leaf)
	f.Add(string(s.checkpoint(f, 7)))
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParseProof(text); err == nil && p.Text() != text {
			t.Fatalf("the proof %q became %q", text, p.Text())
		}
		if l, err := ParseLeaf(text); err == nil && string(l.Text()) != text {
			t.Fatalf("the leaf %q became %q", text, l.Text())
		}
		if c, err := ParseCheckpoint(text); err == nil && c.Tree.N < 0 {
			t.Fatalf("the checkpoint %q has a negative size", text)
		}
	})
}

func BenchmarkReceipt(b *testing.B) {
	s := newSample(b)
	file := encode(b, s.receipt)
	for b.Loop() {
		if _, err := File(file, s.key); err != nil {
			b.Fatal(err)
		}
	}
}
