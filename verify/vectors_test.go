package verify

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// fileVector is a whole file and what every verifier must say of it. Other implementations are
// checked against the same list; see e2e/verifier.
type fileVector struct {
	Name      string           `json:"name"`
	Trusted   []string         `json:"trusted,omitempty"`
	Keys      string           `json:"keys,omitempty"`      // a list of keys that is followed from a trusted one
	Witnesses []string         `json:"witnesses,omitempty"` // verifier keys
	Needed    int              `json:"needed,omitempty"`    // 0: all of them
	File      string           `json:"file"`
	Reason    Reason           `json:"reason"` // empty: it verifies
	Entries   int              `json:"entries,omitempty"`
	Kinds     map[string]int64 `json:"kinds,omitempty"`
}

// ask fills in what this verifier says.
func (v *fileVector) ask(t testing.TB) {
	t.Helper()
	trust := Trust{Keys: v.Trusted, Witnesses: v.Witnesses, Needed: v.Needed}
	var report *Report
	var err error
	if v.Keys != "" {
		var periods []Period
		if _, periods, err = ParseKeychain([]byte(v.Keys)); err == nil {
			err = trust.Follow(periods)
		}
	}
	if err == nil {
		report, err = trust.File([]byte(v.File))
	}
	if v.Reason = ReasonOf(err); err == nil {
		v.Entries, v.Kinds = len(report.Entries), report.Kinds
	} else if v.Reason == "" {
		t.Fatalf("%s: the error has no reason: %v", v.Name, err)
	}
}

