package kvgate_test

import (
	"io"
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// forward passes connections on, and says that each was made.
func forward(listener net.Listener, to string, accepted chan<- string) {
	for {
		from, err := listener.Accept()
		if err != nil {
			return
		}
		accepted <- from.RemoteAddr().String()
		server, err := net.Dial("tcp", to)
		if err != nil {
			from.Close()
			continue
		}
		go copyAndClose(server, from)
		go copyAndClose(from, server)
	}
}

func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
}

// startDNS starts a server of names that knows one name and its addresses.
func startDNS(t *testing.T, name string, addresses ...[4]byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	go func() {
		packet := make([]byte, 4_096)
		for {
			size, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer := answerDNS(packet[:size], name, addresses); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func answerDNS(packet []byte, name string, addresses [][4]byte) []byte {
	var message dnsmessage.Message
	if message.Unpack(packet) != nil || len(message.Questions) != 1 {
		return nil
	}
	question := message.Questions[0]
	message.Response, message.Authoritative, message.Additionals = true, true, nil
	if question.Name.String() != name {
		message.RCode = dnsmessage.RCodeNameError
	} else if question.Type == dnsmessage.TypeA {
		for _, each := range addresses {
			message.Answers = append(message.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{
					Name: question.Name, Type: dnsmessage.TypeA, Class: question.Class, TTL: 1,
				},
				Body: &dnsmessage.AResource{A: each},
			})
		}
	}
	answer, err := message.Pack()
	if err != nil {
		return nil
	}
	return answer
}
