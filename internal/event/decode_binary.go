package event

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// zeroMicro is the zero time in Unix microseconds.
var zeroMicro = time.Time{}.UnixMicro()

// maxMicro is the end of the year 9999.
var maxMicro = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()

// Decode reads the binary form of an event. The event shares no memory with b. Errors are
// ErrEncoding: b ends too early, is not canonical or comes from a newer version of Probity.
func Decode(b []byte) (*Event, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrEncoding)
	}
	if b[0] != codecVersion {
		return nil, fmt.Errorf("%w: version %d, and this program reads version %d", ErrEncoding, b[0], codecVersion)
	}
	// One copy of all text; the strings of the event point into it.
	r := reader{all: string(b), at: 1}
	e := new(Event)
	r.next()
	e.ID = r.id(tagID)
	e.Name = r.code(tagName, "")
	e.At = time.UnixMicro(zeroMicro).UTC()
	if r.is(tagAt) {
		us := r.varint()
		r.require(us != zeroMicro && us > zeroMicro && us <= maxMicro, "a time out of range")
		e.At = time.UnixMicro(us).UTC()
		r.next()
	}
	e.Received = e.At
	if r.is(tagReceived) {
		gap := r.varint()
		at := e.At.UnixMicro()
		r.require(gap != 0 && gap >= zeroMicro-at && gap <= maxMicro-at, "a time out of range")
		e.Received = time.UnixMicro(at + gap).UTC()
		r.next()
	}
	e.Seq = uint32(r.uint(tagSeq, math.MaxUint32))
	e.Visit = r.id(tagVisit)
	e.Origin = Origin(r.uint(tagOrigin, uint64(FromImport)))
	e.Deployment = r.id(tagDeployment)
	r.page(&e.Page)
	if r.is(tagReferrer) {
		e.Referrer = r.referrer()
	}
	if r.is(tagCampaign) {
		e.Campaign = r.campaign()
	}
	r.device(&e.Device)
	e.Browser.Family = r.code(tagBrowserFamily, "")
	e.Browser.Version = r.text(tagBrowserVersion, "")
	e.Browser.Lang = r.code(tagBrowserLang, e.Page.Lang)
	e.IP = r.text(tagIP, "")
	e.Search = r.text(tagSearch, "")
	e.Attributes = r.attrs(tagAttributes)
	e.Traits = r.attrs(tagTraits)
	e.ExternalID = r.text(tagExternalID, "")
	e.Purpose = r.code(tagPurpose, "")
	e.Ground.Basis = r.code(tagBasis, "")
	if r.is(tagLedger) {
		e.Ground.Ledger = r.varint()
		r.require(e.Ground.Ledger != 0, "a default written out")
		r.next()
	}
	e.Ground.Declared = r.text(tagDeclared, "")
	if r.failed == "" && r.tag != 0 {
		r.fail("a field that is unknown, repeated or out of order")
	}
	if r.failed != "" {
		return nil, fmt.Errorf("%w: %s near byte %d", ErrEncoding, r.failed, r.at)
	}
	return e, nil
}

// reader walks over the fields. tag is the tag that comes next, 0 at the end. After the first
// failure every call returns zero values, so that callers check once.
type reader struct {
	all    string
	at     int
	tag    byte
	failed string
}

func (r *reader) fail(why string) {
	if r.failed == "" {
		r.failed = why
	}
	r.tag = 0
}

func (r *reader) require(ok bool, why string) {
	if !ok {
		r.fail(why)
	}
}

// next takes the tag of the next field.
func (r *reader) next() {
	r.tag = 0
	if r.failed != "" || r.at == len(r.all) {
		return
	}
	r.tag = r.all[r.at]
	r.at++
	r.require(r.tag != 0, "a tag of zero")
}

func (r *reader) is(tag byte) bool { return r.tag == tag }

