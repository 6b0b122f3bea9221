// Viewers of a camera, many in one process, that decode nothing and count what comes.
//
// One JSON object a line. On standard input: {"do": "offer", "count": N}, {"do": "answer",
// "id": I, "sdp": S}, {"do": "candidate", "id": I, "candidate": C}, {"do": "measure",
// "seconds": T}, {"do": "forget"} what came more than a second ago. On standard output:
// "offer" and "connected" of each viewer, and "result".
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
	"golang.org/x/sys/unix"
)

// What the camera puts before the time at which it has sent a picture.
var stampMark = []byte("kinesis-bench-ts")

const stampDigits = 16

type packet struct {
	number  uint64
	time    uint32
	marker  bool
	key     bool
	arrived int64
	stamp   int64
}

type viewer struct {
	id         int
	connection *webrtc.PeerConnection
	lock       sync.Mutex
	offered    int64
	connected  int64
	packets    []packet
}

type command struct {
	Do        string  `json:"do"`
	Count     int     `json:"count"`
	ID        int     `json:"id"`
	SDP       string  `json:"sdp"`
	Candidate string  `json:"candidate"`
	Seconds   float64 `json:"seconds"`
}

var output sync.Mutex

func say(fields map[string]interface{}) {
	line, err := json.Marshal(fields)
	must(err)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// now returns CLOCK_MONOTONIC in ns, the clock of the camera's stamps.
func now() int64 {
	var at unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_MONOTONIC, &at))
	return at.Nano()
}

func newAPI() *webrtc.API {
	media := &webrtc.MediaEngine{}
	must(media.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType:    webrtc.MimeTypeH264,
			ClockRate:   90000,
			SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
			RTCPFeedback: []webrtc.RTCPFeedback{
				{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "goog-remb"},
			},
		},
		PayloadType: 102,
	}, webrtc.RTPCodecTypeVideo))
	for _, uri := range []string{
		"urn:ietf:params:rtp-hdrext:sdes:mid",
		"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
	} {
		must(media.RegisterHeaderExtension(
			webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo))
	}
	registry := &interceptor.Registry{}
	must(webrtc.ConfigureNack(media, registry))
	must(webrtc.ConfigureRTCPReports(registry))
	settings := webrtc.SettingEngine{}
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	return webrtc.NewAPI(webrtc.WithMediaEngine(media),
		webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings))
}

func newViewer(api *webrtc.API, id int) *viewer {
	connection, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)
	v := &viewer{id: id, connection: connection}
	_, err = connection.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo,
		webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	must(err)
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		// As browsers do.
		_ = connection.WriteRTCP([]rtcp.Packet{
			&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}})
		v.receive(track)
	})
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			v.lock.Lock()
			v.connected = now()
			v.lock.Unlock()
			say(map[string]interface{}{"event": "connected", "id": v.id})
		}
	})
	offer, err := connection.CreateOffer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(connection)
	must(connection.SetLocalDescription(offer))
	<-gathered
	return v
}

func (v *viewer) receive(track *webrtc.TrackRemote) {
	buffer := make([]byte, 2048)
	var last uint64
	for {
		size, _, err := track.Read(buffer)
		if err != nil {
			return
		}
		at := now()
		if size < 12 {
			continue
		}
		header := 12 + 4*int(buffer[0]&15)
		if buffer[0]&0x10 != 0 && size >= header+4 {
			header += 4 + 4*(int(buffer[header+2])<<8|int(buffer[header+3]))
		}
		padding := 0
		if buffer[0]&0x20 != 0 {
			padding = int(buffer[size-1])
		}
		if header+padding >= size {
			continue
		}
		number := uint16(buffer[2])<<8 | uint16(buffer[3])
		if last == 0 {
			last = 1<<20 | uint64(number)
		}
		extended := uint64(int64(last) + int64(int16(number-uint16(last))))
		if extended > last {
			last = extended
		}
		payload := buffer[header : size-padding]
		one := packet{
			number:  extended,
			time:    uint32(buffer[4])<<24 | uint32(buffer[5])<<16 | uint32(buffer[6])<<8 | uint32(buffer[7]),
			marker:  buffer[1]&0x80 != 0,
			key:     beginsKeySlice(payload),
			arrived: at,
			stamp:   findStamp(payload),
		}
		v.lock.Lock()
		v.packets = append(v.packets, one)
		v.lock.Unlock()
	}
}

// beginsKeySlice looks for an IDR slice (RFC 6184 section 5).
func beginsKeySlice(payload []byte) bool {
	switch payload[0] & 31 {
	case 5:
		return true
	case 24:
		for at := 1; at+2 < len(payload); {
			if payload[at+2]&31 == 5 {
				return true
			}
			at += 2 + int(payload[at])<<8 + int(payload[at+1])
		}
	case 28:
		return len(payload) > 1 && payload[1]&0x80 != 0 && payload[1]&31 == 5
	}
	return false
}

func findStamp(payload []byte) int64 {
	if len(payload) > 1000 {
		payload = payload[:1000]
	}
	at := bytes.Index(payload, stampMark)
	if at < 0 || at+len(stampMark)+stampDigits > len(payload) {
		return 0
	}
	digits := payload[at+len(stampMark):][:stampDigits]
	value, err := strconv.ParseInt(string(digits), 16, 64)
	if err != nil {
		return 0
	}
	return value
}

type picture struct {
	whole, key bool
	done       int64
	stamp      int64
}

