package event

import (
	"net/netip"
	"strings"
)

// TruncateIP returns the network an address belongs to: the first 24 bits of an IPv4 address, the
// first 48 of an IPv6 address. The rest is never stored or logged. An invalid address gives "".
func TruncateIP(a netip.Addr) string {
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
