package egress_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/services/producer/internal/egress"
)

func TestGuard_Check(t *testing.T) {
	t.Parallel()
	tests := []struct {
		addr string
		rule string // empty: allowed
	}{
		{"8.8.8.8", ""},
		{"1.1.1.1", ""},
		{"172.15.255.255", ""},
		{"172.32.0.0", ""},
		{"2606:4700:4700::1111", ""},
		{"0.0.0.0", "unspecified"},
		{"10.1.2.3", "private"},
		{"172.16.0.1", "private"},
		{"172.31.255.255", "private"},
		{"192.168.1.1", "private"},
		{"127.0.0.1", "loopback"},
		{"127.8.9.1", "loopback"},
		{"100.64.0.1", "carrier-grade NAT"},
		{"169.254.1.1", "link-local"},
		{"169.254.169.254", "a metadata service"},
		{"168.63.129.16", "a metadata service"},
		{"100.100.100.200", "a metadata service"},
		{"fd00:ec2::254", "a metadata service"},
		{"224.0.0.1", "multicast"},
		{"255.255.255.255", "broadcast"},
		{"240.0.0.1", "reserved"},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"fe80::1%eth0", "link-local"},
		{"fc00::1", "private"},
		{"fd12::1", "private"},
		{"ff02::1", "multicast"},
		{"2001:db8::1", "for documentation"},
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:169.254.169.254", "a metadata service"},
		{"::ffff:0:10.0.0.1", "private"},
		{"64:ff9b::10.0.0.1", "private"},
		{"64:ff9b::8.8.8.8", ""},
		{"64:ff9b:1::1", "local NAT64"},
		{"2002:7f00:1::", "loopback"},
		{"2002:808:808::1", ""},
		{"2001:0:4136:e378::1", "a Teredo tunnel"},
		{"::7f00:1", "reserved"},
	}
	guard := egress.NewGuard(egress.AllowList{})
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			t.Parallel()
			err := guard.Check(netip.MustParseAddr(tt.addr), 443)
			var refused *egress.Refused
			if tt.rule == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tt.rule != "" && (!errors.As(err, &refused) || refused.Rule != tt.rule) {
				t.Errorf("%v, want %s", err, tt.rule)
			}
		})
	}
}

func TestGuard_allows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		allow, addr string
		port        uint16
		want        bool
	}{
		{"10.0.0.0/8", "10.1.1.1", 80, true},
		{"10.0.0.0/8", "11.1.1.1", 80, true},
		{"10.0.0.0/8", "127.0.0.1", 80, false},
		{"10.0.0.0/8", "::ffff:10.1.1.1", 80, true},
		{"10.0.0.0/8", "64:ff9b::10.1.1.1", 80, true},
		{"127.0.0.1", "127.0.0.1", 80, true},
		{"127.0.0.1", "127.0.0.2", 80, false},
		{"127.0.0.1:8000", "127.0.0.1", 8000, true},
		{"127.0.0.1:8000", "127.0.0.1", 8001, false},
		{"[::1]:8000", "::1", 8000, true},
		{"[::1]:8000", "::1", 1, false},
		{"receiver:8000", "10.0.0.1", 8000, false}, // a name allows by name only
		{"fc00::/7, 192.168.0.0/16", "192.168.3.4", 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.allow+" "+tt.addr, func(t *testing.T) {
			t.Parallel()
			list, err := egress.ParseAllowList(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			if err := egress.NewGuard(list).Check(netip.MustParseAddr(tt.addr), tt.port); (err == nil) != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParseAllowList(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"": true, " , ": true, "10.0.0.0/8 fd00::/8,receiver:8000\n127.0.0.1": true, "Receiver.:8000": true, "a_b:1": true,
		"receiver": false, "receiver:": false, "receiver:0": false, "receiver:65536": false, "10.0.0.0/33": false,
		"http://receiver:8000": false, "*:80": false, "10.1:80": false, ":80": false, "127.0.0.1:0": false,
	} {
		if _, err := egress.ParseAllowList(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever form an address is dialled in, its IPv4 form decides.
func TestGuard_formsAgree(t *testing.T) {
	t.Parallel()
	guard := egress.NewGuard(egress.AllowList{})
	rapid.Check(t, func(t *rapid.T) {
		four := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address"))
		plain := guard.Check(netip.AddrFrom4(four), 80) == nil
		mapped, nat, six := [16]byte{10: 0xff, 11: 0xff}, [16]byte{0, 0x64, 0xff, 0x9b}, [16]byte{0x20, 0x02}
		copy(mapped[12:], four[:])
		copy(nat[12:], four[:])
		copy(six[2:], four[:])
		for _, form := range [][16]byte{mapped, nat, six} {
			if addr := netip.AddrFrom16(form); (guard.Check(addr, 80) == nil) != plain {
				t.Fatalf("%s and %s are judged differently", addr, netip.AddrFrom4(four))
			}
		}
	})
}

func TestTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, allow, url string
		want             bool
	}{
		{"address", "", "http://127.0.0.1:" + port, false},
		{"name", "", "http://localhost:" + port, false},
		{"number", "", "http://2130706433:" + port, false},
		{"allowed address", "127.0.0.0/8", "http://127.0.0.1:" + port, true},
		{"name of an allowed address", "127.0.0.0/8", "http://localhost:" + port, true},
		{"allowed name", "localhost:" + port, "http://LOCALHOST:" + port, true},
		{"its address", "localhost:" + port, "http://127.0.0.1:" + port, false},
		{"another port", "localhost:1", "http://localhost:" + port, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			list, err := egress.ParseAllowList(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			transport := egress.NewGuard(list).Transport()
			t.Cleanup(transport.CloseIdleConnections)
			request, err := http.NewRequestWithContext(t.Context(), "GET", tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := (&http.Client{Transport: transport}).Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			if (err == nil) != tt.want {
				t.Errorf("got %v", err)
			}
			var refused *egress.Refused
			if !tt.want && tt.name != "number" && !errors.As(err, &refused) { // a number may not even resolve
				t.Errorf("not refused: %v", err)
			}
		})
	}
}

func FuzzParseAllowList(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8,receiver:8000", "[::1]:80 fe80::1%lo", "::ffff:1.2.3.4/120", "a:b:c", "0x7f.1:80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := egress.ParseAllowList(text)
		if err != nil {
			return
		}
		guard := egress.NewGuard(list)
		if strings.Trim(text, " ,\t\r\n") == "" && guard.Check(netip.MustParseAddr("127.0.0.1"), 80) == nil {
			t.Errorf("%q allows loopback", text)
		}
		if err := guard.CheckHost("8.8.8.8", 443); err != nil {
			t.Errorf("%q forbids a public address: %v", text, err)
		}
	})
}