// excerptOf writes an excerpt of the shadow log from one index on. contents gives the entries whose
// content is enclosed; all others are erased.
func (s *shadow) excerptOf(t testing.TB, first int64, contents map[int64]string, notices ...Document) []byte {
	t.Helper()
	size := int64(len(s.leaves))
	var b bytes.Buffer
	head := ExcerptHead{VerifierKey: s.key, From: "2026-11-22T13:00:00Z", To: "2026-11-22T14:00:00Z", First: first, Spine: s.spine(t, first)}
	if first > 0 {
		head.Old = &Signed{Checkpoint: string(s.checkpoint(t, first)), VerifierKey: s.key}
	}
	x, err := NewExcerptWriter(&b, head)
	if err != nil {
		t.Fatal(err)
	}
	for i := range notices {
		if !cites(contents, first, notices[i].Digest()) {
			continue
		}
		if err := x.Notice(&notices[i]); err != nil {
			t.Fatal(err)
		}
	}
	for n := first; n < size; n++ {
		if entry, ok := contents[n]; ok {
			canonical, _ := Canonical([]byte(entry))
			err = x.Entry(s.leaves[n], canonical, salt(n))
		} else {
			err = x.Bare(s.leaves[n], Erased)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Close(s.checkpoint(t, size)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cites tells whether one of the entries from an index on names a text.
func cites(contents map[int64]string, first int64, digest string) bool {
	for n, entry := range contents {
		if n >= first && strings.Contains(entry, digest) {
			return true
		}
	}
	return false
}

// spine returns the roots of the complete subtrees of the first n leaves.
func (s *shadow) spine(t testing.TB, n int64) []string {
	t.Helper()
	out := []string{}
	var done int64
	for level := 62; level >= 0; level-- {
		if n&(1<<level) == 0 {
			continue
		}
		out = append(out, treeOf(s.leaves[done:done+1<<level]).String())
		done += 1 << level
	}
	return out
}

func fileVectors(t testing.TB) []fileVector {
	t.Helper()
	var out []fileVector
	add := func(name string, file []byte, trusted ...string) {
		v := fileVector{Name: name, File: string(file), Trusted: trusted}
		v.ask(t)
		out = append(out, v)
	}
	s := newSample(t)
	other := newShadow(t, "probity.test/log/2", 2)
	other.add(t, "consent.given", consentEntry(t))
	impostor := newShadow(t, "probity.test/log/1", 3)
	impostor.add(t, "consent.given", consentEntry(t))
	liar := newShadow(t, "probity.test/log/1", 1)
	for i := range 7 {
		liar.add(t, "consent.refused", fmt.Sprintf(`{"lie":%d}`, i))
	}
	add("a receipt", encode(t, s.receipt))
	add("a receipt under its key", encode(t, s.receipt), s.key)
	add("a receipt among several keys", encode(t, s.receipt), other.key, s.key)
	add("a receipt under another key", encode(t, s.receipt), other.key)
	add("a certificate", encode(t, s.certificate))
	add("a bundle", encode(t, s.bundle))
	add("an empty bundle", encode(t, NewBundle(s.key)))
	add("evidence of two histories", encode(t, &Evidence{Type: EquivocationType, VerifierKey: s.key, Checkpoints: []string{string(s.checkpoint(t, 7)), string(liar.checkpoint(t, 7))}}))
	add("evidence of nothing", encode(t, &Evidence{Type: EquivocationType, VerifierKey: s.key, Checkpoints: []string{string(s.checkpoint(t, 7)), string(s.checkpoint(t, 7))}}))
	add("evidence with one checkpoint", encode(t, &Evidence{Type: EquivocationType, VerifierKey: s.key, Checkpoints: []string{string(s.checkpoint(t, 7))}}))

	// Logs of every shape, each entry proved, and each consistency.
	grown := newShadow(t, "probity.test/log/3", 4)
	entry := `{"n":1,"text":"é😀\u0001"}`
	for range 9 {
		grown.add(t, "rights.received", entry)
		last := int64(len(grown.leaves)) - 1
		b := NewBundle(grown.key)
		for n := range grown.leaves {
			b.Receipts = append(b.Receipts, *grown.receipt(t, int64(n), entry))
			if n > 0 {
				b.Consistency = append(b.Consistency, grown.extension(t, int64(n), last+1))
			}
		}
		add(fmt.Sprintf("all proofs of a log of %d entries", last+1), encode(t, b))
	}

	edits := []struct {
		name   string
		change func(r *Receipt)
	}{
		{"a link to withdraw", func(r *Receipt) { r.Withdrawal = "https://shop.example:8443/privacy/l/AbC-_123" }},
		{"a link to withdraw by its path", func(r *Receipt) { r.Withdrawal = "/privacy/l/AbC-_123" }},
		{"a link to withdraw below a path", func(r *Receipt) { r.Withdrawal = "http://[::1]/a/privacy/l/AbC" }},
		{"a link that runs a script", func(r *Receipt) { r.Withdrawal = "javascript:alert(1)//privacy/l/AbC" }},
		{"a link to another page", func(r *Receipt) { r.Withdrawal = "https://shop.example/privacy/erase" }},
		{"a link without a token", func(r *Receipt) { r.Withdrawal = "https://shop.example/privacy/l/" }},
		{"a link without a host", func(r *Receipt) { r.Withdrawal = "https:///privacy/l/AbC" }},
		{"a link with more behind it", func(r *Receipt) { r.Withdrawal = "https://shop.example/privacy/l/AbC?next=1" }},
		{"a link with a line break behind it", func(r *Receipt) { r.Withdrawal = "/privacy/l/AbC\n" }},
		{"a link as somebody else", func(r *Receipt) { r.Withdrawal = "https://shop.example@evil.example/privacy/l/AbC" }},
		{"a link longer than 2048 characters", func(r *Receipt) { r.Withdrawal = "/privacy/l/" + strings.Repeat("A", 2048) }},
		{"an edited salt", func(r *Receipt) { r.Salt = strings.Repeat("A", 43) + "=" }},
		{"a short salt", func(r *Receipt) { r.Salt = "AAAA" }},
		{"a salt with loose bits", func(r *Receipt) { r.Salt = strings.Repeat("A", 42) + "B=" }},
		{"a salt with a line break", func(r *Receipt) { r.Salt = r.Salt[:4] + "\n" + r.Salt[4:] }},
		{"an edited kind", func(r *Receipt) { r.Leaf = strings.Replace(r.Leaf, "consent.given", "consent.refused", 1) }},
		{"a kind in capitals", func(r *Receipt) { r.Leaf = strings.Replace(r.Leaf, "consent.given", "Consent.given", 1) }},
		{"a back-dated leaf", func(r *Receipt) { r.Leaf = strings.Replace(r.Leaf, "|29", "|28", 1) }},
		{"a minute with a sign", func(r *Receipt) { r.Leaf = strings.Replace(r.Leaf, "|29", "|+29", 1) }},
		{"a leaf of another version", func(r *Receipt) { r.Leaf = "v2" + r.Leaf[2:] }},
		{"a leaf with five parts", func(r *Receipt) { r.Leaf += "|" }},
		{"a proof for another index", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "index 1", "index 2", 1) }},
		{"an index beyond the tree", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "index 1", "index 70", 1) }},
		{"an index with a zero before it", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "index 1", "index 01", 1) }},
		{"a negative index", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "index 1", "index -1", 1) }},
		{"a proof without a header", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "c2sp", "C2SP", 1) }},
		{"a proof without a checkpoint", func(r *Receipt) { r.Proof = before(r.Proof, "\n\n") + "\n\n" }},
		{"a proof without its first hash", func(r *Receipt) {
			lines := strings.SplitAfter(r.Proof, "\n")
			r.Proof = strings.Join(append(lines[:2:2], lines[3:]...), "")
		}},
		{"a proof with a hash too many", func(r *Receipt) {
			lines := strings.SplitAfter(r.Proof, "\n")
			r.Proof = strings.Join(append(lines[:3:3], lines[2:]...), "")
		}},
		{"a checkpoint of another size", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "\n7\n", "\n8\n", 1) }},
		{"a checkpoint with another time", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "time 17", "time 16", 1) }},
		{"a checkpoint without a signature", func(r *Receipt) { r.Proof = r.Proof[:strings.Index(r.Proof, "— ")] }},
		{"a signature by another name", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "— probity", "— Probity", 1) }},
		{"a carriage return in the checkpoint", func(r *Receipt) { r.Proof = strings.Replace(r.Proof, "time ", "\rtime ", 1) }},
		{"the proof of another log", func(r *Receipt) { r.Proof = other.receipt(t, 0, consentEntry(t)).Proof }},
		{"a log of the same name under another key", func(r *Receipt) { r.Proof = impostor.receipt(t, 0, consentEntry(t)).Proof }},
		{"the other log's key", func(r *Receipt) { r.VerifierKey = other.key }},
		{"the impostor's key", func(r *Receipt) { r.VerifierKey = impostor.key }},
		{"a key that is none", func(r *Receipt) { r.VerifierKey = "key" }},
		{"an empty key", func(r *Receipt) { r.VerifierKey = "" }},
		{"a key with another hash", func(r *Receipt) { r.VerifierKey = strings.Replace(r.VerifierKey, "+7ef8dade+", "+7ef8dadf+", 1) }},
		{"a key in capitals", func(r *Receipt) { r.VerifierKey = strings.Replace(r.VerifierKey, "+7ef8dade+", "+7EF8DADE+", 1) }},
		{"a key with a line break", func(r *Receipt) { r.VerifierKey = r.VerifierKey[:40] + "\n" + r.VerifierKey[40:] }},
		{"another notice", func(r *Receipt) { r.Notice.Text += " " }},
		{"a notice in another language", func(r *Receipt) { r.Notice.Language = "de" }},
		{"a notice of another type", func(r *Receipt) { r.Notice.MediaType = "text/plain" }},
		{"no notice", func(r *Receipt) { r.Notice = nil }},
		{"a missing type", func(r *Receipt) { r.Type = "" }},
		{"another version of the type", func(r *Receipt) { r.Type = "probity/receipt/v2" }},
		{"an entry that is a list", func(r *Receipt) { r.Entry = []byte(`[]`) }},
		{"an empty entry", func(r *Receipt) { r.Entry = []byte(`{}`) }},
		{"an entry with an unknown member", func(r *Receipt) { r.Entry = bytes.Replace(r.Entry, []byte(`{`), []byte(`{"x":1,`), 1) }},
		{"an entry whose state was turned", func(r *Receipt) {
			r.Entry = bytes.Replace(r.Entry, []byte("ConsentGiven"), []byte("ConsentRefused"), 1)
		}},
	}
	for _, e := range edits {
		add(e.name, s.edit(t, e.change))
	}
	linked := *s.certificate.Receipt
	linked.Withdrawal = "/privacy/l/AbC"
	add("a link to withdraw what is no consent", encode(t, &linked))
	good := string(encode(t, s.receipt))
	for name, text := range map[string]string{
		"an unknown member":                strings.Replace(good, `{"type"`, `{"extra":1,"type"`, 1),
		"a member in capitals":             strings.Replace(good, `"salt"`, `"Salt"`, 1),
		"a member twice":                   strings.Replace(good, `{"type"`, `{"salt":"x","type"`, 1),
		"a member twice, once escaped":     strings.Replace(good, `{"type"`, `{"s\u0061lt":"x","type"`, 1),
		"a member that is null":            strings.Replace(good, `"salt":"`, `"salt":null,"salt2":"`, 1),
		"a number for a text":              strings.Replace(good, `"type":"probity/receipt/v1"`, `"type":1`, 1),
		"white space around":               " \n\t" + strings.Replace(good, ":", " : ", 1) + "\r\n",
		"an escaped type":                  strings.Replace(good, `probity/receipt/v1`, `probity\/receipt\/v\u0031`, 1),
		"members in another order":         reorder(t, good),
		"cut off":                          good[:len(good)-1],
		"cut off in the middle":            good[:len(good)/2],
		"something after it":               good + "x",
		"the file twice":                   good + good,
		"a byte order mark":                "\ufeff" + good,
		"no JSON":                          "receipt",
		"nothing":                          "",
		"a list":                           "[]",
		"null":                             "null",
		"an empty object":                  "{}",
		"a comma too many":                 strings.Replace(good, `"type"`, `,"type"`, 1),
		"a comment":                        "/**/" + good,
		"single quotes":                    strings.ReplaceAll(good, `"`, `'`),
		"nested 64 levels":                 `{"type":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`,
		"nested 65 levels":                 strings.Repeat("[", 66) + strings.Repeat("]", 66),
		"nested without an end":            strings.Repeat("[", 100_000),
		"a number with a zero before it":   `{"type":01}`,
		"a number without digits":          `{"type":-}`,
		"a number that ends in a point":    `{"type":1.}`,
		"a number out of range":            `{"type":1e999}`,
		"an integer beyond 2^53":           `{"type":9007199254740993}`,
		"half of a surrogate pair":         `{"type":"\ud800"}`,
		"two high surrogates":              `{"type":"\ud800\ud800"}`,
		"an unknown escape":                `{"type":"\x"}`,
		"a control character in a string":  "{\"type\":\"\x01\"}",
		"a type that nobody knows":         `{"type":"probity/other/v1"}`,
		"a type that is an object":         `{"type":{}}`,
		"a receipt without anything":       `{"type":"probity/receipt/v1"}`,
		"a certificate without anything":   `{"type":"probity/certificate/v1"}`,
		"a bundle without anything":        `{"type":"probity/bundle/v1"}`,
		"an excerpt without anything":      `{"type":"probity/excerpt/v1"}`,
		"an excerpt with a space before":   ` {"type":"probity/excerpt/v1"}`,
		"evidence without anything":        `{"type":"probity/equivocation/v1"}`,
		"a bundle whose receipts are text": `{"type":"probity/bundle/v1","verifier_key":"","receipts":"","certificates":[],"consistency":[]}`,
	} {
		add(name, []byte(text))
	}

	// Certificates.
	cert := string(encode(t, s.certificate))
	add("an edited certificate", []byte(strings.Replace(cert, `"rows":1000`, `"rows":1001`, 1)))
	add("a certificate with an edited receipt", []byte(strings.Replace(cert, `"body_sha256":"`, `"body_sha256":"0`, 1)))
	add("a certificate for something else", encode(t, &Certificate{Type: CertificateType, Body: s.certificate.Body, Note: s.certificate.Note, VerifierKey: s.key, Receipt: s.receipt}))
	add("a certificate signed by somebody else", encode(t, &Certificate{Type: CertificateType, Body: s.certificate.Body,
		Note: string(impostor.sign(t, before(s.certificate.Note, "\n\n")+"\n")), VerifierKey: s.key, Receipt: s.certificate.Receipt}))
	elsewhere := *s.certificate.Receipt
	elsewhere.VerifierKey = other.key
	add("a certificate whose receipt names another key", encode(t, &Certificate{Type: CertificateType, Body: s.certificate.Body, Note: s.certificate.Note, VerifierKey: s.key, Receipt: &elsewhere}))
	add("a certificate over another text", encode(t, &Certificate{Type: CertificateType, Body: s.certificate.Body,
		Note: string(s.sign(t, "other\n")), VerifierKey: s.key, Receipt: s.certificate.Receipt}))

	// Checkpoints that are signed and are none, or of another log.
	for name, text := range map[string]string{
		"a signed text that is no checkpoint":     "hello\n",
		"a checkpoint with a negative size":       "probity.test/log/1\n-1\nAAAA\n",
		"a checkpoint with a short root":          "probity.test/log/1\n7\nAAAA\n",
		"a checkpoint with an empty line":         before(string(s.checkpoint(t, 7)), "\n\n") + "\n\nx\n",
		"a checkpoint with two times":             before(string(s.checkpoint(t, 7)), "\n\n") + "\ntime 1\n",
		"a checkpoint with an unknown extension":  before(string(s.checkpoint(t, 7)), "\n\n") + "\nother thing\n",
		"the checkpoint of a log of another name": strings.Replace(before(string(s.checkpoint(t, 7)), "\n\n"), "log/1", "log/9", 1) + "\n",
		"a checkpoint without a time":             strings.SplitAfter(string(s.checkpoint(t, 7)), "\ntime")[0][:len(strings.SplitAfter(string(s.checkpoint(t, 7)), "\ntime")[0])-4],
		"a checkpoint whose size has a plus sign": strings.Replace(before(string(s.checkpoint(t, 7)), "\n\n"), "\n7\n", "\n+7\n", 1) + "\n",
		"a checkpoint beyond 64 bits":             strings.Replace(before(string(s.checkpoint(t, 7)), "\n\n"), "\n7\n", "\n9223372036854775808\n", 1) + "\n",
		"a checkpoint that states a larger tree":  strings.Replace(before(string(s.checkpoint(t, 7)), "\n\n"), "\n7\n", "\n8\n", 1) + "\n",
		"a checkpoint that states a huge tree":    strings.Replace(before(string(s.checkpoint(t, 7)), "\n\n"), "\n7\n", "\n9223372036854775807\n", 1) + "\n",
	} {
		add(name, s.edit(t, func(r *Receipt) { r.Proof = before(r.Proof, "\n\n") + "\n\n" + string(s.sign(t, text)) }))
	}
	witness := newShadow(t, "witness.test", 9)
	cosigned := func(signers ...note.Signer) []byte {
		signed, err := note.Sign(&note.Note{Text: before(string(s.checkpoint(t, 7)), "\n\n") + "\n"}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return s.edit(t, func(r *Receipt) { r.Proof = before(r.Proof, "\n\n") + "\n\n" + string(signed) })
	}
	add("a checkpoint with a witness", cosigned(s.signer, witness.signer))
	add("a checkpoint with a witness first", cosigned(witness.signer, s.signer))
	add("a checkpoint with a witness only", cosigned(witness.signer))

	// Bundles.
	bundle := func(change func(b *Bundle)) []byte {
		b := NewBundle(s.key)
		change(b)
		return encode(t, b)
	}
	add("a bundle of two logs", bundle(func(b *Bundle) { b.Receipts = append(b.Receipts, *other.receipt(t, 0, consentEntry(t))) }))
	add("the same receipt twice", bundle(func(b *Bundle) { b.Receipts = append(b.Receipts, *s.receipt, *s.receipt) }))
	add("a bundle with two histories", bundle(func(b *Bundle) {
		b.Receipts = append(b.Receipts, *s.receipt)
		b.Consistency = append(b.Consistency, NewExtension(liar.checkpoint(t, 7), liar.checkpoint(t, 7), nil))
	}))
	add("a newer tree that does not extend the older", bundle(func(b *Bundle) {
		b.Consistency = append(b.Consistency, NewExtension(liar.checkpoint(t, 2), s.checkpoint(t, 7), nil))
	}))
	add("checkpoints in the wrong order", bundle(func(b *Bundle) {
		b.Consistency = append(b.Consistency, NewExtension(s.checkpoint(t, 7), s.checkpoint(t, 2), nil))
	}))
	add("a hash between equal trees", bundle(func(b *Bundle) {
		x := s.extension(t, 7, 7)
		x.Proof = append(x.Proof, strings.Repeat("A", 43)+"=")
		b.Consistency = append(b.Consistency, x)
	}))
	add("a hash of a consistency proof that is none", bundle(func(b *Bundle) {
		x := s.extension(t, 2, 7)
		x.Proof[0] = "AAAA"
		b.Consistency = append(b.Consistency, x)
	}))
	// Receipts under several checkpoints: consistency must lead from each to the largest.
	under := func(size, index int64) Receipt { return *grown.receiptAt(t, index, size, entry) }
	grew := func(receipts []Receipt, extensions ...Extension) []byte {
		b := NewBundle(grown.key)
		b.Receipts, b.Consistency = receipts, append(b.Consistency, extensions...)
		return encode(t, b)
	}
	two := []Receipt{under(4, 1), under(7, 5)}
	three := []Receipt{under(9, 8), under(4, 1), under(7, 5)}
	step := func(old, new int64) Extension { return grown.extension(t, old, new) }
	forked := newShadow(t, "probity.test/log/3", 4)
	for i := range 9 {
		forked.add(t, "rights.received", fmt.Sprintf(`{"lie":%d}`, i))
	}
	add("receipts under two checkpoints", grew(two))
	add("receipts under two checkpoints, joined", grew(two, step(4, 7)))
	add("receipts under two checkpoints, joined beyond both", grew(two, step(4, 9), step(7, 9)))
	add("receipts under two checkpoints, joined through a third", grew(two, step(5, 7), step(4, 5)))
	add("receipts under two checkpoints that a common beginning does not join", grew(two, step(2, 4), step(2, 7)))
	add("receipts under two checkpoints, one joined to a larger one", grew(two, step(4, 9)))
	add("receipts under two checkpoints, joined by a proof for other sizes", grew(two, Extension{
		Old: string(grown.checkpoint(t, 4)), New: string(grown.checkpoint(t, 7)), Proof: step(5, 7).Proof}))
	add("receipts under two checkpoints, joined the wrong way", grew(two, Extension{
		Old: string(grown.checkpoint(t, 7)), New: string(grown.checkpoint(t, 4)), Proof: step(4, 7).Proof}))
	add("receipts under two checkpoints, joined without hashes", grew(two, Extension{
		Old: string(grown.checkpoint(t, 4)), New: string(grown.checkpoint(t, 7)), Proof: []string{}}))
	add("receipts under three checkpoints", grew(three, step(7, 9)))
	add("receipts under three checkpoints, joined", grew(three, step(4, 7), step(7, 9)))
	add("receipts under three checkpoints, joined to the largest", grew(three, step(7, 9), step(4, 9)))
	add("receipts of two histories", grew([]Receipt{under(4, 1), *forked.receipt(t, 8, `{"lie":8}`)}))
	add("receipts of two histories, joined by the proof of one", grew([]Receipt{under(4, 1), *forked.receipt(t, 8, `{"lie":8}`)}, step(4, 9)))
	add("receipts of two histories, joined by a false proof", grew([]Receipt{under(4, 1), *forked.receipt(t, 8, `{"lie":8}`)}, Extension{
		Old: string(grown.checkpoint(t, 4)), New: string(forked.checkpoint(t, 9)), Proof: forked.extension(t, 4, 9).Proof}))
	add("a receipt beside the checkpoint of an empty log", grew(two[:1], NewExtension(grown.checkpoint(t, 0), grown.checkpoint(t, 4), nil)))
	backwards := func(size int64, shift time.Duration) []byte {
		root := before(string(s.checkpoint(t, size)), "time ")
		return s.sign(t, fmt.Sprintf("%stime %d\n", root, minute.Add(shift).Unix()))
	}
	add("a larger tree that claims to be older", bundle(func(b *Bundle) {
		x := s.extension(t, 2, 7)
		x.New = string(backwards(7, 0))
		b.Consistency = append(b.Consistency, x)
	}))

	// People: what was served, and one entry after the other.
	p := newShadow(t, "probity.test/log/4", 5)
	d := Document{MediaType: noticeMediaType, Language: "en", Text: noticeText}
	shown := fmt.Sprintf(`"notice":{"id":"privacy","version":1,"language":"en","text_sha256":%q}`, d.Digest())
	said := []string{
		`{"id":"s1","nonce":"aa","subject":"p"}`,
		`{"id":"c1","subject":"p","served":{"id":"s1","nonce":"aa"},` + shown + `}`,
		`{"id":"c2","subject":"p","prev_id":"c1"}`,
		`{"id":"c3","subject":"p","prev_id":"c2","proof_level":"assertion"}`,
		`{"id":"c4","subject":"q","served":{"id":"s1","nonce":"bb"}}`,
		`{"id":"s9","nonce":"cc","subject":"p"}`,
		`{"id":"c5","subject":"q","prev_id":"c4","served":{"id":"s10","nonce":"cc"}}`,
		`{"id":"s10","nonce":"cc"}`,
		`{"id":"c6","subject":"r","site":"x"}`,
	}
	kinds := []string{"notice.served", "consent.given", "consent.withdrawn", "consent.given", "consent.given", "notice.served", "consent.given", "notice.served", "consent.imported"}
	for i := range said {
		p.add(t, kinds[i], said[i])
	}
	of := func(indexes ...int64) []byte {
		b := NewBundle(p.key)
		for _, n := range indexes {
			b.Receipts = append(b.Receipts, *p.receipt(t, n, said[n]))
		}
		return encode(t, b)
	}
	add("a person's entries", of(0, 1, 2, 3))
	add("a person's entries in another order", of(3, 1, 0, 2))
	add("a person's entry left out", of(0, 1, 3))
	add("a person's first entry left out", of(2, 3))
	add("without what was served", of(1, 2))
	add("what was served had another nonce", of(0, 4))
	add("what was served came later", of(6, 7))
	add("an assertion", of(8))

	// Excerpts.
	contents := map[int64]string{}
	for i := range 3 {
		contents[int64(i)] = said[i]
	}
	for first := range int64(8) {
		add(fmt.Sprintf("an excerpt from entry %d on", first), p.excerptOf(t, first, contents, d))
	}
	whole := string(p.excerptOf(t, 0, contents, d))
	part := string(p.excerptOf(t, 3, map[int64]string{8: said[8]}))
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	for i := range lines {
		add(fmt.Sprintf("an excerpt without line %d", i+1), []byte(strings.Join(append(lines[:i:i], lines[i+1:]...), "")))
		add(fmt.Sprintf("an excerpt with line %d twice", i+1), []byte(strings.Join(append(lines[:i+1:i+1], lines[i:]...), "")))
		add(fmt.Sprintf("an excerpt cut off before line %d", i+1), []byte(strings.Join(lines[:i], "")))
	}
	swapped := append([]string{}, lines...)
	swapped[2], swapped[3] = swapped[3], swapped[2]
	for name, text := range map[string]string{
		"an excerpt under its key":                      part,
		"an excerpt with two lines swapped":             strings.Join(swapped, ""),
		"an excerpt without its last line break":        strings.TrimSuffix(whole, "\n"),
		"an excerpt with an empty line":                 strings.Replace(whole, "\n", "\n\n", 1),
		"an excerpt with a line after the end":          whole + "{}\n",
		"an excerpt with wrong counts":                  strings.Replace(whole, `"erased":6`, `"erased":5`, 1),
		"an excerpt with a kind too many":               strings.Replace(whole, `"kinds":{`, `"kinds":{"x":1,`, 1),
		"an excerpt with an edited entry":               strings.Replace(whole, `"id":"c2"`, `"id":"c9"`, 1),
		"an excerpt with an edited notice":              strings.Replace(whole, "May we", "We may", 1),
		"an excerpt with a notice of another language":  strings.Replace(whole, `"language":"en","text":`, `"language":"de","text":`, 1),
		"an excerpt with a notice of another type":      strings.Replace(whole, "charset=utf-8", "charset=latin1", 1),
		"an excerpt with an erased entry withheld":      strings.Replace(whole, `"state":"erased"`, `"state":"withheld"`, 1),
		"an excerpt with an unknown state":              strings.Replace(whole, `"state":"erased"`, `"state":"lost"`, 1),
		"an excerpt with an unknown line":               strings.Replace(whole, "\n", "\n{\"x\":1}\n", 1),
		"an excerpt that begins late":                   strings.Replace(part, `"first":3`, `"first":2`, 1),
		"an excerpt with another spine":                 strings.Replace(part, `"spine":["`, `"spine":["`+strings.Repeat("A", 43)+`=","`, 1),
		"an excerpt whose spine was edited":             edited(part, `"spine":["`),
		"an excerpt of a period before its checkpoint":  strings.Replace(part, `"from":"2026-11-22T13`, `"from":"2026-11-22T11`, 1),
		"an excerpt that ends before it begins":         strings.Replace(part, `"to":"2026-11-22T14`, `"to":"2026-11-22T12`, 1),
		"an excerpt without times":                      strings.Replace(part, `"from":"2026-11-22T13:00:00Z"`, `"from":"yesterday"`, 1),
		"an excerpt that hides its earlier checkpoint":  `{"type":"probity/excerpt/v1"` + strings.Replace(part[27:], `"old":{`, `"old":null,"was":{`, 1),
		"an excerpt with a checkpoint before the first": strings.Replace(whole, `"old":null`, `"old":{"checkpoint":"","verifier_key":""}`, 1),
		"an excerpt with a notice that no entry cites":  strings.Replace(part, "\n", "\n"+`{"notice":`+string(encode(t, d))+"}\n", 1),
		"an excerpt with a back-dated leaf":             strings.Replace(whole, `"leaf":"v1|notice.served|299`, `"leaf":"v1|notice.served|399`, 1),
		"an excerpt with a proof beside it":             strings.Replace(part, "\n", "\n"+`{"receipt":`+string(encode(t, p.receipt(t, 0, said[0])))+"}\n", 1),
		"an excerpt with another log's proof beside it": strings.Replace(part, "\n", "\n"+`{"receipt":`+good+"}\n", 1),
	} {
		add(name, []byte(text), p.key)
	}
	add("an excerpt under another key", []byte(part), other.key)
	o := newShadow(t, "probity.test/log/5", 6)
	o.add(t, "notice.served", `{"id":"s1","nonce":"aa"}`)
	o.add(t, "consent.given", `{"id":"c1","served":{"id":"s2","nonce":"aa"}}`)
	add("an excerpt whose choice cites another notice served", o.excerptOf(t, 0, map[int64]string{0: `{"id":"s1","nonce":"aa"}`, 1: `{"id":"c1","served":{"id":"s2","nonce":"aa"}}`}))
	late := newShadow(t, "probity.test/log/6", 7)
	late.add(t, "rights.received", `{}`)
	early := Leaf{Kind: "rights.received", Minute: 1, Commitment: Commit(salt(1), []byte(`{}`))}
	stored, err := tlog.StoredHashes(1, early.Text(), &late.hashes)
	if err != nil {
		t.Fatal(err)
	}
	late.leaves, late.hashes = append(late.leaves, early), append(late.hashes, stored...)
	add("a log that back-dates", late.excerptOf(t, 0, map[int64]string{0: `{}`, 1: `{}`}))
	for _, v := range trustVectors(t) {
		v.ask(t)
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b fileVector) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// treeOf returns the root of a complete tree, from its definition.
func treeOf(leaves []Leaf) tlog.Hash {
	if len(leaves) == 1 {
		return tlog.RecordHash(leaves[0].Text())
	}
	half := len(leaves) / 2
	return tlog.NodeHash(treeOf(leaves[:half]), treeOf(leaves[half:]))
}

// reorder writes the members of an object from the last to the first.
func reorder(t testing.TB, object string) string {
	t.Helper()
	v, err := parse([]byte(object))
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(v.members)
	return string(v.append(nil))
}

// edited changes the letter that follows a mark.
func edited(text, mark string) string {
	i := strings.Index(text, mark) + len(mark)
	c := byte('A')
	if text[i] == c {
		c = 'B'
	}
	return text[:i] + string(c) + text[i+1:]
}

func TestL13_EveryReasonHasAVector(t *testing.T) {
	seen := map[Reason]int{}
	names := map[string]bool{}
	for _, v := range fileVectors(t) {
		seen[v.Reason]++
		if names[v.Name] {
			t.Errorf("there are two vectors named %q", v.Name)
		}
		names[v.Name] = true
	}
	for _, r := range []Reason{"", Malformed, BadKey, WrongKey, BadSignature, BadCheckpoint, OtherLog, EditedEntry, BadProof, EditedNotice,
		EditedBody, Incomplete, BadOrder, SplitView, WrongPeriod, NotWitnessed} {
		if seen[r] == 0 {
			t.Errorf("no vector fails with %q", r)
		}
	}
	if len(names) < 150 {
		t.Errorf("there are only %d vectors", len(names))
	}
	t.Logf("%d vectors: %v", len(names), seen)
}