// pictures puts the packets in order and returns what they make up, and how many of
// them are missing in between.
func pictures(packets []packet) (found []picture, lost int) {
	sort.SliceStable(packets, func(a, b int) bool { return packets[a].number < packets[b].number })
	var current picture
	var begun bool
	// The first one may have begun before the first packet.
	whole := false
	var before packet
	for index, one := range packets {
		if index > 0 {
			if one.number == before.number {
				continue
			}
			gap := int(one.number - before.number - 1)
			lost += gap
			if gap > 0 {
				whole = false
			}
			if begun && one.time != before.time {
				// Its last packet is missing, or it has no marker.
				current.whole = whole && gap == 0
				found = append(found, current)
				begun, whole = false, gap == 0
			}
		}
		if !begun {
			current, begun = picture{}, true
			if index > 0 && before.marker && one.number == before.number+1 {
				whole = true
			}
		}
		current.key = current.key || one.key
		if one.stamp != 0 {
			current.stamp = one.stamp
		}
		if one.arrived > current.done {
			current.done = one.arrived
		}
		if one.marker {
			current.whole = whole
			found = append(found, current)
			begun, whole = false, true
		}
		before = one
	}
	return found, lost
}

func (v *viewer) snapshot() ([]packet, int64) {
	v.lock.Lock()
	defer v.lock.Unlock()
	return append([]packet(nil), v.packets...), v.connected
}

func (v *viewer) forget(before int64) {
	v.lock.Lock()
	defer v.lock.Unlock()
	var kept []packet
	for _, one := range v.packets {
		if one.arrived >= before {
			kept = append(kept, one)
		}
	}
	v.packets = kept
}

// within returns the packets sent from the first that came after begin to the last
// that came before end, those among them that came late included.
func within(packets []packet, begin, end int64) (chosen []packet) {
	var first, last uint64 = math.MaxUint64, 0
	for _, one := range packets {
		if one.arrived >= begin && one.arrived < end {
			if one.number < first {
				first = one.number
			}
			if one.number > last {
				last = one.number
			}
		}
	}
	for _, one := range packets {
		if one.number >= first && one.number <= last {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

func percentile(values []float64, share float64) interface{} {
	if len(values) == 0 {
		return nil
	}
	sort.Float64s(values)
	return values[int(share*float64(len(values)-1)+0.5)]
}

func measure(viewers []*viewer, seconds float64) {
	begin := now()
	say(map[string]interface{}{"event": "begin"})
	time.Sleep(time.Duration(seconds * 1e9))
	end := now()
	say(map[string]interface{}{"event": "end"})
	// What was lost may still be sent again.
	time.Sleep(500 * time.Millisecond)
	var delays, firsts, colds []float64
	total, lost, shown, decodable, active := 0, 0, 0, 0, 0
	for _, v := range viewers {
		packets, connected := v.snapshot()
		all, _ := pictures(append([]packet(nil), packets...))
		for index, one := range all {
			// Nothing came before the very first one.
			if one.key && (one.whole || index == 0) {
				firsts = append(firsts, math.Max(0, float64(one.done-connected)/1e6))
				colds = append(colds, float64(one.done-v.offered)/1e6)
				break
			}
		}
		chosen := within(packets, begin, end)
		if len(chosen) > 0 {
			active++
		}
		total += len(chosen)
		inside, missing := pictures(chosen)
		lost += missing
		intact := true
		for index, one := range inside {
			if index == 0 || (index == len(inside)-1 && !one.whole) {
				// Cut by the window's edges.
				continue
			}
			shown++
			if one.whole && one.key {
				intact = true
			} else if !one.whole {
				intact = false
			}
			if intact {
				decodable++
			}
			if one.whole && one.stamp != 0 {
				delays = append(delays, float64(one.done-one.stamp)/1e6)
			}
		}
	}
	wall := float64(end-begin) / 1e9 * float64(len(viewers))
	say(map[string]interface{}{
		"event": "result", "viewers": len(viewers), "active": active,
		"packets_per_second":  float64(total) / wall,
		"pictures_per_second": float64(shown) / wall,
		"lost":                lost, "pictures": shown, "decodable": decodable,
		"latency_p50": percentile(delays, .5), "latency_p99": percentile(delays, .99),
		"first_picture_after_connect": firsts, "first_picture": colds,
	})
}

func main() {
	api := newAPI()
	var viewers []*viewer
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var order command
		must(json.Unmarshal(lines.Bytes(), &order))
		switch order.Do {
		case "offer":
			for ; order.Count > 0; order.Count-- {
				viewers = append(viewers, newViewer(api, len(viewers)))
			}
			for _, v := range viewers {
				v.offered = now()
				say(map[string]interface{}{"event": "offer", "id": v.id,
					"sdp": v.connection.LocalDescription().SDP})
			}
		case "offered":
			viewers[order.ID].offered = now()
		case "answer":
			must(viewers[order.ID].connection.SetRemoteDescription(
				webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: order.SDP}))
		case "candidate":
			// One that it cannot use is none.
			_ = viewers[order.ID].connection.AddICECandidate(
				webrtc.ICECandidateInit{Candidate: order.Candidate})
		case "measure":
			measure(viewers, order.Seconds)
		case "forget":
			for _, v := range viewers {
				v.forget(now() - int64(time.Second))
			}
		}
	}
	for _, v := range viewers {
		_ = v.connection.Close()
	}
}
