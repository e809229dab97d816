package brief

// The lines of sections, as the client offers them and the server answers. They
// are frozen; see the package.
const (
	offeredAudio  = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63"
	offeredVideo  = "m=video 9 UDP/TLS/RTP/SAVPF 96 103 98 105 102 107 104 46 106 97 45 99 49"
	answeredAudio = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63"
	answeredVideo = "m=video 9 UDP/TLS/RTP/SAVPF 96 98 102 104 106 45 49 103 105 107 46 97 99"
	slotVideo     = "m=video 9 UDP/TLS/RTP/SAVPF 96 98 102 104 106 103 45 105 49 107 46 97 99"

	offeredAudioLines = "a=rtpmap:111 opus/48000/2\r\n" +
		"a=fmtp:111 minptime=10;useinbandfec=1\r\n" +
		"a=rtcp-fb:111 nack\r\n" +
		"a=rtcp-fb:111 transport-cc\r\n" +
		"a=rtpmap:63 red/48000/2\r\n" +
		"a=fmtp:63 111/111\r\n" +
		"a=rtcp-fb:63 nack\r\n" +
		"a=rtcp-fb:63 transport-cc\r\n" +
		"a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n" +
		"a=extmap:2 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n" +
		"a=extmap:7 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"

	offeredVideoLines = "a=rtpmap:96 VP8/90000\r\n" +
		"a=rtcp-fb:96 ccm fir\r\n" +
		"a=rtcp-fb:96 goog-remb\r\n" +
		"a=rtcp-fb:96 nack\r\n" +
		"a=rtcp-fb:96 nack pli\r\n" +
		"a=rtcp-fb:96 transport-cc\r\n" +
		"a=rtpmap:103 rtx/90000\r\n" +
		"a=fmtp:103 apt=102\r\n" +
		"a=rtpmap:98 VP9/90000\r\n" +
		"a=fmtp:98 profile-id=0\r\n" +
		"a=rtcp-fb:98 ccm fir\r\n" +
		"a=rtcp-fb:98 goog-remb\r\n" +
		"a=rtcp-fb:98 nack\r\n" +
		"a=rtcp-fb:98 nack pli\r\n" +
		"a=rtcp-fb:98 transport-cc\r\n" +
		"a=rtpmap:105 rtx/90000\r\n" +
		"a=fmtp:105 apt=104\r\n" +
		"a=rtpmap:102 H264/90000\r\n" +
		"a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n" +
		"a=rtcp-fb:102 ccm fir\r\n" +
		"a=rtcp-fb:102 goog-remb\r\n" +
		"a=rtcp-fb:102 nack\r\n" +
		"a=rtcp-fb:102 nack pli\r\n" +
		"a=rtcp-fb:102 transport-cc\r\n" +
		"a=rtpmap:107 rtx/90000\r\n" +
		"a=fmtp:107 apt=106\r\n" +
		"a=rtpmap:104 H264/90000\r\n" +
		"a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n" +
		"a=rtcp-fb:104 ccm fir\r\n" +
		"a=rtcp-fb:104 goog-remb\r\n" +
		"a=rtcp-fb:104 nack\r\n" +
		"a=rtcp-fb:104 nack pli\r\n" +
		"a=rtcp-fb:104 transport-cc\r\n" +
		"a=rtpmap:46 rtx/90000\r\n" +
		"a=fmtp:46 apt=45\r\n" +
		"a=rtpmap:106 H264/90000\r\n" +
		"a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f\r\n" +
		"a=rtcp-fb:106 ccm fir\r\n" +
		"a=rtcp-fb:106 goog-remb\r\n" +
		"a=rtcp-fb:106 nack\r\n" +
		"a=rtcp-fb:106 nack pli\r\n" +
		"a=rtcp-fb:106 transport-cc\r\n" +
		"a=rtpmap:97 rtx/90000\r\n" +
		"a=fmtp:97 apt=96\r\n" +
		"a=rtpmap:45 AV1/90000\r\n" +
		"a=rtcp-fb:45 ccm fir\r\n" +
		"a=rtcp-fb:45 goog-remb\r\n" +
		"a=rtcp-fb:45 nack\r\n" +
		"a=rtcp-fb:45 nack pli\r\n" +
		"a=rtcp-fb:45 transport-cc\r\n" +
		"a=rtpmap:99 rtx/90000\r\n" +
		"a=fmtp:99 apt=98\r\n" +
		"a=rtpmap:49 flexfec-03/90000\r\n" +
		"a=fmtp:49 repair-window=10000000\r\n" +
		"a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n" +
		"a=extmap:2 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n" +
		"a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n" +
		"a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n" +
		"a=extmap:5 urn:3gpp:video-orientation\r\n" +
		"a=extmap:6 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n"

	answeredAudioLines = "a=rtpmap:111 opus/48000/2\r\n" +
		"a=fmtp:111 minptime=10;useinbandfec=1\r\n" +
		"a=rtcp-fb:111 nack\r\n" +
		"a=rtpmap:63 red/48000/2\r\n" +
		"a=fmtp:63 111/111\r\n" +
		"a=rtcp-fb:63 nack\r\n" +
		"a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n" +
		"a=extmap:7 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"

	answeredVideoLines = "a=rtpmap:96 VP8/90000\r\n" +
		"a=rtcp-fb:96 ccm fir\r\n" +
		"a=rtcp-fb:96 goog-remb\r\n" +
		"a=rtcp-fb:96 nack\r\n" +
		"a=rtcp-fb:96 nack pli\r\n" +
		"a=rtpmap:98 VP9/90000\r\n" +
		"a=fmtp:98 profile-id=0\r\n" +
		"a=rtcp-fb:98 ccm fir\r\n" +
		"a=rtcp-fb:98 goog-remb\r\n" +
		"a=rtcp-fb:98 nack\r\n" +
		"a=rtcp-fb:98 nack pli\r\n" +
		"a=rtpmap:102 H264/90000\r\n" +
		"a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n" +
		"a=rtcp-fb:102 ccm fir\r\n" +
		"a=rtcp-fb:102 goog-remb\r\n" +
		"a=rtcp-fb:102 nack\r\n" +
		"a=rtcp-fb:102 nack pli\r\n" +
		"a=rtpmap:104 H264/90000\r\n" +
		"a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n" +
		"a=rtcp-fb:104 ccm fir\r\n" +
		"a=rtcp-fb:104 goog-remb\r\n" +
		"a=rtcp-fb:104 nack\r\n" +
		"a=rtcp-fb:104 nack pli\r\n" +
		"a=rtpmap:106 H264/90000\r\n" +
		"a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f\r\n" +
		"a=rtcp-fb:106 ccm fir\r\n" +
		"a=rtcp-fb:106 goog-remb\r\n" +
		"a=rtcp-fb:106 nack\r\n" +
		"a=rtcp-fb:106 nack pli\r\n" +
		"a=rtpmap:45 AV1/90000\r\n" +
		"a=rtcp-fb:45 ccm fir\r\n" +
		"a=rtcp-fb:45 goog-remb\r\n" +
		"a=rtcp-fb:45 nack\r\n" +
		"a=rtcp-fb:45 nack pli\r\n" +
		"a=rtpmap:49 flexfec-03/90000\r\n" +
		"a=fmtp:49 repair-window=10000000\r\n" +
		"a=rtpmap:103 rtx/90000\r\n" +
		"a=fmtp:103 apt=102\r\n" +
		"a=rtpmap:105 rtx/90000\r\n" +
		"a=fmtp:105 apt=104\r\n" +
		"a=rtpmap:107 rtx/90000\r\n" +
		"a=fmtp:107 apt=106\r\n" +
		"a=rtpmap:46 rtx/90000\r\n" +
		"a=fmtp:46 apt=45\r\n" +
		"a=rtpmap:97 rtx/90000\r\n" +
		"a=fmtp:97 apt=96\r\n" +
		"a=rtpmap:99 rtx/90000\r\n" +
		"a=fmtp:99 apt=98\r\n" +
		"a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n" +
		"a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n" +
		"a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n" +
		"a=extmap:5 urn:3gpp:video-orientation\r\n" +
		"a=extmap:6 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n"
)
