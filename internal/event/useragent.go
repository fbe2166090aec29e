package event

import (
	"strings"

	"github.com/mileusna/useragent"
)

// ClassifyUA reduces a User-Agent header to families and major versions. It takes some
// microseconds; callers that see the same header often keep the answer in a cache of their own.
func ClassifyUA(ua string) (Browser, Device) {
	if ua == "" {
		return Browser{}, Device{}
	}
	u := useragent.Parse(ua)
	b := Browser{Version: digits(majorVersion(u.Version))}
	d := Device{OSFamily: u.OS, OSVersion: digits(majorVersion(u.OSVersion)), Mobile: u.Mobile || u.Tablet}
	switch {
	case u.Bot:
		d.Category, d.Type = "other", "bot"
	case u.Tablet:
		d.Category, d.Type = "tablet", "tablet"
	case u.Mobile:
		d.Category, d.Type = "mobile", "phone"
	case u.Desktop:
		d.Category, d.Type = "desktop", "desktop"
	default:
		d.Category, d.Type = "other", "other"
	}
	if d.OSFamily == "iOS" || d.OSFamily == "macOS" || strings.HasPrefix(u.Device, "iP") {
		d.Manufacturer = "Apple"
	}
	if strings.HasPrefix(u.Device, "SM-") {
		d.Manufacturer = "Samsung"
	}
	if b.Family = family(u.Name); b.Family == "" {
		b = Browser{Family: "Other"}
	}
	return b, d
}

// family returns the name of a known browser, or "". The parser takes any unknown word for a
// family, and a header is free text.
func family(name string) string {
	switch name {
	case useragent.MobileSafari:
		return useragent.Safari
	case useragent.Chrome, useragent.HeadlessChrome, useragent.Firefox, useragent.Safari, useragent.Edge,
		useragent.Opera, useragent.OperaMini, useragent.OperaTouch, useragent.Vivaldi,
		useragent.SamsungBrowser, useragent.InternetExplorer, useragent.FacebookApp,
		useragent.InstagramApp, useragent.TiktokApp, useragent.Googlebot, useragent.Bingbot,
		useragent.Applebot, useragent.YandexBot, useragent.Twitterbot:
		return name
	}
	return ""
}

// digits returns s if it is a number, else "": the parser takes a processor's name for a version.
func digits(s string) string {
	if strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return s
}

// majorVersion returns what stands before the first dot, dash, underscore or space.
func majorVersion(v string) string {
	if i := strings.IndexAny(v, ".-_ "); i >= 0 {
		v = v[:i]
	}
	return keep(v, maxKeptVersion)
}
