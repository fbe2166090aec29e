package rights

import (
	"net/netip"
	"testing"
)

func TestOnlyPublicAddressesAreReached(t *testing.T) {
	var p Push
	for _, a := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "198.18.0.1",
		"::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "fec0::1",
	} {
		if p.reaches(netip.MustParseAddr(a)) {
			t.Errorf("%s is reached", a)
		}
	}
	for _, a := range []string{"93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"} {
		if !p.reaches(netip.MustParseAddr(a)) {
			t.Errorf("%s is not reached", a)
		}
	}
	p.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if !p.reaches(netip.MustParseAddr("10.1.2.3")) || !p.reaches(netip.MustParseAddr("::ffff:10.1.2.3")) || p.reaches(netip.MustParseAddr("192.168.1.1")) {
		t.Error("what is allowed is not what is reached")
	}
}
