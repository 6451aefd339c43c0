package egress

import "net/netip"

// rule names a range of addresses that webhooks do not go to.
type rule struct {
	prefix netip.Prefix
	name   string
}

// rules are the special-purpose registries of IANA (RFC 6890 and its successors), without the ranges of which
// every address is public, and the metadata services that clouds put on public addresses. The first match
// names the reason, so the narrower ones come first.
func rules() []rule {
	table := []struct{ prefix, name string }{
		{"169.254.169.254/32", "a metadata service"},
		{"168.63.129.16/32", "a metadata service"},
		{"100.100.100.200/32", "a metadata service"},
		{"192.0.0.192/32", "a metadata service"},
		{"fd00:ec2::254/128", "a metadata service"},
		{"0.0.0.0/32", "unspecified"},
		{"0.0.0.0/8", "of this network"},
		{"10.0.0.0/8", "private"},
		{"100.64.0.0/10", "carrier-grade NAT"},
		{"127.0.0.0/8", "loopback"},
		{"169.254.0.0/16", "link-local"},
		{"172.16.0.0/12", "private"},
		{"192.0.0.0/24", "reserved"},
		{"192.0.2.0/24", "for documentation"},
		{"192.88.99.0/24", "a 6to4 relay"},
		{"192.168.0.0/16", "private"},
		{"198.18.0.0/15", "for benchmarks"},
		{"198.51.100.0/24", "for documentation"},
		{"203.0.113.0/24", "for documentation"},
		{"224.0.0.0/4", "multicast"},
		{"255.255.255.255/32", "broadcast"},
		{"240.0.0.0/4", "reserved"},
		{"::/128", "unspecified"},
		{"::1/128", "loopback"},
		{"::/96", "reserved"},
		{"64:ff9b:1::/48", "local NAT64"},
		{"100::/64", "discard-only"},
		{"2001::/32", "a Teredo tunnel"},
		{"2001::/23", "reserved"},
		{"2001:db8::/32", "for documentation"},
		{"3fff::/20", "for documentation"},
		{"5f00::/16", "segment routing"},
		{"fc00::/7", "private"},
		{"fe80::/10", "link-local"},
		{"fec0::/10", "site-local"},
		{"ff00::/8", "multicast"},
	}
	parsed := make([]rule, len(table))
	for i, row := range table {
		parsed[i] = rule{netip.MustParsePrefix(row.prefix), row.name}
	}
	return parsed
}

// innermost unwraps the IPv4 address that an IPv6 one stands for: IPv4-mapped, IPv4-translated (RFC 7915),
// NAT64 with the well-known prefix (RFC 6052) and 6to4 (RFC 3056). The network would deliver to that one.
func innermost(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	b := addr.As16()
	in := func(prefix string) bool { return netip.MustParsePrefix(prefix).Contains(addr) }
	switch {
	case in("::ffff:0:0:0/96"), in("64:ff9b::/96"):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case in("2002::/16"):
		return netip.AddrFrom4([4]byte(b[2:6]))
	default:
		return addr
	}
}