func (r *reader) uvarint() uint64 {
	if r.failed != "" {
		return 0
	}
	var n uint64
	for shift := 0; ; shift += 7 {
		if r.at == len(r.all) || shift > 63 {
			r.fail("a number that does not end")
			return 0
		}
		c := r.all[r.at]
		r.at++
		if shift == 63 && c > 1 || shift > 0 && c == 0 {
			r.fail("a number that is too large or padded")
			return 0
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// bytes takes n bytes.
func (r *reader) bytes(n uint64) string {
	if n > uint64(len(r.all)-r.at) {
		r.fail("a text that is longer than the rest")
		return ""
	}
	s := r.all[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

// textValue takes a length and its bytes.
func (r *reader) textValue() string {
	s := r.bytes(r.uvarint())
	r.require(utf8.ValidString(s), "a text that is not UTF-8")
	return s
}

// codeValue takes a dictionary word or a text.
func (r *reader) codeValue() string {
	n := r.uvarint()
	if n&1 == 1 {
		if n>>1 >= uint64(len(words)) {
			r.fail("a word that is not in the dictionary")
			return ""
		}
		return words[n>>1]
	}
	s := r.bytes(n >> 1)
	r.require(utf8.ValidString(s), "a text that is not UTF-8")
	if _, known := dictionary[s]; known {
		r.fail("a dictionary word written out")
	}
	return s
}

func (r *reader) text(tag byte, otherwise string) string {
	if !r.is(tag) {
		return otherwise
	}
	s := r.textValue()
	r.require(s != otherwise, "a default written out")
	r.next()
	return s
}

func (r *reader) code(tag byte, otherwise string) string {
	if !r.is(tag) {
		return otherwise
	}
	s := r.codeValue()
	r.require(s != otherwise, "a default written out")
	r.next()
	return s
}

func (r *reader) uint(tag byte, limit uint64) uint64 {
	if !r.is(tag) {
		return 0
	}
	n := r.uvarint()
	r.require(n != 0 && n <= limit, "a number out of range")
	r.next()
	return n
}

func (r *reader) id(tag byte) (u uuid.UUID) {
	if !r.is(tag) {
		return u
	}
	copy(u[:], r.bytes(16))
	r.require(u != (uuid.UUID{}), "a default written out")
	r.next()
	return u
}

func (r *reader) page(p *Page) {
	p.URL = r.text(tagPageURL, "")
	p.Host, p.Path, p.Query, p.Fragment = splitAddress(p.URL)
	p.Host = r.text(tagPageHost, p.Host)
	p.Domain = r.text(tagPageDomain, usualDomain(p.Host))
	p.Path = r.text(tagPagePath, p.Path)
	p.Query = r.text(tagPageQuery, p.Query)
	p.Fragment = r.text(tagPageFragment, p.Fragment)
	p.Title = r.text(tagPageTitle, "")
	p.Keywords = r.text(tagPageKeywords, "")
	p.Lang = r.code(tagPageLang, "")
}

func (r *reader) referrer() *Referrer {
	f := &Referrer{URL: r.textValue()}
	r.next()
	f.Host, f.Path, f.Query, _ = splitAddress(f.URL)
	f.Host = r.text(tagReferrerHost, f.Host)
	f.Domain = r.text(tagReferrerDomain, usualDomain(f.Host))
	f.Path = r.text(tagReferrerPath, f.Path)
	f.Query = r.text(tagReferrerQuery, f.Query)
	f.Keywords = r.text(tagReferrerKeywords, "")
	f.Medium = r.code(tagReferrerMedium, "")
	f.Name = r.code(tagReferrerName, "")
	return f
}

func (r *reader) campaign() *Campaign {
	r.next()
	return &Campaign{
		Source:  r.code(tagCampaignSource, ""),
		Medium:  r.code(tagCampaignMedium, ""),
		Name:    r.text(tagCampaignName, ""),
		Term:    r.text(tagCampaignTerm, ""),
		Content: r.text(tagCampaignContent, ""),
		ClickID: r.text(tagCampaignClickID, ""),
		Network: r.code(tagCampaignNetwork, ""),
	}
}

func (r *reader) device(d *Device) {
	d.Category = r.code(tagDeviceCategory, "")
	d.Type = r.code(tagDeviceType, d.Category)
	d.OSFamily = r.code(tagDeviceOSFamily, "")
	d.OSVersion = r.text(tagDeviceOSVersion, "")
	d.Manufacturer = r.code(tagDeviceManufacturer, "")
	if r.is(tagDeviceMobile) {
		d.Mobile = true
		r.next()
	}
	d.ScreenWidth = int(r.uint(tagDeviceWidth, math.MaxInt32))
	d.ScreenHeight = int(r.uint(tagDeviceHeight, math.MaxInt32))
	d.Density = int(r.uint(tagDeviceDensity, math.MaxInt32))
}

func (r *reader) attrs(tag byte) map[string]Attr {
	if !r.is(tag) {
		return nil
	}
	n := r.uvarint()
	if n == 0 || n > uint64(len(r.all)-r.at)/3 { // each takes three bytes at least
		r.fail("a count of attributes out of range")
		return nil
	}
	m := make(map[string]Attr, n)
	last := ""
	for i := uint64(0); i < n && r.failed == ""; i++ {
		name := r.codeValue()
		r.require(i == 0 || name > last, "attributes out of order")
		m[name] = Attr{Type: r.codeValue(), Value: r.codeValue()}
		last = name
	}
	r.next()
	return m
}
