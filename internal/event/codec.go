package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// The binary form, version 1: the version byte, then fields, each an ascending tag and a value
// whose shape the tag decides. A field that has its default is left out. What can be computed from
// an earlier field (the parts of an address) has the computed value as its default.
//
// The form is canonical: an event has one encoding, and Decode takes no other. So equal events
// have equal bytes, and a record that was tampered with inside of a broken seal can't hide data.
//
// Tags and the dictionary are part of what is on disk. Append to them; never renumber.
const codecVersion = 1

// Field tags. Gaps leave room within each group.
const (
	tagID byte = iota + 1
	tagName
	tagAt
	tagReceived
	tagSeq
	tagVisit
	tagOrigin
	tagDeployment
)

const (
	tagPageURL byte = iota + 16
	tagPageHost
	tagPageDomain
	tagPagePath
	tagPageQuery
	tagPageFragment
	tagPageTitle
	tagPageKeywords
	tagPageLang
)

const (
	tagReferrer byte = iota + 32
	tagReferrerHost
	tagReferrerDomain
	tagReferrerPath
	tagReferrerQuery
	tagReferrerKeywords
	tagReferrerMedium
	tagReferrerName
)

const (
	tagCampaign byte = iota + 48
	tagCampaignSource
	tagCampaignMedium
	tagCampaignName
	tagCampaignTerm
	tagCampaignContent
	tagCampaignClickID
	tagCampaignNetwork
)

const (
	tagDeviceCategory byte = iota + 64
	tagDeviceType
	tagDeviceOSFamily
	tagDeviceOSVersion
	tagDeviceManufacturer
	tagDeviceMobile
	tagDeviceWidth
	tagDeviceHeight
	tagDeviceDensity
	tagBrowserFamily
	tagBrowserVersion
	tagBrowserLang
	tagIP
)

const (
	tagSearch byte = iota + 80
	tagAttributes
	tagTraits
	tagExternalID
	tagPurpose
	tagBasis
	tagLedger
	tagDeclared
)

// ErrEncoding is in the tree of every error of Decode.
var ErrEncoding = errors.New("not an encoded event")

// AppendBinary appends the binary form of e to dst. Times are kept to the microsecond; texts must
// be UTF-8. It fails if a time lies outside of the years 1 to 9999 or a screen measure outside of
// 31 bits; dst is then returned as it was.
func (e *Event) AppendBinary(dst []byte) ([]byte, error) {
	if !encodable(e.At) || !encodable(e.Received) {
		return dst, fmt.Errorf("encode event: a time lies outside of the years 1 to 9999")
	}
	d := &e.Device
	if min(d.ScreenWidth, d.ScreenHeight, d.Density) < 0 || max(d.ScreenWidth, d.ScreenHeight, d.Density) > math.MaxInt32 {
		return dst, fmt.Errorf("encode event: a screen measure is out of range")
	}
	if e.Origin > FromImport {
		return dst, fmt.Errorf("encode event: unknown origin %d", e.Origin)
	}
	w := writer{buf: append(dst, codecVersion)}
	w.id(tagID, e.ID)
	w.code(tagName, e.Name, "")
	w.time(tagAt, e.At)
	if gap := e.Received.UnixMicro() - e.At.UnixMicro(); gap != 0 {
		w.buf = binary.AppendVarint(append(w.buf, tagReceived), gap)
	}
	w.uint(tagSeq, uint64(e.Seq))
	w.id(tagVisit, e.Visit)
	w.uint(tagOrigin, uint64(e.Origin))
	w.id(tagDeployment, e.Deployment)
	w.page(&e.Page)
	if e.Referrer != nil {
		w.referrer(e.Referrer)
	}
	if e.Campaign != nil {
		w.campaign(e.Campaign)
	}
	w.device(d)
	w.code(tagBrowserFamily, e.Browser.Family, "")
	w.text(tagBrowserVersion, e.Browser.Version, "")
	w.code(tagBrowserLang, e.Browser.Lang, e.Page.Lang)
	w.text(tagIP, e.IP, "")
	w.text(tagSearch, e.Search, "")
	w.attrs(tagAttributes, e.Attributes)
	w.attrs(tagTraits, e.Traits)
	w.text(tagExternalID, e.ExternalID, "")
	w.code(tagPurpose, e.Purpose, "")
	w.code(tagBasis, e.Ground.Basis, "")
	if e.Ground.Ledger != 0 {
		w.buf = binary.AppendVarint(append(w.buf, tagLedger), e.Ground.Ledger)
	}
	w.text(tagDeclared, e.Ground.Declared, "")
	return w.buf, nil
}

// MarshalBinary returns the binary form of e; see AppendBinary.
func (e *Event) MarshalBinary() ([]byte, error) { return e.AppendBinary(nil) }

