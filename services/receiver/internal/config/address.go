package config

import (
	"net"
	"strconv"

	"example.com/signet/pkg/service"
)

// checkAddresses wants host:port twice, and two ports that differ: what is private must not share the public
// port.
func (c *Config) checkAddresses() service.Faults {
	const problem = "must be host:port or :port, such as :8000, not "
	var faults service.Faults
	port, ok := listenPort(c.Addr)
	if !ok {
		faults = append(faults, service.Fault{Variable: "RECEIVER_ADDR", Problem: problem + strconv.Quote(c.Addr)})
	}
	admin, adminOK := listenPort(c.AdminAddr)
	if !adminOK {
		faults = append(faults, service.Fault{Variable: "RECEIVER_ADMIN_ADDR", Problem: problem + strconv.Quote(c.AdminAddr)})
	}
	if ok && adminOK && port == admin && port != 0 {
		faults = append(faults, service.Fault{Variable: "RECEIVER_ADMIN_ADDR", Problem: "must have another port than RECEIVER_ADDR"})
	}
	return faults
}

// listenPort reads the port of an address to listen on; 0 lets the system choose one.
func listenPort(addr string) (uint16, bool) {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, false
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return uint16(port), err == nil
}
