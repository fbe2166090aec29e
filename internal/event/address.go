package event

import "net/netip"

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