// UnmarshalBinary reads what MarshalBinary wrote; see Decode.
func (e *Event) UnmarshalBinary(b []byte) error {
	d, err := Decode(b)
	if err == nil {
		*e = *d
	}
	return err
}

// encodable tells whether t keeps its order and value as microseconds.
func encodable(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 1 && y <= 9999
}

type writer struct{ buf []byte }

func (w *writer) id(tag byte, u uuid.UUID) {
	if u != (uuid.UUID{}) {
		w.buf = append(append(w.buf, tag), u[:]...)
	}
}

func (w *writer) uint(tag byte, n uint64) {
	if n != 0 {
		w.buf = binary.AppendUvarint(append(w.buf, tag), n)
	}
}

func (w *writer) time(tag byte, t time.Time) {
	if us := t.UnixMicro(); us != zeroMicro {
		w.buf = binary.AppendVarint(append(w.buf, tag), us)
	}
}

// text writes a free text: its length and its bytes.
func (w *writer) text(tag byte, s, otherwise string) {
	if s != otherwise {
		w.buf = binary.AppendUvarint(append(w.buf, tag), uint64(len(s)))
		w.buf = append(w.buf, s...)
	}
}

// code writes a text that is often one of the dictionary's.
func (w *writer) code(tag byte, s, otherwise string) {
	if s != otherwise {
		w.buf = appendCode(append(w.buf, tag), s)
	}
}

// appendCode writes twice the length and the bytes, or twice the dictionary index plus one.
func appendCode(dst []byte, s string) []byte {
	if i, ok := dictionary[s]; ok {
		return binary.AppendUvarint(dst, uint64(i)<<1|1)
	}
	dst = binary.AppendUvarint(dst, uint64(len(s))<<1)
	return append(dst, s...)
}

func (w *writer) page(p *Page) {
	host, path, query, fragment := splitAddress(p.URL)
	w.text(tagPageURL, p.URL, "")
	w.text(tagPageHost, p.Host, host)
	w.text(tagPageDomain, p.Domain, usualDomain(p.Host))
	w.text(tagPagePath, p.Path, path)
	w.text(tagPageQuery, p.Query, query)
	w.text(tagPageFragment, p.Fragment, fragment)
	w.text(tagPageTitle, p.Title, "")
	w.text(tagPageKeywords, p.Keywords, "")
	w.code(tagPageLang, p.Lang, "")
}

func (w *writer) referrer(r *Referrer) {
	host, path, query, _ := splitAddress(r.URL)
	w.buf = binary.AppendUvarint(append(w.buf, tagReferrer), uint64(len(r.URL)))
	w.buf = append(w.buf, r.URL...)
	w.text(tagReferrerHost, r.Host, host)
	w.text(tagReferrerDomain, r.Domain, usualDomain(r.Host))
	w.text(tagReferrerPath, r.Path, path)
	w.text(tagReferrerQuery, r.Query, query)
	w.text(tagReferrerKeywords, r.Keywords, "")
	w.code(tagReferrerMedium, r.Medium, "")
	w.code(tagReferrerName, r.Name, "")
}

func (w *writer) campaign(c *Campaign) {
	w.buf = append(w.buf, tagCampaign)
	w.code(tagCampaignSource, c.Source, "")
	w.code(tagCampaignMedium, c.Medium, "")
	w.text(tagCampaignName, c.Name, "")
	w.text(tagCampaignTerm, c.Term, "")
	w.text(tagCampaignContent, c.Content, "")
	w.text(tagCampaignClickID, c.ClickID, "")
	w.code(tagCampaignNetwork, c.Network, "")
}

func (w *writer) device(d *Device) {
	w.code(tagDeviceCategory, d.Category, "")
	w.code(tagDeviceType, d.Type, d.Category)
	w.code(tagDeviceOSFamily, d.OSFamily, "")
	w.text(tagDeviceOSVersion, d.OSVersion, "")
	w.code(tagDeviceManufacturer, d.Manufacturer, "")
	if d.Mobile {
		w.buf = append(w.buf, tagDeviceMobile)
	}
	w.uint(tagDeviceWidth, uint64(d.ScreenWidth))
	w.uint(tagDeviceHeight, uint64(d.ScreenHeight))
	w.uint(tagDeviceDensity, uint64(d.Density))
}

// attrs writes the count, then name, type and value of each, sorted by name.
func (w *writer) attrs(tag byte, m map[string]Attr) {
	if len(m) == 0 {
		return
	}
	var few [16]string // most events carry fewer: no allocation
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	w.buf = binary.AppendUvarint(append(w.buf, tag), uint64(len(names)))
	for _, name := range names {
		a := m[name]
		w.buf = appendCode(w.buf, name)
		w.buf = appendCode(w.buf, a.Type)
		w.buf = appendCode(w.buf, a.Value)
	}
}
