package egress

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// AllowList says which of the addresses that are refused otherwise webhooks may go to. The zero value allows
// none. It is made of CIDRs, single addresses, addresses with a port and host:port names, separated by spaces
// or commas: "10.0.0.0/8, receiver:8000".
//
// A name allows what it resolves to, on that port; so it trusts whoever answers for the name.
type AllowList struct {
	prefixes []netip.Prefix
	places   []netip.AddrPort
	names    []string // lower-case host:port, without the host's last dot
}

// UnmarshalText parses a list; it serves the configuration's struct.
func (a *AllowList) UnmarshalText(text []byte) error {
	parsed, err := ParseAllowList(string(text))
	if err == nil {
		*a = parsed
	}
	return err
}

// ParseAllowList parses a list. An empty one allows nothing.
func ParseAllowList(text string) (AllowList, error) {
	var list AllowList
	entries := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	for _, entry := range entries {
		if err := list.add(entry); err != nil {
			return AllowList{}, err
		}
	}
	return list, nil
}

func (a *AllowList) add(entry string) error {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		a.prefixes = append(a.prefixes, prefix.Masked())
		return nil
	}
	if addr, err := netip.ParseAddr(entry); err == nil {
		addr = addr.Unmap().WithZone("")
		a.prefixes = append(a.prefixes, netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	if place, err := netip.ParseAddrPort(entry); err == nil && place.Port() != 0 {
		a.places = append(a.places, netip.AddrPortFrom(place.Addr().Unmap().WithZone(""), place.Port()))
		return nil
	}
	host, port, err := net.SplitHostPort(entry)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || !isHostName(host) {
		return fmt.Errorf("must be a list of CIDRs such as 10.0.0.0/8 and names with a port such as receiver:8000; %q is neither", entry)
	}
	a.names = append(a.names, placeName(host, port))
	return nil
}

// isHostName holds for names with at least one letter: one of digits and dots would be an address to some
// resolvers.
func isHostName(host string) bool {
	letter := false
	for _, c := range []byte(host) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letter = true
		case c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return letter && len(host) <= 253
}

func placeName(host, port string) string {
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(host, ".")), port)
}

func (a *AllowList) name(host, port string) bool {
	wanted := placeName(host, port)
	for _, name := range a.names {
		if name == wanted {
			return true
		}
	}
	return false
}

// addr allows an address by itself or by the IPv4 address it stands for.
func (a *AllowList) addr(addr netip.Addr, port uint16) bool {
	for _, form := range []netip.Addr{addr.Unmap().WithZone(""), innermost(addr)} {
		for _, prefix := range a.prefixes {
			if prefix.Contains(form) {
				return true
			}
		}
		for _, place := range a.places {
			if place == netip.AddrPortFrom(form, port) {
				return true
			}
		}
	}
	return false
}
