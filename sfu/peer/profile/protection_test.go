package profile

import (
	"fmt"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// BenchmarkProtection is what it costs to protect one packet of sound or of a picture
// with either profile; docs/adr/0025 has the figures.
func BenchmarkProtection(b *testing.B) {
	for _, profile := range []srtp.ProtectionProfile{srtp.ProtectionProfileAeadAes128Gcm, srtp.ProtectionProfileAes128CmHmacSha1_80} {
		for _, size := range []int{60, 1100} {
			b.Run(fmt.Sprintf("%v/%d", profile, size), func(b *testing.B) {
				keyLength, err := profile.KeyLen()
				if err != nil {
					b.Fatal(err)
				}
				saltLength, err := profile.SaltLen()
				if err != nil {
					b.Fatal(err)
				}
				c, err := srtp.CreateContext(make([]byte, keyLength), make([]byte, saltLength), profile)
				if err != nil {
					b.Fatal(err)
				}
				header := rtp.Header{Version: 2, SSRC: 1, PayloadType: 111}
				payload, out := make([]byte, size), make([]byte, 0, 1500)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					header.SequenceNumber++
					packet := rtp.Packet{Header: header, Payload: payload}
					n, err := packet.MarshalTo(out[:cap(out)-32])
					if err != nil {
						b.Fatal(err)
					}
					if _, err := c.EncryptRTP(out[:cap(out)], out[:n], nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
