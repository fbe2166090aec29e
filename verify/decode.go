package verify

import "encoding/json"

// The decoders take members by their exact names and refuse unknown ones, so that no part of a file
// can be there without having been checked. (encoding/json would fold the case of names.)

type fields struct {
	path string
	v    *value
	seen int
	err  error
}

func open(v *value, path, typ string) *fields {
	f := &fields{path: path, v: v}
	if v.kind != kindObject {
		f.err = fault(Malformed, "%snot a JSON object", prefix(path))
		return f
	}
	if typ != "" {
		if got := f.text("type"); f.err == nil && got != typ {
			f.err = fault(Malformed, "%stype is %q, not %q", prefix(path), got, typ)
		}
	}
	return f
}

func prefix(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

// take returns a member that may be missing, nil if it is.
func (f *fields) take(name string) *value {
	v := f.v.get(name)
	if v != nil {
		f.seen++
	}
	return v
}

func (f *fields) need(name string, k kind) *value {
	v := f.take(name)
	if v == nil || v.kind != k {
		if f.err == nil {
			f.err = fault(Malformed, "%smember %q is missing or of the wrong type", prefix(f.path), name)
		}
		return nil
	}
	return v
}

func (f *fields) text(name string) string {
	if v := f.need(name, kindString); v != nil {
		return v.text
	}
	return ""
}

func (f *fields) raw(name string) json.RawMessage {
	if v := f.need(name, kindObject); v != nil {
		return v.append(nil)
	}
	return nil
}

func (f *fields) list(name string) []*value {
	if v := f.need(name, kindArray); v != nil {
		return v.items
	}
	return nil
}

// done fails if the object has members nobody asked for.
func (f *fields) done() error {
	if f.err == nil && f.seen != len(f.v.members) {
		f.err = fault(Malformed, "%sthere are members that this program does not know", prefix(f.path))
	}
	return f.err
}

func decodeReceipt(v *value, path string) (*Receipt, error) {
	f := open(v, path, ReceiptType)
	r := &Receipt{Type: ReceiptType}
	if f.err == nil {
		r.Leaf = f.text("leaf")
		r.Entry = f.raw("entry")
		r.Salt = f.text("salt")
		r.Proof = f.text("proof")
		r.VerifierKey = f.text("verifier_key")
		if f.v.get("withdrawal_link") != nil {
			if r.Withdrawal = f.text("withdrawal_link"); r.Withdrawal == "" && f.err == nil {
				f.err = fault(Malformed, `%smember "withdrawal_link" is empty`, prefix(path))
			}
		}
		if n := f.take("notice"); n != nil {
			d := open(n, path+"notice", "")
			if d.err == nil {
				r.Notice = &Document{MediaType: d.text("media_type"), Language: d.text("language"), Text: d.text("text")}
			}
			if err := d.done(); err != nil {
				return nil, err
			}
		}
	}
	return r, f.done()
}

func decodeCertificate(v *value, path string) (*Certificate, error) {
	f := open(v, path, CertificateType)
	c := &Certificate{Type: CertificateType}
	if f.err == nil {
		c.Body = f.raw("body")
		c.Note = f.text("note")
		c.VerifierKey = f.text("verifier_key")
		if r := f.need("receipt", kindObject); r != nil {
			var err error
			if c.Receipt, err = decodeReceipt(r, path+"receipt"); err != nil {
				return nil, err
			}
		}
	}
	return c, f.done()
}

func decodeBundle(v *value) (*Bundle, error) {
	f := open(v, "", BundleType)
	b := NewBundle("")
	if f.err == nil {
		b.VerifierKey = f.text("verifier_key")
		for _, item := range f.list("receipts") {
			r, err := decodeReceipt(item, "receipts")
			if err != nil {
				return nil, err
			}
			b.Receipts = append(b.Receipts, *r)
		}
		for _, item := range f.list("certificates") {
			c, err := decodeCertificate(item, "certificates")
			if err != nil {
				return nil, err
			}
			b.Certificates = append(b.Certificates, *c)
		}
		for _, item := range f.list("consistency") {
			e := open(item, "consistency", "")
			if e.err != nil {
				return nil, e.err
			}
			x := Extension{Old: e.text("old"), New: e.text("new"), Proof: []string{}}
			if item.get("old_key") != nil {
				x.OldKey = e.text("old_key")
			}
			for _, h := range e.list("proof") {
				if h.kind != kindString {
					return nil, fault(Malformed, "consistency: a hash is not a string")
				}
				x.Proof = append(x.Proof, h.text)
			}
			if err := e.done(); err != nil {
				return nil, err
			}
			b.Consistency = append(b.Consistency, x)
		}
	}
	return b, f.done()
}

func (f *fields) whole(name string) int64 {
	v := f.need(name, kindNumber)
	if v == nil {
		return 0
	}
	n := int64(v.number)
	if float64(n) != v.number || n < 0 {
		if f.err == nil {
			f.err = fault(Malformed, "%smember %q is not a whole number", prefix(f.path), name)
		}
		return 0
	}
	return n
}

func (f *fields) texts(name string) []string {
	items := f.list(name)
	out := make([]string, len(items))
	for i, item := range items {
		if item.kind != kindString && f.err == nil {
			f.err = fault(Malformed, "%smember %q holds something that is not a string", prefix(f.path), name)
		}
		out[i] = item.text
	}
	return out
}

func decodeExcerptHead(v *value) (*ExcerptHead, error) {
	f := open(v, "", ExcerptType)
	h := &ExcerptHead{Type: ExcerptType}
	if f.err == nil {
		h.VerifierKey = f.text("verifier_key")
		h.From, h.To, h.Site = f.text("from"), f.text("to"), f.text("site")
		h.First = f.whole("first")
		h.Spine = f.texts("spine")
		if old := f.take("old"); old == nil {
			f.err = fault(Malformed, `member "old" is missing`)
		} else if old.kind != kindNull {
			o := open(old, "old", "")
			h.Old = &Signed{Checkpoint: o.text("checkpoint"), VerifierKey: o.text("verifier_key")}
			if err := o.done(); err != nil {
				return nil, err
			}
		}
	}
	return h, f.done()
}

func decodeExcerptEnd(v *value) (*ExcerptEnd, error) {
	f := open(v, "end", "")
	e := &ExcerptEnd{
		Entries: f.whole("entries"), Erased: f.whole("erased"), Withheld: f.whole("withheld"),
		Checkpoint: f.text("checkpoint"), Kinds: map[string]int64{},
	}
	if kinds := f.need("kinds", kindObject); kinds != nil {
		k := open(kinds, "end.kinds", "")
		for _, m := range kinds.members {
			e.Kinds[m.name] = k.whole(m.name)
		}
		if err := k.done(); err != nil {
			return nil, err
		}
	}
	return e, f.done()
}
