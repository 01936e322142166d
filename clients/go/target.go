package kvgate

import (
	"errors"
	"net"
	"net/netip"
	"strings"
)

// target is where a server is.
type target struct {
	// name is the target as gRPC takes it.
	name string
	// encrypted and open say that the address asks for TLS, or for none.
	encrypted, open bool
	// local says that what is sent there stays on this machine.
	local bool
}

// parseTarget reads HOST:PORT, a URL or a target of gRPC's. Its errors don't show the address, which
// may have a password in it.
func parseTarget(address string) (target, error) {
	if isGRPCTarget(address) {
		return target{name: address, local: isLocal(address)}, nil
	}
	scheme, host, hasScheme := strings.Cut(address, "://")
	if !hasScheme {
		scheme, host = "", address
	}
	host = strings.TrimSuffix(host, "/")
	if host == "" || strings.ContainsAny(host, "/@?#") {
		return target{}, errors.New("an address is HOST:PORT or a scheme, a host and a port, nothing more")
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		switch scheme {
		case "http":
			host += ":80"
		case "https":
			host += ":443"
		default:
			return target{}, errors.New("the address has no port: give HOST:PORT")
		}
	}
	return target{
		name:      "dns:///" + host,
		encrypted: scheme == "https",
		open:      scheme == "http",
		local:     isLocal(host),
	}, nil
}

// isGRPCTarget says whether the address names one of gRPC's resolvers, which then reads the rest.
func isGRPCTarget(address string) bool {
	scheme, _, found := strings.Cut(address, "://")
	if found {
		return scheme != "http" && scheme != "https"
	}
	return strings.HasPrefix(address, "unix:") || strings.HasPrefix(address, "unix-abstract:") ||
		strings.HasPrefix(address, "dns:")
}

func isLocal(address string) bool {
	if strings.HasPrefix(address, "unix:") || strings.HasPrefix(address, "unix-abstract:") {
		return true
	}
	for _, prefix := range []string{"dns:///", "passthrough:///", "dns:"} {
		address = strings.TrimPrefix(address, prefix)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
