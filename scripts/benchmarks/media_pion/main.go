// A pion master: a camera's RTP packets as they come, written to every viewer.
//
// One JSON object a line: {"id": I, "sdp": OFFER} on standard input, {"event": "answer",
// "id": I, "sdp": ANSWER} on standard output.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

type message struct {
	Event string `json:"event"`
	ID    int    `json:"id"`
	SDP   string `json:"sdp"`
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// camera is an RTSP client for one video track, interleaved in its TCP connection.
type camera struct {
	address *url.URL
	reader  *bufio.Reader
	writer  io.Writer
	number  int
	session string
}

func dial(address string) *camera {
	parsed, err := url.Parse(address)
	must(err)
	connection, err := net.Dial("tcp", parsed.Host)
	must(err)
	c := &camera{address: parsed, reader: bufio.NewReaderSize(connection, 1<<16), writer: connection}
	description := c.request("DESCRIBE", address, "Accept: application/sdp")
	control := ""
	for _, section := range strings.Split(description, "\nm=")[1:] {
		if !strings.HasPrefix(section, "video") {
			continue
		}
		for _, line := range strings.Split(section, "\n") {
			if strings.HasPrefix(line, "a=control:") {
				control = strings.TrimSpace(strings.TrimPrefix(line, "a=control:"))
			}
		}
	}
	if !strings.Contains(control, "://") {
		control = address + "/" + control
	}
	c.request("SETUP", control, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
	c.request("PLAY", address, "Range: npt=0-")
	return c
}

func (c *camera) request(method, address, header string) string {
	c.number++
	lines := []string{method + " " + address + " RTSP/1.0", fmt.Sprintf("CSeq: %d", c.number), header}
	if c.session != "" {
		lines = append(lines, "Session: "+c.session)
	}
	_, err := io.WriteString(c.writer, strings.Join(lines, "\r\n")+"\r\n\r\n")
	must(err)
	status, err := c.reader.ReadString('\n')
	must(err)
	if !strings.Contains(status, " 200") {
		panic(status)
	}
	length := 0
	for {
		line, err := c.reader.ReadString('\n')
		must(err)
		name, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found {
			break
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			_, err = fmt.Sscan(value, &length)
			must(err)
		case "session":
			c.session, _, _ = strings.Cut(value, ";")
		}
	}
	body := make([]byte, length)
	_, err = io.ReadFull(c.reader, body)
	must(err)
	return string(body)
}

// packets hands every RTP packet of the track on, for ever.
func (c *camera) packets(take func(*rtp.Packet)) {
	for {
		head := make([]byte, 4)
		_, err := io.ReadFull(c.reader, head)
		must(err)
		if head[0] != '$' {
			panic("not interleaved")
		}
		data := make([]byte, binary.BigEndian.Uint16(head[2:]))
		_, err = io.ReadFull(c.reader, data)
		must(err)
		one := &rtp.Packet{}
		if head[1] == 0 && one.Unmarshal(data) == nil {
			take(one)
		}
	}
}

type audience struct {
	lock   sync.Mutex
	tracks map[*webrtc.TrackLocalStaticRTP]bool
}

func (a *audience) write(one *rtp.Packet) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for track := range a.tracks {
		_ = track.WriteRTP(one)
	}
}

func (a *audience) set(track *webrtc.TrackLocalStaticRTP, watches bool) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if watches {
		a.tracks[track] = true
	} else {
		delete(a.tracks, track)
	}
}

func answer(api *webrtc.API, viewers *audience, offer string) string {
	connection, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)
	track, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264}, "video", "camera")
	must(err)
	sender, err := connection.AddTrack(track)
	must(err)
	go func() {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(buffer); err != nil {
				return
			}
		}
	}()
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		viewers.set(track, state == webrtc.PeerConnectionStateConnected)
		if state == webrtc.PeerConnectionStateFailed ||
			state == webrtc.PeerConnectionStateDisconnected {
			go connection.Close()
		}
	})
	must(connection.SetRemoteDescription(
		webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	local, err := connection.CreateAnswer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(connection)
	must(connection.SetLocalDescription(local))
	<-gathered
	return connection.LocalDescription().SDP
}

func main() {
	media := &webrtc.MediaEngine{}
	must(media.RegisterDefaultCodecs())
	registry := &interceptor.Registry{}
	must(webrtc.RegisterDefaultInterceptors(media, registry))
	settings := webrtc.SettingEngine{}
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media),
		webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings))
	viewers := &audience{tracks: map[*webrtc.TrackLocalStaticRTP]bool{}}
	go dial(os.Args[1]).packets(viewers.write)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	encoder := json.NewEncoder(os.Stdout)
	must(encoder.Encode(message{Event: "ready"}))
	for lines.Scan() {
		var offer message
		must(json.Unmarshal(lines.Bytes(), &offer))
		must(encoder.Encode(message{"answer", offer.ID, answer(api, viewers, offer.SDP)}))
	}
}
