// A viewer as in AWS's own samples: its SDK's signaling client, trickle ICE.
import { Role, SignalingClient } from "amazon-kinesis-video-streams-webrtc";

const video = document.getElementById("video");
const report = { signaling: [], remoteCandidates: [], iceStates: [], errors: [] };
let peer;
let client;

// With `options.connectAfter`, the viewer does nothing with the answer, and tells no
// candidate of its own, before a candidate of the master has this text in it.
window.startViewer = async (options) => {
  let begin;
  const begun = new Promise((resolve) => (begin = resolve));
  if (!options.connectAfter) {
    begin();
  }
  let describe;
  const described = new Promise((resolve) => (describe = resolve));
  peer = new RTCPeerConnection({ iceServers: options.iceServers });
  peer.addTransceiver("audio", { direction: "recvonly" });
  peer.addTransceiver("video", { direction: "recvonly" });
  peer.ontrack = ({ track, streams }) => {
    if (track.kind === "video") {
      video.srcObject = streams[0] ?? new MediaStream([track]);
    }
  };
  peer.oniceconnectionstatechange = () => {
    report.iceStates.push(peer.iceConnectionState);
  };

  client = new SignalingClient({
    channelARN: options.channelArn,
    channelEndpoint: options.endpoint,
    clientId: options.clientId,
    role: Role.VIEWER,
    region: options.region,
    credentials: options.credentials,
    systemClockOffset: 0,
  });
  peer.onicecandidate = ({ candidate }) => {
    if (candidate) {
      begun.then(() => client.sendIceCandidate(candidate));
    }
  };
  client.on("open", async () => {
    report.signaling.push("open");
    await peer.setLocalDescription();
    client.sendSdpOffer(peer.localDescription);
  });
  client.on("sdpAnswer", async (answer) => {
    report.signaling.push("answer");
    report.answer = answer.sdp;
    await begun;
    await peer.setRemoteDescription(answer);
    describe();
  });
  client.on("iceCandidate", (candidate) => {
    report.remoteCandidates.push(candidate.candidate);
    if (options.connectAfter && candidate.candidate.includes(options.connectAfter)) {
      begin();
    }
    described
      .then(() => peer.addIceCandidate(candidate))
      .catch((error) => report.errors.push(String(error)));
  });
  client.on("error", (error) => report.errors.push(String(error)));
  client.on("close", () => report.signaling.push("close"));
  client.open();
};

// Runs where sound is rendered: hands on what it gets, and when.
const RECORDER = `registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([[samples]]) {
    this.port.postMessage({ time: currentTime, samples: samples?.slice() });
    return true;
  }
});`;

// Returns what is heard for so many seconds, in base64 as float32, with its rate; and
// pairs of how many samples came before, and when (ms) the next one left the track: the
// way from there to the loudspeaker is not the one that the page's video takes.
window.listen = async (seconds) => {
  const { track } = peer.getReceivers().find((one) => one.track.kind === "audio");
  const context = new AudioContext();
  const module = new Blob([RECORDER], { type: "text/javascript" });
  await context.audioWorklet.addModule(URL.createObjectURL(module));
  const recorder = new AudioWorkletNode(context, "recorder");
  context.createMediaStreamSource(new MediaStream([track])).connect(recorder);
  recorder.connect(context.destination);
  const heard = new Float32Array(Math.ceil(seconds * context.sampleRate));
  const times = [];
  let length = 0;
  await new Promise((resolve) => {
    recorder.port.onmessage = ({ data: { time, samples } }) => {
      if (!samples) {
        return;
      }
      if (length % 12800 < samples.length) {
        times.push([length, performance.now() + (time - context.currentTime) * 1000]);
      }
      heard.set(samples.subarray(0, heard.length - length), length);
      length += samples.length;
      if (length >= heard.length) {
        resolve();
      }
    };
  });
  await context.close();
  const { sampleRate: rate } = context;
  return { rate, times, samples: new Uint8Array(heard.buffer).toBase64() };
};

window.stopViewer = () => {
  client.close();
  peer.close();
};

window.viewerReport = async () => {
  const statistics = [...(await peer.getStats()).values()];
  const inbound = statistics.find(
    (one) => one.type === "inbound-rtp" && one.kind === "video",
  );
  const codec = statistics.find((one) => one.id === inbound?.codecId);
  return {
    ...report,
    width: video.videoWidth,
    height: video.videoHeight,
    currentTime: video.currentTime,
    framesDecoded: inbound?.framesDecoded ?? 0,
    freezes: inbound?.freezeCount ?? 0,
    codec: codec && `${codec.mimeType};${codec.sdpFmtpLine ?? ""}`,
  };
};
