package event

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// TruncateIP returns the network an address belongs to: the first 24 bits of an IPv4 address, the
// first 48 of an IPv6 address. The rest is never stored or logged. An invalid address gives "".
func TruncateIP(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.Addr().String()
}

// splitAddress cuts an address of the form scheme://host:port/path?query#fragment apart. It copies
// nothing and checks nothing: parts that are not there are empty, and user information counts as
// part of the host.
func splitAddress(url string) (host, path, query, fragment string) {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "", "", "", ""
	}
	rest, fragment, _ = strings.Cut(rest, "#")
	rest, query, _ = strings.Cut(rest, "?")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest, path = rest[:i], rest[i:]
	}
	return withoutPort(rest), path, query, fragment
}

// withoutPort removes ":port" from the end of a host. The brackets of an IPv6 address stay.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		return host[:i]
	}
	return host
}

// usualDomain returns the last two labels of a host: the registrable domain of most hosts.
func usualDomain(host string) string {
	if i := strings.LastIndexByte(host, '.'); i > 0 {
		if j := strings.LastIndexByte(host[:i], '.'); j >= 0 {
			return host[j+1:]
		}
	}
	return host
}

// maxHost is the longest name that DNS can carry.
const maxHost = 253

// address is an absolute address in parts. User information is never among them.
type address struct {
	scheme, host, port, path, query, fragment string
}

// parseAddress reads scheme://[user@]host[:port][/path][?query][#fragment]. Scheme and host come
// back in lower case, the host in its ASCII form, a default port is dropped and an empty path is
// "/". It is not ok without a host, or with one that no name server or browser would take.
func parseAddress(raw string) (a address, ok bool) {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || !isScheme(scheme) {
		return address{}, false
	}
	a.scheme = strings.ToLower(scheme)
	rest, a.fragment, _ = strings.Cut(rest, "#")
	rest, a.query, _ = strings.Cut(rest, "?")
	a.path = "/"
	if i := strings.IndexAny(rest, "/\\"); i >= 0 { // browsers take a backslash for a slash
		rest, a.path = rest[:i], strings.ReplaceAll(rest[i:], "\\", "/")
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	a.host = withoutPort(rest)
	if len(a.host) < len(rest) {
		a.port = rest[len(a.host)+1:]
	}
	if a.host, ok = normalHost(a.host); !ok || !isPort(a.port) {
		return address{}, false
	}
	if a.port == "443" && a.scheme == "https" || a.port == "80" && a.scheme == "http" {
		a.port = ""
	}
	return a, true
}

// render writes the address. It returns like itself if nothing changed, which saves the copy.
func (a *address) render(like string) string {
	n := len(a.scheme) + len("://:?#") + len(a.host) + len(a.port) + len(a.path) + len(a.query) + len(a.fragment)
	var room [512]byte
	b := room[:0]
	if n > len(room) {
		b = make([]byte, 0, n)
	}
	b = append(append(append(b, a.scheme...), "://"...), a.host...)
	if a.port != "" {
		b = append(append(b, ':'), a.port...)
	}
	b = append(b, a.path...)
	if a.query != "" {
		b = append(append(b, '?'), a.query...)
	}
	if a.fragment != "" {
		b = append(append(b, '#'), a.fragment...)
	}
	if string(b) == like {
		return like
	}
	return string(b)
}

func isScheme(s string) bool {
	if s == "" || len(s) > 32 || s[0]|0x20 < 'a' || s[0]|0x20 > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c == '_' || !isWordByte(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= 5
}

// normalHost returns the lower-case ASCII form of a host.
func normalHost(h string) (string, bool) {
	if h == "" || len(h) > maxHost {
		return "", false
	}
	if h[0] == '[' {
		a, err := netip.ParseAddr(strings.Trim(h, "[]"))
		return "[" + a.String() + "]", err == nil && a.Is6() && a.Zone() == ""
	}
	upper := false
	for i := range len(h) {
		switch c := h[i]; {
		case c >= utf8.RuneSelf:
			ascii, err := idna.Lookup.ToASCII(h)
			if err != nil || ascii == "" || len(ascii) > maxHost {
				return "", false
			}
			return normalHost(ascii)
		case 'A' <= c && c <= 'Z':
			upper = true
		case !isWordByte(c) && c != '-' && c != '.':
			return "", false
		}
	}
	if upper {
		h = strings.ToLower(h)
	}
	return h, true
}

// registrable returns the domain that can be registered: one label more than the public suffix.
// An IP address, a single label or a bare public suffix is its own domain.
func registrable(host string) string {
	host = strings.TrimSuffix(host, ".")
	if strings.IndexByte(host, '.') < 0 || host[0] == '[' {
		return host
	}
	if last := host[len(host)-1]; '0' <= last && last <= '9' {
		return host // IPv4: no top-level domain ends in a digit
	}
	suffix, _ := publicsuffix.PublicSuffix(host)
	i := len(host) - len(suffix) - 1
	if i <= 0 || host[i] != '.' {
		return host
	}
	return host[1+strings.LastIndexByte(host[:i], '.'):]
}
